//! Attempts before authentication: to register, to sign in, to refresh, to change a password.
//!
//! Three counts stop guessing without locking out others. Attempts from one address are counted together, and a failure counts several
//! times: many users can sign in from one address, but few passwords can be guessed. Attempts for one account are counted per address, so
//! that a stranger does not use up the owner's attempts. And failures for one account from all addresses together are limited, except
//! from addresses of the owner's earlier logins.

use std::{hash::Hash, net::IpAddr, time::Instant};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{Limits, MINUTE, network, window::Window};
use crate::{
    config,
    contract::ErrorCode,
    error::{Error, Result},
};

/// How often a failed attempt counts for its address.
const FAILURE: u32 = 5;

/// The kinds of attempts before authentication. Each is counted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attempt {
    Register,
    LogIn,
    Refresh,
    ChangePassword,
}

/// How attempts are counted by this node.
#[derive(Debug)]
pub(super) struct Attempts {
    by_address: Window<(Attempt, IpAddr)>,
    by_account: Window<(Attempt, String, IpAddr)>,
    /// Of an account from all addresses: those under way, and those that failed.
    failed: Window<(Attempt, String)>,
}

impl Attempts {
    pub(super) fn new(config: &config::Limits) -> Self {
        Self {
            by_address: Window::new(config.auth_per_address, MINUTE),
            by_account: Window::new(config.auth_per_minute, MINUTE),
            failed: Window::new(config.auth_failures_per_account, MINUTE),
        }
    }

    pub(super) fn sweep(&self, now: Instant) {
        self.by_address.sweep(now);
        self.by_account.sweep(now);
        self.failed.sweep(now);
    }
}

/// An attempt that was let through, until it is known how it ended. One that is given up in between counts as failed.
#[derive(Debug)]
pub struct Counted<'a> {
    limits: &'a Limits,
    attempt: Attempt,
    address: IpAddr,
    /// Where it is counted among the failures of its account.
    account: Option<String>,
}

impl Limits {
    /// An attempt from an address, of an account that is not known yet. Refused attempts do not count.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn attempt(&self, attempt: Attempt, address: IpAddr) -> Result<Counted<'_>> {
        let address = network(address);
        if let Some(rates) = &self.rates {
            let key = (attempt, address);
            self.window(&rates.attempts.by_address, key, || of_address(attempt, address)).await?;
        }
        Ok(Counted { limits: self, attempt, address, account: None })
    }
}

impl Counted<'_> {
    /// Where the attempt comes from, as addresses are remembered: those of one subscriber are one.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The attempt is for the account of this name. If too many have failed for it, this answers the refusal for a user who has not
    /// signed in from this address before.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn on(&mut self, account: &str) -> Result<Option<Error>> {
        let Some(rates) = &self.limits.rates else { return Ok(None) };
        let (attempt, address) = (self.attempt, self.address);
        // The name of an account must not be readable in Redis.
        let account = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(account.trim().to_lowercase()));
        let name = || format!("{attempt:?}:{account}:{address}");
        self.limits.window(&rates.attempts.by_account, (attempt, account.clone(), address), name).await?;
        let key = (attempt, account.clone());
        match self.limits.window(&rates.attempts.failed, key, || of_account(attempt, &account)).await {
            Ok(_) => {
                self.account = Some(account);
                Ok(None)
            }
            Err(refusal) => Ok(Some(refusal)),
        }
    }

    /// Ends the attempt with an outcome, and returns that.
    ///
    /// # Errors
    /// That of the outcome.
    pub async fn end<T>(self, outcome: Result<T>) -> Result<T> {
        let Some(rates) = &self.limits.rates else { return outcome };
        let (attempt, address) = (self.attempt, self.address);
        let attempts = &rates.attempts;
        if outcome.as_ref().is_err_and(|error| is_guess(error.code())) {
            let name = || of_address(attempt, address);
            self.limits.charge_more(&attempts.by_address, (attempt, address), FAILURE - 1, name).await;
        } else if let Some(account) = self.account {
            self.limits.give_back(&attempts.failed, (attempt, account.clone()), || of_account(attempt, &account)).await;
        }
        outcome
    }
}

impl Limits {
    /// Charges a window that was charged before, whether or not it is full by now.
    async fn charge_more<K: Eq + Hash>(&self, own: &Window<K>, key: K, times: u32, name: impl FnOnce() -> String) {
        if let Some(shared) = &self.shared
            && shared.charge_more(&name(), times, MINUTE).await
        {
            return;
        }
        own.charge_more(key, times, Instant::now());
    }

    /// Takes back the latest charge of a window.
    pub(super) async fn give_back<K: Eq + Hash>(&self, own: &Window<K>, key: K, name: impl FnOnce() -> String) {
        if let Some(shared) = &self.shared
            && shared.give_back(&name()).await
        {
            return;
        }
        own.give_back(&key);
    }
}

/// Whether a refusal may be that of a guess.
fn is_guess(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::InvalidCredentials
            | ErrorCode::UserExists
            | ErrorCode::Unauthorized
            | ErrorCode::WrongTokenType
            | ErrorCode::TokenReused
    )
}

fn of_address(attempt: Attempt, address: IpAddr) -> String {
    format!("{attempt:?}:{address}")
}

fn of_account(attempt: Attempt, account: &str) -> String {
    format!("{attempt:?}:{account}")
}
