//! Why PostgreSQL cannot be reached.

use std::{str::FromStr, time::Duration};

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, ConnectOptions, postgres::PgConnectOptions},
};
use tokio::time::timeout;

/// How long the one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(3);

/// The reason of a failure to connect. A pool retries and reports only its timeout: so one connection
/// is tried without it.
pub(super) async fn why_not(url: &str, error: DbErr) -> DbErr {
    let Ok(options) = PgConnectOptions::from_str(url) else { return error };
    let reason = match timeout(ATTEMPT, options.connect()).await {
        Err(_) => {
            "there is no answer; is PostgreSQL running there, and does DATABASE_URL name the right place?".to_owned()
        }
        Ok(Err(sqlx::Error::Io(cause))) => {
            format!("{cause}; is PostgreSQL running there, and does DATABASE_URL name the right place?")
        }
        // Where in its source PostgreSQL found it helps nobody.
        Ok(Err(sqlx::Error::Database(cause))) => cause.message().to_owned(),
        Ok(Err(cause)) => cause.to_string(),
        // It can be reached by now: what the pool said stands.
        Ok(Ok(_)) => return error,
    };
    DbErr::Conn(RuntimeErr::Internal(reason))
}
