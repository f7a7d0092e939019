//! Every event that a client may emit, on one page. Each is charged before its work ([`charge`]); what that costs is on another
//! page, `limits/price.rs`.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::{
    join::{join_room, leave_room, sync},
    packet::Reply,
    socket_context::SocketContext,
};
use crate::{
    chat::{self, room_log::Answer},
    contract::{
        ClientEvent,
        catalogue::{Emitted, emitted},
        command::{
            Authenticate, Authenticated, Done, EditMessage, EditedMessage, GetPresence, MarkAsRead, PresenceList,
            SentMessage, SetStatus, StoredMessage, Typing,
        },
        decode,
        event::Encoded,
        receipt::ReadMark,
    },
    error::{Error, Result},
    limits::Action,
};

/// The outcome of an event.
pub(super) enum Handled {
    /// Its answer.
    Now(Encoded),
    /// The answer is the payload itself, with its attachments.
    Echo(Encoded),
    /// It is queued for the log and answered after the commit, or at the timeout; meanwhile the next event is handled.
    Later(Box<dyn FnOnce(String, Reply, Instant) -> BoxFuture<'static, ()> + Send>),
}

/// Decodes the payload of an event, handles it, and encodes the ack, with the types from the catalogue.
macro_rules! answer {
    ($event:ident, $payload:ident, |$request:ident| $handled:expr) => {{
        let $request: <emitted::$event as Emitted>::Payload = read($payload()?)?;
        let data: <emitted::$event as Emitted>::Ack = $handled.await?;
        now(data)
    }};
}

/// Handles an event by its name. The caller drops it at the timeout `by`.
pub(super) async fn handle(
    session: &mut SocketContext,
    event: &str,
    arguments: &[&RawValue],
    by: Instant,
) -> Result<Handled> {
    if session.app.draining.is_cancelled() {
        return Err(Error::DRAINING);
    }
    let payload = || match arguments {
        [only] => Ok(*only),
        _ => Err(Error::field("payload", "count", "this event takes one payload")),
    };
    let known = ClientEvent::named(event);
    charge(session, known, arguments).await?;
    let Some(event) = known else { return Err(Error::UnknownEvent(ClientEvent::nearest(event))) };
    let chat = &session.app.chat;
    match event {
        ClientEvent::JoinRoom => answer!(JoinRoom, payload, |request| join_room(session, request, by)),
        ClientEvent::LeaveRoom => answer!(LeaveRoom, payload, |request| leave_room(session, request)),
        ClientEvent::SendMessage => send_message(session, payload()?).await,
        ClientEvent::EditMessage => answer!(EditMessage, payload, |request| edit_message(session, request)),
        ClientEvent::DeleteMessage => {
            answer!(DeleteMessage, payload, |request| chat::message::delete(chat, &session.actor, request.message_id))
        }
        ClientEvent::AddReaction => answer!(AddReaction, payload, |request| {
            chat::reaction::add(chat, &session.actor, request.message_id, &request.emoji)
        }),
        ClientEvent::RemoveReaction => answer!(RemoveReaction, payload, |request| {
            chat::reaction::remove(chat, &session.actor, request.message_id, &request.emoji)
        }),
        ClientEvent::Typing => answer!(Typing, payload, |request| typing(session, request)),
        ClientEvent::StopTyping => {
            answer!(StopTyping, payload, |request| { typing(session, Typing { is_typing: Some(false), ..request }) })
        }
        ClientEvent::MarkAsRead => answer!(MarkAsRead, payload, |request| mark_as_read(session, request)),
        ClientEvent::Sync => answer!(Sync, payload, |request| sync(session, request)),
        ClientEvent::GetPresence => answer!(GetPresence, payload, |request| get_presence(session, request)),
        ClientEvent::SetStatus => answer!(SetStatus, payload, |request| set_status(session, request)),
        ClientEvent::Authenticate => answer!(Authenticate, payload, |request| authenticate(session, request)),
        ClientEvent::Ping => Ok(Handled::Echo(Encoded::new(&arguments.first().copied().unwrap_or(RawValue::NULL)))),
    }
}

/// Charges an event to its user, whatever its outcome is.
async fn charge(session: &SocketContext, event: Option<ClientEvent>, arguments: &[&RawValue]) -> Result<()> {
    let (limits, user) = (&session.app.limits, session.actor.user_id);
    let is_stored = event == Some(ClientEvent::SendMessage)
        && matches!(arguments, [only] if read(only).is_ok_and(|MessageIdField { message_id }| message_id.is_some()));
    if is_stored {
        return limits.charge(Action::Notice, user).await;
    }
    limits.charge(Action::Event(event), user).await
}

/// Distinguishes the announcement of a stored message from a message to store.
#[derive(Deserialize)]
struct MessageIdField {
    message_id: Option<IgnoredAny>,
}

fn read<T: DeserializeOwned>(payload: &RawValue) -> Result<T> {
    Ok(decode::json(payload.get().as_bytes(), "payload")?)
}

fn now(data: impl serde::Serialize) -> Result<Handled> {
    Ok(Handled::Now(Encoded::new(&data)))
}

async fn send_message(session: &SocketContext, payload: &RawValue) -> Result<Handled> {
    let (app, actor) = (&session.app, &session.actor);
    if let MessageIdField { message_id: Some(_) } = read(payload)? {
        let StoredMessage { room_id, message_id } = read(payload)?;
        let message = chat::message::own_message(&app.chat, actor, room_id, message_id).await?;
        return now(SentMessage { message, duplicate: true });
    }
    let request: <emitted::SendMessage as Emitted>::Payload = read(payload)?;
    let answer = chat::message::submit(&app.chat, actor, request)?;
    Ok(Handled::Later(Box::new(move |event, reply, by| Box::pin(answer_later(answer, event, reply, by)))))
}

async fn answer_later(answer: Answer, event: String, reply: Reply, by: Instant) {
    let committed = timeout_at(by, chat::message::committed(answer)).await;
    reply.send(&event, committed.unwrap_or(Err(Error::IN_DOUBT)));
}

async fn edit_message(session: &SocketContext, request: EditMessage) -> Result<EditedMessage> {
    let EditMessage { message_id, content } = request;
    let message = chat::message::edit(&session.app.chat, &session.actor, message_id, content).await?;
    Ok(EditedMessage { message })
}

async fn typing(session: &SocketContext, request: Typing) -> Result<Done> {
    let Typing { room_id, is_typing } = request;
    let (typing, user) = (&session.app.typing, session.actor.user_id);
    let is_typing = is_typing.unwrap_or(true);
    if is_typing && typing.renew(room_id, &session.socket) {
        return Ok(Done {});
    }
    chat::room::may_type(&session.app.chat, user, room_id).await?;
    if is_typing {
        typing.begin(room_id, &session.socket);
    } else {
        typing.end(room_id, user);
    }
    Ok(Done {})
}

async fn mark_as_read(session: &SocketContext, MarkAsRead { room_id, mark }: MarkAsRead) -> Result<ReadMark> {
    let (app, user) = (&session.app, session.actor.user_id);
    let admit = |moves, behind| app.limits.charge(Action::Mark { moves, behind }, user);
    chat::receipt::mark(&app.chat, &session.actor, room_id, mark, admit).await
}

async fn set_status(session: &SocketContext, SetStatus { status }: SetStatus) -> Result<Done> {
    session.app.presences.choose(session.actor.user_id, status).await;
    Ok(Done {})
}

async fn get_presence(session: &SocketContext, GetPresence { user_ids }: GetPresence) -> Result<PresenceList> {
    let seen: HashMap<_, _> = chat::user::last_seen(&session.app.chat, &session.actor, &user_ids).await?;
    let presences = session.app.presences.of(&seen).await?;
    let users = user_ids.iter().filter_map(|id| presences.get(id).cloned()).collect();
    Ok(PresenceList { users })
}

async fn authenticate(session: &mut SocketContext, Authenticate { token }: Authenticate) -> Result<Authenticated> {
    session.renew(&token).await?;
    Ok(Authenticated { expires_at: session.actor.expires_at })
}
