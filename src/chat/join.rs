//! Joining a public room, or by a code.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::LockType};

use super::{
    Chat,
    audit::{self, Record},
    ban, find,
    membership::{self, NewMember},
    permission::{Permit, lower},
    room as rooms,
};
use crate::{
    auth::Actor,
    clock,
    contract::{AuditAction, ErrorCode, Role, Room, RoomId, RoomType, UserId, Visibility},
    db::Transaction,
    error::{Error, Result},
};
use entity::{member, room};

/// Joins a public room.
///
/// # Errors
/// `ROOM_NOT_FOUND` for any other room that the asker is not in; `ALREADY_MEMBER`, `BANNED`, `ROOM_FULL`.
pub async fn public(chat: &Chat, actor: &Actor, id: RoomId) -> Result<Room> {
    let tx = chat.begin(actor).await?;
    let room = open_room(&tx, id).await?.ok_or(Error::ROOM_NOT_FOUND)?;
    if find::member(&tx, id, actor.user_id).await?.is_some() {
        return Err(ALREADY_MEMBER);
    }
    if room.visibility != Visibility::Public {
        return Err(Error::ROOM_NOT_FOUND);
    }
    enter(chat, tx, actor, &room, Role::Member).await
}

/// A group that is not deleted, locked until the transaction ends.
pub(crate) async fn open_room(tx: &Transaction, id: RoomId) -> Result<Option<room::Model>> {
    let room = room::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(tx).await?;
    Ok(room.filter(|room| room.deleted_at.is_none() && room.room_type == RoomType::Group))
}

/// Makes the asker a member of a room that lets them in, and commits.
///
/// # Errors
/// `ALREADY_MEMBER`, `BANNED`, `ROOM_FULL`.
pub(crate) async fn enter(chat: &Chat, tx: Transaction, actor: &Actor, room: &room::Model, role: Role) -> Result<Room> {
    let now = clock::now();
    if find::member(&tx, room.id, actor.user_id).await?.is_some() {
        return Err(ALREADY_MEMBER);
    }
    ban::refuse_banned(&tx, room.id, actor.user_id, now).await?;
    membership::check_capacity(chat, room.max_members, room.member_count + 1)?;
    // Anyone with a link, or who finds a public room, may join it.
    let permit = Permit::to_enter(room.id, actor.user_id);
    let newcomer = [returning(&tx, room.id, actor.user_id, role).await?];
    let changes = membership::insert(&tx, room, room.last_seq, &newcomer, now).await?;
    membership::count(&tx, room.id, 1).await?;
    let role = serde_json::json!({"role": newcomer[0].role});
    let record = Record::new(AuditAction::MemberJoined).to(actor.user_id).after(role);
    audit::enter(&tx, &permit, [record], now).await?;
    let room = permit.append(&tx, &changes, now).await?;
    let answer = rooms::details(&tx, chat.recipient(actor.user_id), room.clone()).await?;
    chat.log.commit(tx, &room, changes.len()).await?;
    Ok(answer)
}

/// A user who joins by themselves, and their role. A former member keeps what admins took from them: otherwise leaving and joining again
/// would restore it.
async fn returning(tx: &Transaction, room: RoomId, user: UserId, role: Role) -> Result<NewMember> {
    let before = member::Entity::find()
        .filter(member::Column::RoomId.eq(room))
        .filter(member::Column::UserId.eq(user))
        .one(tx)
        .await?;
    let newcomer = NewMember::by_choice(user, role);
    Ok(match before {
        Some(before) => NewMember { role: lower(before.role, role), muted_until: before.muted_until, ..newcomer },
        None => newcomer,
    })
}

/// Refused: they are a member already.
pub(super) const ALREADY_MEMBER: Error =
    Error::Refused(ErrorCode::AlreadyMember, "you are already a member of this room");
