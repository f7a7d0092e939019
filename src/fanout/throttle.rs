//! Throttles presence events: each subject at once, then at most once an interval, with the last state in the end; and all together at a
//! bounded rate.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;

use crate::config;

/// How far ahead of its pace a throttle may be.
const BURST: Duration = Duration::from_secs(1);

/// How often states may be sent.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The least time between two notices about the same subject.
    pub interval: Duration,
    /// Deliveries a second, all subjects together; as many as there are if nothing is said.
    pub deliveries: Option<u32>,
}

impl Pace {
    /// How often presence events are sent; without a limit when limits are off.
    #[must_use]
    pub fn of_presence(limits: &config::Limits) -> Self {
        let interval = if limits.enabled { Duration::from_millis(limits.presence_interval_ms) } else { Duration::ZERO };
        Self { interval, deliveries: limits.enabled.then_some(limits.presence_notices_per_second) }
    }
}

/// States of subjects that are to be sent.
#[derive(Debug)]
pub struct Throttle<K, N> {
    pace: Pace,
    subjects: HashMap<K, Subject<N>>,
    /// Each subject, with when it may be sent again, or be forgotten.
    order: BTreeSet<(Instant, K)>,
    /// Until when the deliveries that were made use up the pace.
    used_until: Option<Instant>,
}

#[derive(Debug)]
struct Subject<N> {
    is_there: bool,
    /// The state that was last sent.
    shown: bool,
    payload: N,
}

impl<K: Copy + Eq + Hash + Ord, N: Clone> Throttle<K, N> {
    /// A throttle without subjects.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self { pace, subjects: HashMap::new(), order: BTreeSet::new(), used_until: None }
    }

    /// A subject came or went.
    pub fn offer(&mut self, key: K, is_there: bool, payload: N, now: Instant) {
        if let Some(subject) = self.subjects.get_mut(&key) {
            (subject.is_there, subject.payload) = (is_there, payload);
            return;
        }
        self.subjects.insert(key, Subject { is_there, shown: !is_there, payload });
        self.order.insert((now, key));
    }

    /// The next subject to send now, and its state. The sender reports the number of deliveries ([`Self::used`]).
    pub fn take(&mut self, now: Instant) -> Option<(K, bool, N)> {
        while let Some(&(at, key)) = self.order.first().filter(|_| self.due_at().is_some_and(|due| due <= now)) {
            self.order.remove(&(at, key));
            let Some(subject) = self.subjects.get_mut(&key) else { continue };
            if subject.is_there == subject.shown {
                self.subjects.remove(&key);
                continue;
            }
            subject.shown = subject.is_there;
            self.order.insert((now + self.pace.interval, key));
            return Some((key, subject.is_there, subject.payload.clone()));
        }
        None
    }

    /// Deliveries that were made.
    pub fn used(&mut self, deliveries: usize, now: Instant) {
        if let Some(rate) = self.pace.deliveries {
            let took = Duration::from_secs_f64(deliveries as f64 / f64::from(rate));
            self.used_until = Some(self.used_until.map_or(now, |until| until.max(now)) + took);
        }
    }

    /// When to check again; nothing while there is no subject.
    #[must_use]
    pub fn due_at(&self) -> Option<Instant> {
        let (at, _) = self.order.first()?;
        Some(self.used_until.and_then(|until| until.checked_sub(BURST)).map_or(*at, |until| until.max(*at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Presence = Throttle<u32, ()>;

    fn throttle(deliveries: Option<u32>) -> Presence {
        Throttle::new(Pace { interval: Duration::from_secs(2), deliveries })
    }

    fn told(throttle: &mut Presence, now: Instant) -> Vec<(u32, bool)> {
        std::iter::from_fn(|| throttle.take(now)).map(|(key, is_there, ())| (key, is_there)).collect()
    }

    #[test]
    fn the_first_state_is_told_at_once_and_the_last_one_in_the_end() {
        let mut throttle = throttle(None);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        throttle.offer(1, true, (), start);
        assert_eq!(told(&mut throttle, start), [(1, true)]);
        for _ in 0..100 {
            throttle.offer(1, false, (), start);
            throttle.offer(1, true, (), start);
        }
        throttle.offer(1, false, (), start);
        throttle.offer(2, true, (), start);
        assert_eq!(told(&mut throttle, start), [(2, true)]);
        assert_eq!(told(&mut throttle, at(1_999)), []);
        assert_eq!(told(&mut throttle, at(2_000)), [(1, false)]);
        assert_eq!(told(&mut throttle, at(4_000)), []);
        assert!(throttle.subjects.is_empty() && throttle.due_at().is_none(), "what is over is forgotten");
    }

    #[test]
    fn a_state_that_is_as_it_was_told_is_not_told_again() {
        let mut throttle = throttle(None);
        let start = Instant::now();
        throttle.offer(1, true, (), start);
        assert_eq!(told(&mut throttle, start), [(1, true)]);
        throttle.offer(1, false, (), start);
        throttle.offer(1, true, (), start);
        assert_eq!(told(&mut throttle, start + Duration::from_secs(5)), []);
    }

    #[test]
    fn many_subjects_share_the_pace() {
        let mut throttle = throttle(Some(100));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        (0..10).for_each(|key| throttle.offer(key, true, (), start));
        let tell = |throttle: &mut Presence, now| {
            let mut count = 0;
            while throttle.take(now).is_some() {
                throttle.used(50, now);
                count += 1;
            }
            count
        };
        assert_eq!(tell(&mut throttle, start), 3, "a second's worth at once, and the one that uses it up");
        assert_eq!(tell(&mut throttle, at(1)), 2);
        throttle.offer(9, false, (), at(1));
        assert_eq!(tell(&mut throttle, at(10)), 3, "as at first");
        assert_eq!(tell(&mut throttle, at(20)), 1, "nobody heard of the tenth, so nobody hears that it went");
    }
}
