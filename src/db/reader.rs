//! Connections that read an SQLite file: each is in use until its statement has ended.
//!
//! SQLite runs in this process, on a thread of the connection, and does not notice that nobody waits any more. So every connection
//! checks now and then whether its statement is still wanted, and ends it if it is not; until then, the connection is not free.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sea_orm::{ConnAcquireErr, ConnectOptions, Database, DatabaseConnection, DbErr};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::STATEMENT;

/// Steps of SQLite's virtual machine between two checks of the time: some ten microseconds, or a few pages of the search index.
const STEPS: i32 = 1_000;

/// How often a connection is asked whether its statement has ended, waiting as long as for a connection each time.
const ATTEMPTS: usize = 10;

/// Some connections that read.
#[derive(Debug)]
pub(super) struct Readers {
    idle: Mutex<Vec<ReadConnection>>,
    free: Arc<Semaphore>,
    count: usize,
    acquire_timeout: Duration,
}

/// A connection, as a pool of one: the pool opens it anew when it has to.
#[derive(Debug)]
struct ReadConnection {
    connection: DatabaseConnection,
    deadline: Arc<StatementDeadline>,
}

impl Readers {
    /// Opens connections with these options, which are for one of them.
    pub(super) async fn open(options: &ConnectOptions, count: u32, acquire_timeout: Duration) -> Result<Self, DbErr> {
        let mut idle = Vec::new();
        for _ in 0..count {
            let deadline = Arc::<StatementDeadline>::default();
            let watched = Arc::clone(&deadline);
            let mut options = options.clone();
            options.map_sqlx_sqlite_pool_opts(move |pool| {
                let watched = Arc::clone(&watched);
                pool.max_connections(1).after_connect(move |connection, _| {
                    let watched = Arc::clone(&watched);
                    Box::pin(async move {
                        connection.lock_handle().await?.set_progress_handler(STEPS, move || !watched.is_over());
                        Ok(())
                    })
                })
            });
            idle.push(ReadConnection { connection: Database::connect(options).await?, deadline });
        }
        let free = Arc::new(Semaphore::new(idle.len()));
        Ok(Self { count: idle.len(), idle: Mutex::new(idle), free, acquire_timeout })
    }

    /// How many are in use, and how many are not.
    pub(super) fn figures(&self) -> (u32, u32) {
        let idle = self.free.available_permits().min(self.count);
        let figure = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (figure(self.count - idle), figure(idle))
    }

    /// A connection for one statement.
    ///
    /// # Errors
    /// When none is free in time.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, DbErr> {
        let late = || DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
        let permit = timeout(self.acquire_timeout, Arc::clone(&self.free).acquire_owned()).await.map_err(|_| late())?;
        let permit = permit.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))?;
        let reader = self.idle.lock().pop().ok_or_else(late)?;
        reader.deadline.set(STATEMENT);
        Ok(Lease { reader: Some(reader), readers: Arc::clone(self), permit: Some(permit), is_over: false })
    }

    /// Closes every connection once its statement has ended.
    pub(super) async fn close(&self) {
        let all = u32::try_from(self.count).unwrap_or(u32::MAX);
        let _all = timeout(self.acquire_timeout, self.free.acquire_many(all)).await;
        let idle = std::mem::take(&mut *self.idle.lock());
        for reader in idle {
            let _ = reader.connection.close().await;
        }
        self.free.close();
    }
}

/// A connection in use.
pub(super) struct Lease {
    reader: Option<ReadConnection>,
    readers: Arc<Readers>,
    permit: Option<OwnedSemaphorePermit>,
    is_over: bool,
}

impl Lease {
    pub(super) fn connection(&self) -> &DatabaseConnection {
        &self.reader.as_ref().expect("a lease has its connection until it is dropped").connection
    }

    /// Says that the statement has ended.
    pub(super) fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        let (readers, permit) = (Arc::clone(&self.readers), self.permit.take());
        if self.is_over {
            return readers.give_back(reader, permit);
        }
        reader.deadline.pass();
        // Without a runtime the process ends, and its connections with it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                // What asks waits until the connection is back in its pool.
                for _ in 0..ATTEMPTS {
                    if reader.connection.ping().await.is_ok() {
                        break;
                    }
                }
                readers.give_back(reader, permit);
            });
        }
    }
}

impl Readers {
    fn give_back(&self, reader: ReadConnection, permit: Option<OwnedSemaphorePermit>) {
        reader.deadline.lift();
        self.idle.lock().push(reader);
        drop(permit);
    }
}

/// When the statement of a connection must have ended.
#[derive(Debug)]
struct StatementDeadline {
    began: Instant,
    /// Milliseconds after that moment.
    after: AtomicU64,
}

impl Default for StatementDeadline {
    fn default() -> Self {
        Self { began: Instant::now(), after: AtomicU64::new(u64::MAX) }
    }
}

impl StatementDeadline {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn set(&self, limit: Duration) {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.after.store(self.now().saturating_add(limit), Ordering::Relaxed);
    }

    /// The caller no longer waits.
    fn pass(&self) {
        self.after.store(0, Ordering::Relaxed);
    }

    fn lift(&self) {
        self.after.store(u64::MAX, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        let after = self.after.load(Ordering::Relaxed);
        after != u64::MAX && self.now() >= after
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, DbBackend, Statement};

    use super::*;

    /// Counts for minutes.
    const ENDLESS: &str = "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 1000000000000) SELECT count(*) FROM n";

    fn statement(sql: &str) -> Statement {
        Statement::from_string(DbBackend::Sqlite, sql)
    }

    async fn readers(count: u32) -> Arc<Readers> {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.sqlx_logging(false);
        Arc::new(Readers::open(&options, count, Duration::from_secs(5)).await.unwrap())
    }

    /// Catches a build in which a statement runs on after its asker gave up, or in which another asker gets its connection.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_statement_ends_with_its_asker_and_keeps_its_place_until_then() {
        let readers = readers(1).await;
        for _ in 0..3 {
            let asked = async {
                let lease = readers.lease().await.unwrap();
                lease.connection().query_all_raw(statement(ENDLESS)).await.map(|_| ())
            };
            assert!(timeout(Duration::from_millis(50), asked).await.is_err(), "it is given up");
            assert_eq!(readers.free.available_permits(), 0, "its place is taken");
            let began = Instant::now();
            let lease = readers.lease().await.unwrap();
            let rows = lease.connection().query_all_raw(statement("SELECT 1")).await.unwrap();
            lease.end();
            assert_eq!(rows.len(), 1);
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        }
        assert_eq!(readers.free.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_statement_that_is_over_its_time_ends() {
        let readers = readers(1).await;
        let lease = readers.lease().await.unwrap();
        lease.reader.as_ref().unwrap().deadline.set(Duration::from_millis(50));
        let error = lease.connection().query_all_raw(statement(ENDLESS)).await.map(|_| ()).unwrap_err();
        assert!(matches!(crate::error::Error::from(error), crate::error::Error::Unavailable(_)));
        lease.end();
        let lease = readers.lease().await.unwrap();
        lease.connection().query_all_raw(statement("SELECT 1")).await.unwrap();
        lease.end();
        readers.close().await;
        assert!(readers.lease().await.is_err());
    }
}
