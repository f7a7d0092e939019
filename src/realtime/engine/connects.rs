//! CONNECT packets on their way through the library.
//!
//! The library passes over a CONNECT while another is underway, and over a goodbye to a namespace that is not joined yet: a client
//! that joins, leaves and joins again without waiting in between would wait for ever. So what follows a CONNECT waits here until
//! that has been answered; and a CONNECT that the library has passed over, a moment after it answered one, is given to it again.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// How long the library may take until it asks whether the socket may come in. It asks at once.
const TAKEN: Duration = Duration::from_millis(50);

/// How long the answer may take; the question is given up before.
const ANSWERED: Duration = Duration::from_secs(15);

/// How often a CONNECT is given to the library.
pub(in crate::realtime) const ATTEMPTS: usize = 40;

/// How far the CONNECT packets of a session have come.
#[derive(Debug, Default)]
pub(in crate::realtime) struct Connects {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Those that the library has taken.
    taken: u64,
    /// Those of them that have been answered.
    answered: u64,
    /// Whether the last one was let in and has not left since.
    is_joined: bool,
}

/// What came of a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::realtime) enum Fate {
    /// What follows it may follow.
    Over,
    /// The library has passed over it.
    PassedOver,
}

impl Connects {
    /// How many the library has taken.
    pub(in crate::realtime) fn taken(&self) -> u64 {
        self.state.lock().taken
    }

    /// The library asks whether a socket may come in.
    pub(in crate::realtime) fn take(&self) {
        self.state.lock().taken += 1;
        self.changed.notify_waiters();
    }

    /// It was let in, or refused.
    pub(in crate::realtime) fn answer(&self, is_joined: bool) {
        let mut state = self.state.lock();
        state.answered = state.taken;
        state.is_joined = is_joined;
        drop(state);
        self.changed.notify_waiters();
    }

    /// It has left.
    pub(in crate::realtime) fn leave(&self) {
        self.state.lock().is_joined = false;
        self.changed.notify_waiters();
    }

    /// What becomes of a CONNECT before which the library had taken so many.
    pub(in crate::realtime) async fn fate(&self, taken_before: u64) -> Fate {
        // One for a namespace that is joined already is nobody's to answer.
        if !self.becomes(|state| state.taken > taken_before || state.is_joined, TAKEN).await {
            return Fate::PassedOver;
        }
        self.becomes(
            |state| state.answered > taken_before || (state.is_joined && state.taken == taken_before),
            ANSWERED,
        )
        .await;
        Fate::Over
    }

    /// Whether it becomes so in time.
    async fn becomes(&self, so: impl Fn(&State) -> bool, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if so(&self.state.lock()) {
                return true;
            }
            if timeout_at(until, changed).await.is_err() {
                return so(&self.state.lock());
            }
        }
    }
}

/// Whether an Engine.IO packet is a CONNECT to the root namespace
/// (<https://socket.io/docs/v4/socket-io-protocol/#connection-to-a-namespace>).
pub(super) fn is_connect(packet: impl Iterator<Item = u8>) -> bool {
    let mut start = packet.take(3);
    start.next() == Some(b'4') && start.next() == Some(b'0') && start.next() != Some(b'/')
}
