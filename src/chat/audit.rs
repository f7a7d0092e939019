//! Who did what to whom: entered in the transaction that does it, so that nothing is done without its entry.

use sea_orm::{ActiveValue::Set, DatabaseTransaction, EntityTrait};
use serde_json::Value;

use super::permission::Permit;
use crate::{
    contract::{AuditAction, AuditId, MessageId, Timestamp, UserId},
    error::Result,
};
use entity::audit_entry;

/// Something that an admin's list should tell of.
#[derive(Debug)]
pub(super) struct Deed {
    action: AuditAction,
    user_id: Option<UserId>,
    message_id: Option<MessageId>,
    before: Option<Value>,
    after: Option<Value>,
}

impl Deed {
    /// Something done to the room itself.
    pub(super) fn new(action: AuditAction) -> Self {
        Self { action, user_id: None, message_id: None, before: None, after: None }
    }

    /// To whom.
    pub(super) fn to(self, user: UserId) -> Self {
        Self { user_id: Some(user), ..self }
    }

    /// To which message.
    pub(super) fn message(self, message: MessageId) -> Self {
        Self { message_id: Some(message), ..self }
    }

    /// What was: a JSON object of what the deed changed.
    pub(super) fn before(self, before: Value) -> Self {
        Self { before: Some(before), ..self }
    }

    /// What is since.
    pub(super) fn after(self, after: Value) -> Self {
        Self { after: Some(after), ..self }
    }
}

/// Enters deeds of one person in a room.
pub(super) async fn enter(
    tx: &DatabaseTransaction,
    permit: &Permit,
    deeds: impl IntoIterator<Item = Deed>,
    now: Timestamp,
) -> Result<()> {
    let rows: Vec<_> = deeds
        .into_iter()
        .map(|deed| audit_entry::ActiveModel {
            id: Set(AuditId::new()),
            room_id: Set(permit.room_id),
            actor_id: Set(permit.user_id),
            action: Set(deed.action),
            user_id: Set(deed.user_id),
            message_id: Set(deed.message_id),
            before: Set(deed.before.map(|value| value.to_string())),
            after: Set(deed.after.map(|value| value.to_string())),
            created_at: Set(now),
        })
        .collect();
    if !rows.is_empty() {
        audit_entry::Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(())
}
