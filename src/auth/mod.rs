//! Who is asking. A token becomes an [`Actor`], the same for REST and for sockets.

mod actor;

use std::sync::Arc;

pub use actor::Actor;

use crate::{
    bus::Bus,
    clock::Clock,
    config::Config,
    db::Db,
    error::{Error, Result},
};

/// Accounts, logins and tokens.
#[derive(Clone, Debug)]
pub struct Auth {
    config: Arc<Config>,
    clock: Clock,
    db: Db,
    bus: Bus,
}

impl Auth {
    /// # Errors
    /// When the secret key can neither be read nor made.
    pub fn new(config: &Config, clock: Clock, db: Db, bus: Bus) -> Result<Self> {
        Ok(Self { config: Arc::new(config.clone()), clock, db, bus })
    }

    /// Checks an access token, its login and its account.
    ///
    /// # Errors
    /// `UNAUTHORIZED`, `TOKEN_EXPIRED`, `WRONG_TOKEN_TYPE`, `ACCOUNT_DISABLED`.
    pub async fn authenticate(&self, _token: &str) -> Result<Actor> {
        let _ = (&self.config, self.clock, &self.db, &self.bus);
        Err(Error::UNAUTHORIZED)
    }

    /// An access token for an account, by its id, e-mail address or user name.
    ///
    /// # Errors
    /// `USER_NOT_FOUND`.
    pub async fn token_for(&self, _who: &str) -> Result<String> {
        Err(Error::USER_NOT_FOUND)
    }
}
