//! REST.

pub mod health;
pub mod layer;
pub mod problem;

use std::sync::Arc;

use axum::Router;

use crate::{app::App, contract::ErrorCode, error::Error};

/// The REST API.
pub fn router() -> Router<Arc<App>> {
    Router::new().fallback(|| async { Error::Refused(ErrorCode::NotFound, "there is nothing at this address") })
}
