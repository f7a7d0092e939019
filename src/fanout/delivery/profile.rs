//! `user_updated`: changed profiles, for users who share a room.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures_util::FutureExt;
use parking_lot::Mutex;

use super::Delivery;
use crate::{
    account,
    contract::{
        ErrorCode, RoomId, Timestamp, User, UserId,
        event::{Encoded, Ephemeral, ServerEvent},
    },
    error::Result,
};

/// The most changes that are remembered. Of more, the oldest are forgotten, and sent again if they are found in the database.
const REMEMBERED: usize = 10_000;

/// The latest change of each profile that was sent here.
#[derive(Debug, Default)]
pub(super) struct SentChanges(Mutex<HashMap<UserId, Timestamp>>);

impl SentChanges {
    /// Whether a change was sent already.
    pub(super) fn knows(&self, user: UserId, at: Timestamp) -> bool {
        self.0.lock().get(&user).is_some_and(|latest| *latest >= at)
    }

    /// The same; and from now on it is.
    fn note(&self, user: UserId, at: Timestamp) -> bool {
        let mut sent = self.0.lock();
        if sent.len() >= REMEMBERED && !sent.contains_key(&user) {
            let oldest = sent.iter().min_by_key(|(_, at)| **at).map(|(user, _)| *user);
            oldest.and_then(|user| sent.remove(&user));
        }
        let latest = sent.entry(user).or_insert(Timestamp(i64::MIN));
        let is_known = *latest >= at;
        *latest = at.max(*latest);
        is_known
    }
}

impl Delivery {
    /// The profile of a member of these rooms changed.
    pub(in crate::fanout) fn take_profile(&self, user: UserId, rooms: &[RoomId]) {
        self.feed.outdate(rooms.iter().copied());
        let rooms = rooms.iter().copied().collect();
        if let Some(rooms) = self.pending.profiles.offer(user, rooms, merge) {
            self.begin_profile(user, rooms);
        }
    }

    /// Sends what had to wait.
    pub(super) fn send_due_profiles(&self) {
        for (user, rooms) in self.pending.profiles.due() {
            self.begin_profile(user, rooms);
        }
    }

    fn begin_profile(&self, user: UserId, rooms: HashSet<RoomId>) {
        let this = self.clone();
        tokio::spawn(async move {
            let sent = AssertUnwindSafe(this.send_profile(user, &rooms)).catch_unwind().await;
            this.pending.profiles.end(user);
            match sent {
                Ok(Err(error)) if error.code() != ErrorCode::UserNotFound => {
                    error.record();
                    // It is sent when it can be read again.
                    if let Some(rooms) = this.pending.profiles.offer(user, rooms, merge) {
                        this.begin_profile(user, rooms);
                    }
                }
                _ => {}
            }
        });
    }

    async fn send_profile(&self, user_id: UserId, rooms: &HashSet<RoomId>) -> Result<()> {
        let changed = account::profile::changed(&self.chat, user_id).await?;
        if self.pending.changes.note(user_id, changed.at) {
            return Ok(());
        }
        let user = Arc::new(changed.user);
        let masked = Ephemeral::UserUpdated { user: Arc::new(User::clone(&user).masked()) };
        let event = Ephemeral::UserUpdated { user: Arc::clone(&user) };
        let (whole, masked) = (Encoded::new(&event), Encoded::new(&masked));
        let contacts = self.sockets.near(user_id, &changed.known_in);
        for (viewer, sockets) in self.sockets.near(user_id, rooms) {
            let is_whole = viewer == user_id || self.chat.emails().are_whole(contacts.contains_key(&viewer));
            for socket in sockets {
                if viewer == user_id {
                    socket.user.changed(&user);
                }
                socket.send_encoded(event.name(), if is_whole { &whole } else { &masked });
            }
        }
        Ok(())
    }
}

fn merge(mut rooms: HashSet<RoomId>, more: HashSet<RoomId>) -> HashSet<RoomId> {
    rooms.extend(more);
    rooms
}
