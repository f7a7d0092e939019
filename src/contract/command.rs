//! What clients emit, and what the acks carry: the types that [`super::catalogue`] names.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{
    Message, MessageId, Room, RoomId, Seq, Timestamp, UserId, absent_or_empty, empty_is_default,
    encoded::Encoded,
    presence::{ChosenStatus, Presence},
    receipt::{Mark, MarkRead},
    unfilled_is_default, unless_unfilled,
};

/// The `auth` object of the Socket.IO CONNECT packet, besides its `token`, an access token.
#[derive(Default, Deserialize)]
pub struct Handshake {
    /// Which rooms the socket joins by itself.
    #[serde(default, deserialize_with = "empty_is_default")]
    pub rooms: RoomScope,
    /// Rooms to join, and the last `seq` the client has of each: what followed is replayed.
    #[serde(default, deserialize_with = "unfilled_is_default")]
    pub cursors: HashMap<RoomId, i64>,
}

/// Which rooms a socket joins by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomScope {
    /// Only those that it joins with `join_room` or names in `cursors`.
    #[default]
    Joined,
    /// All rooms of the user, the 1,000 most recently active.
    All,
}

/// Join a room.
#[derive(Debug, Deserialize)]
pub struct JoinRoom {
    pub room_id: RoomId,
    /// The last `seq` the client has; what followed is replayed before anything newer.
    #[serde(default, deserialize_with = "unless_unfilled")]
    pub after_seq: Option<i64>,
}

/// The answer to `join_room`.
#[derive(Debug, Serialize)]
pub struct JoinedRoom {
    pub room_id: RoomId,
    pub last_seq: Seq,
    /// The number of replayed events.
    pub replayed: usize,
}

/// Leave a room.
#[derive(Debug, Deserialize)]
pub struct LeaveRoom {
    pub room_id: RoomId,
}

/// The answer to `leave_room`.
#[derive(Debug, Serialize)]
pub struct LeftRoom {
    pub room_id: RoomId,
}

/// `send_message` as older clients use it: it announces a message that they stored over REST.
#[derive(Debug, Deserialize)]
pub struct StoredMessage {
    pub room_id: RoomId,
    pub message_id: MessageId,
}

/// The answer to `send_message`.
#[derive(Debug, Serialize)]
pub struct SentMessage {
    pub message: Message,
    /// Whether it was stored before.
    pub duplicate: bool,
}

/// Change the text of your own message.
#[derive(Debug, Deserialize)]
pub struct EditMessage {
    pub message_id: MessageId,
    #[serde(default, deserialize_with = "absent_or_empty")]
    pub content: Option<Option<String>>,
}

/// The answer to `edit_message`.
#[derive(Debug, Serialize)]
pub struct EditedMessage {
    pub message: Message,
}

/// Delete a message.
#[derive(Debug, Deserialize)]
pub struct DeleteMessage {
    pub message_id: MessageId,
}

/// The answer to `delete_message`.
#[derive(Debug, Serialize)]
pub struct DeletedMessage {
    pub message_id: MessageId,
    pub deleted_at: Timestamp,
}

/// Add a reaction to a message, or remove yours.
#[derive(Debug, Deserialize)]
pub struct ChangeReaction {
    pub message_id: MessageId,
    pub emoji: String,
}

/// Show that you are typing in a room, or stopped.
#[derive(Debug, Deserialize)]
pub struct Typing {
    pub room_id: RoomId,
    #[serde(default, deserialize_with = "unless_unfilled")]
    pub is_typing: Option<bool>,
}

/// Mark a room as read.
#[derive(Debug, Deserialize)]
pub struct MarkAsRead {
    pub room_id: RoomId,
    #[serde(flatten)]
    pub mark: MarkRead,
}

/// Fetch what was missed in several rooms at once.
#[derive(Debug, Deserialize)]
pub struct Sync {
    /// The last `seq` the client has of each room.
    pub cursors: HashMap<RoomId, i64>,
    /// Events per room, 1 to 1,000; 200 by default.
    #[serde(default, deserialize_with = "unless_unfilled")]
    pub limit: Option<i64>,
}

/// The answer to `sync`.
#[derive(Debug, Serialize)]
pub struct Synced {
    pub rooms: Vec<SyncedRoom>,
    /// Your rooms for which no cursor was given, those that you take part in first.
    pub joined: Vec<Room>,
    /// Whether `joined` is incomplete: sync again with cursors for these rooms, or page through your rooms. Absent if it is complete.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_more: bool,
    /// Rooms with a cursor of which you are no longer a member.
    pub left: Vec<RoomId>,
}

/// What followed a cursor in one room.
#[derive(Debug, Serialize)]
pub struct SyncedRoom {
    pub room_id: RoomId,
    /// What followed in the log; before that a `user_updated` for each member whose profile changed since the cursor's entry was
    /// made, in one room each.
    pub events: Vec<SyncedEvent>,
    /// How far its members have read, if they share that, in rooms of up to 200 members; in larger ones, and in an answer of more
    /// than 5,000 members, only your own.
    pub read_marks: Vec<Mark>,
    /// The head of the room's log.
    pub last_seq: Seq,
    /// Whether `events` stops before `last_seq`.
    pub has_more: bool,
}

/// An event as it would be emitted.
#[derive(Debug, Serialize)]
pub struct SyncedEvent {
    pub event: &'static str,
    pub data: Encoded,
}

/// Fetch the presence of users.
#[derive(Debug, Deserialize)]
pub struct GetPresence {
    /// 1 to 500 users.
    pub user_ids: Vec<UserId>,
}

/// The answer to `get_presence`: only people who share a room with you.
#[derive(Debug, Serialize)]
pub struct PresenceList {
    pub users: Vec<Presence>,
}

/// Set your presence status.
#[derive(Debug, Deserialize)]
pub struct SetStatus {
    pub status: ChosenStatus,
}

/// Renew the token of an open socket.
#[derive(Deserialize)]
pub struct Authenticate {
    pub token: String,
}

/// The answer to `authenticate`.
#[derive(Debug, Serialize)]
pub struct Authenticated {
    pub expires_at: Timestamp,
}

/// An ack without data.
#[derive(Debug, Serialize)]
pub struct Done {}
