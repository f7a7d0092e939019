//! Who may hear a room, and from where.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    chat::{Chat, find, permission::Capability},
    contract::{HistoryAccess, RoomId, Seq, UserId, Visibility},
    error::Result,
};
use entity::{member, room};

/// Every room of a user: first those that they take part in, then those that they were put into, and of each kind the most
/// recently active first. However many rooms others put them into, theirs are at the front.
///
/// # Errors
/// When the database does not answer.
pub async fn every(chat: &Chat, user: UserId) -> Result<Vec<(RoomId, Hearing)>> {
    hearings(chat.db.read(), user).await
}

/// The same, on any connection.
pub(in crate::chat) async fn hearings(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<(RoomId, Hearing)>> {
    let home = member::Entity::belongs_to(room::Entity).from(member::Column::RoomId).to(room::Column::Id).into();
    let rows: Vec<(RoomId, Seq, HistoryAccess, Visibility, Seq, bool)> = member::Entity::find()
        .select_only()
        .columns([room::Column::Id, room::Column::LastSeq, room::Column::History, room::Column::Visibility])
        .columns([member::Column::JoinedSeq, member::Column::Participates])
        .join(JoinType::InnerJoin, home)
        .filter(member::Column::UserId.eq(user))
        .filter(member::Column::LeftAt.is_null())
        .filter(room::Column::DeletedAt.is_null())
        .order_by_desc(member::Column::Participates)
        .order_by_desc(room::Column::ActiveAt)
        .into_tuple()
        .all(db)
        .await?;
    let hearing = |(id, end, history, visibility, joined, participates)| {
        let is_contact = participates && visibility != Visibility::Public;
        (id, Hearing { end, joined, reads_from: find::reads_from(history, joined), participates, is_contact })
    };
    Ok(rows.into_iter().map(hearing).collect())
}

/// Somebody's membership of a room.
#[derive(Clone, Copy, Debug)]
pub struct UserRoom {
    pub room_id: RoomId,
    /// Where in the log they joined, the last time.
    pub joined_seq: Seq,
    /// Whether it makes them a contact of the other members.
    pub is_contact: bool,
}

/// The memberships of some users in all their rooms.
///
/// # Errors
/// When the database does not answer.
pub async fn rooms_of_users(chat: &Chat, users: Vec<UserId>) -> Result<HashMap<UserId, Vec<UserRoom>>> {
    let home = member::Entity::belongs_to(room::Entity).from(member::Column::RoomId).to(room::Column::Id).into();
    let rows: Vec<(UserId, RoomId, Seq, bool, Visibility)> = member::Entity::find()
        .select_only()
        .columns([member::Column::UserId, member::Column::RoomId])
        .columns([member::Column::JoinedSeq, member::Column::Participates])
        .column(room::Column::Visibility)
        .filter(member::Column::UserId.is_in(users))
        .filter(member::Column::LeftAt.is_null())
        .join(JoinType::InnerJoin, home)
        .filter(room::Column::DeletedAt.is_null())
        .into_tuple()
        .all(chat.db.read())
        .await?;
    let mut member_rows: HashMap<UserId, Vec<UserRoom>> = HashMap::new();
    for (user, room_id, joined_seq, participates, visibility) in rows {
        let is_contact = participates && visibility != Visibility::Public;
        member_rows.entry(user).or_default().push(UserRoom { room_id, joined_seq, is_contact });
    }
    Ok(member_rows)
}

/// How a member may hear a room.
#[derive(Clone, Copy, Debug)]
pub struct Hearing {
    /// Where the log ended when that was looked up.
    pub end: Seq,
    /// Their membership of it: the seq at which they joined, the last time.
    pub joined: Seq,
    /// The first seq they may read.
    pub reads_from: Seq,
    /// Whether they take part in the room, or were only put there.
    pub participates: bool,
    /// Whether they are a contact of the other members.
    pub is_contact: bool,
}

impl Hearing {
    fn of(room: &room::Model, member_row: &member::Model) -> Self {
        let reads_from = find::membership(room, member_row).reads_from;
        let participates = member_row.participates;
        let is_contact = participates && room.visibility != Visibility::Public;
        Self { end: room.last_seq, joined: member_row.joined_seq, reads_from, participates, is_contact }
    }

    /// How many entries are read to replay what follows `after`, which [`Self::after`] gave. None of more than `limit`: those are
    /// announced, and not replayed.
    #[must_use]
    pub fn missed(&self, after: Seq, limit: usize) -> usize {
        let missed = usize::try_from(self.end.0 - after.0).unwrap_or(0);
        if missed > limit { 0 } else { missed }
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
    let (room, member_row, membership) = find::room(chat.db.read(), user, id).await?;
    membership.permit(Capability::Read)?;
    Ok(Hearing::of(&room, &member_row))
}

/// Whether this user may be seen writing in a room.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn may_type(chat: &Chat, user: UserId, id: RoomId) -> Result<()> {
    let (room, _, membership) = find::room(chat.db.read(), user, id).await?;
    membership.permit_sending(chat.clock.now())?;
    find::reaches_somebody(chat.db.read(), &room, user).await
}
