//! A token bucket per key. Tokens can be given back, which libraries do not offer: before a request is answered only its maximum cost is
//! known.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::MINUTE;

/// Each key's bucket, as the time at which it will be full (the generic cell rate algorithm, ITU-T I.371). A key that is not
/// there has a full one.
#[derive(Debug)]
pub(super) struct Bucket<K> {
    /// Tokens that a full bucket has.
    burst: u32,
    /// How long the refill of one token takes.
    token: Duration,
    full_at: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash> Bucket<K> {
    pub(super) fn new(per_minute: u32, burst: u32) -> Self {
        Self { burst: burst.max(1), token: MINUTE / per_minute.max(1), full_at: Mutex::default() }
    }

    /// As many in a span of time, all of them at once if need be.
    pub(super) fn over(burst: u32, span: Duration) -> Self {
        Self { burst: burst.max(1), token: span / burst.max(1), full_at: Mutex::default() }
    }

    pub(super) fn burst(&self) -> u32 {
        self.burst
    }

    /// How long an empty bucket takes to be full.
    pub(super) fn span(&self) -> Duration {
        self.token * self.burst
    }

    /// Takes tokens, all or none. More than the bucket can have are taken as a full bucket.
    ///
    /// # Errors
    /// How long it takes until they are there.
    pub(super) fn take(&self, key: K, tokens: u32, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock();
        let full = full_at.get(&key).map_or(now, |at| now.max(*at)) + self.token * tokens.min(self.burst);
        match full.duration_since(now).checked_sub(self.span()) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                full_at.insert(key, full);
                Ok(())
            }
        }
    }

    /// Takes as many tokens as are there, up to a number; answers how many those were.
    pub(super) fn take_up_to(&self, key: K, tokens: u32, now: Instant) -> u32 {
        let mut full_at = self.full_at.lock();
        let full = full_at.get(&key).map_or(now, |at| now.max(*at));
        let missing = full.duration_since(now).as_nanos().div_ceil(self.token.as_nanos().max(1));
        let there = self.burst.saturating_sub(u32::try_from(missing).unwrap_or(u32::MAX));
        let taken = there.min(tokens);
        if taken > 0 {
            full_at.insert(key, full + self.token * taken);
        }
        taken
    }

    /// Gives tokens back that were taken and not needed.
    pub(super) fn give_back(&self, key: &K, tokens: u32) {
        if let Some(full) = self.full_at.lock().get_mut(key) {
            // A time in the past is a full bucket as well.
            *full = full.checked_sub(self.token * tokens).unwrap_or(*full);
        }
    }

    /// Forgets keys whose bucket is full.
    pub(super) fn sweep(&self, now: Instant) {
        let mut full_at = self.full_at.lock();
        full_at.retain(|_, full| *full > now);
        full_at.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_steady_rate() {
        let bucket = Bucket::new(60, 3);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let wait = |millis| Err(Duration::from_millis(millis));
        for (millis, key, tokens, expected) in [
            (0, "ada", 2, Ok(())),
            (0, "ada", 2, wait(1_000)),
            (0, "ada", 1, Ok(())),
            (0, "ada", 1, wait(1_000)),
            (0, "bob", 3, Ok(())),
            (400, "ada", 1, wait(600)),
            (1_000, "ada", 1, Ok(())),
            (1_000, "ada", 1, wait(1_000)),
            (9_000, "ada", 9, Ok(())),
            (9_000, "ada", 9, wait(3_000)),
        ] {
            assert_eq!(bucket.take(key, tokens, at(millis)), expected, "{key} takes {tokens} at {millis} ms");
        }
        bucket.sweep(at(5_000));
        assert_eq!(bucket.full_at.lock().keys().copied().collect::<Vec<_>>(), ["ada"]);
    }

    #[test]
    fn what_is_there_is_taken_and_what_was_not_needed_comes_back() {
        let bucket = Bucket::new(60, 10);
        let now = Instant::now();
        assert_eq!(bucket.take_up_to("ada", 4, now), 4);
        assert_eq!(bucket.take_up_to("ada", 100, now), 6);
        assert_eq!(bucket.take_up_to("ada", 100, now), 0);
        bucket.give_back(&"ada", 5);
        assert_eq!(bucket.take_up_to("ada", 100, now + Duration::from_millis(1_500)), 6);
        bucket.give_back(&"bob", 100);
        bucket.give_back(&"ada", 100);
        assert_eq!(bucket.take_up_to("ada", 100, now), 10, "never more than a full bucket");
    }
}
