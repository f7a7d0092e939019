//! A socket from `connected` to its end.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

use super::{
    dispatch::{self, Handled},
    guest::Guest,
    inbox::Item,
    packet::Reply,
    socket_context::{SocketContext, TIMEOUT},
};
use crate::{
    app::App,
    chat::{self, room::Subscription},
    clock,
    contract::{
        ClientEvent, ErrorCode, RoomId, Seq, Timestamp,
        command::RoomScope,
        event::{Limits, SocketEvent},
        text,
    },
    error::{Error, Result},
    fanout::sockets::Socket,
    limits::{Action, Budget},
};

/// Messages of one socket that may be queued for the log at once.
const PIPELINE: usize = 1024;

/// How long a socket waits after an event that was too many. With a full inbox of them, still less than [`TIMEOUT`].
const REFUSED_PAUSE: Duration = Duration::from_millis(2);

/// Rooms that a socket joins by itself when it asks for all.
const ALL_ROOMS: usize = 1_000;

/// Events of a socket that are handled and not answered yet.
type Underway = FuturesUnordered<BoxFuture<'static, ()>>;

/// Serves a socket until it is gone. Whatever fails, the socket is removed: otherwise its client would wait for ever, and its user would
/// seem to be online.
pub(super) async fn serve(app: Arc<App>, guest: Guest, socket: Arc<Socket>) {
    let span = tracing::info_span!("socket", socket = socket.id.0, user = %socket.user.id);
    let mut session =
        SocketContext { app, actor: guest.actor.clone(), socket, notified: false, ready_at: Instant::now() };
    async {
        tracing::debug!("connected");
        if AssertUnwindSafe(session.run(guest)).catch_unwind().await.is_err() {
            // What it panicked with is in the log already.
            tracing::error!("the task of a socket panicked; ending its connection");
            session.socket.kill();
        }
        session.depart().await;
        tracing::debug!("gone");
    }
    .instrument(span)
    .await;
}

impl SocketContext {
    async fn run(&mut self, mut guest: Guest) {
        let rooms = guest.rooms.keys().copied();
        self.app.sockets.enter(&self.socket, rooms, guest.is_invisible, |_| self.greet());
        // Only now: what nobody looks at is forgotten.
        self.app.reconciliation.note_ends(guest.rooms.iter().map(|(room, end)| (*room, *end)));
        if self.app.draining.is_cancelled() {
            // The event may have been sent just before this socket was in the index.
            self.socket.send(&super::draining_event());
        }
        // A long replay takes as long as its client, but it ends with the socket and with the token.
        let settled = tokio::select! {
            biased;
            () = guest.gone.cancelled() => Ok(()),
            () = tokio::time::sleep(self.token_left()) => Ok(()),
            settled = self.join_rooms_asked_for(&guest) => settled,
        };
        self.ready_at = Instant::now();
        if let Err(error) = settled {
            error.record();
            match error.code() {
                code if code.status() == 401 => self.socket.revoke(code),
                // Clients reconnect after the end of a transport, but not after a disconnect by the server.
                _ => self.socket.kill(),
            }
        }

        let mut underway = Underway::new();
        let gone = guest.gone.clone();
        loop {
            tokio::select! {
                biased;
                () = gone.cancelled() => break,
                () = tokio::time::sleep_until(self.next_expiry()) => self.announce_expiry(),
                Some(()) = underway.next() => {}
                item = guest.items.next(), if underway.len() < PIPELINE => match item {
                    Some(item) => self.handle_beside(&mut underway, item).await,
                    None => break,
                },
            }
        }
        // What arrived before the client left is done all the same; it may not have waited for the answers.
        guest.items.close();
        while let Some(item) = guest.items.next().await {
            self.handle_beside(&mut underway, item).await;
        }
        while underway.next().await.is_some() {}
    }

    /// The first event.
    fn greet(&self) {
        let config = &self.app.config;
        self.socket.send(&SocketEvent::Connected {
            user_id: self.actor.user_id,
            message: "connected",
            session_id: self.actor.session_id.to_string(),
            server_time: clock::now(),
            expires_at: self.actor.expires_at,
            limits: Limits {
                content_chars: text::CONTENT_CHARS,
                packet_bytes: config.realtime.packet_bytes,
                replay_events: config.realtime.replay_events,
                rooms_per_socket: config.realtime.rooms_per_socket,
                messages_per_minute: config.limits.enabled.then_some(config.limits.messages_per_minute),
            },
        });
    }

    /// Joins the rooms that the handshake asked for, replaying what was missed.
    async fn join_rooms_asked_for(&self, guest: &Guest) -> Result<()> {
        // A revocation between admission and the index found no socket to end: so check again.
        self.app.auth.authenticate(&guest.token).await?;
        let user = self.actor.user_id;
        let rooms = chat::room::subscriptions(&self.app.chat, user).await?;
        self.note_new_rooms(&rooms);
        self.app.presences.arrive(user).await;

        let subscriptions: HashMap<RoomId, Subscription> = rooms.iter().copied().collect();
        let asked =
            guest.handshake.cursors.iter().filter_map(|(room, after)| Some((*subscriptions.get(room)?, Seq(*after))));
        let mut budget = self.granted(asked).await;
        for (room, after) in &guest.handshake.cursors {
            let subscription = match subscriptions.get(room) {
                Some(subscription) => Ok(*subscription),
                None => self.new_subscription(*room).await,
            };
            let caught_up = match subscription {
                Ok(subscription) => self.catch_up(*room, subscription, Seq(*after), budget).await,
                Err(error) => Err(error),
            };
            match caught_up {
                Ok(replayed) => budget = budget.saturating_sub(replayed),
                Err(error) if error.code() == ErrorCode::TooManyRooms => {}
                Err(error) if error.code() == ErrorCode::RoomNotFound => {
                    self.socket.send_reliably(&SocketEvent::RoomLeft { room_id: *room, user_id: user });
                }
                Err(error) => return Err(error),
            }
        }
        self.app.limits.refund(Budget::Missed, user, budget).await;
        let cursors: HashMap<RoomId, Seq> =
            guest.handshake.cursors.iter().map(|(room, seq)| (*room, Seq(*seq))).collect();
        let mut times = chat::catch_up::times(&self.app.chat, &cursors).await?;
        if guest.handshake.rooms == RoomScope::All {
            let others = rooms.into_iter().filter(|(room, _)| !cursors.contains_key(room)).take(ALL_ROOMS);
            let others: Vec<(RoomId, Subscription)> = others.collect();
            let new =
                if cursors.is_empty() { HashSet::new() } else { self.show_new_rooms(guest, &others, &times).await? };
            let asked = others.iter().filter(|(room, _)| new.contains(room));
            let mut budget = self.granted(asked.map(|(_, subscription)| (*subscription, Seq::ZERO))).await;
            for (room, subscription) in others {
                let is_new = new.contains(&room);
                // What was said since the admission was not missed.
                let after = if is_new { Some(Seq::ZERO) } else { guest.rooms.get(&room).copied() };
                let limit = if is_new { budget } else { self.app.config.realtime.replay_total };
                match self.attach(room, after, subscription, limit).await {
                    Ok(replayed) if is_new => budget = budget.saturating_sub(replayed),
                    Ok(_) => {}
                    Err(error) if matches!(error.code(), ErrorCode::RoomNotFound | ErrorCode::TooManyRooms) => {}
                    Err(error) => return Err(error),
                }
            }
            self.app.limits.refund(Budget::Missed, user, budget).await;
        }
        times.retain(|room, _| self.socket.has_joined(*room));
        self.send_missed(&cursors, &times, None).await
    }

    /// Announces rooms that the user joined between admission and the index.
    fn note_new_rooms(&self, rooms: &[(RoomId, Subscription)]) {
        let user = self.socket.user.id;
        let known = self.app.sockets.rooms_of(user).unwrap_or_default();
        let delivery = self.app.delivery();
        for (room, subscription) in rooms.iter().filter(|(room, _)| !known.contains(room)) {
            delivery.gain(user, *room, subscription.joined);
        }
    }

    /// Handles an event; those that are underway are answered meanwhile.
    async fn handle_beside(&mut self, underway: &mut Underway, item: Item) {
        let handling = self.handle(item);
        tokio::pin!(handling);
        loop {
            tokio::select! {
                biased;
                later = &mut handling => {
                    underway.extend(later);
                    return;
                }
                Some(()) = underway.next() => {}
            }
        }
    }

    /// Handles an event, and answers it; what is still underway then answers by itself.
    async fn handle(&mut self, Item { packet, ack, at }: Item) -> Option<BoxFuture<'static, ()>> {
        let reply = Reply { ack, wants_ack: packet.wants_ack(), socket: Arc::clone(&self.socket) };
        if self.socket.is_revoked() {
            reply.send::<()>("", Err(Error::UNAUTHORIZED));
            return None;
        }
        let (event, payload) = match packet.read() {
            Ok(read) => read,
            Err(malformed) => {
                let charged = self.app.limits.charge(Action::Event(None), self.actor.user_id).await;
                reply.send::<()>("", Err(charged.err().unwrap_or(malformed)));
                return None;
            }
        };
        let started = Instant::now();
        let by = at.max(self.ready_at) + TIMEOUT;
        if started >= by {
            reply.send::<()>(&event, Err(Error::Unavailable("the events before it took too long".into())));
            return None;
        }
        let handling = AssertUnwindSafe(dispatch::handle(self, &event, &payload, by)).catch_unwind();
        let handled = match timeout_at(by, handling).await {
            Ok(Ok(handled)) => handled,
            Ok(Err(_)) => Err(Error::internal("a handler panicked")),
            Err(_) => Err(Error::IN_DOUBT),
        };
        measure(&event, started, handled.as_ref().err().map(Error::code));
        match handled {
            Ok(Handled::Now(data)) => reply.send(&event, Ok(data)),
            Ok(Handled::Echo(data)) => reply.echo(&event, &data, packet.attachments()),
            Ok(Handled::Later(answer)) => return Some(answer(event, reply, by)),
            Err(error) => {
                let is_limited = error.code() == ErrorCode::RateLimited;
                reply.send::<()>(&event, Err(error));
                if is_limited {
                    // A client that does not slow down is slowed down, or refusals would keep the server busy.
                    sleep(REFUSED_PAUSE).await;
                }
            }
        }
        None
    }

    /// How long its token is still valid.
    fn token_left(&self) -> Duration {
        self.actor.expires_at.since(clock::now())
    }

    /// When `session_expiring` must be sent, or the token expires.
    fn next_expiry(&self) -> Instant {
        let left = self.token_left();
        let wait = if self.notified { left } else { left.saturating_sub(self.app.config.expiry_notice()) };
        Instant::now() + wait.min(Duration::from_secs(24 * 60 * 60))
    }

    fn announce_expiry(&mut self) {
        let left = self.token_left();
        if left.is_zero() {
            self.socket.revoke(ErrorCode::TokenExpired);
            // The socket's end is on its way; there is nothing more to announce.
            self.actor.expires_at = Timestamp(i64::MAX);
        } else if !self.notified && left <= self.app.config.expiry_notice() {
            self.socket.send(&SocketEvent::SessionExpiring { expires_at: self.actor.expires_at });
            self.notified = true;
        }
    }

    /// Leaves every room, and the node.
    async fn depart(&self) {
        for room in self.app.sockets.close(&self.socket) {
            self.app.feed.detach(self.socket.id, room).await;
        }
        self.app.typing.gone(&self.socket);
        if self.app.sockets.leave(&self.socket) {
            self.app.presences.depart(self.actor.user_id);
        }
    }
}

/// Counts and times an event. Names that are no event's have one label together.
fn measure(event: &str, started: Instant, refused: Option<ErrorCode>) {
    let event = ClientEvent::named(event).map_or("unknown", ClientEvent::name);
    metrics::histogram!("parlour_event_duration_seconds", "event" => event).record(started.elapsed().as_secs_f64());
    let code = refused.map_or("OK", ErrorCode::as_str);
    metrics::counter!("parlour_events_total", "event" => event, "code" => code).increment(1);
}
