//! Requests that are answered before their body has arrived.
//!
//! The answer goes out at once. What is left of a short body is read and dropped, so that the connection can be used again;
//! with more to come the answer says that the connection ends, and [`linger`](super::linger) sees to its end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{Request, header},
};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::time::timeout;

/// How much is read of a body that nobody wants, to keep its connection.
const SHORT: u64 = 64 * 1024;

/// How long that may take.
const PROMPT: Duration = Duration::from_secs(5);

/// What the handler left of a body.
#[derive(Clone, Default)]
pub(super) struct Rest(Arc<Mutex<Left>>);

#[derive(Default)]
enum Left {
    #[default]
    Nothing,
    /// What follows of it.
    Body(Incoming),
    /// All of it, and the client waits to be asked for it (RFC 9110, section 10.1.1): it may never come.
    Unasked,
}

/// A body that is kept when its handler drops it too early.
pub(super) struct Watched {
    body: Option<Incoming>,
    rest: Rest,
    /// Whether the client waits to be asked for it. It is asked when the body is first read.
    is_unasked: bool,
}

/// Keeps what a handler does not read of a request's body.
pub(super) fn watch(request: Request<Incoming>) -> (Request<Watched>, Rest) {
    let rest = Rest::default();
    let is_unasked = request.headers().contains_key(header::EXPECT);
    let kept = rest.clone();
    (request.map(|body| Watched { body: Some(body), rest: kept, is_unasked }), rest)
}

impl Rest {
    /// Sees to what is left, now that the answer is there; answers whether the connection has to end.
    pub(super) fn settle(&self) -> bool {
        let body = match std::mem::take(&mut *self.0.lock()) {
            Left::Nothing => return false,
            Left::Body(body) => body,
            Left::Unasked => return true,
        };
        let is_short = body.size_hint().exact().is_some_and(|left| left <= SHORT);
        if is_short {
            tokio::spawn(timeout(PROMPT, Limited::new(body, usize::try_from(SHORT).unwrap_or(usize::MAX)).collect()));
        }
        !is_short
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.is_unasked = false;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.rest.0.lock() = if self.is_unasked { Left::Unasked } else { Left::Body(body) };
        }
    }
}
