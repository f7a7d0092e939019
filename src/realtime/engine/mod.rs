//! Engine.IO: what stands between HTTP and the library, so that clients find what the protocol says.
//!
//! The library is asked for what it does right: sessions, heartbeats, queues. What it does not is done here: the WebSocket's
//! handshake and the way of a polling session to it ([`websocket`]), polls that end before their answer ([`sessions`]), the
//! first ping, close codes, and packets that it takes wrong ([`text`], [`stream`]).

mod binary;
pub(super) mod connects;
mod frame;
mod inbound;
mod outbound;
mod sessions;
mod stream;
pub(super) mod text;
mod websocket;

use std::{
    borrow::Cow,
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Buf;
use http_body_util::LengthLimitError;
use socketioxide::service::SocketIoService;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use self::{
    connects::{ATTEMPTS, Fate, is_connect},
    sessions::Sessions,
    text::Verdict,
};
use super::{
    engine_session::EngineSession,
    polling::{SEPARATOR, Waiting},
};
use crate::{error::Error, listener::engine_io};

/// Bytes that a packet may grow by when it is written anew.
pub(super) const GROWTH: usize = 64;

/// How long the first ping may take, which follows the handshake at once.
const FIRST_PING: Duration = Duration::from_secs(1);

/// The library behind what is done here.
#[derive(Clone)]
pub(super) struct Engine(Arc<Inner>);

struct Inner {
    service: SocketIoService<Nowhere>,
    sessions: Sessions,
    waiting: Arc<Waiting>,
    /// Bytes of one message, by WebSocket or polling.
    limit: usize,
    /// How long a WebSocket may take to take over its session.
    upgrade_timeout: Duration,
    draining: CancellationToken,
}

/// What the library asks for what is not its own: nothing is sent to it that is not.
#[derive(Clone, Debug)]
pub(super) struct Nowhere;

impl Service<Request> for Nowhere {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        ready(Ok(StatusCode::NOT_FOUND.into_response()))
    }
}

/// Answers what is Engine.IO's.
pub(super) async fn serve(State(engine): State<Engine>, request: Request) -> Response {
    let session = engine_io::session(request.uri()).map(str::to_owned);
    match (request.method(), engine_io::part(request.uri(), "transport"), session) {
        (&Method::GET, Some("websocket"), session) => engine.websocket(request, session).await,
        (&Method::GET, Some("polling"), None) => engine.open(request).await,
        (&Method::GET, Some("polling"), Some(session)) => engine.poll(request, &session).await,
        (&Method::POST, Some("polling"), Some(session)) => engine.post(request, &session).await,
        _ => engine.call(request).await,
    }
}

/// No answer of Engine.IO is for a second reader.
pub(super) async fn keep_from_caches(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Gives a packet up that does not arrive in time. A poll is answered when there is something to send.
pub(super) async fn limit_packets(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    if request.method() == Method::GET {
        return next.run(request).await;
    }
    timeout(limit, next.run(request)).await.unwrap_or_else(|_| Error::IN_DOUBT.into_response())
}

impl Engine {
    pub(super) fn new(service: SocketIoService<Nowhere>, waiting: Arc<Waiting>, app: &crate::app::App) -> Self {
        Self(Arc::new(Inner {
            service,
            sessions: Sessions::default(),
            waiting,
            limit: app.config.realtime.packet_bytes,
            upgrade_timeout: app.config.realtime.connect_timeout(),
            draining: app.draining.clone(),
        }))
    }

    /// What the library answers.
    async fn call(&self, request: Request) -> Response {
        match self.0.service.clone().oneshot(request).await {
            Ok(response) => response.map(Body::new),
            Err(never) => match never {},
        }
    }

    /// Asks the library for something in a session's name.
    async fn ask(&self, method: Method, session: &str, body: &'static str) -> Response {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        match engine_io::polling(session) {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => return StatusCode::BAD_REQUEST.into_response(),
        }
        self.call(request).await
    }

    /// Opens a polling session. The library pings at once; the protocol lets a client expect its first ping after the
    /// interval, and python-socketio hangs over one that comes while it disconnects. So the ping is answered here.
    async fn open(&self, request: Request) -> Response {
        let (parts, body) = self.call(request).await.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        if parts.status == StatusCode::OK
            && let Some(sid) = engine_io::opened_by(&body)
            && timeout(FIRST_PING, self.ask(Method::GET, &sid, "")).await.is_ok()
        {
            self.ask(Method::POST, &sid, "3").await;
        }
        Response::from_parts(parts, Body::from(body))
    }

    /// Waits for packets for the session, unless it becomes a WebSocket meanwhile.
    async fn poll(&self, request: Request, session: &str) -> Response {
        let mut poll = self.0.sessions.poll(self, session);
        let answer = tokio::select! {
            biased;
            answer = self.call(request) => answer,
            () = poll.released() => ([(header::CONTENT_TYPE, "text/plain; charset=UTF-8")], "6").into_response(),
        };
        poll.answered();
        let (mut parts, body) = answer.into_parts();
        if parts.status != StatusCode::OK {
            return Response::from_parts(parts, body);
        }
        let mut body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        if !poll.is_last() && is_ended(&mut body) {
            parts.headers.remove(header::CONTENT_LENGTH);
            if body.is_empty() {
                return refusal(r#"{"code":"1","message":"Session ID unknown"}"#);
            }
        }
        if !body.split(|byte| *byte == SEPARATOR).any(text::may_be_ack) {
            return Response::from_parts(parts, Body::from(body));
        }
        let packets = String::from_utf8_lossy(&body);
        let packets: Vec<_> = packets
            .split(char::from(SEPARATOR))
            .map(|it| text::ack(it).map_or(Cow::Borrowed(it), Cow::Owned))
            .collect();
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, Body::from(packets.join(&*char::from(SEPARATOR).encode_utf8(&mut [0; 4]))))
    }

    /// Takes what a client sends, and writes anew what the library would take wrong.
    async fn post(&self, request: Request, session: &str) -> Response {
        let (parts, body) = request.into_parts();
        if length(&parts.headers).is_some_and(|length| length > self.0.limit as u64) {
            // The library refuses it, and ends the session.
            return self.call(Request::from_parts(parts, body)).await;
        }
        let body = match to_bytes(body, self.0.limit).await {
            Ok(body) => body,
            Err(error) => {
                let error = error.into_inner();
                let body = if error.is::<LengthLimitError>() {
                    Body::from(vec![0; self.0.limit + 1])
                } else {
                    Body::from_stream(futures_util::stream::once(ready(Err::<Bytes, _>(error))))
                };
                return self.call(Request::from_parts(parts, body)).await;
            }
        };
        if body.split(|byte| *byte == SEPARATOR).any(|packet| packet == b"1") {
            self.0.sessions.end(session);
        }
        let leaves = body.split(|byte| *byte == SEPARATOR).any(|packet| packet.starts_with(b"41"));
        let answer = self.connect_and_pass_on(parts, body).await;
        if leaves && answer.status() == StatusCode::OK {
            self.0.sessions.leave(session);
        }
        answer
    }

    /// Gives the library the packets of a body; those that follow a CONNECT when it has been answered.
    async fn connect_and_pass_on(&self, parts: Parts, body: Bytes) -> Response {
        let Some(session) = parts.extensions.get::<Arc<EngineSession>>().cloned() else {
            return self.pass_on(parts, body).await;
        };
        let (mut answer, mut rest) = (StatusCode::OK.into_response(), body);
        while !rest.is_empty() && answer.status() == StatusCode::OK {
            let (portion, connect) = until_connect(&mut rest);
            let taken = session.connects().taken();
            answer = self.pass_on(parts.clone(), portion).await;
            let Some(connect) = connect else { continue };
            for _ in 1..ATTEMPTS {
                if answer.status() != StatusCode::OK || session.connects().fate(taken).await == Fate::Over {
                    break;
                }
                answer = self.pass_on(parts.clone(), connect.clone()).await;
            }
        }
        answer
    }

    /// Gives the library the packets of a body.
    async fn pass_on(&self, mut parts: Parts, body: Bytes) -> Response {
        let Some(bodies) = self.rewritten(&body) else {
            return self.call(Request::from_parts(parts, Body::from(body))).await;
        };
        parts.headers.remove(header::CONTENT_LENGTH);
        let mut answer = StatusCode::OK.into_response();
        for body in bodies {
            answer = self.call(Request::from_parts(parts.clone(), Body::from(body))).await;
            if answer.status() != StatusCode::OK {
                break;
            }
        }
        answer
    }

    /// The packets of a body, if one of them must be written anew; in more bodies than one where they have grown too long.
    fn rewritten(&self, body: &[u8]) -> Option<Vec<String>> {
        let is_odd = |packet: &[u8]| match packet.first() {
            Some(b'4') => text::judge(packet.iter().copied(), true) == Verdict::Rewrite,
            Some(b'b') => binary::is_odd(packet),
            _ => false,
        };
        if !body.split(|byte| *byte == SEPARATOR).any(is_odd) {
            return None;
        }
        let mut bodies: Vec<String> = Vec::new();
        for packet in std::str::from_utf8(body).ok()?.split(char::from(SEPARATOR)) {
            let packet = match packet.as_bytes() {
                bytes if !is_odd(bytes) => Cow::Borrowed(packet),
                [b'b', ..] => Cow::Owned(binary::rewrite(packet)),
                _ => Cow::Owned(text::rewrite(packet)),
            };
            match bodies.last_mut().filter(|body| body.len() + 1 + packet.len() <= self.0.limit) {
                Some(body) => {
                    body.push(char::from(SEPARATOR));
                    body.push_str(&packet);
                }
                None => bodies.push(packet.into_owned()),
            }
        }
        Some(bodies)
    }

    /// Ends a polling session.
    async fn end(&self, session: &str) {
        self.ask(Method::POST, session, "1").await;
    }
}

/// Takes the packets of a body up to the next CONNECT, that one included and named; all of them if there is none.
fn until_connect(rest: &mut Bytes) -> (Bytes, Option<Bytes>) {
    let mut start = 0;
    for packet in rest.clone().split(|byte| *byte == SEPARATOR) {
        let end = start + packet.len();
        if is_connect(packet.iter().copied()) {
            let connect = rest.slice(start..end);
            let portion = rest.split_to(end);
            rest.advance(usize::from(!rest.is_empty()));
            return (portion, Some(connect));
        }
        start = end + 1;
    }
    (std::mem::take(rest), None)
}

/// Whether the library ends a session with an answer, which then loses the close packet. python-socketio does not come back after
/// one, and Node's client does; so a session that ends is unknown to the next poll, over which both come back. Who must not was told
/// so by Socket.IO.
fn is_ended(packets: &mut Bytes) -> bool {
    let mut all = packets.split(|byte| *byte == SEPARATOR);
    if packets.split(|byte| *byte == SEPARATOR).any(|packet| packet.starts_with(b"41")) || all.next_back() != Some(b"1")
    {
        return false;
    }
    packets.truncate(packets.len().saturating_sub(2));
    true
}

/// A refusal as the library words it.
fn refusal(body: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// What a request says of its body's length.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
