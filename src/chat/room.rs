//! Rooms: create, list, get, change, delete.

mod activity;
mod direct;
mod discovery;
mod rules;
mod subscription;
mod summary;

use std::collections::BTreeSet;

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, TryInsertResult,
};

use super::{
    Chat, addition,
    audit::{self, Record},
    avatar::Avatar,
    find, invitation as invitations, invite_rows,
    membership::{self, NewMember},
    permission::{Capability, Permit},
    privacy,
    recipient::Recipient,
    view,
};
use crate::{
    auth::Actor,
    clock,
    contract::{
        AuditAction, EventKind, HistoryAccess, Role, Room, RoomId, RoomType, Seq, Timestamp, UserId, Visibility,
        list::{PageQuery, RoomList},
        room::{CreateRoom, UpdateRoom},
    },
    db::Transaction,
    error::{Error, Result},
    limits::{Action, Limits},
    log::{self, Change},
};
use entity::{member, room};

pub use activity::{Activity, Badge, activity};
pub(super) use direct::direct_key;
pub use discovery::public;
pub(super) use subscription::find_subscriptions;
pub use subscription::{Subscription, UserRoom, may_subscribe, may_type, rooms_of_users, subscriptions};
use summary::summary;
pub(super) use summary::{last_messages, summaries};

/// The most members in the details of a room; the others are in pages.
const DETAILED_MEMBERS: u64 = 500;

/// The answer to the creation of a room.
#[derive(Debug)]
pub struct Created {
    pub room: Room,
    /// False for a direct room that existed before.
    pub is_new: bool,
}

/// Creates a room with the asker as its owner, or returns the existing direct room. Users who must consent are invited instead of
/// added.
///
/// # Errors
/// `VALIDATION_ERROR`, `USER_NOT_FOUND`, `ROOM_FULL`, `RATE_LIMITED`.
pub async fn create(chat: &Chat, limits: &Limits, actor: &Actor, request: CreateRoom) -> Result<Created> {
    rules::check_new(chat, actor, &request)?;
    let strangers = strangers(chat, actor, &request).await?;
    if request.room_type == RoomType::Group {
        limits.charge(Action::Group, actor.user_id).await?;
    }
    limits.charge(Action::Strangers(strangers), actor.user_id).await?;
    let mut others: BTreeSet<UserId> = request.member_ids.iter().copied().filter(|id| *id != actor.user_id).collect();
    let is_direct = request.room_type == RoomType::Direct;
    let other = others.first().copied().filter(|_| is_direct);
    let direct_key = other.map(|other| direct_key(actor.user_id, other));
    let reopen = async |id, other| {
        let room = direct::reopen(chat, actor, id, other).await?;
        Ok(Created { room, is_new: false })
    };
    membership::check_capacity(chat, request.max_members, i32::try_from(others.len() + 1).unwrap_or(i32::MAX))?;

    let now = clock::now();
    let tx = chat.begin(actor).await?;
    if let (Some(key), Some(other)) = (&direct_key, other)
        && let Some(existing) = direct::find(&tx, key).await?
    {
        drop(tx);
        return reopen(existing.id, other).await;
    }
    membership::all_exist(&tx, &others).await?;
    let invited: Vec<UserId> = addition::asks_first(chat, &tx, actor.user_id, &others).await?.into_iter().collect();
    others.retain(|user| !invited.contains(user));
    let avatar = Avatar::named(&tx, &chat.files.signer, actor.user_id, request.avatar_url.clone(), None).await?;
    let room = new_row(actor, request, avatar, direct_key.clone(), others.len() + 1, now)?;
    let row = room.clone().into_active_model().reset_all();
    let inserted = room::Entity::insert(row)
        .on_conflict_do_nothing_on([room::Column::DirectKey])
        .exec_without_returning(&tx)
        .await?;
    if !matches!(inserted, TryInsertResult::Inserted(1)) {
        // Another node created it meanwhile.
        drop(tx);
        let existing = direct::find(chat.db.read(), &direct_key.unwrap_or_default()).await?;
        let (existing, other) = existing.zip(other).ok_or(Error::ROOM_NOT_FOUND)?;
        return reopen(existing.id, other).await;
    }
    let role = if is_direct { Role::Member } else { Role::Owner };
    let everybody: Vec<NewMember> = std::iter::once(NewMember::by_choice(actor.user_id, role))
        .chain(others.into_iter().map(NewMember::added))
        .collect();
    let changes = membership::insert(&tx, &room, Seq::ZERO, &everybody, now).await?;
    log::insert(&tx, &room, actor.user_id, &changes, now).await?;
    let permit = Permit::to_create(room.id, actor.user_id);
    if !is_direct {
        audit::enter(&tx, &permit, [Record::new(AuditAction::RoomCreated).after(rules::settings(&room))], now).await?;
    }
    invitations::invite_all(&tx, &permit, &invited, now).await?;
    let answer = details(&tx, chat.recipient(actor.user_id), room.clone()).await?;
    chat.log.commit(tx, &room, changes.len()).await?;
    let invited = Some(invited).filter(|invited| !invited.is_empty());
    Ok(Created { room: Room { invited, ..answer }, is_new: true })
}

/// How many users of a new room are no contacts of the asker.
async fn strangers(chat: &Chat, actor: &Actor, request: &CreateRoom) -> Result<usize> {
    let db = chat.db.read();
    if let (RoomType::Direct, Some(other)) = (request.room_type, request.member_ids.first())
        && let Some(room) = direct::find(db, &direct_key(actor.user_id, *other)).await?
        && membership::present(db, room.id, [*other].into_iter()).await?.contains(other)
    {
        // Nobody is added or invited: the asker enters by themselves.
        return Ok(0);
    }
    privacy::strangers(db, actor.user_id, request.member_ids.iter().copied().collect()).await
}

/// The rooms the asker is in, the newest activity first.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub async fn list(chat: &Chat, actor: &Actor, page: PageQuery) -> Result<RoomList> {
    let page = page.check()?;
    let db = chat.db.read();
    let mine = room::Entity::find().filter(of_user(actor.user_id));
    let total = mine.clone().count(db).await?;
    let rooms = mine
        .order_by_desc(room::Column::ActiveAt)
        .order_by_desc(room::Column::Id)
        .offset(page.offset())
        .limit(page.size())
        .all(db)
        .await?;
    Ok(RoomList { rooms: summaries(db, chat.recipient(actor.user_id), rooms).await?, info: page.info(total) })
}

/// A room with its members, as one of them sees it.
///
/// # Errors
/// `ROOM_NOT_FOUND`.
pub async fn get(chat: &Chat, actor: &Actor, id: RoomId) -> Result<Room> {
    let db = chat.db.read();
    let (model, _, _) = find::room(db, actor.user_id, id).await?;
    details(db, chat.recipient(actor.user_id), model).await
}

/// A room with its members, for one of them.
pub(super) async fn details(db: &impl ConnectionTrait, recipient: Recipient<'_>, model: room::Model) -> Result<Room> {
    let members = member::Entity::find()
        .filter(member::Column::RoomId.eq(model.id))
        .filter(member::Column::LeftAt.is_null())
        .order_by_asc(member::Column::JoinedSeq)
        .limit(DETAILED_MEMBERS)
        .all(db)
        .await?;
    let members = view::members(db, recipient, members).await?;
    Ok(Room { members: Some(members), ..summary(db, recipient, model).await? })
}

/// A room as it is in a member's list, at least as new as its `last_seq` and this read mark of theirs.
#[derive(Debug)]
pub struct Overview {
    pub room: Room,
    pub last_read_seq: Seq,
}

/// A room as it is in a member's list.
///
/// # Errors
/// `ROOM_NOT_FOUND`.
pub async fn overview(chat: &Chat, user: UserId, id: RoomId) -> Result<Overview> {
    let db = chat.db.read();
    let (model, member_row, _) = find::room(db, user, id).await?;
    Ok(Overview { room: summary(db, chat.recipient(user), model).await?, last_read_seq: member_row.last_read_seq })
}

/// Those of some rooms that a user is in, as their lists show them.
///
/// # Errors
/// When the database does not answer.
pub async fn overviews(chat: &Chat, user: UserId, ids: &[RoomId]) -> Result<Vec<Room>> {
    let db = chat.db.read();
    let mut shown = Vec::with_capacity(ids.len());
    for some in ids.chunks(100) {
        let mine = of_user(user).add(room::Column::Id.is_in(some.iter().copied()));
        shown.extend(summaries(db, chat.recipient(user), room::Entity::find().filter(mine).all(db).await?).await?);
    }
    Ok(shown)
}

/// Changes a room's settings.
///
/// # Errors
/// `VALIDATION_ERROR`, `ROOM_NOT_FOUND`, `PERMISSION_DENIED`, `ROOM_FULL` for a cap below the present members.
pub async fn update(chat: &Chat, actor: &Actor, id: RoomId, request: UpdateRoom) -> Result<Room> {
    rules::check_update(chat, &request)?;
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let (model, _, membership) = find::room_for_update(&tx, actor.user_id, id).await?;
    let permit = membership.permit_showing(Capability::UpdateRoom, now)?;
    if let Some(Some(max)) = request.max_members {
        membership::check_capacity(chat, Some(max), model.member_count)?;
    }

    let (before, picture) = (rules::settings(&model), model.avatar_media_id);
    let mut avatar = None;
    let mut row = model.clone().into_active_model();
    if let Some(name) = request.name {
        row.name = Set(Some(name));
    }
    if let Some(description) = request.description {
        row.description = Set(description);
    }
    if let Some(avatar_url) = request.avatar_url {
        let named = Avatar::named(&tx, &chat.files.signer, actor.user_id, avatar_url, picture).await?;
        row.avatar_url = Set(named.url.clone());
        row.avatar_media_id = Set(named.media_id);
        avatar = Some(named);
    }
    if let Some(visibility) = request.visibility {
        row.visibility = Set(visibility);
    }
    if let Some(max_members) = request.max_members {
        row.max_members = Set(max_members);
    }
    if let Some(history) = request.history {
        row.history = Set(history);
    }
    if let Some(seconds) = request.slow_mode_seconds {
        row.slow_mode_seconds = Set(seconds);
    }
    if let Some(ai_enabled) = request.ai_enabled {
        row.ai_enabled = Set(ai_enabled);
    }
    if let Some(ai_model) = request.ai_model {
        row.ai_model = Set(ai_model);
    }
    row.updated_at = Set(now);
    let changed = row.update(&tx).await?;
    let after = rules::settings(&changed);
    if after == before {
        return details(&tx, chat.recipient(actor.user_id), model).await;
    }
    if let Some(avatar) = avatar {
        avatar.replaces(&tx, picture).await?;
    }
    let (before, after) = audit::difference(&before, &after);
    let mut records = vec![Record::new(AuditAction::RoomUpdated).before(before).after(after)];
    // Otherwise an old code would work again once the room has a link.
    if request.visibility == Some(Visibility::Private) {
        records.extend(invite_rows::close(&tx, &changed).await?);
    }
    audit::enter(&tx, &permit, records, now).await?;
    let room = permit.append(&tx, &[Change::of_room(EventKind::RoomUpdated)], now).await?;
    let answer = details(&tx, chat.recipient(actor.user_id), room.clone()).await?;
    chat.log.commit(tx, &room, 1).await?;
    Ok(answer)
}

/// Deletes a room for everybody.
///
/// # Errors
/// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`.
pub async fn delete(chat: &Chat, actor: &Actor, id: RoomId) -> Result<()> {
    let now = clock::now();
    let tx = chat.begin(actor).await?;
    let (model, _, membership) = find::room_for_update(&tx, actor.user_id, id).await?;
    let permit = membership.permit(Capability::DeleteRoom)?;
    let room = close(&tx, &permit, model, now).await?;
    chat.log.commit(tx, &room, 1).await?;
    chat.sweeper.nudge();
    Ok(())
}

/// Closes a room with its link and invitations. Takes one seq.
pub(crate) async fn close(
    tx: &Transaction,
    permit: &Permit,
    model: room::Model,
    now: Timestamp,
) -> Result<room::Model> {
    let mut row = model.into_active_model();
    row.deleted_at = Set(Some(now));
    row.updated_at = Set(now);
    let closed = row.update(tx).await?;
    invite_rows::close(tx, &closed).await?;
    audit::enter(tx, permit, [Record::new(AuditAction::RoomDeleted)], now).await?;
    permit.append(tx, &[Change::of_room(EventKind::RoomDeleted)], now).await
}

/// The rooms that a user is in.
pub(crate) fn of_user(user: UserId) -> Condition {
    let member_rows = member::Entity::find()
        .select_only()
        .column(member::Column::RoomId)
        .filter(member::Column::UserId.eq(user))
        .filter(member::Column::LeftAt.is_null())
        .into_query();
    Condition::all().add(room::Column::Id.in_subquery(member_rows)).add(room::Column::DeletedAt.is_null())
}

fn new_row(
    actor: &Actor,
    request: CreateRoom,
    avatar: Avatar,
    direct_key: Option<String>,
    members: usize,
    now: Timestamp,
) -> Result<room::Model> {
    Ok(room::Model {
        id: RoomId::new(),
        room_type: request.room_type,
        visibility: request.visibility.unwrap_or(Visibility::Private),
        search_key: room::search_key(request.name.as_deref(), request.description.as_deref()),
        name: request.name,
        description: request.description,
        avatar_url: avatar.url,
        avatar_media_id: avatar.media_id,
        created_by: actor.user_id,
        max_members: request.max_members,
        member_count: i32::try_from(members).map_err(Error::internal)?,
        message_count: 0,
        last_seq: Seq(i64::try_from(members).map_err(Error::internal)?),
        last_message_seq: Seq::ZERO,
        history: request.history.unwrap_or(HistoryAccess::All),
        slow_mode_seconds: request.slow_mode_seconds.unwrap_or(0),
        ai_enabled: request.ai_enabled.unwrap_or(false),
        ai_model: request.ai_model,
        direct_key,
        created_at: now,
        updated_at: now,
        active_at: now,
        deleted_at: None,
    })
}
