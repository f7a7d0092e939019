//! Socket.IO: the only place that names socketioxide.
//!
//! A socket's way: [`handshake`] decides in a connect middleware whether it may come in and opens its [`inbox`]; then its
//! [`socket_task`] sends `connected`, replays what was missed, and works through the inbox in order, one event after the other,
//! by way of [`dispatch`]. What comes back travels through the feed and out by its [`transport`].
//!
//! What this guards against was measured on socketioxide 0.18.9 and has a regression test each: asynchronous handlers of
//! one socket run out of order, so the handler here is synchronous and only queues; handlers registered in the connect
//! handler miss the first events, so it is registered in the middleware; data that does not parse skips a typed handler, so
//! the packet is taken raw; room broadcasts drop packets silently when a socket is behind, so none are used; a polling answer
//! has all that waits, which is more than some clients take, so [`polling`] hands it out in portions. What else of Engine.IO
//! and of packets it does not do as the protocol says is done in front of it, by [`engine`].

mod advance;
mod attend;
mod backlog;
mod binary_attachments;
mod dispatch;
mod engine;
mod engine_session;
mod guest;
mod handshake;
mod inbox;
mod join;
mod missed;
mod packet;
mod polling;
mod socket_context;
mod socket_task;
mod transport;

use std::{future::ready, sync::Arc, time::Duration};

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::any,
};
use socketioxide::{ParserConfig, SocketIo, extract::SocketRef, handler::ConnectHandler};

use self::{
    engine::{Engine, Nowhere},
    engine_session::EngineSessions,
    packet::AuthObject,
};
use crate::{app::App, contract::event::SocketEvent, listener::engine_io};

/// Binary attachments of one packet. No event takes any; a client library may still send some.
const ATTACHMENTS: usize = 10;

/// How long sockets get to receive that event and their last answers before they are closed.
const CLOSE_DELAY: Duration = Duration::from_millis(500);

/// The longest delay after which a client is asked to reconnect, so that not all come at once.
const RETURN_JITTER_MS: u64 = 2_000;

/// What the socket layer works with.
#[derive(Clone, Debug)]
struct Realtime {
    app: Arc<App>,
}

/// All sockets, to drain them.
#[derive(Debug)]
pub struct SocketServer(SocketIo);

/// The routes of Socket.IO.
pub fn router(app: &Arc<App>) -> (Router<Arc<App>>, SocketServer) {
    let config = &app.config.realtime;
    let millis = Duration::from_millis;
    let (service, io) = SocketIo::builder()
        .ping_interval(millis(config.ping_interval_ms))
        .ping_timeout(millis(config.ping_timeout_ms))
        .connect_timeout(millis(config.connect_timeout_ms))
        .max_buffer_size(config.buffer_packets)
        .max_payload(config.packet_bytes as u64)
        .ws_max_message_size(config.packet_bytes + engine::GROWTH)
        .ws_max_frame_size(config.packet_bytes + engine::GROWTH)
        .with_parser(
            ParserConfig::common().max_incoming_binaries(ATTACHMENTS).max_incoming_binary_buf_size(config.packet_bytes),
        )
        .build_with_inner_svc(Nowhere);
    let poll_timeout = millis(config.ping_interval_ms + config.ping_timeout_ms);
    let sessions = EngineSessions::new(config.connect_timeout(), poll_timeout);
    let realtime = Realtime { app: Arc::clone(app) };
    let (admitting, opening) = (realtime.clone(), realtime);
    let admit = move |socket: SocketRef, handshake: AuthObject| handshake::admit(admitting.clone(), socket, handshake);
    let open = move |socket: SocketRef| {
        handshake::open(&opening, &socket);
        ready(())
    };
    io.ns("/", open.with(admit));
    let waiting = Arc::<polling::Waiting>::default();
    let engine = Engine::new(service, Arc::clone(&waiting), app);
    let packet_timeout = Duration::from_secs(app.config.server.request_timeout_seconds);
    let routes = engine_io::ROUTES.iter().fold(Router::new(), |router, path| router.route(path, any(engine::serve)));
    let router = routes
        .with_state(engine)
        .layer(from_fn_with_state(waiting, polling::portion))
        .layer(from_fn_with_state(sessions, attend::attend))
        .layer(from_fn_with_state(packet_timeout, engine::limit_packets))
        .layer(from_fn(engine::keep_from_caches));
    (router, SocketServer(io))
}

/// The event that announces the end of this node. Each socket gets another delay after which to connect again.
fn draining_event() -> SocketEvent {
    SocketEvent::ServerDraining { retry_after_ms: rand::random_range(1..=RETURN_JITTER_MS) }
}

impl SocketServer {
    /// Tells every socket that the server stops, gives it time for its last answers, and closes it. Polling sockets must still
    /// be able to connect meanwhile.
    pub async fn drain(self, app: &App) {
        for socket in app.sockets.all() {
            socket.send(&draining_event());
        }
        tokio::time::sleep(CLOSE_DELAY).await;
        self.0.close().await;
    }
}
