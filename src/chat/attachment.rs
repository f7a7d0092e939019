//! Attachments: the files of messages, and what happens to a file that is attached to no message any more.

use std::collections::{BTreeSet, HashMap, HashSet};

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
    sea_query::{Expr, SelectStatement},
};

use super::recipient::Recipient;
use crate::{
    clock,
    contract::{
        ErrorCode, FieldError, Media, MediaId, MediaStatus, Message, MessageId, MessageType, Timestamp, UserId,
        message::{SendAttachment, SendMessage},
    },
    db::{Transaction, query},
    error::{Error, Result},
    media::signed_url::{UrlSigner, Variant},
};
use entity::{attachment, media, message, room, user};

/// The most attachments of a message.
const MOST: usize = 10;

/// Files of one statement: SQLite takes 32,766 values, PostgreSQL 65,535.
const AT_A_TIME: usize = 1_000;

/// Refused: a file that is not the sender's, not whole yet, or gone.
pub(crate) const INVALID_MEDIA: Error =
    Error::Refused(ErrorCode::InvalidMedia, "unknown media_id: it names no file that you uploaded");

/// Whether messages of a type have attachments.
pub(crate) fn may_have_attachments(message_type: MessageType) -> bool {
    matches!(message_type, MessageType::Image | MessageType::Video | MessageType::Audio | MessageType::File)
}

/// Replaces every name of a file in a request by its id, so that equal requests are equal whichever names they use.
///
/// # Errors
/// `VALIDATION_ERROR` for more names than one, too many files or one twice; `INVALID_MEDIA` for a URL that is not ours.
pub(crate) fn by_id(request: SendMessage, signer: &UrlSigner) -> Result<SendMessage> {
    let single = SendAttachment { media_id: request.media_id, media_url: request.media_url.clone() };
    let is_single = single.media_id.is_some() || single.media_url.is_some();
    let named = match request.attachments.as_ref().filter(|several| !several.is_empty()) {
        Some(_) if is_single => {
            return Err(Error::field("attachments", "ambiguous", "give either attachments or one media_id"));
        }
        Some(several) => several.clone(),
        None if is_single => vec![single],
        None => return Ok(SendMessage { attachments: None, ..request }),
    };
    if named.len() > MOST {
        return Err(Error::field("attachments", "length", format!("must be at most {MOST} files")));
    }
    let ids = named.iter().map(|named| file_of(named, signer)).collect::<Result<Vec<MediaId>>>()?;
    if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
        return Err(Error::field("attachments", "repeated", "must name each file once"));
    }
    let attachments = ids.into_iter().map(|id| SendAttachment { media_id: Some(id), media_url: None }).collect();
    Ok(SendMessage { media_id: None, media_url: None, attachments: Some(attachments), ..request })
}

fn file_of(named: &SendAttachment, signer: &UrlSigner) -> Result<MediaId> {
    match (named.media_id, named.media_url.as_deref()) {
        (Some(id), None) => Ok(id),
        (None, Some(url)) => signer.media_id_of(url).ok_or(INVALID_MEDIA),
        (Some(id), Some(url)) if signer.media_id_of(url) == Some(id) => Ok(id),
        (Some(_), Some(_)) => Err(INVALID_MEDIA),
        (None, None) => Err(Error::Validation(vec![FieldError::new(
            "attachments",
            "missing",
            "a file is named by its media_id or its media_url",
        )])),
    }
}

/// The files that a request names, once it went through [`by_id`].
pub(crate) fn named_in(request: &SendMessage) -> impl Iterator<Item = MediaId> + '_ {
    request.attachments.iter().flatten().filter_map(|attachment| attachment.media_id)
}

/// A file, for `recipient`.
pub(crate) fn show(model: &media::Model, recipient: Recipient<'_>) -> Media {
    let url = |variant| match recipient.user {
        Some(user) => recipient.signer.file(model.id, variant, user).url,
        None => recipient.signer.placeholder(model.id, variant),
    };
    Media {
        id: model.id,
        url: url(Variant::Original),
        filename: model.filename.clone(),
        size: model.size,
        mime_type: model.mime_type.clone(),
        width: model.width,
        height: model.height,
        thumbnail_url: model.thumbnail_mime_type.as_ref().map(|_| url(Variant::Thumbnail)),
        thumbhash: model.thumbhash.clone(),
        duration_ms: model.duration_ms,
        created_at: model.created_at,
    }
}

/// A message that was built for all subscribers, with URLs for `user`.
pub(crate) fn with_urls(mut message: Message, user: UserId, signer: &UrlSigner) -> Message {
    let urls = message.attachments.iter_mut().flat_map(|file| [Some(&mut file.url), file.thumbnail_url.as_mut()]);
    let mirrored = [message.media_url.as_mut(), message.thumbnail_url.as_mut()];
    for url in urls.chain(mirrored).flatten() {
        *url = signer.fill(url, user).into_owned();
    }
    message
}

/// The attachments of some messages, for `recipient`.
pub(crate) async fn of(
    db: &impl ConnectionTrait,
    recipient: Recipient<'_>,
    messages: &[message::Model],
) -> Result<HashMap<MessageId, Vec<Media>>> {
    let with_attachments =
        messages.iter().filter(|model| model.deleted_at.is_none() && may_have_attachments(model.message_type));
    let attached = media_ids(db, with_attachments.map(|model| model.id).collect()).await?;
    let files = files(db, attached.values().flatten().copied().collect()).await?;
    let shown =
        |ids: Vec<MediaId>| ids.iter().filter_map(|id| files.get(id)).map(|file| show(file, recipient)).collect();
    Ok(attached.into_iter().map(|(message, ids)| (message, shown(ids))).collect())
}

/// The attachments of some messages, in their order.
pub(crate) async fn media_ids(
    db: &impl ConnectionTrait,
    messages: HashSet<MessageId>,
) -> Result<HashMap<MessageId, Vec<MediaId>>> {
    let mut attached: HashMap<MessageId, Vec<MediaId>> = HashMap::new();
    if messages.is_empty() {
        return Ok(attached);
    }
    let rows = attachment::Entity::find()
        .filter(attachment::Column::MessageId.is_in(query::padded(messages)))
        .order_by_asc(attachment::Column::Position)
        .all(db)
        .await?;
    for row in rows {
        attached.entry(row.message_id).or_default().push(row.media_id);
    }
    Ok(attached)
}

/// The first attachment of a message.
pub(crate) async fn first_of(tx: &Transaction, message: MessageId) -> Result<Option<media::Model>> {
    let first = attachment::Entity::find()
        .filter(attachment::Column::MessageId.eq(message))
        .order_by_asc(attachment::Column::Position)
        .one(tx)
        .await?;
    match first {
        Some(first) => Ok(media::Entity::find_by_id(first.media_id).one(tx).await?),
        None => Ok(None),
    }
}

async fn files(db: &impl ConnectionTrait, ids: BTreeSet<MediaId>) -> Result<HashMap<MediaId, media::Model>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let models = media::Entity::find().filter(media::Column::Id.is_in(query::padded(ids))).all(db).await?;
    Ok(models.into_iter().map(|model| (model.id, model)).collect())
}

/// Locks files that are about to be attached: they are not removed before the transaction ends.
pub(crate) async fn lock_files(tx: &Transaction, ids: BTreeSet<MediaId>) -> Result<HashMap<MediaId, media::Model>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let models = media::Entity::find()
        .filter(media::Column::Id.is_in(query::padded(ids)))
        .filter(media::Column::Status.eq(MediaStatus::Ready))
        .order_by_asc(media::Column::Id)
        .lock_shared()
        .all(tx)
        .await?;
    Ok(models.into_iter().map(|model| (model.id, model)).collect())
}

/// The rows of a new message's files.
pub(crate) fn rows(message: &message::Model, files: &[MediaId]) -> Vec<attachment::Model> {
    let (message_id, room_id, seq) = (message.id, message.room_id, message.seq);
    let positions = files.iter().zip(0..);
    positions.map(|(&media_id, position)| attachment::Model { message_id, position, media_id, room_id, seq }).collect()
}

/// Takes their files from messages; those that nothing else shows leave. To be called once in a transaction: files are locked in the
/// order of their ids.
pub(crate) async fn clear(tx: &Transaction, messages: Vec<MessageId>) -> Result<()> {
    take(tx, Condition::all().add(attachment::Column::MessageId.is_in(messages))).await.map(drop)
}

/// Takes files from the messages that fit; those that nothing else shows leave. Answers how many it took.
pub(crate) async fn take(tx: &Transaction, which: Condition) -> Result<usize> {
    let rows = attachment::Entity::find().filter(which.clone()).all(tx).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    attachment::Entity::delete_many().filter(which).exec(tx).await?;
    release(tx, rows.iter().map(|row| row.media_id).collect()).await?;
    Ok(rows.len())
}

/// Lets go of files that were shown somewhere: what nothing shows any longer is on its way out, at once for everybody.
pub(crate) async fn release(tx: &Transaction, ids: BTreeSet<MediaId>) -> Result<()> {
    release_if(tx, ids, Condition::all()).await
}

/// Lets go of those of some files that are as `still` says, now that nobody can change them.
pub(crate) async fn release_if(tx: &Transaction, ids: BTreeSet<MediaId>, still: Condition) -> Result<()> {
    let ids: Vec<MediaId> = ids.into_iter().collect();
    for some in ids.chunks(AT_A_TIME) {
        // A transaction that is about to show one of them has locked it: this one waits for it.
        let locked: Vec<MediaId> = media::Entity::find()
            .select_only()
            .column(media::Column::Id)
            .filter(media::Column::Id.is_in(some.iter().copied()))
            .order_by_asc(media::Column::Id)
            .lock_exclusive()
            .into_tuple()
            .all(tx)
            .await?;
        media::Entity::update_many()
            .col_expr(media::Column::Status, Expr::value(MediaStatus::Leaving))
            .filter(media::Column::Id.is_in(locked))
            .filter(unshown())
            .filter(still.clone())
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Whether a file is the avatar of a user or of a room.
pub(crate) async fn is_avatar(db: &impl ConnectionTrait, id: MediaId) -> Result<bool> {
    let users = user::Entity::find().filter(user::Column::AvatarMediaId.eq(id)).count(db).await?;
    if users > 0 {
        return Ok(true);
    }
    let rooms =
        room::Entity::find().filter(room::Column::AvatarMediaId.eq(id)).filter(room::Column::DeletedAt.is_null());
    Ok(rooms.count(db).await? > 0)
}

/// Keeps no replaced avatars of a user any longer: their files are removed at once when nothing shows them.
pub(crate) async fn forget(tx: &Transaction, owner: UserId) -> Result<()> {
    media::Entity::update_many()
        .col_expr(media::Column::KeptUntil, Expr::value(None::<Timestamp>))
        .filter(media::Column::OwnerId.eq(owner))
        .filter(media::Column::KeptUntil.is_not_null())
        .exec(tx)
        .await?;
    Ok(())
}

/// That nothing shows a file: no message carries it, and it is nobody's picture, nor was it a while ago.
pub(crate) fn unshown() -> Condition {
    let shown = |ids: SelectStatement| Expr::col((media::Entity, media::Column::Id)).not_in_subquery(ids);
    let is_past = media::Column::KeptUntil.is_null().or(media::Column::KeptUntil.lte(clock::now()));
    Condition::all()
        .add(is_past)
        .add(shown(attachment::Entity::find().select_only().column(attachment::Column::MediaId).into_query()))
        .add(shown(avatars::<user::Entity>(user::Column::AvatarMediaId)))
        .add(shown(avatars::<room::Entity>(room::Column::AvatarMediaId)))
}

fn avatars<E: EntityTrait>(column: E::Column) -> SelectStatement {
    E::find().select_only().column(column).filter(column.is_not_null()).into_query()
}
