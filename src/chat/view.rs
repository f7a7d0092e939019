//! Rows as clients see them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::{
    auth::account,
    contract::{Member, Message, MessageId, Role, Room, RoomId, User, UserId, message::ReplyPreview},
    error::Result,
};
use entity::{member, message, room, user};

/// People by their id.
pub(super) type People = HashMap<UserId, Arc<User>>;

/// A user as people who share a room with them see them.
pub(super) fn person(model: user::Model) -> User {
    User { last_login: None, shares_receipts: None, ..account::profile(model) }
}

/// The users of these ids, each once.
pub(super) async fn people(db: &impl ConnectionTrait, ids: HashSet<UserId>) -> Result<People> {
    if ids.is_empty() {
        return Ok(People::new());
    }
    let models = user::Entity::find().filter(user::Column::Id.is_in(padded(ids))).all(db).await?;
    Ok(models.into_iter().map(|model| (model.id, Arc::new(person(model)))).collect())
}

/// A room, without what only its members' lists carry.
pub(super) fn room(model: room::Model) -> Room {
    Room {
        id: model.id,
        room_type: model.room_type,
        visibility: model.visibility,
        name: model.name,
        description: model.description,
        avatar_url: model.avatar_url,
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

/// A member with their user, who must be in `people`.
pub(super) fn member(model: &member::Model, people: &People) -> Option<Member> {
    let user = people.get(&model.user_id).map(|user| User::clone(user))?;
    let is_active = model.left_at.is_none();
    Some(Member {
        id: model.id,
        room_id: model.room_id,
        user_id: model.user_id,
        role: model.role,
        is_admin: matches!(model.role, Role::Owner | Role::Admin),
        joined_at: model.joined_at,
        last_read_seq: model.last_read_seq,
        last_read_at: model.last_read_at,
        muted_until: model.muted_until,
        is_active,
        user: if is_active { user } else { user.masked() },
    })
}

/// Members with their users.
pub(super) async fn members(db: &impl ConnectionTrait, models: Vec<member::Model>) -> Result<Vec<Member>> {
    let people = people(db, models.iter().map(|model| model.user_id).collect()).await?;
    Ok(models.iter().filter_map(|model| member(model, &people)).collect())
}

/// A message with its sender; a deleted one loses what it said here, whatever its row holds.
pub(super) fn message(model: message::Model, sender: Arc<User>, reply_to: Option<ReplyPreview>) -> Message {
    let is_deleted = model.deleted_at.is_some();
    Message {
        id: model.id,
        room_id: model.room_id,
        seq: model.seq,
        sender_id: model.sender_id,
        is_bot: sender.is_bot,
        sender,
        message_type: model.message_type,
        content: model.content.filter(|_| !is_deleted),
        media_id: model.media_id.filter(|_| !is_deleted),
        media_url: None,
        media_filename: None,
        media_size: None,
        media_mime_type: None,
        media_width: None,
        media_height: None,
        thumbnail_url: None,
        reply_to_id: model.reply_to_id,
        reply_to,
        forwarded_from_id: model.forwarded_from_id,
        reply_count: 0,
        mentions: Vec::new(),
        reactions: Vec::new(),
        is_pinned: false,
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

/// Messages with their senders and what they reply to, in the given order. Who has left the room is shown as to strangers.
pub(super) async fn messages(db: &impl ConnectionTrait, models: Vec<message::Model>) -> Result<Vec<Message>> {
    let originals = by_id(db, models.iter().filter_map(|model| model.reply_to_id).collect()).await?;
    let people = people(db, models.iter().chain(originals.values()).map(|model| model.sender_id).collect()).await?;
    let here = present(db, &models).await?;
    Ok(models
        .into_iter()
        .filter_map(|model| {
            let mut sender = Arc::clone(people.get(&model.sender_id)?);
            if !here.contains(&(model.room_id, model.sender_id)) {
                sender = Arc::new(User::clone(&sender).masked());
            }
            let original = model.reply_to_id.and_then(|id| originals.get(&id));
            let reply_to =
                original.and_then(|original| Some(preview(original, people.get(&original.sender_id)?.as_ref())));
            Some(message(model, sender, reply_to))
        })
        .collect())
}

/// Which senders of some messages are in the room they sent them to.
async fn present(db: &impl ConnectionTrait, models: &[message::Model]) -> Result<HashSet<(RoomId, UserId)>> {
    let rooms: HashSet<RoomId> = models.iter().map(|model| model.room_id).collect();
    let senders: HashSet<UserId> = models.iter().map(|model| model.sender_id).collect();
    if models.is_empty() {
        return Ok(HashSet::new());
    }
    let here = member::Entity::find()
        .select_only()
        .columns([member::Column::RoomId, member::Column::UserId])
        .filter(member::Column::RoomId.is_in(padded(rooms)))
        .filter(member::Column::UserId.is_in(padded(senders)))
        .filter(member::Column::LeftAt.is_null())
        .into_tuple()
        .all(db)
        .await?;
    Ok(here.into_iter().collect())
}

/// One message with its sender and what it replies to.
pub(super) async fn one_message(db: &impl ConnectionTrait, model: message::Model) -> Result<Message> {
    messages(db, vec![model]).await?.pop().ok_or(crate::error::Error::MESSAGE_NOT_FOUND)
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
