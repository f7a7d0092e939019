//! Joining and leaving rooms, and asking for what was missed of them.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{advance::Advance, socket_context::SocketContext};
use crate::{
    chat,
    contract::{
        Seq,
        command::{JoinRoom, JoinedRoom, LeaveRoom, LeftRoom, Sync, Synced},
    },
    error::{Error, Result},
};

/// How long a replay of `join_room` may take, and how long before the timeout of the event it must end.
const REPLAY: Duration = Duration::from_secs(6);
const AFTER_REPLAY: Duration = Duration::from_secs(1);

/// Joins a room: what the user missed of it is replayed to the socket, then it receives what happens there.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`, `TOO_MANY_ROOMS`, `RATE_LIMITED`, `RESYNC_REQUIRED`.
pub(super) async fn join_room(session: &SocketContext, request: JoinRoom, by: Instant) -> Result<JoinedRoom> {
    let JoinRoom { room_id, after_seq } = request;
    if after_seq.is_some_and(|seq| seq < 0) {
        return Err(Error::field("after_seq", "range", "must be 0 or more"));
    }
    let app = &session.app;
    let limit = app.config.realtime.replay_events;
    let subscription = chat::room::may_subscribe(&app.chat, session.actor.user_id, room_id).await?;
    session.may_join_another(room_id)?;
    let after = after_seq.map(|after| subscription.after(Seq(after)));
    let missed = after.map_or(0, |after| subscription.missed(after, limit));
    let user = session.actor.user_id;
    let advance = Advance::take(app, user, missed).await?;
    // A slow client must page through the rest, before its event times out.
    let until = (Instant::now() + REPLAY).min(by - AFTER_REPLAY).into_std();
    let attached = app.feed.attach_by(&session.socket, room_id, after, subscription, (limit, Some(until))).await;
    let replayed = attached.as_ref().map_or(0, |attached| attached.replayed);
    advance.settle(replayed).await;
    let attached = attached?;
    app.typing.show_to(room_id, &session.socket);
    if let Some(after) = after {
        let cursors = HashMap::from([(room_id, after)]);
        let times = chat::catch_up::times(&app.chat, &cursors).await?;
        session.send_missed(&cursors, &times, Some(until)).await?;
    }
    Ok(JoinedRoom { room_id, last_seq: attached.last_seq, replayed: attached.replayed })
}

/// Answers what a client missed of its rooms. The largest possible answer is charged before it is read; the difference is refunded.
pub(super) async fn sync(session: &SocketContext, request: Sync) -> Result<Synced> {
    let (app, user) = (&session.app, session.actor.user_id);
    // One in advance: with nothing left, the request is refused before it costs anything.
    let advance = Advance::take(app, user, 1).await?;
    let bytes = session.socket.answer_bytes();
    let synced = chat::sync::sync(&app.chat, &session.actor, request, bytes, async |most| {
        advance.take_more(most.saturating_sub(1)).await
    })
    .await;
    let read = synced.iter().flat_map(|synced| &synced.rooms).map(|room| room.events.len()).sum();
    advance.settle(read).await;
    synced
}

pub(super) async fn leave_room(session: &SocketContext, LeaveRoom { room_id }: LeaveRoom) -> Result<LeftRoom> {
    session.app.feed.detach(session.socket.id, room_id).await;
    session.app.typing.left(room_id, session.socket.id);
    Ok(LeftRoom { room_id })
}
