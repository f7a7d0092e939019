//! What users may know of each other by their rooms.

use std::collections::{HashMap, HashSet};

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{Chat, membership, privacy, receipt, room as rooms, view};
use crate::{
    auth::Actor,
    contract::{FieldError, Message, RoomId, Timestamp, User, UserId},
    error::{Error, Result},
};
use entity::{room, user};

/// The direct room of the asker with another user.
#[derive(Debug)]
pub struct DirectRoom {
    pub room_id: RoomId,
    pub last_message: Option<Message>,
    pub unread_count: i64,
}

/// The direct rooms that the asker has with some people, by person.
///
/// # Errors
/// When the database does not answer.
pub async fn direct_rooms(chat: &Chat, actor: &Actor, others: &[UserId]) -> Result<HashMap<UserId, DirectRoom>> {
    let keys: HashMap<String, UserId> =
        others.iter().map(|other| (rooms::direct_key(actor.user_id, *other), *other)).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let db = chat.db.read();
    let models = room::Entity::find().filter(room::Column::DirectKey.is_in(keys.keys().cloned())).all(db).await?;
    let ids: Vec<RoomId> = models.iter().map(|model| model.id).collect();
    let unread = receipt::unread(db, actor.user_id, &ids).await?;
    let mut last = rooms::last_messages(db, chat.recipient(actor.user_id), &models).await?;
    Ok(models
        .into_iter()
        .filter_map(|model| {
            let other = *keys.get(model.direct_key.as_deref()?)?;
            let unread_count = unread.get(&model.id).map_or(0, |unread| unread.messages);
            Some((other, DirectRoom { room_id: model.id, last_message: last.remove(&model.id), unread_count }))
        })
        .collect())
}

/// When each of some people was last connected; only of the asker and their contacts.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub async fn last_seen(chat: &Chat, actor: &Actor, people: &[UserId]) -> Result<HashMap<UserId, Option<Timestamp>>> {
    Error::check([
        membership::at_most(people, "user_ids"),
        if people.is_empty() {
            Err(FieldError::new("user_ids", "missing", "must name at least one user"))
        } else {
            Ok(())
        },
    ])?;
    let mut known = privacy::contacts(chat.db.read(), actor.user_id, people.iter().copied().collect()).await?;
    known.extend(people.iter().copied().filter(|id| *id == actor.user_id));
    let models = user::Entity::find().filter(user::Column::Id.is_in(known)).all(chat.db.read()).await?;
    Ok(models.into_iter().map(|model| (model.id, model.last_seen_at)).collect())
}

/// Stores that a user was connected until now.
///
/// # Errors
/// When the database does not answer.
pub async fn seen(db: &impl ConnectionTrait, user: UserId, at: Timestamp) -> Result<()> {
    user::Entity::update_many()
        .col_expr(user::Column::LastSeenAt, sea_orm::sea_query::Expr::value(at))
        .filter(Condition::all().add(user::Column::Id.eq(user)).add(user::Column::IsActive.eq(true)))
        .exec(db)
        .await?;
    Ok(())
}

/// Stores whether a user wants to appear offline.
///
/// # Errors
/// When the database does not answer.
pub async fn hide(db: &impl ConnectionTrait, user: UserId, is_invisible: bool) -> Result<()> {
    user::Entity::update_many()
        .col_expr(user::Column::IsInvisible, sea_orm::sea_query::Expr::value(is_invisible))
        .filter(Condition::all().add(user::Column::Id.eq(user)).add(user::Column::IsActive.eq(true)))
        .exec(db)
        .await?;
    Ok(())
}

/// Which of some users want to appear offline.
///
/// # Errors
/// When the database does not answer.
pub async fn invisible(chat: &Chat, users: impl IntoIterator<Item = UserId>) -> Result<HashSet<UserId>> {
    let invisible: Vec<UserId> = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .filter(user::Column::Id.is_in(users))
        .filter(user::Column::IsInvisible.eq(true))
        .into_tuple()
        .all(chat.db.read())
        .await?;
    Ok(invisible.into_iter().collect())
}

/// A user as their contacts see them, and whether they want to appear offline.
///
/// # Errors
/// `USER_NOT_FOUND`.
pub async fn seen_by_contacts(chat: &Chat, id: UserId) -> Result<(User, bool)> {
    let model = user::Entity::find_by_id(id).one(chat.db.read()).await?.ok_or(Error::USER_NOT_FOUND)?;
    let is_invisible = model.is_invisible;
    Ok((view::person(model, &chat.files.signer), is_invisible))
}
