//! The registry: which users are connected to which node.
//!
//! On SQLite there is one node, and its memory is the registry. On PostgreSQL it is two tables, so that presence needs no Redis
//! and is what it was when one dies: a row a node, with a lease that the node renews, and a row for each user of each node.
//! Rows of a node whose lease has ended count for nothing. All times are the database's: the clocks of nodes may differ.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parking_lot::Mutex;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::change::{NetChange, Shift};
use crate::{
    contract::{Timestamp, UserId, presence::ChosenStatus},
    db::{Db, Transaction},
    error::Result,
};

/// Milliseconds that a node counts as alive after it last said so.
pub(super) const LEASE_MS: i64 = 15_000;

/// The database's clock in milliseconds, as it goes on inside a transaction.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    };
}

/// What the locks of presence are named by, "pres" in ASCII, and how many there are. Users share them: PostgreSQL has room for
/// 6,400 locks unless told otherwise, and a node may have more users than that
/// (<https://www.postgresql.org/docs/current/runtime-config-locks.html>).
const LOCKS: i64 = 0x70_72_65_73_00_00;
const LOCK_COUNT: u64 = 256;

const LOCK: &str = "SELECT pg_advisory_xact_lock(k) FROM (SELECT unnest($1::bigint[]) AS k ORDER BY k) AS keys";
const THERE: &str = concat!(
    "SELECT DISTINCT ON (p.user_id) p.user_id, p.status FROM presences p JOIN nodes n ON n.id = p.node_id ",
    "WHERE p.user_id = ANY($1) AND n.expires_at > ",
    now!()
);
const COME: &str = "INSERT INTO presences (user_id, node_id, status) SELECT u, $2, s FROM unnest($1::uuid[], $3::text[]) AS t(u, s) \
     ON CONFLICT (user_id, node_id) DO UPDATE SET status = excluded.status";
const GO: &str = "DELETE FROM presences WHERE user_id = ANY($1) AND node_id = $2";
const APPEAR: &str =
    "UPDATE presences p SET status = t.s FROM unnest($1::uuid[], $2::text[]) AS t(u, s) WHERE p.user_id = t.u";
const SEEN: &str = "UPDATE users SET last_seen_at = t.at FROM unnest($1::uuid[], $2::bigint[]) AS t(u, at) \
     WHERE users.id = t.u AND users.is_active";
const HIDE: &str = "UPDATE users SET is_invisible = true WHERE id = ANY($1) AND is_active";
const SHOW: &str = "UPDATE users SET is_invisible = false WHERE id = ANY($1) AND is_active";
const RENEW: &str = concat!(
    "INSERT INTO nodes (id, seen_at, expires_at) VALUES ($1, ",
    now!(),
    ", ",
    now!(),
    " + $2) ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, expires_at = excluded.expires_at ",
    "RETURNING (xmax = 0) AS is_new"
);
const DEAD: &str =
    concat!("SELECT id, seen_at FROM nodes WHERE expires_at <= ", now!(), " ORDER BY seen_at FOR UPDATE SKIP LOCKED");
const LEFT_BEHIND: &str = "SELECT user_id, status FROM presences WHERE node_id = $1";
const REAP: &str = "DELETE FROM nodes WHERE id = $1";
const CLEAR: &str = "DELETE FROM presences WHERE node_id = $1";

/// The registry.
#[derive(Debug)]
pub(super) enum Registry {
    Memory(Db, Mutex<HashMap<UserId, ChosenStatus>>),
    Postgres(PostgresRegistry),
}

/// The registry of several nodes.
#[derive(Debug)]
pub(super) struct PostgresRegistry {
    db: Db,
    node: Uuid,
}

impl Registry {
    pub(super) fn new(db: Db, node: Uuid) -> Self {
        if db.may_be_shared() {
            Self::Postgres(PostgresRegistry { db, node })
        } else {
            Self::Memory(db, Mutex::default())
        }
    }

    /// How those of some users want to appear who are connected to any node.
    pub(super) async fn of(&self, users: Vec<UserId>) -> Result<HashMap<UserId, ChosenStatus>> {
        match self {
            Self::Memory(_, there) => {
                let there = there.lock();
                Ok(users.into_iter().filter_map(|user| Some((user, *there.get(&user)?))).collect())
            }
            Self::Postgres(shared) => Ok(there(shared.db.read(), uuids(&users)).await?),
        }
    }

    /// Notes what became of users of this node; answers what that changes on the whole.
    pub(super) async fn note(&self, steps: &BTreeMap<UserId, NetChange>) -> Result<Vec<Shift>> {
        match self {
            Self::Memory(db, there) => {
                let stored = stored(&there.lock(), steps);
                // StoredPresence first, so that a client that receives the event can read it.
                store(db, stored).await?;
                Ok(remember(&mut there.lock(), steps))
            }
            Self::Postgres(shared) => Ok(shared.note(steps).await?),
        }
    }
}

/// What the database has to know of a user: until when they were seen, and whether they want to appear offline.
type StoredPresence = (UserId, Option<Timestamp>, Option<bool>);

fn stored(there: &HashMap<UserId, ChosenStatus>, steps: &BTreeMap<UserId, NetChange>) -> Vec<StoredPresence> {
    let stored =
        |(user, step): (&UserId, &NetChange)| (*user, step.seen_until(there.get(user).copied()), step.is_invisible);
    steps.iter().map(stored).filter(|(_, seen, hides)| seen.is_some() || hides.is_some()).collect()
}

/// In one transaction: a commit for each user would take longer than there is time when very many leave at once.
async fn store(db: &Db, users: Vec<StoredPresence>) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    let tx = db.begin().await?;
    for (user, seen, hides) in users {
        if let Some(at) = seen {
            crate::chat::user::seen(&tx, user, at).await?;
        }
        if let Some(is_invisible) = hides {
            crate::chat::user::hide(&tx, user, is_invisible).await?;
        }
    }
    tx.commit().await
}

fn remember(there: &mut HashMap<UserId, ChosenStatus>, steps: &BTreeMap<UserId, NetChange>) -> Vec<Shift> {
    let shift = |(user, step): (&UserId, &NetChange)| {
        let before = there.get(user).copied();
        let after = match step.is_here {
            Some(true) => Some(step.appearance(before)),
            Some(false) => None,
            None => before.map(|before| step.chosen.unwrap_or(before)),
        };
        match after {
            Some(chosen) => there.insert(*user, chosen),
            None => there.remove(user),
        };
        Shift { user: *user, before, after, left_at: step.left_at }
    };
    steps.iter().map(shift).collect()
}

impl PostgresRegistry {
    async fn note(&self, steps: &BTreeMap<UserId, NetChange>) -> Result<Vec<Shift>> {
        let users: Vec<UserId> = steps.keys().copied().collect();
        let tx = self.db.begin().await?;
        let before = lock(&tx, &users).await?;
        let (mut gone, mut seen) = (Vec::new(), Vec::new());
        let (mut come, mut how) = (Vec::new(), Vec::new());
        let (mut chosen, mut appearance) = (Vec::new(), Vec::new());
        let (mut hidden, mut shown) = (Vec::new(), Vec::new());
        for (user, step) in steps {
            match step.is_here {
                Some(true) => {
                    come.push(user.0);
                    how.push(step.appearance(before.get(user).copied()).as_str().to_owned());
                }
                Some(false) => gone.push(user.0),
                None => {}
            }
            if let Some(status) = step.chosen {
                chosen.push(user.0);
                appearance.push(status.as_str().to_owned());
            }
            if let Some(at) = step.seen_until(before.get(user).copied()) {
                seen.push((user.0, at.0));
            }
            match step.is_invisible {
                Some(true) => hidden.push(user.0),
                Some(false) => shown.push(user.0),
                None => {}
            }
        }
        let (left, left_at): (Vec<Uuid>, Vec<i64>) = seen.into_iter().unzip();
        for (is_due, sql, values) in [
            (!gone.is_empty(), GO, vec![gone.into(), self.node.into()]),
            (!come.is_empty(), COME, vec![come.into(), self.node.into(), how.into()]),
            // On all nodes alike: it is the user who chose, not the device.
            (!chosen.is_empty(), APPEAR, vec![chosen.into(), appearance.into()]),
            (!left.is_empty(), SEEN, vec![left.into(), left_at.into()]),
            (!hidden.is_empty(), HIDE, vec![hidden.into()]),
            (!shown.is_empty(), SHOW, vec![shown.into()]),
        ] {
            if is_due {
                tx.execute_raw(statement(sql, values)).await?;
            }
        }
        let after = there(&tx, uuids(&users)).await?;
        tx.commit().await?;
        let shift = |(user, step): (&UserId, &NetChange)| Shift {
            user: *user,
            before: before.get(user).copied(),
            after: after.get(user).copied(),
            left_at: step.left_at,
        };
        Ok(steps.iter().map(shift).collect())
    }

    /// Says that this node lives; answers whether it has to be entered anew, with all its users.
    pub(super) async fn renew(&self, lease_ms: i64) -> Result<bool> {
        let renewed = statement(RENEW, vec![self.node.into(), lease_ms.into()]);
        let row = self.db.writer().query_one_raw(renewed).await?;
        Ok(row.map_or(Ok(false), |row| row.try_get("", "is_new"))?)
    }

    /// Takes nodes off the registry that no longer live; answers what that changes for their users.
    pub(super) async fn reap(&self) -> Result<Vec<Shift>> {
        let tx = self.db.begin().await?;
        let mut left_behind = Vec::new();
        for dead in Dead::find_by_statement(statement(DEAD, vec![])).all(&tx).await? {
            let users = There::find_by_statement(statement(LEFT_BEHIND, vec![dead.id.into()])).all(&tx).await?;
            let last: HashMap<UserId, ChosenStatus> = users.into_iter().map(There::read).collect();
            left_behind.push((dead, last));
        }
        // All at once: two lock statements in a transaction could deadlock.
        let users: Vec<UserId> = left_behind.iter().flat_map(|(_, last)| last.keys().copied()).collect();
        lock(&tx, &users).await?;
        let mut shifts = BTreeMap::new();
        for (dead, last) in left_behind {
            let users: Vec<UserId> = last.keys().copied().collect();
            tx.execute_raw(statement(CLEAR, vec![dead.id.into()])).await?;
            tx.execute_raw(statement(REAP, vec![dead.id.into()])).await?;
            let after = there(&tx, uuids(&users)).await?;
            let gone: Vec<UserId> = users.into_iter().filter(|user| !after.contains_key(user)).collect();
            let is_seen = |user: &&UserId| last.get(*user) != Some(&ChosenStatus::Invisible);
            let seen: Vec<UserId> = gone.iter().filter(is_seen).copied().collect();
            let left_at = vec![dead.seen_at; seen.len()];
            tx.execute_raw(statement(SEEN, vec![uuids(&seen), left_at.into()])).await?;
            let left_at = Some(Timestamp(dead.seen_at));
            // A user who was on several of them was seen last on the last one, and is announced once.
            shifts.extend(gone.into_iter().map(|user| {
                let before = last.get(&user).copied();
                (user, Shift { user, before, after: None, left_at })
            }));
        }
        tx.commit().await?;
        Ok(shifts.into_values().collect())
    }
}

/// Lets nobody else change the presence of these users until the transaction ends; answers how it is. Apart from the rows of
/// the users themselves, which messages refer to.
async fn lock(tx: &Transaction, users: &[UserId]) -> Result<HashMap<UserId, ChosenStatus>> {
    // The random half of an identifier says which.
    let key = |user: &UserId| LOCKS + (user.0.as_u64_pair().1 % LOCK_COUNT).cast_signed();
    let keys: BTreeSet<i64> = users.iter().map(key).collect();
    let keys: Vec<i64> = keys.into_iter().collect();
    tx.execute_raw(statement(LOCK, vec![keys.into()])).await?;
    there(tx, uuids(users)).await
}

async fn there(db: &impl ConnectionTrait, users: Value) -> Result<HashMap<UserId, ChosenStatus>> {
    let rows = There::find_by_statement(statement(THERE, vec![users])).all(db).await?;
    Ok(rows.into_iter().map(There::read).collect())
}

fn statement(sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

fn uuids(users: &[UserId]) -> Value {
    users.iter().map(|user| user.0).collect::<Vec<Uuid>>().into()
}

#[derive(FromQueryResult)]
struct There {
    user_id: Uuid,
    status: String,
}

impl There {
    fn read(self) -> (UserId, ChosenStatus) {
        let known = [ChosenStatus::Online, ChosenStatus::Away, ChosenStatus::Invisible];
        // A newer version may know more ways to appear.
        let status = known.into_iter().find(|status| status.as_str() == self.status).unwrap_or_default();
        (UserId(self.user_id), status)
    }
}

#[derive(FromQueryResult)]
struct Dead {
    id: Uuid,
    seen_at: i64,
}
