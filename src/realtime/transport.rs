//! A socket as the rest of the server sees it: something that takes events, and can be ended.

use std::{collections::HashMap, sync::Arc, time::Duration};

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
    /// Of the connection that the session began with.
    first: Option<KillSwitch>,
    switches: Arc<Switches>,
}

impl Wire {
    pub(super) fn new(socket: SocketRef, first: Option<KillSwitch>, switches: Arc<Switches>) -> Self {
        Self { socket, first, switches }
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
        let switch = self.switches.take(self.socket.id.as_str()).or_else(|| {
            (self.socket.transport_type() == TransportType::Websocket).then(|| self.first.clone()).flatten()
        });
        if let Some(switch) = switch {
            tokio::spawn(async move {
                tokio::time::sleep(PATIENCE).await;
                switch.kill();
            });
        }
    }

    fn kill(&self) {
        if let Some(switch) = self.switches.take(self.socket.id.as_str()) {
            switch.kill();
        } else if self.socket.transport_type() == TransportType::Websocket
            && let Some(switch) = &self.first
        {
            switch.kill();
        } else {
            self.insist();
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.switches.take(self.socket.id.as_str());
    }
}
