//! How much anyone may ask for.
//!
//! Attempts to log in and REST requests are counted exactly: never more than so many in any minute. Messages are a token
//! bucket: a burst, then a steady rate. All of it is in memory and per node. (How often typing is told is decided where
//! it is remembered, in [`typing`](crate::typing); how many sockets a user has, in [`connections`](crate::connections).)

mod handshake;
mod window;

use std::{
    cell::Cell,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::{Duration, Instant},
};

use governor::{
    Quota as Rate, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::DefaultKeyedStateStore,
};

pub use handshake::HandshakeTicket;
use handshake::Handshakes;
use window::Window;

use crate::{
    config::{self, Config},
    contract::UserId,
    error::{Error, Result},
};

const MINUTE: Duration = Duration::from_secs(60);

/// Every limit of the server.
#[derive(Debug)]
pub struct Limits {
    /// Nothing when they are switched off.
    rates: Option<Rates>,
}

#[derive(Debug)]
struct Rates {
    auth_by_address: Window<(Attempt, IpAddr)>,
    auth_by_account: Window<(Attempt, String)>,
    rest_by_user: Window<UserId>,
    rest_by_address: Window<IpAddr>,
    messages: Buckets,
    missed: Buckets,
    invites: Window<UserId>,
    invitations: Window<UserId>,
    uploads: Window<UserId>,
    handshakes: Handshakes,
}

/// What somebody attempts who has not proved yet who they are. Each kind is counted by itself: who registers may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attempt {
    Register,
    LogIn,
    Refresh,
    ChangePassword,
}

/// A token bucket for each user.
type Buckets = RateLimiter<UserId, DefaultKeyedStateStore<UserId>, DefaultClock>;

/// What is left of a REST limit after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests a minute.
    pub limit: u32,
    /// Requests that may follow at once.
    pub remaining: u32,
    /// Until one more is free again.
    pub reset: Duration,
}

tokio::task_local! {
    /// What the request that this task answers was charged.
    static CHARGED: Cell<Option<Quota>>;
}

impl Limits {
    /// Limits as configured; none at all when they are switched off.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { rates: config.limits.enabled.then(|| Rates::new(&config.limits, config.realtime.connect_timeout())) }
    }

    /// An attempt from an address, for an account (an e-mail address or user name). Refused attempts do not count.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn auth(&self, attempt: Attempt, address: IpAddr, account: Option<&str>) -> Result<()> {
        let Some(rates) = &self.rates else { return Ok(()) };
        let now = Instant::now();
        rates.auth_by_address.take((attempt, network(address)), now).map_err(limited)?;
        if let Some(account) = account {
            rates.auth_by_account.take((attempt, account.trim().to_lowercase()), now).map_err(limited)?;
        }
        Ok(())
    }

    /// A REST request by a user. Nothing is returned when limits are off.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn rest(&self, user: UserId) -> Result<Option<Quota>> {
        self.rates.as_ref().map(|rates| charge(&rates.rest_by_user, user)).transpose()
    }

    /// A REST request by nobody we know.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn rest_by_address(&self, address: IpAddr) -> Result<Option<Quota>> {
        self.rates.as_ref().map(|rates| charge(&rates.rest_by_address, network(address))).transpose()
    }

    /// Answers a request, and tells what the calls of [`Limits::rest`] and [`Limits::rest_by_address`] that it made
    /// have left.
    pub async fn observe<T>(answer: impl Future<Output = T>) -> (T, Option<Quota>) {
        CHARGED
            .scope(Cell::new(None), async {
                let answer = answer.await;
                (answer, CHARGED.with(Cell::get))
            })
            .await
    }

    /// A message by a user.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn message(&self, user: UserId) -> Result<()> {
        let Some(rates) = &self.rates else { return Ok(()) };
        rates.messages.check_key(&user).map_err(|until| limited(until.wait_time_from(DefaultClock::default().now())))
    }

    /// That many missed events for a user, by `sync` or a joining with a cursor: what is read back costs us more than what is
    /// said, and a client that does not read it keeps it in our memory.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn missed(&self, user: UserId, events: usize) -> Result<()> {
        let (Some(rates), Some(events)) = (&self.rates, u32::try_from(events).ok().and_then(NonZeroU32::new)) else {
            return Ok(());
        };
        match rates.missed.check_key_n(&user, events) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(limited(until.wait_time_from(DefaultClock::default().now()))),
            Err(_) => Err(limited(MINUTE)),
        }
    }

    /// A code of an invite that a user tries, good or not.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn invite(&self, user: UserId) -> Result<()> {
        let Some(rates) = &self.rates else { return Ok(()) };
        rates.invites.take(user, Instant::now()).map(drop).map_err(limited)
    }

    /// An invitation that a user sends: somebody may get a letter by it.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn invitation(&self, user: UserId) -> Result<()> {
        let Some(rates) = &self.rates else { return Ok(()) };
        rates.invitations.take(user, Instant::now()).map(drop).map_err(limited)
    }

    /// An upload that a user begins.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn upload(&self, user: UserId) -> Result<()> {
        let Some(rates) = &self.rates else { return Ok(()) };
        rates.uploads.take(user, Instant::now()).map(drop).map_err(limited)
    }

    /// A handshake from an address. The ticket counts until it is released or `realtime.connect_timeout_ms` passed.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn handshake(&self, address: IpAddr) -> Result<HandshakeTicket> {
        let Some(rates) = &self.rates else { return Ok(HandshakeTicket::free()) };
        rates.handshakes.take(network(address), Instant::now()).map_err(limited)
    }

    /// Forgets who has been quiet. To be called about once a minute, so that memory follows the number of those who
    /// were active lately.
    pub fn sweep(&self) {
        let Some(rates) = &self.rates else { return };
        let now = Instant::now();
        rates.auth_by_address.sweep(now);
        rates.auth_by_account.sweep(now);
        rates.rest_by_user.sweep(now);
        rates.rest_by_address.sweep(now);
        rates.invites.sweep(now);
        rates.invitations.sweep(now);
        rates.uploads.sweep(now);
        rates.handshakes.sweep(now);
        for buckets in [&rates.messages, &rates.missed] {
            buckets.retain_recent();
            buckets.shrink_to_fit();
        }
    }
}

impl Rates {
    fn new(config: &config::Limits, connect_timeout: Duration) -> Self {
        let buckets =
            |per_minute| RateLimiter::keyed(Rate::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN)));
        Self {
            auth_by_address: Window::new(config.auth_per_minute, MINUTE),
            auth_by_account: Window::new(config.auth_per_minute, MINUTE),
            rest_by_user: Window::new(config.rest_per_minute, MINUTE),
            rest_by_address: Window::new(config.rest_per_minute, MINUTE),
            messages: buckets(config.messages_per_minute),
            missed: buckets(config.missed_events_per_minute),
            invites: Window::new(config.invites_per_minute, MINUTE),
            invitations: Window::new(config.invitations_per_minute, MINUTE),
            uploads: Window::new(config.uploads_per_minute, MINUTE),
            handshakes: Handshakes::new(config.handshakes_per_address, connect_timeout),
        }
    }
}

fn charge<K: Eq + std::hash::Hash>(window: &Window<K>, key: K) -> Result<Quota> {
    let taken = window.take(key, Instant::now());
    let quota = match taken {
        Ok(quota) => quota,
        Err(retry_after) => Quota { limit: window.limit(), remaining: 0, reset: retry_after },
    };
    // Outside a request, such as in a test, nobody observes.
    let _ = CHARGED.try_with(|charged| charged.set(Some(quota)));
    taken.map_err(limited)
}

fn limited(retry_after: Duration) -> Error {
    metrics::counter!("parlour_rate_limited_total").increment(1);
    Error::RateLimited { retry_after }
}

/// Whom an address stands for. A subscriber of IPv6 has a network of 64 bits at least (RFC 6177), so its addresses count
/// as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits::new(&Config::defaults())
    }

    fn refused<T>(result: &Result<T>) -> bool {
        matches!(result, Err(Error::RateLimited { retry_after }) if !retry_after.is_zero())
    }

    #[test]
    fn logging_in_is_limited_by_address_and_by_account() {
        let limits = limits();
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        for _ in 0..5 {
            assert!(limits.auth(Attempt::LogIn, address(1), Some("ada@example.com")).is_ok());
        }
        assert!(refused(&limits.auth(Attempt::LogIn, address(1), None)), "a sixth from the address");
        assert!(refused(&limits.auth(Attempt::LogIn, address(2), Some(" ADA@example.com"))), "a sixth for the account");
        assert!(limits.auth(Attempt::LogIn, address(2), Some("bob@example.com")).is_ok());
        assert!(limits.auth(Attempt::Register, address(1), Some("ada@example.com")).is_ok(), "counted by itself");
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let limits = limits();
        for host in 0..5 {
            assert!(limits.auth(Attempt::LogIn, format!("2001:db8::{host}").parse().unwrap(), None).is_ok());
        }
        assert!(refused(&limits.auth(Attempt::LogIn, "2001:db8::ffff:0:0:1".parse().unwrap(), None)));
        assert!(limits.auth(Attempt::LogIn, "2001:db8:0:1::1".parse().unwrap(), None).is_ok());
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
    }

    #[tokio::test]
    async fn a_request_knows_what_it_was_charged() {
        let limits = limits();
        let (user, other) = (UserId::new(), UserId::new());
        let (_, quota) = Limits::observe(async { limits.rest(user) }).await;
        assert_eq!(quota, Some(Quota { limit: 100, remaining: 99, reset: MINUTE }));
        for _ in 0..99 {
            limits.rest(user).unwrap();
        }
        let (refusal, quota) = Limits::observe(async { limits.rest(user) }).await;
        assert!(refused(&refusal));
        assert_eq!(quota.map(|quota| quota.remaining), Some(0));
        assert!(limits.rest(other).is_ok());
        assert_eq!(Limits::observe(async {}).await.1, None);
    }

    #[test]
    fn the_thirty_first_message_is_refused() {
        let limits = limits();
        let user = UserId::new();
        for _ in 0..30 {
            assert!(limits.message(user).is_ok());
        }
        assert!(refused(&limits.message(user)));
        assert!(limits.message(UserId::new()).is_ok());
    }

    #[test]
    fn switched_off_they_refuse_nothing() {
        let mut config = Config::defaults();
        config.limits.enabled = false;
        let limits = Limits::new(&config);
        let (address, user) = (IpAddr::from([192, 0, 2, 1]), UserId::new());
        for _ in 0..1000 {
            assert!(limits.auth(Attempt::LogIn, address, Some("ada")).is_ok() && limits.message(user).is_ok());
            assert!(limits.handshake(address).is_ok());
            assert_eq!(limits.rest(user).unwrap(), None);
        }
    }
}
