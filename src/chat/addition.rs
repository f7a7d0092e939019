//! Adding people to a group.

use std::collections::{BTreeSet, HashSet};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;

use super::{
    Chat,
    audit::{self, Record},
    ban, find, invitation,
    membership::{self, NewMember},
    permission::Capability,
    privacy, view,
};
use crate::{
    auth::{Actor, recheck},
    clock,
    config::Adding,
    contract::{
        AuditAction, ErrorCode, FieldError, RoomId, UserId,
        member::{AddMembers, Additions},
        text,
    },
    error::{Error, Result},
    limits::{Action, Limits},
};
use entity::{member, user};

/// How often a user may leave a room and be added again by others. Once may be a mistake.
const PUT_BACK: i32 = 1;

/// Adds users to a group. Members stay as they are; users who must consent are invited instead; a ban of a user who is added or invited
/// is lifted.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`, `PERMISSION_DENIED`, `USER_NOT_FOUND`, `ROOM_FULL`, and `ALREADY_MEMBER` when
/// nobody new is named; `RATE_LIMITED` for too many people who are no contacts of the asker.
pub async fn add(
    chat: &Chat,
    limits: &Limits,
    actor: &Actor,
    room_id: RoomId,
    request: AddMembers,
) -> Result<Additions> {
    let request = by_id(chat, actor, room_id, request).await?;
    check_added(&request)?;
    let strangers = strangers(chat, actor, room_id, &request).await?;
    limits.charge(Action::Strangers(strangers), actor.user_id).await?;
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let (room, _, membership) = find::room_for_update(&tx, actor.user_id, room_id).await?;
    let permit = membership.permit(Capability::ManageMembers)?;
    let named: BTreeSet<UserId> = request.user_ids.into_iter().collect();
    membership::all_exist(&tx, &named).await?;
    let here = membership::present(&tx, room_id, named.iter().copied()).await?;
    let absent: BTreeSet<UserId> = named.difference(&here).copied().collect();
    if absent.is_empty() {
        return Err(Error::Refused(ErrorCode::AlreadyMember, "these users are already members of the room"));
    }
    let mut invited = asks_first(chat, &tx, actor.user_id, &absent).await?;
    invited.extend(stays_away(&tx, room_id, actor.user_id, &absent).await?);
    let new: Vec<NewMember> = absent.difference(&invited).copied().map(NewMember::added).collect();
    let invited: Vec<UserId> = invited.into_iter().collect();
    let count = i32::try_from(new.len()).map_err(Error::internal)?;
    membership::check_capacity(chat, room.max_members, room.member_count + count)?;
    let banned = ban::among(&tx, room_id, absent, now).await?;
    ban::lift(&tx, room_id, &banned).await?;
    let unbanned = banned.iter().map(|user| Record::new(AuditAction::MemberUnbanned).to(*user));
    let added = new
        .iter()
        .map(|member| Record::new(AuditAction::MemberAdded).to(member.user_id).after(json!({"role": member.role})));
    audit::enter(&tx, &permit, unbanned.chain(added), now).await?;
    invitation::invite_all(&tx, &permit, &invited, now).await?;
    if new.is_empty() {
        tx.commit().await?;
        return Ok(Additions { members: Vec::new(), invited });
    }
    let changes = membership::insert(&tx, &room, room.last_seq, &new, now).await?;
    membership::count(&tx, room_id, count).await?;
    let room = permit.append(&tx, &changes, now).await?;
    let added = member::Entity::find()
        .filter(member::Column::RoomId.eq(room_id))
        .filter(member::Column::UserId.is_in(new.iter().map(|member| member.user_id)))
        .order_by_asc(member::Column::JoinedSeq)
        .all(&tx)
        .await?;
    let added = view::members(&tx, chat.recipient(actor.user_id), added).await?;
    chat.log.commit(tx, &room, changes.len()).await?;
    Ok(Additions { members: added, invited })
}

/// Which of some users must consent before `user` can add them to a room.
pub(super) async fn asks_first(
    chat: &Chat,
    db: &impl ConnectionTrait,
    user: UserId,
    people: &BTreeSet<UserId>,
) -> Result<BTreeSet<UserId>> {
    if chat.privacy.adding == Adding::Anyone {
        return Ok(BTreeSet::new());
    }
    let known = privacy::contacts(db, user, people.iter().copied().collect()).await?;
    Ok(people.iter().copied().filter(|other| !known.contains(other)).collect())
}

/// Which of some users left a room repeatedly and are no contacts of `user`.
async fn stays_away(
    db: &impl ConnectionTrait,
    room: RoomId,
    user: UserId,
    people: &BTreeSet<UserId>,
) -> Result<BTreeSet<UserId>> {
    let left: HashSet<UserId> = member::Entity::find()
        .select_only()
        .column(member::Column::UserId)
        .filter(member::Column::RoomId.eq(room))
        .filter(member::Column::UserId.is_in(people.iter().copied()))
        .filter(member::Column::TimesLeft.gt(PUT_BACK))
        .into_tuple()
        .all(db)
        .await?
        .into_iter()
        .collect();
    let known = privacy::contacts(db, user, left.clone()).await?;
    Ok(left.difference(&known).copied().collect())
}

/// Replaces the user names in a request by ids.
async fn by_id(chat: &Chat, actor: &Actor, room_id: RoomId, request: AddMembers) -> Result<AddMembers> {
    // Checked before anything is revealed: the login may have ended while the request was on its way.
    recheck::check(chat.db.read(), actor).await?;
    let AddMembers { mut user_ids, usernames } = request;
    Error::check([
        membership::at_most(&usernames, "usernames"),
        usernames.iter().try_for_each(|name| text::username("usernames", name)),
    ])?;
    let names: BTreeSet<String> = usernames.iter().map(|name| name.to_ascii_lowercase()).collect();
    if names.is_empty() {
        return Ok(AddMembers { user_ids, usernames });
    }
    let count = names.len();
    Error::check(["user_ids", "usernames"].map(|field| membership::at_most_together(user_ids.len() + count, field)))?;
    let db = chat.db.read();
    let (_, _, membership) = find::room(db, actor.user_id, room_id).await?;
    membership.permit(Capability::ManageMembers)?;
    let named: Vec<UserId> = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .filter(user::Column::UsernameKey.is_in(names))
        .into_tuple()
        .all(db)
        .await?;
    if named.len() < count {
        return Err(Error::USER_NOT_FOUND);
    }
    user_ids.extend(named);
    Ok(AddMembers { user_ids, usernames: Vec::new() })
}

/// How many of those whom the asker is about to add are neither in the room nor contacts of theirs.
async fn strangers(chat: &Chat, actor: &Actor, room_id: RoomId, request: &AddMembers) -> Result<usize> {
    let db = chat.db.read();
    let (_, _, membership) = find::room(db, actor.user_id, room_id).await?;
    membership.permit(Capability::ManageMembers)?;
    let here = membership::present(db, room_id, request.user_ids.iter().copied()).await?;
    let new = request.user_ids.iter().filter(|id| !here.contains(id)).copied().collect();
    privacy::strangers(db, actor.user_id, new).await
}

fn check_added(request: &AddMembers) -> Result<()> {
    Error::check([
        membership::at_most(&request.user_ids, "user_ids"),
        if request.user_ids.is_empty() {
            Err(FieldError::new("user_ids", "missing", "must name at least one user"))
        } else {
            Ok(())
        },
    ])
}
