//! Pages of other sites. A browser names the page's origin; requests of programs carry none.
//!
//! CORS alone only keeps an answer from a page. A WebSocket is not subject to it, and a simple request has its effect
//! anyway, so a page that may not call is turned away before anything else happens.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::{
    limit::{LIMIT, REMAINING, RESET},
    trace::REQUEST_ID_HEADER,
};
use crate::{app::App, contract::ErrorCode, error::Error, http::problem};

/// How long a browser may remember the answer to a preflight; Chromium remembers it for two hours at most.
const PREFLIGHT_LIFE: Duration = Duration::from_secs(2 * 60 * 60);

/// Refuses pages that may not call, over every transport alike.
pub async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let allowed = |origin: &HeaderValue| origin.to_str().is_ok_and(|origin| app.config.allows_origin(origin));
    if request.headers().get_all(header::ORIGIN).iter().all(allowed) {
        return next.run(request).await;
    }
    let mut response = problem::respond(&Error::Refused(
        ErrorCode::PermissionDenied,
        "pages of this origin may not call; the setting cors.origins (CORS_ORIGINS) lists those that may",
    ));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("origin"));
    response
}

/// Lets pages that may call read the answers.
pub fn cors(app: Arc<App>) -> CorsLayer {
    let allowed = move |origin: &HeaderValue, _: &_| origin.to_str().is_ok_and(|it| app.config.allows_origin(it));
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allowed))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([REQUEST_ID_HEADER, LIMIT, REMAINING, RESET, header::RETRY_AFTER, header::LOCATION])
        .max_age(PREFLIGHT_LIFE)
}
