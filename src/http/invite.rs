//! A room's link, and codes.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};

use super::{
    extract::OptionalBody,
    path::{InvitePath, RoomPath},
};
use crate::{
    app::App,
    auth::Actor,
    chat,
    contract::{
        Room,
        invite::{CreateInvite, Invite, InvitePreview},
    },
    error::Result,
};

/// Get the invite link of a room
#[utoipa::path(
    get,
    path = "/api/chat/rooms/{id}/invite",
    operation_id = "get_invite",
    tag = "invites",
    params(RoomPath),
    responses(
        (status = 200, description = "The link", body = Invite),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND, INVITE_NOT_FOUND"),
    )
)]
pub(super) async fn get(State(app): State<Arc<App>>, actor: Actor, room: RoomPath) -> Result<Json<Invite>> {
    chat::invite::get(&app.chat, &actor, room.id).await.map(Json)
}

/// Make a new invite link for a room
///
/// The old link stops working. A private room has no link.
#[utoipa::path(
    post,
    path = "/api/chat/rooms/{id}/invite",
    operation_id = "create_invite",
    tag = "invites",
    params(RoomPath),
    request_body = CreateInvite,
    responses(
        (status = 201, description = "The link", body = Invite),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
    )
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    actor: Actor,
    room: RoomPath,
    OptionalBody(request): OptionalBody<CreateInvite>,
) -> Result<(StatusCode, Json<Invite>)> {
    let invite = chat::invite::create(&app.chat, &actor, room.id, request).await?;
    Ok((StatusCode::CREATED, Json(invite)))
}

/// Revoke the invite link of a room
#[utoipa::path(
    delete,
    path = "/api/chat/rooms/{id}/invite",
    operation_id = "revoke_invite",
    tag = "invites",
    params(RoomPath),
    responses(
        (status = 204, description = "The link is revoked"),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND, INVITE_NOT_FOUND"),
    )
)]
pub(super) async fn revoke(State(app): State<Arc<App>>, actor: Actor, room: RoomPath) -> Result<StatusCode> {
    chat::invite::revoke(&app.chat, &actor, room.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Preview the room of a code
#[utoipa::path(
    get,
    path = "/api/chat/invites/{code}",
    operation_id = "preview_invite",
    tag = "invites",
    params(InvitePath),
    responses(
        (status = 200, description = "A preview of the room", body = InvitePreview),
        (status = 403, description = "BANNED"),
        (status = 404, description = "INVITE_NOT_FOUND"),
    )
)]
pub(super) async fn preview(
    State(app): State<Arc<App>>,
    actor: Actor,
    invite: InvitePath,
) -> Result<Json<InvitePreview>> {
    chat::invite::preview(&app.chat, &actor, &invite.code).await.map(Json)
}

/// Join a room by a code
#[utoipa::path(
    post,
    path = "/api/chat/invites/{code}/join",
    operation_id = "join_by_invite",
    tag = "invites",
    params(InvitePath),
    responses(
        (status = 200, description = "The room", body = Room),
        (status = 403, description = "BANNED"),
        (status = 404, description = "INVITE_NOT_FOUND"),
        (status = 409, description = "ALREADY_MEMBER, ROOM_FULL"),
    )
)]
pub(super) async fn join(State(app): State<Arc<App>>, actor: Actor, invite: InvitePath) -> Result<Json<Room>> {
    chat::invite::join(&app.chat, &actor, &invite.code).await.map(Json)
}
