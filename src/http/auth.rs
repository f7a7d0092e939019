//! Signing up, in, and out.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};

use super::extract::{Body, BodyOrForm, Caller};
use crate::{
    app::App,
    auth::{
        Actor, accounts,
        session::{self, LoginTarget},
    },
    contract::{
        User,
        account::{Login, Refresh, Register, Tokens},
    },
    error::Result,
    limits::{Attempt, Counted},
};

/// Create an account
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
    Caller(address): Caller,
    Body(request): Body<Register>,
) -> Result<(StatusCode, Json<User>)> {
    let mut counted = app.limits.attempt(Attempt::Register, address).await?;
    if let Some(refusal) = counted.on(&request.email).await? {
        return Err(refusal);
    }
    let user = counted.end(accounts::register(&app.auth, request).await).await?;
    Ok((StatusCode::CREATED, Json(user)))
}

/// Sign in
///
/// With JSON; the form of `/api/auth/jwt/login` is accepted here as well.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    tag = "auth",
    security(()),
    request_body = Login,
    responses(
        (status = 200, description = "A pair of tokens", body = Tokens),
        (status = 401, description = "INVALID_CREDENTIALS, ACCOUNT_DISABLED"),
    )
)]
pub(super) async fn login(
    State(app): State<Arc<App>>,
    Caller(address): Caller,
    BodyOrForm(request): BodyOrForm<Login>,
) -> Result<impl IntoResponse> {
    let counted = app.limits.attempt(Attempt::LogIn, address).await?;
    let target = session::login_target(&app.auth, &request).await?;
    let counted = admit(&app, counted, &target).await?;
    let from = counted.address();
    counted.end(session::login(&app.auth, request, from).await).await.map(secret)
}

/// Sign in by the OAuth2 password form
///
/// The JSON of `/api/auth/login` is accepted here as well. Each route documents one type of body, because client generators cannot
/// handle two.
#[utoipa::path(
    post,
    path = "/api/auth/jwt/login",
    tag = "auth",
    security(()),
    request_body(content = Login, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "A pair of tokens", body = Tokens),
        (status = 401, description = "INVALID_CREDENTIALS, ACCOUNT_DISABLED"),
    )
)]
pub(super) async fn login_by_form(
    app: State<Arc<App>>,
    address: Caller,
    request: BodyOrForm<Login>,
) -> Result<impl IntoResponse> {
    login(app, address, request).await
}

/// Exchange a refresh token
///
/// A refresh token is valid once. For some seconds after its use, the same token returns another pair of the same session, for two tabs
/// that refresh at once or for a lost answer; a later reuse ends the session.
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
    Caller(address): Caller,
    Body(request): Body<Refresh>,
) -> Result<impl IntoResponse> {
    let counted = app.limits.attempt(Attempt::Refresh, address).await?;
    counted.end(session::refresh(&app.auth, &request.refresh_token).await).await.map(secret)
}

/// Sign out
///
/// Ends this session: its tokens and its sockets.
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

/// Lets an attempt on an account through, unless there were too many: from here, or from everywhere together, and its owner never
/// came from here.
pub(super) async fn admit<'a>(app: &App, mut counted: Counted<'a>, target: &LoginTarget) -> Result<Counted<'a>> {
    match counted.on(&target.name).await? {
        Some(refusal) if !target.has_signed_in_from(&app.auth, counted.address()).await? => Err(refusal),
        Some(_) | None => Ok(counted),
    }
}

/// Tokens must not be cached (RFC 6749, section 5.1).
fn secret(tokens: Tokens) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], Json(tokens))
}
