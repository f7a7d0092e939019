//! A socket as the rest of the server sees it: something that takes events, and can be ended.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use socketioxide::{SendError, SocketError, TransportType, extract::SocketRef};

use crate::{
    connections::{Delivery, Transport},
    contract::event::Encoded,
    listener::KillSwitch,
};

/// How long a socket that was told to go may take before its connection is ended.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a polling socket without room for one more packet is asked to go.
const RETRY: Duration = Duration::from_millis(100);

/// The connections by which polling sessions became WebSockets, by session id.
#[derive(Debug, Default)]
pub(super) struct Switches(Mutex<HashMap<String, KillSwitch>>);

impl Switches {
    /// Notes the connection of a session that is upgrading. Connections that ended are forgotten on the way.
    pub(super) fn note(&self, session: String, switch: KillSwitch) {
        let mut switches = self.0.lock();
        if switches.len() == switches.capacity() {
            switches.retain(|_, switch| switch.is_connected());
        }
        switches.insert(session, switch);
    }

    fn take(&self, session: &str) -> Option<KillSwitch> {
        self.0.lock().remove(session)
    }
}

/// A socket of socketioxide.
pub(super) struct Wire {
    socket: SocketRef,
    switches: Arc<Switches>,
    /// Of the WebSocket's connection, once there is one.
    connection: OnceLock<KillSwitch>,
    /// Bytes that were given to the socket for that connection.
    given: AtomicU64,
    /// Bytes that may be given and not written.
    limit: u64,
}

impl Wire {
    /// `first` is of the connection that the session began with.
    pub(super) fn new(socket: SocketRef, first: Option<KillSwitch>, switches: Arc<Switches>, limit: usize) -> Self {
        let connection = OnceLock::new();
        if socket.transport_type() == TransportType::Websocket
            && let Some(switch) = switches.take(socket.id.as_str()).or(first)
        {
            let _ = connection.set(switch);
        }
        Self { socket, switches, connection, given: AtomicU64::new(0), limit: limit as u64 }
    }

    /// The switch of the WebSocket's connection; a polling session has none that is its own.
    fn connection(&self) -> Option<&KillSwitch> {
        if self.connection.get().is_none()
            && self.socket.transport_type() == TransportType::Websocket
            && let Some(switch) = self.switches.take(self.socket.id.as_str())
        {
            self.given.store(switch.written(), Ordering::Relaxed);
            let _ = self.connection.set(switch);
        }
        self.connection.get()
    }

    /// Asks a polling socket to go until it has room to hear it, or is gone.
    fn insist(&self) {
        let socket = self.socket.clone();
        tokio::spawn(async move {
            while socket.connected() && socket.clone().disconnect().is_err() {
                tokio::time::sleep(RETRY).await;
            }
        });
    }
}

impl Transport for Wire {
    fn emit(&self, event: &'static str, data: &Encoded) -> Delivery {
        if !self.weigh(data.as_str().len()) {
            return Delivery::Full;
        }
        match self.socket.emit(event, data) {
            Ok(()) => Delivery::Queued,
            Err(SendError::Socket(SocketError::InternalChannelFull)) => Delivery::Full,
            Err(_) => Delivery::Gone,
        }
    }

    fn disconnect(&self) {
        if self.socket.clone().disconnect().is_err() {
            return self.kill();
        }
        // A client that ignores the packet keeps its connection; it is of no use to it any longer.
        if let Some(switch) = self.connection().cloned() {
            tokio::spawn(async move {
                tokio::time::sleep(PATIENCE).await;
                switch.kill();
            });
        }
    }

    fn kill(&self) {
        match self.connection() {
            Some(switch) => switch.kill(),
            None => self.insist(),
        }
    }

    fn weigh(&self, bytes: usize) -> bool {
        let Some(connection) = self.connection() else { return true };
        // What else is written, such as frames and pings, makes the count run ahead: whenever all is written, it starts anew.
        let written = connection.written();
        let given = self.given.fetch_max(written, Ordering::Relaxed).max(written);
        if given - written > self.limit {
            return false;
        }
        self.given.fetch_add(bytes as u64, Ordering::Relaxed);
        true
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.switches.take(self.socket.id.as_str());
    }
}
