//! Reactions: emojis under messages, each person's once.

use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{
    Chat, find,
    log::{self, Change},
    notes,
    permission::{Capability, Permit},
};
use crate::{
    auth::Actor,
    contract::{EventKind, MessageId, Timestamp, UserId, reaction::Reactions, text},
    db::Transaction,
    error::{Error, Result},
};
use entity::reaction;

/// Kinds of emoji under one message.
const KINDS: usize = 20;

/// Puts an emoji under a message. Putting it there again changes nothing.
///
/// # Errors
/// `VALIDATION_ERROR` for what is no emoji, and for a twenty-first kind; `MESSAGE_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn add(chat: &Chat, actor: &Actor, id: MessageId, emoji: String) -> Result<Reactions> {
    Error::check([text::emoji("emoji", &emoji)])?;
    let now = chat.clock.now();
    let tx = chat.db.begin().await?;
    let (message, standing) = find::message_for_update(&tx, actor.user_id, id).await?;
    let permit = standing.permit_reacting(now)?;
    if message.deleted_at.is_some() {
        return Err(Error::MESSAGE_NOT_FOUND);
    }
    let kinds = kinds(&tx, id).await?;
    if !kinds.contains(&emoji) && kinds.len() >= KINDS {
        return Err(Error::field("emoji", "too_many", format!("a message carries at most {KINDS} kinds of emoji")));
    }
    if mine(&tx, actor.user_id, id, &emoji).await? {
        return under(&tx, actor.user_id, id).await;
    }
    let row = reaction::ActiveModel {
        message_id: Set(id),
        emoji: Set(emoji.clone()),
        user_id: Set(actor.user_id),
        created_at: Set(now),
    };
    reaction::Entity::insert(row).exec_without_returning(&tx).await?;
    told(chat, tx, &permit, Change::of_message(EventKind::ReactionAdded, id).with_emoji(emoji), now).await
}

/// Takes one's own emoji from under a message. Without one there, nothing changes.
///
/// # Errors
/// `VALIDATION_ERROR`, `MESSAGE_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn remove(chat: &Chat, actor: &Actor, id: MessageId, emoji: String) -> Result<Reactions> {
    Error::check([text::emoji("emoji", &emoji)])?;
    let now = chat.clock.now();
    let tx = chat.db.begin().await?;
    let (message, standing) = find::message_for_update(&tx, actor.user_id, id).await?;
    let permit = standing.permit(Capability::React)?;
    if message.deleted_at.is_some() {
        return Err(Error::MESSAGE_NOT_FOUND);
    }
    let removed = reaction::Entity::delete_by_id((id, emoji.clone(), actor.user_id)).exec(&tx).await?;
    if removed.rows_affected == 0 {
        return under(&tx, actor.user_id, id).await;
    }
    told(chat, tx, &permit, Change::of_message(EventKind::ReactionRemoved, id).with_emoji(emoji), now).await
}

/// Takes every reaction from under a message, which is being deleted.
pub(super) async fn clear(tx: &Transaction, id: MessageId) -> Result<()> {
    reaction::Entity::delete_many().filter(reaction::Column::MessageId.eq(id)).exec(tx).await?;
    Ok(())
}

async fn told(chat: &Chat, tx: Transaction, permit: &Permit, change: Change, now: Timestamp) -> Result<Reactions> {
    let id = change.message_id.ok_or_else(|| Error::internal("a reaction has a message"))?;
    let room = log::append(&tx, permit, &[change], now).await?;
    let reactions = under(&tx, permit.user_id, id).await?;
    log::commit(chat, tx, &room, 1).await?;
    Ok(reactions)
}

async fn under(db: &impl ConnectionTrait, reader: UserId, id: MessageId) -> Result<Reactions> {
    let notes = notes::now(db, reader, &[id]).await?.remove(&id).unwrap_or_default();
    Ok(Reactions { reactions: notes.reactions })
}

async fn kinds(db: &impl ConnectionTrait, id: MessageId) -> Result<Vec<String>> {
    Ok(reaction::Entity::find()
        .select_only()
        .column(reaction::Column::Emoji)
        .distinct()
        .filter(reaction::Column::MessageId.eq(id))
        .into_tuple()
        .all(db)
        .await?)
}

async fn mine(db: &impl ConnectionTrait, user: UserId, id: MessageId, emoji: &str) -> Result<bool> {
    Ok(reaction::Entity::find_by_id((id, emoji.to_owned(), user)).one(db).await?.is_some())
}
