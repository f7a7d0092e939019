//! How a WebSocket begins, and how a polling session becomes one.
//!
//! The library marks a session as upgrading as soon as its WebSocket is there, and ends it when that fails. Some proxies answer
//! the handshake and pass no frame: so a session is not touched here until its client has said by WebSocket what it says last
//! in an upgrade. Only then does the library see it.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tower::Service;
use tungstenite::{handshake::derive_accept_key, protocol::frame::coding::CloseCode};

use super::{
    Engine,
    frame::{self, Head},
    refusal,
    sessions::UpgradeAttempt,
    stream::Stream,
};
use crate::{listener::ConnInfo, listener::engine_io, realtime::engine_session::EngineSession};

/// Bytes of the longest frame that belongs to an upgrade.
const FRAME: u64 = 125;

/// The version of the WebSocket protocol (RFC 6455, section 4.1).
const VERSION: &str = "13";

/// What a WebSocket is for.
enum Purpose {
    /// A new session.
    Fresh,
    /// It may take over a polling session.
    Upgrade(String),
    /// Nothing: its session has a WebSocket.
    TooLate,
}

impl Engine {
    /// Answers a WebSocket's handshake.
    pub(super) async fn websocket(&self, mut request: Request, session: Option<String>) -> Response {
        if engine_io::part(request.uri(), "EIO") != Some("4") {
            return refusal(r#"{"code":"5","message":"Unsupported protocol version"}"#);
        }
        let accept = match accept_key(request.version(), request.headers()) {
            Ok(accept) => accept,
            Err(response) => return *response,
        };
        let purpose = match session {
            None => Purpose::Fresh,
            Some(session) => match self.purpose_for(session).await {
                Ok(purpose) => purpose,
                Err(response) => return *response,
            },
        };
        let upgrade = hyper::upgrade::on(&mut request);
        let (parts, _) = request.into_parts();
        tokio::spawn(self.clone().begin(upgrade, parts, purpose));
        let headers = [
            (header::CONNECTION, HeaderValue::from_static("Upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_ACCEPT, accept),
        ];
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
    }

    /// Whether a session is there and still polls; the library's refusal if it is not.
    async fn purpose_for(&self, session: String) -> Result<Purpose, Box<Response>> {
        // A body without packets is taken from every polling session, and changes nothing.
        let (parts, body) = self.ask(Method::POST, &session, "").await.into_parts();
        if parts.status == StatusCode::OK {
            return Ok(Purpose::Upgrade(session));
        }
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        if body.starts_with(br#"{"code":"3""#) {
            return Ok(Purpose::TooLate);
        }
        Err(Box::new(Response::from_parts(parts, Body::from(body))))
    }

    async fn begin(self, upgrade: OnUpgrade, mut parts: Parts, purpose: Purpose) {
        let Ok(io) = upgrade.await else { return };
        let io = TokioIo::new(io);
        let (limit, draining) = (self.0.limit, self.0.draining.clone());
        match purpose {
            Purpose::Fresh => {
                let session = parts.extensions.get::<Arc<EngineSession>>().cloned();
                self.hand_over(Stream::fresh(io, limit, draining, session), parts);
            }
            Purpose::TooLate => Client::new(io).close(CloseCode::Policy).await,
            Purpose::Upgrade(session) => {
                let Some((io, unread)) = self.upgrade(io, &session).await else { return };
                let session = parts.extensions.remove::<Arc<EngineSession>>();
                if let Some(session) = &session
                    && let Some(ConnectInfo(connection)) = parts.extensions.get::<ConnectInfo<ConnInfo>>()
                {
                    session.upgrades(connection.kill.clone());
                }
                self.hand_over(Stream::upgraded(io, &unread, limit, draining, session), parts);
            }
        }
    }

    fn hand_over<S>(&self, stream: Stream<S>, parts: Parts)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let request = Request::from_parts(parts, ());
        if let Err(error) = self.0.service.clone().call((stream, request)).into_inner() {
            tracing::debug!(%error, "the library did not take a WebSocket");
        }
    }

    /// Lets a polling session's client choose the WebSocket; gives it back, with what was read beyond that, once it has.
    async fn upgrade<S>(&self, io: S, session: &str) -> Option<(S, Vec<u8>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut client = Client::new(io);
        let Some(attempt) = self.0.sessions.attempt(self, session) else {
            client.close(CloseCode::Policy).await;
            return None;
        };
        let chosen = tokio::select! {
            () = attempt.replaced.cancelled() => None,
            chosen = timeout(self.0.upgrade_timeout, self.choose(&mut client, session, &attempt)) => chosen.ok().flatten(),
        };
        if chosen.is_some() {
            attempt.succeed();
            return Some((client.io, client.unread));
        }
        drop(attempt);
        client.close(CloseCode::Policy).await;
        None
    }

    /// The client's side of an upgrade, which the library sees afterwards.
    async fn choose<S>(&self, client: &mut Client<S>, session: &str, attempt: &UpgradeAttempt) -> Option<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut is_probed = false;
        loop {
            // A client that has its probe answered polls no more until it has chosen: from then on its attempt is not given up.
            let packet = tokio::select! {
                () = self.0.draining.cancelled(), if !is_probed => None,
                packet = client.next() => packet,
            }?;
            let is_chosen = match packet.as_slice() {
                b"2probe" => false,
                b"5" => true,
                _ => return None,
            };
            if !attempt.prove() {
                return None;
            }
            self.0.waiting.upgrade(session).await;
            if !is_chosen {
                client.send(frame::TEXT, b"3probe").await?;
                is_probed = true;
            }
            // Afterwards: a client whose poll ends before it has the answer begins another one, and has to wait for that.
            attempt.release_polls();
            if is_chosen {
                return Some(());
            }
        }
    }
}

/// A client that has not chosen its WebSocket yet.
struct Client<S> {
    io: S,
    unread: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn new(io: S) -> Self {
        Self { io, unread: Vec::new() }
    }

    /// The next packet; nothing when the connection ends or brings what does not belong here.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let Some(head) = Head::parse(&self.unread) else {
                self.read().await?;
                continue;
            };
            if head.mask.is_none() || head.reserved != 0 || !head.is_final || head.length > FRAME {
                return None;
            }
            let Some(payload) = head.payload(&self.unread) else {
                self.read().await?;
                continue;
            };
            self.unread.drain(..head.size + payload.len());
            match head.opcode {
                frame::TEXT => return Some(payload),
                frame::PING => self.send(frame::PONG, &payload).await?,
                frame::PONG => {}
                _ => return None,
            }
        }
    }

    async fn read(&mut self) -> Option<()> {
        let count = self.io.read_buf(&mut self.unread).await.ok()?;
        (count > 0).then_some(())
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) -> Option<()> {
        self.io.write_all(&frame::build(opcode, payload, false)).await.ok()?;
        self.io.flush().await.ok()
    }

    /// Ends the WebSocket.
    async fn close(mut self, code: CloseCode) {
        // What is so short fits, unless the client is gone.
        let _ = self.send(frame::CLOSE, &u16::from(code).to_be_bytes()).await;
        let _ = self.io.shutdown().await;
    }
}

/// What proves to a client that a WebSocket is spoken here, or why it is not (RFC 6455, section 4.2.1).
fn accept_key(version: Version, headers: &HeaderMap) -> Result<HeaderValue, Box<Response>> {
    let lists = |name: header::HeaderName, token: &str| {
        let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|listed| listed.trim().eq_ignore_ascii_case(token))
    };
    let bad_request = || Box::new(refusal(r#"{"code":"3","message":"Bad request"}"#));
    if version != Version::HTTP_11 || !lists(header::CONNECTION, "upgrade") || !lists(header::UPGRADE, "websocket") {
        return Err(bad_request());
    }
    let versions: Vec<_> = headers.get_all(header::SEC_WEBSOCKET_VERSION).iter().collect();
    if versions != [VERSION] {
        let headers = [(header::SEC_WEBSOCKET_VERSION, VERSION), (header::UPGRADE, "websocket")];
        return Err(Box::new((StatusCode::UPGRADE_REQUIRED, headers).into_response()));
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else { return Err(bad_request()) };
    let is_key = STANDARD.decode(key.as_bytes()).is_ok_and(|nonce| nonce.len() == 16);
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    accept.ok().filter(|_| is_key).ok_or_else(bad_request)
}
