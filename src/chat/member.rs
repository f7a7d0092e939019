//! Members: list, change, remove, leave.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde_json::json;

use super::{
    Chat,
    audit::{self, Record},
    find, membership,
    permission::Capability,
    view,
};
use crate::{
    auth::Actor,
    clock,
    contract::{
        AuditAction, ErrorCode, EventKind, Member, Role, RoomId, UserId,
        list::{MemberList, PageQuery},
        member::UpdateMember,
        names_nothing,
    },
    db::Transaction,
    error::{Error, Result},
    log::Change,
};
use entity::member;

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
    let now = clock::now();
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
        if role == Role::Owner && !membership::lock_account(&tx, user_id).await? {
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
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let (_, own, membership) = find::room_for_update(&tx, actor.user_id, room_id).await?;
    let permit = membership.permit(Capability::TransferOwnership)?;
    membership::lock_members(&tx, room_id, [actor.user_id, heir]).await?;
    let target = find::member(&tx, room_id, heir).await?.ok_or(Error::USER_NOT_FOUND)?;
    if !membership::lock_account(&tx, heir).await? {
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
    let now = clock::now();
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
    membership::part(&tx, target, now).await?;
    let changes = [Change::of_member(EventKind::MemberRemoved, user_id).because(reason)];
    let room = permit.append(&tx, &changes, now).await?;
    chat.log.commit(tx, &room, 1).await
}

fn role_change(user: UserId, before: Role, after: Role) -> Record {
    Record::new(AuditAction::RoleChanged).to(user).before(json!({"role": before})).after(json!({"role": after}))
}

/// Refuses to take the last owner from a room.
async fn keeps_an_owner(tx: &Transaction, room: RoomId, but: UserId) -> Result<()> {
    let others = member::Entity::find()
        .filter(member::Column::RoomId.eq(room))
        .filter(member::Column::Role.eq(Role::Owner))
        .filter(member::Column::UserId.ne(but))
        .filter(member::Column::LeftAt.is_null())
        .filter(membership::has_active_account())
        .count(tx)
        .await?;
    if others > 0 { Ok(()) } else { Err(Error::Refused(ErrorCode::LastOwner, "a room keeps at least one owner")) }
}
