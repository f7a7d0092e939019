//! How far each member had read, and when: one row an advance of the mark, not one a message.

use sea_orm::entity::prelude::*;

use crate::{RoomId, Seq, Timestamp, UserId};

/// An advance of a read mark: everything with a seq in `(from_seq, seq]` was read at one moment.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "read_marks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub room_id: RoomId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: Seq,
    pub from_seq: Seq,
    pub read_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
