//! Which files a message carries.

use sea_orm::entity::prelude::*;

use crate::{MediaId, MessageId, RoomId, Seq};

/// A file in a message. A file that several messages carry has a row for each.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attachments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: MessageId,
    /// From 0, in the order in which they were sent.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i32,
    pub media_id: MediaId,
    /// That of the message.
    pub room_id: RoomId,
    /// That of the message.
    pub seq: Seq,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
