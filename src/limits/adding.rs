//! How many groups somebody may open, and how many people they may bring into rooms who do not know them.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    Quota as Rate, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::DefaultKeyedStateStore,
};

use super::{Limits, MINUTE, limited};
use crate::{config, contract::UserId, error::Result};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What each user may do in a minute, and in a day.
#[derive(Debug)]
pub(super) struct Adding {
    strangers: [Allowance; 2],
    groups: [Allowance; 2],
}

/// So many in a span of time: all of them at once, after which they come back one by one.
#[derive(Debug)]
struct Allowance {
    name: &'static str,
    limit: u32,
    span: Duration,
    buckets: RateLimiter<UserId, DefaultKeyedStateStore<UserId>, DefaultClock>,
}

impl Adding {
    pub(super) fn new(config: &config::Limits) -> Self {
        Self {
            strangers: [
                Allowance::new("strangers", config.strangers_per_minute, MINUTE),
                Allowance::new("strangers_today", config.strangers_per_day, DAY),
            ],
            groups: [
                Allowance::new("groups", config.groups_per_minute, MINUTE),
                Allowance::new("groups_today", config.groups_per_day, DAY),
            ],
        }
    }

    /// Forgets who has been quiet.
    pub(super) fn sweep(&self) {
        for allowance in self.strangers.iter().chain(&self.groups) {
            allowance.buckets.retain_recent();
            allowance.buckets.shrink_to_fit();
        }
    }
}

impl Allowance {
    fn new(name: &'static str, limit: u32, span: Duration) -> Self {
        let burst = NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
        // The settings are checked: a span divided by a limit is not nothing.
        let rate = Rate::with_period(span / burst.get()).unwrap_or(Rate::per_minute(burst)).allow_burst(burst);
        Self { name, limit, span, buckets: RateLimiter::keyed(rate) }
    }
}

impl Limits {
    /// People whom a user is about to bring into a room, or to invite, and who are no contacts of theirs: all or none of them.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn strangers(&self, user: UserId, count: usize) -> Result<()> {
        let Some(rates) = &self.rates else { return Ok(()) };
        self.allow(&rates.adding.strangers, user, count).await
    }

    /// A group that a user is about to open.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn group(&self, user: UserId) -> Result<()> {
        let Some(rates) = &self.rates else { return Ok(()) };
        self.allow(&rates.adding.groups, user, 1).await
    }

    /// The minute is asked before the day: what the minute refuses costs the day nothing.
    async fn allow(&self, allowances: &[Allowance], user: UserId, count: usize) -> Result<()> {
        let Some(count) = NonZeroU32::new(u32::try_from(count).unwrap_or(u32::MAX)) else { return Ok(()) };
        for allowance in allowances {
            self.take(allowance, user, count).await?;
        }
        Ok(())
    }

    async fn take(&self, allowance: &Allowance, user: UserId, count: NonZeroU32) -> Result<()> {
        let Allowance { name, limit, span, buckets } = allowance;
        if count.get() > *limit {
            return Err(limited(*span));
        }
        if let Some(shared) = &self.shared
            && let Some(taken) = shared.bucket(&format!("{name}:{user}"), *limit, *span, count.get()).await
        {
            return taken.map_err(limited);
        }
        match buckets.check_key_n(&user, count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(limited(until.wait_time_from(DefaultClock::default().now()))),
            Err(_) => Err(limited(*span)),
        }
    }
}
