//! Bans: keeping people out of a room.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::OnConflict,
};
use serde_json::json;

use super::{
    Chat,
    audit::{self, Record},
    find, membership,
    permission::Capability,
};
use crate::{
    auth::Actor,
    clock,
    contract::{
        AuditAction, ErrorCode, EventKind, FieldError, RoomId, Timestamp, UserId,
        ban::{Ban, CreateBan},
        list::{BanList, PageQuery},
        text,
    },
    db::Transaction,
    error::{Error, Result},
    log::Change,
};
use entity::ban;

/// Characters of a reason.
const REASON_CHARS: usize = 500;

/// Bans a user; a member is removed. An existing ban is replaced.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`, `USER_NOT_FOUND`, `PERMISSION_DENIED` for people not below the asker.
pub async fn put(chat: &Chat, actor: &Actor, room_id: RoomId, user_id: UserId, request: CreateBan) -> Result<Ban> {
    let now = clock::now();
    check(actor, user_id, &request, now)?;
    let tx = chat.begin(actor).await?;
    let (_, _, membership) = find::room_for_update(&tx, actor.user_id, room_id).await?;
    let mut permit = membership.permit(Capability::Ban)?;
    let member_row = find::member(&tx, room_id, user_id).await?;
    match &member_row {
        Some(member_row) => permit = membership.permit_acting_on(Capability::Ban, member_row.role)?,
        None => membership::all_exist(&tx, &[user_id].into()).await?,
    }
    let row = ban::Model {
        room_id,
        user_id,
        banned_by: actor.user_id,
        reason: request.reason,
        created_at: now,
        expires_at: request.expires_at,
    };
    insert(&tx, &row).await?;
    let ban = shown(row);
    let terms = json!({"reason": ban.reason, "expires_at": ban.expires_at});
    audit::enter(&tx, &permit, [Record::new(AuditAction::MemberBanned).to(user_id).after(terms)], now).await?;
    let Some(member_row) = member_row else {
        tx.commit().await?;
        return Ok(ban);
    };
    membership::part(&tx, member_row, now).await?;
    let changes = [Change::of_member(EventKind::MemberRemoved, user_id).because("banned")];
    let room = permit.append(&tx, &changes, now).await?;
    chat.log.commit(tx, &room, 1).await?;
    Ok(ban)
}

/// The ban of a user.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`, `USER_NOT_FOUND` for who is not banned.
pub async fn get(chat: &Chat, actor: &Actor, room_id: RoomId, user_id: UserId) -> Result<Ban> {
    let db = chat.db.read();
    let (_, _, membership) = find::room(db, actor.user_id, room_id).await?;
    membership.permit(Capability::Ban)?;
    in_force(db, room_id, user_id, clock::now()).await?.map(shown).ok_or(Error::USER_NOT_FOUND)
}

/// Lifts a ban. The user is not added again.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`, `USER_NOT_FOUND` for who is not banned.
pub async fn delete(chat: &Chat, actor: &Actor, room_id: RoomId, user_id: UserId) -> Result<()> {
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let (_, _, membership) = find::room_for_update(&tx, actor.user_id, room_id).await?;
    let permit = membership.permit(Capability::Ban)?;
    if in_force(&tx, room_id, user_id, now).await?.is_none() {
        return Err(Error::USER_NOT_FOUND);
    }
    lift(&tx, room_id, &[user_id]).await?;
    audit::enter(&tx, &permit, [Record::new(AuditAction::MemberUnbanned).to(user_id)], now).await?;
    tx.commit().await
}

/// Who is banned from a room, the latest ban first.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn list(chat: &Chat, actor: &Actor, room_id: RoomId, page: PageQuery) -> Result<BanList> {
    let page = page.check()?;
    let db = chat.db.read();
    let (_, _, membership) = find::room(db, actor.user_id, room_id).await?;
    membership.permit(Capability::Ban)?;
    let bans = ban::Entity::find().filter(ban::Column::RoomId.eq(room_id)).filter(not_over(clock::now()));
    let total = bans.clone().count(db).await?;
    let bans = bans
        .order_by_desc(ban::Column::CreatedAt)
        .order_by_desc(ban::Column::UserId)
        .offset(page.offset())
        .limit(page.size())
        .all(db)
        .await?;
    Ok(BanList { bans: bans.into_iter().map(shown).collect(), info: page.info(total) })
}

/// Refuses who is banned from a room.
///
/// # Errors
/// `BANNED`.
pub(super) async fn refuse_banned(db: &impl ConnectionTrait, room: RoomId, user: UserId, now: Timestamp) -> Result<()> {
    match in_force(db, room, user, now).await? {
        None => Ok(()),
        Some(_) => Err(Error::Refused(ErrorCode::Banned, "you are banned from this room")),
    }
}

/// Which of some people are banned from a room.
pub(super) async fn among(
    db: &impl ConnectionTrait,
    room: RoomId,
    users: impl IntoIterator<Item = UserId>,
    now: Timestamp,
) -> Result<Vec<UserId>> {
    let bans = ban::Entity::find()
        .filter(ban::Column::RoomId.eq(room))
        .filter(ban::Column::UserId.is_in(users))
        .filter(not_over(now))
        .all(db)
        .await?;
    Ok(bans.into_iter().map(|ban| ban.user_id).collect())
}

/// Takes back the bans of some people.
pub(super) async fn lift(tx: &Transaction, room: RoomId, users: &[UserId]) -> Result<()> {
    ban::Entity::delete_many()
        .filter(ban::Column::RoomId.eq(room))
        .filter(ban::Column::UserId.is_in(users.iter().copied()))
        .exec(tx)
        .await?;
    Ok(())
}

async fn in_force(db: &impl ConnectionTrait, room: RoomId, user: UserId, now: Timestamp) -> Result<Option<ban::Model>> {
    Ok(ban::Entity::find_by_id((room, user)).filter(not_over(now)).one(db).await?)
}

fn not_over(now: Timestamp) -> Condition {
    Condition::any().add(ban::Column::ExpiresAt.is_null()).add(ban::Column::ExpiresAt.gt(now))
}

async fn insert(tx: &Transaction, row: &ban::Model) -> Result<()> {
    let terms = OnConflict::columns([ban::Column::RoomId, ban::Column::UserId])
        .update_columns([ban::Column::BannedBy, ban::Column::Reason, ban::Column::CreatedAt, ban::Column::ExpiresAt])
        .to_owned();
    let row = ban::ActiveModel {
        room_id: Set(row.room_id),
        user_id: Set(row.user_id),
        banned_by: Set(row.banned_by),
        reason: Set(row.reason.clone()),
        created_at: Set(row.created_at),
        expires_at: Set(row.expires_at),
    };
    ban::Entity::insert(row).on_conflict(terms).exec_without_returning(tx).await?;
    Ok(())
}

fn check(actor: &Actor, user: UserId, request: &CreateBan, now: Timestamp) -> Result<()> {
    Error::check([
        if user == actor.user_id { Err(FieldError::new("user_id", "self", "must be somebody else")) } else { Ok(()) },
        request.reason.as_deref().map_or(Ok(()), |reason| text::prose("reason", reason, REASON_CHARS)),
        match request.expires_at {
            Some(at) if at <= now => Err(FieldError::new("expires_at", "past", "must be in the future")),
            _ => Ok(()),
        },
    ])
}

fn shown(row: ban::Model) -> Ban {
    Ban {
        room_id: row.room_id,
        user_id: row.user_id,
        banned_by: row.banned_by,
        reason: row.reason,
        created_at: row.created_at,
        expires_at: row.expires_at,
    }
}
