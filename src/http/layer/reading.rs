//! How fast a client must read an answer. A slower client loses its connection, because what it has not read yet takes memory here or
//! keeps a file open.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    BoxError,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::sleep;

use crate::{app::App, config::SlowClient, listener::ConnInfo, listener::KillSwitch};

/// The largest answer that is not supervised: the kernel buffers that many bytes at once.
const SMALL: u64 = 64 * 1024;

/// Ends the connection of a client that reads its answer too slowly.
pub async fn supervise(
    State(app): State<Arc<App>>,
    ConnectInfo(connection): ConnectInfo<ConnInfo>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    if response.body().size_hint().exact().is_some_and(|size| size <= SMALL) {
        return response;
    }
    let progress = Arc::new(Progress::default());
    tokio::spawn(cut_when_slow(Arc::clone(&progress), connection.kill, app.config.server.slow_client()));
    response.map(|body| Body::new(Supervised { body, progress }))
}

/// How far an answer has come.
#[derive(Debug, Default)]
struct Progress {
    /// Bytes that were handed to the connection.
    given: AtomicU64,
    /// The server has not produced the next bytes yet: the client is not slow.
    is_ours: AtomicBool,
    /// There is no more to give.
    ended: AtomicBool,
}

/// Ends the connection when too few bytes were sent in a span of time in which there were bytes to send.
async fn cut_when_slow(progress: Arc<Progress>, connection: KillSwitch, slow: SlowClient) {
    let start = connection.written();
    let mut before = start;
    loop {
        sleep(slow.span).await;
        let written = connection.written();
        let is_out =
            progress.ended.load(Ordering::Acquire) && written - start >= progress.given.load(Ordering::Acquire);
        if is_out || !connection.is_connected() {
            return;
        }
        if written - before < slow.bytes && !progress.is_ours.load(Ordering::Acquire) {
            tracing::info!(bytes = written - before, "an answer is read too slowly; ending its connection");
            metrics::counter!("parlour_slow_readers_cut_total").increment(1);
            connection.kill();
            return;
        }
        before = written;
    }
}

/// A body that reports its progress.
struct Supervised {
    body: Body,
    progress: Arc<Progress>,
}

impl HttpBody for Supervised {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.progress.is_ours.store(true, Ordering::Release);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.progress.is_ours.store(false, Ordering::Release);
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.progress.given.fetch_add(data.len() as u64, Ordering::Release);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.progress.ended.store(true, Ordering::Release);
    }
}
