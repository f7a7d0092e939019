//! The bytes that wait for a client, and their bound.
//!
//! Bytes that a client has not read yet take memory. A client that keeps reading may be behind by as much as it reads in some seconds. One
//! that reads nothing has a small bound: a polling session that only sends costs less than a megabyte.

use std::time::{Duration, Instant};

use super::polling::SEPARATOR;
use crate::listener::KillSwitch;

/// What a packet costs besides its text.
pub(super) const PACKET: u64 = 64;

/// What a client takes counts for at least so long, and at most twice as long.
const WINDOW: Duration = Duration::from_secs(5);

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// For a client that reads nothing.
    pub(super) least: u64,
    /// For any client.
    pub(super) most: u64,
}

impl Bounds {
    /// A replay waits while more than this waits; and one packet that is larger than the bound may follow so much.
    pub(super) fn low(self) -> u64 {
        self.least / 4
    }
}

/// What a client read recently.
#[derive(Debug)]
pub(super) struct ReadRate {
    since: Instant,
    /// All that was taken by then.
    start: u64,
    /// What was taken in the window before.
    before: u64,
}

impl ReadRate {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), start: 0, before: 0 }
    }

    /// Notes how much was taken in all.
    pub(super) fn note(&mut self, total: u64, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= WINDOW {
            self.before = if elapsed < 2 * WINDOW { total.saturating_sub(self.start) } else { 0 };
            (self.since, self.start) = (now, total);
        }
    }

    /// What was taken lately, of so much in all.
    pub(super) fn lately(&mut self, total: u64, now: Instant) -> u64 {
        self.note(total, now);
        self.before + total.saturating_sub(self.start)
    }
}

/// The bytes that wait for a polling session.
#[derive(Debug)]
pub(super) struct PollingBacklog {
    /// Given to the session, and in no answer yet.
    waiting: u64,
    /// Answers that were given to connections and that the kernel has not taken.
    answers: Vec<PollAnswer>,
    /// What the kernel took, in all.
    total: u64,
    taken: ReadRate,
}

/// An answer on its way.
#[derive(Debug)]
struct PollAnswer {
    connection: KillSwitch,
    /// What the connection will have written when all of it is.
    end: u64,
    bytes: u64,
}

impl PollingBacklog {
    pub(super) fn new() -> Self {
        Self { waiting: 0, answers: Vec::new(), total: 0, taken: ReadRate::new() }
    }

    /// Counts bytes that are about to be given to the session; false when too many wait.
    pub(super) fn weigh(&mut self, bytes: u64, bounds: Bounds) -> bool {
        let used = self.used();
        // A quarter of what was taken lately: answers follow each other quickly.
        let bound = bounds.most.min(bounds.least + self.taken.lately(self.total, Instant::now()) / 4);
        if used > bounds.low() && used + bytes > bound {
            return false;
        }
        self.waiting += bytes;
        true
    }

    /// Notes an answer of these packets.
    pub(super) fn answered(&mut self, packets: &[u8], connection: Option<KillSwitch>) {
        if packets == b"2" {
            // A ping alone: nothing else waited. Whatever was counted differently there and here is forgotten.
            self.waiting = 0;
        }
        let fetched = packets.split(|byte| *byte == SEPARATOR).filter(|packet| is_counted(packet));
        let fetched: u64 = fetched.map(|packet| packet.len() as u64 + PACKET).sum();
        self.waiting = self.waiting.saturating_sub(fetched);
        if let Some(connection) = connection {
            let bytes = packets.len() as u64;
            self.answers.push(PollAnswer { end: connection.written() + bytes, bytes, connection });
        }
        self.used();
    }

    /// What waits.
    pub(super) fn used(&mut self) -> u64 {
        let total = &mut self.total;
        self.answers.retain(|answer| {
            let is_written = answer.connection.written() >= answer.end;
            if is_written {
                *total += answer.bytes;
            }
            !is_written && answer.connection.is_connected()
        });
        self.taken.note(self.total, Instant::now());
        self.waiting + self.answers.iter().map(|answer| answer.bytes).sum::<u64>()
    }
}

/// Whether a packet was counted when it was given: events, answers, and what is binary of them.
fn is_counted(packet: &[u8]) -> bool {
    matches!(packet, [b'4', b'2' | b'3' | b'5' | b'6', ..] | [b'b', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { least: 4_000, most: 40_000 };

    #[test]
    fn who_takes_nothing_is_given_little() {
        let mut backlog = PollingBacklog::new();
        assert!(backlog.weigh(9_000, BOUNDS), "one packet may be larger than the bound");
        assert!(!backlog.weigh(1, BOUNDS));
        assert_eq!(backlog.used(), 9_000);
    }

    #[test]
    fn what_was_fetched_waits_no_more() {
        let mut backlog = PollingBacklog::new();
        let event = br#"42["ping",1]"#;
        let size = event.len() as u64 + PACKET;
        for _ in 0..10 {
            assert!(backlog.weigh(size, BOUNDS));
        }
        let answer = [&event[..], b"2", event, b"40{}"].join(&SEPARATOR);
        backlog.answered(&answer, None);
        assert_eq!(backlog.used(), 8 * size);
        backlog.answered(b"2", None);
        assert_eq!(backlog.used(), 0);
    }

    #[test]
    fn what_is_taken_counts_for_a_while() {
        let mut taken = ReadRate::new();
        let start = taken.since;
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(taken.lately(1_000, at(1)), 1_000);
        assert_eq!(taken.lately(1_500, at(6)), 1_500);
        assert_eq!(taken.lately(1_700, at(10)), 1_700);
        assert_eq!(taken.lately(1_700, at(11)), 200);
        assert_eq!(taken.lately(1_700, at(60)), 0);
    }
}
