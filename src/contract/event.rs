//! What the server emits.
//!
//! A [`Durable`] event is an entry of a room's log and carries its `seq`; it is replayed to sockets that missed it. An
//! [`Ephemeral`] one is true only now and may be dropped; a [`SocketEvent`] is for one socket alone.

use serde::Serialize;

use super::{Message, RoomId, Seq, UserId};
pub use super::{
    catalogue::{Durable, Ephemeral, NEW_MESSAGE, ServerEvent, SocketEvent, USER_UPDATED},
    encoded::Encoded,
    limits::Limits,
};

impl Ephemeral {
    /// The user whom it is about. In a room, all others receive it.
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
