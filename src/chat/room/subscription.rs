//! Who may receive the events of a room, and from which seq.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    chat::{Chat, find, permission::Capability},
    clock,
    contract::{HistoryAccess, RoomId, Seq, UserId, Visibility},
    error::Result,
};
use entity::{member, room};

/// The subscriptions of a user to all their rooms: first the rooms in which they take part, then those to which others added them, each
/// with the latest activity first. So rooms to which others add a user never displace their own.
///
/// # Errors
/// When the database does not answer.
pub async fn subscriptions(chat: &Chat, user: UserId) -> Result<Vec<(RoomId, Subscription)>> {
    find_subscriptions(chat.db.read(), user).await
}

/// The same, on any connection.
pub(in crate::chat) async fn find_subscriptions(
    db: &impl ConnectionTrait,
    user: UserId,
) -> Result<Vec<(RoomId, Subscription)>> {
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
    let subscription = |(id, head, history, visibility, joined, participates)| {
        let is_contact = participates && visibility != Visibility::Public;
        (id, Subscription { head, joined, reads_from: find::reads_from(history, joined), participates, is_contact })
    };
    Ok(rows.into_iter().map(subscription).collect())
}

/// A user's membership of a room.
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
    let mut of_user: HashMap<UserId, Vec<UserRoom>> = HashMap::new();
    for (user, room_id, joined_seq, participates, visibility) in rows {
        let is_contact = participates && visibility != Visibility::Public;
        of_user.entry(user).or_default().push(UserRoom { room_id, joined_seq, is_contact });
    }
    Ok(of_user)
}

/// What a member may receive of a room.
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    /// The head of the log when this was read.
    pub head: Seq,
    /// The seq at which they last joined.
    pub joined: Seq,
    /// The first seq they may read.
    pub reads_from: Seq,
    /// Whether they take part in the room; others may only have added them.
    pub participates: bool,
    /// Whether they are a contact of the other members.
    pub is_contact: bool,
}

impl Subscription {
    fn of(room: &room::Model, member_row: &member::Model) -> Self {
        let reads_from = find::membership(room, member_row).reads_from;
        let participates = member_row.participates;
        let is_contact = participates && room.visibility != Visibility::Public;
        Self { head: room.last_seq, joined: member_row.joined_seq, reads_from, participates, is_contact }
    }

    /// How many entries a replay of what follows `after` reads, which comes from [`Self::after`]. More than `limit` are not replayed but
    /// announced: then it is 0.
    #[must_use]
    pub fn missed(&self, after: Seq, limit: usize) -> usize {
        let missed = usize::try_from(self.head.0 - after.0).unwrap_or(0);
        if missed > limit { 0 } else { missed }
    }

    /// The seq after which to read: `after`, or what comes just before the first seq that they may read.
    #[must_use]
    pub fn after(&self, after: Seq) -> Seq {
        after.max(Seq(self.reads_from.0 - 1))
    }
}

/// What this user may receive of a room.
///
/// # Errors
/// `ROOM_NOT_FOUND`.
pub async fn may_subscribe(chat: &Chat, user: UserId, id: RoomId) -> Result<Subscription> {
    let (room, member_row, membership) = find::room(chat.db.read(), user, id).await?;
    membership.permit(Capability::Read)?;
    Ok(Subscription::of(&room, &member_row))
}

/// Whether this user may show a typing notice in a room.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn may_type(chat: &Chat, user: UserId, id: RoomId) -> Result<()> {
    let (room, _, membership) = find::room(chat.db.read(), user, id).await?;
    membership.permit_sending(clock::now())?;
    find::reaches_somebody(chat.db.read(), &room, user).await
}
