//! Who is in which room. Leaving keeps the row, so that coming back keeps the read mark.

use sea_orm::entity::prelude::*;

use crate::{MemberId, Role, RoomId, Seq, Timestamp, UserId};

/// A person's membership of a room.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "members")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MemberId,
    pub room_id: RoomId,
    pub user_id: UserId,
    pub role: Role,
    pub joined_at: Timestamp,
    /// The log's end when they joined, last time.
    pub joined_seq: Seq,
    pub last_read_seq: Seq,
    pub last_read_at: Option<Timestamp>,
    pub muted_until: Option<Timestamp>,
    /// When they last sent to the room while it was in slow mode.
    pub last_sent_at: Option<Timestamp>,
    pub left_at: Option<Timestamp>,
    /// Whether they created the room, joined it by themselves or have written in it: then they are a contact of its other
    /// members, unless it is public.
    pub participates: bool,
    /// How often they left by themselves.
    pub times_left: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
