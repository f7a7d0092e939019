//! What the server emits.
//!
//! A [`Durable`] event is an entry of a room's log and carries its `seq`; it is replayed to whoever missed it. An
//! [`Ephemeral`] one is news of the moment and may be dropped.

use std::sync::Arc;

use entity::EventKind;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{AckError, Member, Message, MessageId, Room, RoomId, Seq, Timestamp, User, UserId};

/// The name of the event that tells of a changed profile.
pub const USER_UPDATED: &str = "user_updated";

/// The name of the event that tells of a new message.
pub const NEW_MESSAGE: &str = "new_message";

/// An entry of a room's log, without its place.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Durable {
    NewMessage {
        message: Message,
    },
    MessageEdited {
        message_id: MessageId,
        content: Option<String>,
        edited_at: Option<Timestamp>,
        message: Message,
    },
    MessageDeleted {
        message_id: MessageId,
        deleted_at: Option<Timestamp>,
    },
    ReactionAdded {
        message_id: MessageId,
        user_id: UserId,
        emoji: String,
    },
    ReactionRemoved {
        message_id: MessageId,
        user_id: UserId,
        emoji: String,
    },
    MessagePinned {
        message_id: MessageId,
        user_id: UserId,
    },
    MessageUnpinned {
        message_id: MessageId,
        user_id: UserId,
    },
    MemberAdded {
        member: Member,
    },
    MemberRemoved {
        user_id: UserId,
        /// `left`, `removed` or `banned`.
        reason: String,
    },
    MemberUpdated {
        member: Member,
    },
    RoomUpdated {
        room: Box<Room>,
    },
    RoomDeleted {},
}

impl Durable {
    /// What this is for people who may not read everything that it shows: for each message that it quotes, the message's place
    /// and the change without it. The latest place comes first.
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

    /// The name it is emitted under.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NewMessage { .. } => NEW_MESSAGE,
            Self::MessageEdited { .. } => EventKind::MessageEdited.as_str(),
            Self::MessageDeleted { .. } => EventKind::MessageDeleted.as_str(),
            Self::ReactionAdded { .. } => EventKind::ReactionAdded.as_str(),
            Self::ReactionRemoved { .. } => EventKind::ReactionRemoved.as_str(),
            Self::MessagePinned { .. } => EventKind::MessagePinned.as_str(),
            Self::MessageUnpinned { .. } => EventKind::MessageUnpinned.as_str(),
            Self::MemberAdded { .. } => EventKind::MemberAdded.as_str(),
            Self::MemberRemoved { .. } => EventKind::MemberRemoved.as_str(),
            Self::MemberUpdated { .. } => EventKind::MemberUpdated.as_str(),
            Self::RoomUpdated { .. } => EventKind::RoomUpdated.as_str(),
            Self::RoomDeleted {} => EventKind::RoomDeleted.as_str(),
        }
    }
}

/// An entry of a room's log, in its place: the data of the event that tells of it.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    pub room_id: RoomId,
    pub seq: Seq,
    #[serde(flatten)]
    pub change: Durable,
}

/// What is true now and forgotten soon, and what concerns one socket alone.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Ephemeral {
    Connected {
        user_id: UserId,
        message: &'static str,
        session_id: String,
        server_time: Timestamp,
        expires_at: Timestamp,
        limits: Limits,
    },
    RoomJoined {
        room_id: RoomId,
        user_id: UserId,
        last_seq: Seq,
    },
    RoomLeft {
        room_id: RoomId,
        user_id: UserId,
    },
    UserJoined {
        room_id: RoomId,
        user_id: UserId,
        user: Arc<User>,
    },
    UserLeft {
        room_id: RoomId,
        user_id: UserId,
    },
    ResyncRequired {
        room_id: RoomId,
        after_seq: Seq,
        last_seq: Seq,
    },
    RoomCreated {
        room: Box<Room>,
    },
    RoomActivity {
        room_id: RoomId,
        last_seq: Seq,
        unread_count: i64,
        mention_count: i64,
        last_message: Option<Box<Message>>,
    },
    MessagesRead {
        room_id: RoomId,
        user_id: UserId,
        message_ids: Vec<MessageId>,
        last_read_seq: Seq,
        read_at: Timestamp,
    },
    UserTyping {
        room_id: RoomId,
        user_id: UserId,
        user_name: String,
        is_typing: bool,
    },
    UserUpdated {
        user: Arc<User>,
    },
    UserOnline {
        user_id: UserId,
        last_seen_at: Option<Timestamp>,
    },
    UserOffline {
        user_id: UserId,
        last_seen_at: Option<Timestamp>,
    },
    SessionExpiring {
        expires_at: Timestamp,
    },
    SessionRevoked {
        code: super::ErrorCode,
    },
    ServerDraining {
        retry_after_ms: u64,
    },
    Error {
        event: String,
        #[serde(flatten)]
        error: AckError,
    },
}

impl Ephemeral {
    /// The name it is emitted under.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connected { .. } => "connected",
            Self::RoomJoined { .. } => "room_joined",
            Self::RoomLeft { .. } => "room_left",
            Self::UserJoined { .. } => "user_joined",
            Self::UserLeft { .. } => "user_left",
            Self::ResyncRequired { .. } => "resync_required",
            Self::RoomCreated { .. } => "room_created",
            Self::RoomActivity { .. } => "room_activity",
            Self::MessagesRead { .. } => "messages_read",
            Self::UserTyping { .. } => "user_typing",
            Self::UserUpdated { .. } => USER_UPDATED,
            Self::UserOnline { .. } => "user_online",
            Self::UserOffline { .. } => "user_offline",
            Self::SessionExpiring { .. } => "session_expiring",
            Self::SessionRevoked { .. } => "session_revoked",
            Self::ServerDraining { .. } => "server_draining",
            Self::Error { .. } => "error",
        }
    }
}

/// What this server takes, told at connection.
#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    /// Characters of a message.
    pub content_chars: usize,
    /// Bytes of one Socket.IO message.
    pub packet_bytes: usize,
    /// Missed events replayed a room.
    pub replay_events: usize,
    /// Rooms a socket may have joined.
    pub rooms_per_socket: usize,
    /// Messages a minute; `null` while limits are off.
    pub messages_per_minute: Option<u32>,
}

/// JSON that was written once, for however many readers.
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
