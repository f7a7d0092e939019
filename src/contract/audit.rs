//! The audit list of a room.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{AuditAction, AuditId, MessageId, Timestamp, UserId};

/// Somebody did something.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    pub id: AuditId,
    /// Who.
    pub actor_id: UserId,
    /// What.
    pub action: AuditAction,
    /// To whom.
    #[schema(required)]
    pub user_id: Option<UserId>,
    /// To which message.
    #[schema(required)]
    pub message_id: Option<MessageId>,
    /// What was, of what changed.
    #[schema(value_type = Option<Object>, required)]
    pub before: Option<Value>,
    /// What is since.
    #[schema(value_type = Option<Object>, required)]
    pub after: Option<Value>,
    pub created_at: Timestamp,
}
