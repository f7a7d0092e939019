//! The rooms that the search index knows.

use sea_orm::entity::prelude::*;

use crate::RoomId;

/// A room of the index.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "search_rooms")]
pub struct Model {
    /// What the index calls it.
    #[sea_orm(primary_key)]
    pub number: i64,
    #[sea_orm(unique)]
    pub room_id: RoomId,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
