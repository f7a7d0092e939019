//! News that would come too often: let through at once, and then at most once in a while.

use std::{collections::HashMap, hash::Hash, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// The least time between two `room_activity` of a room, two `messages_read` of a user in a room, and two `user_updated` of a user.
const INTERVAL: Duration = Duration::from_secs(1);

/// News by subject. What comes in between is merged.
pub(super) struct Coalesced<K, V> {
    waiting: HashMap<K, V>,
    last: HashMap<K, Instant>,
}

impl<K: Copy + Eq + Hash, V> Coalesced<K, V> {
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
        if self.last.get(&key).is_none_or(|last| now >= *last + INTERVAL) {
            self.last.insert(key, now);
            return Some(value);
        }
        self.waiting.insert(key, value);
        None
    }

    /// What was kept and may go out now.
    pub(super) fn due(&mut self) -> Vec<(K, V)> {
        let now = Instant::now();
        self.last.retain(|_, last| now < *last + INTERVAL);
        let Self { waiting, last } = self;
        let due: Vec<(K, V)> = waiting.extract_if(|key, _| !last.contains_key(key)).collect();
        last.extend(due.iter().map(|(key, _)| (*key, now)));
        due
    }
}

/// News whose telling takes a while, because it is looked up first: of one subject, one telling ends before the next begins, so
/// that an older state never follows a newer one.
#[derive(Debug)]
pub(super) struct InOrder<K, V>(Mutex<HashMap<K, Turn<V>>>);

#[derive(Debug)]
struct Turn<V> {
    waiting: Option<V>,
    /// When the last telling began.
    began: Option<Instant>,
    is_underway: bool,
}

impl<K, V> Default for InOrder<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Eq + Hash, V> InOrder<K, V> {
    /// Takes news: gives what is to be told if that may begin now, and keeps it for later otherwise.
    pub(super) fn offer(&self, key: K, value: V, merge: impl FnOnce(V, V) -> V) -> Option<V> {
        let mut turns = self.0.lock();
        let turn = turns.entry(key).or_insert(Turn { waiting: None, began: None, is_underway: false });
        turn.waiting = Some(match turn.waiting.take() {
            Some(earlier) => merge(earlier, value),
            None => value,
        });
        turn.begin(Instant::now())
    }

    /// What was kept and may be told now.
    pub(super) fn due(&self) -> Vec<(K, V)> {
        let now = Instant::now();
        let mut due = Vec::new();
        self.0.lock().retain(|key, turn| {
            due.extend(turn.begin(now).map(|value| (*key, value)));
            turn.is_underway || turn.waiting.is_some() || turn.is_fresh(now)
        });
        due
    }

    /// A telling ended.
    pub(super) fn end(&self, key: K) {
        if let Some(turn) = self.0.lock().get_mut(&key) {
            turn.is_underway = false;
        }
    }
}

impl<V> Turn<V> {
    fn is_fresh(&self, now: Instant) -> bool {
        self.began.is_some_and(|began| now < began + INTERVAL)
    }

    fn begin(&mut self, now: Instant) -> Option<V> {
        if self.is_underway || self.is_fresh(now) {
            return None;
        }
        let value = self.waiting.take()?;
        (self.began, self.is_underway) = (Some(now), true);
        Some(value)
    }
}
