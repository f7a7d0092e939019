//! The audit list.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{extract::Query, path::RoomPath};
use crate::{
    app::App,
    auth::Actor,
    chat,
    contract::list::{AuditList, PageQuery},
    error::Result,
};

/// List the audit records of a room
///
/// Who did what to whom, and when, with the values before and after.
#[utoipa::path(
    get,
    path = "/api/chat/rooms/{id}/audit",
    operation_id = "list_audit",
    tag = "moderation",
    params(RoomPath, PageQuery),
    responses(
        (status = 200, description = "A page of audit records, the latest first", body = AuditList),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    actor: Actor,
    room: RoomPath,
    Query(page): Query<PageQuery>,
) -> Result<Json<AuditList>> {
    chat::audit::list(&app.chat, &actor, room.id, page).await.map(Json)
}
