//! Coalescing of frequent events: the first passes at once, later ones are merged and pass at intervals.

use std::{collections::HashMap, hash::Hash, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// The least time between two `room_activity` of a room, two `messages_read` of a user in a room, and two `user_updated` of a user.
const INTERVAL: Duration = Duration::from_secs(1);

/// Events by key. Those within an interval are merged.
pub(super) struct Coalesced<K, V> {
    waiting: HashMap<K, V>,
    last: HashMap<K, Instant>,
}

impl<K: Copy + Eq + Hash, V> Coalesced<K, V> {
    pub(super) fn new() -> Self {
        Self { waiting: HashMap::new(), last: HashMap::new() }
    }

    /// Takes a value: returns it if it may be sent now, and keeps it for later otherwise.
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

    /// The kept values that may be sent now.
    pub(super) fn due(&mut self) -> Vec<(K, V)> {
        let now = Instant::now();
        self.last.retain(|_, last| now < *last + INTERVAL);
        let Self { waiting, last } = self;
        let due: Vec<(K, V)> = waiting.extract_if(|key, _| !last.contains_key(key)).collect();
        last.extend(due.iter().map(|(key, _)| (*key, now)));
        due
    }
}

/// Events that take a while to send, because they are read from the database first: for one key, one ends before the next begins, so that an
/// older state never follows a newer one.
#[derive(Debug)]
pub(super) struct InOrder<K, V>(Mutex<HashMap<K, KeyState<V>>>);

#[derive(Debug)]
struct KeyState<V> {
    waiting: Option<V>,
    /// When the last one began.
    began: Option<Instant>,
    is_underway: bool,
}

impl<K, V> Default for InOrder<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Eq + Hash, V> InOrder<K, V> {
    /// Takes a value: returns what is to be sent if that may begin now, and keeps it for later otherwise.
    pub(super) fn offer(&self, key: K, value: V, merge: impl FnOnce(V, V) -> V) -> Option<V> {
        let mut states = self.0.lock();
        let state = states.entry(key).or_insert(KeyState { waiting: None, began: None, is_underway: false });
        state.waiting = Some(match state.waiting.take() {
            Some(earlier) => merge(earlier, value),
            None => value,
        });
        state.begin(Instant::now())
    }

    /// The kept values that may be sent now.
    pub(super) fn due(&self) -> Vec<(K, V)> {
        let now = Instant::now();
        let mut due = Vec::new();
        self.0.lock().retain(|key, state| {
            due.extend(state.begin(now).map(|value| (*key, value)));
            state.is_underway || state.waiting.is_some() || state.is_fresh(now)
        });
        due
    }

    /// The sending for a key ended.
    pub(super) fn end(&self, key: K) {
        if let Some(state) = self.0.lock().get_mut(&key) {
            state.is_underway = false;
        }
    }
}

impl<V> KeyState<V> {
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
