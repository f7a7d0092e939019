//! Every durable change of a room that is not a new message. Together with the messages, merged by `seq`, this is the log.

use sea_orm::entity::prelude::*;

use crate::{EventKind, MessageId, RoomId, Seq, Timestamp, UserId};

/// A change. It names what changed; the state after it is read from the tables, so that content that was deleted later
/// is in no old event.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "room_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub room_id: RoomId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: Seq,
    pub kind: EventKind,
    /// Who made the change.
    pub actor_id: UserId,
    /// The message it is about.
    pub message_id: Option<MessageId>,
    /// The member it is about.
    pub user_id: Option<UserId>,
    /// The emoji of a reaction.
    pub emoji: Option<String>,
    /// Why, for a removal: `left`, `removed`, `banned`.
    pub reason: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
