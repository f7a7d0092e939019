//! Invitations of one person each.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};

use super::{
    extract::{Body, Query},
    path::{InvitationPath, RoomInvitationPath, RoomPath},
};
use crate::{
    app::App,
    auth::Actor,
    chat,
    contract::{
        invite::{CreateInvitation, Invitation},
        list::{InvitationList, PageQuery},
    },
    error::Result,
};

/// Invite a person
///
/// The invitation is valid once, for seven days. The code is mailed if mail is configured.
#[utoipa::path(
    post,
    path = "/api/chat/rooms/{id}/invitations",
    operation_id = "invite",
    tag = "invites",
    params(RoomPath),
    request_body = CreateInvitation,
    responses(
        (status = 201, description = "The invitation, with its code", body = Invitation),
        (status = 403, description = "PERMISSION_DENIED, BANNED"),
        (status = 404, description = "ROOM_NOT_FOUND, USER_NOT_FOUND"),
        (status = 409, description = "ALREADY_MEMBER"),
    )
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    actor: Actor,
    room: RoomPath,
    Body(request): Body<CreateInvitation>,
) -> Result<(StatusCode, Json<Invitation>)> {
    let invitation = chat::invitation::create(&app.chat, &app.limits, &actor, room.id, request).await?;
    Ok((StatusCode::CREATED, Json(invitation)))
}

/// List the invitations of a room
#[utoipa::path(
    get,
    path = "/api/chat/rooms/{id}/invitations",
    operation_id = "list_invitations",
    tag = "invites",
    params(RoomPath, PageQuery),
    responses(
        (status = 200, description = "A page of invitations, the latest first", body = InvitationList),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    actor: Actor,
    room: RoomPath,
    Query(page): Query<PageQuery>,
) -> Result<Json<InvitationList>> {
    chat::invitation::list(&app.chat, &actor, room.id, page).await.map(Json)
}

/// Revoke an invitation
#[utoipa::path(
    delete,
    path = "/api/chat/rooms/{id}/invitations/{invitation_id}",
    operation_id = "revoke_invitation",
    tag = "invites",
    params(RoomInvitationPath),
    responses(
        (status = 204, description = "The invitation is revoked"),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND, INVITE_NOT_FOUND"),
    )
)]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    actor: Actor,
    RoomInvitationPath { id: room_id, invitation_id }: RoomInvitationPath,
) -> Result<StatusCode> {
    chat::invitation::revoke(&app.chat, &actor, room_id, invitation_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List your invitations
#[utoipa::path(
    get,
    path = "/api/chat/invitations",
    operation_id = "my_invitations",
    tag = "invites",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of valid invitations, the latest first", body = InvitationList),
    )
)]
pub(super) async fn mine(
    State(app): State<Arc<App>>,
    actor: Actor,
    Query(page): Query<PageQuery>,
) -> Result<Json<InvitationList>> {
    chat::invitation::mine(&app.chat, &actor, page).await.map(Json)
}

/// Decline an invitation
#[utoipa::path(
    delete,
    path = "/api/chat/invitations/{id}",
    operation_id = "decline_invitation",
    tag = "invites",
    params(InvitationPath),
    responses(
        (status = 204, description = "The invitation is revoked"),
        (status = 404, description = "INVITE_NOT_FOUND"),
    )
)]
pub(super) async fn decline(
    State(app): State<Arc<App>>,
    actor: Actor,
    invitation: InvitationPath,
) -> Result<StatusCode> {
    chat::invitation::decline(&app.chat, &actor, invitation.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
