//! Requests that take too long.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{app::App, error::Error, http::problem, listener::engine_io};

/// Where files arrive, which takes as long as the client's connection needs.
const UPLOADS: &str = "/api/chat/upload";

/// Where files are looked at that were sent to the store.
const MEDIA: &str = "/api/chat/media/";
const COMPLETE: &str = "/complete";

/// How long a file may be looked at and sent on, once it is here.
const KEEPING: Duration = Duration::from_secs(60);

/// Gives a request up after `server.request_timeout_seconds`, also when it is its body that does not arrive. The body of an upload
/// may take longer, as long as something of it arrives within that time.
pub async fn limit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (path, method) = (request.uri().path(), request.method());
    let patience = Duration::from_secs(app.config.server.request_timeout_seconds);
    let answer = if engine_io::is_engine_io(request.uri()) && method == Method::GET {
        // A poll is answered when there is something to tell.
        return next.run(request).await;
    } else if path.starts_with(UPLOADS) && method != Method::GET {
        upload(patience, request, next).await
    } else if path.starts_with(MEDIA) && path.ends_with(COMPLETE) {
        timeout(KEEPING, next.run(request)).await.ok()
    } else {
        timeout(patience, next.run(request)).await.ok()
    };
    answer.unwrap_or_else(|| problem::respond(&Error::IN_DOUBT))
}

async fn upload(patience: Duration, request: Request, next: Next) -> Option<Response> {
    let (arriving, mut arrived) = watch::channel(());
    let request = request.map(|body| {
        Body::new(body.map_frame(move |frame| {
            arriving.send_replace(());
            frame
        }))
    });
    let mut answer = std::pin::pin!(next.run(request));
    loop {
        tokio::select! {
            answer = &mut answer => return Some(answer),
            // The handler lets go of the body once it has all of it.
            more = arrived.changed() => if more.is_err() { break },
            () = sleep(patience) => return None,
        }
    }
    timeout(KEEPING, answer).await.ok()
}
