//! Direct uploads: a row is reserved, the client sends the bytes to a signed URL, and the upload is examined on completion.
//!
//! The bytes are not trusted: they have a separate object until they are examined, so that a URL that is still valid cannot change a file
//! that others have seen.

use std::{collections::BTreeMap, time::Duration};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, UpdateMany, sea_query::Expr};

use super::{Announced, Size, TypeIsSaid, abandon, begin, data_name, keep, may_upload};
use crate::{
    auth::Actor,
    chat::{Chat, attachment},
    clock,
    contract::{
        ErrorCode, FieldError, Media, MediaId, MediaStatus,
        media::{DirectUpload, DirectUploadQuery},
        text,
    },
    error::{Error, Result},
    media::{
        kind::{self, essence},
        object::Key,
        served::served,
        signed_url::SignedQuery,
        spool::{Spool, TOO_LARGE},
    },
    tasks::to_the_end,
};
use entity::{media, user};

/// How long an upload URL is valid.
const LIFE: Duration = Duration::from_secs(900);

/// Characters of a type (RFC 6838, section 4.2: 127 on each side of the slash; real ones are shorter).
const MIME_CHARS: usize = 127;

const MISSING: &str = "nothing was uploaded yet";
const IN_PROGRESS: Error = Error::Refused(ErrorCode::Conflict, "another request is completing this upload");
const OTHER_SIZE: Error =
    Error::Refused(ErrorCode::InvalidMedia, "the uploaded file has another size than was announced");
const EMPTY: Error = Error::Refused(ErrorCode::InvalidMedia, "the uploaded file is empty");
const NOT_AS_SAID: Error =
    Error::Refused(ErrorCode::PermissionDenied, "this signed URL is for a file of another type or size");

/// Begins a direct upload, and answers where to send its bytes.
///
/// # Errors
/// `VALIDATION_ERROR`, `UNSUPPORTED_MEDIA_TYPE`, `PAYLOAD_TOO_LARGE`, `ROOM_NOT_FOUND`, `PERMISSION_DENIED`, `QUOTA_EXCEEDED`,
/// `STORAGE_UNAVAILABLE`.
pub async fn reserve(chat: &Chat, actor: &Actor, query: DirectUploadQuery) -> Result<DirectUpload> {
    let limit = chat.files.rules().file_bytes;
    let declared = query.mime_type.as_deref().filter(|declared| !declared.trim().is_empty());
    let is_type = declared.map(essence).is_none_or(|declared| {
        declared.len() <= MIME_CHARS
            && declared.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty())
            && declared.chars().all(|c| c.is_ascii_alphanumeric() || "/.+-_*".contains(c))
    });
    let is_size = query.size.is_none_or(|size| size > 0);
    Error::check([
        if is_size { Ok(()) } else { Err(FieldError::new("size", "range", "must be 1 or more")) },
        if is_type { Ok(()) } else { Err(FieldError::new("mime_type", "invalid", "must be like image/png")) },
        if query.filename.is_empty() { Err(text::required("filename")) } else { Ok(()) },
        text::prose("filename", &query.filename, 255),
    ])?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let size = query.size.map_or(Size::AtMost(limit), Size::Exact);
    if matches!(size, Size::Exact(size) if size > limit) {
        return Err(TOO_LARGE);
    }
    let filename = data_name(&query.filename);
    let said = kind::declared(declared);
    let is_said = TypeIsSaid(said.is_some());
    let mime_type = kind::expected(said, &filename)?;
    may_upload(chat, actor, query.room_id).await?;
    let model = begin(chat, actor, Announced { filename, mime_type, size, direct: Some(is_said) }).await?;

    let expires_at = clock::now().plus(LIFE);
    let (id, mime_type, size) = (model.id, model.mime_type, model.size);
    let direct = match chat.files.store.signed_upload_url(Key::Incoming(id), &mime_type, LIFE).await {
        Ok(direct) => direct,
        Err(error) => {
            abandon(chat, id).await;
            return Err(error);
        }
    };
    let mut headers = BTreeMap::from([("Content-Type", mime_type.clone())]);
    let upload_url = match direct {
        Some(direct) => {
            headers.extend(direct.headers);
            direct.url
        }
        None => chat.files.signer.upload(id, &mime_type, size, expires_at),
    };
    Ok(DirectUpload {
        media_id: id,
        signed_url: upload_url.clone(),
        upload_url,
        method: "PUT",
        headers,
        expires_at,
        path: Key::File(id).to_string(),
        expires_in: LIFE.as_secs(),
    })
}

/// What an upload URL accepts.
#[derive(Debug)]
pub struct Expected {
    id: MediaId,
    mime_type: String,
    /// The number of bytes, or the most.
    pub size: u64,
    is_exact: bool,
}

/// Checks a request to an upload URL; answers what the URL accepts.
///
/// # Errors
/// `PERMISSION_DENIED` for a URL that was altered or has expired, or for another type or size;
/// `MEDIA_NOT_FOUND` when the upload is over.
pub async fn expected(chat: &Chat, id: MediaId, signed: &SignedQuery, declared: Option<&str>) -> Result<Expected> {
    let model = media::Entity::find_by_id(id).one(chat.db.read()).await?.ok_or(NOT_AS_SAID)?;
    chat.files.signer.check_upload(id, &model.mime_type, model.size, signed)?;
    if model.has_exact_type && declared.map(essence).as_deref() != Some(&model.mime_type) {
        return Err(NOT_AS_SAID);
    }
    awaits_bytes(chat, &model).await?;
    let size = u64::try_from(model.size).map_err(Error::internal)?;
    Ok(Expected { id, mime_type: model.mime_type, size, is_exact: model.has_exact_size })
}

/// Refuses bytes for a file that is complete already, or whose owner's account is closed.
async fn awaits_bytes(chat: &Chat, model: &media::Model) -> Result<()> {
    let owner = user::Entity::find_by_id(model.owner_id).one(chat.db.read()).await?;
    if model.status == MediaStatus::Pending && owner.is_some_and(|owner| owner.is_active) {
        Ok(())
    } else {
        Err(Error::MEDIA_NOT_FOUND)
    }
}

/// Stores the bytes of a direct upload. They may have taken long, so the upload is checked again.
///
/// # Errors
/// `PERMISSION_DENIED` when there are more or fewer than were announced, `MEDIA_NOT_FOUND`, `STORAGE_UNAVAILABLE`.
pub async fn receive(chat: &Chat, expected: Expected, spool: Spool) -> Result<()> {
    let is_as_said = if expected.is_exact { spool.size() == expected.size } else { spool.size() <= expected.size };
    if !is_as_said {
        return Err(NOT_AS_SAID);
    }
    let model = media::Entity::find_by_id(expected.id).one(chat.db.read()).await?.ok_or(Error::MEDIA_NOT_FOUND)?;
    awaits_bytes(chat, &model).await?;
    let incoming = served(&expected.mime_type, "incoming");
    chat.files.store.put(Key::Incoming(expected.id), &spool, &incoming).await
}

/// Examines a direct upload and makes the file ready; a file that is not as announced is removed. A ready file stays ready.
///
/// # Errors
/// `MEDIA_NOT_FOUND`; `INVALID_MEDIA` when nothing or something of another size came; `UNSUPPORTED_MEDIA_TYPE`,
/// `IMAGE_TOO_LARGE`; `CONFLICT` while another request completes it; `STORAGE_UNAVAILABLE`, after which it may be tried again.
pub async fn complete(chat: &Chat, actor: &Actor, id: MediaId) -> Result<Media> {
    let Some(model) = claim(chat, actor, id).await? else {
        let model = media::Entity::find_by_id(id).one(chat.db.read()).await?;
        let model = model.filter(|model| model.owner_id == actor.user_id).ok_or(Error::MEDIA_NOT_FOUND)?;
        return match model.status {
            MediaStatus::Ready => Ok(attachment::show(&model, chat.recipient(actor.user_id))),
            MediaStatus::Pending => Err(IN_PROGRESS),
            MediaStatus::Leaving => Err(Error::MEDIA_NOT_FOUND),
        };
    };
    let (chat, actor) = (chat.clone(), actor.clone());
    to_the_end(async move {
        let taken = take(&chat, &actor, &model).await;
        match &taken {
            // The file may be fine: it can be completed later.
            Err(Error::Storage(_) | Error::Unavailable(_) | Error::Refused(ErrorCode::InvalidMedia, MISSING)) => {
                set_direct(id, true).exec(chat.db.writer()).await?;
            }
            Err(_) => abandon(&chat, id).await,
            Ok(_) => {}
        }
        taken.map(|model| attachment::show(&model, chat.recipient(actor.user_id)))
    })
    .await
}

/// Claims a file for completion, one request at a time; nothing if that is not possible.
async fn claim(chat: &Chat, actor: &Actor, id: MediaId) -> Result<Option<media::Model>> {
    let tx = chat.begin(actor).await?;
    let claimed = set_direct(id, false)
        .filter(media::Column::OwnerId.eq(actor.user_id))
        .filter(media::Column::IsDirect.eq(true))
        .exec_with_returning(&tx)
        .await?;
    tx.commit().await?;
    Ok(claimed.into_iter().next())
}

fn set_direct(id: MediaId, is_direct: bool) -> UpdateMany<media::Entity> {
    media::Entity::update_many()
        .col_expr(media::Column::IsDirect, Expr::value(is_direct))
        .filter(media::Column::Id.eq(id))
        .filter(media::Column::Status.eq(MediaStatus::Pending))
}

/// Examines the bytes of a file and stores them.
async fn take(chat: &Chat, actor: &Actor, model: &media::Model) -> Result<media::Model> {
    let (id, store) = (model.id, &chat.files.store);
    let said = u64::try_from(model.size).map_err(Error::internal)?;
    let size = store.size(Key::Incoming(id)).await?.ok_or(Error::Refused(ErrorCode::InvalidMedia, MISSING))?;
    if model.has_exact_size && size != said {
        return Err(OTHER_SIZE);
    }
    if size > said {
        return Err(TOO_LARGE);
    }
    let spool = chat.files.spool(size)?.fill(store.get(Key::Incoming(id), None).await?).await?;
    if spool.size() != size {
        return Err(Error::Storage("an object ended early".into()));
    }
    if size == 0 {
        return Err(EMPTY);
    }
    let declared = model.has_exact_type.then_some(model.mime_type.as_str());
    let (spool, found) = chat.files.examine(spool, declared, &model.filename).await?;
    let kept = keep(chat, actor, model, &spool, found).await?;
    // If this fails, the sweeper does it.
    if let Err(error) = store.delete(Key::Incoming(id)).await {
        error.record();
    }
    Ok(kept)
}
