//! How much anyone may ask for.
//!
//! Attempts to log in and REST requests are counted exactly: never more than so many in any minute. Messages are a token
//! bucket: a burst, then a steady rate. With a Redis all nodes count together ([`shared`]); without one, or while it is away,
//! each node counts by itself, in memory. (How often typing is told is decided where
//! it is remembered, in [`typing`](crate::typing); how many sockets a user has here, in [`connections`](crate::connections).)

mod adding;
mod attempt;
mod handshake;
mod shared;
#[cfg(test)]
mod tests;
mod window;

use std::{
    cell::Cell,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::{Duration, Instant},
};

use attempt::Attempts;
pub use attempt::{Attempt, Counted};
use governor::{
    Quota as Rate, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::DefaultKeyedStateStore,
};

use adding::Adding;
pub use handshake::HandshakeTicket;
use handshake::Handshakes;
use shared::Shared;
use window::Window;

use crate::{
    bus::redis::Redis,
    config::{self, Config},
    connections::Sockets,
    contract::UserId,
    error::{Error, Result},
};

const MINUTE: Duration = Duration::from_secs(60);

/// Every limit of the server.
#[derive(Debug)]
pub struct Limits {
    /// Nothing when they are switched off.
    rates: Option<Rates>,
    /// What all nodes count together.
    shared: Option<Shared>,
}

#[derive(Debug)]
struct Rates {
    sockets_per_user: usize,
    attempts: Attempts,
    rest_by_user: Window<UserId>,
    rest_by_address: Window<IpAddr>,
    messages: Buckets,
    missed: Buckets,
    invites: Window<UserId>,
    invitations: Window<UserId>,
    uploads: Window<UserId>,
    adding: Adding,
    handshakes: Handshakes,
}

/// What a socket more means for the others of its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowd {
    Fits,
    /// Some have to end: so many here, others on other nodes.
    TooMany {
        here: usize,
    },
}

/// A token bucket for each user.
#[derive(Debug)]
struct Buckets {
    /// Tokens a minute, and at once.
    limit: u32,
    buckets: RateLimiter<UserId, DefaultKeyedStateStore<UserId>, DefaultClock>,
}

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
    /// Limits as configured, counted with other nodes where there is a Redis; none at all when they are switched off.
    #[must_use]
    pub fn new(config: &Config, redis: Option<Redis>) -> Self {
        let rates = config.limits.enabled.then(|| Rates::new(&config.limits, config.realtime.connect_timeout()));
        let shared = if rates.is_some() { redis.map(Shared::new) } else { None };
        Self { rates, shared }
    }

    /// A REST request by a user. Nothing is returned when limits are off.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn rest(&self, user: UserId) -> Result<Option<Quota>> {
        let Some(rates) = &self.rates else { return Ok(None) };
        charged(self.window(&rates.rest_by_user, user, || format!("rest:{user}")).await, rates.rest_by_user.limit())
    }

    /// A REST request by nobody we know.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn rest_by_address(&self, address: IpAddr) -> Result<Option<Quota>> {
        let Some(rates) = &self.rates else { return Ok(None) };
        let address = network(address);
        let taken = self.window(&rates.rest_by_address, address, || format!("rest:{address}")).await;
        charged(taken, rates.rest_by_address.limit())
    }

    /// Charges a window, that of all nodes where it can be asked.
    async fn window<K: Eq + Hash>(&self, own: &Window<K>, key: K, name: impl FnOnce() -> String) -> Result<Quota> {
        if let Some(shared) = &self.shared
            && let Some(taken) = shared.window(&name(), own.limit(), MINUTE).await
        {
            return taken.map_err(limited);
        }
        own.take(key, Instant::now()).map_err(limited)
    }

    /// Takes tokens of a user's bucket, that of all nodes where it can be asked; nothing when it must be this node's.
    async fn bucket(&self, what: &str, user: UserId, limit: u32, cost: u32) -> Option<Result<()>> {
        let shared = self.shared.as_ref()?;
        let taken = shared.bucket(&format!("{what}:{user}"), limit, MINUTE, cost).await?;
        Some(taken.map_err(limited))
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
    pub async fn message(&self, user: UserId) -> Result<()> {
        let Some(rates) = &self.rates else { return Ok(()) };
        if let Some(taken) = self.bucket("messages", user, rates.messages.limit, 1).await {
            return taken;
        }
        let buckets = &rates.messages.buckets;
        buckets.check_key(&user).map_err(|until| limited(until.wait_time_from(DefaultClock::default().now())))
    }

    /// That many missed events for a user, by `sync` or a joining with a cursor: what is read back costs us more than what is
    /// said, and a client that does not read it keeps it in our memory.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn missed(&self, user: UserId, events: usize) -> Result<()> {
        let (Some(rates), Some(events)) = (&self.rates, u32::try_from(events).ok().and_then(NonZeroU32::new)) else {
            return Ok(());
        };
        if let Some(taken) = self.bucket("missed", user, rates.missed.limit, events.get()).await {
            return taken;
        }
        match rates.missed.buckets.check_key_n(&user, events) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(limited(until.wait_time_from(DefaultClock::default().now()))),
            Err(_) => Err(limited(MINUTE)),
        }
    }

    /// How many sockets a user may have; nothing when limits are off.
    #[must_use]
    pub fn sockets_per_user(&self) -> Option<usize> {
        self.rates.as_ref().map(|rates| rates.sockets_per_user.max(1))
    }

    /// A socket more of a user, who has these here with it: whether some have to end on all nodes together. Those on other nodes
    /// are told so.
    pub async fn socket(&self, user: UserId, here: Sockets) -> Crowd {
        let (Some(limit), Some(shared)) = (self.sockets_per_user(), &self.shared) else { return Crowd::Fits };
        shared.socket(user, here, limit).await.unwrap_or(Crowd::Fits)
    }

    /// Tells the other nodes how many sockets some users have here. To be called when a socket went, and for all users more
    /// often than [`shared`] forgets them.
    pub async fn note_sockets(&self, users: &[(UserId, Sockets)]) {
        if let Some(shared) = &self.shared {
            shared.note_sockets(users).await;
        }
    }

    /// A code of an invite that a user tries, good or not.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn invite(&self, user: UserId) -> Result<()> {
        let Some(rates) = &self.rates else { return Ok(()) };
        self.window(&rates.invites, user, || format!("invites:{user}")).await.map(drop)
    }

    /// An invitation that a user sends: somebody may get a letter by it.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn invitation(&self, user: UserId) -> Result<()> {
        let Some(rates) = &self.rates else { return Ok(()) };
        self.window(&rates.invitations, user, || format!("invitations:{user}")).await.map(drop)
    }

    /// An upload that a user begins.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn upload(&self, user: UserId) -> Result<()> {
        let Some(rates) = &self.rates else { return Ok(()) };
        self.window(&rates.uploads, user, || format!("uploads:{user}")).await.map(drop)
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
        rates.attempts.sweep(now);
        rates.rest_by_user.sweep(now);
        rates.rest_by_address.sweep(now);
        rates.invites.sweep(now);
        rates.invitations.sweep(now);
        rates.uploads.sweep(now);
        rates.adding.sweep();
        rates.handshakes.sweep(now);
        for buckets in [&rates.messages, &rates.missed] {
            buckets.buckets.retain_recent();
            buckets.buckets.shrink_to_fit();
        }
    }
}

impl Rates {
    fn new(config: &config::Limits, connect_timeout: Duration) -> Self {
        let buckets = |limit| {
            let rate = Rate::per_minute(NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN));
            Buckets { limit, buckets: RateLimiter::keyed(rate) }
        };
        Self {
            sockets_per_user: config.sockets_per_user,
            attempts: Attempts::new(config),
            rest_by_user: Window::new(config.rest_per_minute, MINUTE),
            rest_by_address: Window::new(config.rest_per_minute, MINUTE),
            messages: buckets(config.messages_per_minute),
            missed: buckets(config.missed_events_per_minute),
            invites: Window::new(config.invites_per_minute, MINUTE),
            invitations: Window::new(config.invitations_per_minute, MINUTE),
            uploads: Window::new(config.uploads_per_minute, MINUTE),
            adding: Adding::new(config),
            handshakes: Handshakes::new(config.handshakes_per_address, connect_timeout),
        }
    }
}

/// Tells the request that this task answers what it was charged.
fn charged(taken: Result<Quota>, limit: u32) -> Result<Option<Quota>> {
    let quota = match &taken {
        Ok(quota) => *quota,
        Err(error) => Quota { limit, remaining: 0, reset: error.retry_after().unwrap_or(MINUTE) },
    };
    // Outside a request, such as in a test, nobody observes.
    let _ = CHARGED.try_with(|charged| charged.set(Some(quota)));
    taken.map(Some)
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
