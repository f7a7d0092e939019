//! What the events of a socket are handled with.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    app::App,
    auth::Actor,
    chat::{self, room::Subscription},
    contract::{ErrorCode, RoomId, Seq},
    error::{Error, Result},
    fanout::sockets::Socket,
};

/// The timeout of an event, from when it came or from the end of the replay for which it waited. A change that was begun continues, but
/// the client is answered.
pub(super) const TIMEOUT: Duration = Duration::from_secs(9);

/// A socket that is being served, with what its events are handled with.
pub(super) struct SocketContext {
    pub(super) app: Arc<App>,
    pub(super) actor: Actor,
    pub(super) socket: Arc<Socket>,
    /// Whether the end of the present token was announced.
    pub(super) notified: bool,
    /// When it began to handle events: what came during its replay waited for that.
    pub(super) ready_at: Instant,
}

impl SocketContext {
    /// The subscription to a room that was not the user's when their rooms were read. The database is asked only about rooms that they
    /// joined since: a client may name a thousand others.
    pub(super) async fn new_subscription(&self, room: RoomId) -> Result<Subscription> {
        let user = self.actor.user_id;
        if !self.app.sockets.is_member(user, room) {
            return Err(Error::ROOM_NOT_FOUND);
        }
        chat::room::may_subscribe(&self.app.chat, user, room).await
    }

    /// Joins a room, and replays what follows `after`, within so many events; answers how many were replayed.
    pub(super) async fn attach(
        &self,
        room: RoomId,
        after: Option<Seq>,
        subscription: Subscription,
        budget: usize,
    ) -> Result<usize> {
        self.may_join_another(room)?;
        let limit = self.app.config.realtime.replay_events.min(budget);
        let attached = self.app.feed.attach(&self.socket, room, after, subscription, limit).await?;
        self.app.typing.show_to(room, &self.socket);
        Ok(attached.replayed)
    }

    /// Refuses a room beyond the socket's limit.
    pub(super) fn may_join_another(&self, room: RoomId) -> Result<()> {
        let full = self.socket.joined_count() >= self.app.config.realtime.rooms_per_socket;
        if full && !self.socket.has_joined(room) {
            return Err(Error::Refused(
                ErrorCode::TooManyRooms,
                "this socket has joined the largest number of rooms allowed",
            ));
        }
        Ok(())
    }

    /// The socket goes on with a newer token of the same user.
    pub(super) async fn renew(&mut self, token: &str) -> Result<()> {
        let actor = self.app.auth.authenticate(token).await?;
        if actor.user_id != self.actor.user_id {
            return Err(Error::Refused(ErrorCode::PermissionDenied, "the token belongs to another user"));
        }
        self.socket.adopt(actor.session_id);
        self.actor = actor;
        self.notified = false;
        // A login that was ended before the socket had it ended no socket: so it is checked again.
        self.app.auth.authenticate(token).await.map(drop).inspect_err(|error| self.socket.revoke(error.code()))
    }
}
