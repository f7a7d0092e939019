//! Refusals in the log: who operates a server sees that logins fail or a page's origin is not allowed, without a line for each
//! request of a flood.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::Span;

use crate::contract::ErrorCode;

/// Lines in one span of time; further refusals are only counted, and their number is in the next line.
const LINES: u32 = 20;
const PER: Duration = Duration::from_secs(1);

static WRITTEN: Mutex<Option<Written>> = Mutex::new(None);

/// What was written since a moment.
struct Written {
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl Written {
    /// How many refusals before this one were left out, if this one has a line.
    fn next(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.since) >= PER {
            (self.since, self.lines) = (now, 0);
        }
        if self.lines == LINES {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// The span of a request, which a socket keeps as well: it has the request's id, its path and its client's address.
#[derive(Clone, Debug)]
pub struct RequestSpan(pub Span);

/// Writes a refusal. `what` is what was refused, in one word; `reason` says why, if the client receives only a code.
pub fn refused(span: &Span, what: &'static str, status: u16, code: Option<ErrorCode>, reason: Option<&str>) {
    let now = Instant::now();
    let mut written = WRITTEN.lock();
    let written = written.get_or_insert(Written { since: now, lines: 0, left_out: 0 });
    if let Some(left_out) = written.next(now) {
        let code = code.map(ErrorCode::as_str);
        tracing::info!(parent: span, what, status, code, reason, left_out, "refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_has_few_lines_and_its_number_is_told() {
        let start = Instant::now();
        let mut written = Written { since: start, lines: 0, left_out: 0 };
        let lines = (0..1000).filter(|_| written.next(start).is_some()).count();
        assert_eq!(lines, 20);
        assert_eq!(written.next(start + PER), Some(980));
        assert_eq!(written.next(start + PER), Some(0));
    }
}
