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

/// Take a copy of a room
///
/// One JSON object a line: a `room`, each `member`, each `message` by `seq`, and at last an `end`, without which the copy is not
/// whole.
#[utoipa::path(
    get,
    path = "/api/chat/rooms/{id}/export",
    operation_id = "export_room",
    tag = "rooms",
    params(RoomPath),
    responses(
        (status = 200, description = "A copy", body = String, content_type = "application/x-ndjson"),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
    )
)]
pub(super) async fn room(State(app): State<Arc<App>>, actor: Actor, room: RoomPath) -> Result<Response> {
    let ticket = app.limits.export(actor.user_id)?;
    let lines = chat::export::room(&app.chat, &actor, room.id).await?;
    Ok(download("room.jsonl", lines, ticket))
}

/// Lines as they come, to be saved as a file. What goes wrong in between ends the connection: half a copy is no copy. It counts
/// among its user's copies until it is read.
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
