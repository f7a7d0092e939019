//! How much anyone may ask for, over HTTP.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode},
    middleware::Next,
    response::Response,
};

use super::address::ClientAddress;
use crate::{
    app::App,
    error::Error,
    http::problem,
    limits::{Charge, Limits, Quota},
    listener::engine_io,
};

/// Requests a minute (draft-ietf-httpapi-ratelimit-headers-07 and the services that adopted it).
pub const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
/// Requests that may follow at once.
pub const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
/// Seconds until one more is free.
pub const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Tells in the answer to a REST request what its limit has left. Who is charged is said by what its handler takes: an
/// [`Actor`](crate::auth::Actor), or nobody whom we know.
pub async fn describe(request: Request, next: Next) -> Response {
    let (mut response, charge) = Limits::observe(next.run(request)).await;
    // Where another limit has refused, such as that of logins, these figures would say that there is no reason to wait.
    let has_refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
    if let Some(Charge { quota, .. }) = charge.filter(|charge| charge.is_granted != has_refused) {
        insert(response.headers_mut(), quota);
    }
    response
}

fn insert(headers: &mut HeaderMap, quota: Quota) {
    let reset = u64::try_from(quota.reset.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    headers.insert(LIMIT, HeaderValue::from(quota.limit));
    headers.insert(REMAINING, HeaderValue::from(quota.remaining));
    headers.insert(RESET, HeaderValue::from(reset));
}

/// Limits the Socket.IO handshakes of an address that have not authenticated yet, and refuses all while the server stops.
///
/// The [`HandshakeTicket`](crate::limits::HandshakeTicket) is in the request's extensions; whoever accepts the CONNECT
/// releases it.
pub async fn handshakes(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    mut request: Request,
    next: Next,
) -> Response {
    if !is_handshake(&request) {
        return next.run(request).await;
    }
    // A refused CONNECT would end the client's attempts; a handshake that fails is tried again, perhaps elsewhere.
    if app.draining.is_cancelled() {
        return problem::respond(&Error::DRAINING);
    }
    let ticket = match app.limits.handshake(address) {
        Ok(ticket) => ticket,
        Err(error) => return problem::respond(&error),
    };
    request.extensions_mut().insert(ticket.clone());
    let response = next.run(request).await;
    if !matches!(response.status(), StatusCode::OK | StatusCode::SWITCHING_PROTOCOLS) {
        ticket.release();
    }
    response
}

/// Whether a new session begins.
fn is_handshake(request: &Request) -> bool {
    request.method() == Method::GET && engine_io::session(request.uri()).is_none()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_handshake_is_a_request_for_a_new_session() {
        for (method, uri, expected) in [
            ("GET", "/socket.io/?EIO=4&transport=polling", true),
            ("GET", "/socket.io/?EIO=4&transport=websocket", true),
            ("GET", "/socket.io", true),
            ("GET", "/socket.io/?EIO=4&transport=polling&nosid=x", true),
            ("GET", "/socket.io/?EIO=4&transport=websocket&sid=AAAA", false),
            ("GET", "/socket.io/?sid=&EIO=4", false),
            ("GET", "/socket.io/?EIO=4&transport=polling&%73id=x", true),
            ("POST", "/socket.io/?EIO=4&transport=polling", false),
        ] {
            let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
            assert_eq!(is_handshake(&request), expected, "{method} {uri}");
        }
    }
}
