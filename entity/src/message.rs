//! Messages: entries of a room's log that carry their own `seq`.

use sea_orm::entity::prelude::*;

use crate::{MessageId, MessageType, RoomId, Seq, Timestamp, UserId};

/// A message. After deletion the row keeps its seq and loses its content.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "messages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MessageId,
    pub room_id: RoomId,
    pub seq: Seq,
    pub sender_id: UserId,
    pub message_type: MessageType,
    pub content: Option<String>,
    pub reply_to_id: Option<MessageId>,
    pub forwarded_from_id: Option<MessageId>,
    /// Chosen by the sender; unique with room and sender, for ever.
    pub client_msg_id: Option<String>,
    /// SHA-256 of what was asked to be sent, to tell a repeat from a conflict. Only with `client_msg_id`.
    pub request_hash: Option<Vec<u8>>,
    pub created_at: Timestamp,
    pub edited_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
