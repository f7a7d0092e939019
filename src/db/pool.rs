//! Connections and transactions with timeouts.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, Statement, TransactionOptions, TransactionTrait, prelude::async_trait::async_trait,
};
use tokio::time::timeout;

use super::reader::{Lease, Readers};
use crate::error::{self, Error, Result};

/// The timeout of one answer, including the wait for a connection. The database itself gives up earlier; this is for one that does not
/// respond.
pub(super) const ANSWER: Duration = Duration::from_secs(8);

/// How long a commit may take.
const COMMIT: Duration = Duration::from_secs(5);

/// Every answer has a timeout, after which its resources are free again.
#[derive(Clone, Debug)]
pub struct Timely<C>(pub(super) C);

/// A change of several statements. Dropped without `commit`, it leaves nothing.
pub type Transaction = Timely<DatabaseTransaction>;

/// Some connections.
#[derive(Clone, Debug)]
pub struct Pool(Connections);

#[derive(Clone, Debug)]
enum Connections {
    /// Which end by themselves what nobody waits for, or have nothing that takes long.
    Plain(DatabaseConnection),
    /// Which read an SQLite file.
    Readers(Arc<Readers>),
}

impl Pool {
    pub(super) fn plain(connection: DatabaseConnection) -> Self {
        Self(Connections::Plain(connection))
    }

    pub(super) fn readers(readers: Readers) -> Self {
        Self(Connections::Readers(Arc::new(readers)))
    }

    /// How many connections are in use, and how many are open and not in use.
    pub(super) fn figures(&self) -> (u32, u32) {
        let of = |open: u32, idle: usize| {
            let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(open);
            (open - idle, idle)
        };
        match &self.0 {
            Connections::Readers(readers) => readers.figures(),
            Connections::Plain(connection) => match connection.get_database_backend() {
                DbBackend::Postgres => {
                    let pool = connection.get_postgres_connection_pool();
                    of(pool.size(), pool.num_idle())
                }
                _ => {
                    let pool = connection.get_sqlite_connection_pool();
                    of(pool.size(), pool.num_idle())
                }
            },
        }
    }

    /// One of the connections, for one statement.
    pub(super) async fn one(&self) -> Result<One<'_>, DbErr> {
        match &self.0 {
            Connections::Plain(connection) => Ok(One::Plain(connection)),
            Connections::Readers(readers) => readers.lease().await.map(One::Leased),
        }
    }

    /// Opens a transaction.
    pub(super) async fn begin(&self, options: TransactionOptions) -> Result<DatabaseTransaction, DbErr> {
        match &self.0 {
            Connections::Plain(connection) => connection.begin_with_options(options).await,
            Connections::Readers(_) => Err(DbErr::Custom("these connections only read".to_owned())),
        }
    }

    /// Closes the connections after what they do has ended.
    pub(super) async fn close(self) {
        match self.0 {
            Connections::Plain(connection) => drop(connection.close().await),
            Connections::Readers(readers) => readers.close().await,
        }
    }
}

impl Transaction {
    /// Commits the change.
    ///
    /// # Errors
    /// When it is refused, and nothing is stored; and [`Error::IN_DOUBT`] when the database does not answer: then the outcome is unknown.
    pub async fn commit(self) -> Result<()> {
        self.commit_within(COMMIT).await
    }

    /// Like [`Self::commit`], with a shorter timeout.
    ///
    /// # Errors
    /// The same.
    pub async fn commit_within(self, limit: Duration) -> Result<()> {
        in_time(limit, self.0.commit()).await.map_err(|error| match (error::is_refused(&error), Error::from(error)) {
            (false, Error::Unavailable(cause)) => {
                tracing::warn!(error = %cause, "the database did not answer a commit");
                Error::IN_DOUBT
            }
            (_, other) => other,
        })
    }
}

/// A connection of a pool.
pub(super) enum One<'a> {
    Plain(&'a DatabaseConnection),
    Leased(Lease),
}

impl One<'_> {
    pub(super) fn connection(&self) -> &DatabaseConnection {
        match self {
            Self::Plain(connection) => connection,
            Self::Leased(lease) => lease.connection(),
        }
    }

    /// Says that the statement has ended.
    pub(super) fn end(self) {
        if let Self::Leased(lease) = self {
            lease.end();
        }
    }
}

/// Runs a statement on one connection, with a timeout. After it, the connection is not marked as free, because the statement still runs.
macro_rules! ask_one {
    ($pool:expr, $ask:ident($($what:expr),*)) => {
        in_time(ANSWER, async {
            let one = $pool.one().await?;
            let answer = one.connection().$ask($($what),*).await;
            one.end();
            answer
        })
        .await
    };
}

#[async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        match &self.0 {
            Connections::Plain(connection) => connection.get_database_backend(),
            Connections::Readers(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        ask_one!(self, execute_raw(statement))
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        ask_one!(self, execute_unprepared(sql))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        ask_one!(self, query_one_raw(statement))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        ask_one!(self, query_all_raw(statement))
    }

    fn support_returning(&self) -> bool {
        // PostgreSQL does, and the SQLite that is built in.
        true
    }
}

#[async_trait]
impl<C: ConnectionTrait + Sync> ConnectionTrait for Timely<C> {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        in_time(ANSWER, self.0.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        in_time(ANSWER, self.0.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        in_time(ANSWER, self.0.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        in_time(ANSWER, self.0.query_all_raw(statement)).await
    }

    fn support_returning(&self) -> bool {
        self.0.support_returning()
    }
}

pub(super) async fn in_time<T, E: From<DbErr>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout).into()))
}
