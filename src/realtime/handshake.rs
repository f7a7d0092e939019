//! Admission of sockets. Everything that can refuse a socket happens in the connect middleware, before CONNECT is answered.

use std::{
    fmt,
    future::ready,
    sync::{Arc, Weak},
};

use axum::http::request::Parts;
use parking_lot::Mutex;
use serde::Deserialize;
use socketioxide::{
    adapter::LocalAdapter,
    extract::SocketRef,
    handler::DisconnectHandler,
    socket::{DisconnectReason, Socket},
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Realtime,
    engine_session::EngineSession,
    guest::{Guest, Served, register},
    inbox::{self, Inbox, Item},
    packet::{Ack, AuthObject, Packet, Reply},
    socket_context::TIMEOUT,
    socket_task,
    transport::Wire,
};
use crate::{
    auth::credentials,
    chat,
    contract::{ErrorCode, FieldError},
    error::{Error, Result},
    fanout::sockets::SlotOwner,
    limits::{Action, Crowd, HandshakeTicket},
    media::base_url::BaseUrl,
    telemetry::{self, RequestSpan},
};

const NO_TOKEN: Error =
    Error::Refused(ErrorCode::Unauthorized, "no token: give it as auth.token, or in the header Authorization: Bearer");

/// A refusal as CONNECT_ERROR carries it: one string, the code.
pub(super) struct Refused(ErrorCode);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A socket that was let in and is not served yet. It waits in the socket's extensions, and goes with the socket should
/// that never be served.
#[derive(Clone)]
struct Admitted(Arc<Mutex<Option<Guest>>>);

/// Admits a socket, or answers why not.
pub(super) async fn admit(realtime: Realtime, socket: SocketRef, auth: AuthObject) -> Result<(), Refused> {
    let engine_session = engine_session(&socket);
    if let Some(session) = engine_session {
        session.connects().take();
    }
    let considered = timeout(TIMEOUT, consider(&realtime, &socket, auth)).await;
    let Err(error) = considered.unwrap_or(Err(Error::IN_DOUBT)) else { return Ok(()) };
    if let Some(session) = engine_session {
        session.connects().answer(false);
    }
    error.record();
    let code = error.code();
    metrics::counter!("parlour_connects_refused_total", "code" => code.as_str()).increment(1);
    if let Some(RequestSpan(span)) = socket.req_parts().extensions.get() {
        // CONNECT_ERROR has room for the code alone.
        telemetry::refused(span, "CONNECT", code.status(), Some(code), Some(&reason(&error)));
    }
    if !is_final(error.code()) {
        // Clients do not reconnect after a refusal, but after the end of a transport.
        if let Some(session) = engine_session {
            session.close();
        }
        // The client would still see a refusal that came before the end.
        sleep(realtime.app.config.realtime.connect_timeout()).await;
    }
    Err(Refused(error.code()))
}

/// Why a socket was refused. Of a field that does not fit only its name and its rule, not what was sent: that may be a secret.
fn reason(error: &Error) -> String {
    let Error::Validation(fields) = error else { return error.to_string() };
    let name = |field: &FieldError| field.field.split(['.', '[']).next().unwrap_or_default().to_owned();
    let fields: Vec<String> = fields.iter().map(|field| format!("{}: {}", name(field), field.code)).collect();
    fields.join(", ")
}

/// Whether reconnecting would not help: the client or its user has to change something.
fn is_final(code: ErrorCode) -> bool {
    matches!(code.status(), 401 | 403 | 422)
}

/// The Engine.IO session that carries a socket.
fn engine_session(socket: &SocketRef) -> Option<&Arc<EngineSession>> {
    socket.req_parts().extensions.get()
}

async fn consider(realtime: &Realtime, socket: &SocketRef, auth: AuthObject) -> Result<()> {
    let app = &realtime.app;
    if app.draining.is_cancelled() {
        return Err(Error::DRAINING);
    }
    let parts = socket.req_parts();
    let session = engine_session(socket).ok_or_else(|| Error::internal("a socket without its Engine.IO session"))?;
    let token = token(&auth, parts, app.config.auth.allow_query_token).ok_or(NO_TOKEN)?;
    let actor = app.auth.authenticate(&token).await?;
    let handshake = auth.handshake();
    let cursors = handshake.as_ref().map_or(0, |handshake| handshake.cursors.len());
    app.limits.charge(Action::Connect { cursors }, actor.user_id).await?;
    let handshake = handshake?;
    Error::check([chat::sync::check_cursors(&handshake.cursors)])?;
    let (user, is_invisible) = chat::user::seen_by_contacts(&app.chat, actor.user_id).await?;
    let rooms = chat::room::subscriptions(&app.chat, actor.user_id).await?;
    let rooms = rooms.into_iter().map(|(room, subscription)| (room, subscription.head)).collect();

    // From here on nothing refuses: another socket ends only for one that is admitted.
    let (slots, user_id) = (&app.sockets.slots, actor.user_id);
    let owner: Weak<dyn SlotOwner> = Arc::downgrade(&(Arc::clone(session) as Arc<dyn SlotOwner>));
    let (slot, mut is_crowded) = slots.take(user_id, app.limits.sockets_per_user(), owner);
    match app.limits.socket(user_id, slots.of(user_id)).await {
        Crowd::Fits => {}
        Crowd::TooMany { here } => {
            is_crowded = true;
            for _ in 0..here {
                slots.evict(user_id, Some(&slot));
            }
        }
    }
    // Who makes a new socket of each that ends is still slowed by the limit of handshakes.
    if let Some(ticket) = parts.extensions.get::<HandshakeTicket>().filter(|_| !is_crowded) {
        ticket.release();
    }
    let (inbox, items) = inbox::open(app.config.realtime.inbox_events);
    session.enter(slot, inbox.load());
    let gone = CancellationToken::new();
    listen(socket, inbox, gone.clone(), session);
    let guest = Guest { actor, token, user, is_invisible, handshake, rooms, items, gone };
    socket.extensions.insert(Admitted(Arc::new(Mutex::new(Some(guest)))));
    Ok(())
}

/// Registers the handlers. Each does its work before it returns the future that the library spawns: the wire's order is
/// the inbox's.
fn listen(socket: &SocketRef, inbox: Inbox, gone: CancellationToken, session: &Arc<EngineSession>) {
    socket.on_fallback(move |socket: SocketRef, packet: Packet, ack: Ack| {
        if let Err(Item { packet, ack, .. }) = inbox.push(Item { packet, ack, at: Instant::now() }) {
            overflow(&socket, &packet, ack);
        }
        ready(())
    });
    socket.on_disconnect(Departure { gone, session: Arc::downgrade(session) });
}

/// Notes that a socket is gone, and removes it from its namespace at once: the library would do that a moment later, and ignore a CONNECT
/// that comes before.
struct Departure {
    gone: CancellationToken,
    session: Weak<EngineSession>,
}

impl DisconnectHandler<LocalAdapter, ()> for Departure {
    fn call_with_defer(
        &self,
        socket: Arc<Socket<LocalAdapter>>,
        reason: DisconnectReason,
        leave: fn(Arc<Socket<LocalAdapter>>),
    ) {
        self.gone.cancel();
        let has_stayed = matches!(reason, DisconnectReason::ClientNSDisconnect | DisconnectReason::ServerNSDisconnect);
        if has_stayed && let Some(session) = self.session.upgrade() {
            session.leave();
        }
        leave(socket);
    }
}

/// Answers an event for which the inbox has no room.
fn overflow(socket: &SocketRef, packet: &Packet, ack: Ack) {
    let Some(registered) = socket.extensions.get::<Served>().and_then(|served| served.0.upgrade()) else {
        return;
    };
    let event = packet.read().map(|(name, _)| name).unwrap_or_default();
    let reply = Reply { ack, wants_ack: packet.wants_ack(), socket: registered };
    let retry_after = std::time::Duration::from_secs(1);
    reply.send::<()>(&event, Err(Error::RateLimited { retry_after }));
}

/// Serves an admitted socket; CONNECT has just been answered.
pub(super) fn open(realtime: &Realtime, socket: &SocketRef) {
    if let Some(session) = engine_session(socket) {
        session.connects().answer(true);
    }
    let guest = socket.extensions.remove::<Admitted>().and_then(|Admitted(guest)| guest.lock().take());
    let Some(guest) = guest else { return };
    let Some(session) = engine_session(socket) else { return };
    let wire = Wire::new(socket.clone(), Arc::clone(session), realtime.app.config.realtime.buffer_bytes);
    let app = &realtime.app;
    let base_url = socket.req_parts().extensions.get::<BaseUrl>().cloned().unwrap_or_else(|| app.base_url());
    let urls = (app.chat.files().signer.clone(), base_url);
    let registered = register(&guest, urls, Box::new(wire));
    session.serves(&registered);
    socket.extensions.insert(Served(Arc::downgrade(&registered)));
    tokio::spawn(socket_task::serve(Arc::clone(&realtime.app), guest, registered));
}

/// The token of a handshake: `auth.token`, the `Authorization` header, or `?token=` where that is allowed.
fn token(auth: &AuthObject, parts: &Parts, allow_query: bool) -> Option<String> {
    #[derive(Deserialize)]
    struct TokenQuery {
        token: Option<String>,
    }
    let header = || credentials(&parts.headers, "Bearer").map(str::to_owned);
    let query = || {
        let query = axum::extract::Query::<TokenQuery>::try_from_uri(&parts.uri).ok()?;
        query.0.token.filter(|_| allow_query)
    };
    auth.token().filter(|token| !token.is_empty()).or_else(header).or_else(query)
}
