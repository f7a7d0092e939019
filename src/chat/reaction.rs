//! Reactions: each user adds an emoji to a message once.

use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{
    Chat, annotations, find,
    permission::{Capability, Permit},
};
use crate::{
    auth::Actor,
    clock,
    contract::{EventKind, MessageId, Timestamp, UserId, reaction::Reactions, text},
    db::Transaction,
    error::{Error, Result},
    log::Change,
};
use entity::reaction;

/// The most different emoji of one message.
const KINDS: usize = 20;

/// The most of one user: half, so that others can add theirs.
const OWN_KINDS: usize = 10;

/// Adds a reaction to a message. Adding it again changes nothing.
///
/// # Errors
/// `VALIDATION_ERROR` for what is no emoji, for a twenty-first kind, and for an eleventh of the same person; `MESSAGE_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn add(chat: &Chat, actor: &Actor, id: MessageId, emoji: &str) -> Result<Reactions> {
    let emoji = one(emoji)?;
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let (message, membership) = find::message_for_update(&tx, actor.user_id, id).await?;
    let permit = membership.permit_reacting(now)?;
    if message.deleted_at.is_some() {
        return Err(Error::MESSAGE_NOT_FOUND);
    }
    let own = kinds(&tx, id, Some(actor.user_id)).await?;
    if own.contains(&emoji) {
        return under(&tx, actor.user_id, id).await;
    }
    if own.len() >= OWN_KINDS {
        return Err(Error::field(
            "emoji",
            "too_many",
            format!("at most {OWN_KINDS} different reactions per person on a message"),
        ));
    }
    let kinds = kinds(&tx, id, None).await?;
    if !kinds.contains(&emoji) && kinds.len() >= KINDS {
        return Err(Error::field("emoji", "too_many", format!("a message can have at most {KINDS} different emoji")));
    }
    let row = reaction::ActiveModel {
        message_id: Set(id),
        emoji: Set(emoji.clone()),
        user_id: Set(actor.user_id),
        created_at: Set(now),
    };
    reaction::Entity::insert(row).exec_without_returning(&tx).await?;
    commit_change(chat, tx, &permit, Change::of_message(EventKind::ReactionAdded, id).with_emoji(emoji), now).await
}

/// Removes the asker's reaction from a message. If there is none, nothing changes.
///
/// # Errors
/// `VALIDATION_ERROR`, `MESSAGE_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn remove(chat: &Chat, actor: &Actor, id: MessageId, emoji: &str) -> Result<Reactions> {
    let emoji = one(emoji)?;
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let (message, membership) = find::message_for_update(&tx, actor.user_id, id).await?;
    // A user may always remove their own reaction.
    let permit = membership.permit(Capability::ChangeOwn)?;
    if message.deleted_at.is_some() {
        return Err(Error::MESSAGE_NOT_FOUND);
    }
    let removed = reaction::Entity::delete_by_id((id, emoji.clone(), actor.user_id)).exec(&tx).await?;
    if removed.rows_affected == 0 {
        return under(&tx, actor.user_id, id).await;
    }
    commit_change(chat, tx, &permit, Change::of_message(EventKind::ReactionRemoved, id).with_emoji(emoji), now).await
}

/// The stored form of an emoji, which can be written in several forms.
fn one(emoji: &str) -> Result<String> {
    text::emoji("emoji", emoji).map_err(|error| Error::Validation(vec![error]))
}

/// Removes all reactions of a message that is being deleted.
pub(super) async fn clear(tx: &Transaction, id: MessageId) -> Result<()> {
    reaction::Entity::delete_many().filter(reaction::Column::MessageId.eq(id)).exec(tx).await?;
    Ok(())
}

async fn commit_change(
    chat: &Chat,
    tx: Transaction,
    permit: &Permit,
    change: Change,
    now: Timestamp,
) -> Result<Reactions> {
    let id = change.message_id.ok_or_else(|| Error::internal("a reaction has a message"))?;
    let room = permit.append(&tx, &[change], now).await?;
    let reactions = under(&tx, permit.user_id(), id).await?;
    chat.log.commit(tx, &room, 1).await?;
    Ok(reactions)
}

async fn under(db: &impl ConnectionTrait, user: UserId, id: MessageId) -> Result<Reactions> {
    let annotations = annotations::now(db, user, &[id]).await?.remove(&id).unwrap_or_default();
    Ok(Reactions { reactions: annotations.reactions })
}

/// The different emoji of a message, of all users or of one.
async fn kinds(db: &impl ConnectionTrait, id: MessageId, of: Option<UserId>) -> Result<Vec<String>> {
    let mut reactions = reaction::Entity::find().filter(reaction::Column::MessageId.eq(id));
    if let Some(user) = of {
        reactions = reactions.filter(reaction::Column::UserId.eq(user));
    }
    Ok(reactions.select_only().column(reaction::Column::Emoji).distinct().into_tuple().all(db).await?)
}
