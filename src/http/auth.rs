//! Signing up, in, and out.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};

use super::{
    extract::{Body, BodyOrForm},
    layer::address::ClientAddress,
};
use crate::{
    app::App,
    auth::{Actor, account, session},
    contract::{
        User,
        account::{Login, Refresh, Register, Tokens},
    },
    error::Result,
    limits::Attempt,
};

/// Open an account
#[utoipa::path(
    post,
    path = "/api/auth/register",
    tag = "auth",
    security(()),
    request_body = Register,
    responses(
        (status = 201, description = "The new account", body = User),
        (status = 409, description = "USER_EXISTS"),
    )
)]
pub(super) async fn register(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    Body(request): Body<Register>,
) -> Result<(StatusCode, Json<User>)> {
    app.limits.auth(Attempt::Register, address, request.account().as_deref()).await?;
    let user = account::register(&app.auth, request).await?;
    Ok((StatusCode::CREATED, Json(user)))
}

/// Sign in
///
/// With JSON, or with the OAuth2 password form.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    tag = "auth",
    security(()),
    request_body(content((Login = "application/json"), (Login = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "A pair of tokens", body = Tokens),
        (status = 401, description = "INVALID_CREDENTIALS, ACCOUNT_DISABLED"),
    )
)]
pub(super) async fn login(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    BodyOrForm(request): BodyOrForm<Login>,
) -> Result<impl IntoResponse> {
    app.limits.auth(Attempt::LogIn, address, request.account().as_deref()).await?;
    session::login(&app.auth, request).await.map(secret)
}

/// Exchange a refresh token
///
/// Each is good once. Using one again ends its login.
#[utoipa::path(
    post,
    path = "/api/auth/refresh",
    tag = "auth",
    security(()),
    request_body = Refresh,
    responses(
        (status = 200, description = "A new pair of tokens", body = Tokens),
        (status = 401, description = "UNAUTHORIZED, TOKEN_EXPIRED, TOKEN_REUSED, WRONG_TOKEN_TYPE, ACCOUNT_DISABLED"),
    )
)]
pub(super) async fn refresh(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    Body(request): Body<Refresh>,
) -> Result<impl IntoResponse> {
    app.limits.auth(Attempt::Refresh, address, None).await?;
    session::refresh(&app.auth, &request.refresh_token).await.map(secret)
}

/// Sign out
///
/// Ends this login: its tokens, and its sockets.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    tag = "auth",
    responses((status = 204, description = "Signed out"))
)]
pub(super) async fn logout(State(app): State<Arc<App>>, actor: Actor) -> Result<StatusCode> {
    session::logout(&app.auth, &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tokens are not for caches (RFC 6749, section 5.1).
fn secret(tokens: Tokens) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], Json(tokens))
}
