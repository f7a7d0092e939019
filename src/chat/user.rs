//! People as the rooms connect them: who may know what of whom.

use std::collections::{HashMap, HashSet};

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select};

use super::{Chat, receipt, room as rooms, view};
use crate::{
    auth::Actor,
    contract::{FieldError, Message, RoomId, Timestamp, User, UserId},
    db::Db,
    error::{Error, Result},
};
use entity::{member, room, user};

/// The direct room that the asker has with somebody.
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
    let mut last = rooms::last_messages(db, chat.reader(actor.user_id), &models).await?;
    Ok(models
        .into_iter()
        .filter_map(|model| {
            let other = *keys.get(model.direct_key.as_deref()?)?;
            let unread_count = unread.get(&model.id).map_or(0, |unread| unread.messages);
            Some((other, DirectRoom { room_id: model.id, last_message: last.remove(&model.id), unread_count }))
        })
        .collect())
}

/// Which of some people share a room with the asker; the asker always does.
///
/// # Errors
/// When the database does not answer.
pub async fn sharing_a_room(chat: &Chat, actor: &Actor, people: &[UserId]) -> Result<HashSet<UserId>> {
    let near = places_near(actor.user_id)
        .filter(member::Column::UserId.is_in(people.iter().copied()))
        .select_only()
        .column(member::Column::UserId)
        .distinct()
        .into_tuple::<UserId>()
        .all(chat.db.read())
        .await?;
    Ok(near.into_iter().chain(people.iter().copied().filter(|id| *id == actor.user_id)).collect())
}

/// The places of everybody in the rooms that a user is in.
pub(super) fn places_near(user: UserId) -> Select<member::Entity> {
    let mine = room::Entity::find().select_only().column(room::Column::Id).filter(rooms::of_user(user));
    member::Entity::find()
        .filter(member::Column::LeftAt.is_null())
        .filter(member::Column::RoomId.in_subquery(mine.into_query()))
}

/// When each of some people was last connected; only of those who share a room with the asker.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub async fn last_seen(chat: &Chat, actor: &Actor, people: &[UserId]) -> Result<HashMap<UserId, Option<Timestamp>>> {
    Error::check([
        super::member::at_most(people, "user_ids"),
        if people.is_empty() { Err(FieldError::new("user_ids", "missing", "must name somebody")) } else { Ok(()) },
    ])?;
    let near = sharing_a_room(chat, actor, people).await?;
    let models = user::Entity::find().filter(user::Column::Id.is_in(near)).all(chat.db.read()).await?;
    Ok(models.into_iter().map(|model| (model.id, model.last_seen_at)).collect())
}

/// Remembers that somebody was connected until now.
///
/// # Errors
/// When the database does not answer.
pub async fn seen(db: &Db, user: UserId, at: Timestamp) -> Result<()> {
    user::Entity::update_many()
        .col_expr(user::Column::LastSeenAt, sea_orm::sea_query::Expr::value(at))
        .filter(Condition::all().add(user::Column::Id.eq(user)).add(user::Column::IsActive.eq(true)))
        .exec(db.writer())
        .await?;
    Ok(())
}

/// Somebody as people who share a room with them see them.
///
/// # Errors
/// `USER_NOT_FOUND`.
pub async fn seen_by_friends(chat: &Chat, id: UserId) -> Result<User> {
    let model = user::Entity::find_by_id(id).one(chat.db.read()).await?.ok_or(Error::USER_NOT_FOUND)?;
    Ok(view::person(model, &chat.files.links))
}
