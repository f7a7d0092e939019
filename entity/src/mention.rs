//! Who is called by name in a message: `@username`, resolved when the message was stored.

use sea_orm::entity::prelude::*;

use crate::{MessageId, RoomId, Seq, UserId};

/// A member of the room who is mentioned in a message.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mentions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub room_id: RoomId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The seq of the message.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: Seq,
    pub message_id: MessageId,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
