//! What this node wants to hear from the others.

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::contract::{RoomId, UserId};

/// Something that nodes tell each other of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// What happens in a room.
    Room(RoomId),
    /// What concerns a user, wherever they are.
    User(UserId),
}

/// The topics that somebody here needs. Nothing is kept while there are no other nodes to hear from.
#[derive(Debug, Default)]
pub struct Interest {
    is_followed: bool,
    topics: Mutex<Topics>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Topics {
    wanted: HashSet<Topic>,
    /// Those that changed since somebody looked, at least once.
    changed: HashSet<Topic>,
}

/// What became of the topics since the last look.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) begun: Vec<Topic>,
    pub(super) ended: Vec<Topic>,
}

impl Interest {
    /// Interest that a subscriber follows.
    #[must_use]
    pub fn followed() -> Arc<Self> {
        Arc::new(Self { is_followed: true, ..Self::default() })
    }

    /// Says whether a topic is wanted.
    pub fn set(&self, topic: Topic, wanted: bool) {
        if !self.is_followed {
            return;
        }
        let mut topics = self.topics.lock();
        let changed = if wanted { topics.wanted.insert(topic) } else { topics.wanted.remove(&topic) };
        if changed {
            topics.changed.insert(topic);
            self.changed.notify_one();
        }
    }

    /// Everything that is wanted now; changes are told from here on.
    pub(super) fn all(&self) -> HashSet<Topic> {
        let mut topics = self.topics.lock();
        topics.changed.clear();
        topics.wanted.clone()
    }

    /// Waits until something changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What changed, for who has `heard` so far.
    pub(super) fn changes(&self, heard: &HashSet<Topic>) -> Changes {
        let mut topics = self.topics.lock();
        let mut changes = Changes::default();
        for topic in std::mem::take(&mut topics.changed) {
            match (topics.wanted.contains(&topic), heard.contains(&topic)) {
                (true, false) => changes.begun.push(topic),
                (false, true) => changes.ended.push(topic),
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
        let (room, user) = (Topic::Room(RoomId::new()), Topic::User(UserId::new()));
        interest.set(room, true);
        let mut heard = interest.all();
        assert_eq!(heard, HashSet::from([room]));
        interest.set(user, true);
        interest.set(room, false);
        interest.set(room, true);
        let changes = interest.changes(&heard);
        assert_eq!((changes.begun, changes.ended), (vec![user], vec![]));
        heard.insert(user);
        interest.set(user, false);
        assert_eq!(interest.changes(&heard).ended, [user]);
    }
}
