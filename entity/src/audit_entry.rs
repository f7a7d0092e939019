//! Who did what to whom in a room, for its admins.

use sea_orm::entity::prelude::*;

use crate::{AuditAction, AuditId, MessageId, RoomId, Timestamp, UserId};

/// An entry of the audit list. It holds settings and names of roles, never what a message said.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditId,
    pub room_id: RoomId,
    pub actor_id: UserId,
    pub action: AuditAction,
    /// To whom.
    pub user_id: Option<UserId>,
    /// To which message.
    pub message_id: Option<MessageId>,
    /// What was, as a JSON object.
    pub before: Option<String>,
    /// What is since, as a JSON object.
    pub after: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
