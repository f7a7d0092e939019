//! REST.

pub mod health;
pub mod layer;
pub mod problem;

use std::sync::Arc;

use axum::Router;

use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;

/// The REST API.
pub fn router() -> Router<Arc<App>> {
    Router::new()
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        .layer(CatchPanicLayer::custom(problem::panicked))
}
