//! The time of this process, from one place: whoever needs it asks here.
//!
//! Clocks are set, and those of several machines differ; what is measured by them (a mute, the wait of slow mode, the life of a
//! token) must become neither longer nor shorter by that. So the time is read once, and continued by the monotonic clock, which
//! cannot be set. Nodes with the same PostgreSQL read the time there: they all have the database's time.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::contract::Timestamp;

/// A clock that is set back by more than this was clearly wrong: the new time is used at once. By less, the time slows down until it
/// agrees. The clock of a database that differs by more from ours is not used.
const LARGEST_STEP_MS: i64 = 10 * 60 * 1000;

/// Milliseconds of each second by which the time is slowed until a clock that was set back has caught up: little enough that no
/// wait is noticeably longer.
const SLOWING_MS: i64 = 1;

/// The time of this process.
static TIME: LazyLock<Time> = LazyLock::new(Time::start);

/// Now, to the millisecond.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp(TIME.now())
}

/// Takes the time from a database from now on, unless its clock and ours differ too much to be both right; answers whether it
/// does. `ask` gives the database's time.
///
/// # Errors
/// Those of `ask`.
pub async fn follow<E>(ask: impl Future<Output = Result<Timestamp, E>>) -> Result<bool, E> {
    let Measured { earliest, latest } = Measured::by(ask).await?;
    if (latest - (system() - TIME.elapsed())).abs() > LARGEST_STEP_MS {
        tracing::warn!("the clocks of this machine and of the database differ by over ten minutes: set one of them");
        return Ok(false);
    }
    TIME.by_database.store(true, Ordering::SeqCst);
    let offset = TIME.offset.load(Ordering::SeqCst);
    TIME.offset.store(offset.clamp(earliest, latest), Ordering::SeqCst);
    Ok(true)
}

/// Compares the time with that of the database which it is taken from. To be called now and then: machines count seconds of
/// slightly different length.
///
/// # Errors
/// Those of `ask`.
pub async fn compare<E>(ask: impl Future<Output = Result<Timestamp, E>>, since_last: Duration) -> Result<(), E> {
    let measured = Measured::by(ask).await?;
    let offset = TIME.offset.load(Ordering::SeqCst);
    TIME.offset.store(measured.draw(offset, since_last), Ordering::SeqCst);
    Ok(())
}

/// Compares the time with the clock of this machine, where it is not taken from a database.
pub fn compare_with_system(since_last: Duration) {
    let offset = TIME.offset.load(Ordering::SeqCst);
    let system = system() - TIME.elapsed();
    let measured = Measured { earliest: system, latest: system };
    TIME.offset.store(measured.draw(offset, since_last), Ordering::SeqCst);
}

struct Time {
    start: Instant,
    /// What is to be added to the milliseconds since `start`.
    offset: AtomicI64,
    /// Whether the time is the database's; else it is that of this machine.
    by_database: AtomicBool,
}

impl Time {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    fn start() -> Self {
        Self { start: Instant::now(), offset: AtomicI64::new(system()), by_database: AtomicBool::new(false) }
    }

    fn elapsed(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn now(&self) -> i64 {
        let elapsed = self.elapsed();
        let offset = self.offset.load(Ordering::Relaxed);
        if self.by_database.load(Ordering::Relaxed) {
            return offset + elapsed;
        }
        let system = system() - elapsed;
        // Set forward, or the machine slept; or set back in earnest.
        if system > offset || offset - system > LARGEST_STEP_MS {
            self.offset.store(system, Ordering::Relaxed);
            return system + elapsed;
        }
        offset + elapsed
    }
}

/// Between which offsets the time agrees with another clock.
struct Measured {
    earliest: i64,
    latest: i64,
}

impl Measured {
    /// Asks for the other clock's time.
    async fn by<E>(ask: impl Future<Output = Result<Timestamp, E>>) -> Result<Self, E> {
        let before = TIME.elapsed();
        let reported = ask.await?.0;
        Ok(Self { earliest: reported - TIME.elapsed(), latest: reported - before })
    }

    /// The offset that is to be used instead of `offset`: forward at once, backward slowly.
    fn draw(&self, offset: i64, since_last: Duration) -> i64 {
        if offset < self.earliest {
            return self.earliest;
        }
        if offset - self.latest > LARGEST_STEP_MS {
            return self.latest;
        }
        let most = i64::try_from(since_last.as_secs()).unwrap_or(0).saturating_mul(SLOWING_MS);
        offset.min(self.latest.max(offset - most))
    }
}

/// What the clock of this machine says, in milliseconds since 1970.
#[allow(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
fn system() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_forward_at_once_and_backward_slowly() {
        let ten = Duration::from_secs(10);
        for (offset, (earliest, latest), after) in [
            (1_000, (900, 1_100), 1_000),
            (1_000, (1_500, 1_600), 1_500),
            (1_000, (500, 995), 995),
            (1_000_000, (900_000, 910_000), 999_990),
            (1_000_000, (0, 1_000), 1_000),
        ] {
            let drawn = Measured { earliest, latest }.draw(offset, ten);
            assert_eq!(drawn, after, "{offset} between {earliest} and {latest}");
        }
    }
}
