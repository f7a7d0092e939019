//! Invitations for one person each: a user, by id or name, or the owner of an e-mail address.

use std::time::Duration;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, RelationDef, sea_query::LockType,
};
use serde_json::json;

use super::{
    Chat,
    audit::{self, Record},
    ban, find, invite_rows,
    permission::{Capability, Permit},
    privacy,
};
use crate::{
    auth::{Actor, recheck},
    clock,
    contract::{
        AuditAction, ErrorCode, FieldError, InvitationId, RoomId, Timestamp, UserId, Visibility,
        invite::{CreateInvitation, Invitation},
        list::{InvitationList, PageQuery},
        text,
    },
    db::Transaction,
    error::{Error, Result},
    limits::{Action, Limits},
    mail::Letter,
};
use entity::{invitation, room, user};

/// How long an invitation is valid.
const GOOD_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Invites a person, and mails them the code if mail is configured.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`, `USER_NOT_FOUND`, `PERMISSION_DENIED` (also for a private room), `ALREADY_MEMBER`,
/// `BANNED`, `RATE_LIMITED`.
pub async fn create(
    chat: &Chat,
    limits: &Limits,
    actor: &Actor,
    room_id: RoomId,
    request: CreateInvitation,
) -> Result<Invitation> {
    check(&request)?;
    let strangers = strangers(chat, actor, room_id, &request).await?;
    limits.charge(Action::Strangers(strangers), actor.user_id).await?;
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let (room, _, membership) = find::room_for_update(&tx, actor.user_id, room_id).await?;
    let permit = invite_rows::may_invite(&room, &membership)?;
    // Locked, so that the account is not erased meanwhile.
    let invited = invited(&tx, &request, Some(LockType::KeyShare)).await?;
    if let Some(user) = &invited {
        if find::member(&tx, room_id, user.id).await?.is_some() {
            return Err(Error::Refused(ErrorCode::AlreadyMember, "this user is already a member of the room"));
        }
        if !ban::among(&tx, room_id, [user.id], now).await?.is_empty() {
            return Err(Error::Refused(ErrorCode::Banned, "they are banned from this room"));
        }
    }
    let code = format!("inv_{}", invite_rows::new_code());
    let row = invitation::Model {
        id: InvitationId::new(),
        room_id,
        invited_by: actor.user_id,
        user_id: invited.as_ref().map(|user| user.id),
        email: request.email.map(|email| email.trim().to_lowercase()),
        code_hash: invite_rows::hash(&code),
        code,
        created_at: now,
        expires_at: now.plus(GOOD_FOR),
        used_at: None,
        is_addition: false,
    };
    // It replaces an open one: nobody has two invitations to one room.
    let same = Condition::any()
        .add_option(row.user_id.map(|user| invitation::Column::UserId.eq(user)))
        .add_option(row.email.clone().map(|email| invitation::Column::Email.eq(email)));
    let open = Condition::all().add(invitation::Column::RoomId.eq(room_id)).add(invitation::Column::UsedAt.is_null());
    invite_rows::end_invitations(&tx, open.add(same)).await?;
    insert(&tx, &row).await?;
    let mut record = Record::new(AuditAction::InvitationCreated).after(json!({"invitation_id": row.id}));
    if let Some(user) = row.user_id {
        record = record.to(user);
    }
    audit::enter(&tx, &permit, [record], now).await?;
    tx.commit().await?;
    let address = row.email.clone().or(invited.map(|user| user.email));
    if let Some(to) = address {
        chat.mail.send(Letter { to, room: room.name.unwrap_or_default(), code: row.code.clone() });
    }
    Ok(shown(row))
}

/// How many strangers the asker is about to invite: 0 or 1. The owner of an e-mail address counts as a stranger.
async fn strangers(chat: &Chat, actor: &Actor, room_id: RoomId, request: &CreateInvitation) -> Result<usize> {
    let db = chat.db.read();
    // Checked before anything is revealed: the login may have ended while the request was on its way.
    recheck::check(db, actor).await?;
    let (room, _, membership) = find::room(db, actor.user_id, room_id).await?;
    invite_rows::may_invite(&room, &membership)?;
    match invited(db, request, None).await? {
        Some(user) => privacy::strangers(db, actor.user_id, [user.id].into()).await,
        None => Ok(1),
    }
}

/// The invitations of a room, the latest first.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn list(chat: &Chat, actor: &Actor, room_id: RoomId, page: PageQuery) -> Result<InvitationList> {
    let page = page.check()?;
    let db = chat.db.read();
    let (_, _, membership) = find::room(db, actor.user_id, room_id).await?;
    membership.permit(Capability::Invite)?;
    let all = invitation::Entity::find().filter(invitation::Column::RoomId.eq(room_id));
    let total = all.clone().count(db).await?;
    let rows = all.order_by_desc(invitation::Column::Id).offset(page.offset()).limit(page.size()).all(db).await?;
    Ok(InvitationList { invitations: rows.into_iter().map(shown).collect(), info: page.info(total) })
}

/// The valid invitations of the asker, the latest first, without those to an e-mail address: an address that is not verified proves
/// nothing.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub async fn mine(chat: &Chat, actor: &Actor, page: PageQuery) -> Result<InvitationList> {
    let page = page.check()?;
    let db = chat.db.read();
    let room_of: RelationDef =
        invitation::Entity::belongs_to(room::Entity).from(invitation::Column::RoomId).to(room::Column::Id).into();
    let good = invitation::Entity::find()
        .join(JoinType::InnerJoin, room_of)
        .filter(room::Column::DeletedAt.is_null())
        .filter(
            Condition::any()
                .add(room::Column::Visibility.ne(Visibility::Private))
                .add(invitation::Column::IsAddition.eq(true)),
        )
        .filter(invitation::Column::UserId.eq(actor.user_id))
        .filter(invitation::Column::UsedAt.is_null())
        .filter(invitation::Column::ExpiresAt.gt(clock::now()));
    let total = good.clone().count(db).await?;
    let rows = good.order_by_desc(invitation::Column::Id).offset(page.offset()).limit(page.size()).all(db).await?;
    Ok(InvitationList { invitations: rows.into_iter().map(shown).collect(), info: page.info(total) })
}

/// Invites users instead of adding them. No mail is sent: they see the invitation in the app.
pub(super) async fn invite_all(tx: &Transaction, permit: &Permit, people: &[UserId], now: Timestamp) -> Result<()> {
    let mut records = Vec::with_capacity(people.len());
    for user in people.iter().copied() {
        invite_rows::end_invitations_for(tx, permit.room_id(), [user]).await?;
        let code = format!("inv_{}", invite_rows::new_code());
        let row = invitation::Model {
            id: InvitationId::new(),
            room_id: permit.room_id(),
            invited_by: permit.user_id(),
            user_id: Some(user),
            email: None,
            code_hash: invite_rows::hash(&code),
            code,
            created_at: now,
            expires_at: now.plus(GOOD_FOR),
            used_at: None,
            is_addition: true,
        };
        insert(tx, &row).await?;
        records.push(Record::new(AuditAction::InvitationCreated).to(user).after(json!({"invitation_id": row.id})));
    }
    audit::enter(tx, permit, records, now).await
}

/// Declines an invitation of the asker.
///
/// # Errors
/// `INVITE_NOT_FOUND`.
pub async fn decline(chat: &Chat, actor: &Actor, id: InvitationId) -> Result<()> {
    let tx = chat.begin(actor).await?;
    let own = Condition::all()
        .add(invitation::Column::Id.eq(id))
        .add(invitation::Column::UserId.eq(actor.user_id))
        .add(invitation::Column::UsedAt.is_null());
    if invite_rows::end_invitations(&tx, own).await?.is_empty() {
        return Err(invite_rows::INVITE_NOT_FOUND);
    }
    tx.commit().await
}

/// Revokes an invitation.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`, `INVITE_NOT_FOUND`.
pub async fn revoke(chat: &Chat, actor: &Actor, room_id: RoomId, id: InvitationId) -> Result<()> {
    let tx = chat.begin(actor).await?;
    let (_, _, membership) = find::room_for_update(&tx, actor.user_id, room_id).await?;
    let permit = membership.permit(Capability::Invite)?;
    let deleted = invitation::Entity::delete_by_id(id).filter(invitation::Column::RoomId.eq(room_id)).exec(&tx).await?;
    if deleted.rows_affected == 0 {
        return Err(invite_rows::INVITE_NOT_FOUND);
    }
    audit::enter(&tx, &permit, [invite_rows::revoked(id)], clock::now()).await?;
    tx.commit().await
}

/// The account that a request names; none for an e-mail address, even if an account has it.
async fn invited(
    db: &impl ConnectionTrait,
    request: &CreateInvitation,
    lock: Option<LockType>,
) -> Result<Option<user::Model>> {
    let by = match (request.user_id, &request.username) {
        (Some(id), _) => user::Column::Id.eq(id),
        (None, Some(username)) => user::Column::UsernameKey.eq(username.to_lowercase()),
        (None, None) => return Ok(None),
    };
    let mut account = user::Entity::find().filter(by).filter(user::Column::IsActive.eq(true));
    if let Some(lock) = lock {
        account = account.lock(lock);
    }
    account.one(db).await?.map(Some).ok_or(Error::USER_NOT_FOUND)
}

async fn insert(db: &impl ConnectionTrait, row: &invitation::Model) -> Result<()> {
    let row = invitation::ActiveModel {
        id: Set(row.id),
        room_id: Set(row.room_id),
        invited_by: Set(row.invited_by),
        user_id: Set(row.user_id),
        email: Set(row.email.clone()),
        code: Set(row.code.clone()),
        code_hash: Set(row.code_hash.clone()),
        created_at: Set(row.created_at),
        expires_at: Set(row.expires_at),
        used_at: Set(row.used_at),
        is_addition: Set(row.is_addition),
    };
    invitation::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

fn check(request: &CreateInvitation) -> Result<()> {
    let given = request.user_id.iter().count() + request.username.iter().count() + request.email.iter().count();
    Error::check([
        if given == 1 {
            Ok(())
        } else {
            Err(FieldError::new("user_id", "ambiguous", "give one of user_id, username and email"))
        },
        request.username.as_deref().map_or(Ok(()), |name| text::username("username", name)),
        request.email.as_deref().map_or(Ok(()), |email| text::email("email", email.trim())),
    ])
}

fn shown(row: invitation::Model) -> Invitation {
    Invitation {
        id: row.id,
        room_id: row.room_id,
        invited_by_id: row.invited_by,
        user_id: row.user_id,
        email: row.email,
        invitation_code: row.code,
        is_used: row.used_at.is_some(),
        created_at: row.created_at,
        expires_at: row.expires_at,
    }
}
