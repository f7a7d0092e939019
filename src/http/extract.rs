//! What handlers take from a request. Whatever does not fit is refused as a problem that names the field.

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::{Bytes, HttpBody},
    extract::{FromRequest, FromRequestParts, MatchedPath, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::layer::address::ClientAddress;
use crate::{
    app::App,
    auth::{Actor, credentials},
    contract::{ErrorCode, decode},
    error::{Error, Result},
    limits::Action,
};

const UNSUPPORTED_MEDIA_TYPE: Error =
    Error::Refused(ErrorCode::UnsupportedMediaType, "the body must be application/json");
const PAYLOAD_TOO_LARGE: Error = Error::Refused(ErrorCode::PayloadTooLarge, "the body is too large");

/// The user of the token in `Authorization: Bearer`. A handler with this argument is not reached without a token; the request is charged
/// to the user.
impl FromRequestParts<Arc<App>> for Actor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let actor = match authenticate(&parts.headers, app).await {
            Err(error) if error.code().status() == StatusCode::UNAUTHORIZED => {
                // Guesses at tokens count for the address, but never against users who share it.
                Caller::from_request_parts(parts, app).await?;
                return Err(error);
            }
            authenticated => authenticated?,
        };
        let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        app.limits.charge(Action::Request { method: parts.method.as_str(), route }, actor.user_id).await?;
        Ok(actor)
    }
}

async fn authenticate(headers: &HeaderMap, app: &App) -> Result<Actor> {
    app.auth.authenticate(shown_token(headers)?).await
}

/// The client's address, for requests without a token: the request is charged to that address.
pub(super) struct Caller(pub(super) IpAddr);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let ClientAddress(address) = ClientAddress::from_request_parts(parts, app).await?;
        app.limits.charge(Action::Anonymous, address).await?;
        Ok(Self(address))
    }
}

const NO_TOKEN: Error =
    Error::Refused(ErrorCode::Unauthorized, "no token: send the header Authorization: Bearer <access_token>");
const NO_BEARER: Error = Error::Refused(
    ErrorCode::Unauthorized,
    "the header Authorization must have the word Bearer before the token: Authorization: Bearer <access_token>",
);

/// The token of `Authorization: Bearer <token>` (RFC 6750, section 2.1).
///
/// # Errors
/// `UNAUTHORIZED`, with what is missing.
fn shown_token(headers: &HeaderMap) -> Result<&str> {
    let is_there = headers.contains_key(header::AUTHORIZATION);
    credentials(headers, "Bearer").ok_or(if is_there { NO_BEARER } else { NO_TOKEN })
}

/// A JSON body. A missing body is read as an object without fields.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self> {
        if !is_json(request.headers()) && !request.body().is_end_stream() {
            return Err(UNSUPPORTED_MEDIA_TYPE);
        }
        Ok(Self(decode::json(&read(request, app.config.server.body_bytes).await?, "body")?))
    }
}

/// A JSON body whose fields are all optional: it needs no content type.
pub(super) struct OptionalBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for OptionalBody<T> {
    type Rejection = Error;

    async fn from_request(mut request: Request, app: &Arc<App>) -> Result<Self> {
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().entry(header::CONTENT_TYPE).or_insert(json);
        Body::from_request(request, app).await.map(|Body(value)| Self(value))
    }
}

/// A JSON body, or a form if the content type says so: the OAuth2 password form (RFC 6749, section 4.3.2).
pub(super) struct BodyOrForm<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for BodyOrForm<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self> {
        if media_type(request.headers()).as_deref() != Some("application/x-www-form-urlencoded") {
            return Body::from_request(request, app).await.map(|Body(value)| Self(value));
        }
        Ok(Self(decode::form(&read(request, app.config.server.body_bytes).await?)?))
    }
}

/// The query of the URL.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self(decode::query(parts.uri.query().unwrap_or_default())?))
    }
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers)
        .is_some_and(|kind| kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")))
}

/// The whole body.
async fn read(request: Request, limit: usize) -> Result<Bytes> {
    match Limited::new(request.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(PAYLOAD_TOO_LARGE),
        Err(_) => Err(Error::field("body", "incomplete", "the body ended early")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_found() {
        let token = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
            shown_token(&headers).map(str::to_owned).map_err(|error| error.to_string())
        };
        assert_eq!(token("Bearer abc").as_deref(), Ok("abc"));
        assert_eq!(token("bearer  abc").as_deref(), Ok("abc"));
        for without in ["Basic abc", "Bearer", "abc"] {
            assert_eq!(token(without), Err(NO_BEARER.to_string()), "{without}");
        }
        assert_eq!(shown_token(&HeaderMap::new()).unwrap_err().to_string(), NO_TOKEN.to_string());
    }
}
