//! Files that their owners send to the store directly: a row, an address that takes these bytes, and a look at what came.
//!
//! What comes is not trusted: it lies under a name of its own until it was looked at, so that an address that still counts cannot
//! change a file that somebody has seen.

use std::{collections::BTreeMap, time::Duration};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, UpdateMany, sea_query::Expr};

use super::{abandon, begin, data_name, keep, may_upload, to_the_end};
use crate::{
    auth::Actor,
    chat::{Chat, attachment},
    contract::{
        ErrorCode, FieldError, Media, MediaId, MediaStatus,
        media::{DirectUpload, DirectUploadQuery},
        text,
    },
    error::{Error, Result},
    media::{
        kind::{self, essence},
        link::Signed,
        spool::{Spool, TOO_LARGE},
        store::Key,
    },
};
use entity::{media, user};

/// How long bytes may be sent to an address.
const LIFE: Duration = Duration::from_secs(900);

/// Characters of a type (RFC 6838, section 4.2: 127 on each side of the slash; real ones are shorter).
const MIME_CHARS: usize = 127;

const MISSING: &str = "nothing was uploaded yet";
const IN_PROGRESS: Error = Error::Refused(ErrorCode::Conflict, "another request is completing this upload");
const OTHER_SIZE: Error = Error::Refused(ErrorCode::InvalidMedia, "what was uploaded has another size than was said");
const NOT_AS_SAID: Error = Error::Refused(
    ErrorCode::PermissionDenied,
    "this address takes a file of the type and the size that it was made for",
);

/// Begins an upload, and tells where its bytes go.
///
/// # Errors
/// `VALIDATION_ERROR`, `UNSUPPORTED_MEDIA_TYPE`, `PAYLOAD_TOO_LARGE`, `ROOM_NOT_FOUND`, `PERMISSION_DENIED`, `QUOTA_EXCEEDED`,
/// `STORAGE_UNAVAILABLE`.
pub async fn reserve(chat: &Chat, actor: &Actor, query: DirectUploadQuery) -> Result<DirectUpload> {
    let size = u64::try_from(query.size).ok().filter(|size| *size > 0);
    let mime_type = essence(&query.mime_type);
    let is_type = mime_type.len() <= MIME_CHARS
        && mime_type.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty())
        && mime_type.chars().all(|c| c.is_ascii_alphanumeric() || "/.+-_".contains(c));
    Error::check([
        size.map(drop).ok_or_else(|| FieldError::new("size", "range", "must be 1 or more")),
        if is_type { Ok(()) } else { Err(FieldError::new("mime_type", "invalid", "must be like image/png")) },
        if query.filename.is_empty() { Err(text::required("filename")) } else { Ok(()) },
        text::prose("filename", &query.filename, 255),
    ])?;
    if size > Some(chat.files.rules().file_bytes) {
        return Err(TOO_LARGE);
    }
    kind::may_be(&mime_type, &query.filename)?;
    may_upload(chat, actor, query.room_id).await?;
    let model = begin(chat, actor, data_name(&query.filename), mime_type, query.size, true).await?;

    let expires_at = chat.clock.now().plus(LIFE);
    let (id, mime_type) = (model.id, model.mime_type);
    let direct = match chat.files.store.upload_link(Key::Incoming(id), &mime_type, LIFE).await {
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
        None => chat.files.links.upload(id, &mime_type, query.size, expires_at),
    };
    Ok(DirectUpload { media_id: id, upload_url, method: "PUT", headers, expires_at })
}

/// What an address of ours takes.
#[derive(Debug)]
pub struct Expected {
    id: MediaId,
    mime_type: String,
    /// Bytes.
    pub size: u64,
}

/// What is expected at an address of ours, for a request that fits it.
///
/// # Errors
/// `PERMISSION_DENIED` for an address that was altered or is too old, or a type or size that it was not made for;
/// `MEDIA_NOT_FOUND` when the upload is over.
pub async fn expected(chat: &Chat, id: MediaId, signed: &Signed, declared: Option<&str>) -> Result<Expected> {
    let model = media::Entity::find_by_id(id).one(chat.db.read()).await?.ok_or(NOT_AS_SAID)?;
    chat.files.links.check_upload(id, &model.mime_type, model.size, signed)?;
    if declared.map(essence).as_deref() != Some(&model.mime_type) {
        return Err(NOT_AS_SAID);
    }
    let owner = user::Entity::find_by_id(model.owner_id).one(chat.db.read()).await?;
    if model.status != MediaStatus::Pending || !owner.is_some_and(|owner| owner.is_active) {
        return Err(Error::MEDIA_NOT_FOUND);
    }
    Ok(Expected { id, mime_type: model.mime_type, size: u64::try_from(model.size).map_err(Error::internal)? })
}

/// Stores the bytes that came for an address of ours.
///
/// # Errors
/// `PERMISSION_DENIED` when there are more or fewer than were announced, `STORAGE_UNAVAILABLE`.
pub async fn receive(chat: &Chat, expected: Expected, spool: Spool) -> Result<()> {
    if spool.size() != expected.size {
        return Err(NOT_AS_SAID);
    }
    chat.files.store.put(Key::Incoming(expected.id), &spool, &kind::served(&expected.mime_type, "incoming")).await
}

/// Looks at what came, and makes the file ready; what is not as it was said to be is removed. A file that is ready stays so.
///
/// # Errors
/// `MEDIA_NOT_FOUND`; `INVALID_MEDIA` when nothing or something of another size came; `UNSUPPORTED_MEDIA_TYPE`,
/// `IMAGE_TOO_LARGE`; `CONFLICT` while another request completes it; `STORAGE_UNAVAILABLE`, after which it may be tried again.
pub async fn complete(chat: &Chat, actor: &Actor, id: MediaId) -> Result<Media> {
    let Some(model) = claim(chat, actor, id).await? else {
        let model = media::Entity::find_by_id(id).one(chat.db.read()).await?;
        let model = model.filter(|model| model.owner_id == actor.user_id).ok_or(Error::MEDIA_NOT_FOUND)?;
        return match model.status {
            MediaStatus::Ready => Ok(attachment::show(&model, chat.reader(actor.user_id))),
            MediaStatus::Pending => Err(IN_PROGRESS),
            MediaStatus::Leaving => Err(Error::MEDIA_NOT_FOUND),
        };
    };
    let (chat, actor) = (chat.clone(), actor.clone());
    to_the_end(async move {
        let taken = take(&chat, &actor, &model).await;
        match &taken {
            // Nothing is wrong with the file: it may be completed later.
            Err(Error::Storage(_) | Error::Unavailable(_) | Error::Refused(ErrorCode::InvalidMedia, MISSING)) => {
                set_direct(id, true).exec(chat.db.writer()).await?;
            }
            Err(_) => abandon(&chat, id).await,
            Ok(_) => {}
        }
        taken.map(|model| attachment::show(&model, chat.reader(actor.user_id)))
    })
    .await
}

/// Lets one request at a time complete a file: nothing where it cannot be.
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

/// Looks at the bytes that came for a file, and keeps them.
async fn take(chat: &Chat, actor: &Actor, model: &media::Model) -> Result<media::Model> {
    let (id, store) = (model.id, &chat.files.store);
    let said = u64::try_from(model.size).map_err(Error::internal)?;
    let size = store.size(Key::Incoming(id)).await?.ok_or(Error::Refused(ErrorCode::InvalidMedia, MISSING))?;
    if size != said {
        return Err(OTHER_SIZE);
    }
    let spool = chat.files.spool(said)?.fill(store.get(Key::Incoming(id), None).await?).await?;
    if spool.size() != said {
        return Err(Error::Storage("an object ended early".into()));
    }
    let (spool, found) = chat.files.examine(spool, Some(&model.mime_type), &model.filename).await?;
    let kept = keep(chat, actor, model, &spool, found).await?;
    // Should this fail, the sweeper does it with the file.
    if let Err(error) = store.delete(Key::Incoming(id)).await {
        error.record();
    }
    Ok(kept)
}
