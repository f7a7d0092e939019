//! Members: list, change, remove, leave.

use std::collections::BTreeSet;

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Alias, Expr, LockType, OnConflict},
};
use serde_json::json;

use super::{
    Chat,
    audit::{self, Record},
    find, invitation,
    permission::Capability,
    view,
};
use crate::{
    auth::Actor,
    contract::{
        AuditAction, ErrorCode, EventKind, FieldError, Member, MemberId, Role, RoomId, Seq, Timestamp, UserId,
        list::{MemberList, PageQuery},
        member::UpdateMember,
        names_nothing,
    },
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

/// Who is in a room, in the order in which they came.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`.
pub async fn list(chat: &Chat, actor: &Actor, room_id: RoomId, page: PageQuery) -> Result<MemberList> {
    let page = page.check()?;
    let db = chat.db.read();
    find::room(db, actor.user_id, room_id).await?;
    let here =
        member::Entity::find().filter(member::Column::RoomId.eq(room_id)).filter(member::Column::LeftAt.is_null());
    let total = here.clone().count(db).await?;
    let members = here
        .order_by_asc(member::Column::JoinedSeq)
        .order_by_asc(member::Column::Id)
        .offset(page.offset())
        .limit(page.size())
        .all(db)
        .await?;
    Ok(MemberList { members: view::members(db, chat.recipient(actor.user_id), members).await?, info: page.info(total) })
}

/// Changes a member's role, or mutes them for a while.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `USER_NOT_FOUND`, `PERMISSION_DENIED`, `LAST_OWNER`.
pub async fn update(
    chat: &Chat,
    actor: &Actor,
    room_id: RoomId,
    user_id: UserId,
    request: UpdateMember,
) -> Result<Member> {
    if request == UpdateMember::default() {
        return Err(names_nothing(UpdateMember::FIELDS).into());
    }
    let now = chat.clock.now();
    let tx = chat.begin(actor).await?;
    let (_, _, membership) = find::room_for_update(&tx, actor.user_id, room_id).await?;
    let mut permit = membership.permit(Capability::ManageMembers)?;
    let target = find::member(&tx, room_id, user_id).await?.ok_or(Error::USER_NOT_FOUND)?;
    let (before, muted_before) = (target.role, target.muted_until);
    let mut records = Vec::new();
    let mut row = target.into_active_model();
    if let Some(role) = request.role.filter(|role| *role != before) {
        permit = membership.permit_role_change(before, role)?;
        if before == Role::Owner {
            keeps_an_owner(&tx, room_id, user_id).await?;
        }
        // Nobody could do anything with it.
        if role == Role::Owner && !lock_account(&tx, user_id).await? {
            return Err(Error::USER_NOT_FOUND);
        }
        row.role = Set(role);
        records.push(role_change(user_id, before, role));
    }
    if let Some(muted_until) = request.muted_until.filter(|until| *until != muted_before) {
        membership.permit_muting(user_id)?;
        permit = membership.permit_acting_on(Capability::ManageMembers, before)?;
        row.muted_until = Set(muted_until);
        let action = if muted_until.is_some() { AuditAction::MemberMuted } else { AuditAction::MemberUnmuted };
        let (was, is) = (json!({"muted_until": muted_before}), json!({"muted_until": muted_until}));
        records.push(Record::new(action).to(user_id).before(was).after(is));
    }
    let is_changed = !records.is_empty();
    if is_changed {
        row.update(&tx).await?;
        audit::enter(&tx, &permit, records, now).await?;
    }
    let model = find::member(&tx, room_id, user_id).await?.ok_or(Error::USER_NOT_FOUND)?;
    let member =
        view::members(&tx, chat.recipient(actor.user_id), vec![model]).await?.pop().ok_or(Error::USER_NOT_FOUND)?;
    if is_changed {
        let changes = [Change::of_member(EventKind::MemberUpdated, user_id)];
        let room = permit.append(&tx, &changes, now).await?;
        chat.log.commit(tx, &room, 1).await?;
    }
    Ok(member)
}

/// Makes another member the owner of a room and the asker an admin, in one step, so that the room always has an owner.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `USER_NOT_FOUND`, `PERMISSION_DENIED`, and `VALIDATION_ERROR` for oneself.
pub async fn transfer(chat: &Chat, actor: &Actor, room_id: RoomId, heir: UserId) -> Result<Vec<Member>> {
    if heir == actor.user_id {
        return Err(Error::field("user_id", "self", "must be somebody else"));
    }
    let now = chat.clock.now();
    let tx = chat.begin(actor).await?;
    let (_, own, membership) = find::room_for_update(&tx, actor.user_id, room_id).await?;
    let permit = membership.permit(Capability::TransferOwnership)?;
    lock_members(&tx, room_id, [actor.user_id, heir]).await?;
    let target = find::member(&tx, room_id, heir).await?.ok_or(Error::USER_NOT_FOUND)?;
    if !lock_account(&tx, heir).await? {
        return Err(Error::USER_NOT_FOUND);
    }
    let record = Record::new(AuditAction::OwnershipTransferred).to(heir);
    let record = record.before(json!({"role": target.role})).after(json!({"role": Role::Owner}));
    let mut changes = Vec::new();
    for (member_row, role) in [(target, Role::Owner), (own, Role::Admin)] {
        changes.push(Change::of_member(EventKind::MemberUpdated, member_row.user_id));
        let mut row = member_row.into_active_model();
        row.role = Set(role);
        row.update(&tx).await?;
    }
    audit::enter(&tx, &permit, [record], now).await?;
    let room = permit.append(&tx, &changes, now).await?;
    let member_rows = member::Entity::find()
        .filter(member::Column::RoomId.eq(room_id))
        .filter(member::Column::UserId.is_in([heir, actor.user_id]))
        .order_by_asc(member::Column::JoinedSeq)
        .all(&tx)
        .await?;
    let members = view::members(&tx, chat.recipient(actor.user_id), member_rows).await?;
    chat.log.commit(tx, &room, changes.len()).await?;
    Ok(members)
}

/// Removes a member from a group; the asker leaves it.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `USER_NOT_FOUND`, `PERMISSION_DENIED`, `LAST_OWNER`.
pub async fn remove(chat: &Chat, actor: &Actor, room_id: RoomId, user_id: UserId) -> Result<()> {
    let now = chat.clock.now();
    let tx = chat.begin(actor).await?;
    let (_, member_row, membership) = find::room_for_update(&tx, actor.user_id, room_id).await?;
    let (permit, target, reason) = if user_id == actor.user_id {
        let member_row = member::Model { times_left: member_row.times_left + 1, ..member_row };
        (membership.permit(Capability::Leave)?, member_row, "left")
    } else {
        let permit = membership.permit(Capability::ManageMembers)?;
        let target = find::member(&tx, room_id, user_id).await?.ok_or(Error::USER_NOT_FOUND)?;
        membership.permit_acting_on(Capability::ManageMembers, target.role)?;
        (permit, target, "removed")
    };
    if target.role == Role::Owner {
        keeps_an_owner(&tx, room_id, user_id).await?;
    }
    let action = if reason == "left" { AuditAction::MemberLeft } else { AuditAction::MemberRemoved };
    let record = Record::new(action).to(user_id).before(json!({"role": target.role}));
    audit::enter(&tx, &permit, [record], now).await?;
    part(&tx, target, now).await?;
    let changes = [Change::of_member(EventKind::MemberRemoved, user_id).because(reason)];
    let room = permit.append(&tx, &changes, now).await?;
    chat.log.commit(tx, &room, 1).await
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
    invitation::end_for(tx, room.id, people.iter().map(|person| person.user_id)).await?;
    Ok(people.iter().map(|person| Change::of_member(EventKind::MemberAdded, person.user_id)).collect())
}

/// Removes a member from a room. The caller appends the change to its log.
pub(crate) async fn part(tx: &Transaction, member_row: member::Model, now: Timestamp) -> Result<()> {
    let (room_id, times_left) = (member_row.room_id, member_row.times_left);
    let mut row = member_row.into_active_model();
    row.left_at = Set(Some(now));
    row.times_left = Set(times_left);
    row.update(tx).await?;
    count(tx, room_id, -1).await
}

fn role_change(user: UserId, before: Role, after: Role) -> Record {
    Record::new(AuditAction::RoleChanged).to(user).before(json!({"role": before})).after(json!({"role": after}))
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

/// Refuses to take the last owner from a room.
async fn keeps_an_owner(tx: &Transaction, room: RoomId, but: UserId) -> Result<()> {
    let others = member::Entity::find()
        .filter(member::Column::RoomId.eq(room))
        .filter(member::Column::Role.eq(Role::Owner))
        .filter(member::Column::UserId.ne(but))
        .filter(member::Column::LeftAt.is_null())
        .filter(has_active_account())
        .count(tx)
        .await?;
    if others > 0 { Ok(()) } else { Err(Error::Refused(ErrorCode::LastOwner, "a room keeps at least one owner")) }
}
