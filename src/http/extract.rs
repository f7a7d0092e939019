//! What handlers take from a request. Whatever does not fit is refused as a problem that names the field.

use std::{error::Error as _, sync::Arc};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request, path::ErrorKind, rejection::PathRejection},
    http::{HeaderMap, header, request::Parts},
};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;

use crate::{
    app::App,
    auth::Actor,
    contract::ErrorCode,
    error::{Error, Result},
};

const UNSUPPORTED_MEDIA_TYPE: Error =
    Error::Refused(ErrorCode::UnsupportedMediaType, "the body must be application/json");
const PAYLOAD_TOO_LARGE: Error = Error::Refused(ErrorCode::PayloadTooLarge, "the body is too large");

/// Who is asking, by `Authorization: Bearer`. A handler that takes one cannot be reached without.
impl FromRequestParts<Arc<App>> for Actor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let actor = app.auth.authenticate(bearer(&parts.headers).ok_or(Error::UNAUTHORIZED)?).await?;
        app.limits.rest(actor.user_id)?;
        Ok(actor)
    }
}

/// The token of `Authorization: Bearer <token>` (RFC 6750, section 2.1).
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self> {
        if !is_json(request.headers()) {
            return Err(UNSUPPORTED_MEDIA_TYPE);
        }
        json(&read(request, app.config.server.body_bytes).await?).map(Self)
    }
}

/// A body of JSON, or of a form where the client says so: the OAuth2 password form (RFC 6749, section 4.3.2).
pub(super) struct BodyOrForm<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for BodyOrForm<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self> {
        if media_type(request.headers()).as_deref() != Some("application/x-www-form-urlencoded") {
            return Body::from_request(request, app).await.map(|Body(value)| Self(value));
        }
        form(&read(request, app.config.server.body_bytes).await?).map(Self)
    }
}

/// The part of the address after `?`.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        form(parts.uri.query().unwrap_or_default().as_bytes()).map(Self)
    }
}

/// The id in the path, or a tuple of them in the order of the path.
pub(super) struct Id<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(match error.into_kind() {
                ErrorKind::ParseErrorAtKey { key, .. }
                | ErrorKind::DeserializeError { key, .. }
                | ErrorKind::InvalidUtf8InPathParam { key } => not_an_id(key),
                ErrorKind::UnsupportedType { .. } | ErrorKind::WrongNumberOfParameters { .. } => {
                    Error::internal("a handler takes other ids than its path has")
                }
                _ => not_an_id("id"),
            }),
            Err(error) => Err(Error::internal(error)),
        }
    }
}

fn not_an_id(field: impl Into<String>) -> Error {
    Error::field(field, "invalid", "must be an id, such as 0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11")
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers)
        .is_some_and(|kind| kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")))
}

/// The whole body. One that is too large is not read to its end, whether it says its length or not.
async fn read(request: Request, limit: usize) -> Result<Bytes> {
    axum::body::to_bytes(request.into_body(), limit).await.map_err(|error| {
        if error.source().is_some_and(<dyn std::error::Error>::is::<LengthLimitError>) {
            PAYLOAD_TOO_LARGE
        } else {
            Error::field("body", "incomplete", "the body ended early")
        }
    })
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| misfit(&error))?;
    deserializer.end().map_err(|error| Error::field("body", "invalid", error.to_string()))?;
    Ok(value)
}

fn form<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded::parse(bytes));
    serde_path_to_error::deserialize(deserializer).map_err(|error| misfit(&error))
}

/// Names the field. Of a missing one serde tells the name in its sentence only; the path ends at what lacks it.
fn misfit<E: std::error::Error>(error: &serde_path_to_error::Error<E>) -> Error {
    let sentence = error.inner().to_string();
    let parent = Some(error.path().to_string()).filter(|path| path != ".");
    let missing = sentence.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (parent, missing) {
        (Some(parent), Some(name)) => Error::field(format!("{parent}.{name}"), "required", "is required"),
        (None, Some(name)) => Error::field(name, "required", "is required"),
        (Some(path), None) => Error::field(path, "invalid", sentence),
        (None, None) => Error::field("body", "invalid", sentence),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::contract::{account::Register, list::PageQuery, room::CreateRoom};

    fn fields<T>(result: Result<T>) -> Vec<(String, &'static str)> {
        match result {
            Err(Error::Validation(errors)) => errors.into_iter().map(|error| (error.field, error.code)).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_body_that_does_not_fit_names_the_field() {
        let register = |text: &str| fields(json::<Register>(text.as_bytes()));
        assert_eq!(register(r#"{"email":"a@b.c","password":"12345678","is_superuser":true}"#), []);
        assert_eq!(register("{}"), [("email".to_owned(), "required")]);
        assert_eq!(register(r#"{"email":42,"password":"x"}"#), [("email".to_owned(), "invalid")]);
        for syntax in ["", "{", "[]", "null", "{} x", "\u{feff}{}", "\0"] {
            assert_eq!(register(syntax).len(), 1, "{syntax:?}");
        }
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(register(&deep).len(), 1);
        assert_eq!(
            fields(json::<CreateRoom>(br#"{"room_type":"group","member_ids":["abc"]}"#)),
            [("member_ids[0]".to_owned(), "invalid")]
        );
    }

    #[test]
    fn a_query_that_does_not_fit_names_the_field() {
        let page = |text: &str| fields(form::<PageQuery>(text.as_bytes()));
        assert_eq!(page("page=2&size=10&other=1"), []);
        for bad in ["page=1e20", "page=x", "page=", "page=9223372036854775808"] {
            assert_eq!(page(bad), [("page".to_owned(), "invalid")], "{bad}");
        }
    }

    #[test]
    fn a_bearer_token_is_found() {
        let token = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(token("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token("bearer  abc").as_deref(), Some("abc"));
        assert_eq!(token("Basic abc"), None);
        assert_eq!(token("Bearer"), None);
    }
}
