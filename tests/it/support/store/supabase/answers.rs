//! What Supabase Storage says: objects with their headers, and errors.

use axum::{
    Json,
    body::{Body, Bytes},
    http::{HeaderMap, Response as HttpResponse, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::BUCKET;

/// When everything here was made.
pub(super) const CREATED: &str = "2026-01-20T10:00:00.123Z";
const LAST_MODIFIED: &str = "Tue, 20 Jan 2026 10:00:00 GMT";

#[derive(Clone)]
pub(super) struct Object {
    pub(super) id: Uuid,
    bytes: Bytes,
    mime_type: String,
    cache_control: String,
    etag: String,
}

impl Object {
    pub(super) fn new(bytes: Bytes, mime_type: String, cache_control: String) -> Self {
        let digest = Sha256::digest(&bytes);
        let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { id: Uuid::now_v7(), bytes, mime_type, cache_control, etag: format!("\"{hex}\"") }
    }

    /// The answer to GET: all of it, the range asked for, or that it is known.
    pub(super) fn render(&self, headers: &HeaderMap, download: Option<&str>) -> Result<Response, Failure> {
        if headers.get(header::IF_NONE_MATCH).is_some_and(|value| value == &self.etag) {
            return Ok(StatusCode::NOT_MODIFIED.into_response());
        }
        // a page in the name of the project's own origin is never served as one
        let mime_type = if self.mime_type.contains("text/html") { "text/plain" } else { &self.mime_type };
        let mut answer = HttpResponse::builder()
            .header(header::ACCEPT_RANGES, "bytes")
            .header(header::CONTENT_TYPE, mime_type)
            .header(header::ETAG, &self.etag)
            .header(header::LAST_MODIFIED, LAST_MODIFIED)
            .header(header::CACHE_CONTROL, &self.cache_control);
        if let Some(name) = download {
            let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20");
            let disposition = match name.as_str() {
                "" => "attachment;".to_owned(),
                name => format!("attachment; filename={name}; filename*=UTF-8''{name};"),
            };
            answer = answer.header(header::CONTENT_DISPOSITION, disposition);
        }
        let all = self.bytes.len();
        let body = match headers.get(header::RANGE).and_then(|value| value.to_str().ok()) {
            None => self.bytes.clone(),
            Some(range) => {
                let (first, last) = span(range, all).ok_or_else(Failure::no_such_range)?;
                let range = format!("bytes {first}-{last}/{all}");
                answer = answer.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, range);
                self.bytes.slice(first..=last)
            }
        };
        Ok(answer.header(header::CONTENT_LENGTH, body.len()).body(Body::from(body)).expect("the headers are plain"))
    }

    /// The answer to `/object/info`.
    pub(super) fn info(&self, key: &str) -> Value {
        json!({
            "id": self.id, "name": key, "version": self.id, "bucket_id": BUCKET, "size": self.bytes.len(),
            "content_type": self.mime_type, "cache_control": self.cache_control, "etag": self.etag, "metadata": {},
            "last_modified": CREATED, "created_at": CREATED,
        })
    }

    /// The object in a list.
    pub(super) fn entry(&self, name: &str) -> Value {
        json!({
            "name": name, "bucket_id": BUCKET, "id": self.id, "version": self.id,
            "created_at": CREATED, "updated_at": CREATED, "last_accessed_at": CREATED,
            "metadata": {
                "eTag": self.etag, "size": self.bytes.len(), "mimetype": self.mime_type,
                "cacheControl": self.cache_control, "lastModified": CREATED,
                "contentLength": self.bytes.len(), "httpStatusCode": 200,
            },
        })
    }
}

/// A folder in a list.
pub(super) fn folder(name: &str) -> Value {
    json!({"name": name, "id": null, "created_at": null, "updated_at": null, "last_accessed_at": null, "metadata": null})
}

/// First and last byte of a range of `all` bytes.
fn span(range: &str, all: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let last_byte = all.checked_sub(1)?;
    let (first, last) = match (first, last) {
        ("", count) => (all.saturating_sub(count.parse().ok()?), last_byte),
        (first, "") => (first.parse().ok()?, last_byte),
        (first, last) => (first.parse().ok()?, last.parse::<usize>().ok()?.min(last_byte)),
    };
    (first <= last).then_some((first, last))
}

/// The gateway's refusal.
pub(super) fn no_api_key(message: &str) -> Response {
    let hint = "No `apikey` request header or url param was found.";
    (StatusCode::UNAUTHORIZED, Json(json!({"message": message, "hint": hint}))).into_response()
}

/// An error of the service.
#[derive(Debug)]
pub(super) struct Failure {
    status: &'static str,
    code: &'static str,
    error: &'static str,
    message: String,
}

impl Failure {
    fn new(status: &'static str, code: &'static str, error: &'static str, message: &str) -> Self {
        Self { status, code, error, message: message.to_owned() }
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self::new("403", "AccessDenied", "Unauthorized", message)
    }

    pub(super) fn no_such_bucket() -> Self {
        Self::new("404", "NoSuchBucket", "Bucket not found", "Bucket not found")
    }

    pub(super) fn no_such_key() -> Self {
        Self::new("404", "NoSuchKey", "not_found", "Object not found")
    }

    pub(super) fn duplicate() -> Self {
        Self::new("409", "KeyAlreadyExists", "Duplicate", "The resource already exists")
    }

    pub(super) fn too_large() -> Self {
        Self::new("413", "EntityTooLarge", "Payload too large", "The object exceeded the maximum allowed size")
    }

    pub(super) fn invalid_key(key: &str) -> Self {
        Self::new("400", "InvalidKey", "InvalidKey", &format!("Invalid key: {key}"))
    }

    pub(super) fn invalid_request(message: &str) -> Self {
        Self::new("400", "InvalidRequest", "InvalidRequest", message)
    }

    pub(super) fn invalid_jwt(message: &str) -> Self {
        Self::new("400", "InvalidJWT", "InvalidJWT", message)
    }

    pub(super) fn invalid_signature() -> Self {
        Self::new("400", "InvalidSignature", "InvalidSignature", "Invalid signature")
    }

    pub(super) fn no_such_range() -> Self {
        Self::new("416", "S3Error", "The requested range is not satisfiable", "InvalidRange")
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({"statusCode": self.status, "code": self.code, "error": self.error, "message": self.message});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}
