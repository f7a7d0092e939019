//! What the server emits.
//!
//! A [`Durable`] event is an entry of a room's log and carries its `seq`; it is replayed to whoever missed it. An
//! [`Ephemeral`] one is news of the moment and may be dropped; a [`SocketEvent`] is for one socket alone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use super::catalogue::{Durable, Ephemeral, ServerEvent, SocketEvent};
use super::{Message, RoomId, Seq, UserId};

/// The name of the event for a changed profile.
pub const USER_UPDATED: &str = "user_updated";

/// The name of the event for a new message.
pub const NEW_MESSAGE: &str = "new_message";

impl Ephemeral {
    /// Whom it tells of. In a room, everybody else is told.
    #[must_use]
    pub fn about(&self) -> Option<UserId> {
        match self {
            Self::UserJoined { user_id, .. }
            | Self::UserLeft { user_id, .. }
            | Self::MessagesRead { user_id, .. }
            | Self::UserTyping { user_id, .. }
            | Self::UserOnline { user_id, .. }
            | Self::UserOffline { user_id, .. } => Some(*user_id),
            Self::UserUpdated { .. } => None,
        }
    }
}

impl Durable {
    /// What this is for people who may not read everything that it shows: for each message that it quotes, the message's seq
    /// and the change without it. The latest seq comes first.
    #[must_use]
    pub fn narrowed(&self) -> Vec<(Seq, Self)> {
        let quoted = |message: &Message| message.reply_to.as_ref().map(|original| original.seq);
        match self {
            Self::NewMessage { message } => {
                let unquoted = || Self::NewMessage { message: message.clone().unquoted() };
                quoted(message).map(|seq| (seq, unquoted())).into_iter().collect()
            }
            Self::MessageEdited { message_id, content, edited_at, message } => {
                let (message_id, edited_at) = (*message_id, *edited_at);
                let silent = message.clone().silent();
                let silent = Self::MessageEdited { message_id, content: None, edited_at, message: silent };
                let unquoted = || {
                    let (message, content) = (message.clone().unquoted(), content.clone());
                    Self::MessageEdited { message_id, content, edited_at, message }
                };
                let unquoted = quoted(message).map(|seq| (seq, unquoted()));
                std::iter::once((message.seq, silent)).chain(unquoted).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What this is for the one whom it is about, where others see less of them.
    #[must_use]
    pub fn own(&self) -> Option<(UserId, Self)> {
        let own = |message: &Message| message.own_sender.as_ref().map(|_| message.clone().for_sender());
        match self {
            Self::NewMessage { message } => {
                own(message).map(|message| (message.sender_id, Self::NewMessage { message }))
            }
            Self::MessageEdited { message_id, content, edited_at, message } => {
                let (message_id, edited_at) = (*message_id, *edited_at);
                let edited = |message| Self::MessageEdited { message_id, content: content.clone(), edited_at, message };
                own(message).map(|message| (message.sender_id, edited(message)))
            }
            Self::MemberAdded { member } => {
                let own = member.own_user.is_some().then(|| member.clone().for_member());
                own.map(|member| (member.user_id, Self::MemberAdded { member }))
            }
            Self::MemberUpdated { member } => {
                let own = member.own_user.is_some().then(|| member.clone().for_member());
                own.map(|member| (member.user_id, Self::MemberUpdated { member }))
            }
            _ => None,
        }
    }
}

/// An entry of a room's log, with its seq: the data of its event.
#[derive(Clone, Debug, Serialize)]
pub struct EntryData {
    pub room_id: RoomId,
    pub seq: Seq,
    #[serde(flatten)]
    pub change: Durable,
}

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

/// JSON that was encoded once, for any number of recipients.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Encoded(Arc<RawValue>);

impl Encoded {
    /// Writes `value` as JSON.
    ///
    /// # Panics
    /// Never for the types of this module: they have string keys and no fallible parts.
    #[must_use]
    pub fn new(value: &impl Serialize) -> Self {
        Self(Arc::from(serde_json::value::to_raw_value(value).expect("contract types serialise")))
    }

    /// JSON that is written already.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_json(text: String) -> serde_json::Result<Self> {
        RawValue::from_string(text).map(|raw| Self(Arc::from(raw)))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}
