//! Followers: code that reacts to commits.
//!
//! A follower reads the log of each room from a cursor of its own, which moves in the transaction in which the follower writes what
//! it makes of the entries, and only from where it stood. So it misses no entry and applies none twice, whatever ends in between
//! and on however many nodes it runs. Followers don't know of each other: one that fails does not delay the others.
//!
//! A follower is woken when a log has grown here, waits a moment for more ([`Follower::LINGER`]), and checks all rooms now and then
//! for what other nodes left.

mod cursor;
#[cfg(debug_assertions)]
pub(crate) mod journal;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::{
    Log,
    read::{self, LogRow},
};
use crate::{
    contract::{RoomId, Seq},
    db::{Db, Transaction},
    error::Result,
    tasks::Tasks,
};

pub(crate) use cursor::cursors;

/// The work of one transaction, as [`Follower::weight`] counts it. On SQLite nobody else writes meanwhile, so it is a short one.
const BATCH_WEIGHT: usize = 128;

/// Rooms whose entries are applied in one transaction.
const ROOMS: usize = 32;

/// While messages wait to be written, a follower takes one part in this many of the time.
const SHARE: u32 = 5;

/// How long it makes way for them at the most.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// How often all rooms are looked at, for what another node committed and did not apply.
const SWEEP: Duration = Duration::from_secs(60);

/// How long to wait before what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long a batch may take: longer than any does, unless what it waits for never comes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Something that reacts to every entry of every log, in the order of each log.
pub(crate) trait Follower: Send + Sync + 'static {
    /// Its name in the database and in metrics.
    const NAME: &'static str;
    /// The name of its task.
    const TASK: &'static str;
    /// How long it waits for more entries after it was woken.
    const LINGER: Duration;

    /// Writes what is to be made of the next entries of a room's log. What must leave the house is a row here, too: nothing is
    /// awaited but the database.
    fn apply(&self, tx: &Transaction, room: RoomId, rows: &[LogRow]) -> impl Future<Output = Result<()>> + Send;

    /// How much work an entry is, where most are 1.
    fn weight(&self, _: &LogRow) -> usize {
        1
    }
}

/// Wakes the followers of a node.
#[derive(Debug, Default)]
pub(crate) struct Wakers(Vec<Arc<Grown>>);

impl Wakers {
    /// Says that the log of a room has grown.
    pub(super) fn wake(&self, room: RoomId) {
        for grown in &self.0 {
            grown.note(room);
        }
    }
}

/// The rooms whose logs have grown since a follower looked.
#[derive(Debug, Default)]
struct Grown {
    rooms: Mutex<BTreeSet<RoomId>>,
    some: Notify,
}

impl Grown {
    fn note(&self, room: RoomId) {
        if self.rooms.lock().insert(room) {
            self.some.notify_one();
        }
    }

    /// Waits until there are some, or it is time to look at all.
    async fn some(&self, until: Instant) {
        let _ = timeout(until.saturating_duration_since(Instant::now()), async {
            while self.rooms.lock().is_empty() {
                self.some.notified().await;
            }
        })
        .await;
    }
}

/// A follower before it runs.
pub(crate) struct Following<F> {
    follower: F,
    grown: Arc<Grown>,
}

impl<F: Follower> Following<F> {
    /// Has a follower woken.
    pub(crate) fn new(follower: F, wakers: &mut Wakers) -> Self {
        let grown = Arc::<Grown>::default();
        wakers.0.push(Arc::clone(&grown));
        Self { follower, grown }
    }

    /// Lets it follow.
    pub(crate) fn start(self, db: Db, log: Log, tasks: &mut Tasks) {
        let Self { follower, grown } = self;
        tasks.add(F::TASK, Runner { follower, grown, db, log, failed: BTreeSet::new() }.run());
    }
}

/// The next entries of a room for a follower.
struct RoomEntries {
    from: Seq,
    up_to: Seq,
    rows: Vec<LogRow>,
    has_more: bool,
}

/// The rooms that a transaction left something of.
struct Unfinished {
    untouched: Vec<RoomId>,
    has_more: Vec<RoomId>,
}

impl Unfinished {
    fn is_empty(&self) -> bool {
        self.untouched.is_empty() && self.has_more.is_empty()
    }
}

struct Runner<F> {
    follower: F,
    grown: Arc<Grown>,
    db: Db,
    log: Log,
    /// Rooms whose entries could not be applied: each is tried by itself until it can.
    failed: BTreeSet<RoomId>,
}

impl<F: Follower> Runner<F> {
    async fn run(mut self) {
        let mut sweep = Instant::now();
        loop {
            if Instant::now() >= sweep {
                match cursor::behind::<F>(&self.db).await {
                    Ok(rooms) => self.grown.rooms.lock().extend(rooms),
                    Err(error) => error.record(),
                }
                sweep = Instant::now() + SWEEP;
            }
            let until = if self.failed.is_empty() { sweep } else { sweep.min(Instant::now() + RETRY) };
            self.grown.some(until).await;
            sleep(F::LINGER).await;
            let rooms = std::mem::take(&mut *self.grown.rooms.lock());
            self.catch_up(rooms).await;
        }
    }

    /// Applies what these rooms have, and what failed before.
    async fn catch_up(&mut self, mut rooms: BTreeSet<RoomId>) {
        for room in std::mem::take(&mut self.failed) {
            if self.step(&[room]).await.is_some_and(|rest| rest.is_empty()) {
                rooms.remove(&room);
            } else {
                rooms.insert(room);
            }
        }
        rooms.retain(|room| !self.failed.contains(room));
        // Rooms take turns: one that has much does not delay the others.
        let mut waiting: VecDeque<RoomId> = rooms.into_iter().collect();
        while !waiting.is_empty() {
            let turn: Vec<RoomId> = waiting.drain(..ROOMS.min(waiting.len())).collect();
            if let Some(Unfinished { untouched, has_more }) = self.step(&turn).await {
                untouched.into_iter().rev().for_each(|room| waiting.push_front(room));
                waiting.extend(has_more);
            }
        }
    }

    /// Applies the next entries of some rooms in one transaction; nothing when that failed.
    async fn step(&mut self, rooms: &[RoomId]) -> Option<Unfinished> {
        let began = Instant::now();
        match Db::in_time(TIMEOUT, self.apply(rooms)).await {
            Ok(rest) => {
                if self.log.is_busy() {
                    sleep(makes_way(began.elapsed())).await;
                }
                Some(rest)
            }
            // No pause after a failure: it used little of the database.
            Err(error) => {
                error.record();
                self.failed.extend(rooms);
                None
            }
        }
    }

    async fn apply(&self, rooms: &[RoomId]) -> Result<Unfinished> {
        let (batch, untouched) = self.batch(rooms).await?;
        let mut has_more = Vec::new();
        if batch.is_empty() {
            return Ok(Unfinished { untouched, has_more });
        }
        let mut count = 0;
        let tx = self.db.begin().await?;
        for (room, batch) in batch {
            // Where another node was faster, what it did is not done twice.
            if cursor::advance::<F>(&tx, room, batch.from, batch.up_to).await? {
                self.follower.apply(&tx, room, &batch.rows).await?;
                count += batch.rows.len() as u64;
            }
            if batch.has_more {
                has_more.push(room);
            }
        }
        tx.commit().await?;
        metrics::counter!("parlour_follower_entries_total", "follower" => F::NAME).increment(count);
        Ok(Unfinished { untouched, has_more })
    }

    /// What these rooms have for one transaction, in the order of their ids, so that two nodes never wait for each other; and the
    /// rooms that did not fit into it.
    async fn batch(&self, rooms: &[RoomId]) -> Result<(BTreeMap<RoomId, RoomEntries>, Vec<RoomId>)> {
        let (mut batch, mut untouched, mut budget) = (BTreeMap::new(), Vec::new(), BATCH_WEIGHT);
        let cursors = cursors::<F>(self.db.read(), rooms.iter().copied()).await?;
        let ends = read::ends(self.db.read(), rooms).await?;
        for room in rooms {
            let from = cursors.get(room).copied().unwrap_or_default();
            let Some(end) = ends.get(room).copied().filter(|end| from < *end) else { continue };
            if budget == 0 {
                untouched.push(*room);
                continue;
            }
            let limit = Seq(from.0 + budget as i64).min(end);
            let mut rows = read::rows(self.db.read(), *room, from, limit).await?;
            let mut weights = rows.iter().map(|row| self.follower.weight(row));
            let mut taken = 0;
            while let Some(weight) = weights.next().filter(|weight| taken == 0 || *weight <= budget) {
                (budget, taken) = (budget.saturating_sub(weight), taken + 1);
            }
            drop(weights);
            rows.truncate(taken);
            let up_to = rows.last().map_or(limit, LogRow::seq);
            batch.insert(*room, RoomEntries { from, up_to, rows, has_more: up_to < end });
        }
        Ok((batch, untouched))
    }
}

/// How long a follower whose batch took so long leaves the database to others.
fn makes_way(took: Duration) -> Duration {
    (took * (SHARE - 1)).min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_makes_way_for_a_share_of_the_time_and_not_for_long() {
        for (took, rest) in [(0, 0), (10, 40), (500, 2_000), (60_000, 2_000)] {
            assert_eq!(makes_way(Duration::from_millis(took)), Duration::from_millis(rest));
        }
    }
}
