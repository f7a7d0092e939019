//! Polling answers of a bounded number of packets. The library puts all waiting packets into one answer; python-engineio refuses an answer
//! with more than [`PACKETS`] and ends its session. The client library is unknown, so all clients receive portions.
//!
//! The rest waits here for the next request. A session that becomes a WebSocket stops polling, so it receives all waiting packets before
//! the upgrade, and nothing is kept back after that.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};

use crate::error::Error;
use crate::listener::engine_io;

/// Packets of one answer: `Payload.max_decode_packets` of python-engineio
/// (<https://python-engineio.readthedocs.io/en/stable/server.html#decoding-payloads>).
const PACKETS: usize = 16;

/// Stands between two packets (<https://github.com/socketio/engine.io-protocol#http-long-polling-1>).
pub(super) const SEPARATOR: u8 = 0x1e;

/// How long a session is remembered that asks no more: none is silent for so long and goes on.
const MEMORY: Duration = Duration::from_secs(90);

/// How long a session that becomes a WebSocket may take to fetch what waits.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What waits for which session.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    sessions: Mutex<HashMap<String, WaitingPackets>>,
    fetched: Notify,
}

#[derive(Debug)]
struct WaitingPackets {
    packets: Bytes,
    upgrades: bool,
    /// When the session last asked.
    since: Instant,
}

/// Splits the answers of a session into portions of at most [`PACKETS`].
pub(super) async fn portion(State(waiting): State<Arc<Waiting>>, request: Request, next: Next) -> Response {
    let is_poll = request.method() == Method::GET && !request.headers().contains_key(header::UPGRADE);
    let Some(session) = engine_io::session(request.uri()).filter(|_| is_poll).map(str::to_owned) else {
        return next.run(request).await;
    };
    if let Some(packets) = waiting.take(&session) {
        return answer(packets);
    }
    let (parts, body) = next.run(request).await.into_parts();
    if parts.status != StatusCode::OK {
        return Response::from_parts(parts, body);
    }
    match to_bytes(body, usize::MAX).await {
        Ok(packets) => match waiting.hold_back(session, packets.clone()) {
            Some(first) => answer(first),
            None => Response::from_parts(parts, Body::from(packets)),
        },
        Err(error) => Error::Unavailable(error.into()).into_response(),
    }
}

fn answer(packets: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=UTF-8")], packets).into_response()
}

impl Waiting {
    /// The next packets of a session for which some wait; all of them if it becomes a WebSocket.
    fn take(&self, session: &str) -> Option<Bytes> {
        let mut sessions = self.sessions.lock();
        let rest = sessions.get_mut(session).filter(|rest| !rest.packets.is_empty())?;
        rest.since = Instant::now();
        let some = if rest.upgrades { std::mem::take(&mut rest.packets) } else { first_of(&mut rest.packets) };
        if rest.packets.is_empty() {
            if !rest.upgrades {
                sessions.remove(session);
            }
            self.fetched.notify_waiters();
        }
        Some(some)
    }

    /// The first packets of too many, the rest of which wait from now on; nothing if there are not too many.
    fn hold_back(&self, session: String, mut packets: Bytes) -> Option<Bytes> {
        let mut sessions = self.sessions.lock();
        if sessions.get(&session).is_some_and(|rest| rest.upgrades && rest.since.elapsed() < MEMORY) {
            return None;
        }
        let first = first_of(&mut packets);
        if packets.is_empty() {
            return None;
        }
        remember(&mut sessions, session, packets, false);
        Some(first)
    }

    /// Holds nothing back from this session any more, and waits until it has fetched what waits.
    pub(super) async fn upgrade(&self, session: &str) {
        {
            let mut sessions = self.sessions.lock();
            let packets = sessions.remove(session).map(|rest| rest.packets).unwrap_or_default();
            remember(&mut sessions, session.to_owned(), packets, true);
        }
        let waits = || self.sessions.lock().get(session).is_some_and(|rest| !rest.packets.is_empty());
        let fetched = async {
            loop {
                let fetched = self.fetched.notified();
                if !waits() {
                    return;
                }
                fetched.await;
            }
        };
        // Who does not ask any more has no use for it.
        let _ = timeout(TIMEOUT, fetched).await;
    }

    /// Holds back again: the session did not become a WebSocket.
    pub(super) fn stay(&self, session: &str) {
        if let Some(rest) = self.sessions.lock().get_mut(session) {
            rest.upgrades = false;
        }
    }
}

/// Remembers a session, and on the way forgets those that asked no more.
fn remember(sessions: &mut HashMap<String, WaitingPackets>, session: String, packets: Bytes, upgrades: bool) {
    if sessions.len() == sessions.capacity() {
        sessions.retain(|_, rest| rest.since.elapsed() < MEMORY);
    }
    sessions.insert(session, WaitingPackets { packets, upgrades, since: Instant::now() });
}

/// Takes the first packets, no more than one answer may have.
fn first_of(packets: &mut Bytes) -> Bytes {
    let mut separators = packets.iter().enumerate().filter(|(_, byte)| **byte == SEPARATOR);
    let Some((end, _)) = separators.nth(PACKETS - 1) else { return std::mem::take(packets) };
    let first = packets.split_to(end);
    let _separator = packets.split_to(1);
    first
}
