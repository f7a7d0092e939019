//! Connections and transactions whose answers come in time, or not at all.

use std::time::Duration;

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, Statement, prelude::async_trait::async_trait,
};
use tokio::time::timeout;

use crate::error::{Error, Result};

/// How long one answer may take, the waiting for a connection included. The database itself gives up before; this is for one
/// that says nothing any more.
pub(super) const ANSWER: Duration = Duration::from_secs(8);

/// How long a commit may take.
const COMMIT: Duration = Duration::from_secs(5);

/// Whoever asks it is not kept waiting by a machine that vanished, and keeps no connection to it.
#[derive(Clone, Debug)]
pub struct Timely<C>(pub(super) C);

/// A pool of connections.
pub type Pool = Timely<DatabaseConnection>;

/// A change of several statements. Dropped without `commit`, it leaves nothing.
pub type Transaction = Timely<DatabaseTransaction>;

impl Transaction {
    /// Makes the change.
    ///
    /// # Errors
    /// When it is refused; and [`Error::IN_DOUBT`] when the database does not answer: then nobody knows what became of it.
    pub async fn commit(self) -> Result<()> {
        self.commit_within(COMMIT).await
    }

    /// As [`Self::commit`], for those who have less time.
    ///
    /// # Errors
    /// The same.
    pub async fn commit_within(self, limit: Duration) -> Result<()> {
        in_time(limit, self.0.commit()).await.map_err(|error| match Error::from(error) {
            Error::Unavailable(cause) => {
                tracing::warn!(error = %cause, "the database did not answer a commit");
                Error::IN_DOUBT
            }
            other => other,
        })
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
