//! How far people have read. A mark only moves forward; what is unread is counted, never guessed.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, JoinType, PaginatorTrait, QueryFilter,
    sea_query::{Expr, Query},
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
use entity::{member, message};

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
    Ok(ReadMark { last_read_seq: mark, unread_count: unread_after(chat, actor.user_id, room_id, mark).await? })
}

/// How many messages of others a room has after a place. Counted for the very mark that is answered: another socket of the
/// user may have moved on.
async fn unread_after(chat: &Chat, user: UserId, room: RoomId, mark: Seq) -> Result<i64> {
    let unread = message::Entity::find()
        .filter(message::Column::RoomId.eq(room))
        .filter(message::Column::Seq.gt(mark))
        .filter(message::Column::SenderId.ne(user))
        .filter(message::Column::DeletedAt.is_null())
        .count(chat.db.read())
        .await?;
    i64::try_from(unread).map_err(Error::internal)
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

#[derive(FromQueryResult)]
struct Unread {
    room_id: RoomId,
    user_id: UserId,
    unread: i64,
}

/// How many messages of others a user has not read, in each of some rooms. Rooms without any are left out.
pub(super) async fn unread(db: &impl ConnectionTrait, user: UserId, rooms: &[RoomId]) -> Result<HashMap<RoomId, i64>> {
    Ok(count_unread(db, &[user], rooms).await?.into_iter().map(|row| (row.room_id, row.unread)).collect())
}

/// How many messages of others some users have not read in a room. Users without any are left out.
pub(super) async fn unread_of(
    db: &impl ConnectionTrait,
    room: RoomId,
    users: &[UserId],
) -> Result<HashMap<UserId, i64>> {
    let rows = count_unread(db, users, &[room]).await?;
    Ok(rows.into_iter().map(|row| (row.user_id, row.unread)).collect())
}

async fn count_unread(db: &impl ConnectionTrait, users: &[UserId], rooms: &[RoomId]) -> Result<Vec<Unread>> {
    if users.is_empty() || rooms.is_empty() {
        return Ok(Vec::new());
    }
    let query = Query::select()
        .column((member::Entity, member::Column::RoomId))
        .column((member::Entity, member::Column::UserId))
        .expr_as(Expr::col((message::Entity, message::Column::Id)).count(), "unread")
        .from(member::Entity)
        .join(
            JoinType::InnerJoin,
            message::Entity,
            Expr::col((message::Entity, message::Column::RoomId))
                .eq(Expr::col((member::Entity, member::Column::RoomId)))
                .and(
                    Expr::col((message::Entity, message::Column::Seq))
                        .gt(Expr::col((member::Entity, member::Column::LastReadSeq))),
                )
                .and(
                    Expr::col((message::Entity, message::Column::SenderId))
                        .ne(Expr::col((member::Entity, member::Column::UserId))),
                )
                .and(Expr::col((message::Entity, message::Column::DeletedAt)).is_null()),
        )
        .and_where(Expr::col((member::Entity, member::Column::UserId)).is_in(users.iter().copied()))
        .and_where(Expr::col((member::Entity, member::Column::RoomId)).is_in(rooms.iter().copied()))
        .and_where(Expr::col((member::Entity, member::Column::LeftAt)).is_null())
        .group_by_col((member::Entity, member::Column::RoomId))
        .group_by_col((member::Entity, member::Column::UserId))
        .to_owned();
    let rows = db.query_all(&query).await?;
    rows.iter().map(|row| Ok(Unread::from_query_result(row, "")?)).collect()
}
