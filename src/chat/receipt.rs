//! Read marks and receipts. A mark only moves forward; unread messages are counted, never estimated.

pub(crate) mod marks;

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, FromQueryResult, JoinType, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, RelationDef, Select, Statement, Value,
    sea_query::{Alias, Expr, Query, SelectStatement, SimpleExpr},
};
use uuid::Uuid;

use self::marks::NewMark;
use super::{
    Chat, find, membership,
    permission::{Capability, Membership},
};
use crate::{
    auth::{Actor, recheck},
    clock,
    contract::{
        ErrorCode, MessageId, RoomId, Seq, Timestamp, UserId,
        list::{PageQuery, ReceiptList},
        receipt::{MarkRead, ReadMark, Receipt},
    },
    error::{Error, Result},
};
use entity::{member, mention, message, read_mark, room, user};

/// In rooms with more members, read marks are not shared.
const RECEIPT_MEMBERS: i32 = 200;

/// The most messages that are listed with an advance of a mark.
const PASSED_MESSAGES: u64 = 500;

/// Advances that are read at a time.
const ADVANCES: u64 = 5_000;

/// Moves the asker's read mark of a room forward. `admit` is called before anything is written or counted, with whether the mark
/// moves, and with how many entries of the log follow it, which are read to count the unread messages.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`, `INVALID_REFERENCE` when a message is not of the room, and what `admit` says; then
/// nothing was written.
pub async fn mark<A: Future<Output = Result<()>>>(
    chat: &Chat,
    actor: &Actor,
    room_id: RoomId,
    request: MarkRead,
    admit: impl FnOnce(bool, usize) -> A,
) -> Result<ReadMark> {
    recheck::check(chat.db.read(), actor).await?;
    let message_ids = request.message_ids.unwrap_or_default();
    let (room, member_row, membership) = find::room(chat.db.read(), actor.user_id, room_id).await?;
    membership.permit(Capability::Read)?;
    Error::check([membership::at_most(&message_ids, "message_ids")])?;
    let target = match request.up_to_seq {
        Some(_) if !message_ids.is_empty() => {
            return Err(Error::field("up_to_seq", "ambiguous", "give either message_ids or up_to_seq"));
        }
        Some(seq) if (0..=room.last_seq.0).contains(&seq) => Seq(seq),
        Some(_) => return Err(Error::field("up_to_seq", "range", "must be a seq of the room")),
        None => newest_of(chat, &membership, &message_ids).await?,
    };

    let mut mark = member_row.last_read_seq;
    let behind = usize::try_from(room.last_seq.0 - Ord::max(target, mark).0).unwrap_or(0);
    admit(target > mark, behind).await?;
    if target > mark {
        let by_seq = request.up_to_seq.is_some();
        let message_ids = if by_seq { passed(chat, actor.user_id, room_id, mark, target).await? } else { message_ids };
        let shares = shares(chat, actor.user_id).await?;
        let further = NewMark {
            member_id: member_row.id,
            room_id,
            user_id: actor.user_id,
            session: actor.session_id,
            seq: target,
            at: clock::now(),
            message_ids,
            is_shared: shares && shares_marks(room.member_count),
        };
        chat.log.mark(further).await?;
        // Another of the user's sockets may have been further, or they may have been removed meanwhile.
        let member_row = find::member(chat.db.read(), room_id, actor.user_id).await?.ok_or(Error::ROOM_NOT_FOUND)?;
        mark = member_row.last_read_seq;
    }
    let unread = unread_after(chat, actor.user_id, room_id, mark).await?;
    Ok(ReadMark { last_read_seq: mark, unread_count: unread.messages, mention_count: unread.mentions })
}

/// Whether read marks are shared in a room with so many members: the number of events grows with its square.
pub(super) fn shares_marks(members: i32) -> bool {
    members <= RECEIPT_MEMBERS
}

/// The messages of others that a mark passes when it moves from one seq to another; the newest ones, if there are many.
async fn passed(chat: &Chat, user: UserId, room: RoomId, from: Seq, to: Seq) -> Result<Vec<MessageId>> {
    let newest_first: Vec<MessageId> = message::Entity::find()
        .select_only()
        .column(message::Column::Id)
        .filter(message::Column::RoomId.eq(room))
        .filter(message::Column::Seq.gt(from))
        .filter(message::Column::Seq.lte(to))
        .filter(message::Column::SenderId.ne(user))
        .filter(message::Column::DeletedAt.is_null())
        .order_by_desc(message::Column::Seq)
        .limit(PASSED_MESSAGES)
        .into_tuple()
        .all(chat.db.read())
        .await?;
    Ok(newest_first.into_iter().rev().collect())
}

/// An advance of a read mark.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    pub room_id: RoomId,
    pub user_id: UserId,
    pub from_seq: Seq,
    pub seq: Seq,
    pub read_at: Timestamp,
    /// Whether others are told of it, and not only the member.
    pub is_shared: bool,
}

/// The advances at this time or later, the earliest first; if there are very many, the latest.
///
/// # Errors
/// When the database does not answer.
pub async fn moved_since(chat: &Chat, time: Timestamp) -> Result<Vec<Moved>> {
    let home: RelationDef =
        read_mark::Entity::belongs_to(room::Entity).from(read_mark::Column::RoomId).to(room::Column::Id).into();
    let rows: Vec<(RoomId, UserId, Seq, Seq, Timestamp, i32, bool)> = read_mark::Entity::find()
        .select_only()
        .columns([read_mark::Column::RoomId, read_mark::Column::UserId])
        .columns([read_mark::Column::FromSeq, read_mark::Column::Seq, read_mark::Column::ReadAt])
        .column(room::Column::MemberCount)
        .column(user::Column::SharesReceipts)
        .join(JoinType::InnerJoin, home)
        .join(JoinType::InnerJoin, reader_of_mark())
        .filter(read_mark::Column::ReadAt.gte(time))
        .order_by_desc(read_mark::Column::ReadAt)
        .limit(ADVANCES)
        .into_tuple()
        .all(chat.db.read())
        .await?;
    let moved = |(room_id, user_id, from_seq, seq, read_at, members, shares)| {
        let is_shared = shares && shares_marks(members);
        Moved { room_id, user_id, from_seq, seq, read_at, is_shared }
    };
    Ok(rows.into_iter().rev().map(moved).collect())
}

/// The messages that each of these advances passed over, as [`passed`] answers them, in one statement. Only on PostgreSQL, where
/// other nodes may move marks.
///
/// # Errors
/// When the database does not answer.
pub async fn passed_by_all(chat: &Chat, moved: &[Moved]) -> Result<Vec<Vec<MessageId>>> {
    let sql = format!(
        "SELECT t.n, m.id FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[]) WITH ORDINALITY \
         AS t(room_id, user_id, from_seq, to_seq, n) CROSS JOIN LATERAL (SELECT id, seq FROM messages \
         WHERE room_id = t.room_id AND seq > t.from_seq AND seq <= t.to_seq AND sender_id <> t.user_id \
         AND deleted_at IS NULL ORDER BY seq DESC LIMIT {PASSED_MESSAGES}) AS m ORDER BY t.n, m.seq"
    );
    let rooms: Vec<Uuid> = moved.iter().map(|moved| moved.room_id.0).collect();
    let users: Vec<Uuid> = moved.iter().map(|moved| moved.user_id.0).collect();
    let from: Vec<i64> = moved.iter().map(|moved| moved.from_seq.0).collect();
    let to: Vec<i64> = moved.iter().map(|moved| moved.seq.0).collect();
    let values: [Value; 4] = [rooms.into(), users.into(), from.into(), to.into()];
    let rows = chat.db.read().query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    let mut passed = vec![Vec::new(); moved.len()];
    for row in rows {
        let (nth, id): (i64, MessageId) = (row.try_get("", "n")?, row.try_get("", "id")?);
        // PostgreSQL counts from one.
        if let Some(passed) = usize::try_from(nth - 1).ok().and_then(|nth| passed.get_mut(nth)) {
            passed.push(id);
        }
    }
    Ok(passed)
}

/// Whether a user lets others see how far they have read.
async fn shares(chat: &Chat, user: UserId) -> Result<bool> {
    let shares = user::Entity::find_by_id(user)
        .select_only()
        .column(user::Column::SharesReceipts)
        .into_tuple()
        .one(chat.db.read())
        .await?;
    Ok(shares.unwrap_or(false))
}

/// Which members have read a message, and when: when their mark passed it. The sender is left out, and so are members who do not share
/// their marks.
///
/// # Errors
/// `VALIDATION_ERROR`, `MESSAGE_NOT_FOUND`.
pub async fn list(chat: &Chat, actor: &Actor, id: MessageId, page: PageQuery) -> Result<ReceiptList> {
    let page = page.check()?;
    let db = chat.db.read();
    let (message, membership) = find::message(db, actor.user_id, id).await?;
    membership.permit(Capability::Read)?;
    let readers = readers(&message);
    let total = readers.clone().count(db).await?;
    let receipts = readers
        .select_only()
        .column(read_mark::Column::UserId)
        .column(read_mark::Column::ReadAt)
        .order_by_asc(read_mark::Column::UserId)
        .offset(page.offset())
        .limit(page.size())
        .into_tuple()
        .all(db)
        .await?
        .into_iter()
        .map(|(user_id, read_at)| Receipt { user_id, read_at })
        .collect();
    Ok(ReceiptList { receipts, info: page.info(total) })
}

/// The advances that passed over a message, one of each member at the most. A member's is found by its position in the key:
/// the first that came so far.
fn readers(message: &message::Model) -> Select<read_mark::Entity> {
    let of_mark = |column: read_mark::Column| Expr::col((read_mark::Entity, column));
    let of_member = |column: member::Column| Expr::col((member::Entity, column));
    let later = Alias::new("later");
    let of_later = |column: read_mark::Column| Expr::col((later.clone(), column));
    let first = Query::select()
        .expr(of_later(read_mark::Column::Seq).min())
        .from_as(read_mark::Entity, later.clone())
        .and_where(of_later(read_mark::Column::RoomId).eq(of_member(member::Column::RoomId)))
        .and_where(of_later(read_mark::Column::UserId).eq(of_member(member::Column::UserId)))
        .and_where(of_later(read_mark::Column::Seq).gte(message.seq))
        .to_owned();
    let mark_of: RelationDef = read_mark::Entity::belongs_to(member::Entity)
        .from((read_mark::Column::RoomId, read_mark::Column::UserId))
        .to((member::Column::RoomId, member::Column::UserId))
        .into();
    read_mark::Entity::find()
        .join(JoinType::InnerJoin, mark_of)
        .join(JoinType::InnerJoin, reader_of_mark())
        .filter(member::Column::RoomId.eq(message.room_id))
        .filter(member::Column::LeftAt.is_null())
        .filter(member::Column::UserId.ne(message.sender_id))
        .filter(member::Column::LastReadSeq.gte(message.seq))
        .filter(user::Column::SharesReceipts.eq(true))
        .filter(read_mark::Column::FromSeq.lt(message.seq))
        .filter(of_mark(read_mark::Column::Seq).eq(SimpleExpr::SubQuery(None, Box::new(first.into()))))
}

fn reader_of_mark() -> RelationDef {
    read_mark::Entity::belongs_to(user::Entity).from(read_mark::Column::UserId).to(user::Column::Id).into()
}

/// What a user has not read after a seq. It is counted for the mark in the same answer: another socket of the user may have moved the
/// mark further.
async fn unread_after(chat: &Chat, user: UserId, room: RoomId, mark: Seq) -> Result<Unread> {
    let query = counts()
        .from(message::Entity)
        .and_where(of_message(message::Column::RoomId).eq(room))
        .and_where(of_message(message::Column::Seq).gt(mark))
        .and_where(of_message(message::Column::SenderId).ne(user))
        .and_where(of_message(message::Column::DeletedAt).is_null())
        .join(JoinType::LeftJoin, mention::Entity, names(Expr::value(user)))
        .to_owned();
    let row = chat.db.read().query_one(&query).await?.ok_or_else(|| Error::internal("a count has no row"))?;
    Ok(Unread::from_query_result(&row, "")?)
}

/// The seq of the newest of some messages, which must all be of the room and readable.
async fn newest_of(chat: &Chat, membership: &Membership, ids: &[MessageId]) -> Result<Seq> {
    if ids.is_empty() {
        return Err(Error::field("message_ids", "missing", "give message_ids or up_to_seq"));
    }
    let found = super::view::by_id(chat.db.read(), ids.iter().copied().collect()).await?;
    let is_here = |message: &message::Model| message.room_id == membership.room_id && membership.may_see(message.seq);
    let all_here = ids.iter().all(|id| found.get(id).is_some_and(is_here));
    if !all_here {
        return Err(Error::Refused(
            ErrorCode::InvalidReference,
            "message_ids names a message that is not of this room",
        ));
    }
    Ok(found.values().map(|message| message.seq).max().unwrap_or_default())
}

/// Counts of unread messages.
#[derive(Clone, Copy, Debug, Default, FromQueryResult)]
pub struct Unread {
    /// Messages of others.
    pub messages: i64,
    /// Those of them that mention the user.
    pub mentions: i64,
}

/// What a user has not read in each of some rooms. Rooms without any are left out.
pub(super) async fn unread(
    db: &impl ConnectionTrait,
    user: UserId,
    rooms: &[RoomId],
) -> Result<HashMap<RoomId, Unread>> {
    Ok(count_unread(db, &[user], rooms).await?.into_iter().map(|(room, _, unread)| (room, unread)).collect())
}

/// What some users have not read in a room. Users without any are left out.
pub(super) async fn unread_of(
    db: &impl ConnectionTrait,
    room: RoomId,
    users: &[UserId],
) -> Result<HashMap<UserId, Unread>> {
    Ok(count_unread(db, users, &[room]).await?.into_iter().map(|(_, user, unread)| (user, unread)).collect())
}

async fn count_unread(
    db: &impl ConnectionTrait,
    users: &[UserId],
    rooms: &[RoomId],
) -> Result<Vec<(RoomId, UserId, Unread)>> {
    if users.is_empty() || rooms.is_empty() {
        return Ok(Vec::new());
    }
    let of_member = |column: member::Column| Expr::col((member::Entity, column));
    let unread_messages = of_message(message::Column::RoomId)
        .eq(of_member(member::Column::RoomId))
        .and(of_message(message::Column::Seq).gt(of_member(member::Column::LastReadSeq)))
        .and(of_message(message::Column::SenderId).ne(of_member(member::Column::UserId)))
        .and(of_message(message::Column::DeletedAt).is_null());
    let query = counts()
        .column((member::Entity, member::Column::RoomId))
        .column((member::Entity, member::Column::UserId))
        .from(member::Entity)
        .join(JoinType::InnerJoin, message::Entity, unread_messages)
        .join(JoinType::LeftJoin, mention::Entity, names(of_member(member::Column::UserId)))
        .and_where(of_member(member::Column::UserId).is_in(users.iter().copied()))
        .and_where(of_member(member::Column::RoomId).is_in(rooms.iter().copied()))
        .and_where(of_member(member::Column::LeftAt).is_null())
        .group_by_col((member::Entity, member::Column::RoomId))
        .group_by_col((member::Entity, member::Column::UserId))
        .to_owned();
    let rows = db.query_all(&query).await?;
    rows.iter()
        .map(|row| {
            let (room, user) = (row.try_get("", "room_id")?, row.try_get("", "user_id")?);
            Ok((room, user, Unread::from_query_result(row, "")?))
        })
        .collect()
}

fn counts() -> SelectStatement {
    Query::select()
        .expr_as(of_message(message::Column::Id).count(), "messages")
        .expr_as(Expr::col((mention::Entity, mention::Column::MessageId)).count(), "mentions")
        .to_owned()
}

fn of_message(column: message::Column) -> Expr {
    Expr::col((message::Entity, column))
}

/// Whether a mention is that of `user` in the message of the row.
fn names(user: Expr) -> Expr {
    let of_mention = |column: mention::Column| Expr::col((mention::Entity, column));
    of_mention(mention::Column::RoomId)
        .eq(of_message(message::Column::RoomId))
        .and(of_mention(mention::Column::Seq).eq(of_message(message::Column::Seq)))
        .and(of_mention(mention::Column::UserId).eq(user))
}
