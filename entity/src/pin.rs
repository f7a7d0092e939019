//! Messages that a room keeps in sight.

use sea_orm::entity::prelude::*;

use crate::{MessageId, RoomId, Timestamp, UserId};

/// A pinned message.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pins")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: MessageId,
    pub room_id: RoomId,
    /// Who pinned it.
    pub user_id: UserId,
    pub pinned_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
