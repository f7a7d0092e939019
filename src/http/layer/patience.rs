//! Requests that take too long.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use tokio::time::timeout;

use crate::{app::App, error::Error, http::problem};

/// Where bodies arrive that take as long as the caller's connection needs. How long the store may take is limited there.
const UPLOADS: &str = "/api/chat/upload";

/// Where files are looked at that were sent to the store.
const MEDIA: &str = "/api/chat/media/";

/// Where a poll is answered when there is something to tell.
const SOCKET_IO: &str = "/socket.io";

/// Gives a request up after `server.request_timeout_seconds`, also when it is its body that does not arrive.
pub async fn limit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let waits_for_news = path.starts_with(SOCKET_IO) && request.method() == Method::GET;
    if path.starts_with(UPLOADS) || path.starts_with(MEDIA) || waits_for_news {
        return next.run(request).await;
    }
    let patience = Duration::from_secs(app.config.server.request_timeout_seconds);
    timeout(patience, next.run(request)).await.unwrap_or_else(|_| problem::respond(&Error::IN_DOUBT))
}
