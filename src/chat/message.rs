//! Messages: send, read back, edit, delete.

pub(crate) mod batch;
mod preload;
mod rows;
pub(crate) mod submission;

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select,
};
use unicode_normalization::UnicodeNormalization;

use super::{
    Chat, attachment,
    audit::{self, Record},
    find, mention,
    permission::Capability,
    pin, reaction,
    recipient::Recipient,
    room_log::Answer,
    view,
};
use crate::{
    auth::Actor,
    clock,
    contract::{
        AuditAction, ErrorCode, EventKind, FieldError, Message, MessageId, MessageType, RoomId, Seq, Timestamp,
        command::{DeletedMessage, SentMessage},
        list::{MessageList, Page, PageQuery},
        message::{History, HistoryPart, HistoryQuery, SendMessage},
        names_nothing, text,
    },
    db::{Pool, Transaction},
    error::{Error, Result},
    log::Change,
};
use entity::message;

/// Characters of a `client_msg_id`.
const CLIENT_MSG_ID_CHARS: usize = 64;

/// Sends a message, and waits until it is committed.
///
/// # Errors
/// Those of [`submit`] and of the log: `ROOM_NOT_FOUND`, `PERMISSION_DENIED`, `ACCOUNT_DISABLED`, `INVALID_REFERENCE`,
/// `CLIENT_MSG_ID_CONFLICT`, `SERVICE_UNAVAILABLE`.
pub async fn send(chat: &Chat, actor: &Actor, request: SendMessage) -> Result<SentMessage> {
    committed(submit(chat, actor, request)?).await
}

/// Hands a message to the log without waiting. What one caller submits is stored in the order of these calls.
///
/// # Errors
/// `VALIDATION_ERROR`, `INVALID_MEDIA`, and `RATE_LIMITED` when the log is too far behind.
pub fn submit(chat: &Chat, actor: &Actor, request: SendMessage) -> Result<Answer> {
    let request = attachment::by_id(request, &chat.files.signer)?;
    check(&request)?;
    chat.log.submit(actor, request)
}

/// Waits until a submitted message is committed or refused.
///
/// # Errors
/// Those of the log.
pub async fn committed(answer: Answer) -> Result<SentMessage> {
    answer.await.unwrap_or(Err(Error::DRAINING))
}

/// Whether a message is one that the asker stored in this room: what older clients announce after sending over REST.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `MESSAGE_NOT_FOUND`, and `PERMISSION_DENIED` for somebody else's.
pub async fn own_message(chat: &Chat, actor: &Actor, room_id: RoomId, id: MessageId) -> Result<Message> {
    let db = chat.db.read();
    find::room(db, actor.user_id, room_id).await?;
    let (model, _) = find::message(db, actor.user_id, id).await?;
    if model.room_id != room_id {
        return Err(Error::MESSAGE_NOT_FOUND);
    }
    if model.sender_id != actor.user_id {
        return Err(NOT_YOURS);
    }
    view::one_message(db, chat.recipient(actor.user_id), model).await
}

/// One message.
///
/// # Errors
/// `MESSAGE_NOT_FOUND`.
pub async fn get(chat: &Chat, actor: &Actor, id: MessageId) -> Result<Message> {
    let (model, membership) = find::message(chat.db.read(), actor.user_id, id).await?;
    membership.permit(Capability::Read)?;
    view::one_message(chat.db.read(), chat.recipient(actor.user_id), model).await
}

/// Changes the text of the asker's own message, or takes it away where the message has files to show. Where the text stays as
/// it is, nothing changes.
///
/// # Errors
/// `VALIDATION_ERROR`, `MESSAGE_NOT_FOUND` (also once it is deleted), `PERMISSION_DENIED`.
pub async fn edit(chat: &Chat, actor: &Actor, id: MessageId, content: Option<Option<String>>) -> Result<Message> {
    let content = content.ok_or_else(|| names_nothing(&["content"]))?;
    Error::check(content.iter().map(|content| text::content("content", content)))?;
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let (model, membership) = find::message_for_update(&tx, actor.user_id, id).await?;
    let permit = membership.permit_editing(now)?;
    if model.deleted_at.is_some() {
        return Err(Error::MESSAGE_NOT_FOUND);
    }
    if model.sender_id != actor.user_id {
        return Err(NOT_YOURS);
    }
    if content.is_none() && !attachment::may_have_attachments(model.message_type) {
        return Err(Error::field("content", "blank", "must not be blank"));
    }
    if is_same(model.content.as_deref(), content.as_deref()) {
        return view::one_message(&tx, chat.recipient(actor.user_id), model).await;
    }
    let mut row = model.into_active_model();
    row.content = Set(content);
    row.edited_at = Set(Some(now));
    let model = row.update(&tx).await?;
    mention::replace(&tx, &model).await?;
    let room = permit.append(&tx, &[Change::of_message(EventKind::MessageEdited, id)], now).await?;
    let message = view::one_message(&tx, chat.recipient(actor.user_id), model).await?;
    chat.log.commit(tx, &room, 1).await?;
    Ok(message)
}

/// Whether two texts say the same: however their accents are written (<https://www.unicode.org/reports/tr15/>).
fn is_same(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other || one.nfc().eq(other.nfc()),
        (None, None) => true,
        _ => false,
    }
}

/// Deletes a message: its seq stays, its content is gone. Deleting it again changes nothing.
///
/// # Errors
/// `MESSAGE_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn delete(chat: &Chat, actor: &Actor, id: MessageId) -> Result<DeletedMessage> {
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let (model, membership) = find::message_for_update(&tx, actor.user_id, id).await?;
    let is_own = model.sender_id == actor.user_id;
    let permit = membership.permit(if is_own { Capability::ChangeOwn } else { Capability::DeleteOthersMessage })?;
    if let Some(deleted_at) = model.deleted_at {
        return Ok(DeletedMessage { message_id: id, deleted_at });
    }
    if !is_own {
        let record = Record::new(AuditAction::MessageDeleted).message(id).to(model.sender_id);
        audit::enter(&tx, &permit, [record], now).await?;
    }
    empty(&tx, vec![model], now).await?;
    let room = permit.append(&tx, &[Change::of_message(EventKind::MessageDeleted, id)], now).await?;
    chat.log.commit(tx, &room, 1).await?;
    chat.sweeper.nudge();
    Ok(DeletedMessage { message_id: id, deleted_at: now })
}

/// Takes from messages what they say and what hangs on them.
pub(crate) async fn empty(tx: &Transaction, models: Vec<message::Model>, now: Timestamp) -> Result<()> {
    let ids: Vec<MessageId> = models.iter().map(|model| model.id).collect();
    for model in models {
        let id = model.id;
        let mut row = model.into_active_model();
        row.content = Set(None);
        row.deleted_at = Set(Some(now));
        let model = row.update(tx).await?;
        mention::replace(tx, &model).await?;
        reaction::clear(tx, id).await?;
        pin::clear(tx, id).await?;
    }
    attachment::clear(tx, ids).await
}

/// Reads a room's history, by page or around a `seq`.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`.
pub async fn history(chat: &Chat, actor: &Actor, room_id: RoomId, query: HistoryQuery) -> Result<HistoryPart> {
    let cursor = Cursor::of(&query)?;
    let page = PageQuery { page: query.page, page_size: query.page_size.or(query.limit) }.check()?;
    let db = chat.db.read();
    let (room, _, membership) = find::room(db, actor.user_id, room_id).await?;
    membership.permit(Capability::Read)?;
    let readable = message::Entity::find()
        .filter(message::Column::RoomId.eq(room_id))
        .filter(message::Column::Seq.gte(membership.reads_from));
    let Some(cursor) = cursor else {
        let total = if membership.reads_from == Seq::ZERO {
            u64::try_from(room.message_count).unwrap_or(0)
        } else {
            readable.clone().count(db).await?
        };
        return newest_page(db, chat.recipient(actor.user_id), readable, page, total).await.map(HistoryPart::Page);
    };
    let (models, has_more) = window(db, &readable, cursor).await?;
    let messages = view::messages(db, chat.recipient(actor.user_id), models).await?;
    Ok(HistoryPart::Window(History {
        has_more,
        first_seq: messages.first().map(|message| message.seq),
        last_seq: messages.last().map(|message| message.seq),
        messages,
    }))
}

/// The replies of a message; page 1 is the newest.
///
/// # Errors
/// `VALIDATION_ERROR`, `MESSAGE_NOT_FOUND`.
pub async fn replies(chat: &Chat, actor: &Actor, id: MessageId, page: PageQuery) -> Result<MessageList> {
    let page = page.check()?;
    let db = chat.db.read();
    let (_, membership) = find::message(db, actor.user_id, id).await?;
    membership.permit(Capability::Read)?;
    let replies = message::Entity::find().filter(message::Column::ReplyToId.eq(id));
    let total = replies.clone().count(db).await?;
    newest_page(db, chat.recipient(actor.user_id), replies, page, total).await
}

/// A page of some messages, of which there are `total`: page 1 is the newest, and each page ascends.
async fn newest_page(
    db: &Pool,
    recipient: Recipient<'_>,
    messages: Select<message::Entity>,
    page: Page,
    total: u64,
) -> Result<MessageList> {
    let newest = messages.order_by_desc(message::Column::Seq).offset(page.offset()).limit(page.size());
    let mut newest = newest.all(db).await?;
    newest.reverse();
    let messages = view::messages(db, recipient, newest).await?;
    Ok(MessageList { messages, info: page.info(total) })
}

/// Where a part of history lies.
#[derive(Clone, Copy, Debug)]
enum Cursor {
    Before(i64, u64),
    After(i64, u64),
    Around(i64, u64),
}

impl Cursor {
    fn of(query: &HistoryQuery) -> Result<Option<Self>> {
        let limit = query.limit.unwrap_or(50);
        let limit_rule = if (1..=100).contains(&limit) {
            Ok(())
        } else {
            Err(FieldError::new("limit", "range", "must be 1 to 100"))
        };
        let not_negative = |seq: Option<i64>, field: &str| match seq {
            Some(seq) if seq < 0 => Err(FieldError::new(field, "range", "must be 0 or more")),
            _ => Ok(()),
        };
        let given = [query.before_seq, query.after_seq, query.around_seq].into_iter().flatten().count();
        let one_rule = if given <= 1 {
            Ok(())
        } else {
            Err(FieldError::new("after_seq", "ambiguous", "give one of before_seq, after_seq and around_seq"))
        };
        Error::check([
            limit_rule,
            one_rule,
            not_negative(query.before_seq, "before_seq"),
            not_negative(query.after_seq, "after_seq"),
            not_negative(query.around_seq, "around_seq"),
        ])?;
        let limit = u64::try_from(limit).unwrap_or(1);
        let before = query.before_seq.map(|seq| Self::Before(seq, limit));
        let after = query.after_seq.map(|seq| Self::After(seq, limit));
        let around = query.around_seq.map(|seq| Self::Around(seq, limit));
        // The newest, unless it is pages that are asked for.
        let is_bare = query.limit.is_some() && query.page.is_none() && query.page_size.is_none();
        let newest = is_bare.then_some(Self::Before(i64::MAX, limit));
        Ok(before.or(after).or(around).or(newest))
    }
}

/// The messages a cursor points at, ascending, and whether there are more where it looks.
async fn window(db: &Pool, readable: &Select<message::Entity>, cursor: Cursor) -> Result<(Vec<message::Model>, bool)> {
    let older = async |seq: i64, limit: u64| -> Result<_> {
        let mut found = readable
            .clone()
            .filter(message::Column::Seq.lt(seq))
            .order_by_desc(message::Column::Seq)
            .limit(limit + 1)
            .all(db)
            .await?;
        let has_more = cut(&mut found, limit);
        found.reverse();
        Ok((found, has_more))
    };
    let newer = async |seq: i64, limit: u64| -> Result<_> {
        let mut found = readable
            .clone()
            .filter(message::Column::Seq.gt(seq))
            .order_by_asc(message::Column::Seq)
            .limit(limit + 1)
            .all(db)
            .await?;
        let has_more = cut(&mut found, limit);
        Ok((found, has_more))
    };
    match cursor {
        Cursor::Before(seq, limit) => older(seq, limit).await,
        Cursor::After(seq, limit) => newer(seq, limit).await,
        Cursor::Around(seq, limit) => {
            let (mut found, more_before) = older(seq, limit / 2).await?;
            let (after, more_after) = newer(seq.saturating_sub(1), limit - limit / 2).await?;
            found.extend(after);
            Ok((found, more_before || more_after))
        }
    }
}

/// Drops what is beyond `limit`; answers whether there was any.
fn cut<T>(found: &mut Vec<T>, limit: u64) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    more
}

const NOT_YOURS: Error = Error::Refused(ErrorCode::PermissionDenied, "this message is not yours");

fn check(request: &SendMessage) -> Result<()> {
    let has_files = request.attachments.is_some();
    let content = match &request.content {
        Some(content) => text::content("content", content),
        None if request.forwarded_from_id.is_some() || has_files => Ok(()),
        None => Err(FieldError::new("content", "missing", "a message must have content or a file")),
    };
    let message_type = match request.message_type {
        None | Some(MessageType::Text) => Ok(()),
        Some(MessageType::Image | MessageType::Video | MessageType::Audio | MessageType::File) if has_files => Ok(()),
        Some(MessageType::Image | MessageType::Video | MessageType::Audio | MessageType::File) => {
            Err(FieldError::new("media_id", "missing", "a message of this type must carry a file"))
        }
        Some(MessageType::Stream | MessageType::System) => {
            Err(FieldError::new("message_type", "reserved", "only the server sends messages of this type"))
        }
    };
    let client_msg_id = request.client_msg_id.as_deref().map_or(Ok(()), |id| {
        if (1..=CLIENT_MSG_ID_CHARS).contains(&id.chars().count()) && !id.contains('\0') {
            Ok(())
        } else {
            Err(FieldError::new("client_msg_id", "length", "must be 1 to 64 characters"))
        }
    });
    Error::check([content, message_type, client_msg_id])
}
