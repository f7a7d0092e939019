//! Engine.IO sessions: the connections of sockets, by polling or over a WebSocket.
//!
//! The library does not expose them. So each handshake gets a record of ours in its request's extensions, which the library keeps as long
//! as the session. The record has the last activity of the client, whether a socket uses the session, what waits for it while it polls,
//! and how to end it.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::Method,
    middleware::Next,
};
use parking_lot::Mutex;
use tokio::{sync::OwnedMutexGuard, time::timeout};

use super::{
    backlog::{Bounds, PollingBacklog},
    engine::connects::Connects,
    inbox::Load,
};
use crate::{
    contract::ErrorCode,
    fanout::sockets::{Slot, SlotOwner, Socket},
    listener::{KillSwitch, engine_io},
};

/// Counts the sessions that no socket uses.
const BARE: &str = "parlour_transports_without_namespace";

/// Bytes that may wait for a polling client: as much as one has to be behind by to be thought of as gone, and the most for one
/// that polls busily.
const POLLING: Bounds = Bounds { least: 512 * 1024, most: 4 * 1024 * 1024 };

/// Bytes of events that may wait to be handled before the next request with more of them has to wait.
const POSTED: usize = 64 * 1024;

/// How long it waits at the most.
const POST_WAIT: Duration = Duration::from_secs(5);

/// The sessions that poll, or began so, by their ids.
#[derive(Debug)]
pub(super) struct EngineSessions {
    by_id: Mutex<HashMap<String, Weak<EngineSession>>>,
    /// How long a client may take from its handshake to a namespace, and how long a session may be without one.
    connect_timeout: Duration,
    /// How long a polling client may not poll.
    poll_timeout: Duration,
}

/// One of them.
pub(super) struct EngineSession {
    sessions: Arc<EngineSessions>,
    state: Mutex<State>,
    /// Requests with events are taken in one after the other.
    posts: Arc<tokio::sync::Mutex<()>>,
    connects: Connects,
}

struct State {
    /// Known of a session that began by polling.
    id: Option<String>,
    /// Leads through what is inside of [`attend`](super::attend) to the library, for the request that closes a polling session.
    library: Option<Next>,
    /// The connection of its WebSocket.
    websocket: Option<KillSwitch>,
    /// Sockets of namespaces that use it.
    namespaces: usize,
    /// How often it was left by the last of them.
    departures: u64,
    /// Polls that wait for an answer.
    polls: usize,
    last_poll: Instant,
    last_request: Instant,
    backlog: PollingBacklog,
    load: Option<Arc<Load>>,
    /// The slot of the socket's user. It is taken for as long as the session lasts: who leaves the namespace and stays has
    /// not made room.
    slot: Option<Slot>,
    socket: Weak<Socket>,
}

impl EngineSessions {
    pub(super) fn new(connect_timeout: Duration, poll_timeout: Duration) -> Arc<Self> {
        metrics::gauge!(BARE).set(0.0);
        Arc::new(Self { by_id: Mutex::default(), connect_timeout, poll_timeout })
    }

    /// A session that begins.
    pub(super) fn begin(self: &Arc<Self>, websocket: Option<KillSwitch>) -> Arc<EngineSession> {
        metrics::gauge!(BARE).increment(1.0);
        let now = Instant::now();
        let state = State {
            id: None,
            library: None,
            websocket,
            namespaces: 0,
            departures: 0,
            polls: 0,
            last_poll: now,
            last_request: now,
            backlog: PollingBacklog::new(),
            load: None,
            slot: None,
            socket: Weak::new(),
        };
        Arc::new(EngineSession {
            sessions: Arc::clone(self),
            state: Mutex::new(state),
            posts: Arc::default(),
            connects: Connects::default(),
        })
    }

    /// The session of a request.
    pub(super) fn find(&self, id: &str) -> Option<Arc<EngineSession>> {
        self.by_id.lock().get(id)?.upgrade()
    }
}

impl EngineSession {
    /// The client received the id of its polling session.
    pub(super) fn opened(self: &Arc<Self>, packet: &[u8], library: Next) {
        let Some(sid) = engine_io::opened_by(packet) else { return };
        self.sessions.by_id.lock().insert(sid.clone(), Arc::downgrade(self));
        let mut state = self.state.lock();
        state.websocket = None;
        (state.id, state.library) = (Some(sid), Some(library));
        drop(state);
        tokio::spawn(end_unless_polled(Arc::downgrade(self), self.sessions.poll_timeout));
    }

    /// What became of the CONNECT packets that it brought.
    pub(super) fn connects(&self) -> &Connects {
        &self.connects
    }

    /// A request came that belongs to it.
    pub(super) fn note_request(&self) {
        self.state.lock().last_request = Instant::now();
    }

    /// It becomes a WebSocket on this connection.
    pub(super) fn upgrades(&self, websocket: KillSwitch) {
        self.state.lock().websocket = Some(websocket);
    }

    /// The connection of its WebSocket.
    pub(super) fn websocket(&self) -> Option<KillSwitch> {
        self.state.lock().websocket.clone()
    }

    /// A poll begins; it ends when the guard goes.
    pub(super) fn poll(self: &Arc<Self>) -> PollGuard {
        self.state.lock().polls += 1;
        PollGuard(Arc::clone(self))
    }

    /// Locks out other requests with events, and waits until not too many earlier events wait.
    pub(super) async fn lock_posts(&self) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(&self.posts).lock_owned().await;
        let load = self.state.lock().load.clone();
        if let Some(load) = load {
            // Who waited so long is given to the inbox, which refuses what is too much.
            let _ = timeout(POST_WAIT, load.falls_to(POSTED)).await;
        }
        lock
    }

    /// Counts bytes for a client that polls; false when too many wait.
    pub(super) fn weigh(&self, bytes: u64) -> bool {
        self.state.lock().backlog.weigh(bytes, POLLING)
    }

    /// Whether a polling client has more to fetch than is good for a replay.
    pub(super) fn is_behind(&self) -> bool {
        self.state.lock().backlog.used() > POLLING.low()
    }

    /// A socket was let in by it, with its user's slot and its inbox.
    pub(super) fn enter(&self, slot: Slot, load: Arc<Load>) {
        let mut state = self.state.lock();
        state.namespaces += 1;
        if state.namespaces == 1 {
            metrics::gauge!(BARE).decrement(1.0);
        }
        state.load = Some(load);
        let earlier = state.slot.replace(slot);
        drop(state);
        drop(earlier);
    }

    /// The socket is served.
    pub(super) fn serves(&self, socket: &Arc<Socket>) {
        self.state.lock().socket = Arc::downgrade(socket);
    }

    /// A socket left its namespace, and the client stays: it ends unless another comes in time.
    pub(super) fn leave(self: &Arc<Self>) {
        self.connects.leave();
        let mut state = self.state.lock();
        state.namespaces = state.namespaces.saturating_sub(1);
        if state.namespaces > 0 {
            return;
        }
        metrics::gauge!(BARE).increment(1.0);
        state.departures += 1;
        let (departures, session, wait) = (state.departures, Arc::downgrade(self), self.sessions.connect_timeout);
        drop(state);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            if let Some(session) = session.upgrade() {
                let state = session.state.lock();
                let is_bare = state.namespaces == 0 && state.departures == departures;
                drop(state);
                if is_bare {
                    session.close();
                }
            }
        });
    }

    /// Ends it, so that its client notices at once and may come back.
    pub(super) fn close(&self) {
        let state = self.state.lock();
        let (websocket, library, id) = (state.websocket.clone(), state.library.clone(), state.id.clone());
        drop(state);
        if let Some(websocket) = websocket {
            websocket.kill();
        }
        // The library ends a polling session for its client only: so this is what the client would send.
        if let (Some(library), Some(id)) = (library, id)
            && let Some(close) = close_request(&id)
        {
            tokio::spawn(async move { library.run(close).await });
        }
    }

    /// How much longer a client may stay that has polled last when this one has.
    fn time_left(&self) -> Duration {
        let (limit, state) = (self.sessions.poll_timeout, self.state.lock());
        let is_alive = state.polls > 0 || state.websocket.as_ref().is_some_and(KillSwitch::is_connected);
        if is_alive { limit } else { limit.saturating_sub(state.last_poll.elapsed()) }
    }
}

/// The Engine.IO packet that closes a session, as its client would send it.
fn close_request(id: &str) -> Option<Request> {
    Request::builder().method(Method::POST).uri(engine_io::polling(id).ok()?).body(Body::from("1")).ok()
}

/// Ends a polling session that does not poll, whatever else it sends: what waits for it would wait for ever.
async fn end_unless_polled(session: Weak<EngineSession>, poll_timeout: Duration) {
    let mut wait = poll_timeout;
    while !wait.is_zero() {
        tokio::time::sleep(wait).await;
        let Some(session) = session.upgrade() else { return };
        wait = session.time_left();
        if wait.is_zero() {
            session.close();
        }
    }
}

impl SlotOwner for EngineSession {
    fn last_activity(&self) -> Instant {
        let state = self.state.lock();
        let heard = state.websocket.as_ref().map(KillSwitch::last_activity);
        heard.map_or(state.last_request, |heard| heard.max(state.last_request))
    }

    fn end(&self, code: ErrorCode) {
        let socket = self.state.lock().socket.upgrade();
        match socket {
            Some(socket) => socket.revoke(code),
            None => self.close(),
        }
    }
}

impl Drop for EngineSession {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        if state.namespaces == 0 {
            metrics::gauge!(BARE).decrement(1.0);
        }
        if let Some(id) = &state.id {
            self.sessions.by_id.lock().remove(id);
        }
    }
}

/// A poll that waits or is being answered; it ends when this is dropped.
pub(super) struct PollGuard(Arc<EngineSession>);

impl PollGuard {
    /// It is answered by these packets, on this connection.
    pub(super) fn answered(self, packets: &Bytes, connection: Option<KillSwitch>) {
        self.0.state.lock().backlog.answered(packets, connection);
    }
}

impl Drop for PollGuard {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.polls -= 1;
        state.last_poll = Instant::now();
        state.last_request = state.last_poll;
    }
}
