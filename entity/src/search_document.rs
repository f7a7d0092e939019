//! Messages that are in the search index.

use sea_orm::entity::prelude::*;

use crate::{MessageId, RoomId};

/// A message of the index.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "search_documents")]
pub struct Model {
    /// What the index calls it: later messages have greater numbers, in whatever order they were indexed.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    #[sea_orm(unique)]
    pub message_id: MessageId,
    pub room_id: RoomId,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
