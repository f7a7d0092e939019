//! Polling sessions between two worlds: with a poll underway that may end before its answer, or with a WebSocket that may take
//! over. What is neither is not remembered.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Engine;

/// How long a client that gave up a poll may take to ask again. No client of Socket.IO does: to them the session has failed.
const GRACE: Duration = Duration::from_secs(3);

/// How long a poll may wait whose client needs an end of it to go on: when it was probed
/// (<https://socket.io/docs/v4/engine-io-protocol/#upgrade>), and when it leaves.
const SHORT_POLL: Duration = Duration::from_millis(25);

/// How long polls stay short after a client has left the namespace. python-socketio waits for the end of its poll then, and does
/// not always say that the session ends too.
const LEAVING: Duration = Duration::from_millis(500);

#[derive(Clone, Debug, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<String, PollingSession>>>);

#[derive(Debug, Default)]
struct PollingSession {
    /// Polls underway; more than one is a fault of the client's.
    polls: usize,
    /// Cancelled when polls have to end, because the client wants to go on by WebSocket.
    released: CancellationToken,
    /// The client has just left the namespace.
    is_leaving: bool,
    /// The session was told to end, by its client or in its client's name.
    is_ending: bool,
    /// The WebSocket that may take over: cancelled when another one takes its place.
    attempt: Option<CancellationToken>,
    /// Whether the client has said something by that WebSocket: then no other takes its place.
    is_proven: bool,
    /// A poll was given up, and none was begun since.
    abandoned: Option<CancellationToken>,
}

impl Sessions {
    /// Begins a poll.
    pub(super) fn poll(&self, engine: &Engine, id: &str) -> PendingPoll {
        let mut sessions = self.0.lock();
        let session = sessions.entry(id.to_owned()).or_default();
        session.polls += 1;
        if let Some(abandoned) = session.abandoned.take() {
            abandoned.cancel();
        }
        let released = session.released.clone();
        let is_short = session.is_leaving || released.is_cancelled();
        PendingPoll { engine: engine.clone(), id: id.to_owned(), released, is_short, is_answered: false }
    }

    /// Ends the poll of a client that has left the namespace, and those that follow at once.
    pub(super) fn leave(&self, id: &str) {
        {
            let mut sessions = self.0.lock();
            let session = sessions.entry(id.to_owned()).or_default();
            session.is_leaving = true;
            if session.attempt.is_none() {
                std::mem::take(&mut session.released).cancel();
            }
        }
        let (sessions, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            sleep(LEAVING).await;
            sessions.change(&id, |session| session.is_leaving = false);
        });
    }

    /// The session is told to end, by its client or in its client's name.
    pub(super) fn end(&self, id: &str) {
        self.change(id, |session| session.is_ending = true);
    }

    /// A WebSocket wants to take over; nothing if another is about to. One that has not said so yet makes room.
    pub(super) fn attempt(&self, engine: &Engine, id: &str) -> Option<UpgradeAttempt> {
        let mut sessions = self.0.lock();
        let session = sessions.entry(id.to_owned()).or_default();
        if session.attempt.is_some() && session.is_proven {
            return None;
        }
        let replaced = CancellationToken::new();
        if let Some(earlier) = session.attempt.replace(replaced.clone()) {
            earlier.cancel();
        }
        Some(UpgradeAttempt { engine: engine.clone(), id: id.to_owned(), replaced, has_succeeded: false })
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut PollingSession)) {
        let mut sessions = self.0.lock();
        let Some(session) = sessions.get_mut(id) else { return };
        change(session);
        let is_idle = session.polls == 0 && !session.is_leaving;
        if is_idle && session.attempt.is_none() && session.abandoned.is_none() {
            sessions.remove(id);
        }
    }
}

/// A poll underway.
pub(super) struct PendingPoll {
    engine: Engine,
    id: String,
    released: CancellationToken,
    is_short: bool,
    is_answered: bool,
}

impl PendingPoll {
    /// Waits until it has to end without news.
    pub(super) async fn released(&self) {
        if self.is_short {
            sleep(SHORT_POLL).await;
        } else {
            self.released.cancelled().await;
        }
    }

    /// Whether its answer is the last one that the client waits for: it leaves, or the session was told to end.
    pub(super) fn is_last(&self) -> bool {
        let sessions = self.engine.0.sessions.0.lock();
        sessions.get(&self.id).is_some_and(|session| session.is_leaving || session.is_ending)
    }

    pub(super) fn answered(&mut self) {
        self.is_answered = true;
    }

    /// Ends the session if nobody asks again.
    fn abandon(&self, session: &mut PollingSession) {
        let asked = CancellationToken::new();
        session.abandoned = Some(asked.clone());
        let (engine, id) = (self.engine.clone(), self.id.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = asked.cancelled() => return,
                () = sleep(GRACE) => {}
            }
            let mut is_over = false;
            engine.0.sessions.change(&id, |session| {
                is_over = session.abandoned.take_if(|_| !asked.is_cancelled()).is_some();
            });
            if is_over {
                tracing::debug!("a client gave up its poll and did not ask again; ending its session");
                engine.end(&id).await;
            }
        });
    }
}

impl Drop for PendingPoll {
    fn drop(&mut self) {
        self.engine.0.sessions.change(&self.id, |session| {
            session.polls -= 1;
            if !self.is_answered && session.polls == 0 {
                self.abandon(session);
            }
        });
    }
}

/// A WebSocket that may take over its session.
pub(super) struct UpgradeAttempt {
    engine: Engine,
    id: String,
    /// Cancelled when another comes before this one has said that it works.
    pub(super) replaced: CancellationToken,
    has_succeeded: bool,
}

impl UpgradeAttempt {
    /// The client has said by it what it wants, before it hears that this was understood. Whether no other has taken its place.
    pub(super) fn prove(&self) -> bool {
        let mut stands = false;
        self.engine.0.sessions.change(&self.id, |session| {
            stands = !self.replaced.is_cancelled();
            session.is_proven |= stands;
        });
        stands
    }

    /// Polls end, so that the client can go on.
    pub(super) fn release_polls(&self) {
        self.engine.0.sessions.change(&self.id, |session| session.released.cancel());
    }

    /// It has taken over; polls have no more to wait for.
    pub(super) fn succeed(mut self) {
        self.has_succeeded = true;
    }
}

impl Drop for UpgradeAttempt {
    fn drop(&mut self) {
        self.engine.0.sessions.change(&self.id, |session| {
            // Looked at here, where no other can begin meanwhile: what its successor has said stands.
            if self.replaced.is_cancelled() {
                return;
            }
            session.attempt = None;
            session.is_proven = false;
            if !self.has_succeeded {
                session.released = CancellationToken::new();
                self.engine.0.waiting.stay(&self.id);
            }
        });
    }
}
