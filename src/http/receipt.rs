//! How far people have read.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::extract::{Body, Id};
use crate::{
    app::App,
    auth::Actor,
    chat,
    contract::{
        RoomId,
        receipt::{MarkRead, ReadMark},
    },
    error::Result,
};

/// Mark a room as read
///
/// Up to a place in its log, or up to the newest of some messages. The mark only moves forward.
#[utoipa::path(
    post,
    path = "/api/chat/rooms/{id}/read",
    operation_id = "mark_as_read",
    tag = "messages",
    params(("id" = RoomId, Path, description = "Which room")),
    request_body = MarkRead,
    responses(
        (status = 200, description = "Where the mark is now", body = ReadMark),
        (status = 404, description = "ROOM_NOT_FOUND"),
        (status = 422, description = "INVALID_REFERENCE"),
    )
)]
pub(super) async fn mark(
    State(app): State<Arc<App>>,
    actor: Actor,
    Id(room_id): Id<RoomId>,
    Body(request): Body<MarkRead>,
) -> Result<Json<ReadMark>> {
    chat::receipt::mark(&app.chat, &actor, room_id, request).await.map(Json)
}
