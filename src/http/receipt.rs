//! Read marks and receipts.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{
    extract::{Body, Query},
    path::{MessagePath, RoomPath},
};
use crate::{
    app::App,
    auth::Actor,
    chat,
    contract::{
        list::{PageQuery, ReceiptList},
        receipt::{MarkRead, ReadMark},
    },
    error::Result,
    limits::Action,
};

/// Mark a room as read
///
/// Up to a seq, or up to the newest of some messages. The mark only moves forward.
#[utoipa::path(
    post,
    path = "/api/chat/rooms/{id}/read",
    operation_id = "mark_as_read",
    tag = "messages",
    params(RoomPath),
    request_body = MarkRead,
    responses(
        (status = 200, description = "The current mark", body = ReadMark),
        (status = 404, description = "ROOM_NOT_FOUND"),
        (status = 422, description = "INVALID_REFERENCE"),
    )
)]
pub(super) async fn mark(
    State(app): State<Arc<App>>,
    actor: Actor,
    room: RoomPath,
    Body(request): Body<MarkRead>,
) -> Result<Json<ReadMark>> {
    let admit = |moves, behind| app.limits.charge(Action::MarkByRequest { moves, behind }, actor.user_id);
    chat::receipt::mark(&app.chat, &actor, room.id, request, admit).await.map(Json)
}

/// List the receipts of a message
///
/// Each member whose read mark passed the message, and when, except the sender and members who do not share their marks.
#[utoipa::path(
    get,
    path = "/api/chat/messages/{id}/receipts",
    operation_id = "list_receipts",
    tag = "messages",
    params(MessagePath, PageQuery),
    responses(
        (status = 200, description = "A page of receipts", body = ReceiptList),
        (status = 404, description = "MESSAGE_NOT_FOUND"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    actor: Actor,
    message: MessagePath,
    Query(page): Query<PageQuery>,
) -> Result<Json<ReceiptList>> {
    chat::receipt::list(&app.chat, &actor, message.id, page).await.map(Json)
}
