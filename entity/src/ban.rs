//! Who may not come (back) into a room.

use sea_orm::entity::prelude::*;

use crate::{RoomId, Timestamp, UserId};

/// A ban, until it expires or is lifted; then its row goes.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bans")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub room_id: RoomId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    pub banned_by: UserId,
    pub reason: Option<String>,
    pub created_at: Timestamp,
    /// Never, if absent.
    pub expires_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
