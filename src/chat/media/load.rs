//! Loading files: who may, and where their bytes are.

use std::time::Duration;

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use crate::{
    auth::Actor,
    chat::{Chat, attachment, find, permission::Capability, room as rooms},
    clock,
    contract::{
        MediaId, MediaStatus, MessageId, RoomId, Seq, UserId,
        list::{MediaList, PageQuery},
        media::{MediaLink, SharedMedia},
    },
    error::{Error, Result},
    media::{
        object::Key,
        served::{Served, served},
        signed_url::{SignedQuery, Variant},
    },
};
use entity::{attachment as attachments, media, message, room, user};

/// How long a URL of the store itself is valid. The store does not check permissions, so this is short.
const STORE_LIFE: Duration = Duration::from_secs(60);

/// Who loads a file.
#[derive(Debug)]
pub enum Asker {
    /// A user with a token.
    Actor(Actor),
    /// The holder of a signed URL.
    Bearer(SignedQuery),
}

/// A file that may be loaded.
#[derive(Debug)]
pub struct Opened {
    pub key: Key,
    pub served: Served,
    /// Bytes.
    pub size: u64,
    /// A tag that changes with the bytes.
    pub etag: String,
    /// The URL of the store for it, unless this server serves it.
    pub elsewhere: Option<String>,
}

/// Finds the bytes of a file for a user who may load it.
///
/// # Errors
/// `MEDIA_NOT_FOUND`; `PERMISSION_DENIED` for a URL that was altered or has expired; `STORAGE_UNAVAILABLE`.
pub async fn open(chat: &Chat, asker: Asker, id: MediaId) -> Result<Opened> {
    let (user, variant) = match asker {
        Asker::Actor(actor) => (Some(actor.user_id), Variant::Original),
        Asker::Bearer(signed) => {
            chat.files.signer.check(id, &signed)?;
            (signed.user, signed.variant)
        }
    };
    let model = match user {
        Some(user) if is_active(chat, user).await? => readable(chat, user, id).await?,
        Some(_) => return Err(Error::MEDIA_NOT_FOUND),
        None => picture(chat, id).await?,
    };
    let digest: String = model.sha256.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
    let (key, served, etag) = match (variant, &model.thumbnail_mime_type) {
        (Variant::Original, _) => (Key::File(id), served(&model.mime_type, &model.filename), digest),
        (Variant::Thumbnail, Some(mime)) => {
            (Key::Thumbnail(id), served(mime, &model.filename), format!("{digest}-small"))
        }
        (Variant::Thumbnail, None) => return Err(Error::MEDIA_NOT_FOUND),
    };
    let store = &chat.files.store;
    let elsewhere = store.signed_url(key, &model.filename, &served, STORE_LIFE).await?;
    let size = match key {
        Key::File(_) => u64::try_from(model.size).map_err(Error::internal)?,
        _ if elsewhere.is_some() => 0,
        _ => store.size(key).await?.ok_or(Error::MEDIA_NOT_FOUND)?,
    };
    Ok(Opened { key, served, size, etag: format!("\"{etag}\""), elsewhere })
}

/// Whether the account of a user is active.
async fn is_active(chat: &Chat, user: UserId) -> Result<bool> {
    let user = user::Entity::find_by_id(user).one(chat.db.read()).await?;
    Ok(user.is_some_and(|user| user.is_active))
}

async fn ready(chat: &Chat, id: MediaId) -> Result<media::Model> {
    let model = media::Entity::find_by_id(id).one(chat.db.read()).await?;
    model.filter(|model| model.status == MediaStatus::Ready).ok_or(Error::MEDIA_NOT_FOUND)
}

/// The file, if it is an avatar, or was one a while ago.
async fn picture(chat: &Chat, id: MediaId) -> Result<media::Model> {
    let model = ready(chat, id).await?;
    if model.kept_until.is_some_and(|until| clock::now() < until) || attachment::is_avatar(chat.db.read(), id).await? {
        Ok(model)
    } else {
        Err(Error::MEDIA_NOT_FOUND)
    }
}

/// The file, if a user may load it: it is theirs, or attached to a message that they may read.
pub(super) async fn readable(chat: &Chat, user: UserId, id: MediaId) -> Result<media::Model> {
    let model = ready(chat, id).await?;
    if model.owner_id == user && model.withdrawn_at.is_none() {
        return Ok(model);
    }
    let db = chat.db.read();
    let mine = room::Entity::find().select_only().column(room::Column::Id).filter(rooms::of_user(user));
    let newest: Vec<(RoomId, Seq)> = attachments::Entity::find()
        .select_only()
        .column(attachments::Column::RoomId)
        .column_as(attachments::Column::Seq.max(), "seq")
        .filter(attachments::Column::MediaId.eq(id))
        .filter(attachments::Column::RoomId.in_subquery(mine.into_query()))
        .group_by(attachments::Column::RoomId)
        .into_tuple()
        .all(db)
        .await?;
    for (room, seq) in newest {
        let (_, _, membership) = find::room(db, user, room).await?;
        if membership.may_see(seq) && membership.permit(Capability::Read).is_ok() {
            return Ok(model);
        }
    }
    Err(Error::MEDIA_NOT_FOUND)
}

/// A fresh signed URL of a file for a user who may load it.
///
/// # Errors
/// `MEDIA_NOT_FOUND`.
pub async fn signed_url(chat: &Chat, actor: &Actor, id: MediaId) -> Result<MediaLink> {
    readable(chat, actor.user_id, id).await?;
    let signed = chat.files.signer.file(id, Variant::Original, actor.user_id);
    Ok(MediaLink { url: signed.url, expires_at: signed.expires_at })
}

/// The attachments of a room's messages, the latest first.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`.
pub async fn of_room(chat: &Chat, actor: &Actor, room_id: RoomId, page: PageQuery) -> Result<MediaList> {
    let page = page.check()?;
    let db = chat.db.read();
    let (_, _, membership) = find::room(db, actor.user_id, room_id).await?;
    membership.permit(Capability::Read)?;
    let shared = attachments::Entity::find()
        .filter(attachments::Column::RoomId.eq(room_id))
        .filter(attachments::Column::Seq.gte(membership.reads_from));
    let total = shared.clone().count(db).await?;
    let rows = shared
        .order_by_desc(attachments::Column::Seq)
        .order_by_asc(attachments::Column::Position)
        .offset(page.offset())
        .limit(page.size())
        .all(db)
        .await?;
    let files =
        media::Entity::find().filter(media::Column::Id.is_in(rows.iter().map(|row| row.media_id))).all(db).await?;
    let ids: Vec<MessageId> = rows.iter().map(|row| row.message_id).collect();
    let messages = message::Entity::find().filter(message::Column::Id.is_in(ids)).all(db).await?;
    let recipient = chat.recipient(actor.user_id);
    let shown = rows.into_iter().filter_map(|row| {
        let file = files.iter().find(|file| file.id == row.media_id)?;
        let message = messages.iter().find(|message| message.id == row.message_id)?;
        Some(SharedMedia {
            media: attachment::show(file, recipient),
            message_id: row.message_id,
            seq: row.seq,
            sender_id: message.sender_id,
            sent_at: message.created_at,
        })
    });
    Ok(MediaList { media: shown.collect(), info: page.info(total) })
}
