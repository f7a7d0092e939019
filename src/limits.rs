//! How much anyone may ask for: token buckets, keyed by who asks.

use std::net::IpAddr;

use crate::{config, contract::UserId, error::Result};

/// Every rate limit of the server.
#[derive(Debug)]
pub struct Limits {}

impl Limits {
    /// Limits as configured; none at all when they are switched off.
    #[must_use]
    pub fn new(_config: &config::Limits) -> Self {
        Self {}
    }

    /// An attempt to register, log in or refresh, from an address, for an account (an e-mail address or user name).
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn auth(&self, _address: IpAddr, _account: Option<&str>) -> Result<()> {
        Ok(())
    }

    /// A message by a user.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn message(&self, _user: UserId) -> Result<()> {
        Ok(())
    }
}
