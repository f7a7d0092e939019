//! Rooms.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    extract::{Body, Query},
    path::RoomPath,
};
use crate::{
    app::App,
    auth::Actor,
    chat,
    contract::{
        Room,
        list::{PageQuery, RoomList, SearchQuery},
        room::{CreateRoom, UpdateRoom},
    },
    error::Result,
};

/// Create a room
///
/// There is one direct room for each two users: if it exists, the answer is that room, with 200.
#[utoipa::path(
    post,
    path = "/api/chat/rooms",
    operation_id = "create_room",
    tag = "rooms",
    request_body = CreateRoom,
    responses(
        (status = 201, description = "The new room", body = Room, headers(("location", description = "The path of the room"))),
        (status = 200, description = "The direct room, which existed before", body = Room),
        (status = 404, description = "USER_NOT_FOUND"),
        (status = 409, description = "ROOM_FULL"),
    )
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    actor: Actor,
    Body(request): Body<CreateRoom>,
) -> Result<Response> {
    let created = chat::room::create(&app.chat, &app.limits, &actor, request).await?;
    let location = [(header::LOCATION, format!("/api/chat/rooms/{}", created.room.id))];
    let status = if created.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, location, Json(created.room)).into_response())
}

/// List your rooms
///
/// The latest activity first.
#[utoipa::path(
    get,
    path = "/api/chat/rooms",
    operation_id = "list_rooms",
    tag = "rooms",
    params(PageQuery),
    responses((status = 200, description = "A page of your rooms", body = RoomList))
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    actor: Actor,
    Query(page): Query<PageQuery>,
) -> Result<Json<RoomList>> {
    chat::room::list(&app.chat, &actor, page).await.map(Json)
}

/// Get a room with its members
#[utoipa::path(
    get,
    path = "/api/chat/rooms/{id}",
    operation_id = "get_room",
    tag = "rooms",
    params(RoomPath),
    responses(
        (status = 200, description = "The room", body = Room),
        (status = 404, description = "ROOM_NOT_FOUND"),
    )
)]
pub(super) async fn get(State(app): State<Arc<App>>, actor: Actor, room: RoomPath) -> Result<Json<Room>> {
    chat::room::get(&app.chat, &actor, room.id).await.map(Json)
}

/// Change a room's settings
#[utoipa::path(
    method(patch, put),
    path = "/api/chat/rooms/{id}",
    operation_id = "update_room",
    tag = "rooms",
    params(RoomPath),
    request_body = UpdateRoom,
    responses(
        (status = 200, description = "The room, changed", body = Room),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
        (status = 409, description = "ROOM_FULL"),
    )
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    actor: Actor,
    room: RoomPath,
    Body(request): Body<UpdateRoom>,
) -> Result<Json<Room>> {
    chat::room::update(&app.chat, &actor, room.id, request).await.map(Json)
}

/// Delete a room for everybody
#[utoipa::path(
    delete,
    path = "/api/chat/rooms/{id}",
    operation_id = "delete_room",
    tag = "rooms",
    params(RoomPath),
    responses(
        (status = 204, description = "Deleted"),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
    )
)]
pub(super) async fn delete(State(app): State<Arc<App>>, actor: Actor, room: RoomPath) -> Result<StatusCode> {
    chat::room::delete(&app.chat, &actor, room.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List public rooms
///
/// The latest activity first; with `search`, those whose name or description contains it.
#[utoipa::path(
    get,
    path = "/api/chat/rooms/public",
    operation_id = "list_public_rooms",
    tag = "rooms",
    params(SearchQuery),
    responses(
        (status = 200, description = "A page of rooms", body = RoomList),
    )
)]
pub(super) async fn public(
    State(app): State<Arc<App>>,
    actor: Actor,
    Query(query): Query<SearchQuery>,
) -> Result<Json<RoomList>> {
    chat::room::public(&app.chat, &actor, query).await.map(Json)
}

/// Join a public room
#[utoipa::path(
    post,
    path = "/api/chat/rooms/{id}/join",
    operation_id = "join_room",
    tag = "rooms",
    params(RoomPath),
    responses(
        (status = 200, description = "The room", body = Room),
        (status = 403, description = "BANNED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
        (status = 409, description = "ALREADY_MEMBER, ROOM_FULL"),
    )
)]
pub(super) async fn join(State(app): State<Arc<App>>, actor: Actor, room: RoomPath) -> Result<Json<Room>> {
    chat::join::public(&app.chat, &actor, room.id).await.map(Json)
}
