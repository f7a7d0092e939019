//! Queries that start from what the asker may see: what they may not see is not found.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::LockType};

use super::permission::Membership;
use crate::{
    contract::{ErrorCode, HistoryAccess, MessageId, RoomId, Seq, UserId},
    error::{Error, Result},
};
use entity::{member, message, room, user};

/// The room, and the asker's membership of it.
///
/// # Errors
/// `ROOM_NOT_FOUND` when there is no such room, or they are not in it.
pub(crate) async fn room(
    db: &impl ConnectionTrait,
    user: UserId,
    room: RoomId,
) -> Result<(room::Model, member::Model, Membership)> {
    let room = room::Entity::find_by_id(room).one(db).await?;
    with_place(db, user, room).await
}

/// The same, with the room locked until the transaction ends. Other transactions may still insert rows that refer to it: with a
/// stronger lock, two nodes could deadlock
/// (<https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS>).
pub(crate) async fn room_for_update(
    db: &impl ConnectionTrait,
    user: UserId,
    room: RoomId,
) -> Result<(room::Model, member::Model, Membership)> {
    let room = room::Entity::find_by_id(room).lock(LockType::NoKeyUpdate).one(db).await?;
    with_place(db, user, room).await
}

async fn with_place(
    db: &impl ConnectionTrait,
    user: UserId,
    room: Option<room::Model>,
) -> Result<(room::Model, member::Model, Membership)> {
    let room = room.filter(|room| room.deleted_at.is_none()).ok_or(Error::ROOM_NOT_FOUND)?;
    let member_row = member(db, room.id, user).await?.ok_or(Error::ROOM_NOT_FOUND)?;
    let membership = membership(&room, &member_row);
    Ok((room, member_row, membership))
}

/// A membership, from its rows.
pub(crate) fn membership(room: &room::Model, member_row: &member::Model) -> Membership {
    Membership {
        room_id: room.id,
        user_id: member_row.user_id,
        room_type: room.room_type,
        role: member_row.role,
        muted_until: member_row.muted_until,
        reads_from: reads_from(room.history, member_row.joined_seq),
    }
}

/// The first seq that a member who joined at `joined` may read.
pub(crate) fn reads_from(history: HistoryAccess, joined: Seq) -> Seq {
    match history {
        HistoryAccess::All => Seq::ZERO,
        HistoryAccess::SinceJoined => joined,
    }
}

/// The membership of a user in a room, unless they left.
pub(crate) async fn member(db: &impl ConnectionTrait, room: RoomId, user: UserId) -> Result<Option<member::Model>> {
    Ok(member::Entity::find()
        .filter(member::Column::RoomId.eq(room))
        .filter(member::Column::UserId.eq(user))
        .filter(member::Column::LeftAt.is_null())
        .one(db)
        .await?)
}

/// Refuses a message that nobody would read: in a direct room with a user whose account is closed.
///
/// # Errors
/// `PERMISSION_DENIED`: the room and what was said in it stay visible.
pub(crate) async fn reaches_somebody(db: &impl ConnectionTrait, room: &room::Model, from: UserId) -> Result<()> {
    let Some(other) = other_of(room, from) else { return Ok(()) };
    let other = user::Entity::find_by_id(other).one(db).await?;
    if other.is_some_and(|other| other.is_active) { Ok(()) } else { Err(NOBODY_THERE) }
}

/// The other user of a direct room.
pub(crate) fn other_of(room: &room::Model, one: UserId) -> Option<UserId> {
    let mut people = room.direct_key.as_deref()?.split(':').filter_map(|id| id.parse().ok());
    people.find(|id| *id != one)
}

/// Refused: nobody would read it.
pub(crate) const NOBODY_THERE: Error =
    Error::Refused(ErrorCode::PermissionDenied, "the account of the other person is no longer in use");

/// A message of a room that the asker is in, deleted or not.
///
/// # Errors
/// `MESSAGE_NOT_FOUND`.
pub(crate) async fn message(
    db: &impl ConnectionTrait,
    user: UserId,
    message: MessageId,
) -> Result<(message::Model, Membership)> {
    let message = message::Entity::find_by_id(message).one(db).await?.ok_or(Error::MESSAGE_NOT_FOUND)?;
    let (_, _, membership) = hide(room(db, user, message.room_id).await)?;
    visible(message, membership)
}

/// The same, with its room locked until the transaction ends.
pub(crate) async fn message_for_update(
    db: &impl ConnectionTrait,
    user: UserId,
    id: MessageId,
) -> Result<(message::Model, Membership)> {
    let room = message::Entity::find_by_id(id).one(db).await?.ok_or(Error::MESSAGE_NOT_FOUND)?.room_id;
    let (_, _, membership) = hide(room_for_update(db, user, room).await)?;
    // Read again under the lock, because it may have changed.
    let message = message::Entity::find_by_id(id).one(db).await?.ok_or(Error::MESSAGE_NOT_FOUND)?;
    visible(message, membership)
}

/// Where new members cannot read back, a message from before they joined is answered like one that does not exist.
fn visible(message: message::Model, membership: Membership) -> Result<(message::Model, Membership)> {
    if membership.may_see(message.seq) { Ok((message, membership)) } else { Err(Error::MESSAGE_NOT_FOUND) }
}

/// A message in a room of which the asker is no member is answered like one that does not exist.
fn hide<T>(found: Result<T>) -> Result<T> {
    found.map_err(|error| match error.code() {
        ErrorCode::RoomNotFound => Error::MESSAGE_NOT_FOUND,
        _ => error,
    })
}
