//! How far people have read. A mark only moves forward; what is unread is counted, never guessed.

use std::collections::HashMap;

use sea_orm::{
    ConnectionTrait, ExprTrait, FromQueryResult, JoinType,
    sea_query::{Expr, Query, SelectStatement},
};

use super::{Chat, find, log::NewMark, member as people, permission::Capability};
use crate::{
    auth::Actor,
    contract::{
        ErrorCode, RoomId, Seq, UserId,
        receipt::{MarkRead, ReadMark},
    },
    error::{Error, Result},
};
use entity::{member, mention, message};

/// Moves the asker's read mark of a room, unless it is further already.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`, `INVALID_REFERENCE` when a message is not of the room; then nothing was written.
pub async fn mark(chat: &Chat, actor: &Actor, room_id: RoomId, request: MarkRead) -> Result<ReadMark> {
    let message_ids = request.message_ids.unwrap_or_default();
    let (room, place, standing) = find::room(chat.db.read(), actor.user_id, room_id).await?;
    standing.permit(Capability::Read)?;
    Error::check([people::at_most(&message_ids, "message_ids")])?;
    let target = match request.up_to_seq {
        Some(_) if !message_ids.is_empty() => {
            return Err(Error::field("up_to_seq", "ambiguous", "give either message_ids or up_to_seq"));
        }
        Some(seq) if (0..=room.last_seq.0).contains(&seq) => Seq(seq),
        Some(_) => return Err(Error::field("up_to_seq", "range", "must be a place of the room's log")),
        None => newest_of(chat, room_id, &message_ids).await?,
    };

    let mut mark = place.last_read_seq;
    if target > mark {
        let further = NewMark {
            place: place.id,
            room_id,
            user_id: actor.user_id,
            seq: target,
            at: chat.clock.now(),
            message_ids,
            members: room.member_count,
        };
        chat.log.mark(further).await?;
        // Another of the user's sockets may have been further, or they may have been removed meanwhile.
        let place = find::member(chat.db.read(), room_id, actor.user_id).await?.ok_or(Error::ROOM_NOT_FOUND)?;
        mark = place.last_read_seq;
    }
    let unread = unread_after(chat, actor.user_id, room_id, mark).await?;
    Ok(ReadMark { last_read_seq: mark, unread_count: unread.messages, mention_count: unread.mentions })
}

/// What a room has for a user after a place. Counted for the very mark that is answered: another socket of the user may
/// have moved on.
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

/// The place of the newest of some messages, which must all be of the room.
async fn newest_of(chat: &Chat, room: RoomId, ids: &[crate::contract::MessageId]) -> Result<Seq> {
    if ids.is_empty() {
        return Err(Error::field("message_ids", "missing", "give message_ids or up_to_seq"));
    }
    let found = super::view::by_id(chat.db.read(), ids.iter().copied().collect()).await?;
    let all_here = ids.iter().all(|id| found.get(id).is_some_and(|message| message.room_id == room));
    if !all_here {
        return Err(Error::Refused(
            ErrorCode::InvalidReference,
            "message_ids names a message that is not of this room",
        ));
    }
    Ok(found.values().map(|message| message.seq).max().unwrap_or_default())
}

/// What somebody has not read.
#[derive(Clone, Copy, Debug, Default, FromQueryResult)]
pub struct Unread {
    /// Messages of others.
    pub messages: i64,
    /// Those of them that name the reader.
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
