//! Direct rooms: exactly one for each two users.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::LockType};

use super::details;
use crate::{
    auth::Actor,
    chat::{
        Chat, addition, invitation,
        membership::{self, NewMember},
        permission::Permit,
    },
    clock,
    contract::{Role, Room, RoomId, UserId},
    error::{Error, Result},
};
use entity::room;

/// The key of a direct room: its two users in a fixed order.
pub(in crate::chat) fn direct_key(one: UserId, other: UserId) -> String {
    format!("{}:{}", one.min(other), one.max(other))
}

/// The room of this key.
pub(super) async fn find(db: &impl ConnectionTrait, key: &str) -> Result<Option<room::Model>> {
    Ok(room::Entity::find().filter(room::Column::DirectKey.eq(key)).one(db).await?)
}

/// Returns an existing direct room to one of its users. A user who was invited to it accepts by that; otherwise the other user, if they
/// are not in it, is invited again.
pub(super) async fn reopen(chat: &Chat, actor: &Actor, id: RoomId, other: UserId) -> Result<Room> {
    let db = chat.db.read();
    let both = [actor.user_id, other];
    if membership::present(db, id, both.into_iter()).await?.len() == both.len() {
        let room = room::Entity::find_by_id(id).one(db).await?.ok_or(Error::ROOM_NOT_FOUND)?;
        return details(db, chat.recipient(actor.user_id), room).await;
    }
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let room = room::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(&tx).await?.ok_or(Error::ROOM_NOT_FOUND)?;
    // A direct room always lets in its two users.
    let permit = Permit::to_enter(id, actor.user_id);
    let here = membership::present(&tx, id, both.into_iter()).await?;
    let mut new = Vec::new();
    if !here.contains(&actor.user_id) {
        new.push(NewMember::by_choice(actor.user_id, Role::Member));
    }
    let mut invited = None;
    if !here.contains(&other) {
        membership::all_exist(&tx, &[other].into()).await?;
        if addition::asks_first(chat, &tx, actor.user_id, &[other].into()).await?.is_empty() {
            new.push(NewMember::added(other));
        } else {
            invitation::invite_all(&tx, &permit, &[other], now).await?;
            invited = Some(vec![other]);
        }
    }
    if new.is_empty() {
        let answer = details(&tx, chat.recipient(actor.user_id), room).await?;
        tx.commit().await?;
        return Ok(Room { invited, ..answer });
    }
    let changes = membership::insert(&tx, &room, room.last_seq, &new, now).await?;
    membership::count(&tx, id, i32::try_from(new.len()).map_err(Error::internal)?).await?;
    let room = permit.append(&tx, &changes, now).await?;
    let answer = details(&tx, chat.recipient(actor.user_id), room.clone()).await?;
    chat.log.commit(tx, &room, changes.len()).await?;
    Ok(Room { invited, ..answer })
}
