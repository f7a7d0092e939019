//! What this server takes.

use serde::Serialize;

/// The limits of this server, sent when a socket connects.
#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    /// Characters of a message.
    pub content_chars: usize,
    /// Bytes of one Socket.IO message.
    pub packet_bytes: usize,
    /// Missed events that are replayed per room.
    pub replay_events: usize,
    /// Rooms a socket may have joined.
    pub rooms_per_socket: usize,
    /// Messages per minute; `null` if limits are off.
    pub messages_per_minute: Option<u32>,
}
