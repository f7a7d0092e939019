//! What every request can reach.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    auth::Auth, bus::Bus, chat::Chat, clock::Clock, config::Config, connections::Connections, contract::Timestamp,
    db::Db, feed::Feed, limits::Limits, presence::Presences, typing::Typing,
};

/// The parts of a running server. Handlers of both transports hold one behind an `Arc`.
#[derive(Debug)]
pub struct App {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub db: Db,
    pub bus: Bus,
    pub auth: Auth,
    pub chat: Chat,
    pub connections: Arc<Connections>,
    pub feed: Feed,
    pub presences: Arc<Presences>,
    pub typing: Arc<Typing>,
    pub limits: Limits,
    /// Cancelled when the server begins to stop: no new connections, and open ones are asked to go.
    pub draining: CancellationToken,
    pub started_at: Timestamp,
}
