//! Who may hear a room, from where, and what those are told who could and do not.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect};

use super::{last_messages, of_user};
use crate::{
    chat::{
        Chat, find,
        permission::Capability,
        receipt::{self, Unread},
    },
    contract::{HistoryAccess, Message, RoomId, Seq, Timestamp, UserId},
    error::{Error, Result},
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

/// The rooms of a user in which something was said at this time or later.
///
/// # Errors
/// When the database does not answer.
pub async fn active_since(chat: &Chat, user: UserId, time: Timestamp) -> Result<Vec<RoomId>> {
    Ok(room::Entity::find()
        .select_only()
        .column(room::Column::Id)
        .filter(of_user(user))
        .filter(room::Column::ActiveAt.gte(time))
        .into_tuple()
        .all(chat.db.read())
        .await?)
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
    let (_, _, standing) = find::room(chat.db.read(), user, id).await?;
    standing.permit_sending(chat.clock.now())?;
    Ok(())
}

/// What members who do not hear a room are told of it.
#[derive(Debug)]
pub struct Activity {
    pub last_seq: Seq,
    pub last_message: Option<Message>,
    /// What each of them has not read, and whether they may read the last message; who is no member (any longer) is left out.
    pub members: HashMap<UserId, (Unread, bool)>,
}

/// The state of a room for those of some users who are its members.
///
/// # Errors
/// `ROOM_NOT_FOUND` when it is gone.
pub async fn activity(chat: &Chat, id: RoomId, users: &[UserId]) -> Result<Activity> {
    let db = chat.db.read();
    let room = room::Entity::find_by_id(id).one(db).await?.ok_or(Error::ROOM_NOT_FOUND)?;
    let mut last_message = last_messages(db, chat.everyone(), std::slice::from_ref(&room)).await?.remove(&id);
    if room.history == HistoryAccess::SinceJoined {
        // They did not all come at the same time: what it replies to is not for each of them.
        last_message = last_message.map(Message::unquoted);
    }
    // Who is a member is read last: nobody is shown a message that came after they had gone.
    let mut unread = receipt::unread_of(db, id, users).await?;
    let places = member::Entity::find()
        .filter(member::Column::RoomId.eq(id))
        .filter(member::Column::UserId.is_in(users.iter().copied()))
        .filter(member::Column::LeftAt.is_null())
        .all(db)
        .await?;
    let told = |place: member::Model| {
        let sees = last_message.as_ref().is_some_and(|last| find::standing(&room, &place).may_see(last.seq));
        (place.user_id, (unread.remove(&place.user_id).unwrap_or_default(), sees))
    };
    let members = places.into_iter().map(told).collect();
    Ok(Activity { last_seq: room.last_seq, last_message, members })
}
