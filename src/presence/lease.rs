//! That this node lives, and what is done for those that no longer do.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Presences, TIMEOUT, registry::LEASE_MS, registry::Registry};
use crate::{db::Db, error::Result};

/// How often the lease is renewed, and others' looked at. With the length of a lease it bounds how long the users of a dead
/// node seem to be there: 20 s.
const BEAT: Duration = Duration::from_secs(5);

const LEASE: Duration = Duration::from_millis(LEASE_MS.cast_unsigned());

/// Renews this node's lease and reaps others.
pub(super) async fn keep(presences: Arc<Presences>) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut renewed, mut fair_from): (Option<Instant>, _) = (None, Instant::now());
    loop {
        beat.tick().await;
        match Db::in_time(TIMEOUT, presences.renew()).await {
            Ok(()) => {
                // Where this node could not renew its lease, neither could others: they get the time to do so now.
                if renewed.is_none_or(|at| at.elapsed() > LEASE) {
                    fair_from = Instant::now() + LEASE;
                }
                renewed = Some(Instant::now());
            }
            Err(error) => error.record(),
        }
        if renewed.is_some() && Instant::now() >= fair_from {
            presences.reap().await;
        }
    }
}

impl Presences {
    async fn renew(&self) -> Result<()> {
        let Registry::Postgres(shared) = &self.registry else { return Ok(()) };
        if shared.renew(LEASE_MS).await? {
            // The others took this node for dead, and forgot its users.
            let here = self.here.lock();
            for user in here.departures.keys() {
                drop(here.queue(*user, self.arrival(*user)));
            }
        }
        Ok(())
    }

    async fn reap(&self) {
        let Registry::Postgres(shared) = &self.registry else { return };
        match Db::in_time(TIMEOUT, shared.reap()).await {
            Ok(shifts) => self.announce(shifts).await,
            Err(error) => error.record(),
        }
    }

    /// Lets the lease run out with the grace of those who were here: they are on their way to another node.
    pub async fn retire(self: &Arc<Self>) {
        if let Registry::Postgres(shared) = &self.registry {
            let grace = i64::try_from(self.grace.as_millis()).unwrap_or(LEASE_MS).min(LEASE_MS);
            if let Err(error) = shared.renew(grace).await {
                tracing::warn!(%error, "this node stays on the registry until its lease ends");
            }
        }
    }
}
