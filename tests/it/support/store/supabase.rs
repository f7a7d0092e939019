//! Supabase Storage: its routes, its checks and its answers, as the sources of `supabase/storage` have them.
//!
//! Most errors are HTTP 400 whatever the `statusCode` in their body says, a missing object too.

mod answers;
mod token;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{FromRequestParts, Path, Query, Request, State},
    http::{HeaderMap, header::CONTENT_TYPE, request::Parts},
    middleware,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};
use uuid::Uuid;

use self::answers::{Failure, Object};
use super::{BUCKET, Started};

/// A secret key of the kind that is no JWT.
pub(super) const SECRET: &str = "sb_secret_Xq3vT0bN7mKpR5sLw9yZ1a_4fGhJ8cD";

/// The largest object, in bytes.
const FILE_SIZE_LIMIT: usize = 50 * 1024 * 1024;

/// How long a signed upload may wait.
const UPLOAD_LIFE: Duration = Duration::from_secs(2 * 60 * 60);

pub(super) struct Supabase {
    objects: Objects,
    task: AbortHandle,
}

type Objects = Arc<Mutex<BTreeMap<String, Object>>>;

impl Supabase {
    pub(super) async fn start() -> Started<Self> {
        let objects = Objects::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let task = tokio::spawn(axum::serve(listener, router(objects.clone())).into_future()).abort_handle();
        Started { inside: Self { objects, task }, addr }
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.objects.lock().expect("no handler panics").keys().cloned().collect()
    }
}

impl Drop for Supabase {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn router(objects: Objects) -> Router {
    let with_key = Router::new()
        .route("/bucket/{bucket}", get(bucket))
        .route("/object/list/{bucket}", post(list))
        .route("/object/sign/{bucket}/{*path}", post(sign))
        .route("/object/upload/sign/{bucket}/{*path}", post(sign_upload))
        .route("/object/info/{bucket}/{*path}", get(info))
        .route("/object/authenticated/{bucket}/{*path}", get(download))
        .route("/object/{bucket}", delete(remove_many))
        .route("/object/{bucket}/{*path}", post(upload).get(download).delete(remove))
        .layer(middleware::from_fn(require_key));
    let with_token = Router::new()
        .route("/object/sign/{bucket}/{*path}", get(signed_download))
        .route("/object/upload/sign/{bucket}/{*path}", axum::routing::put(signed_upload));
    Router::new().nest("/storage/v1", with_key.merge(with_token)).with_state(objects)
}

async fn require_key(request: Request, next: middleware::Next) -> Response {
    match refusal(request.headers()) {
        None => next.run(request).await,
        Some(refusal) => refusal,
    }
}

/// The gateway asks for `apikey`, the service behind it for the bearer.
fn refusal(headers: &HeaderMap) -> Option<Response> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match header("apikey") {
        None => return Some(answers::no_api_key("No API key found in request")),
        Some(key) if key != SECRET => return Some(answers::no_api_key("Invalid API key")),
        Some(_) => {}
    }
    match header("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
        Some(SECRET) => None,
        _ => Some(Failure::unauthorized("Invalid Compact JWS").into_response()),
    }
}

/// An object of the one bucket, by its key.
struct Key(String);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Ok(Path((bucket, path))) = Path::<(String, String)>::from_request_parts(parts, state).await else {
            return Err(Failure::invalid_key(parts.uri.path()));
        };
        if bucket != BUCKET {
            return Err(Failure::no_such_bucket());
        }
        let is_safe = |c: char| c.is_ascii_alphanumeric() || "_/!-.*'() &$@=;:+,?".contains(c);
        if path.is_empty() || !path.chars().all(is_safe) {
            return Err(Failure::invalid_key(&path));
        }
        Ok(Self(path))
    }
}

async fn bucket(Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    if name != BUCKET {
        return Err(Failure::no_such_bucket());
    }
    Ok(Json(json!({
        "id": BUCKET, "name": BUCKET, "owner": "", "public": false, "type": "STANDARD",
        "file_size_limit": FILE_SIZE_LIMIT, "allowed_mime_types": null,
        "created_at": answers::CREATED, "updated_at": answers::CREATED,
    })))
}

async fn upload(State(objects): State<Objects>, Key(key): Key, request: Request) -> Result<Json<Value>, Failure> {
    let replaces = request.headers().get("x-upsert").is_some_and(|value| value == "true");
    let id = store(&objects, &key, replaces, request).await?;
    Ok(Json(json!({"Id": id, "Key": format!("{BUCKET}/{key}")})))
}

/// Stores the body, unless the name is taken or it is too long. Forms, which the real one also takes, are not needed.
async fn store(objects: &Objects, key: &str, replaces: bool, request: Request) -> Result<Uuid, Failure> {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mime_type = header(CONTENT_TYPE.as_str()).unwrap_or_else(|| "application/octet-stream".to_owned());
    if mime_type.starts_with("multipart/") {
        return Err(Failure::invalid_request("this stand-in takes no forms"));
    }
    let taken = |objects: &Objects| objects.lock().expect("no handler panics").contains_key(key);
    if !replaces && taken(objects) {
        return Err(Failure::duplicate());
    }
    let announced = header("content-length").and_then(|length| length.parse::<usize>().ok());
    let bytes = to_bytes(body, FILE_SIZE_LIMIT).await.map_err(|_| Failure::too_large())?;
    if announced.is_some_and(|length| length != bytes.len()) {
        return Err(Failure::invalid_request("the body ended early"));
    }
    if !replaces && taken(objects) {
        return Err(Failure::duplicate());
    }
    let object = Object::new(bytes, mime_type, header("cache-control").unwrap_or_else(|| "no-cache".to_owned()));
    let id = object.id;
    objects.lock().expect("no handler panics").insert(key.to_owned(), object);
    Ok(id)
}

fn find(objects: &Objects, key: &str) -> Result<Object, Failure> {
    objects.lock().expect("no handler panics").get(key).cloned().ok_or_else(Failure::no_such_key)
}

/// GET and HEAD.
async fn download(
    State(objects): State<Objects>,
    Key(key): Key,
    Query(query): Query<Download>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    find(&objects, &key)?.render(&headers, query.download.as_deref())
}

async fn info(State(objects): State<Objects>, Key(key): Key) -> Result<Json<Value>, Failure> {
    Ok(Json(find(&objects, &key)?.info(&key)))
}

#[derive(Deserialize)]
struct Sign {
    #[serde(rename = "expiresIn")]
    expires_in: u64,
}

async fn sign(State(objects): State<Objects>, Key(key): Key, Json(wanted): Json<Sign>) -> Result<Json<Value>, Failure> {
    find(&objects, &key)?;
    let token = token::sign(&key, Duration::from_secs(wanted.expires_in), json!({}));
    Ok(Json(json!({"signedURL": format!("/object/sign/{BUCKET}/{key}?token={token}")})))
}

#[derive(Deserialize)]
struct Download {
    /// An attachment, with this name unless it is empty.
    download: Option<String>,
    #[serde(default)]
    token: String,
}

async fn signed_download(
    State(objects): State<Objects>,
    Key(key): Key,
    Query(query): Query<Download>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    token::verify(&query.token, &key)?;
    find(&objects, &key)?.render(&headers, query.download.as_deref())
}

async fn sign_upload(
    State(objects): State<Objects>,
    Key(key): Key,
    headers: HeaderMap,
) -> Result<Json<Value>, Failure> {
    let replaces = headers.get("x-upsert").is_some_and(|value| value == "true");
    if !replaces && find(&objects, &key).is_ok() {
        return Err(Failure::duplicate());
    }
    let token = token::sign(&key, UPLOAD_LIFE, json!({"upsert": replaces}));
    Ok(Json(json!({"url": format!("/object/upload/sign/{BUCKET}/{key}?token={token}"), "token": token})))
}

/// Takes what a signed URL allows: once, since the name is taken then.
async fn signed_upload(
    State(objects): State<Objects>,
    Key(key): Key,
    Query(query): Query<Download>,
    request: Request<Body>,
) -> Result<Json<Value>, Failure> {
    let claims = token::verify(&query.token, &key)?;
    store(&objects, &key, claims["upsert"] == true, request).await?;
    Ok(Json(json!({"Key": format!("{BUCKET}/{key}")})))
}

#[derive(Deserialize)]
struct Prefixes {
    prefixes: Vec<String>,
}

/// Deletes what is there of these, and names it.
async fn remove_many(
    State(objects): State<Objects>,
    Path(bucket): Path<String>,
    Json(wanted): Json<Prefixes>,
) -> Result<Json<Value>, Failure> {
    if bucket != BUCKET {
        return Err(Failure::no_such_bucket());
    }
    if wanted.prefixes.is_empty() {
        return Err(Failure::invalid_request("body/prefixes must NOT have fewer than 1 items"));
    }
    let mut objects = objects.lock().expect("no handler panics");
    let removed = wanted.prefixes.iter().filter_map(|key| objects.remove(key).map(|object| object.entry(key)));
    Ok(Json(removed.collect()))
}

async fn remove(State(objects): State<Objects>, Key(key): Key) -> Result<Json<Value>, Failure> {
    let removed = objects.lock().expect("no handler panics").remove(&key);
    removed.map(|_| Json(json!({"message": "Successfully deleted"}))).ok_or_else(Failure::no_such_key)
}

#[derive(Deserialize)]
struct List {
    prefix: String,
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
}

/// What lies directly in the folder `prefix`: objects, and folders without an id.
async fn list(
    State(objects): State<Objects>,
    Path(bucket): Path<String>,
    Json(wanted): Json<List>,
) -> Result<Json<Value>, Failure> {
    if bucket != BUCKET {
        return Err(Failure::no_such_bucket());
    }
    let folder = match wanted.prefix.trim_end_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let mut entries = BTreeMap::new();
    for (key, object) in objects.lock().expect("no handler panics").iter() {
        if let Some(rest) = key.strip_prefix(&folder) {
            match rest.split_once('/') {
                Some((name, _)) => entries.insert(name.to_owned(), answers::folder(name)),
                None => entries.insert(rest.to_owned(), object.entry(rest)),
            };
        }
    }
    Ok(Json(entries.into_values().skip(wanted.offset).take(wanted.limit.unwrap_or(100)).collect()))
}
