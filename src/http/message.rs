//! Messages.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};

use super::{
    extract::{Body, Query},
    path::{MessagePath, RoomPath},
};
use crate::{
    app::App,
    auth::Actor,
    chat,
    contract::{
        Message,
        list::{MessageList, PageQuery},
        message::{EditMessage, HistoryPart, HistoryQuery, SendMessage},
    },
    error::{Error, Result},
};

/// A header that may have the `client_msg_id`.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Send a message
///
/// With a `client_msg_id` the request may be repeated: then the answer is the stored message, with 200.
#[utoipa::path(
    post,
    path = "/api/chat/messages",
    operation_id = "send_message",
    tag = "messages",
    params(("idempotency-key" = Option<String>, Header, max_length = 64, description = "The `client_msg_id`, if the body has none")),
    request_body = SendMessage,
    responses(
        (status = 201, description = "The stored message", body = Message),
        (status = 200, description = "The message, which was stored before", body = Message),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
        (status = 409, description = "CLIENT_MSG_ID_CONFLICT"),
        (status = 422, description = "INVALID_REFERENCE, INVALID_MEDIA"),
        (status = 503, description = "SERVER_DRAINING"),
    )
)]
pub(super) async fn send(
    State(app): State<Arc<App>>,
    actor: Actor,
    headers: HeaderMap,
    Body(mut request): Body<SendMessage>,
) -> Result<(StatusCode, Json<Message>)> {
    request.client_msg_id = client_msg_id(&headers, request.client_msg_id)?;
    let sent = chat::message::send(&app.chat, &actor, request).await?;
    let status = if sent.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(sent.message)))
}

/// Get the history of a room
///
/// By page, page 1 being the newest; or around a `seq`.
#[utoipa::path(
    get,
    path = "/api/chat/rooms/{id}/messages",
    operation_id = "list_messages",
    tag = "messages",
    params(RoomPath, HistoryQuery),
    responses(
        (status = 200, description = "A page, or the messages around a `seq`", body = HistoryPart),
        (status = 404, description = "ROOM_NOT_FOUND"),
    )
)]
pub(super) async fn history(
    State(app): State<Arc<App>>,
    actor: Actor,
    room: RoomPath,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<HistoryPart>> {
    chat::message::history(&app.chat, &actor, room.id, query).await.map(Json)
}

/// Get a message
#[utoipa::path(
    get,
    path = "/api/chat/messages/{id}",
    operation_id = "get_message",
    tag = "messages",
    params(MessagePath),
    responses(
        (status = 200, description = "The message", body = Message),
        (status = 404, description = "MESSAGE_NOT_FOUND"),
    )
)]
pub(super) async fn get(State(app): State<Arc<App>>, actor: Actor, message: MessagePath) -> Result<Json<Message>> {
    chat::message::get(&app.chat, &actor, message.id).await.map(Json)
}

/// List the replies to a message
///
/// Page 1 is the newest; inside a page they ascend by `seq`.
#[utoipa::path(
    get,
    path = "/api/chat/messages/{id}/replies",
    operation_id = "list_replies",
    tag = "messages",
    params(MessagePath, PageQuery),
    responses(
        (status = 200, description = "A page of replies", body = MessageList),
        (status = 404, description = "MESSAGE_NOT_FOUND"),
    )
)]
pub(super) async fn replies(
    State(app): State<Arc<App>>,
    actor: Actor,
    message: MessagePath,
    Query(page): Query<PageQuery>,
) -> Result<Json<MessageList>> {
    chat::message::replies(&app.chat, &actor, message.id, page).await.map(Json)
}

/// Change the text of your own message
#[utoipa::path(
    method(patch, put),
    path = "/api/chat/messages/{id}",
    operation_id = "edit_message",
    tag = "messages",
    params(MessagePath),
    request_body = EditMessage,
    responses(
        (status = 200, description = "The message, changed", body = Message),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "MESSAGE_NOT_FOUND"),
    )
)]
pub(super) async fn edit(
    State(app): State<Arc<App>>,
    actor: Actor,
    message: MessagePath,
    Body(request): Body<EditMessage>,
) -> Result<Json<Message>> {
    chat::message::edit(&app.chat, &actor, message.id, request.content).await.map(Json)
}

/// Delete a message
///
/// Your own, or any message if you are an admin or owner. It keeps its seq and loses its content.
#[utoipa::path(
    delete,
    path = "/api/chat/messages/{id}",
    operation_id = "delete_message",
    tag = "messages",
    params(MessagePath),
    responses(
        (status = 204, description = "Deleted"),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "MESSAGE_NOT_FOUND"),
    )
)]
pub(super) async fn delete(State(app): State<Arc<App>>, actor: Actor, message: MessagePath) -> Result<StatusCode> {
    chat::message::delete(&app.chat, &actor, message.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The `client_msg_id` from the body or the header. Two that differ are an error, because only one of them could be used.
fn client_msg_id(headers: &HeaderMap, in_body: Option<String>) -> Result<Option<String>> {
    let Some(header) = headers.get(IDEMPOTENCY_KEY).filter(|header| !header.is_empty()) else {
        return Ok(in_body);
    };
    let in_header = header
        .to_str()
        .map_err(|_| Error::field(IDEMPOTENCY_KEY, "characters", "must be visible ASCII characters"))?
        .to_owned();
    match in_body {
        Some(in_body) if in_body != in_header => {
            Err(Error::field("client_msg_id", "ambiguous", "differs from the Idempotency-Key header"))
        }
        _ => Ok(Some(in_header)),
    }
}
