//! What only those who run the server may see in production.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use sha2::{Digest, Sha256};

use crate::{app::App, contract::ErrorCode, error::Error, http::problem};

/// Paths that are closed in production, with everything below them.
const CLOSED: &[&str] = &["/metrics", "/docs", "/openapi.json", "/asyncapi.json", "/types"];

/// In production, lets only the bearer of `ops.token` see [`CLOSED`]; nobody, if there is none.
pub async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let closed = CLOSED
        .iter()
        .any(|closed| path.strip_prefix(closed).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    if closed && app.config.is_production() && !is_bearer(request.headers(), app.config.ops.token.expose()) {
        return problem::respond(&Error::Refused(ErrorCode::Unauthorized, "the operations token is required"));
    }
    next.run(request).await
}

/// Compares fingerprints, so that the time it takes says nothing about the token.
fn is_bearer(headers: &HeaderMap, token: &str) -> bool {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    !token.is_empty() && shown.is_some_and(|shown| Sha256::digest(shown) == Sha256::digest(token))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_bearer_of_the_token_is_let_in() {
        for (shown, token, fits) in [
            (Some("Bearer open sesame"), "open sesame", true),
            (Some("Bearer open"), "open sesame", false),
            (Some("open sesame"), "open sesame", false),
            (Some("Bearer "), "", false),
            (None, "open sesame", false),
            (None, "", false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(shown) = shown {
                headers.insert(header::AUTHORIZATION, HeaderValue::from_static(shown));
            }
            assert_eq!(is_bearer(&headers, token), fits, "{shown:?} for {token:?}");
        }
    }
}
