//! How far people have read.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{MessageId, RoomId, Seq, Timestamp, UserId, unless_unfilled};

/// Mark a room as read: up to a seq, or up to the newest of some messages.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"up_to_seq": 42}))]
pub struct MarkRead {
    /// 1 to 500 messages of the room.
    #[serde(default, deserialize_with = "unless_unfilled")]
    #[schema(min_items = 1, max_items = 500)]
    pub message_ids: Option<Vec<MessageId>>,
    #[serde(default, deserialize_with = "unless_unfilled")]
    #[schema(minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    pub up_to_seq: Option<i64>,
}

/// The current read mark. It only moves forward.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct ReadMark {
    pub last_read_seq: Seq,
    pub unread_count: i64,
    /// The unread messages that mention you.
    pub mention_count: i64,
}

/// A receipt: when a member read a message.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Receipt {
    pub user_id: UserId,
    pub read_at: Timestamp,
}

/// How far a member has read a room.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Mark {
    pub user_id: UserId,
    pub last_read_seq: Seq,
    pub read_at: Timestamp,
}

/// A mark that moved, and the messages that it passed over: the newest, where there are many.
#[derive(Clone, Debug)]
pub struct MovedMark {
    pub room_id: RoomId,
    pub user_id: UserId,
    pub message_ids: Vec<MessageId>,
    pub last_read_seq: Seq,
    pub read_at: Timestamp,
}
