//! Changes of profiles: noted, so that who was away hears of them, and told to people who share a room.

use std::collections::HashSet;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};

use super::{Chat, room as rooms, view};
use crate::{
    bus::Notice,
    contract::{RoomId, Timestamp, User, UserId},
    db::Transaction,
    error::{Error, Result},
};
use entity::{room, user};

/// Changes that are read at a time.
const CHANGES: u64 = 5_000;

/// A profile, and when it changed last.
#[derive(Debug)]
pub struct Changed {
    pub user: User,
    pub at: Timestamp,
    /// The rooms in which their members see the e-mail address.
    pub known_in: HashSet<RoomId>,
}

/// Notes that a profile changes in this transaction; answers what is to be told once that is committed.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn note(tx: &Transaction, user_id: UserId, now: Timestamp) -> Result<Notice> {
    let last = || Expr::col(user::Column::ProfileChangedAt);
    // Two changes never have the same time: the second would look as if it were told already.
    let next = Expr::case(last().gte(now), last().add(1)).finally(Expr::value(now));
    user::Entity::update_many()
        .col_expr(user::Column::ProfileChangedAt, next.into())
        .filter(user::Column::Id.eq(user_id))
        .exec(tx)
        .await?;
    Ok(Notice::Profile { user_id, rooms: rooms_of(tx, user_id).await?.into() })
}

/// The rooms that somebody is in, where others see their profile.
///
/// # Errors
/// When the database does not answer.
pub async fn rooms(chat: &Chat, user: UserId) -> Result<Vec<RoomId>> {
    rooms_of(chat.db.read(), user).await
}

async fn rooms_of(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<RoomId>> {
    let ids = room::Entity::find().select_only().column(room::Column::Id).filter(rooms::of_user(user));
    Ok(ids.into_tuple().all(db).await?)
}

/// Whose profiles changed at this time or later, and when; the latest, where there are many.
///
/// # Errors
/// When the database does not answer.
pub async fn changed_since(chat: &Chat, time: Timestamp) -> Result<Vec<(UserId, Timestamp)>> {
    Ok(user::Entity::find()
        .select_only()
        .columns([user::Column::Id, user::Column::ProfileChangedAt])
        .filter(user::Column::ProfileChangedAt.gte(time))
        .order_by_desc(user::Column::ProfileChangedAt)
        .limit(CHANGES)
        .into_tuple()
        .all(chat.db.read())
        .await?)
}

/// A profile as those see it of whom that person is a contact.
///
/// # Errors
/// `USER_NOT_FOUND`.
pub async fn changed(chat: &Chat, id: UserId) -> Result<Changed> {
    let model = user::Entity::find_by_id(id).one(chat.db.read()).await?.ok_or(Error::USER_NOT_FOUND)?;
    let at = model.profile_changed_at.unwrap_or(model.created_at);
    let member_rows = rooms::rooms_of_users(chat, vec![id]).await?.remove(&id).unwrap_or_default();
    let known_in = member_rows
        .into_iter()
        .filter(|member_row| member_row.is_contact)
        .map(|member_row| member_row.room_id)
        .collect();
    Ok(Changed { user: view::person(model, &chat.files.links), at, known_in })
}
