//! The audit list of a room.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{AuditAction, AuditId, MessageId, Timestamp, UserId};

/// An audit record: an action of a member.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    pub id: AuditId,
    /// The member who acted.
    pub actor_id: UserId,
    /// The action.
    pub action: AuditAction,
    /// The user who was affected.
    #[schema(required)]
    pub user_id: Option<UserId>,
    /// The message that was affected.
    #[schema(required)]
    pub message_id: Option<MessageId>,
    /// The changed values before the action.
    #[schema(value_type = Option<Object>, required)]
    pub before: Option<Value>,
    /// The changed values after the action.
    #[schema(value_type = Option<Object>, required)]
    pub after: Option<Value>,
    pub created_at: Timestamp,
}
