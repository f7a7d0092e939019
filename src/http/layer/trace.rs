//! A name for every request, in the log, in the answer, and in every problem.

use std::{borrow::Cow, time::Instant};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use tracing::{Instrument, field::Empty};

use crate::{
    contract::ErrorCode,
    http::problem::{REQUEST_ID, RequestId},
    listener::engine_io,
    telemetry::{self, RequestSpan},
};

/// Carries the name in both directions.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of a name that a caller may choose.
const LENGTH: usize = 64;

/// Names, logs, counts and times a request. Of its address only the path is logged, without the code of an invite: the query
/// may hold a token.
pub async fn request(mut request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID_HEADER).and_then(given).unwrap_or_else(RequestId::new);
    request.extensions_mut().insert(id.clone());
    let method = method(request.method());
    let route = route(&request);
    let path = shown(request.uri().path()).into_owned();
    let span = tracing::info_span!("request", request_id = %id.0, method, path, address = Empty);
    request.extensions_mut().insert(RequestSpan(span.clone()));
    let started = Instant::now();

    let mut response = REQUEST_ID.scope(id.clone(), next.run(request)).instrument(span.clone()).await;

    let (elapsed, status) = (started.elapsed(), response.status().as_u16());
    tracing::debug!(parent: &span, status, elapsed_ms = elapsed.as_secs_f64() * 1e3, "answered");
    if status >= 400 {
        telemetry::refused(&span, "request", status, response.extensions().get::<ErrorCode>().copied(), None);
    }
    let labels = [("method", method.to_owned()), ("route", route), ("status", status.to_string())];
    metrics::counter!("parlour_http_requests_total", &labels).increment(1);
    metrics::histogram!("parlour_http_request_duration_seconds", &labels[..2]).record(elapsed.as_secs_f64());
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID_HEADER, id);
    }
    response
}

/// A caller's own name for the request, if it can stand in a log line as it is.
fn given(value: &HeaderValue) -> Option<RequestId> {
    let text = value.to_str().ok()?;
    let fits = (1..=LENGTH).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    fits.then(|| RequestId(text.to_owned()))
}

/// A path without what lets people in.
fn shown(path: &str) -> Cow<'_, str> {
    const INVITES: &str = "/api/chat/invites/";
    match path.strip_prefix(INVITES) {
        Some(rest) => format!("{INVITES}***{}", rest.find('/').map_or("", |end| &rest[end..])).into(),
        None => path.into(),
    }
}

/// A method of the known ones: callers must not be able to make up labels.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The route as it is registered, with its parameters unnamed; the same for all addresses that are not.
fn route(request: &Request) -> String {
    match request.extensions().get::<MatchedPath>().map(MatchedPath::as_str) {
        Some(route) if route.starts_with(engine_io::PATH) => engine_io::PATH,
        Some(route) => route,
        None => "none",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_not_shown() {
        for (path, expected) in [
            ("/api/chat/invites/abc", "/api/chat/invites/***"),
            ("/api/chat/invites/abc/join", "/api/chat/invites/***/join"),
            ("/api/chat/rooms/1/invite", "/api/chat/rooms/1/invite"),
        ] {
            assert_eq!(shown(path), expected);
        }
    }

    #[test]
    fn only_a_well_formed_name_is_taken_over() {
        for (text, taken) in [
            ("0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11", true),
            ("a.b_c-1", true),
            ("", false),
            ("two words", false),
            ("<script>", false),
            ("\"", false),
            ("a,b", false),
        ] {
            assert_eq!(given(&HeaderValue::from_static(text)).is_some(), taken, "{text:?}");
        }
        assert!(given(&HeaderValue::from_str(&"x".repeat(LENGTH)).unwrap()).is_some());
        assert!(given(&HeaderValue::from_str(&"x".repeat(LENGTH + 1)).unwrap()).is_none());
        assert!(given(&HeaderValue::from_bytes(b"\xc3\xa9").unwrap()).is_none());
    }
}
