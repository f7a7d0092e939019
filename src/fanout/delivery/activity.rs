//! `room_activity`: for members whose sockets have not joined the room, what a list of rooms shows of it.

use std::{collections::HashSet, panic::AssertUnwindSafe};

use futures_util::FutureExt;

use super::Delivery;
use crate::{
    chat::{self, room::Badge},
    contract::{
        ErrorCode, RoomId, UserId,
        event::{Encoded, ServerEvent, SocketEvent},
    },
    error::Result,
};

/// The members whom a change of a room concerns.
#[derive(Clone, Debug)]
pub(super) enum Concerned {
    Everybody,
    Only(HashSet<UserId>),
}

impl Concerned {
    fn merge(self, later: Self) -> Self {
        match (self, later) {
            (Self::Only(mut some), Self::Only(more)) => {
                some.extend(more);
                Self::Only(some)
            }
            _ => Self::Everybody,
        }
    }

    fn includes(&self, user: UserId) -> bool {
        match self {
            Self::Everybody => true,
            Self::Only(some) => some.contains(&user),
        }
    }
}

impl Delivery {
    /// Something changed in a room: connected members who have not joined it receive that, at most once a second.
    pub fn note_activity(&self, room: RoomId) {
        self.note_activity_for(room, Concerned::Everybody);
    }

    /// Something changed in a room for one member.
    pub(super) fn note_activity_of(&self, room: RoomId, user: UserId) {
        self.note_activity_for(room, Concerned::Only([user].into()));
    }

    fn note_activity_for(&self, room: RoomId, concerned: Concerned) {
        if let Some(concerned) = self.pending.activity.offer(room, concerned, Concerned::merge) {
            self.begin_activity(room, concerned);
        }
    }

    /// Sends what had to wait.
    pub(super) fn send_due_activity(&self) {
        for (room, concerned) in self.pending.activity.due() {
            self.begin_activity(room, concerned);
        }
    }

    fn begin_activity(&self, room: RoomId, concerned: Concerned) {
        if !self.sockets.is_viewed(room) {
            return self.pending.activity.end(room);
        }
        let this = self.clone();
        tokio::spawn(async move {
            let sent = AssertUnwindSafe(this.send_activity(room, &concerned)).catch_unwind().await;
            this.pending.activity.end(room);
            match sent {
                Ok(Err(error)) if error.code() != ErrorCode::RoomNotFound => {
                    error.record();
                    // The state is sent when it can be read again.
                    this.note_activity_for(room, concerned);
                }
                _ => {}
            }
        });
    }

    async fn send_activity(&self, room_id: RoomId, concerned: &Concerned) -> Result<()> {
        let mut recipients = self.sockets.recipients(room_id);
        recipients.retain(|user, _| concerned.includes(*user) && !self.pending.awaits_room(*user, room_id));
        if recipients.is_empty() {
            return Ok(());
        }
        let users: Vec<UserId> = recipients.keys().copied().collect();
        let activity = chat::room::activity(&self.chat, room_id, &users).await?;
        for (user, mut sockets) in recipients {
            // The index is a hint; the database decides who is a member.
            let Some(badge) = activity.members.get(&user) else { continue };
            let state = (activity.last_seq, badge.last_read_seq);
            sockets.retain(|socket| !socket.has_joined(room_id) && socket.note_state(room_id, state));
            if sockets.is_empty() {
                continue;
            }
            let Badge { unread, last_message, .. } = badge;
            let event = SocketEvent::RoomActivity {
                room_id,
                last_seq: activity.last_seq,
                unread_count: unread.messages,
                mention_count: unread.mentions,
                last_message: last_message.clone(),
            };
            let data = Encoded::new(&event);
            let data = self.chat.files().signer.fill_event(&data, user);
            for socket in sockets {
                socket.deliver(event.name(), &data);
            }
        }
        Ok(())
    }
}
