//! How much anyone may ask for, over HTTP.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
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
    media::link,
};

/// Requests a minute (draft-ietf-httpapi-ratelimit-headers-07 and the services that adopted it).
pub const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
/// Requests that may follow at once.
pub const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
/// Seconds until one more is free.
pub const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Charges REST requests: those of a user to the user (the `Actor` extractor does so when it knows who it is), all
/// others to the address they come from.
pub async fn rest(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    if !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    // A page of messages shows many pictures: their addresses prove that they may be loaded, which has a limit of its own. Guesses
    // at them count as requests.
    let is_signed = request.uri().path().starts_with(link::PATH)
        && request.uri().query().is_some_and(|query| query.contains("signature="));
    // A file that is sent to a signed address is charged to where it comes from: no token counts there.
    let is_sent = request.method() == Method::PUT && request.uri().path().starts_with(link::UPLOAD_PATH);
    let is_open = is_sent || is_open(request.uri().path());
    let claims_right = is_signed || (request.headers().contains_key(header::AUTHORIZATION) && !is_open);
    let (mut response, charge) = Limits::observe(async {
        if !claims_right && let Err(error) = app.limits.rest_by_address(address).await {
            return problem::respond(&error);
        }
        if is_signed && let Err(error) = app.limits.load(address) {
            return problem::respond(&error);
        }
        let response = next.run(request).await;
        // Guesses at tokens and signatures count for the address, but never against users who share it.
        let is_guess = match response.status() {
            StatusCode::UNAUTHORIZED => claims_right,
            StatusCode::FORBIDDEN => is_signed,
            _ => false,
        };
        if is_guess && let Err(error) = app.limits.rest_by_address(address).await {
            return problem::respond(&error);
        }
        response
    })
    .await;
    // Where another limit has refused, such as that of logins, these figures would say that there is no reason to wait.
    let has_refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
    if let Some(Charge { quota, .. }) = charge.filter(|charge| charge.is_granted != has_refused) {
        describe(&mut response, quota);
    }
    response
}

/// Whether a route asks nobody who they are: a token would count for nothing there.
fn is_open(path: &str) -> bool {
    path.strip_prefix("/api/auth/").is_some_and(|rest| rest != "me" && !rest.ends_with("logout"))
}

fn describe(response: &mut Response, quota: Quota) {
    let reset = u64::try_from(quota.reset.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    let headers = response.headers_mut();
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
    let uri = request.uri();
    request.method() == Method::GET && engine_io::is_engine_io(uri) && engine_io::session(uri).is_none()
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
            ("GET", "/socket.iox/?EIO=4", false),
            ("GET", "/api/users", false),
        ] {
            let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
            assert_eq!(is_handshake(&request), expected, "{method} {uri}");
        }
    }
}
