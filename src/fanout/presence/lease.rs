//! The lease of this node, and reaping of nodes whose lease has ended.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{Presences, TIMEOUT, registry::LEASE_MS, registry::Registry};
use crate::{db::Db, error::Result};

/// How often the lease is renewed, and those of others are checked. With the length of a lease it bounds how long the users of a dead
/// node seem to be there: 20 s.
const BEAT: Duration = Duration::from_secs(5);

/// How long a renewal may take: the lease is long enough for another one after it.
const RENEWAL: Duration = BEAT;

const LEASE: Duration = Duration::from_millis(LEASE_MS.cast_unsigned());

/// This node's lease.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeLease {
    /// When it was asked for last.
    renewed: Instant,
    /// Since when it was renewed without a break.
    since: Instant,
}

impl NodeLease {
    /// It is renewed, as was asked for then.
    fn renew(earlier: Option<Self>, renewed: Instant) -> Self {
        let unbroken = earlier.filter(|earlier| renewed.saturating_duration_since(earlier.renewed) <= LEASE);
        Self { renewed, since: unbroken.map_or(renewed, |earlier| earlier.since) }
    }

    /// Whether nodes whose lease has ended are dead. Where this node could not renew its own, neither could others: they get the
    /// length of a lease to do so.
    fn tells_the_dead(self, now: Instant) -> bool {
        now.saturating_duration_since(self.renewed) <= LEASE && now.saturating_duration_since(self.since) >= LEASE
    }
}

/// Renews this node's lease, and waits for nothing else.
pub(super) async fn keep(presences: Arc<Presences>, held: watch::Sender<Option<NodeLease>>) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let asked = Instant::now();
        match Db::in_time(RENEWAL, presences.renew()).await {
            Ok(()) => held.send_modify(|held| *held = Some(NodeLease::renew(*held, asked))),
            Err(error) => error.record(),
        }
    }
}

/// Removes nodes whose lease has ended from the registry.
pub(super) async fn reap(presences: Arc<Presences>, held: watch::Receiver<Option<NodeLease>>) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let held = *held.borrow();
        if held.is_some_and(|held| held.tells_the_dead(Instant::now())) {
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
            Ok(shifts) => self.note_shifts(shifts),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_dead_to_a_node_that_did_not_hold_its_own_lease_for_as_long() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let fresh = NodeLease::renew(None, at(0));
        assert!(!fresh.tells_the_dead(at(14)));
        let kept = [5, 10, 15].into_iter().fold(fresh, |held, seconds| NodeLease::renew(Some(held), at(seconds)));
        assert!(kept.tells_the_dead(at(15)));
        assert!(!kept.tells_the_dead(at(31)), "its own has ended");
        let late = NodeLease::renew(Some(kept), at(31));
        assert!(!late.tells_the_dead(at(45)), "others could not renew theirs either");
        assert!(NodeLease::renew(Some(late), at(46)).tells_the_dead(at(46)));
    }
}
