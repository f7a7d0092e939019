//! Copies to take away.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, TryStreamExt};

use super::path::RoomPath;
use crate::{
    app::App,
    auth::Actor,
    chat::{self, export::Lines},
    error::Result,
    limits::UnderwayTicket,
};

/// Export a room
///
/// One JSON object per line: a `room`, each `member`, each `message` by `seq`, and an `end`, without which the export is incomplete.
#[utoipa::path(
    get,
    path = "/api/chat/rooms/{id}/export",
    operation_id = "export_room",
    tag = "rooms",
    params(RoomPath),
    responses(
        (status = 200, description = "The export", body = String, content_type = "application/x-ndjson"),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
    )
)]
pub(super) async fn room(State(app): State<Arc<App>>, actor: Actor, room: RoomPath) -> Result<Response> {
    let ticket = app.limits.export(actor.user_id)?;
    let lines = chat::export::room(&app.chat, &actor, room.id).await?;
    Ok(download("room.jsonl", lines, ticket))
}

/// Streams an export as a download. A failure in between ends the connection, so that an incomplete export is not taken for a whole
/// one. The export counts against its user's limit until it is read.
pub(super) fn download(
    name: &'static str,
    lines: impl Stream<Item = Result<Lines>> + Send + 'static,
    ticket: UnderwayTicket,
) -> Response {
    let body = Body::from_stream(lines.inspect_err(move |error| {
        let _held = &ticket;
        error.record();
    }));
    let attachment = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")).expect("the names are ASCII");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (header::CONTENT_DISPOSITION, attachment),
    ];
    (headers, body).into_response()
}
