//! How far each follower has come in the log of each room.

use sea_orm::entity::prelude::*;

use crate::{RoomId, Seq};

/// What a follower made of a room's log up to here is committed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "follower_cursors")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub follower: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub room_id: RoomId,
    pub seq: Seq,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
