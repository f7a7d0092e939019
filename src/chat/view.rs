//! Rows as clients see them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{
    attachment,
    notes::{self, Notes},
};
use crate::{
    auth::account,
    contract::{
        HistoryAccess, Media, Member, Message, MessageId, Role, Room, RoomId, Seq, User, UserId, message::ReplyPreview,
    },
    error::Result,
    media::link::Links,
};
use entity::{member, message, room, user};

/// People by their id.
pub(super) type People = HashMap<UserId, Arc<User>>;

/// A user as people who share a room with them see them.
pub(super) fn person(model: user::Model, links: &Links) -> User {
    User { last_login: None, shares_receipts: None, ..account::profile(model, links) }
}

/// The users of these ids, each once.
pub(super) async fn people(db: &impl ConnectionTrait, links: &Links, ids: HashSet<UserId>) -> Result<People> {
    if ids.is_empty() {
        return Ok(People::new());
    }
    let models = user::Entity::find().filter(user::Column::Id.is_in(padded(ids))).all(db).await?;
    Ok(models.into_iter().map(|model| (model.id, Arc::new(person(model, links)))).collect())
}

/// A room, without what only its members' lists carry.
pub(super) fn room(model: room::Model, links: &Links) -> Room {
    Room {
        id: model.id,
        room_type: model.room_type,
        visibility: model.visibility,
        name: model.name,
        description: model.description,
        avatar_url: model.avatar_media_id.map(|id| links.avatar(id)).or(model.avatar_url),
        created_by: model.created_by,
        max_members: model.max_members,
        history: model.history,
        slow_mode_seconds: model.slow_mode_seconds,
        member_count: model.member_count,
        message_count: model.message_count,
        last_seq: model.last_seq,
        ai_enabled: model.ai_enabled,
        ai_model: model.ai_model,
        is_active: model.deleted_at.is_none(),
        created_at: model.created_at,
        updated_at: model.updated_at,
        members: None,
        last_message: None,
        unread_count: None,
        mention_count: None,
        my_role: None,
    }
}

/// For whom rows are shown, and who signs the addresses of files that they contain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    /// One person; or all who hear a room: what they see is an entry of its log.
    pub(super) user: Option<UserId>,
    pub(super) links: &'a Links,
}

/// Members with their users. How far somebody has read who does not share that, they alone see.
pub(super) async fn members(
    db: &impl ConnectionTrait,
    reader: Reader<'_>,
    models: Vec<member::Model>,
) -> Result<Vec<Member>> {
    let ids: HashSet<UserId> = models.iter().map(|model| model.user_id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let users = user::Entity::find().filter(user::Column::Id.is_in(padded(ids))).all(db).await?;
    let users: HashMap<UserId, user::Model> = users.into_iter().map(|user| (user.id, user)).collect();
    Ok(models
        .into_iter()
        .filter_map(|model| Some(member(&model, reader, users.get(&model.user_id)?.clone())))
        .collect())
}

fn member(model: &member::Model, reader: Reader<'_>, user: user::Model) -> Member {
    let is_active = model.left_at.is_none();
    let tells = user.shares_receipts || reader.user == Some(user.id);
    let user = person(user, reader.links);
    Member {
        id: model.id,
        room_id: model.room_id,
        user_id: model.user_id,
        role: model.role,
        is_admin: matches!(model.role, Role::Owner | Role::Admin),
        joined_at: model.joined_at,
        last_read_seq: if tells { model.last_read_seq } else { model.joined_seq },
        last_read_at: model.last_read_at.filter(|_| tells),
        muted_until: model.muted_until,
        is_active,
        user: if is_active { user } else { user.masked() },
    }
}

/// A message with its sender; a deleted one loses what it said here, whatever its row holds.
pub(super) fn message(
    model: message::Model,
    sender: Arc<User>,
    reply_to: Option<ReplyPreview>,
    notes: Notes,
    attachments: Vec<Media>,
) -> Message {
    let is_deleted = model.deleted_at.is_some();
    let attachments = if is_deleted { Vec::new() } else { attachments };
    let first = attachments.first();
    let notes = if is_deleted { Notes { reply_count: notes.reply_count, ..Notes::default() } } else { notes };
    Message {
        id: model.id,
        room_id: model.room_id,
        seq: model.seq,
        sender_id: model.sender_id,
        is_bot: sender.is_bot,
        sender,
        message_type: model.message_type,
        content: model.content.filter(|_| !is_deleted),
        media_id: first.map(|media| media.id),
        media_url: first.map(|media| media.url.clone()),
        media_filename: first.map(|media| media.filename.clone()),
        media_size: first.map(|media| media.size),
        media_mime_type: first.map(|media| media.mime_type.clone()),
        media_width: first.and_then(|media| media.width),
        media_height: first.and_then(|media| media.height),
        thumbnail_url: first.and_then(|media| media.thumbnail_url.clone()),
        attachments,
        reply_to_id: model.reply_to_id,
        reply_to,
        forwarded_from_id: model.forwarded_from_id,
        reply_count: notes.reply_count,
        mentions: notes.mentions,
        reactions: notes.reactions,
        is_pinned: notes.is_pinned,
        is_edited: model.edited_at.is_some(),
        edited_at: model.edited_at,
        is_deleted,
        deleted_at: model.deleted_at,
        created_at: model.created_at,
        client_msg_id: model.client_msg_id,
        is_ai_message: false,
        ai_model_used: None,
        credits_used: None,
    }
}

/// What stands above a reply.
pub(super) fn preview(model: &message::Model, sender: &User) -> ReplyPreview {
    let is_deleted = model.deleted_at.is_some();
    ReplyPreview {
        id: model.id,
        seq: model.seq,
        sender_id: model.sender_id,
        sender_name: sender.display_name(),
        message_type: model.message_type,
        content: model.content.clone().filter(|_| !is_deleted),
        is_deleted,
    }
}

/// Messages with their senders, what they reply to and what hangs on them, in the given order. Who has left the room is
/// shown as to strangers.
///
/// To everyone, they are shown as when they were sent: what hung itself on them since has its own entries in the log.
pub(super) async fn messages(
    db: &impl ConnectionTrait,
    reader: Reader<'_>,
    models: Vec<message::Model>,
) -> Result<Vec<Message>> {
    let ids: Vec<MessageId> = models.iter().map(|model| model.id).collect();
    let mut notes = match reader.user {
        Some(user) => notes::now(db, user, &ids).await?,
        None => notes::mentions(db, &ids).await?,
    };
    let mut attachments = attachment::of(db, reader, &models).await?;
    let originals = by_id(db, models.iter().filter_map(|model| model.reply_to_id).collect()).await?;
    let people =
        people(db, reader.links, models.iter().chain(originals.values()).map(|model| model.sender_id).collect())
            .await?;
    let here = present(db, reader, &models).await?;
    let unreadable = unreadable(db, reader, &here, &originals).await?;
    Ok(models
        .into_iter()
        .filter_map(|model| {
            let mut sender = Arc::clone(people.get(&model.sender_id)?);
            if !here.contains_key(&(model.room_id, model.sender_id)) {
                sender = Arc::new(User::clone(&sender).masked());
            }
            let original = model.reply_to_id.filter(|id| !unreadable.contains(id)).and_then(|id| originals.get(&id));
            let reply_to =
                original.and_then(|original| Some(preview(original, people.get(&original.sender_id)?.as_ref())));
            let notes = notes.remove(&model.id).unwrap_or_default();
            let attachments = attachments.remove(&model.id).unwrap_or_default();
            Some(message(model, sender, reply_to, notes, attachments))
        })
        .collect())
}

/// Where the senders of some messages, and their reader, joined the rooms of these messages. Who has left is left out.
async fn present(
    db: &impl ConnectionTrait,
    reader: Reader<'_>,
    models: &[message::Model],
) -> Result<HashMap<(RoomId, UserId), Seq>> {
    let rooms: HashSet<RoomId> = models.iter().map(|model| model.room_id).collect();
    let mut people: HashSet<UserId> = models.iter().map(|model| model.sender_id).collect();
    if models.is_empty() {
        return Ok(HashMap::new());
    }
    if let Some(user) = reader.user {
        people.insert(user);
    }
    let here = member::Entity::find()
        .select_only()
        .columns([member::Column::RoomId, member::Column::UserId, member::Column::JoinedSeq])
        .filter(member::Column::RoomId.is_in(padded(rooms)))
        .filter(member::Column::UserId.is_in(padded(people)))
        .filter(member::Column::LeftAt.is_null())
        .into_tuple()
        .all(db)
        .await?;
    Ok(here.into_iter().map(|(room, user, joined)| ((room, user), joined)).collect())
}

/// Which of some messages that are quoted their reader may not read: those from before their time, where newcomers do not
/// read back.
async fn unreadable(
    db: &impl ConnectionTrait,
    reader: Reader<'_>,
    here: &HashMap<(RoomId, UserId), Seq>,
    originals: &HashMap<MessageId, message::Model>,
) -> Result<HashSet<MessageId>> {
    let Some(user) = reader.user else { return Ok(HashSet::new()) };
    let older: Vec<&message::Model> = originals
        .values()
        .filter(|original| here.get(&(original.room_id, user)).is_some_and(|joined| original.seq < *joined))
        .collect();
    if older.is_empty() {
        return Ok(HashSet::new());
    }
    let rooms: HashSet<RoomId> = older.iter().map(|original| original.room_id).collect();
    let closed: HashSet<RoomId> = room::Entity::find()
        .select_only()
        .column(room::Column::Id)
        .filter(room::Column::Id.is_in(padded(rooms)))
        .filter(room::Column::History.eq(HistoryAccess::SinceJoined))
        .into_tuple()
        .all(db)
        .await?
        .into_iter()
        .collect();
    Ok(older.into_iter().filter(|original| closed.contains(&original.room_id)).map(|original| original.id).collect())
}

/// One message as one person sees it.
pub(super) async fn one_message(
    db: &impl ConnectionTrait,
    reader: Reader<'_>,
    model: message::Model,
) -> Result<Message> {
    let messages = messages(db, reader, vec![model]).await?;
    messages.into_iter().next().ok_or(crate::error::Error::MESSAGE_NOT_FOUND)
}

/// Message rows by their ids.
pub(super) async fn by_id(
    db: &impl ConnectionTrait,
    ids: HashSet<MessageId>,
) -> Result<HashMap<MessageId, message::Model>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let models = message::Entity::find().filter(message::Column::Id.is_in(padded(ids))).all(db).await?;
    Ok(models.into_iter().map(|model| (model.id, model)).collect())
}

/// The items, the last one repeated until their number is a power of two: the statement cache is keyed by the text of a
/// statement, and so holds a few of them instead of one for every number.
pub(super) fn padded<T: Clone>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    if let Some(last) = items.last().cloned() {
        items.resize(items.len().next_power_of_two(), last);
    }
    items
}
