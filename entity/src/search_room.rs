//! How far the messages of each room are in the search index.

use sea_orm::entity::prelude::*;

use crate::{RoomId, Seq};

/// A room that the index knows.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "search_rooms")]
pub struct Model {
    /// What the index calls it.
    #[sea_orm(primary_key)]
    pub number: i64,
    #[sea_orm(unique)]
    pub room_id: RoomId,
    /// Its log is in the index up to here.
    pub indexed_seq: Seq,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
