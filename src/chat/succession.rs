//! Who owns a room when its owner leaves: the longest member of the highest role.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder,
    sea_query::{Alias, Condition, Expr, Query, SelectStatement},
};
use serde_json::json;

use super::{
    Chat,
    audit::{self, Record},
    join, membership,
    permission::Permit,
};
use crate::{
    clock,
    contract::{AuditAction, EventKind, Role, RoomId, Timestamp, UserId},
    db::Transaction,
    error::Result,
    log::Change,
};
use entity::{member, room, user};

/// Who owns a room after an owner leaves.
pub(crate) enum Heir {
    /// It has another owner.
    NotNeeded,
    Is(member::Model),
    Nobody,
}

/// Hands over the groups whose only owner has a closed account.
///
/// # Errors
/// When the database does not answer.
pub async fn hand_over(chat: &Chat, user_id: UserId) -> Result<()> {
    let owned = member::Entity::find()
        .filter(member::Column::UserId.eq(user_id))
        .filter(member::Column::Role.eq(Role::Owner))
        .filter(member::Column::LeftAt.is_null())
        .all(chat.db.read())
        .await?;
    for member_row in owned {
        hand_over_one(chat, member_row.room_id, user_id).await?;
    }
    Ok(())
}

/// Hands over every such group that was left: the process that closed the account may have ended before.
pub async fn hand_over_all(chat: &Chat) {
    match ownerless(chat.db.read()).await {
        Ok(member_rows) => {
            for member_row in member_rows {
                if let Err(error) = hand_over_one(chat, member_row.room_id, member_row.user_id).await {
                    error.record();
                }
            }
        }
        Err(error) => error.record(),
    }
}

async fn hand_over_one(chat: &Chat, room_id: RoomId, user_id: UserId) -> Result<()> {
    let now = clock::now();
    let tx = chat.db.begin().await?;
    if join::open_room(&tx, room_id).await?.is_none() {
        return Ok(());
    }
    if let Heir::Is(heir) = heir(&tx, room_id, user_id).await? {
        let permit = Permit::to_withdraw(room_id, user_id);
        let changes = [succeed(&tx, &permit, heir, now).await?];
        let room = permit.append(&tx, &changes, now).await?;
        chat.log.commit(tx, &room, changes.len()).await?;
    }
    Ok(())
}

/// The memberships of former owners in groups that have members, but none of them an owner.
async fn ownerless(db: &impl ConnectionTrait) -> Result<Vec<member::Model>> {
    let gone = Query::select()
        .column(user::Column::Id)
        .from(user::Entity)
        .and_where(user::Column::IsActive.eq(false))
        // An erasure that is not finished handles its own rooms.
        .and_where(user::Column::Erasing.is_null())
        .to_owned();
    let open = Query::select()
        .column(room::Column::Id)
        .from(room::Entity)
        .and_where(room::Column::DeletedAt.is_null())
        .to_owned();
    Ok(member::Entity::find()
        .filter(member::Column::Role.eq(Role::Owner))
        .filter(member::Column::LeftAt.is_null())
        .filter(member::Column::UserId.in_subquery(gone))
        .filter(member::Column::RoomId.in_subquery(open))
        .filter(Expr::exists(others(Condition::all())))
        .filter(
            Expr::exists(others(Condition::all().add(Expr::col(other(member::Column::Role)).eq(Role::Owner)))).not(),
        )
        .all(db)
        .await?)
}

/// The members with active accounts in the room of the outer row that satisfy a condition.
fn others(fit: Condition) -> SelectStatement {
    let active = Query::select()
        .column(user::Column::Id)
        .from(user::Entity)
        .and_where(user::Column::IsActive.eq(true))
        .to_owned();
    let same_room = Expr::col(other(member::Column::RoomId)).equals((member::Entity, member::Column::RoomId));
    Query::select()
        .expr(Expr::value(1))
        .from_as(member::Entity, Alias::new(OTHER))
        .and_where(same_room)
        .and_where(Expr::col(other(member::Column::LeftAt)).is_null())
        .and_where(Expr::col(other(member::Column::UserId)).in_subquery(active))
        .cond_where(fit)
        .to_owned()
}

/// The alias of the members table in a subquery.
const OTHER: &str = "other";

fn other(column: member::Column) -> (Alias, member::Column) {
    (Alias::new(OTHER), column)
}

/// The next owner.
pub(crate) async fn heir(tx: &Transaction, room: RoomId, but: UserId) -> Result<Heir> {
    for role in [Role::Owner, Role::Admin, Role::Member, Role::Viewer] {
        let longest = member::Entity::find()
            .filter(member::Column::RoomId.eq(room))
            .filter(member::Column::UserId.ne(but))
            .filter(member::Column::LeftAt.is_null())
            .filter(membership::has_active_account())
            .filter(member::Column::Role.eq(role))
            .order_by_asc(member::Column::JoinedSeq);
        while let Some(heir) = longest.clone().one(tx).await? {
            if role == Role::Owner {
                return Ok(Heir::NotNeeded);
            }
            // Locked, or the account might be closed at the same time, and the room would keep a closed owner.
            if membership::lock_account(tx, heir.user_id).await? {
                return Ok(Heir::Is(heir));
            }
        }
    }
    Ok(Heir::Nobody)
}

/// Makes a member the owner of a room.
pub(crate) async fn succeed(tx: &Transaction, permit: &Permit, heir: member::Model, now: Timestamp) -> Result<Change> {
    let change = Change::of_member(EventKind::MemberUpdated, heir.user_id);
    let record = Record::new(AuditAction::OwnershipTransferred).to(heir.user_id);
    audit::enter(tx, permit, [record.before(json!({"role": heir.role})).after(json!({"role": Role::Owner}))], now)
        .await?;
    let mut row = heir.into_active_model();
    row.role = Set(Role::Owner);
    row.update(tx).await?;
    Ok(change)
}
