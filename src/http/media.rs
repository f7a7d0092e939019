//! Files: upload, load, remove.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{FromRequest, FromRequestParts, Multipart, RawQuery, Request, State, multipart::MultipartError},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::TryStreamExt;
use http_body_util::Limited;

use super::{
    bytes, disposition,
    extract::{Caller, Query},
    layer::address::ClientAddress,
    path::{MediaPath, RoomPath},
};
use crate::{
    app::App,
    auth::Actor,
    chat::{
        self,
        media::{Asker, Upload},
    },
    contract::{
        ErrorCode, Media, Problem, RoomId,
        list::{MediaList, PageQuery},
        media::{DirectUpload, DirectUploadQuery, FileBytes, MediaLink, UploadForm},
    },
    error::{Error, Result},
    limits::Action,
    media::{
        signed_url::{self, SignedQuery},
        spool::TOO_LARGE,
    },
};

/// Bytes that a form may have besides its file.
const FORM_BYTES: u64 = 64 * 1024;

const OTHER_BYTES: Error = Error::Refused(ErrorCode::PermissionDenied, "this signed URL is for a file of another size");

const NO_FORM: Error = Error::Refused(ErrorCode::UnsupportedMediaType, "the body must be multipart/form-data");

/// Upload a file
///
/// A form with a part `file`, and `room_id` for a room that you may send to. The answer comes when the file is stored durably. Its
/// MIME type is found from its bytes; its name and declared type are hints. A page or a script that is declared an image, audio or
/// video is refused.
#[utoipa::path(
    post,
    path = "/api/chat/upload",
    operation_id = "upload",
    tag = "media",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The file", body = Media),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
        (status = 413, description = "PAYLOAD_TOO_LARGE, QUOTA_EXCEEDED"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE"),
        (status = 422, description = "IMAGE_TOO_LARGE"),
        (status = 503, description = "STORAGE_UNAVAILABLE"),
    )
)]
pub(super) async fn upload(
    State(app): State<Arc<App>>,
    actor: Actor,
    Form(mut form): Form,
) -> Result<(StatusCode, Json<Media>)> {
    let (mut file, mut room_id) = (None, None);
    while let Some(part) = form.next_field().await.map_err(|error| refused(&error))? {
        match part.name() {
            Some("file") if file.is_none() => {
                let filename = disposition::filename(part.headers()).unwrap_or_default();
                let declared = part.content_type().map(str::to_owned);
                let spool = app.chat.files().spool(app.config.media.file_bytes)?;
                file = Some((spool.fill(part.map_err(|_| incomplete())).await?, filename, declared));
            }
            Some("room_id") => {
                let text = part.text().await.map_err(|error| refused(&error))?;
                // A field of a form that is empty is not given.
                let given = Some(text.trim()).filter(|text| !text.is_empty());
                let id: Option<RoomId> = given.map(str::parse).transpose().map_err(|_| not_a_room())?;
                room_id = id.or(room_id);
            }
            _ => {}
        }
    }
    // The whole form has arrived: the slow-client limit ends here.
    drop(form);
    let (spool, filename, declared) = file.ok_or_else(|| Error::field("file", "required", "is required"))?;
    let media = chat::media::upload(&app.chat, &actor, Upload { spool, filename, declared, room_id }).await?;
    Ok((StatusCode::CREATED, Json(media)))
}

fn not_a_room() -> Error {
    Error::field("room_id", "invalid", "must be the id of a room")
}

/// A form, in parts.
pub(super) struct Form(Multipart);

impl FromRequest<Arc<App>> for Form {
    type Rejection = Error;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self> {
        let limit = app.config.media.file_bytes.saturating_add(FORM_BYTES);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let request = request.map(|body| Body::new(Limited::new(body, limit)));
        let form = Multipart::from_request(request, app).await;
        form.map(Self).map_err(|_| NO_FORM)
    }
}

fn incomplete() -> Error {
    Error::field("file", "incomplete", "the file ended early")
}

fn refused(error: &MultipartError) -> Error {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return TOO_LARGE;
    }
    Error::field("body", "invalid", "is not a valid multipart form, or ended early")
}

/// Begin a direct upload
///
/// Send the bytes as the answer says, then complete the upload.
#[utoipa::path(
    get,
    path = "/api/chat/upload/signed-url",
    operation_id = "begin_upload",
    tag = "media",
    params(DirectUploadQuery),
    responses(
        (status = 200, description = "Where to send the bytes", body = DirectUpload),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
        (status = 413, description = "PAYLOAD_TOO_LARGE, QUOTA_EXCEEDED"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE"),
        (status = 503, description = "STORAGE_UNAVAILABLE"),
    )
)]
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    actor: Actor,
    Query(query): Query<DirectUploadQuery>,
) -> Result<Json<DirectUpload>> {
    chat::media::reserve(&app.chat, &actor, query).await.map(Json)
}

/// Send the bytes of an upload
///
/// At the URL from `begin_upload`, without a token. The type and the size must be those that were announced.
#[utoipa::path(
    put,
    path = "/api/chat/upload/{id}",
    operation_id = "put_upload",
    tag = "media",
    params(
        MediaPath,
        ("at" = Option<String>, Query, max_length = 16, description = "From the URL"),
        ("expires" = i64, Query, minimum = 0, maximum = 9_223_372_036_854_775_807_i64, description = "From the URL"),
        ("signature" = String, Query, max_length = 128, description = "From the URL"),
    ),
    request_body(content = inline(FileBytes), content_type = "application/octet-stream"),
    responses(
        (status = 204, description = "The bytes are received"),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "MEDIA_NOT_FOUND"),
        (status = 503, description = "STORAGE_UNAVAILABLE"),
    ),
    security(())
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    _: Caller,
    media: MediaPath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode> {
    let signed = signed(query.as_deref())?;
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let expected = chat::media::expected(&app.chat, media.id, &signed, declared).await?;
    // One byte more than expected shows that there are too many.
    let spool = app.chat.files().spool(expected.size.saturating_add(1))?;
    let bytes = body.into_data_stream().map_err(|_| incomplete());
    let spool = spool.fill(bytes).await.map_err(|error| match error.code() {
        ErrorCode::PayloadTooLarge => OTHER_BYTES,
        _ => error,
    })?;
    chat::media::receive(&app.chat, expected, spool).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Complete an upload
///
/// The bytes are checked; a file that is not as announced is removed. May be repeated; while another request completes the upload,
/// the answer is a conflict.
#[utoipa::path(
    post,
    path = "/api/chat/media/{id}/complete",
    operation_id = "complete_upload",
    tag = "media",
    params(MediaPath),
    responses(
        (status = 200, description = "The file", body = Media),
        (status = 404, description = "MEDIA_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE"),
        (status = 422, description = "INVALID_MEDIA, IMAGE_TOO_LARGE"),
        (status = 503, description = "STORAGE_UNAVAILABLE"),
    )
)]
pub(super) async fn complete(State(app): State<Arc<App>>, actor: Actor, media: MediaPath) -> Result<Json<Media>> {
    chat::media::complete(&app.chat, &actor, media.id).await.map(Json)
}

/// The query of a signed URL. One that cannot be read was altered.
fn signed(query: Option<&str>) -> Result<SignedQuery> {
    serde_urlencoded::from_str(query.unwrap_or_default()).map_err(|_| signed_url::REFUSED)
}

/// Who loads a file: a user with a token, or the holder of a signed URL.
pub(super) struct FileAsker(Asker);

impl FromRequestParts<Arc<App>> for FileAsker {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        if !parts.uri.query().is_some_and(|query| query.contains("signature=")) {
            return Actor::from_request_parts(parts, app).await.map(|actor| Self(Asker::Actor(actor)));
        }
        // A page of messages shows many pictures: their addresses prove that they may be loaded, which has a limit of its own.
        let ClientAddress(address) = ClientAddress::from_request_parts(parts, app).await?;
        app.limits.charge(Action::Load, address).await?;
        match signed(parts.uri.query()) {
            Ok(signed) => Ok(Self(Asker::Bearer(signed))),
            Err(error) => Err(guessed(app, address, error).await),
        }
    }
}

/// The refusal of a signed URL. Guesses at signatures are charged to the client's address.
async fn guessed(app: &App, address: IpAddr, refusal: Error) -> Error {
    app.limits.charge(Action::Anonymous, address).await.err().unwrap_or(refusal)
}

/// Load a file
///
/// With a token, or without one at a signed URL from a message, until it expires; clients need not understand its query. With a
/// `Range`, the answer is that part of the file.
#[utoipa::path(
    get,
    path = "/api/chat/media/{id}",
    operation_id = "load_media",
    tag = "media",
    params(MediaPath),
    responses(
        (status = 200, description = "The bytes", body = inline(FileBytes), content_type = "*/*"),
        (status = 206, description = "A part of the bytes", body = inline(FileBytes), content_type = "*/*"),
        (status = 304, description = "Your copy is current"),
        (status = 307, description = "The bytes are at the URL in `location`"),
        (status = 401, description = "UNAUTHORIZED, TOKEN_EXPIRED, WRONG_TOKEN_TYPE, ACCOUNT_DISABLED"),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "MEDIA_NOT_FOUND"),
        (
            status = 416,
            description = "The file ends before that part: a problem with VALIDATION_ERROR",
            body = Problem,
            content_type = "application/problem+json"
        ),
        (status = 503, description = "STORAGE_UNAVAILABLE"),
    ),
    security((), ("bearer" = []))
)]
pub(super) async fn load(
    State(app): State<Arc<App>>,
    FileAsker(asker): FileAsker,
    ClientAddress(address): ClientAddress,
    media: MediaPath,
    headers: HeaderMap,
) -> Result<Response> {
    let opened = match chat::media::open(&app.chat, asker, media.id).await {
        Err(error) if error.code() == ErrorCode::PermissionDenied => return Err(guessed(&app, address, error).await),
        opened => opened?,
    };
    if let Some(elsewhere) = opened.elsewhere {
        let answer = [(header::LOCATION, elsewhere), (header::CACHE_CONTROL, "no-store".to_owned())];
        return Ok((StatusCode::TEMPORARY_REDIRECT, answer).into_response());
    }
    bytes::answer(&app.chat.files().store, &opened, &headers).await
}

/// A fresh signed URL of a file
#[utoipa::path(
    get,
    path = "/api/chat/media/{id}/download",
    operation_id = "media_link",
    tag = "media",
    params(MediaPath),
    responses(
        (status = 200, description = "The URL, and when it expires", body = MediaLink),
        (status = 404, description = "MEDIA_NOT_FOUND"),
    )
)]
pub(super) async fn signed_url(State(app): State<Arc<App>>, actor: Actor, media: MediaPath) -> Result<Json<MediaLink>> {
    chat::media::signed_url(&app.chat, &actor, media.id).await.map(Json)
}

/// Delete a file
///
/// It is removed from your messages, and from the store unless another user forwarded it.
#[utoipa::path(
    delete,
    path = "/api/chat/media/{id}",
    operation_id = "delete_media",
    tag = "media",
    params(MediaPath),
    responses(
        (status = 204, description = "Taken back"),
        (status = 403, description = "PERMISSION_DENIED"),
        (status = 404, description = "MEDIA_NOT_FOUND"),
    )
)]
pub(super) async fn delete(State(app): State<Arc<App>>, actor: Actor, media: MediaPath) -> Result<StatusCode> {
    chat::media::delete(&app.chat, &actor, media.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Files of a room
///
/// The attachments of its messages, the latest first.
#[utoipa::path(
    get,
    path = "/api/chat/rooms/{id}/media",
    operation_id = "list_media",
    tag = "media",
    params(RoomPath, PageQuery),
    responses(
        (status = 200, description = "A page of files", body = MediaList),
        (status = 404, description = "ROOM_NOT_FOUND"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    actor: Actor,
    room: RoomPath,
    Query(page): Query<PageQuery>,
) -> Result<Json<MediaList>> {
    chat::media::of_room(&app.chat, &actor, room.id, page).await.map(Json)
}
