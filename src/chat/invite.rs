//! The invite link of a room, and codes: a user with a code may see a preview of the room and join it.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, LockType, OnConflict},
};
use serde_json::json;
use subtle::ConstantTimeEq;

use super::{
    Chat,
    audit::{self, Record},
    ban, find, invite_rows, join,
    permission::Capability,
    view,
};
use crate::{
    auth::Actor,
    clock,
    contract::{
        AuditAction, FieldError, Role, Room, RoomId, Timestamp, UserId, Visibility,
        invite::{CreateInvite, Invite, InvitePreview},
    },
    db::Transaction,
    error::{Error, Result},
};
use entity::{invitation, invite, room};

/// The room's link.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`, `INVITE_NOT_FOUND` when it has none.
pub async fn get(chat: &Chat, actor: &Actor, room_id: RoomId) -> Result<Invite> {
    let db = chat.db.read();
    let (_, _, membership) = find::room(db, actor.user_id, room_id).await?;
    membership.permit(Capability::Invite)?;
    let row = invite::Entity::find_by_id(room_id).one(db).await?.ok_or(invite_rows::INVITE_NOT_FOUND)?;
    Ok(shown(row))
}

/// Makes a new link for the room. The old one stops working.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`, and `PERMISSION_DENIED`, also for a private room, which has none.
pub async fn create(chat: &Chat, actor: &Actor, room_id: RoomId, request: CreateInvite) -> Result<Invite> {
    check(&request)?;
    let now = clock::now();
    let role = request.role.unwrap_or(Role::Member);
    let tx = chat.begin(actor).await?;
    let (room, _, membership) = find::room_for_update(&tx, actor.user_id, room_id).await?;
    let permit = invite_rows::may_invite(&room, &membership)?;
    let code = invite_rows::new_code();
    let row = invite::Model {
        room_id,
        code_hash: invite_rows::hash(&code),
        code,
        role,
        uses: 0,
        max_uses: request.max_uses,
        created_by: actor.user_id,
        created_at: now,
        expires_at: request.expires_in.map(|seconds| Timestamp(now.0.saturating_add(seconds.saturating_mul(1000)))),
    };
    replace(&tx, row.clone()).await?;
    let terms = json!({"role": role, "max_uses": row.max_uses, "expires_at": row.expires_at});
    audit::enter(&tx, &permit, [Record::new(AuditAction::InviteCreated).after(terms)], now).await?;
    tx.commit().await?;
    Ok(shown(row))
}

/// Revokes the room's link.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`, `INVITE_NOT_FOUND` when it has none.
pub async fn revoke(chat: &Chat, actor: &Actor, room_id: RoomId) -> Result<()> {
    let tx = chat.begin(actor).await?;
    let (_, _, membership) = find::room_for_update(&tx, actor.user_id, room_id).await?;
    let permit = membership.permit(Capability::Invite)?;
    if invite::Entity::delete_by_id(room_id).exec(&tx).await?.rows_affected == 0 {
        return Err(invite_rows::INVITE_NOT_FOUND);
    }
    audit::enter(&tx, &permit, [Record::new(AuditAction::InviteRevoked)], clock::now()).await?;
    tx.commit().await
}

/// The preview of a room for a user who has a valid code, or who is a member already.
///
/// # Errors
/// `INVITE_NOT_FOUND`, `BANNED`.
pub async fn preview(chat: &Chat, actor: &Actor, code: &str) -> Result<InvitePreview> {
    let db = chat.db.read();
    let key = InviteKey::find(db, code).await?.ok_or(invite_rows::INVITE_NOT_FOUND)?;
    let room = room::Entity::find_by_id(key.room_id()).one(db).await?.ok_or(invite_rows::INVITE_NOT_FOUND)?;
    // A member sees it even if the code is no longer valid: they may have joined by it.
    if room.deleted_at.is_some() || find::member(db, room.id, actor.user_id).await?.is_none() {
        key.check(&room, actor.user_id, clock::now())?;
        ban::refuse_banned(db, room.id, actor.user_id, clock::now()).await?;
    }
    let room = view::room(room, &chat.files.signer);
    Ok(InvitePreview { name: room.name, avatar_url: room.avatar_url, member_count: room.member_count })
}

/// Joins a room by a code. A member gets `ALREADY_MEMBER`, even if the code is used up.
///
/// # Errors
/// `INVITE_NOT_FOUND`, `ALREADY_MEMBER`, `BANNED`, `ROOM_FULL`.
pub async fn join(chat: &Chat, actor: &Actor, code: &str) -> Result<Room> {
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let room_id = InviteKey::find(&tx, code).await?.ok_or(invite_rows::INVITE_NOT_FOUND)?.room_id();
    let room = room::Entity::find_by_id(room_id)
        .lock(LockType::NoKeyUpdate)
        .one(&tx)
        .await?
        .ok_or(invite_rows::INVITE_NOT_FOUND)?;
    if room.deleted_at.is_none() && find::member(&tx, room_id, actor.user_id).await?.is_some() {
        return Err(join::ALREADY_MEMBER);
    }
    // Read again with the room locked: two may compete for the last use.
    let key = InviteKey::find(&tx, code)
        .await?
        .filter(|key| key.room_id() == room_id)
        .ok_or(invite_rows::INVITE_NOT_FOUND)?;
    key.check(&room, actor.user_id, now)?;
    key.spend(&tx, now).await?;
    join::enter(chat, tx, actor, &room, key.role()).await
}

/// What a code allows.
enum InviteKey {
    Link(invite::Model),
    Invitation(invitation::Model),
}

impl InviteKey {
    /// Looks a code up by its hash, so that the time of a lookup reveals nothing about existing codes.
    async fn find(db: &impl ConnectionTrait, code: &str) -> Result<Option<Self>> {
        let hash = invite_rows::hash(code);
        let same = |stored: &str| bool::from(stored.as_bytes().ct_eq(code.as_bytes()));
        let link = invite::Entity::find().filter(invite::Column::CodeHash.eq(hash.clone())).one(db).await?;
        if let Some(link) = link.filter(|link| same(&link.code)) {
            return Ok(Some(Self::Link(link)));
        }
        let one = invitation::Entity::find().filter(invitation::Column::CodeHash.eq(hash)).one(db).await?;
        Ok(one.filter(|one| same(&one.code)).map(Self::Invitation))
    }

    fn room_id(&self) -> RoomId {
        match self {
            Self::Link(link) => link.room_id,
            Self::Invitation(one) => one.room_id,
        }
    }

    fn role(&self) -> Role {
        match self {
            Self::Link(link) => link.role,
            Self::Invitation(_) => Role::Member,
        }
    }

    /// Whether it replaces an addition: then the room may be one without invitations.
    fn is_addition(&self) -> bool {
        matches!(self, Self::Invitation(one) if one.is_addition)
    }

    /// Refuses a code that is no longer valid, or is for another user.
    fn check(&self, room: &room::Model, user: UserId, now: Timestamp) -> Result<()> {
        let is_good = match self {
            Self::Link(link) => {
                link.expires_at.is_none_or(|at| at > now) && link.max_uses.is_none_or(|max| link.uses < max)
            }
            Self::Invitation(one) => {
                one.expires_at > now && one.used_at.is_none() && one.user_id.is_none_or(|invited| invited == user)
            }
        };
        let is_open = room.visibility != Visibility::Private || self.is_addition();
        if is_good && room.deleted_at.is_none() && is_open { Ok(()) } else { Err(invite_rows::INVITE_NOT_FOUND) }
    }

    async fn spend(&self, tx: &Transaction, now: Timestamp) -> Result<()> {
        match self {
            Self::Link(link) => {
                invite::Entity::update_many()
                    .col_expr(invite::Column::Uses, Expr::col(invite::Column::Uses).add(1))
                    .filter(invite::Column::RoomId.eq(link.room_id))
                    .exec(tx)
                    .await?;
            }
            Self::Invitation(one) => {
                invitation::Entity::update_many()
                    .col_expr(invitation::Column::UsedAt, Expr::value(now))
                    .filter(invitation::Column::Id.eq(one.id))
                    .exec(tx)
                    .await?;
            }
        }
        Ok(())
    }
}

async fn replace(tx: &Transaction, row: invite::Model) -> Result<()> {
    let new = OnConflict::column(invite::Column::RoomId)
        .update_columns([
            invite::Column::Code,
            invite::Column::CodeHash,
            invite::Column::Role,
            invite::Column::Uses,
            invite::Column::MaxUses,
            invite::Column::CreatedBy,
            invite::Column::CreatedAt,
            invite::Column::ExpiresAt,
        ])
        .to_owned();
    let row = invite::ActiveModel {
        room_id: Set(row.room_id),
        code: Set(row.code),
        code_hash: Set(row.code_hash),
        role: Set(row.role),
        uses: Set(row.uses),
        max_uses: Set(row.max_uses),
        created_by: Set(row.created_by),
        created_at: Set(row.created_at),
        expires_at: Set(row.expires_at),
    };
    invite::Entity::insert(row).on_conflict(new).exec_without_returning(tx).await?;
    Ok(())
}

fn check(request: &CreateInvite) -> Result<()> {
    Error::check([
        match request.expires_in {
            Some(seconds) if !(60..=31_536_000).contains(&seconds) => {
                Err(FieldError::new("expires_in", "range", "must be 60 to 31,536,000 seconds"))
            }
            _ => Ok(()),
        },
        match request.max_uses {
            Some(uses) if !(1..=100_000).contains(&uses) => {
                Err(FieldError::new("max_uses", "range", "must be 1 to 100,000"))
            }
            _ => Ok(()),
        },
        match request.role {
            Some(Role::Owner) => Err(FieldError::new("role", "owner", "an invite cannot make somebody an owner")),
            _ => Ok(()),
        },
    ])
}

fn shown(row: invite::Model) -> Invite {
    Invite {
        room_id: row.room_id,
        code: row.code,
        role: row.role,
        uses: row.uses,
        max_uses: row.max_uses,
        expires_at: row.expires_at,
        created_by: row.created_by,
        created_at: row.created_at,
    }
}
