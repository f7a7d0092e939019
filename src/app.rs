//! What every request can reach.

use std::sync::Arc;

use crate::{auth::Auth, bus::Bus, chat::Chat, clock::Clock, config::Config, db::Db, limits::Limits};

/// The parts of a running server. Handlers of both transports hold one behind an `Arc`.
#[derive(Debug)]
pub struct App {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub db: Db,
    pub bus: Bus,
    pub auth: Auth,
    pub chat: Chat,
    pub limits: Limits,
}
