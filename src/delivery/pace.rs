//! News that would come too often.

use std::{collections::HashMap, hash::Hash, time::Duration};

use tokio::time::Instant;

/// The least time between two `room_activity` of a room, and two `messages_read` of a user in a room.
const PACE: Duration = Duration::from_secs(1);

/// News by subject, let through at once and then at most once in [`PACE`]; what comes in between is merged.
pub(super) struct Pace<K, V> {
    waiting: HashMap<K, V>,
    last: HashMap<K, Instant>,
}

impl<K: Copy + Eq + Hash, V> Pace<K, V> {
    pub(super) fn new() -> Self {
        Self { waiting: HashMap::new(), last: HashMap::new() }
    }

    /// Takes news: gives it back if it may go out now, and keeps it for later otherwise.
    pub(super) fn offer(&mut self, key: K, value: V, merge: impl FnOnce(V, V) -> V) -> Option<V> {
        let now = Instant::now();
        let value = match self.waiting.remove(&key) {
            Some(earlier) => merge(earlier, value),
            None => value,
        };
        if self.last.get(&key).is_none_or(|last| now >= *last + PACE) {
            self.last.insert(key, now);
            return Some(value);
        }
        self.waiting.insert(key, value);
        None
    }

    /// What was kept and may go out now.
    pub(super) fn due(&mut self) -> Vec<(K, V)> {
        let now = Instant::now();
        self.last.retain(|_, last| now < *last + PACE);
        let Self { waiting, last } = self;
        let due: Vec<(K, V)> = waiting.extract_if(|key, _| !last.contains_key(key)).collect();
        last.extend(due.iter().map(|(key, _)| (*key, now)));
        due
    }
}
