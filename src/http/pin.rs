//! Pins.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};

use super::{
    extract::Query,
    path::{MessagePath, RoomPath},
};
use crate::{
    app::App,
    auth::Actor,
    chat,
    contract::{
        Message,
        list::{PageQuery, PinList},
    },
    error::Result,
};

/// Pin a message
#[utoipa::path(
    put,
    path = "/api/chat/messages/{id}/pin",
    operation_id = "pin_message",
    tag = "messages",
    params(MessagePath),
    responses(
        (status = 200, description = "The message, pinned", body = Message),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "MESSAGE_NOT_FOUND"),
    )
)]
pub(super) async fn add(State(app): State<Arc<App>>, actor: Actor, message: MessagePath) -> Result<Json<Message>> {
    chat::pin::add(&app.chat, &actor, message.id).await.map(Json)
}

/// Unpin a message
#[utoipa::path(
    delete,
    path = "/api/chat/messages/{id}/pin",
    operation_id = "unpin_message",
    tag = "messages",
    params(MessagePath),
    responses(
        (status = 204, description = "The message is not pinned"),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "MESSAGE_NOT_FOUND"),
    )
)]
pub(super) async fn remove(State(app): State<Arc<App>>, actor: Actor, message: MessagePath) -> Result<StatusCode> {
    chat::pin::remove(&app.chat, &actor, message.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the pinned messages of a room
///
/// The latest pin first.
#[utoipa::path(
    get,
    path = "/api/chat/rooms/{id}/pins",
    operation_id = "list_pins",
    tag = "messages",
    params(RoomPath, PageQuery),
    responses(
        (status = 200, description = "A page of pinned messages", body = PinList),
        (status = 404, description = "ROOM_NOT_FOUND"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    actor: Actor,
    room: RoomPath,
    Query(page): Query<PageQuery>,
) -> Result<Json<PinList>> {
    chat::pin::list(&app.chat, &actor, room.id, page).await.map(Json)
}
