//! HTTP/1.1 over accepted connections. (HTTP/2 is what a proxy in front speaks; WebSocket needs HTTP/1.1.)

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::{HeaderValue, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use super::{ConnInfo, Connection, Listener, refused};
use crate::config::host_and_port;

/// How long the head of a request may take, and how long a connection may wait for its next request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a request's head; more is answered 431. Room for large cookies of others on the same host, but not for a
/// head of 64 kB.
const HEAD_BYTES: usize = 32 * 1024;

/// The connections that are open, also those that became WebSockets.
#[derive(Clone, Debug, Default)]
pub struct Open {
    /// Those accepted before they had to end.
    pub early: TaskTracker,
    /// Those accepted since.
    pub late: TaskTracker,
}

/// Serves `router` on connections of `listener`, until it is dropped. From `closing` on, connections end after the
/// request they are at. New ones are still accepted, so that a load balancer can read that this node is not ready.
pub async fn serve(mut listener: Listener, router: Router, closing: CancellationToken, open: Open) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_header_size(HEAD_BYTES);
    loop {
        let (mut connection, info) = listener.accept().await;
        if closing.is_cancelled() {
            http.keep_alive(false);
            connection.count_in(&open.late);
        } else {
            connection.count_in(&open.early);
        }
        tokio::spawn(converse(http.clone(), connection, info, router.clone(), closing.clone()));
    }
}

/// Answers the requests of one connection.
async fn converse(
    http: http1::Builder,
    connection: Connection,
    info: ConnInfo,
    router: Router,
    closing: CancellationToken,
) {
    let peer = info.peer;
    let service = service_fn(move |request| answer(router.clone(), info.clone(), request));
    let is_late = closing.is_cancelled();
    let mut conversation = std::pin::pin!(http.serve_connection(TokioIo::new(connection), service).with_upgrades());
    let ended = tokio::select! {
        ended = conversation.as_mut() => ended,
        () = closing.cancelled(), if !is_late => {
            conversation.as_mut().graceful_shutdown();
            conversation.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "the connection ended early");
    }
}

async fn answer(router: Router, info: ConnInfo, request: Request<Incoming>) -> Result<Response, Infallible> {
    if !is_for_a_host(&request) {
        // RFC 9112, section 3.2: a proxy on the way may have read another one.
        return Ok((StatusCode::BAD_REQUEST, [(header::CONNECTION, "close")]).into_response());
    }
    let (request, rest) = refused::watch(request);
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(info));
    let response = router.oneshot(request).await?;
    Ok(rest.settle(response))
}

/// Whether it names one host. It may name none without a character, as probes do, and need not before HTTP/1.1.
fn is_for_a_host(request: &Request<Incoming>) -> bool {
    let mut named = request.headers().get_all(header::HOST).iter();
    let (first, second) = (named.next(), named.next());
    let is_host = |host: &HeaderValue| {
        let host = host.to_str().map(str::trim).ok();
        // A colon without a port means the usual one (RFC 3986, section 3.2.3).
        host.is_some_and(|host| host.is_empty() || host_and_port(host.strip_suffix(':').unwrap_or(host)).is_some())
    };
    second.is_none() && first.map_or(request.version() != Version::HTTP_11, is_host)
}
