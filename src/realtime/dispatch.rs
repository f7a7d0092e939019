//! Every event that a client may emit, on one page.

use std::{collections::HashMap, time::Duration};

use futures_util::future::BoxFuture;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::{packet::Reply, session::Session};
use crate::{
    chat::{self, log::Answer},
    contract::{
        ErrorCode, Seq,
        command::{
            Authenticate, Authenticated, ChangeReaction, DeleteMessage, Done, EditMessage, EditedMessage, GetPresence,
            JoinRoom, JoinedRoom, LeaveRoom, LeftRoom, MarkAsRead, PresenceList, SentMessage, SetStatus, StoredMessage,
            Typing,
        },
        decode,
        event::Encoded,
        message::SendMessage,
    },
    error::{Error, Result},
};

/// How long a joining may replay what was missed.
const REPLAY: Duration = Duration::from_secs(6);

/// What came of an event.
pub(super) enum Handled {
    /// Its answer.
    Now(Encoded),
    /// Its answer is what came, its attachments included.
    Echo(Encoded),
    /// It is on its way into the log, and answered when it is there, or at that time; meanwhile the next event is handled.
    Later(Box<dyn FnOnce(String, Reply, Instant) -> BoxFuture<'static, ()> + Send>),
}

/// Handles an event by its name.
pub(super) async fn handle(session: &mut Session, event: &str, arguments: &[&RawValue]) -> Result<Handled> {
    if session.app.draining.is_cancelled() {
        return Err(Error::DRAINING);
    }
    let payload = || match arguments {
        [only] => Ok(*only),
        _ => Err(Error::field("payload", "count", "this event takes one payload")),
    };
    match event {
        "join_room" => now(join_room(session, read(payload()?)?).await?),
        "leave_room" => now(leave_room(session, read(payload()?)?).await),
        "send_message" => send_message(session, payload()?).await,
        "edit_message" | "message_edited" => now(edit_message(session, read(payload()?)?).await?),
        "delete_message" | "message_deleted" => {
            let DeleteMessage { message_id } = read(payload()?)?;
            count_change(session).await?;
            now(chat::message::delete(&session.app.chat, &session.actor, message_id).await?)
        }
        "add_reaction" => {
            let ChangeReaction { message_id, emoji } = read(payload()?)?;
            count_change(session).await?;
            now(chat::reaction::add(&session.app.chat, &session.actor, message_id, &emoji).await?)
        }
        "remove_reaction" => {
            let ChangeReaction { message_id, emoji } = read(payload()?)?;
            count_change(session).await?;
            now(chat::reaction::remove(&session.app.chat, &session.actor, message_id, &emoji).await?)
        }
        "typing" => now(typing(session, read(payload()?)?).await?),
        "stop_typing" => now(typing(session, Typing { is_typing: Some(false), ..read(payload()?)? }).await?),
        "mark_as_read" => {
            let MarkAsRead { room_id, mark } = read(payload()?)?;
            now(chat::receipt::mark(&session.app.chat, &session.actor, room_id, mark).await?)
        }
        "sync" => {
            let synced = chat::sync::sync(
                &session.app.chat,
                &session.actor,
                read(payload()?)?,
                session.connection.answer_bytes(),
            )
            .await?;
            let events = synced.rooms.iter().map(|room| room.events.len()).sum();
            session.app.limits.missed(session.actor.user_id, events).await?;
            now(synced)
        }
        "get_presence" => now(get_presence(session, read(payload()?)?).await?),
        "set_status" => {
            let SetStatus { status } = read(payload()?)?;
            session.app.presences.choose(session.actor.user_id, status).await;
            now(Done {})
        }
        "authenticate" => now(authenticate(session, read(payload()?)?).await?),
        "ping" => Ok(Handled::Echo(Encoded::new(&arguments.first().copied().unwrap_or(RawValue::NULL)))),
        _ => Err(Error::Refused(ErrorCode::UnknownEvent, "there is no such event")),
    }
}

/// A change counts as the REST request does that makes the same change.
async fn count_change(session: &Session) -> Result<()> {
    session.app.limits.rest(session.actor.user_id).await.map(|_| ())
}

fn read<T: DeserializeOwned>(payload: &RawValue) -> Result<T> {
    decode::json(payload.get().as_bytes(), "payload")
}

fn now(data: impl serde::Serialize) -> Result<Handled> {
    Ok(Handled::Now(Encoded::new(&data)))
}

async fn join_room(session: &Session, request: JoinRoom) -> Result<JoinedRoom> {
    let JoinRoom { room_id, after_seq } = request;
    if after_seq.is_some_and(|seq| seq < 0) {
        return Err(Error::field("after_seq", "range", "must be 0 or more"));
    }
    let app = &session.app;
    let limit = app.config.realtime.replay_events;
    let hearing = chat::room::may_hear(&app.chat, session.actor.user_id, room_id).await?;
    session.may_join_another(room_id)?;
    let after = after_seq.map(|after| hearing.after(Seq(after)));
    if let Some(after) = after {
        let missed = usize::try_from(hearing.end.0 - after.0).unwrap_or(0).min(limit);
        app.limits.missed(session.actor.user_id, missed).await?;
    }
    // A client that fetches slowly is told to page through the rest before its event has taken too long.
    let until = std::time::Instant::now() + REPLAY;
    let attached = app.feed.attach_by(&session.connection, room_id, after, hearing, (limit, Some(until))).await?;
    app.typing.show_to(room_id, &session.connection);
    if let Some(after) = after {
        let cursors = HashMap::from([(room_id, after)]);
        let times = chat::catch_up::times(&app.chat, &cursors).await?;
        session.tell_missed(&cursors, &times).await?;
    }
    Ok(JoinedRoom { room_id, last_seq: attached.last_seq, replayed: attached.replayed })
}

async fn leave_room(session: &Session, LeaveRoom { room_id }: LeaveRoom) -> LeftRoom {
    session.app.feed.detach(session.connection.id, room_id).await;
    session.app.typing.left(room_id, session.connection.id);
    LeftRoom { room_id }
}

async fn send_message(session: &Session, payload: &RawValue) -> Result<Handled> {
    /// Tells the notice of a stored message from a message to store.
    #[derive(Deserialize)]
    struct Named {
        message_id: Option<IgnoredAny>,
    }
    let (app, actor) = (&session.app, &session.actor);
    if let Named { message_id: Some(_) } = read(payload)? {
        let StoredMessage { room_id, message_id } = read(payload)?;
        let message = chat::message::own(&app.chat, actor, room_id, message_id).await?;
        return now(SentMessage { message, duplicate: true });
    }
    let request: SendMessage = read(payload)?;
    app.limits.message(actor.user_id).await?;
    let answer = chat::message::submit(&app.chat, actor, request)?;
    Ok(Handled::Later(Box::new(move |event, reply, by| Box::pin(answer_later(answer, event, reply, by)))))
}

async fn answer_later(answer: Answer, event: String, reply: Reply, by: Instant) {
    let committed = timeout_at(by, chat::message::committed(answer)).await;
    reply.send(&event, committed.unwrap_or(Err(Error::IN_DOUBT)));
}

async fn edit_message(session: &Session, request: EditMessage) -> Result<EditedMessage> {
    let EditMessage { message_id, content } = request;
    count_change(session).await?;
    let message = chat::message::edit(&session.app.chat, &session.actor, message_id, content).await?;
    Ok(EditedMessage { message })
}

async fn typing(session: &Session, request: Typing) -> Result<Done> {
    let Typing { room_id, is_typing } = request;
    let (typing, user) = (&session.app.typing, session.actor.user_id);
    let is_typing = is_typing.unwrap_or(true);
    if is_typing && typing.renew(room_id, user) {
        return Ok(Done {});
    }
    chat::room::may_type(&session.app.chat, user, room_id).await?;
    if is_typing {
        typing.begin(room_id, &session.connection);
    } else {
        typing.end(room_id, user);
    }
    Ok(Done {})
}

async fn get_presence(session: &Session, GetPresence { user_ids }: GetPresence) -> Result<PresenceList> {
    let seen: HashMap<_, _> = chat::user::last_seen(&session.app.chat, &session.actor, &user_ids).await?;
    let presences = session.app.presences.of(&seen).await?;
    let users = user_ids.iter().filter_map(|id| presences.get(id).cloned()).collect();
    Ok(PresenceList { users })
}

async fn authenticate(session: &mut Session, Authenticate { token }: Authenticate) -> Result<Authenticated> {
    let actor = session.app.auth.authenticate(&token).await?;
    if actor.user_id != session.actor.user_id {
        return Err(Error::Refused(ErrorCode::PermissionDenied, "the token is somebody else's"));
    }
    session.renew(actor);
    // Whatever ended this login while it was not yet the socket's found nothing to end: look once more.
    if let Err(error) = session.app.auth.authenticate(&token).await {
        session.connection.revoke(error.code());
        return Err(error);
    }
    Ok(Authenticated { expires_at: session.actor.expires_at })
}
