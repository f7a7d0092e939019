//! Files that people upload: who may upload, load and remove them.
//!
//! The row is written before the store hears of a file, and again when its bytes last: so every object has a row that tells
//! what is to become of it, whatever fails in between. A file stays while something shows it; see [`attachment`] and [`Sweeper`].

mod direct;
mod load;
mod sweep;
mod withdraw;

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, LockType},
};

use self::load::readable;
use super::{Chat, attachment, find};
use crate::{
    auth::Actor,
    clock,
    contract::{ErrorCode, Media, MediaId, MediaStatus, RoomId, UserId, text},
    db::Transaction,
    error::{Error, Result},
    media::{Examined, object::Key, served::served, spool::Spool},
    tasks::to_the_end,
};
use entity::{media, user};

pub use direct::{Expected, complete, expected, receive, reserve};
pub use load::{Asker, Opened, of_room, open, signed_url};
pub use sweep::Sweeper;
pub use withdraw::delete;

/// Characters of a file's name.
const NAME_CHARS: usize = 255;

/// Characters behind the last dot of a name that say what kind of file it is.
const ENDING_CHARS: usize = 16;

const QUOTA_EXCEEDED: Error = Error::Refused(ErrorCode::QuotaExceeded, "your files would exceed your storage quota");

/// A file that has arrived.
#[derive(Debug)]
pub struct Upload {
    pub spool: Spool,
    pub filename: String,
    /// What its sender says that it is.
    pub declared: Option<String>,
    pub room_id: Option<RoomId>,
}

/// Stores a file; when this answers, its bytes last.
///
/// # Errors
/// `VALIDATION_ERROR` for an empty one, `UNSUPPORTED_MEDIA_TYPE`, `IMAGE_TOO_LARGE`, `ROOM_NOT_FOUND`, `PERMISSION_DENIED`,
/// `QUOTA_EXCEEDED`, `STORAGE_UNAVAILABLE`.
pub async fn upload(chat: &Chat, actor: &Actor, upload: Upload) -> Result<Media> {
    if upload.spool.size() == 0 {
        return Err(Error::field("file", "empty", "must not be empty"));
    }
    may_upload(chat, actor, upload.room_id).await?;
    let (chat, actor) = (chat.clone(), actor.clone());
    // The store would keep what nobody waits for.
    to_the_end(async move {
        let filename = data_name(&upload.filename);
        let (spool, found) = chat.files.examine(upload.spool, upload.declared.as_deref(), &filename).await?;
        let size = i64::try_from(spool.size()).map_err(Error::internal)?;
        let announced =
            Announced { filename, mime_type: found.mime_type.clone(), size: Size::Exact(size), direct: None };
        let model = begin(&chat, &actor, announced).await?;
        let id = model.id;
        let kept = keep(&chat, &actor, &model, &spool, found).await;
        if kept.is_err() {
            abandon(&chat, id).await;
        }
        kept.map(|model| attachment::show(&model, chat.recipient(actor.user_id)))
    })
    .await
}

/// Whether the asker may upload anything, and send it to the room that it is meant for.
async fn may_upload(chat: &Chat, actor: &Actor, room: Option<RoomId>) -> Result<()> {
    let tx = chat.begin(actor).await?;
    let Some(room) = room else { return Ok(()) };
    let (room, _, membership) = find::room(&tx, actor.user_id, room).await?;
    membership.permit_sending(clock::now())?;
    find::reaches_somebody(&tx, &room, actor.user_id).await
}

/// A name as mere data: without the folders that some clients send along, without what shows nothing, and not too long to be
/// shown. Its ending stays.
fn data_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = text::visible(name);
    let name = name.trim();
    if name.chars().all(|c| c == '.') {
        return "file".to_owned();
    }
    let excess = name.chars().count().saturating_sub(NAME_CHARS);
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if ending.chars().count() <= ENDING_CHARS => (stem, format!(".{ending}")),
        _ => (name, String::new()),
    };
    let kept = stem.chars().count().saturating_sub(excess);
    stem.chars().take(kept).chain(ending.chars()).collect()
}

/// What is known of a file before its bytes are.
struct Announced {
    filename: String,
    mime_type: String,
    size: Size,
    /// For one that goes to the store directly: whether its type was said.
    direct: Option<TypeIsSaid>,
}

struct TypeIsSaid(bool);

/// Bytes of a file.
#[derive(Clone, Copy)]
enum Size {
    Exact(i64),
    AtMost(i64),
}

/// Writes the row of a file whose bytes are on their way, if its owner has room for it.
async fn begin(chat: &Chat, actor: &Actor, announced: Announced) -> Result<media::Model> {
    let tx = chat.begin(actor).await?;
    // Two uploads of one user are counted one after the other.
    user::Entity::find_by_id(actor.user_id).lock(LockType::NoKeyUpdate).one(&tx).await?;
    let most = i64::try_from(chat.files.rules().user_bytes).unwrap_or(i64::MAX);
    let free = most.saturating_sub(used_by(&tx, actor.user_id).await?);
    let size = match announced.size {
        Size::Exact(size) => size,
        Size::AtMost(size) => size.min(free),
    };
    if size > free || size <= 0 {
        return Err(QUOTA_EXCEEDED);
    }
    let row = media::ActiveModel {
        id: Set(MediaId::new()),
        owner_id: Set(actor.user_id),
        status: Set(MediaStatus::Pending),
        filename: Set(announced.filename),
        mime_type: Set(announced.mime_type),
        size: Set(size),
        sha256: Set(None),
        width: Set(None),
        height: Set(None),
        duration_ms: Set(None),
        thumbhash: Set(None),
        thumbnail_mime_type: Set(None),
        is_direct: Set(announced.direct.is_some()),
        has_exact_size: Set(matches!(announced.size, Size::Exact(_))),
        has_exact_type: Set(announced.direct.is_none_or(|said| said.0)),
        created_at: Set(clock::now()),
        kept_until: Set(None),
        withdrawn_at: Set(None),
    };
    let model = row.insert(&tx).await?;
    tx.commit().await?;
    Ok(model)
}

/// Bytes of a user's files, those on their way included.
async fn used_by(tx: &Transaction, user: UserId) -> Result<i64> {
    // A sum of PostgreSQL's is of a wider type than what it sums up.
    let sum: Option<Option<i64>> = media::Entity::find()
        .select_only()
        .expr_as(sea_orm::ExprTrait::cast_as(media::Column::Size.sum(), "bigint"), "sum")
        .filter(media::Column::OwnerId.eq(user))
        .filter(media::Column::Status.ne(MediaStatus::Leaving))
        .into_tuple()
        .one(tx)
        .await?;
    Ok(sum.flatten().unwrap_or_default())
}

/// Stores the bytes of a file that was begun, and makes it ready.
async fn keep(
    chat: &Chat,
    actor: &Actor,
    model: &media::Model,
    spool: &Spool,
    found: Examined,
) -> Result<media::Model> {
    let id = model.id;
    chat.files.store.put(Key::File(id), spool, &served(&found.mime_type, &model.filename)).await?;
    let thumbnail_mime_type = found.thumbnail.as_ref().map(|thumbnail| thumbnail.mime_type.to_owned());
    if let Some(thumbnail) = found.thumbnail {
        let small = served(thumbnail.mime_type, &model.filename);
        chat.files.store.put_bytes(Key::Thumbnail(id), thumbnail.bytes, &small).await?;
    }
    let pixels = |pixels: u32| i32::try_from(pixels).ok();
    let change = media::ActiveModel {
        status: Set(MediaStatus::Ready),
        mime_type: Set(found.mime_type),
        size: Set(i64::try_from(spool.size()).map_err(Error::internal)?),
        sha256: Set(Some(spool.sha256())),
        width: Set(found.dimensions.and_then(|(width, _)| pixels(width))),
        height: Set(found.dimensions.and_then(|(_, height)| pixels(height))),
        duration_ms: Set(found.duration.and_then(|duration| i64::try_from(duration.as_millis()).ok())),
        thumbhash: Set(found.thumbhash),
        thumbnail_mime_type: Set(thumbnail_mime_type),
        ..Default::default()
    };
    let tx = chat.begin(actor).await?;
    let ready = media::Entity::update_many()
        .set(change)
        .filter(media::Column::Id.eq(id))
        .filter(media::Column::Status.eq(MediaStatus::Pending))
        .exec_with_returning(&tx)
        .await?
        .pop()
        // It took so long that it was swept.
        .ok_or(Error::MEDIA_NOT_FOUND)?;
    tx.commit().await?;
    Ok(ready)
}

/// Gives a file up that was begun. Should even that fail, the sweeper does it when its time is over.
async fn abandon(chat: &Chat, id: MediaId) {
    let given_up = media::Entity::update_many()
        .col_expr(media::Column::Status, Expr::value(MediaStatus::Leaving))
        .filter(media::Column::Id.eq(id))
        .filter(media::Column::Status.eq(MediaStatus::Pending))
        .exec(chat.db.writer())
        .await;
    if let Err(error) = given_up {
        Error::from(error).record();
    }
    chat.sweeper.nudge();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_data() {
        for (given, kept) in [
            ("../../etc/passwd", "passwd"),
            (r"C:\fakepath\me.png", "me.png"),
            (".htaccess", ".htaccess"),
            ("..", "file"),
            ("/", "file"),
            ("a\u{202e}gpj.exe\0\n", "agpj.exe"),
            ("日本 🦀.png", "日本 🦀.png"),
            ("", "file"),
            ("\0", "file"),
        ] {
            assert_eq!(data_name(given), kept);
        }
        assert_eq!(data_name(&"x".repeat(300)).len(), NAME_CHARS);
        let long = data_name(&format!("{}.tar.gz", "ü".repeat(300)));
        assert_eq!(long.chars().count(), NAME_CHARS);
        assert!(long.ends_with(".gz"));
    }
}
