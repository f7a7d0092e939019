//! The database: one way to read, one way to write.
//!
//! SQLite has a single writer, so writing goes through a pool of one and waits there in order instead of failing as busy;
//! reading has its own pool and never waits for writers (WAL). PostgreSQL has a pool for each as well. Searches, which cost most, have
//! a small pool of their own on both.

pub mod file;
pub(crate) mod insert;
mod pool;
pub mod query;
mod reachable;
mod reader;
mod schema;
mod search_permits;

use std::{future::ready, time::Duration};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseTransaction, DbBackend, DbErr, QueryResult,
    SqliteTransactionMode, Statement, TransactionOptions,
    sqlx::{
        self, Connection,
        postgres::PgConnection,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};
use tokio::time::timeout;

use self::{pool::Timely, reader::Readers};
pub(crate) use search_permits::SearchPermits;

pub use self::{
    pool::{Pool, Transaction},
    schema::{DownError, Loss},
};
use crate::{clock, config::Config, contract::Timestamp, error::Result};

/// Connections for writing to PostgreSQL: apart from those for reading, so that a burst of reads keeps no commit waiting.
const POSTGRES_WRITERS: u32 = 4;

/// Searches at the same time, each with a connection of its own: fewer than there are processors, even on a small machine.
const SEARCHERS: usize = 2;

/// How long one statement may take; on PostgreSQL, waiting for locks included. On SQLite, one that reads.
const STATEMENT: Duration = Duration::from_secs(5);

/// After how long PostgreSQL ends an idle transaction: its node is frozen or cut off, and other nodes wait for its locks.
const SILENCE: Duration = Duration::from_secs(5);

/// The timeout of the probe of a connection. Without it, a connection to a dead machine would hang for a quarter of an hour.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// A connection that was idle for longer is probed before it is used.
const FRESH: Duration = Duration::from_secs(1);

/// How long SQLite waits for another process that writes.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Connections to the database.
#[derive(Clone, Debug)]
pub struct Db {
    read: Pool,
    search: Pool,
    write: Pool,
}

impl Db {
    /// Opens the configured database; for SQLite, creates the file and its folder.
    ///
    /// # Errors
    /// When it cannot be reached or opened.
    pub async fn open(config: &Config) -> Result<Self, DbErr> {
        if let Some(path) = file::path_of(config) {
            file::create(&path).map_err(|error| DbErr::Custom(format!("cannot make {}: {error}", path.display())))?;
        }
        Self::connect(config).await
    }

    /// Opens the configured database if it is there; makes no file.
    ///
    /// # Errors
    /// When it cannot be reached or opened.
    pub async fn open_existing(config: &Config) -> Result<Option<Self>, DbErr> {
        match file::path_of(config) {
            Some(path) if !path.exists() => Ok(None),
            _ => Self::connect(config).await.map(Some),
        }
    }

    async fn connect(config: &Config) -> Result<Self, DbErr> {
        let url = config.database_url().expose().to_owned();
        let acquire_timeout = Duration::from_secs(config.database.acquire_timeout_seconds);
        if file::path_of(config).is_some() {
            let write = Pool::plain(Database::connect(writing(&url, acquire_timeout)).await?);
            let reading = sqlite(&url, acquire_timeout, true);
            let readers = async |count| Readers::open(&reading, count, acquire_timeout).await.map(Pool::readers);
            let read = readers(config.database.max_connections).await?;
            return Ok(Self { read, search: readers(SEARCHERS as u32).await?, write });
        }
        let pool = async |connections, ends_within| {
            Database::connect(postgres(&url, acquire_timeout, connections, ends_within)).await.map(Pool::plain)
        };
        let read = match pool(config.database.max_connections, SIGN_OF_LIFE).await {
            Ok(read) => read,
            Err(error) => return Err(reachable::why_not(&url, error).await),
        };
        // One that was given up goes on there until its time is over, and keeps its connection so long.
        let search = pool(SEARCHERS as u32, STATEMENT + SIGN_OF_LIFE).await?;
        Ok(Self { read, search, write: pool(POSTGRES_WRITERS, SIGN_OF_LIFE).await? })
    }

    /// Each pool's name, how many of its connections are in use, and how many are open and not in use.
    #[must_use]
    pub fn connections(&self) -> [(&'static str, u32, u32); 3] {
        [("read", &self.read), ("search", &self.search), ("write", &self.write)].map(|(name, pool)| {
            let (used, idle) = pool.figures();
            (name, used, idle)
        })
    }

    /// For queries that change nothing.
    #[must_use]
    pub fn read(&self) -> &Pool {
        &self.read
    }

    /// For long queries: only a few run at a time, and nothing else waits for them.
    #[must_use]
    pub fn search(&self) -> &Pool {
        &self.search
    }

    /// For a change that is one statement.
    #[must_use]
    pub fn writer(&self) -> &Pool {
        &self.write
    }

    /// Which database this is, where the two differ.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.write.get_database_backend()
    }

    /// Whether other nodes may use it at the same time. An SQLite file belongs to one.
    #[must_use]
    pub fn may_be_shared(&self) -> bool {
        self.backend() == DbBackend::Postgres
    }

    /// The time of the database's clock: on SQLite, that of this machine.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn time(&self) -> Result<Timestamp> {
        const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";
        if self.backend() != DbBackend::Postgres {
            return Ok(clock::now());
        }
        let row = self.read.query_one_raw(Statement::from_string(DbBackend::Postgres, NOW)).await?;
        let row = row.ok_or_else(|| DbErr::Custom("the database tells no time".to_owned()))?;
        Ok(Timestamp(row.try_get("", "now")?))
    }

    /// Opens a transaction that may write. Dropped without `commit`, it leaves nothing.
    ///
    /// # Errors
    /// When no connection is to be had in time.
    pub async fn begin(&self) -> Result<Transaction, DbErr> {
        pool::in_time(pool::ANSWER, self.begin_unlimited()).await.map(Timely)
    }

    async fn begin_unlimited(&self) -> Result<DatabaseTransaction, DbErr> {
        let immediate = Some(SqliteTransactionMode::Immediate);
        self.write
            .begin(TransactionOptions { sqlite_transaction_mode: immediate, ..TransactionOptions::default() })
            .await
    }

    /// Asks what is best answered in another way for other values. PostgreSQL would go on with one way for all of them after the
    /// fifth time (<https://www.postgresql.org/docs/current/sql-prepare.html#SQL-PREPARE-NOTES>).
    ///
    /// # Errors
    /// Those of the database.
    pub async fn query_for_values(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        if self.backend() != DbBackend::Postgres {
            return self.search.query_all_raw(statement).await;
        }
        let begun = self.search.begin(TransactionOptions::default());
        let tx = pool::in_time(pool::ANSWER, begun).await.map(Timely)?;
        tx.execute_unprepared("SET LOCAL plan_cache_mode = force_custom_plan").await?;
        tx.query_all_raw(statement).await
    }

    /// Gives up work in the background, transactions and all, for which a request would long have been answered: what it waits
    /// for may never come, and the next attempt finds another connection.
    ///
    /// # Errors
    /// Those of the work, and `DbErr::ConnectionAcquire`.
    pub async fn in_time<T, E: From<DbErr>>(limit: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        pool::in_time(limit, work).await
    }

    /// Folds SQLite's log into the file and empties it: what was overwritten in the file still stands in the log, where nothing
    /// overwrites it while nobody writes. Answers whether there is nothing left to fold; who reads at the moment is not
    /// waited for (<https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>). PostgreSQL looks after its own log.
    pub async fn forget(&self) -> bool {
        if self.backend() != DbBackend::Sqlite {
            return true;
        }
        // In one call, so that nothing else runs while `busy_timeout` is that short.
        let sql = format!(
            "PRAGMA busy_timeout = 50; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA busy_timeout = {}",
            TIMEOUT.as_millis()
        );
        let rows = self.write.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap_or_default();
        rows.iter().any(|row| row.try_get::<i64>("", "busy").is_ok_and(|busy| busy == 0))
    }

    /// Lets go of every connection, after what was begun is done.
    pub async fn close(self) {
        // The file's log is folded into it by the last connection that closes; the writer must be that one.
        self.search.close().await;
        self.read.close().await;
        self.write.close().await;
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DbErr> {
        let one = self.read.one().await?;
        let answer = one.connection().ping().await;
        one.end();
        answer
    }
}

/// Settings that keep a PostgreSQL, or a way to it, that hangs from hanging us, and a node that hangs from hanging the others.
fn postgres(url: &str, acquire_timeout: Duration, connections: u32, ends_within: Duration) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(acquire_timeout)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|postgres| {
            postgres.application_name("parlour").options([
                ("statement_timeout", STATEMENT.as_millis().to_string()),
                ("idle_in_transaction_session_timeout", SILENCE.as_millis().to_string()),
            ])
        })
        .map_sqlx_postgres_pool_opts(move |pool| {
            pool.test_before_acquire(false)
                .before_acquire(|connection, idle| {
                    Box::pin(async move {
                        if idle.idle_for < FRESH { Ok(true) } else { is_alive(connection, SIGN_OF_LIFE).await }
                    })
                })
                .after_release(move |connection, _| Box::pin(is_alive(connection, ends_within)))
        });
    options
}

/// The one connection that writes to an SQLite file. Where SQLite takes a transaction back by itself, as on a full disk, sqlx goes
/// on to believe in it, and would begin no other: such a connection is opened anew.
fn writing(url: &str, acquire_timeout: Duration) -> ConnectOptions {
    let mut options = sqlite(url, acquire_timeout, false);
    options.max_connections(1).min_connections(1).map_sqlx_sqlite_pool_opts(|pool| {
        pool.before_acquire(|connection, _| {
            let is_free = !connection.is_in_transaction();
            Box::pin(ready(Ok(is_free)))
        })
    });
    options
}

async fn is_alive(connection: &mut PgConnection, limit: Duration) -> Result<bool, sqlx::Error> {
    timeout(limit, connection.ping()).await.map_err(|_| sqlx::Error::PoolTimedOut)?.map(|()| true)
}

/// Settings that make an acknowledged write survive a power cut (`synchronous=FULL` with WAL syncs at every commit,
/// <https://www.sqlite.org/pragma.html#pragma_synchronous>). They are connection settings, so they are part of the
/// options: a hook after connecting would reach one connection of the pool only.
fn sqlite(url: &str, acquire_timeout: Duration, read_only: bool) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.acquire_timeout(acquire_timeout).sqlx_logging(false).map_sqlx_sqlite_opts(move |sqlite| {
        let sqlite = sqlite
            .foreign_keys(true)
            .busy_timeout(TIMEOUT)
            // What was deleted is overwritten, not only forgotten.
            .pragma("secure_delete", "ON")
            .statement_cache_capacity(512);
        if read_only {
            sqlite.read_only(true)
        } else {
            sqlite.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full)
        }
    });
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What SQLite does by itself where it cannot go on with a transaction. Catches a build whose only connection for writing
    /// begins no transaction after that.
    #[tokio::test]
    async fn a_transaction_that_was_taken_back_leaves_no_broken_connection() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("parlour.db").display());
        let write = Pool::plain(Database::connect(writing(&url, Duration::from_secs(5))).await.unwrap());
        write.execute_unprepared("CREATE TABLE one (x INTEGER)").await.unwrap();
        for _ in 0..3 {
            let tx = write.begin(TransactionOptions::default()).await.unwrap();
            tx.execute_unprepared("INSERT INTO one VALUES (1)").await.unwrap();
            tx.execute_unprepared("ROLLBACK").await.unwrap();
            drop(tx);
            let tx = write.begin(TransactionOptions::default()).await.unwrap();
            tx.execute_unprepared("INSERT INTO one VALUES (2)").await.unwrap();
            tx.commit().await.unwrap();
        }
        let all = Statement::from_string(DbBackend::Sqlite, "SELECT x FROM one");
        assert_eq!(write.query_all_raw(all).await.unwrap().len(), 3);
    }
}
