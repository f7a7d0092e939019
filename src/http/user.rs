//! Users, and your own account.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};

use super::{
    auth::admit,
    extract::{Body, Query},
    layer::address::ClientAddress,
    path::UserPath,
};
use crate::{
    account::{self, deactivation::GivenUp},
    app::App,
    auth::{Actor, accounts, session::LoginTarget},
    chat,
    contract::{
        User,
        list::{SearchQuery, UserList},
        user::{GiveUp, UpdateProfile},
    },
    error::Result,
    limits::Attempt,
};

/// Get your account
#[utoipa::path(
    get,
    path = "/api/users/me",
    tag = "users",
    responses((status = 200, description = "Your account", body = User))
)]
pub(super) async fn me(State(app): State<Arc<App>>, actor: Actor) -> Result<Json<User>> {
    accounts::me(&app.auth, &actor).await.map(Json)
}

/// Change your profile or password
///
/// To change the password, give the present one; it ends all your other sessions.
#[utoipa::path(
    method(patch, put),
    path = "/api/users/me",
    operation_id = "update_me",
    tag = "users",
    request_body = UpdateProfile,
    responses(
        (status = 200, description = "Your account, changed", body = User),
        (status = 401, description = "INVALID_CREDENTIALS"),
        (status = 409, description = "USER_EXISTS"),
    )
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    actor: Actor,
    ClientAddress(address): ClientAddress,
    Body(request): Body<UpdateProfile>,
) -> Result<Json<User>> {
    if request.password.is_none() {
        return account::profile::update(&app.auth, &app.chat, &actor, request).await.map(Json);
    }
    // Or a stolen token could be used to guess the password.
    let counted = app.limits.attempt(Attempt::ChangePassword, address).await?;
    let counted = admit(&app, counted, &LoginTarget::of(&actor)).await?;
    counted.end(account::profile::update(&app.auth, &app.chat, &actor, request).await).await.map(Json)
}

/// Deactivate your account
///
/// Nobody can sign in to it any more, and all its sessions end. Your messages stay, unless you erase them.
#[utoipa::path(
    delete,
    path = "/api/users/me",
    operation_id = "deactivate_me",
    tag = "users",
    params(GiveUp),
    responses(
        (status = 204, description = "Deactivated, or erased"),
        (status = 202, description = "Erased; leaving rooms and deleting messages still continues"),
    )
)]
pub(super) async fn deactivate(
    State(app): State<Arc<App>>,
    actor: Actor,
    Query(how): Query<GiveUp>,
) -> Result<StatusCode> {
    match account::deactivation::give_up(&app.chat, &actor, how).await? {
        GivenUp::Wholly => Ok(StatusCode::NO_CONTENT),
        GivenUp::Continuing => Ok(StatusCode::ACCEPTED),
    }
}

/// Export your data
///
/// One JSON object per line, of these types: `user`, `session`, `membership`, `read_mark`, `reaction`, `message`, and `end`, without
/// which the export is incomplete.
#[utoipa::path(
    get,
    path = "/api/users/me/export",
    operation_id = "export_me",
    tag = "users",
    responses((status = 200, description = "The export", body = String, content_type = "application/x-ndjson"))
)]
pub(super) async fn export(State(app): State<Arc<App>>, actor: Actor) -> Result<Response> {
    let ticket = app.limits.export(actor.user_id)?;
    Ok(super::export::download("my-data.jsonl", chat::export::own_data(&app.chat, &actor).await?, ticket))
}

/// Find users
///
/// All users except yourself, each with your direct room with them, if any.
#[utoipa::path(
    get,
    path = "/api/users",
    operation_id = "list_users",
    tag = "users",
    params(SearchQuery),
    responses((status = 200, description = "A page of users", body = UserList))
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    actor: Actor,
    Query(query): Query<SearchQuery>,
) -> Result<Json<UserList>> {
    account::contact::list(&app.chat, &actor, query).await.map(Json)
}

/// Get a user
#[utoipa::path(
    get,
    path = "/api/users/{id}",
    operation_id = "get_user",
    tag = "users",
    params(UserPath),
    responses(
        (status = 200, description = "The user", body = User),
        (status = 404, description = "USER_NOT_FOUND"),
    )
)]
pub(super) async fn get(State(app): State<Arc<App>>, actor: Actor, user: UserPath) -> Result<Json<User>> {
    account::contact::get(&app.chat, &actor, user.id).await.map(Json)
}
