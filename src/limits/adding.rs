//! How many groups somebody may open, and how many people they may bring into rooms who do not know them.

use std::time::{Duration, Instant};

use super::{Limits, MINUTE, bucket::Bucket, limited, shared::Take};
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
    bucket: Bucket<UserId>,
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
    pub(super) fn sweep(&self, now: Instant) {
        for allowance in self.strangers.iter().chain(&self.groups) {
            allowance.bucket.sweep(now);
        }
    }
}

impl Allowance {
    fn new(name: &'static str, limit: u32, span: Duration) -> Self {
        Self { name, bucket: Bucket::over(limit, span) }
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
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        for allowance in allowances.iter().filter(|_| count > 0) {
            self.charge(allowance, user, count).await?;
        }
        Ok(())
    }

    async fn charge(&self, allowance: &Allowance, user: UserId, count: u32) -> Result<()> {
        let Allowance { name, bucket } = allowance;
        if count > bucket.burst() {
            return Err(limited(bucket.span()));
        }
        if let Some(shared) = &self.shared
            && let Some(taken) =
                shared.bucket(&format!("{name}:{user}"), (bucket.burst(), bucket.span()), count, Take::All).await
        {
            return taken.map(drop).map_err(limited);
        }
        bucket.take(user, count, Instant::now()).map_err(limited)
    }
}
