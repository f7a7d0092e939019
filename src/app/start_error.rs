//! Why the server did not start.

use std::{io, net::SocketAddr, path::PathBuf};

use sea_orm::DbErr;

use crate::{config::DatabaseUrl, db::file::LockError};

/// Why a part failed whose errors are also for clients: without the text for clients.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot use the database {0}")]
    Database(DatabaseUrl, #[source] DbErr),
    #[error("the database's schema does not fit")]
    Migration(#[source] DbErr),
    #[error("{0} migrations are pending; apply them with `parlour migrate up`, or set MIGRATE_ON_START=always")]
    Pending(usize),
    #[error("the database was made by a newer version of Parlour, which this one would damage: it has {}", .0.join(", "))]
    Newer(Vec<String>),
    #[error(transparent)]
    Locked(#[from] LockError),
    #[error("cannot write files in {}", .0.display())]
    DataFolder(PathBuf, #[source] io::Error),
    #[error("cannot keep a secret key in {}", .0.display())]
    SecretKey(PathBuf, #[source] io::Error),
    #[error("cannot ask the database for the time")]
    Clock(#[source] Cause),
    #[error("cannot set up accounts")]
    Accounts(#[source] Cause),
    #[error("cannot use the Redis of bus.redis_url (REDIS_URL): {0}")]
    Redis(String),
    #[error("cannot send mail: {0}")]
    Mail(String),
    #[error("cannot keep what is uploaded in {}", .0.display())]
    Spool(PathBuf, #[source] io::Error),
    #[error("cannot use the media store")]
    MediaStore(#[source] Cause),
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
}
