//! The database: one way to read, one way to write.
//!
//! SQLite has a single writer, so writing goes through a pool of one and waits there in order instead of failing as busy;
//! reading has a pool of its own and never waits for writers (WAL). PostgreSQL has a pool for each as well.

pub mod file;
mod pool;
mod schema;

use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseTransaction, DbBackend, DbErr, QueryResult,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
    sqlx::{
        self, Connection,
        postgres::PgConnection,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};
use tokio::time::timeout;

use self::pool::Timely;
pub use self::{
    pool::{Pool, Transaction},
    schema::{DownError, Loss},
};
use crate::{clock::Clock, config::Config, contract::Timestamp, error::Result};

/// Connections for writing to PostgreSQL: apart from those for reading, so that a burst of reads keeps no commit waiting.
const POSTGRES_WRITERS: u32 = 4;

/// How long PostgreSQL works on one statement, waiting for locks included.
const STATEMENT: Duration = Duration::from_secs(5);

/// After how long PostgreSQL ends a transaction whose node says nothing: that node is frozen or cut off, and what it has locked
/// others wait for.
const SILENCE: Duration = Duration::from_secs(5);

/// How long a connection may take to show that it works. One to a machine that is gone would show nothing for a quarter of an
/// hour.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// How long a connection may have been idle to be used without such a sign.
const FRESH: Duration = Duration::from_secs(1);

/// How long SQLite waits for another process that writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections to the database.
#[derive(Clone, Debug)]
pub struct Db {
    read: Pool,
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
            let write = Database::connect(sqlite(&url, acquire_timeout, 1, false)).await?;
            let read = Database::connect(sqlite(&url, acquire_timeout, config.database.max_connections, true)).await?;
            return Ok(Self { read: Timely(read), write: Timely(write) });
        }
        let pool = |connections| Database::connect(postgres(&url, acquire_timeout, connections));
        let read = pool(config.database.max_connections).await?;
        Ok(Self { read: Timely(read), write: Timely(pool(POSTGRES_WRITERS).await?) })
    }

    /// For queries that change nothing.
    #[must_use]
    pub fn read(&self) -> &Pool {
        &self.read
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

    /// What the database's clock says: on SQLite, that of this machine.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn time(&self) -> Result<Timestamp> {
        const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";
        if self.backend() != DbBackend::Postgres {
            return Ok(Clock.now());
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
        self.write
            .0
            .begin_with_options(TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            })
            .await
    }

    /// Asks what is best answered in another way for other values. PostgreSQL would go on with one way for all of them after the
    /// fifth time (<https://www.postgresql.org/docs/current/sql-prepare.html#SQL-PREPARE-NOTES>).
    ///
    /// # Errors
    /// Those of the database.
    pub async fn query_for_values(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        if self.backend() != DbBackend::Postgres {
            return self.read.query_all_raw(statement).await;
        }
        let tx = pool::in_time(pool::ANSWER, self.read.0.begin()).await.map(Timely)?;
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
        // In one go, so that nobody else writes without patience.
        let sql = format!(
            "PRAGMA busy_timeout = 50; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA busy_timeout = {}",
            PATIENCE.as_millis()
        );
        let rows = self.write.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap_or_default();
        rows.iter().any(|row| row.try_get::<i64>("", "busy").is_ok_and(|busy| busy == 0))
    }

    /// Lets go of every connection, after what was begun is done.
    pub async fn close(self) {
        // The file's log is folded into it by the last connection that closes; the writer must be that one.
        let _ = self.read.0.close().await;
        let _ = self.write.0.close().await;
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.read.0.ping().await
    }
}

/// Settings that keep a PostgreSQL, or a way to it, that hangs from hanging us, and a node that hangs from hanging the others.
fn postgres(url: &str, acquire_timeout: Duration, connections: u32) -> ConnectOptions {
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
        .map_sqlx_postgres_pool_opts(|pool| {
            pool.test_before_acquire(false)
                .before_acquire(|connection, idle| {
                    Box::pin(async move { if idle.idle_for < FRESH { Ok(true) } else { is_alive(connection).await } })
                })
                .after_release(|connection, _| Box::pin(is_alive(connection)))
        });
    options
}

async fn is_alive(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    timeout(SIGN_OF_LIFE, connection.ping()).await.map_err(|_| sqlx::Error::PoolTimedOut)?.map(|()| true)
}

/// Settings that make an acknowledged write survive a power cut (`synchronous=FULL` with WAL syncs at every commit,
/// <https://www.sqlite.org/pragma.html#pragma_synchronous>). They are connection settings, so they are part of the
/// options: a hook after connecting would reach one connection of the pool only.
fn sqlite(url: &str, acquire_timeout: Duration, connections: u32, read_only: bool) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(acquire_timeout)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = sqlite
                .foreign_keys(true)
                .busy_timeout(PATIENCE)
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
