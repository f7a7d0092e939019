//! Bans.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};

use super::{
    extract::{OptionalBody, Query},
    path::{MemberPath, RoomPath},
};
use crate::{
    app::App,
    auth::Actor,
    chat,
    contract::{
        ban::{Ban, CreateBan},
        list::{BanList, PageQuery},
    },
    error::Result,
};

/// Ban a user from a room
///
/// A member is removed. If the user is banned already, the ban is replaced.
#[utoipa::path(
    put,
    path = "/api/chat/rooms/{id}/bans/{user_id}",
    operation_id = "ban",
    tag = "moderation",
    params(MemberPath),
    request_body = CreateBan,
    responses(
        (status = 200, description = "The ban", body = Ban),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND, USER_NOT_FOUND"),
    )
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    actor: Actor,
    MemberPath { id: room_id, user_id }: MemberPath,
    OptionalBody(request): OptionalBody<CreateBan>,
) -> Result<Json<Ban>> {
    chat::ban::put(&app.chat, &actor, room_id, user_id, request).await.map(Json)
}

/// Get a ban
#[utoipa::path(
    get,
    path = "/api/chat/rooms/{id}/bans/{user_id}",
    operation_id = "get_ban",
    tag = "moderation",
    params(MemberPath),
    responses(
        (status = 200, description = "The ban", body = Ban),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND, USER_NOT_FOUND"),
    )
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    actor: Actor,
    MemberPath { id: room_id, user_id }: MemberPath,
) -> Result<Json<Ban>> {
    chat::ban::get(&app.chat, &actor, room_id, user_id).await.map(Json)
}

/// Lift a ban
#[utoipa::path(
    delete,
    path = "/api/chat/rooms/{id}/bans/{user_id}",
    operation_id = "unban",
    tag = "moderation",
    params(MemberPath),
    responses(
        (status = 204, description = "The ban is lifted"),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND, USER_NOT_FOUND"),
    )
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    actor: Actor,
    MemberPath { id: room_id, user_id }: MemberPath,
) -> Result<StatusCode> {
    chat::ban::delete(&app.chat, &actor, room_id, user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the bans of a room
#[utoipa::path(
    get,
    path = "/api/chat/rooms/{id}/bans",
    operation_id = "list_bans",
    tag = "moderation",
    params(RoomPath, PageQuery),
    responses(
        (status = 200, description = "A page of bans, the latest first", body = BanList),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    actor: Actor,
    room: RoomPath,
    Query(page): Query<PageQuery>,
) -> Result<Json<BanList>> {
    chat::ban::list(&app.chat, &actor, room.id, page).await.map(Json)
}
