//! The channels that this node subscribes to.

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::contract::{RoomId, UserId};

/// A channel between nodes, to which a node subscribes if its sockets need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// What happens in a room.
    Room(RoomId),
    /// What concerns a user, wherever they are.
    User(UserId),
}

/// The channels that sockets here need. It is empty while there are no other nodes.
#[derive(Debug, Default)]
pub struct Interest {
    is_followed: bool,
    channels: Mutex<Channels>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Channels {
    wanted: HashSet<Channel>,
    /// The channels that changed since the last check.
    changed: HashSet<Channel>,
}

/// What became of the channels since the last look.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) begun: Vec<Channel>,
    pub(super) ended: Vec<Channel>,
}

impl Interest {
    /// Interest that a subscriber follows.
    #[must_use]
    pub fn followed() -> Arc<Self> {
        Arc::new(Self { is_followed: true, ..Self::default() })
    }

    /// Says whether a channel is wanted.
    pub fn set(&self, channel: Channel, wanted: bool) {
        if !self.is_followed {
            return;
        }
        let mut channels = self.channels.lock();
        let changed = if wanted { channels.wanted.insert(channel) } else { channels.wanted.remove(&channel) };
        if changed {
            channels.changed.insert(channel);
            self.changed.notify_one();
        }
    }

    /// All channels that are wanted now; [`Self::changes`] reports changes from here on.
    pub(super) fn all(&self) -> HashSet<Channel> {
        let mut channels = self.channels.lock();
        channels.changed.clear();
        channels.wanted.clone()
    }

    /// Waits until something changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What changed, for who has `subscribed` so far.
    pub(super) fn changes(&self, subscribed: &HashSet<Channel>) -> Changes {
        let mut channels = self.channels.lock();
        let mut changes = Changes::default();
        for channel in std::mem::take(&mut channels.changed) {
            match (channels.wanted.contains(&channel), subscribed.contains(&channel)) {
                (true, false) => changes.begun.push(channel),
                (false, true) => changes.ended.push(channel),
                _ => {}
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_and_went_between_two_looks_is_no_change() {
        let interest = Interest::followed();
        let (room, user) = (Channel::Room(RoomId::new()), Channel::User(UserId::new()));
        interest.set(room, true);
        let mut subscribed = interest.all();
        assert_eq!(subscribed, HashSet::from([room]));
        interest.set(user, true);
        interest.set(room, false);
        interest.set(room, true);
        let changes = interest.changes(&subscribed);
        assert_eq!((changes.begun, changes.ended), (vec![user], vec![]));
        subscribed.insert(user);
        interest.set(user, false);
        assert_eq!(interest.changes(&subscribed).ended, [user]);
    }
}
