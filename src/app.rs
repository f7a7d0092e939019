//! What every request can reach.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::Auth,
    bus::{Bus, Notice},
    chat::Chat,
    clock::Clock,
    config::Config,
    connections::Connections,
    contract::Timestamp,
    db::Db,
    error::Result,
    feed::Feed,
    limits::Limits,
    presence::Presences,
    typing::Typing,
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

impl App {
    /// The parts, and the notices that delivery is to take.
    ///
    /// # Errors
    /// When the secret key is empty.
    pub fn new(config: Config, db: Db) -> Result<(Self, mpsc::Receiver<Notice>)> {
        let clock = Clock;
        let (bus, notices) = Bus::new();
        let auth = Auth::new(&config, clock, db.clone(), bus.clone())?;
        let chat = Chat::new(db.clone(), clock, bus.clone());
        let connections = Arc::<Connections>::default();
        let millis = Duration::from_millis;
        let interval = if config.limits.enabled { millis(config.limits.typing_interval_ms) } else { Duration::ZERO };
        let expiry = millis(config.realtime.typing_expiry_ms);
        let grace = millis(config.realtime.presence_grace_ms);
        let app = Self {
            clock,
            feed: Feed::new(chat.clone(), Arc::clone(&connections)),
            typing: Typing::start(Arc::clone(&connections), expiry, interval),
            presences: Presences::new(chat.clone(), clock, Arc::clone(&connections), grace),
            chat,
            connections,
            limits: Limits::new(&config),
            draining: CancellationToken::new(),
            started_at: clock.now(),
            config: Arc::new(config),
            db,
            bus,
            auth,
        };
        Ok((app, notices))
    }
}
