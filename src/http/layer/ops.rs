//! What only those who run the server may see in production.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

use crate::{app::App, auth::credentials, contract::ErrorCode, error::Error, http::problem};

const REFUSED: Error = Error::Refused(
    ErrorCode::Unauthorized,
    "the operations token (PARLOUR__OPS__TOKEN) is required: as a bearer token, or as the password of any name",
);

/// In production, lets only who shows `ops.token` through; nobody, if there is none. Programs show it as a bearer token, browsers,
/// which ask for a name and a password, as the password of any name.
pub async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if !app.config.is_production() || shows(request.headers(), app.config.ops.token.expose()) {
        return next.run(request).await;
    }
    let mut refusal = problem::respond(&REFUSED);
    let headers = refusal.headers_mut();
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Parlour\""));
    headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    refusal
}

/// Compares fingerprints, so that the time it takes says nothing about the token.
fn shows(headers: &HeaderMap, token: &str) -> bool {
    !token.is_empty() && shown(headers).is_some_and(|shown| Sha256::digest(shown) == Sha256::digest(token))
}

/// What is shown as a bearer token (RFC 6750) or as a password (RFC 7617).
fn shown(headers: &HeaderMap) -> Option<Vec<u8>> {
    if let Some(token) = credentials(headers, "Bearer") {
        return Some(token.as_bytes().to_vec());
    }
    let login = BASE64_STANDARD.decode(credentials(headers, "Basic")?).ok()?;
    let colon = login.iter().position(|byte| *byte == b':')?;
    Some(login[colon + 1..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_shows_the_token_is_let_in() {
        for (shown, token, fits) in [
            (Some("Bearer open sesame"), "open sesame", true),
            (Some("Bearer open"), "open sesame", false),
            (Some("open sesame"), "open sesame", false),
            (Some("bearer open sesame"), "open sesame", true),
            // `anyone:open sesame`, `:open sesame`, `open sesame`, `anyone:`, and what is not base64
            (Some("Basic YW55b25lOm9wZW4gc2VzYW1l"), "open sesame", true),
            (Some("Basic Om9wZW4gc2VzYW1l"), "open sesame", true),
            (Some("Basic b3BlbiBzZXNhbWU="), "open sesame", false),
            (Some("Basic YW55b25lOg=="), "", false),
            (Some("Basic ?"), "open sesame", false),
            (Some("Bearer "), "", false),
            (None, "open sesame", false),
            (None, "", false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(shown) = shown {
                headers.insert(header::AUTHORIZATION, HeaderValue::from_static(shown));
            }
            assert_eq!(shows(&headers, token), fits, "{shown:?} for {token:?}");
        }
    }
}
