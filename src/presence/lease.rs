//! That this node lives, and what is done for those that no longer do.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};

use super::{PATIENCE, Presences, change::Change, ledger::LEASE_MS, ledger::Ledger};
use crate::{db::Db, error::Result};

/// How often the lease is renewed, and others' looked at. With the length of a lease it bounds how long the users of a dead
/// node seem to be there: 20 s.
const BEAT: Duration = Duration::from_secs(5);

/// Renews this node's lease and buries others, until the server is gone.
pub async fn keep(presences: Weak<Presences>) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let Some(presences) = presences.upgrade() else { return };
        if let Err(error) = Db::in_time(PATIENCE, presences.live()).await {
            error.record();
        }
    }
}

impl Presences {
    async fn live(&self) -> Result<()> {
        let Ledger::Shared(shared) = &self.ledger else { return Ok(()) };
        if shared.renew(LEASE_MS).await? {
            // The others took this node for dead, and forgot its users.
            let here = self.here.lock();
            for user in here.departures.keys() {
                drop(here.queue(*user, Change::Came));
            }
        }
        let shifts = shared.bury().await?;
        self.announce(shifts).await
    }

    /// Lets the lease run out with the grace of those who were here: they are on their way to another node.
    pub async fn retire(self: &Arc<Self>) {
        if let Ledger::Shared(shared) = &self.ledger {
            let grace = i64::try_from(self.grace.as_millis()).unwrap_or(LEASE_MS).min(LEASE_MS);
            if let Err(error) = shared.renew(grace).await {
                tracing::warn!(%error, "this node stays on the ledger until its lease ends");
            }
        }
    }
}
