//! Who is in a room, and as what.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};

use super::{
    extract::{Body, Query},
    path::{MemberPath, RoomPath},
};
use crate::{
    app::App,
    auth::Actor,
    chat,
    contract::{
        Member, RoomId,
        list::{MemberList, PageQuery},
        member::{AddMembers, Additions, Members, TransferOwnership, UpdateMember},
    },
    error::Result,
};

/// Who is in a room
#[utoipa::path(
    get,
    path = "/api/chat/rooms/{id}/members",
    operation_id = "list_members",
    tag = "members",
    params(RoomPath, PageQuery),
    responses(
        (status = 200, description = "A page of its members", body = MemberList),
        (status = 404, description = "ROOM_NOT_FOUND"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    actor: Actor,
    room: RoomPath,
    Query(page): Query<PageQuery>,
) -> Result<Json<MemberList>> {
    chat::member::list(&app.chat, &actor, room.id, page).await.map(Json)
}

/// Add people to a room
///
/// Those who are in it already stay as they are. Who has to be asked first is invited, and becomes a member by accepting.
#[utoipa::path(
    post,
    path = "/api/chat/rooms/{id}/members",
    operation_id = "add_members",
    tag = "members",
    params(RoomPath),
    request_body = AddMembers,
    responses(
        (status = 201, description = "The new members, and who was invited instead", body = Additions),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND, USER_NOT_FOUND"),
        (status = 409, description = "ALREADY_MEMBER, ROOM_FULL"),
    )
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    actor: Actor,
    room: RoomPath,
    Body(request): Body<AddMembers>,
) -> Result<(StatusCode, Json<Additions>)> {
    add_all(&app, &actor, room.id, request).await
}

async fn add_all(
    app: &App,
    actor: &Actor,
    room_id: RoomId,
    request: AddMembers,
) -> Result<(StatusCode, Json<Additions>)> {
    let additions = chat::addition::add(&app.chat, &app.limits, actor, room_id, request).await?;
    Ok((StatusCode::CREATED, Json(additions)))
}

/// Add one person to a room
#[utoipa::path(
    post,
    path = "/api/chat/rooms/{id}/members/{user_id}",
    operation_id = "add_member",
    tag = "members",
    params(MemberPath),
    responses(
        (status = 201, description = "The new member, or the user who was invited instead", body = Additions),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND, USER_NOT_FOUND"),
        (status = 409, description = "ALREADY_MEMBER, ROOM_FULL"),
    )
)]
pub(super) async fn add_one(
    State(app): State<Arc<App>>,
    actor: Actor,
    MemberPath { id: room_id, user_id }: MemberPath,
) -> Result<(StatusCode, Json<Additions>)> {
    let request = AddMembers { user_ids: vec![user_id], ..AddMembers::default() };
    add_all(&app, &actor, room_id, request).await
}

/// Change a member's role, or mute them
#[utoipa::path(
    method(patch, put),
    path = "/api/chat/rooms/{id}/members/{user_id}",
    operation_id = "update_member",
    tag = "members",
    params(MemberPath),
    request_body = UpdateMember,
    responses(
        (status = 200, description = "The member, changed", body = Member),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND, USER_NOT_FOUND"),
        (status = 409, description = "LAST_OWNER"),
    )
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    actor: Actor,
    MemberPath { id: room_id, user_id }: MemberPath,
    Body(request): Body<UpdateMember>,
) -> Result<Json<Member>> {
    chat::member::update(&app.chat, &actor, room_id, user_id, request).await.map(Json)
}

/// Remove a member from a room
///
/// If it is yourself, you leave the room.
#[utoipa::path(
    delete,
    path = "/api/chat/rooms/{id}/members/{user_id}",
    operation_id = "remove_member",
    tag = "members",
    params(MemberPath),
    responses(
        (status = 204, description = "Removed"),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND, USER_NOT_FOUND"),
        (status = 409, description = "LAST_OWNER"),
    )
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    actor: Actor,
    MemberPath { id: room_id, user_id }: MemberPath,
) -> Result<StatusCode> {
    chat::member::remove(&app.chat, &actor, room_id, user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leave a room
#[utoipa::path(
    post,
    path = "/api/chat/rooms/{id}/leave",
    operation_id = "leave_room",
    tag = "members",
    params(RoomPath),
    responses(
        (status = 204, description = "Left"),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
        (status = 409, description = "LAST_OWNER"),
    )
)]
pub(super) async fn leave(State(app): State<Arc<App>>, actor: Actor, room: RoomPath) -> Result<StatusCode> {
    chat::member::remove(&app.chat, &actor, room.id, actor.user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Transfer the ownership of a room
///
/// You become an admin.
#[utoipa::path(
    post,
    path = "/api/chat/rooms/{id}/transfer",
    operation_id = "transfer_ownership",
    tag = "members",
    params(RoomPath),
    request_body = TransferOwnership,
    responses(
        (status = 200, description = "The new owner and the old one", body = Members),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND, USER_NOT_FOUND"),
    )
)]
pub(super) async fn transfer(
    State(app): State<Arc<App>>,
    actor: Actor,
    room: RoomPath,
    Body(TransferOwnership { user_id }): Body<TransferOwnership>,
) -> Result<Json<Members>> {
    let members = chat::member::transfer(&app.chat, &actor, room.id, user_id).await?;
    Ok(Json(Members { members }))
}
