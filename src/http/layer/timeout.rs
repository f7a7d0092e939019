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
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{app::App, config::SlowClient, error::Error, http::problem, listener::engine_io};

/// Where files arrive, which takes as long as the client's connection needs.
const UPLOADS: &str = "/api/chat/upload";

/// Where files are looked at that were sent to the store.
const MEDIA: &str = "/api/chat/media/";
const COMPLETE: &str = "/complete";

/// How long a file may be looked at and sent on, once it is here.
const KEEPING: Duration = Duration::from_secs(60);

/// Gives a request up after `server.request_timeout_seconds`, also when it is its body that does not arrive. The body of an upload
/// may take longer, as long as something of it arrives within that time, and as fast as an answer has to be read.
pub async fn limit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (path, method) = (request.uri().path(), request.method());
    let limit = Duration::from_secs(app.config.server.request_timeout_seconds);
    let answer = if engine_io::is_engine_io(request.uri()) && method == Method::GET {
        // A poll is answered when there is something to tell.
        return next.run(request).await;
    } else if path.starts_with(UPLOADS) && method != Method::GET {
        upload(limit, app.config.server.slow_client(), request, next).await
    } else if path.starts_with(MEDIA) && path.ends_with(COMPLETE) {
        timeout(KEEPING, next.run(request)).await.ok()
    } else {
        timeout(limit, next.run(request)).await.ok()
    };
    answer.unwrap_or_else(|| problem::respond(&Error::IN_DOUBT))
}

async fn upload(limit: Duration, slow: SlowClient, request: Request, next: Next) -> Option<Response> {
    let (arriving, mut arrived) = watch::channel(0_u64);
    let request = request.map(|body| {
        Body::new(body.map_frame(move |frame| {
            arriving.send_modify(|bytes| *bytes += frame.data_ref().map_or(0, |data| data.len() as u64));
            frame
        }))
    });
    let mut answer = std::pin::pin!(next.run(request));
    let (mut window, mut before) = (Instant::now() + slow.span, 0);
    loop {
        tokio::select! {
            answer = &mut answer => return Some(answer),
            // The handler lets go of the body once it has all of it.
            more = arrived.changed() => if more.is_err() { break },
            () = sleep(limit) => return None,
            () = sleep_until(window) => {
                let bytes = *arrived.borrow();
                if bytes - before < slow.bytes {
                    return None;
                }
                (window, before) = (Instant::now() + slow.span, bytes);
            }
        }
    }
    timeout(KEEPING, answer).await.ok()
}
