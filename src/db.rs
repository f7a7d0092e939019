//! The database: one way to read, one way to write.
//!
//! SQLite has a single writer, so writing goes through a pool of one and waits there in order instead of failing as busy;
//! reading has a pool of its own and never waits for writers (WAL). PostgreSQL has a pool for each as well.

use std::{path::Path, time::Duration};

use migration::{MigrationStatus, Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};

use crate::{config::Config, error::Result};

/// Names the lock under which PostgreSQL is migrated: "parlour" in ASCII.
const MIGRATION_LOCK: i64 = 0x70_61_72_6c_6f_75_72;

/// Connections for writing to PostgreSQL: apart from those for reading, so that a burst of reads keeps no commit waiting.
const POSTGRES_WRITERS: u32 = 4;

/// How long SQLite waits for another process that writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections to the database.
#[derive(Clone, Debug)]
pub struct Db {
    read: DatabaseConnection,
    write: DatabaseConnection,
}

impl Db {
    /// Opens the configured database; for SQLite, creates the file and its folder.
    ///
    /// # Errors
    /// When it cannot be reached or opened.
    pub async fn open(config: &Config) -> Result<Self, DbErr> {
        let url = config.database_url().expose().to_owned();
        let acquire_timeout = Duration::from_secs(config.database.acquire_timeout_seconds);
        if let Some(path) = url.strip_prefix("sqlite://") {
            let path = path.split('?').next().unwrap_or(path);
            if let Some(folder) = Path::new(path).parent() {
                std::fs::create_dir_all(folder)
                    .map_err(|error| DbErr::Custom(format!("cannot create {}: {error}", folder.display())))?;
            }
            let write = Database::connect(sqlite(&url, acquire_timeout, 1, false)).await?;
            let read = Database::connect(sqlite(&url, acquire_timeout, config.database.max_connections, true)).await?;
            return Ok(Self { read, write });
        }
        let pool = |connections| {
            let mut options = ConnectOptions::new(url.clone());
            options
                .max_connections(connections)
                .acquire_timeout(acquire_timeout)
                .statement_timeout(Duration::from_secs(5))
                .sqlx_logging(false);
            Database::connect(options)
        };
        let read = pool(config.database.max_connections).await?;
        Ok(Self { read, write: pool(POSTGRES_WRITERS).await? })
    }

    /// For queries that change nothing.
    #[must_use]
    pub fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    /// For migrations, which need the connection itself.
    #[must_use]
    pub fn writer(&self) -> &DatabaseConnection {
        &self.write
    }

    /// Which database this is, where the two differ.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.write.get_database_backend()
    }

    /// Opens a transaction that may write. Dropped without `commit`, it leaves nothing.
    ///
    /// # Errors
    /// When no connection is to be had in time.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.write
            .begin_with_options(TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            })
            .await
    }

    /// How many migrations are not applied yet. Changes nothing, and does not wait for writers.
    ///
    /// # Errors
    /// When the database does not answer, or has migrations that this program does not know.
    pub async fn pending_migrations(&self) -> Result<usize, DbErr> {
        Ok(Migrator::get_pending_migrations_read_only(&self.read).await?.len())
    }

    /// Every migration, oldest first, and whether it is applied.
    ///
    /// # Errors
    /// When the database does not answer, or has migrations that this program does not know.
    pub async fn migrations(&self) -> Result<Vec<(String, bool)>, DbErr> {
        let all = Migrator::get_migration_with_status_read_only(&self.read).await?;
        Ok(all.iter().map(|one| (one.name().to_owned(), one.status() == MigrationStatus::Applied)).collect())
    }

    /// Applies what is pending, all or nothing.
    ///
    /// # Errors
    /// When a migration fails.
    pub async fn migrate_up(&self) -> Result<(), DbErr> {
        let transaction = self.begin_migration().await?;
        Migrator::up(&transaction, None).await?;
        transaction.commit().await
    }

    /// Takes back the latest `steps` migrations, all or nothing. Their data is gone.
    ///
    /// # Errors
    /// When a migration fails.
    pub async fn migrate_down(&self, steps: u32) -> Result<(), DbErr> {
        let transaction = self.begin_migration().await?;
        Migrator::down(&transaction, Some(steps)).await?;
        transaction.commit().await
    }

    /// One node migrates, the others wait. SQLite's transaction locks the file by itself; sea-orm takes no lock on
    /// PostgreSQL.
    async fn begin_migration(&self) -> Result<DatabaseTransaction, DbErr> {
        let transaction = self.begin().await?;
        if self.backend() == DbBackend::Postgres {
            // Building an index, or waiting for another node to do it, takes as long as it takes.
            transaction.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
            transaction.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
        }
        Ok(transaction)
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
        let _ = self.read.close().await;
        let _ = self.write.close().await;
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.read.ping().await
    }
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
                .create_if_missing(!read_only)
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
