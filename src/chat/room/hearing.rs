//! Who may hear a room, and from where.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect};

use super::of_user;
use crate::{
    chat::{Chat, find, permission::Capability},
    contract::{RoomId, Seq, Timestamp, UserId},
    error::Result,
};
use entity::{member, room};

/// Rooms of a user that a node knows when their first socket comes: the newest.
pub const KNOWN: usize = 1_000;

/// The newest rooms of a user, for those who want them all at once.
///
/// # Errors
/// When the database does not answer.
pub async fn newest(chat: &Chat, user: UserId, limit: u64) -> Result<Vec<(RoomId, Hearing)>> {
    let places = places(chat.db.read(), user).await?;
    let rooms = room::Entity::find()
        .filter(of_user(user))
        .order_by_desc(room::Column::ActiveAt)
        .limit(limit)
        .all(chat.db.read())
        .await?;
    let heard = |room: room::Model| Some((room.id, Hearing::of(&room, places.get(&room.id)?)));
    Ok(rooms.into_iter().filter_map(heard).collect())
}

/// The places of a user in all their rooms.
pub(in crate::chat) async fn places(db: &impl ConnectionTrait, user: UserId) -> Result<HashMap<RoomId, member::Model>> {
    let places = member::Entity::find()
        .filter(member::Column::UserId.eq(user))
        .filter(member::Column::LeftAt.is_null())
        .all(db)
        .await?;
    Ok(places.into_iter().map(|place| (place.room_id, place)).collect())
}

/// Somebody's place in a room.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub room_id: RoomId,
    /// Where in the log, and when, they joined, the last time.
    pub joined_seq: Seq,
    pub joined_at: Timestamp,
}

/// The places of some users in all their rooms.
///
/// # Errors
/// When the database does not answer.
pub async fn all_places(chat: &Chat, users: Vec<UserId>) -> Result<HashMap<UserId, Vec<Place>>> {
    let home = member::Entity::belongs_to(room::Entity).from(member::Column::RoomId).to(room::Column::Id).into();
    let rows: Vec<(UserId, RoomId, Seq, Timestamp)> = member::Entity::find()
        .select_only()
        .columns([member::Column::UserId, member::Column::RoomId])
        .columns([member::Column::JoinedSeq, member::Column::JoinedAt])
        .filter(member::Column::UserId.is_in(users))
        .filter(member::Column::LeftAt.is_null())
        .join(JoinType::InnerJoin, home)
        .filter(room::Column::DeletedAt.is_null())
        .into_tuple()
        .all(chat.db.read())
        .await?;
    let mut places: HashMap<UserId, Vec<Place>> = HashMap::new();
    for (user, room_id, joined_seq, joined_at) in rows {
        places.entry(user).or_default().push(Place { room_id, joined_seq, joined_at });
    }
    Ok(places)
}

/// How a member may hear a room.
#[derive(Clone, Copy, Debug)]
pub struct Hearing {
    /// Where the log ended when that was looked up.
    pub end: Seq,
    /// Their place in it: where they joined, the last time.
    pub joined: Seq,
    /// The first place they may read.
    pub reads_from: Seq,
}

impl Hearing {
    pub(in crate::chat) fn of(room: &room::Model, place: &member::Model) -> Self {
        let reads_from = find::standing(room, place).reads_from;
        Self { end: room.last_seq, joined: place.joined_seq, reads_from }
    }

    /// As somebody hears it who joined just now, in the place `joined`.
    #[must_use]
    pub fn since(joined: Seq) -> Self {
        Self { end: joined, joined, reads_from: joined }
    }

    /// What follows `after` and may be read follows this.
    #[must_use]
    pub fn after(&self, after: Seq) -> Seq {
        after.max(Seq(self.reads_from.0 - 1))
    }
}

/// How this user may hear a room.
///
/// # Errors
/// `ROOM_NOT_FOUND`.
pub async fn may_hear(chat: &Chat, user: UserId, id: RoomId) -> Result<Hearing> {
    let (room, place, standing) = find::room(chat.db.read(), user, id).await?;
    standing.permit(Capability::Read)?;
    Ok(Hearing::of(&room, &place))
}

/// Whether this user may be seen writing in a room.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn may_type(chat: &Chat, user: UserId, id: RoomId) -> Result<()> {
    let (room, _, standing) = find::room(chat.db.read(), user, id).await?;
    standing.permit_sending(chat.clock.now())?;
    find::reaches_somebody(chat.db.read(), &room, user).await
}
