//! The transport of a socket: it sends events and can be ended.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use socketioxide::{SendError, SocketError, TransportType, extract::SocketRef};

use super::{
    backlog::{Bounds, PACKET, ReadRate},
    engine_session::EngineSession,
};
use crate::{
    contract::event::Encoded,
    fanout::sockets::{Emission, Transport},
    listener::KillSwitch,
};

/// How long a disconnected socket may take before its connection is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that may wait for a WebSocket whose client takes nothing; the most is configured.
const LEAST: u64 = 4 * 1024 * 1024;

/// After how many bytes it is noted again how many of them were taken.
const STEP: u64 = 256 * 1024;

/// A socket of socketioxide.
pub(super) struct Wire {
    socket: SocketRef,
    session: Arc<EngineSession>,
    /// Of the WebSocket's connection, once there is one.
    connection: OnceLock<KillSwitch>,
    /// Bytes that were given to the socket for that connection.
    given: AtomicU64,
    /// What that connection took of them lately.
    taken: Mutex<ReadRate>,
    /// What may be given and not taken.
    bounds: Bounds,
}

impl Wire {
    pub(super) fn new(socket: SocketRef, session: Arc<EngineSession>, most: usize) -> Self {
        let most = most as u64;
        let bounds = Bounds { least: LEAST.min(most), most };
        Self {
            socket,
            session,
            connection: OnceLock::new(),
            given: AtomicU64::new(0),
            taken: Mutex::new(ReadRate::new()),
            bounds,
        }
    }

    /// The switch of the WebSocket's connection; a polling session has none that is its own.
    fn connection(&self) -> Option<&KillSwitch> {
        if self.connection.get().is_none()
            && self.socket.transport_type() == TransportType::Websocket
            && let Some(switch) = self.session.websocket()
        {
            self.given.store(switch.written(), Ordering::Relaxed);
            let _ = self.connection.set(switch);
        }
        self.connection.get()
    }

    /// Counts bytes for a WebSocket.
    fn weigh_for(&self, connection: &KillSwitch, bytes: u64) -> bool {
        // What else is written, such as frames and pings, makes the count run ahead: whenever all is written, it starts anew.
        let written = connection.written();
        let given = self.given.fetch_max(written, Ordering::Relaxed).max(written);
        let (waiting, after) = (given - written, given + bytes);
        if waiting > self.bounds.least {
            let lately = self.taken.lock().lately(written, Instant::now());
            if waiting > self.bounds.most.min(self.bounds.least + lately) {
                return false;
            }
        } else if given / STEP != after / STEP {
            self.taken.lock().note(written, Instant::now());
        }
        self.given.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    /// Counts a packet: never more than is written of it, or what was counted would wait for ever.
    fn count(&self, bytes: usize) -> bool {
        match self.connection() {
            Some(connection) => self.weigh_for(connection, bytes as u64),
            None => self.session.weigh(bytes as u64 + PACKET),
        }
    }
}

impl Transport for Wire {
    fn emit(&self, event: &'static str, data: &Encoded) -> Emission {
        // As `42["event",data]`.
        if !self.count(event.len() + data.as_str().len() + 7) {
            return Emission::Full;
        }
        match self.socket.emit(event, data) {
            Ok(()) => Emission::Queued,
            Err(SendError::Socket(SocketError::InternalChannelFull)) => Emission::Full,
            Err(_) => Emission::Gone,
        }
    }

    fn disconnect(&self) {
        if self.socket.clone().disconnect().is_err() {
            return self.kill();
        }
        // A client may ignore the packet and keep its connection.
        if let Some(switch) = self.connection().cloned() {
            tokio::spawn(async move {
                tokio::time::sleep(CLOSE_TIMEOUT).await;
                switch.kill();
            });
        }
    }

    fn kill(&self) {
        self.session.close();
    }

    fn weigh(&self, bytes: usize) -> bool {
        // As `43` with the number of the event that is answered, in brackets.
        self.count(bytes + 4)
    }

    fn is_behind(&self) -> bool {
        let is_behind = match self.connection() {
            Some(connection) => {
                self.given.load(Ordering::Relaxed).saturating_sub(connection.written()) > self.bounds.low()
            }
            None => self.session.is_behind(),
        };
        is_behind && self.socket.connected()
    }

    fn entries_at_once(&self) -> usize {
        if self.connection().is_some() { 128 } else { 16 }
    }

    fn answer_bytes(&self) -> usize {
        if self.connection().is_some() { 1024 * 1024 } else { 256 * 1024 }
    }
}
