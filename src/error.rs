//! Why something was refused, before any transport gives it a form.

use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr};

use crate::contract::{AckError, ErrorCode, FieldError};

/// The result of a use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal, or a failure of ours. [`Error::code`] is what clients match on; the text is for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the code alone says.
    #[error("{1}")]
    Refused(ErrorCode, &'static str),

    /// The name of no event; the one that was probably meant.
    #[error("there is no such event{}", .0.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    UnknownEvent(Option<&'static str>),

    /// Fields that do not fit.
    #[error("{}", sentence(.0))]
    Validation(Vec<FieldError>),

    /// Too much at once.
    #[error("too many requests; try again in {} seconds", retry_after.as_secs_f64().ceil())]
    RateLimited {
        /// When it may succeed.
        retry_after: Duration,
    },

    /// The database does not answer. Nothing was stored.
    #[error("the service is unavailable at the moment; nothing was stored")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// The media store does not answer, or refuses us. Nothing was stored.
    #[error("the media store is unavailable at the moment; nothing was stored")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// A bug, or a broken machine.
    #[error("internal server error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn sentence(errors: &[FieldError]) -> String {
    match errors {
        [] => "the request is not valid".to_owned(),
        [only] => format!("{}: {}", only.field, only.detail),
        [first, rest @ ..] => format!("{}: {} (and {} more)", first.field, first.detail, rest.len()),
    }
}

impl Error {
    pub(crate) const INVALID_CREDENTIALS: Self =
        Self::Refused(ErrorCode::InvalidCredentials, "the account or the password is wrong");
    pub(crate) const ACCOUNT_DISABLED: Self = Self::Refused(ErrorCode::AccountDisabled, "the account was deactivated");
    pub(crate) const UNAUTHORIZED: Self =
        Self::Refused(ErrorCode::Unauthorized, "the token is not valid, or its session has ended; log in again");
    pub(crate) const ROOM_NOT_FOUND: Self = Self::Refused(ErrorCode::RoomNotFound, "there is no such room");
    pub(crate) const MESSAGE_NOT_FOUND: Self = Self::Refused(ErrorCode::MessageNotFound, "there is no such message");
    pub(crate) const USER_NOT_FOUND: Self = Self::Refused(ErrorCode::UserNotFound, "there is no such user");
    pub(crate) const MEDIA_NOT_FOUND: Self = Self::Refused(ErrorCode::MediaNotFound, "there is no such file");
    /// What the client may assume: less than of other failures, which all happen before anything is stored.
    pub(crate) const IN_DOUBT: Self =
        Self::Refused(ErrorCode::ServiceUnavailable, "this took too long; it may or may not have taken effect");
    pub(crate) const DRAINING: Self =
        Self::Refused(ErrorCode::ServerDraining, "this node is stopping; connect again to reach another one");

    /// A field that breaks a rule.
    pub(crate) fn field(field: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Validation(vec![FieldError { field: field.into(), code, detail: detail.into() }])
    }

    /// Holds a request to its rules, and names all that it breaks at once.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`.
    pub(crate) fn check(rules: impl IntoIterator<Item = Result<(), FieldError>>) -> Result<()> {
        let broken: Vec<FieldError> = rules.into_iter().filter_map(Result::err).collect();
        if broken.is_empty() { Ok(()) } else { Err(Self::Validation(broken)) }
    }

    /// A failure that only a bug explains.
    pub(crate) fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// What a client matches on.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(code, _) => *code,
            Self::UnknownEvent(_) => ErrorCode::UnknownEvent,
            Self::Validation(_) => ErrorCode::ValidationError,
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::Unavailable(_) => ErrorCode::ServiceUnavailable,
            Self::Storage(_) => ErrorCode::StorageUnavailable,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// When the same request may succeed.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            Self::Unavailable(_) | Self::Storage(_) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// The cause of the failure, without the text for clients.
    pub(crate) fn into_cause(self) -> Box<dyn std::error::Error + Send + Sync> {
        match self {
            Self::Unavailable(source) | Self::Storage(source) | Self::Internal(source) => source,
            refused => Box::new(refused),
        }
    }

    /// Whether the same question may be answered a moment later: the database was away, or took too long.
    pub(crate) fn is_passing(&self) -> bool {
        self.code() == ErrorCode::ServiceUnavailable
    }

    /// Writes our own failures to the log, once; a client's mistake is not news.
    pub(crate) fn record(&self) {
        match self {
            Self::Internal(source) => tracing::error!(error = %source, "internal error"),
            Self::Unavailable(source) => tracing::warn!(error = %source, "a dependency is unavailable"),
            Self::Storage(source) => tracing::warn!(error = %source, "the media store is unavailable"),
            _ => {}
        }
    }
}

/// What failed and why, as one sentence.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        // Some errors already quote what caused them.
        let why = source.to_string();
        if !sentence.contains(&why) {
            sentence = format!("{sentence}: {why}");
        }
        cause = source.source();
    }
    sentence
}

impl From<&Error> for AckError {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
            field: match error {
                Error::Validation(fields) => fields.first().map(|first| first.field.clone()),
                _ => None,
            },
            retry_after_ms: error.retry_after().map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

impl From<FieldError> for Error {
    fn from(error: FieldError) -> Self {
        Self::Validation(vec![error])
    }
}

impl From<Vec<FieldError>> for Error {
    fn from(errors: Vec<FieldError>) -> Self {
        Self::Validation(errors)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match error {
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Self::Unavailable(Box::new(error)),
            DbErr::Exec(RuntimeErr::SqlxError(ref cause)) | DbErr::Query(RuntimeErr::SqlxError(ref cause))
                if is_outage(cause) =>
            {
                Self::Unavailable(Box::new(error))
            }
            other => Self::Internal(Box::new(other)),
        }
    }
}

/// Whether the database is away or busy, rather than displeased with the statement.
fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(cause) => cause.code().is_some_and(|code| is_outage_code(&code)),
        _ => false,
    }
}

/// Whether the database itself says of a commit that nothing of it is stored. PostgreSQL: classes 40 (rolled back for another) and 53
/// (resources, such as a full disk). SQLite: BUSY, LOCKED, FULL. After anything else nobody knows.
pub(crate) fn is_refused(commit: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = commit else {
        return false;
    };
    let sqlx::Error::Database(cause) = &**cause else { return false };
    cause.code().is_some_and(|code| {
        (code.len() == 5 && matches!(&code[..2], "40" | "53"))
            || code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 13))
    })
}

/// PostgreSQL: classes 08 (connection), 40 (rolled back for another), 53 (resources), 57 (operator intervention), all five
/// characters long, <https://www.postgresql.org/docs/current/errcodes-appendix.html>. SQLite: BUSY, LOCKED, INTERRUPT (a
/// statement took too long), IOERR, FULL and CANTOPEN, in the low byte of the extended code, <https://www.sqlite.org/rescode.html>.
fn is_outage_code(code: &str) -> bool {
    if code.len() == 5 && matches!(&code[..2], "08" | "40" | "53" | "57") {
        return true;
    }
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 9 | 10 | 13 | 14))
}

impl Clone for Error {
    /// For a failure that several requests share: the copy says the same, the source stays with the original's text.
    fn clone(&self) -> Self {
        match self {
            Self::Refused(code, text) => Self::Refused(*code, text),
            Self::UnknownEvent(meant) => Self::UnknownEvent(*meant),
            Self::Validation(fields) => Self::Validation(fields.clone()),
            Self::RateLimited { retry_after } => Self::RateLimited { retry_after: *retry_after },
            Self::Unavailable(source) => Self::Unavailable(source.to_string().into()),
            Self::Storage(source) => Self::Storage(source.to_string().into()),
            Self::Internal(source) => Self::Internal(source.to_string().into()),
        }
    }
}
