//! Refusals as HTTP carries them: `application/problem+json` (RFC 9457).

use std::{any::Any, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use uuid::Uuid;

use super::extract::Caller;
use crate::{
    clock,
    contract::{ErrorCode, FieldError, Problem},
    error::Error,
};

tokio::task_local! {
    /// The request that the current task serves. The tracing layer sets it, around everything that may answer.
    pub static REQUEST_ID: RequestId;
}

/// Names a request: in the `x-request-id` header, in a problem, and in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// A fresh one.
    #[allow(clippy::new_without_default, reason = "a default would hide that each call differs")]
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// That of the request being served; a fresh one outside of any.
    #[must_use]
    pub fn current() -> Self {
        REQUEST_ID.try_with(Self::clone).unwrap_or_else(|_| Self::new())
    }
}

/// The answer to a request that was refused, or that failed; a failure of ours is logged here, once.
#[must_use]
pub fn respond(error: &Error) -> Response {
    error.record();
    let errors = match error {
        Error::Validation(fields) => fields.clone(),
        _ => Vec::new(),
    };
    render(status(error.code()), error.code(), error.to_string(), errors, error.retry_after())
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        respond(&self)
    }
}

/// The answer where there is no route.
pub(super) async fn not_found(_: Caller) -> Error {
    Error::Refused(ErrorCode::NotFound, "there is no such route")
}

/// The answer where there is a route, but not with this method. The router adds `Allow`.
pub(super) async fn method_not_allowed() -> Response {
    let detail = "this address does not take this method".to_owned();
    render(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::NotFound, detail, Vec::new(), None)
}

/// The answer where a file ends before the part that is asked for.
pub(super) fn no_such_part() -> Response {
    let detail = "the file ends before that part".to_owned();
    render(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::ValidationError, detail, Vec::new(), None)
}

/// The answer of a handler that panicked. Its message goes to the log only.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast::<String>().map_or_else(
        |panic| panic.downcast::<&str>().map_or("a value that is no text".to_owned(), |text| (*text).to_owned()),
        |text| *text,
    );
    respond(&Error::internal(format!("a handler panicked: {message}")))
}

fn status(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn render(
    status: StatusCode,
    code: ErrorCode,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
) -> Response {
    let problem = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail,
        error_code: code,
        request_id: RequestId::current().0,
        timestamp: clock::now(),
        errors,
    };
    let mut response = (status, axum::Json(problem)).into_response();
    response.extensions_mut().insert(code);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    match status {
        // RFC 9110, section 15.5.2: the answer names the scheme that is wanted.
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let seconds = retry_after.map_or(1, |after| after.as_millis().div_ceil(1000).max(1));
            headers.insert(header::RETRY_AFTER, HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)));
        }
        _ => {}
    }
    response
}
