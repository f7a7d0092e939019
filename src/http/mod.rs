//! REST: every route on this page, thin handlers, and refusals as problems.
//!
//! A handler decodes, names who is asking, calls one use case, and gives its answer a status. A route and its
//! documentation are registered together, so that neither exists without the other.

pub mod extract;
pub mod health;
pub mod layer;
pub mod problem;

mod audit;
mod auth;
mod ban;
mod bytes;
mod disposition;
mod export;
mod invitation;
mod invite;
mod media;
mod member;
mod message;
mod openapi;
mod path;
mod pin;
mod reaction;
mod receipt;
mod room;
mod search;
#[cfg(test)]
mod tests;
mod user;

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, middleware::from_fn_with_state, routing::get};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    layer::{
        ops,
        timeout::{self, Time},
    },
    openapi::also_at,
};
use crate::app::App;

/// Every route of the API, by how long a request to it may take.
fn routes() -> [(Time, OpenApiRouter<Arc<App>>); 3] {
    let uploads = OpenApiRouter::new().routes(routes!(media::upload)).routes(routes!(media::put));
    let examinations = OpenApiRouter::new().routes(routes!(media::complete));
    [(Time::Usual, usual_routes()), (Time::Upload, uploads), (Time::Examination, examinations)]
}

fn usual_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(auth::login_by_form))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(also_at("/api/auth/jwt/logout", routes!(auth::logout)))
        .routes(routes!(user::me, user::update, user::deactivate))
        .routes(routes!(user::export))
        .routes(also_at("/api/auth/me", routes!(user::me)))
        .routes(routes!(user::list))
        .routes(also_at("/api/users/users", routes!(user::list)))
        .routes(routes!(user::get))
        .routes(routes!(room::create, room::list))
        .routes(routes!(room::public))
        .routes(routes!(room::get, room::update, room::delete))
        .routes(routes!(room::join))
        .routes(routes!(member::transfer))
        .routes(routes!(member::list, member::add))
        .routes(routes!(member::add_one, member::update, member::remove))
        .routes(routes!(member::leave))
        .routes(routes!(export::room))
        .routes(routes!(ban::list))
        .routes(routes!(ban::put, ban::get, ban::delete))
        .routes(routes!(audit::list))
        .routes(routes!(invite::get, invite::create, invite::revoke))
        .routes(routes!(invite::preview))
        .routes(routes!(invite::join))
        .routes(routes!(invitation::create, invitation::list))
        .routes(routes!(invitation::revoke))
        .routes(routes!(invitation::mine))
        .routes(routes!(invitation::decline))
        .routes(routes!(message::send))
        .routes(routes!(message::get, message::edit, message::delete))
        .routes(routes!(message::history))
        .routes(routes!(message::replies))
        .routes(routes!(search::search))
        .routes(routes!(media::begin))
        .routes(routes!(media::load, media::delete))
        .routes(routes!(media::signed_url))
        .routes(routes!(media::list))
        .routes(routes!(reaction::react))
        .routes(routes!(reaction::add, reaction::remove))
        .routes(routes!(pin::add, pin::remove))
        .routes(routes!(pin::list))
        .routes(routes!(receipt::mark))
        .routes(routes!(receipt::list))
}

/// The REST API. What stands around it (tracing, CORS, what is left of limits) is added by the server, outside of this.
pub fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let timed =
        routes().map(|(time, routes)| routes.layer(from_fn_with_state((Arc::clone(app), time), timeout::limit)));
    let (router, api) = together(timed).split_for_parts();
    let for_operators = openapi::docs(openapi::complete(api))
        .route("/metrics", get(health::metrics))
        .layer(from_fn_with_state(Arc::clone(app), ops::guard));
    router
        .merge(for_operators)
        .merge(health::router())
        .route("/", get(|| async { "Parlour, a chat server. What it can do is at /docs.\n" }))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        // Each body has its own limit, where it is read.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(problem::panicked))
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> OpenApi {
    openapi::complete(together(routes().map(|(_, routes)| routes)).into_openapi())
}

fn together(routes: impl IntoIterator<Item = OpenApiRouter<Arc<App>>>) -> OpenApiRouter<Arc<App>> {
    routes.into_iter().fold(OpenApiRouter::with_openapi(openapi::head()), OpenApiRouter::merge)
}
