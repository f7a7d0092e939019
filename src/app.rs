//! What every request can reach.

use std::sync::Arc;

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
    delivery::Delivery,
    error::{Error, Result},
    feed::Feed,
    limits::Limits,
    mail::Mail,
    media::{Files, link::Links},
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
    /// Puts the parts together. What is committed comes out as notices, for [`App::delivery`] or a test to take.
    ///
    /// # Errors
    /// When accounts cannot be set up: the secret key is missing.
    pub fn new(config: Config, db: Db) -> Result<(Arc<Self>, mpsc::Receiver<Notice>)> {
        let clock = Clock;
        let (bus, notices) = Bus::new();
        let links = Links::new(&config);
        let auth = Auth::new(&config, clock, db.clone(), bus.clone(), links.clone())?;
        let mail = Mail::new(&config.mail).map_err(Error::internal)?;
        let files = Files::new(&config, links)?;
        let chat = Chat::new(db.clone(), clock, bus.clone(), mail, files);
        let connections = Arc::<Connections>::default();
        let app = Self {
            clock,
            feed: Feed::new(chat.clone(), Arc::clone(&connections)),
            presences: Presences::new(chat.clone(), clock, Arc::clone(&connections), config.realtime.presence_grace()),
            typing: Typing::start(
                Arc::clone(&connections),
                config.realtime.typing_expiry(),
                config.limits.typing_interval(),
            ),
            limits: Limits::new(&config),
            draining: CancellationToken::new(),
            started_at: clock.now(),
            config: Arc::new(config),
            db,
            bus,
            auth,
            chat,
            connections,
        };
        Ok((Arc::new(app), notices))
    }

    /// What takes the notices of this node to its sockets.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        Delivery {
            chat: self.chat.clone(),
            feed: self.feed.clone(),
            connections: Arc::clone(&self.connections),
            rooms_per_socket: self.config.realtime.rooms_per_socket,
        }
    }
}
