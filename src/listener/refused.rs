//! Requests that are answered before their body has arrived, and those whose body is malformed.
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
    http::{HeaderValue, Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
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
    /// It was cut into pieces that are none.
    Malformed,
}

/// A body that is kept when its handler drops it too early.
pub(super) struct Watched {
    body: Option<Incoming>,
    rest: Rest,
    /// Whether the client waits to be asked for it. It is asked when the body is first read.
    is_unasked: bool,
    /// Whether it comes in pieces, each with its length.
    is_chunked: bool,
}

/// Keeps what a handler does not read of a request's body.
pub(super) fn watch(request: Request<Incoming>) -> (Request<Watched>, Rest) {
    let rest = Rest::default();
    let is_unasked = request.headers().contains_key(header::EXPECT);
    let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let kept = rest.clone();
    (request.map(|body| Watched { body: Some(body), rest: kept, is_unasked, is_chunked }), rest)
}

impl Rest {
    /// Sees to what is left, now that the answer is there, and says in it when the connection has to end.
    pub(super) fn settle(&self, mut response: Response) -> Response {
        let ends = match std::mem::take(&mut *self.0.lock()) {
            Left::Nothing => false,
            Left::Body(body) => !discard_short(body),
            Left::Unasked => true,
            Left::Malformed => {
                // Whatever the handler made of it: the request itself is malformed (RFC 9112, section 7.1).
                response = StatusCode::BAD_REQUEST.into_response();
                true
            }
        };
        if ends && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Reads and drops a body, so that its connection can be used again; false where there is too much of it.
fn discard_short(body: Incoming) -> bool {
    let is_short = body.size_hint().exact().is_some_and(|left| left <= SHORT);
    if is_short {
        tokio::spawn(timeout(PROMPT, body.collect()));
    }
    is_short
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.is_unasked = false;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        match polled {
            Poll::Ready(None) => self.body = None,
            Poll::Ready(Some(Err(_))) => {
                self.body = None;
                if self.is_chunked {
                    *self.rest.0.lock() = Left::Malformed;
                }
            }
            _ => {}
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
