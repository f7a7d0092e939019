//! What a client missed while it was away that is in no log: read marks of others, and changed profiles.
//!
//! A client says which entry of each log it has. It also has everything that was sent before that entry was made, so it can only have
//! missed what changed after the time of that entry.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, JoinType, QueryFilter, QueryOrder,
    QuerySelect, RelationDef,
    sea_query::{Expr, SimpleExpr},
};

use super::{Chat, receipt, view};
use crate::{
    contract::{
        MessageId, RoomId, Seq, Timestamp, User, UserId,
        receipt::{Mark, MovedMark},
    },
    db::query,
    error::Result,
};
use entity::{member, message, read_mark, room, room_event, user};

/// The most members, over all rooms of an answer, whose marks it has; for further rooms it has only the user's own mark.
const MARKS: i64 = 5_000;

/// The most profiles of one answer: those that changed last.
const PROFILES: usize = 500;

/// The most messages that are listed with a moved mark.
const PASSED_MESSAGES: u64 = 500;

/// How far behind a cursor a mark may have been that moved since then, in seqs.
const BEFORE: i64 = 1_000;

/// The most conditions, or rooms, of one statement.
const AT_A_TIME: usize = 100;

/// The times of the entries at some cursors. A cursor without an entry, such as 0, has no time.
///
/// # Errors
/// When the database does not answer.
pub async fn times(chat: &Chat, cursors: &HashMap<RoomId, Seq>) -> Result<HashMap<RoomId, Timestamp>> {
    let db = chat.db.read();
    let cursors: Vec<(RoomId, Seq)> = cursors.iter().map(|(room, seq)| (*room, *seq)).collect();
    let mut times = HashMap::with_capacity(cursors.len());
    for some in cursors.chunks(AT_A_TIME) {
        let at_message = any_of(some, message::Column::RoomId, message::Column::Seq);
        let messages: Vec<(RoomId, Timestamp)> = message::Entity::find()
            .select_only()
            .columns([message::Column::RoomId, message::Column::CreatedAt])
            .filter(at_message)
            .into_tuple()
            .all(db)
            .await?;
        let at_event = any_of(some, room_event::Column::RoomId, room_event::Column::Seq);
        let events: Vec<(RoomId, Timestamp)> = room_event::Entity::find()
            .select_only()
            .columns([room_event::Column::RoomId, room_event::Column::CreatedAt])
            .filter(at_event)
            .into_tuple()
            .all(db)
            .await?;
        times.extend(messages.into_iter().chain(events));
    }
    Ok(times)
}

fn any_of<C: ColumnTrait>(cursors: &[(RoomId, Seq)], room: C, seq: C) -> Condition {
    let at = |(id, at): (RoomId, Seq)| Condition::all().add(room.eq(id)).add(seq.eq(at));
    query::padded(cursors.iter().copied()).into_iter().map(at).fold(Condition::any(), Condition::add)
}

/// Members of some rooms whose profiles changed since a time of each, as `user` sees them, the latest change first; each once,
/// with one of the rooms where it was missed.
///
/// # Errors
/// When the database does not answer.
pub async fn profiles(chat: &Chat, user: UserId, since: &HashMap<RoomId, Timestamp>) -> Result<Vec<(RoomId, User)>> {
    let db = chat.db.read();
    let rooms: Vec<RoomId> = since.keys().copied().collect();
    let mut changed: HashMap<UserId, (Timestamp, RoomId)> = HashMap::new();
    for some in rooms.chunks(AT_A_TIME) {
        let rows: Vec<(UserId, Timestamp, RoomId)> = member::Entity::find()
            .select_only()
            .column(member::Column::UserId)
            .column(user::Column::ProfileChangedAt)
            .expr_as(one_room(db.get_database_backend()), "room")
            .join(JoinType::InnerJoin, account_of_member())
            .filter(member::Column::LeftAt.is_null())
            .filter(since_of_each(some, since, user::Column::ProfileChangedAt))
            .group_by(member::Column::UserId)
            .group_by(user::Column::ProfileChangedAt)
            .order_by_desc(user::Column::ProfileChangedAt)
            .limit(PROFILES as u64)
            .into_tuple()
            .all(db)
            .await?;
        changed.extend(rows.into_iter().map(|(user, at, room)| (user, (at, room))));
    }
    let mut changed: Vec<(UserId, (Timestamp, RoomId))> = changed.into_iter().collect();
    changed.sort_unstable_by_key(|(user, (at, _))| (Reverse(*at), *user));
    changed.truncate(PROFILES);
    let ids = changed.iter().map(|(user, _)| *user).collect();
    let users = view::people_for(db, chat.recipient(user), ids).await?;
    let mut users: HashMap<UserId, User> = users.into_iter().map(|user| (user.id, user)).collect();
    Ok(changed.into_iter().filter_map(|(user, (_, room))| Some((room, users.remove(&user)?))).collect())
}

/// One room of each group of memberships. PostgreSQL compares ids, but has no smallest of them before version 18.
fn one_room(backend: DbBackend) -> SimpleExpr {
    let room = Expr::col((member::Entity, member::Column::RoomId));
    match backend {
        DbBackend::Postgres => Expr::expr(room.cast_as("text")).min().cast_as("uuid"),
        _ => room.min(),
    }
}

/// Memberships of some rooms of which `at` is no earlier than the time of the room.
fn since_of_each<C: ColumnTrait>(rooms: &[RoomId], since: &HashMap<RoomId, Timestamp>, at: C) -> Condition {
    let of_room = |room: RoomId| {
        let since = since.get(&room).copied();
        Condition::all().add(member::Column::RoomId.eq(room)).add_option(since.map(|since| at.gte(since)))
    };
    let rooms = query::padded(rooms.iter().copied());
    let each = rooms.iter().copied().map(of_room).fold(Condition::any(), Condition::add);
    Condition::all().add(member::Column::RoomId.is_in(rooms)).add(each)
}

fn account_of_member() -> RelationDef {
    member::Entity::belongs_to(user::Entity).from(member::Column::UserId).to(user::Column::Id).into()
}

/// The rooms that a user joined at this time or later and is in; without a time, all of theirs.
///
/// # Errors
/// When the database does not answer.
pub async fn joined_since(chat: &Chat, user: UserId, time: Option<Timestamp>) -> Result<HashSet<RoomId>> {
    let rooms: Vec<RoomId> = member::Entity::find()
        .select_only()
        .column(member::Column::RoomId)
        .filter(member::Column::UserId.eq(user))
        .filter(member::Column::LeftAt.is_null())
        .filter(Condition::all().add_option(time.map(|time| member::Column::JoinedAt.gte(time))))
        .into_tuple()
        .all(chat.db.read())
        .await?;
    Ok(rooms.into_iter().collect())
}

/// How far the members of some rooms have read, as far as `user` may see it.
pub(super) async fn marks(
    db: &impl ConnectionTrait,
    user: UserId,
    rooms: Vec<RoomId>,
) -> Result<HashMap<RoomId, Vec<Mark>>> {
    let shared = shared(db, &rooms).await?;
    let mut marks: HashMap<RoomId, Vec<Mark>> = HashMap::new();
    for row in current_marks(db, user, (&shared, &rooms), None).await? {
        let Standing { room_id, user_id, last_read_seq, read_at } = row;
        marks.entry(room_id).or_default().push(Mark { user_id, last_read_seq, read_at });
    }
    Ok(marks)
}

/// Those of some rooms whose members share their read marks: the first of them, up to [`MARKS`] members in all.
async fn shared(db: &impl ConnectionTrait, rooms: &[RoomId]) -> Result<Vec<RoomId>> {
    let mut shared: HashMap<RoomId, i32> = HashMap::new();
    for some in rooms.chunks(AT_A_TIME) {
        let sizes: Vec<(RoomId, i32)> = room::Entity::find()
            .select_only()
            .columns([room::Column::Id, room::Column::MemberCount])
            .filter(room::Column::Id.is_in(query::padded(some.iter().copied())))
            .into_tuple()
            .all(db)
            .await?;
        shared.extend(sizes.into_iter().filter(|(_, members)| receipt::shares_marks(*members)));
    }
    let mut left = MARKS;
    let fits = |room: &RoomId| {
        left -= shared.get(room).copied().map_or(0, i64::from);
        left >= 0 && shared.contains_key(room)
    };
    Ok(rooms.iter().copied().filter(fits).collect())
}

/// A read mark, and when it moved.
struct Standing {
    room_id: RoomId,
    user_id: UserId,
    last_read_seq: Seq,
    read_at: Timestamp,
}

/// The marks of those members of the `shared` rooms who share them, and in `all` rooms the user's own; where there is a time of
/// each room, those that moved since.
async fn current_marks(
    db: &impl ConnectionTrait,
    user: UserId,
    (shared, all): (&[RoomId], &[RoomId]),
    since: Option<&HashMap<RoomId, Timestamp>>,
) -> Result<Vec<Standing>> {
    let mut found = Vec::new();
    let others = Condition::all().add(user::Column::SharesReceipts.eq(true)).add(member::Column::UserId.ne(user));
    let own = Condition::all().add(member::Column::UserId.eq(user));
    for (rooms, whose) in [(shared, others), (all, own)] {
        for some in rooms.chunks(AT_A_TIME) {
            let when = match since {
                Some(since) => since_of_each(some, since, member::Column::LastReadAt),
                None => Condition::all().add(member::Column::RoomId.is_in(query::padded(some.iter().copied()))),
            };
            let rows: Vec<(RoomId, UserId, Seq, Timestamp)> = member::Entity::find()
                .select_only()
                .columns([member::Column::RoomId, member::Column::UserId])
                .columns([member::Column::LastReadSeq, member::Column::LastReadAt])
                .join(JoinType::InnerJoin, account_of_member())
                .filter(when)
                .filter(member::Column::LeftAt.is_null())
                .filter(member::Column::LastReadAt.is_not_null())
                .filter(whose.clone())
                .order_by_asc(member::Column::UserId)
                .into_tuple()
                .all(db)
                .await?;
            found.extend(rows.into_iter().map(|(room_id, user_id, last_read_seq, read_at)| Standing {
                room_id,
                user_id,
                last_read_seq,
                read_at,
            }));
        }
    }
    Ok(found)
}

/// The marks in some rooms that moved since a time of each, which is that of the cursor there, with what they passed over.
///
/// # Errors
/// When the database does not answer.
pub async fn moved_marks(
    chat: &Chat,
    user: UserId,
    cursors: &HashMap<RoomId, Seq>,
    since: &HashMap<RoomId, Timestamp>,
) -> Result<Vec<MovedMark>> {
    let db = chat.db.read();
    let mut all: Vec<RoomId> = since.keys().copied().collect();
    // The most recently active rooms, if there are too many.
    all.sort_unstable_by_key(|room| (since.get(room).copied().map(Reverse), *room));
    let shared = shared(db, &all).await?;
    let mut by_room: HashMap<RoomId, Vec<Standing>> = HashMap::new();
    for mark in current_marks(db, user, (&shared, &all), Some(since)).await? {
        by_room.entry(mark.room_id).or_default().push(mark);
    }
    let mut moved = Vec::new();
    for (room, marks) in by_room {
        let (Some(cursor), Some(time)) = (cursors.get(&room), since.get(&room)) else { continue };
        moved.extend(with_messages(db, room, marks, Seq(cursor.0 - BEFORE), *time).await?);
    }
    Ok(moved)
}

/// The marks of one room with the messages that they passed over since `time`, when they stood behind the seq `after`.
async fn with_messages(
    db: &impl ConnectionTrait,
    room: RoomId,
    marks: Vec<Standing>,
    after: Seq,
    time: Timestamp,
) -> Result<Vec<MovedMark>> {
    let people: HashSet<UserId> = marks.iter().map(|mark| mark.user_id).collect();
    let advances: Vec<(UserId, Option<Seq>)> = read_mark::Entity::find()
        .select_only()
        .column(read_mark::Column::UserId)
        .column_as(read_mark::Column::FromSeq.min(), "from_seq")
        .filter(read_mark::Column::RoomId.eq(room))
        .filter(read_mark::Column::UserId.is_in(query::padded(people)))
        .filter(read_mark::Column::Seq.gt(after))
        .filter(read_mark::Column::ReadAt.gte(time))
        .group_by(read_mark::Column::UserId)
        .into_tuple()
        .all(db)
        .await?;
    let from: HashMap<UserId, Seq> = advances.into_iter().filter_map(|(user, from)| Some((user, from?))).collect();
    let first = from.values().min().copied().unwrap_or_default();
    let last = marks.iter().map(|mark| mark.last_read_seq).max().unwrap_or_default();
    let mut passed: Vec<(MessageId, Seq, UserId)> = message::Entity::find()
        .select_only()
        .columns([message::Column::Id, message::Column::Seq, message::Column::SenderId])
        .filter(message::Column::RoomId.eq(room))
        .filter(message::Column::Seq.gt(first))
        .filter(message::Column::Seq.lte(last))
        .filter(message::Column::DeletedAt.is_null())
        .order_by_desc(message::Column::Seq)
        .limit(PASSED_MESSAGES)
        .into_tuple()
        .all(db)
        .await?;
    passed.reverse();
    let moved = |mark: Standing| {
        let Standing { room_id, user_id, last_read_seq, read_at } = mark;
        let from = from.get(&user_id).copied().unwrap_or(last_read_seq);
        let is_passed =
            |(_, seq, sender): &&(MessageId, Seq, UserId)| *seq > from && *seq <= last_read_seq && *sender != user_id;
        let message_ids = passed.iter().filter(is_passed).map(|(id, _, _)| *id).collect();
        MovedMark { room_id, user_id, message_ids, last_read_seq, read_at }
    };
    Ok(marks.into_iter().map(moved).collect())
}
