//! Rows as clients see them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QuerySelect};

use super::{
    annotations::{self, Annotations},
    attachment,
    privacy::EmailVisibility,
    recipient::Recipient,
};
use crate::{
    auth::accounts,
    contract::{
        HistoryAccess, Media, Member, Message, MessageId, Role, Room, RoomId, Seq, User, UserId, Visibility,
        message::ReplyPreview,
    },
    db::query,
    error::Result,
    media::signed_url::UrlSigner,
};
use entity::{member, message, room, user};

/// People by their id.
pub(crate) type People = HashMap<UserId, Arc<User>>;

/// A user as those see them of whom they are a contact.
pub(crate) fn person(model: user::Model, signer: &UrlSigner) -> User {
    User { last_login: None, shares_receipts: None, ..accounts::profile(model, signer) }
}

/// The users of these ids, each once.
pub(crate) async fn people(db: &impl ConnectionTrait, signer: &UrlSigner, ids: HashSet<UserId>) -> Result<People> {
    if ids.is_empty() {
        return Ok(People::new());
    }
    let models = user::Entity::find().filter(user::Column::Id.is_in(query::padded(ids))).all(db).await?;
    Ok(models.into_iter().map(|model| (model.id, Arc::new(person(model, signer)))).collect())
}

/// The users of these ids as one person sees them.
pub(crate) async fn people_for(
    db: &impl ConnectionTrait,
    recipient: Recipient<'_>,
    ids: HashSet<UserId>,
) -> Result<Vec<User>> {
    let emails = EmailVisibility::of(db, recipient, ids.iter().copied()).await?;
    let people = people(db, recipient.signer, ids).await?.into_values().map(Arc::unwrap_or_clone);
    Ok(people.map(|user| if emails.shows(user.id, false) { user } else { user.masked() }).collect())
}

/// A room, without what only its members' lists carry.
pub(crate) fn room(model: room::Model, signer: &UrlSigner) -> Room {
    Room {
        id: model.id,
        room_type: model.room_type,
        visibility: model.visibility,
        name: model.name,
        description: model.description,
        avatar_url: model.avatar_media_id.map(|id| signer.avatar(id)).or(model.avatar_url),
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
        invited: None,
    }
}

/// Members with their users. The mark of a member who does not share it is visible only to them.
pub(crate) async fn members(
    db: &impl ConnectionTrait,
    recipient: Recipient<'_>,
    models: Vec<member::Model>,
) -> Result<Vec<Member>> {
    let ids: HashSet<UserId> = models.iter().map(|model| model.user_id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let users = user::Entity::find().filter(user::Column::Id.is_in(query::padded(ids))).all(db).await?;
    let users: HashMap<UserId, user::Model> = users.into_iter().map(|user| (user.id, user)).collect();
    let public = public(db, models.iter().map(|model| model.room_id).collect()).await?;
    let is_contact =
        |model: &member::Model| model.left_at.is_none() && model.participates && !public.contains(&model.room_id);
    let others = models.iter().filter(|model| !is_contact(model)).map(|model| model.user_id);
    let emails = EmailVisibility::of(db, recipient, others).await?;
    let shown = |model: member::Model| {
        let is_whole = emails.shows(model.user_id, is_contact(&model));
        Some(member(&model, recipient, users.get(&model.user_id)?.clone(), is_whole))
    };
    Ok(models.into_iter().filter_map(shown).collect())
}

/// Which of some rooms are public.
async fn public(db: &impl ConnectionTrait, rooms: HashSet<RoomId>) -> Result<HashSet<RoomId>> {
    let public = room::Entity::find()
        .select_only()
        .column(room::Column::Id)
        .filter(room::Column::Id.is_in(query::padded(rooms)))
        .filter(room::Column::Visibility.eq(Visibility::Public))
        .into_tuple()
        .all(db)
        .await?;
    Ok(public.into_iter().collect())
}

fn member(model: &member::Model, recipient: Recipient<'_>, user: user::Model, is_whole: bool) -> Member {
    let tells = user.shares_receipts || recipient.user == Some(user.id);
    let whole = person(user, recipient.signer);
    let (user, own_user) = if is_whole {
        (whole, None)
    } else {
        (whole.clone().masked(), recipient.user.is_none().then(|| Box::new(whole)))
    };
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
        is_active: model.left_at.is_none(),
        user,
        own_user,
    }
}

/// Who sent something, as a recipient sees them.
pub(crate) struct Sender {
    shown: Arc<User>,
    /// As they see themselves, where that is more.
    own: Option<Arc<User>>,
}

impl Sender {
    /// A sender whose address is shown in full or masked.
    pub(crate) fn new(user: &Arc<User>, is_whole: bool) -> Self {
        if is_whole {
            return Self { shown: Arc::clone(user), own: None };
        }
        Self { shown: Arc::new(User::clone(user).masked()), own: Some(Arc::clone(user)) }
    }
}

/// A message with its sender; a deleted one loses what it said here, whatever its row holds.
pub(crate) fn message(
    model: message::Model,
    Sender { shown: sender, own: own_sender }: Sender,
    reply_to: Option<ReplyPreview>,
    annotations: Annotations,
    attachments: Vec<Media>,
) -> Message {
    let is_deleted = model.deleted_at.is_some();
    let attachments = if is_deleted { Vec::new() } else { attachments };
    let first = attachments.first();
    let annotations = if is_deleted {
        Annotations { reply_count: annotations.reply_count, ..Annotations::default() }
    } else {
        annotations
    };
    Message {
        id: model.id,
        room_id: model.room_id,
        seq: model.seq,
        sender_id: model.sender_id,
        is_bot: sender.is_bot,
        sender,
        own_sender,
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
        reply_count: annotations.reply_count,
        mentions: annotations.mentions,
        reactions: annotations.reactions,
        is_pinned: annotations.is_pinned,
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
pub(crate) fn preview(model: &message::Model, sender: &User) -> ReplyPreview {
    let is_deleted = model.deleted_at.is_some();
    ReplyPreview {
        id: model.id,
        seq: model.seq,
        sender_id: model.sender_id,
        sender: Arc::new(sender.clone().masked()),
        sender_name: sender.display_name(),
        message_type: model.message_type,
        content: model.content.clone().filter(|_| !is_deleted),
        is_deleted,
    }
}

/// Messages with their senders, what they reply to and what hangs on them, in the given order.
///
/// To everyone, they are shown as when they were sent: what hung itself on them since has its own entries in the log.
pub(crate) async fn messages(
    db: &impl ConnectionTrait,
    recipient: Recipient<'_>,
    models: Vec<message::Model>,
) -> Result<Vec<Message>> {
    let ids: Vec<MessageId> = models.iter().map(|model| model.id).collect();
    let mut annotations = match recipient.user {
        Some(user) => annotations::now(db, user, &ids).await?,
        None => annotations::mentions(db, &ids).await?,
    };
    let mut attachments = attachment::of(db, recipient, &models).await?;
    let originals = by_id(db, models.iter().filter_map(|model| model.reply_to_id).collect()).await?;
    let people =
        people(db, recipient.signer, models.iter().chain(originals.values()).map(|model| model.sender_id).collect())
            .await?;
    let here = present(db, recipient, &models).await?;
    let unreadable = unreadable(db, recipient, &here, &originals).await?;
    // Who wrote a message has written in its room.
    let is_contact = |model: &message::Model| {
        here.get(&(model.room_id, model.sender_id))
            .is_some_and(|member_row| member_row.visibility != Visibility::Public)
    };
    let others = models.iter().filter(|model| !is_contact(model)).map(|model| model.sender_id);
    let emails = EmailVisibility::of(db, recipient, others).await?;
    Ok(models
        .into_iter()
        .filter_map(|model| {
            let is_whole = emails.shows(model.sender_id, is_contact(&model));
            let mut sender = Sender::new(people.get(&model.sender_id)?, is_whole);
            sender.own = sender.own.filter(|_| recipient.user.is_none());
            let original = model.reply_to_id.filter(|id| !unreadable.contains(id)).and_then(|id| originals.get(&id));
            let reply_to =
                original.and_then(|original| Some(preview(original, people.get(&original.sender_id)?.as_ref())));
            let annotations = annotations.remove(&model.id).unwrap_or_default();
            let attachments = attachments.remove(&model.id).unwrap_or_default();
            Some(message(model, sender, reply_to, annotations, attachments))
        })
        .collect())
}

/// A user's membership of a room.
struct Present {
    joined: Seq,
    visibility: Visibility,
}

/// Where the senders of some messages, and their recipient, joined the rooms of these messages. Who has left is left out.
async fn present(
    db: &impl ConnectionTrait,
    recipient: Recipient<'_>,
    models: &[message::Model],
) -> Result<HashMap<(RoomId, UserId), Present>> {
    let rooms: HashSet<RoomId> = models.iter().map(|model| model.room_id).collect();
    let mut people: HashSet<UserId> = models.iter().map(|model| model.sender_id).collect();
    if models.is_empty() {
        return Ok(HashMap::new());
    }
    if let Some(user) = recipient.user {
        people.insert(user);
    }
    let home = member::Entity::belongs_to(room::Entity).from(member::Column::RoomId).to(room::Column::Id).into();
    let here = member::Entity::find()
        .select_only()
        .columns([member::Column::RoomId, member::Column::UserId, member::Column::JoinedSeq])
        .column(room::Column::Visibility)
        .join(JoinType::InnerJoin, home)
        .filter(member::Column::RoomId.is_in(query::padded(rooms)))
        .filter(member::Column::UserId.is_in(query::padded(people)))
        .filter(member::Column::LeftAt.is_null())
        .into_tuple()
        .all(db)
        .await?;
    let present = |(room, user, joined, visibility)| ((room, user), Present { joined, visibility });
    Ok(here.into_iter().map(present).collect())
}

/// Which of some messages that are quoted their recipient may not read: those from before their time, where newcomers do not
/// read back.
async fn unreadable(
    db: &impl ConnectionTrait,
    recipient: Recipient<'_>,
    here: &HashMap<(RoomId, UserId), Present>,
    originals: &HashMap<MessageId, message::Model>,
) -> Result<HashSet<MessageId>> {
    let Some(user) = recipient.user else { return Ok(HashSet::new()) };
    let older: Vec<&message::Model> = originals
        .values()
        .filter(|original| {
            here.get(&(original.room_id, user)).is_some_and(|member_row| original.seq < member_row.joined)
        })
        .collect();
    if older.is_empty() {
        return Ok(HashSet::new());
    }
    let rooms: HashSet<RoomId> = older.iter().map(|original| original.room_id).collect();
    let closed: HashSet<RoomId> = room::Entity::find()
        .select_only()
        .column(room::Column::Id)
        .filter(room::Column::Id.is_in(query::padded(rooms)))
        .filter(room::Column::History.eq(HistoryAccess::SinceJoined))
        .into_tuple()
        .all(db)
        .await?
        .into_iter()
        .collect();
    Ok(older.into_iter().filter(|original| closed.contains(&original.room_id)).map(|original| original.id).collect())
}

/// One message as one person sees it.
pub(crate) async fn one_message(
    db: &impl ConnectionTrait,
    recipient: Recipient<'_>,
    model: message::Model,
) -> Result<Message> {
    let messages = messages(db, recipient, vec![model]).await?;
    messages.into_iter().next().ok_or(crate::error::Error::MESSAGE_NOT_FOUND)
}

/// Message rows by their ids.
pub(crate) async fn by_id(
    db: &impl ConnectionTrait,
    ids: HashSet<MessageId>,
) -> Result<HashMap<MessageId, message::Model>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let models = message::Entity::find().filter(message::Column::Id.is_in(query::padded(ids))).all(db).await?;
    Ok(models.into_iter().map(|model| (model.id, model)).collect())
}
