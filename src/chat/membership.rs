//! Rows of members, below every use case: who is in a room, comes, and goes.

use std::collections::BTreeSet;

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
    sea_query::{Alias, Expr, LockType, OnConflict},
};

use super::{Chat, invite_rows};
use crate::{
    contract::{ErrorCode, EventKind, FieldError, MemberId, Role, RoomId, Seq, Timestamp, UserId},
    db::Transaction,
    error::{Error, Result},
    log::Change,
};
use entity::{member, room, user};

/// The most people or messages that one request may name.
const NAMED: usize = 500;

/// A new member of a room.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewMember {
    pub(super) user_id: UserId,
    pub(super) role: Role,
    /// They may not send before this.
    pub(super) muted_until: Option<Timestamp>,
    /// Whether they are there by their own doing: others may then know more of them.
    pub(super) participates: bool,
}

impl NewMember {
    /// A user whom others add.
    pub(super) fn added(user_id: UserId) -> Self {
        Self { user_id, role: Role::Member, muted_until: None, participates: false }
    }

    /// A user who joins by themselves.
    pub(super) fn by_choice(user_id: UserId, role: Role) -> Self {
        Self { user_id, role, muted_until: None, participates: true }
    }
}

/// Puts people into a room, with the seqs that follow `after`; answers the changes to enter there.
pub(super) async fn insert(
    tx: &Transaction,
    room: &room::Model,
    after: Seq,
    people: &[NewMember],
    now: Timestamp,
) -> Result<Vec<Change>> {
    let rows = people.iter().zip(after.0 + 1..).map(|(person, seq)| member::ActiveModel {
        id: Set(MemberId::new()),
        room_id: Set(room.id),
        user_id: Set(person.user_id),
        role: Set(person.role),
        joined_at: Set(now),
        joined_seq: Set(Seq(seq)),
        // What was said before they came is not unread to them.
        last_read_seq: Set(Seq(seq)),
        last_read_at: Set(None),
        muted_until: Set(person.muted_until),
        last_sent_at: Set(None),
        left_at: Set(None),
        participates: Set(person.participates),
        times_left: Set(0),
    });
    // Who has written here before stays a contact.
    let participates = Expr::col((member::Entity, member::Column::Participates))
        .or(Expr::col((Alias::new("excluded"), member::Column::Participates)));
    let again = OnConflict::columns([member::Column::RoomId, member::Column::UserId])
        .update_columns([
            member::Column::Role,
            member::Column::JoinedAt,
            member::Column::JoinedSeq,
            member::Column::LastReadSeq,
            member::Column::LastReadAt,
            member::Column::MutedUntil,
            member::Column::LeftAt,
        ])
        .value(member::Column::Participates, participates)
        .to_owned();
    member::Entity::insert_many(rows).on_conflict(again).exec_without_returning(tx).await?;
    invite_rows::end_invitations_for(tx, room.id, people.iter().map(|person| person.user_id)).await?;
    Ok(people.iter().map(|person| Change::of_member(EventKind::MemberAdded, person.user_id)).collect())
}

/// Removes a member from a room. The caller appends the change to its log.
pub(crate) async fn part(tx: &Transaction, member_row: member::Model, now: Timestamp) -> Result<()> {
    let (room_id, departures) = (member_row.room_id, member_row.times_left);
    let mut row = member_row.into_active_model();
    row.left_at = Set(Some(now));
    // Set even where the caller counted: a model that was changed does not know that it was.
    row.times_left = Set(departures);
    row.update(tx).await?;
    count(tx, room_id, -1).await
}

/// Refuses a list that names too many.
pub(super) fn at_most<T>(named: &[T], field: &str) -> Result<(), FieldError> {
    if named.len() <= NAMED {
        Ok(())
    } else {
        Err(FieldError::new(field, "too_many", format!("must name at most {NAMED}")))
    }
}

/// Refuses two lists that name too many together, though neither does alone.
pub(super) fn at_most_together(named: usize, field: &str) -> Result<(), FieldError> {
    if named <= NAMED {
        Ok(())
    } else {
        let detail = format!("user_ids and usernames must together name at most {NAMED}");
        Err(FieldError::new(field, "too_many", detail))
    }
}

/// Refuses to go on unless all of them have an account that is in use, and keeps these so until the transaction ends.
pub(super) async fn all_exist(tx: &Transaction, users: &BTreeSet<UserId>) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    // Locked, or an account might be closed while it is added to a room.
    let found: Vec<UserId> = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .filter(user::Column::Id.is_in(users.iter().copied()))
        .filter(user::Column::IsActive.eq(true))
        .order_by_asc(user::Column::Id)
        .lock(LockType::KeyShare)
        .into_tuple()
        .all(tx)
        .await?;
    if found.len() == users.len() { Ok(()) } else { Err(Error::USER_NOT_FOUND) }
}

/// Which of some users are in a room.
pub(super) async fn present(
    db: &impl ConnectionTrait,
    room: RoomId,
    users: impl Iterator<Item = UserId> + Send,
) -> Result<BTreeSet<UserId>> {
    let here = member::Entity::find()
        .filter(member::Column::RoomId.eq(room))
        .filter(member::Column::UserId.is_in(users))
        .filter(member::Column::LeftAt.is_null())
        .all(db)
        .await?;
    Ok(here.into_iter().map(|member_row| member_row.user_id).collect())
}

/// Locks two memberships of a room until the transaction ends, in the order in which read marks lock them: in another order, the two
/// would wait for each other.
pub(crate) async fn lock_members(tx: &Transaction, room: RoomId, users: [UserId; 2]) -> Result<()> {
    member::Entity::find()
        .select_only()
        .column(member::Column::Id)
        .filter(member::Column::RoomId.eq(room))
        .filter(member::Column::UserId.is_in(users))
        .order_by_asc(member::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .into_tuple::<MemberId>()
        .all(tx)
        .await?;
    Ok(())
}

/// Locks an account, so that it is not given up before the transaction ends; answers whether it is active.
pub(super) async fn lock_account(tx: &Transaction, user: UserId) -> Result<bool> {
    let account = user::Entity::find_by_id(user).lock_shared().one(tx).await?;
    Ok(account.is_some_and(|account| account.is_active))
}

pub(super) async fn count(tx: &Transaction, room: RoomId, by: i32) -> Result<()> {
    room::Entity::update_many()
        .col_expr(room::Column::MemberCount, Expr::col(room::Column::MemberCount).add(by))
        .filter(room::Column::Id.eq(room))
        .exec(tx)
        .await?;
    Ok(())
}

/// That a member's account is active.
pub(super) fn has_active_account() -> Condition {
    let gone = user::Entity::find().select_only().column(user::Column::Id).filter(user::Column::IsActive.eq(false));
    Condition::all().add(member::Column::UserId.not_in_subquery(gone.into_query()))
}

/// Refuses more members than a room may have. What the server allows counts even if the room's own setting is older.
pub(super) fn check_capacity(chat: &Chat, max_members: Option<i32>, members: i32) -> Result<()> {
    if members <= Ord::min(max_members.unwrap_or(i32::MAX), chat.rooms.max_members) {
        return Ok(());
    }
    Err(Error::Refused(ErrorCode::RoomFull, "the room would have more members than max_members"))
}
