//! Rate limits.
//!
//! Every event and every request of a user is charged before its work, by the table in [`price`]. Attempts to log in and REST
//! requests are counted exactly: never more than so many in any minute. All else is a token bucket: a burst, then a steady
//! rate. With a Redis all nodes count together ([`shared`]); without one, or while it is away, each node counts by itself, in
//! memory. (The rate of typing notices is limited where they are kept, in [`typing`](crate::fanout::typing); how many sockets a user
//! has here, in [`connections`](crate::fanout::sockets).)

mod attempt;
mod bucket;
mod budget;
mod handshake;
mod price;
mod shared;
#[cfg(test)]
mod tests;
mod underway;
mod window;

use std::{
    cell::Cell,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use attempt::Attempts;
pub use attempt::{Attempt, Counted};
use budget::Meter;
pub use budget::{Budget, Payer};
pub use handshake::HandshakeTicket;
use handshake::Handshakes;
pub use price::Action;
use shared::RedisLimits;
use underway::Underway;
pub use underway::UnderwayTicket;
use window::Window;

use crate::{
    cluster::redis::Redis,
    config::{self, Config},
    contract::UserId,
    error::{Error, Result},
};

const MINUTE: Duration = Duration::from_secs(60);

/// The sockets of a user on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketCount {
    pub count: usize,
    /// How long the one has been silent that has been so for longest.
    pub silence: Duration,
}

/// The `Retry-After` for one export too many: another may be done by then.
const EXPORT_AGAIN: Duration = Duration::from_secs(10);

/// Every limit of the server.
#[derive(Debug)]
pub struct Limits {
    /// Nothing when they are switched off.
    rates: Option<Rates>,
    /// What all nodes count together.
    shared: Option<RedisLimits>,
}

#[derive(Debug)]
struct Rates {
    sockets_per_user: usize,
    attempts: Attempts,
    /// One of each [`Budget`], in their order.
    budgets: Vec<Meter>,
    handshakes: Handshakes,
    exports: Underway,
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

/// What a request was charged by the limit of REST requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    pub quota: Quota,
    /// Whether the limit let the request through.
    pub is_granted: bool,
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
    static CHARGED: Cell<Option<Charge>>;
}

impl Limits {
    /// Limits as configured, counted with other nodes where there is a Redis; none at all when they are switched off.
    #[must_use]
    pub fn new(config: &Config, redis: Option<Redis>) -> Self {
        let rates = config.limits.enabled.then(|| Rates::new(&config.limits, config.realtime.connect_timeout()));
        let shared = if rates.is_some() { redis.map(RedisLimits::new) } else { None };
        Self { rates, shared }
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

    /// Runs a request, and answers what it was charged by the limit of REST requests.
    pub async fn observe<T>(answer: impl Future<Output = T>) -> (T, Option<Charge>) {
        CHARGED
            .scope(Cell::new(None), async {
                let answer = answer.await;
                (answer, CHARGED.with(Cell::get))
            })
            .await
    }

    /// How many sockets a user may have; nothing when limits are off.
    #[must_use]
    pub fn sockets_per_user(&self) -> Option<usize> {
        self.rates.as_ref().map(|rates| rates.sockets_per_user.max(1))
    }

    /// A socket more of a user, who has these here with it: whether some have to end on all nodes together. Those on other nodes
    /// are told so.
    pub async fn socket(&self, user: UserId, here: SocketCount) -> Crowd {
        let (Some(limit), Some(shared)) = (self.sockets_per_user(), &self.shared) else { return Crowd::Fits };
        shared.socket(user, here, limit).await.unwrap_or(Crowd::Fits)
    }

    /// Tells the other nodes how many sockets some users have here. To be called when a socket went, and for all users more
    /// often than [`shared`] forgets them.
    pub async fn note_sockets(&self, users: &[(UserId, SocketCount)]) {
        if let Some(shared) = &self.shared {
            shared.note_sockets(users).await;
        }
    }

    /// A handshake from an address. The ticket counts until it is released or `realtime.connect_timeout_ms` passed.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub fn handshake(&self, address: IpAddr) -> Result<HandshakeTicket> {
        let Some(rates) = &self.rates else { return Ok(HandshakeTicket::free()) };
        rates.handshakes.take(network(address), Instant::now()).map_err(limited)
    }

    /// A copy that a user takes, until its ticket is dropped.
    ///
    /// # Errors
    /// `RATE_LIMITED` while they take as many as they may.
    pub fn export(&self, user: UserId) -> Result<UnderwayTicket> {
        let Some(rates) = &self.rates else { return Ok(UnderwayTicket::free()) };
        rates.exports.take(user).ok_or_else(|| limited(EXPORT_AGAIN))
    }

    /// Forgets who has been quiet. To be called about once a minute, so that memory follows the number of those who
    /// were active lately.
    pub fn sweep(&self) {
        let Some(rates) = &self.rates else { return };
        let now = Instant::now();
        rates.attempts.sweep(now);
        rates.handshakes.sweep(now);
        rates.budgets.iter().for_each(|meter| meter.sweep(now));
    }
}

impl Rates {
    fn new(config: &config::Limits, connect_timeout: Duration) -> Self {
        Self {
            sockets_per_user: config.sockets_per_user,
            attempts: Attempts::new(config),
            budgets: Budget::ALL.iter().map(|budget| Meter::of(*budget, config)).collect(),
            handshakes: Handshakes::new(config.handshakes_per_address, connect_timeout),
            exports: Underway::new(config.exports_at_once),
        }
    }
}

/// Tells the request that this task answers what it was charged.
fn charged(taken: Result<Quota>, limit: u32) -> Result<()> {
    let quota = match &taken {
        Ok(quota) => *quota,
        Err(error) => Quota { limit, remaining: 0, reset: error.retry_after().unwrap_or(MINUTE) },
    };
    // Outside a request, such as in a test, nobody observes.
    let _ = CHARGED.try_with(|charged| charged.set(Some(Charge { quota, is_granted: taken.is_ok() })));
    taken.map(drop)
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
