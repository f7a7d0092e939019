//! At most so many in any span of time, exactly.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::Quota;

/// The most keys. A client that invents more of them displaces other keys, and does not fill the memory.
const KEYS: usize = 200_000;

/// Keys that are left when there were too many: not every new one has to look through all of them.
const KEPT: usize = KEYS - KEYS / 10;

/// Remembers when each key was charged, for the length of the window.
///
/// A token bucket would let a sixth attempt pass twelve seconds after five; five per minute must mean five for a guesser.
#[derive(Debug)]
pub(super) struct Window<K> {
    limit: u32,
    span: Duration,
    charged: Mutex<HashMap<K, VecDeque<Instant>>>,
}

impl<K: Eq + Hash> Window<K> {
    pub(super) fn new(limit: u32, span: Duration) -> Self {
        Self { limit, span, charged: Mutex::default() }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// Charges `key` once.
    ///
    /// # Errors
    /// How long to wait, if it was charged as often as it may be. That is not charged.
    pub(super) fn take(&self, key: K, now: Instant) -> Result<Quota, Duration> {
        let mut charged = self.charged.lock();
        if charged.len() >= KEYS && !charged.contains_key(&key) {
            self.make_room(&mut charged, now);
        }
        let times = charged.entry(key).or_default();
        while times.front().is_some_and(|at| now.duration_since(*at) >= self.span) {
            times.pop_front();
        }
        let oldest = times.front().copied().unwrap_or(now);
        let reset = self.span.saturating_sub(now.duration_since(oldest));
        let used = u32::try_from(times.len()).unwrap_or(u32::MAX);
        if used >= self.limit {
            return Err(reset);
        }
        times.push_back(now);
        Ok(Quota { limit: self.limit, remaining: self.limit - used - 1, reset })
    }

    /// Charges `key` that often more, whether or not it may be.
    pub(super) fn charge_more(&self, key: K, times: u32, now: Instant) {
        let mut charged = self.charged.lock();
        charged.entry(key).or_default().extend((0..times).map(|_| now));
    }

    /// Takes back the latest charge of `key`.
    pub(super) fn give_back(&self, key: &K) {
        if let Some(times) = self.charged.lock().get_mut(key) {
            times.pop_back();
        }
    }

    /// Forgets keys that were not charged within the window.
    pub(super) fn sweep(&self, now: Instant) {
        let mut charged = self.charged.lock();
        self.forget_quiet(&mut charged, now);
        charged.shrink_to_fit();
    }

    fn forget_quiet(&self, charged: &mut HashMap<K, VecDeque<Instant>>, now: Instant) {
        charged.retain(|_, times| times.back().is_some_and(|at| now.duration_since(*at) < self.span));
    }

    /// Forgets those who have been quiet, and as many of those charged longest ago as have to go. Never all: the counter of who
    /// makes up keys would go with them.
    fn make_room(&self, charged: &mut HashMap<K, VecDeque<Instant>>, now: Instant) {
        self.forget_quiet(charged, now);
        let excess = charged.len().saturating_sub(KEPT);
        if excess > 0 {
            let mut last: Vec<Instant> = charged.values().filter_map(|times| times.back().copied()).collect();
            let (_, oldest, _) = last.select_nth_unstable(excess - 1);
            charged.retain(|_, times| times.back().is_some_and(|at| *at > *oldest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_limit_in_any_span() {
        let window = Window::new(2, Duration::from_secs(60));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let quota = |remaining, reset| Ok(Quota { limit: 2, remaining, reset: Duration::from_secs(reset) });
        let wait = |seconds| Err(Duration::from_secs(seconds));
        for (seconds, key, expected) in [
            (0, "ada", quota(1, 60)),
            (50, "ada", quota(0, 10)),
            (50, "bob", quota(1, 60)),
            (59, "ada", wait(1)),
            (60, "ada", quota(0, 50)),
            (61, "ada", wait(49)),
            (200, "ada", quota(1, 60)),
        ] {
            assert_eq!(window.take(key, at(seconds)), expected, "{key} at {seconds} s");
        }
        window.take("ada", at(201)).unwrap();
        window.give_back(&"ada");
        assert_eq!(window.take("ada", at(202)), quota(0, 58), "what was given back is free again");
        window.sweep(at(230));
        assert_eq!(window.charged.lock().keys().copied().collect::<Vec<_>>(), ["ada"]);
    }

    /// Catches a window that forgets everybody when there are too many: a guesser could make up names until it does.
    #[test]
    fn of_too_many_keys_those_charged_longest_ago_are_forgotten() {
        let window = Window::new(1, Duration::from_secs(60));
        let start = Instant::now();
        let at = |micros: usize| start + Duration::from_micros(micros as u64);
        for key in 0..KEYS {
            window.take(key, at(key)).unwrap();
        }
        window.take(KEYS, at(KEYS)).unwrap();
        assert_eq!(window.charged.lock().len(), KEPT + 1);
        window.take(KEYS - KEPT, at(KEYS)).expect_err("charged of late");
        window.take(0, at(KEYS)).expect("charged first, and forgotten");
    }
}
