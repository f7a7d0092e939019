//! Checks the session and the account again, in the transaction of a change.
//!
//! The token of a request is checked when its head has arrived. Its body may take long, and an event may wait in the inbox of its
//! socket: if the session or the account ended meanwhile, the change must be refused.

use std::collections::HashSet;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QuerySelect, sea_query::LockType};

use super::Actor;
use crate::{
    clock,
    contract::{SessionId, Timestamp, UserId},
    db::{Db, Transaction},
    error::{Error, Result},
};
use entity::{session, user};

/// Opens a transaction for a change by a user whose session and account exist, and locks both until it ends.
///
/// # Errors
/// `UNAUTHORIZED`, `ACCOUNT_DISABLED`.
pub async fn begin(db: &Db, actor: &Actor) -> Result<Transaction> {
    // As weak as what a row that refers to the account takes: it waits for nothing but the end of the account or of a login.
    begin_with(db, actor, LockType::KeyShare).await
}

/// The same for a change that ends sessions or the account: no other change by this user runs at the same time.
///
/// # Errors
/// `UNAUTHORIZED`, `ACCOUNT_DISABLED`.
pub async fn begin_alone(db: &Db, actor: &Actor) -> Result<Transaction> {
    begin_with(db, actor, LockType::Update).await
}

/// The same check without a lock: the session may end right after it.
///
/// # Errors
/// `UNAUTHORIZED`, `ACCOUNT_DISABLED`.
pub async fn check(db: &impl ConnectionTrait, actor: &Actor) -> Result<()> {
    check_with(db, actor, None).await
}

/// Locks an account against changes by its owner until the transaction ends: for ending one of their sessions.
pub(super) async fn lock_account(tx: &Transaction, user: UserId) -> Result<()> {
    is_active(tx, user, Some(LockType::Update)).await.map(drop)
}

/// Which of some sessions still exist.
///
/// # Errors
/// When the database does not answer.
pub async fn valid_logins(
    tx: &Transaction,
    logins: impl IntoIterator<Item = SessionId>,
    now: Timestamp,
) -> Result<HashSet<SessionId>> {
    let account = session::Entity::belongs_to(user::Entity).from(session::Column::UserId).to(user::Column::Id).into();
    let valid_logins: Vec<SessionId> = session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .join(JoinType::InnerJoin, account)
        .filter(session::Column::Id.is_in(logins))
        .filter(session::Column::RevokedAt.is_null())
        .filter(session::Column::ExpiresAt.gt(now))
        .filter(user::Column::IsActive.eq(true))
        .into_tuple()
        .all(tx)
        .await?;
    Ok(valid_logins.into_iter().collect())
}

async fn begin_with(db: &Db, actor: &Actor, lock: LockType) -> Result<Transaction> {
    let tx = db.begin().await?;
    check_with(&tx, actor, Some(lock)).await?;
    Ok(tx)
}

async fn check_with(db: &impl ConnectionTrait, actor: &Actor, lock: Option<LockType>) -> Result<()> {
    if !is_active(db, actor.user_id, lock).await? {
        return Err(Error::ACCOUNT_DISABLED);
    }
    // Read once the account is locked: a login that ended while this waited has ended.
    let login = session::Entity::find_by_id(actor.session_id)
        .filter(session::Column::UserId.eq(actor.user_id))
        .filter(session::Column::RevokedAt.is_null())
        .filter(session::Column::ExpiresAt.gt(clock::now()));
    if login.one(db).await?.is_none() { Err(Error::UNAUTHORIZED) } else { Ok(()) }
}

async fn is_active(db: &impl ConnectionTrait, user: UserId, lock: Option<LockType>) -> Result<bool> {
    let mut account = user::Entity::find_by_id(user).select_only().column(user::Column::IsActive);
    if let Some(lock) = lock {
        account = account.lock(lock);
    }
    let is_active: Option<bool> = account.into_tuple().one(db).await?;
    Ok(is_active.unwrap_or(false))
}
