//! Requests that take too long.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{app::App, config::SlowClient, error::Error, http::problem};

/// How long a file may be looked at and sent on, once it is here.
const KEEPING: Duration = Duration::from_secs(60);

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub enum Time {
    /// `server.request_timeout_seconds`, also when it is its body that does not arrive.
    Usual,
    /// A file arrives: its body may take longer, as long as something of it arrives within the usual time, and as fast as an
    /// answer has to be read.
    Upload,
    /// A file is looked at that was sent to the store.
    Examination,
}

/// Gives a request up whose time is over.
pub async fn limit(State((app, time)): State<(Arc<App>, Time)>, request: Request, next: Next) -> Response {
    let limit = Duration::from_secs(app.config.server.request_timeout_seconds);
    let answer = match time {
        Time::Usual => timeout(limit, next.run(request)).await.ok(),
        Time::Upload => upload(limit, app.config.server.slow_client(), request, next).await,
        Time::Examination => timeout(KEEPING, next.run(request)).await.ok(),
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
