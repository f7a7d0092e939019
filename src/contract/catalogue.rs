//! Every event of the wire, in four tables: what a client may emit, with the payload that it takes and the data of its ack; the
//! entries of a room's log; ephemeral events, which nodes share; and what one socket is sent. Names, the types that dispatch decodes
//! and encodes, the error for an unknown event, and the list in the README come from these: an event that is not here does not exist.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use entity::EventKind;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    AckError, ErrorCode, Member, Message, MessageId, Room, RoomId, Seq, Timestamp, User, UserId,
    command::{
        Authenticate, Authenticated, ChangeReaction, DeleteMessage, DeletedMessage, Done, EditMessage, EditedMessage,
        GetPresence, JoinRoom, JoinedRoom, LeaveRoom, LeftRoom, MarkAsRead, PresenceList, SentMessage, SetStatus, Sync,
        Synced, Typing,
    },
    limits::Limits,
    message::SendMessage,
    reaction::Reactions,
    receipt::ReadMark,
};

/// The name of the event for a changed profile.
pub const USER_UPDATED: &str = "user_updated";

/// The name of the event for a new message.
pub const NEW_MESSAGE: &str = "new_message";

/// The payload and the ack of an event that clients emit.
pub trait Emitted {
    /// The payload.
    type Payload: DeserializeOwned;
    /// The data of the ack of a success.
    type Ack: Serialize;
}

macro_rules! client_events {
    ($($(#[doc = $doc:literal])+ $event:ident = $name:literal $(or $alias:literal)*: $payload:ty => $ack:ty),+ $(,)?) => {
        /// An event that a client may emit. Some have an alias, which older clients use.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ClientEvent {
            $($(#[doc = $doc])+ $event,)+
        }

        impl ClientEvent {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$event,)+];

            /// Every name and every alias.
            pub const NAMES: &'static [&'static str] = &[$($name, $($alias,)*)+];

            /// The event with this name or alias.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name $(| $alias)* => Some(Self::$event),)+
                    _ => None,
                }
            }

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$event => $name,)+ }
            }

            /// Its aliases.
            #[must_use]
            pub const fn aliases(self) -> &'static [&'static str] {
                match self { $(Self::$event => &[$($alias,)*],)+ }
            }

            /// What it does, in a sentence.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$event => concat!($($doc,)+).trim_ascii(),)+ }
            }

            /// The types of its payload and of the data of its ack.
            #[must_use]
            pub const fn types(self) -> (&'static str, &'static str) {
                match self { $(Self::$event => (stringify!($payload), stringify!($ack)),)+ }
            }
        }

        /// Each event that clients emit as a type, for [`Emitted`].
        pub mod emitted {
            $($(#[doc = $doc])+ #[derive(Debug)] pub struct $event;)+
        }

        $(impl Emitted for emitted::$event {
            type Payload = $payload;
            type Ack = $ack;
        })+
    };
}

/// Any JSON value.
pub type Anything = Box<RawValue>;

client_events! {
    /// Join a room: the socket receives its events.
    JoinRoom = "join_room": JoinRoom => JoinedRoom,
    /// Leave a room: the socket no longer receives its events.
    LeaveRoom = "leave_room": LeaveRoom => LeftRoom,
    /// Send a message; or, as older clients do with a `message_id`, announce one that was stored over REST.
    SendMessage = "send_message": SendMessage => SentMessage,
    /// Change the text of your own message.
    EditMessage = "edit_message" or "message_edited": EditMessage => EditedMessage,
    /// Delete a message.
    DeleteMessage = "delete_message" or "message_deleted": DeleteMessage => DeletedMessage,
    /// Add a reaction to a message.
    AddReaction = "add_reaction": ChangeReaction => Reactions,
    /// Remove your reaction from a message.
    RemoveReaction = "remove_reaction": ChangeReaction => Reactions,
    /// Show that you are typing in a room.
    Typing = "typing": Typing => Done,
    /// Show that you stopped typing in a room.
    StopTyping = "stop_typing": Typing => Done,
    /// Mark a room as read.
    MarkAsRead = "mark_as_read": MarkAsRead => ReadMark,
    /// Fetch what was missed in several rooms.
    Sync = "sync": Sync => Synced,
    /// Fetch the presence of users.
    GetPresence = "get_presence": GetPresence => PresenceList,
    /// Set your presence status.
    SetStatus = "set_status": SetStatus => Done,
    /// Renew the token of the socket.
    Authenticate = "authenticate": Authenticate => Authenticated,
    /// Check that the server answers: the ack returns what was sent.
    Ping = "ping": Anything => Anything,
}

/// How alike two names must be for one to be suggested for the other (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.85;

impl ClientEvent {
    /// The event whose name is most like an unknown one.
    #[must_use]
    pub fn nearest(name: &str) -> Option<&'static str> {
        // Nobody writes so much by mistake, and it takes time.
        let names = Self::NAMES.iter().filter(|_| name.len() < 64);
        let alike = names.map(|known| (strsim::jaro_winkler(known, &name.to_lowercase()), *known));
        alike.filter(|(likeness, _)| *likeness >= ALIKE).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, known)| known)
    }
}

/// Something that the server emits; it serialises as its data.
pub trait ServerEvent: Serialize {
    /// The name it is emitted under.
    fn name(&self) -> &'static str;
}

/// An enumeration whose variants are events, each with the name under which it is emitted.
macro_rules! server_events {
    ($(#[$meta:meta])* pub enum $events:ident {
        $($(#[$about:meta])* $event:ident = $name:expr => {
            $($(#[$remark:meta])* $field:ident: $type:ty),* $(,)?
        }),+ $(,)?
    }) => {
        $(#[$meta])*
        pub enum $events {
            $($(#[$about])* $event { $($(#[$remark])* $field: $type),* },)+
        }

        impl $events {
            /// The names of all of them.
            pub const NAMES: &'static [&'static str] = &[$($name,)+];
        }

        impl ServerEvent for $events {
            fn name(&self) -> &'static str {
                match self { $(Self::$event { .. } => $name,)+ }
            }
        }
    };
}

server_events! {
    /// An entry of a room's log, without its seq.
    #[derive(Clone, Debug, Serialize)]
    #[serde(untagged)]
    pub enum Durable {
        NewMessage = NEW_MESSAGE => {
            message: Message,
        },
        MessageEdited = EventKind::MessageEdited.as_str() => {
            message_id: MessageId,
            content: Option<String>,
            edited_at: Option<Timestamp>,
            message: Message,
        },
        MessageDeleted = EventKind::MessageDeleted.as_str() => {
            message_id: MessageId,
            deleted_at: Option<Timestamp>,
        },
        ReactionAdded = EventKind::ReactionAdded.as_str() => {
            message_id: MessageId,
            user_id: UserId,
            emoji: String,
        },
        ReactionRemoved = EventKind::ReactionRemoved.as_str() => {
            message_id: MessageId,
            user_id: UserId,
            emoji: String,
        },
        MessagePinned = EventKind::MessagePinned.as_str() => {
            message_id: MessageId,
            user_id: UserId,
        },
        MessageUnpinned = EventKind::MessageUnpinned.as_str() => {
            message_id: MessageId,
            user_id: UserId,
        },
        MemberAdded = EventKind::MemberAdded.as_str() => {
            member: Member,
        },
        MemberRemoved = EventKind::MemberRemoved.as_str() => {
            user_id: UserId,
            /// `left`, `removed` or `banned`.
            reason: String,
        },
        MemberUpdated = EventKind::MemberUpdated.as_str() => {
            member: Member,
        },
        RoomUpdated = EventKind::RoomUpdated.as_str() => {
            room: Box<Room>,
        },
        RoomDeleted = EventKind::RoomDeleted.as_str() => {},
    }
}

/// Events that nodes tell each other of: what one has written, another reads.
macro_rules! shared_events {
    ($(#[$meta:meta])* pub enum $events:ident {
        $($(#[$about:meta])* $event:ident = $name:expr => { $($field:ident: $type:ty),* $(,)? }),+ $(,)?
    }) => {
        server_events! {
            $(#[$meta])* pub enum $events { $($(#[$about])* $event = $name => { $($field: $type),* }),+ }
        }

        impl $events {
            /// The event of this name, with this data.
            ///
            /// # Errors
            /// When there is none of this name, or its data is another.
            pub fn read(name: &str, data: &RawValue) -> Result<Self, serde_json::Error> {
                $(if name == $name {
                    #[derive(Deserialize)]
                    struct Data { $($field: $type),* }
                    let Data { $($field),* } = serde_json::from_str(data.get())?;
                    return Ok(Self::$event { $($field),* });
                })+
                Err(serde::de::Error::custom("no event has this name"))
            }
        }
    };
}

shared_events! {
    /// Ephemeral events, for the sockets of a topic on every node. What is missed is forgotten.
    #[derive(Clone, Debug, Serialize)]
    #[serde(untagged)]
    pub enum Ephemeral {
        UserJoined = "user_joined" => {
            room_id: RoomId,
            user_id: UserId,
            user: Arc<User>,
        },
        UserLeft = "user_left" => {
            room_id: RoomId,
            user_id: UserId,
        },
        MessagesRead = "messages_read" => {
            room_id: RoomId,
            user_id: UserId,
            message_ids: Vec<MessageId>,
            last_read_seq: Seq,
            read_at: Timestamp,
        },
        UserTyping = "user_typing" => {
            room_id: RoomId,
            user_id: UserId,
            user_name: String,
            is_typing: bool,
        },
        UserUpdated = USER_UPDATED => {
            user: Arc<User>,
        },
        UserOnline = "user_online" => {
            user_id: UserId,
            last_seen_at: Option<Timestamp>,
        },
        UserOffline = "user_offline" => {
            user_id: UserId,
            last_seen_at: Option<Timestamp>,
        },
    }
}

server_events! {
    /// What one socket is told, by the node that it is connected to.
    #[derive(Clone, Debug, Serialize)]
    #[serde(untagged)]
    pub enum SocketEvent {
        Connected = "connected" => {
            user_id: UserId,
            message: &'static str,
            session_id: String,
            server_time: Timestamp,
            expires_at: Timestamp,
            limits: Limits,
        },
        RoomJoined = "room_joined" => {
            room_id: RoomId,
            user_id: UserId,
            last_seq: Seq,
        },
        RoomLeft = "room_left" => {
            room_id: RoomId,
            user_id: UserId,
        },
        ResyncRequired = "resync_required" => {
            room_id: RoomId,
            after_seq: Seq,
            last_seq: Seq,
        },
        RoomCreated = "room_created" => {
            room: Box<Room>,
        },
        RoomActivity = "room_activity" => {
            room_id: RoomId,
            last_seq: Seq,
            unread_count: i64,
            mention_count: i64,
            last_message: Option<Box<Message>>,
        },
        SessionExpiring = "session_expiring" => {
            expires_at: Timestamp,
        },
        SessionRevoked = "session_revoked" => {
            code: ErrorCode,
        },
        ServerDraining = "server_draining" => {
            retry_after_ms: u64,
        },
        Error = "error" => {
            event: String,
            #[serde(flatten)]
            error: AckError,
        },
    }
}
