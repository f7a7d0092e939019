//! The addresses from which users signed in. Wrong passwords from other addresses use up the limit of an account for those; its owner can
//! still sign in from a known address.

use std::{net::IpAddr, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::OnConflict,
};
use sha2::{Digest, Sha256};

use crate::{
    contract::{Timestamp, UserId},
    error::Result,
};
use entity::known_address;

/// Addresses that are remembered of one account.
const ADDRESSES: u64 = 20;

/// How long an unused address is remembered.
const REMEMBERED: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// Whether the owner of an account has signed in from an address.
pub(super) async fn is_known(db: &impl ConnectionTrait, user: UserId, address: IpAddr) -> Result<bool> {
    Ok(known_address::Entity::find_by_id((user, name(user, address))).one(db).await?.is_some())
}

/// Remembers an address of the owner of an account.
pub(super) async fn remember(db: &impl ConnectionTrait, user: UserId, address: IpAddr, now: Timestamp) -> Result<()> {
    let row = known_address::ActiveModel { user_id: Set(user), address: Set(name(user, address)), seen_at: Set(now) };
    let again = OnConflict::columns([known_address::Column::UserId, known_address::Column::Address])
        .update_column(known_address::Column::SeenAt)
        .to_owned();
    known_address::Entity::insert(row).on_conflict(again).exec_without_returning(db).await?;
    let of_user = || known_address::Column::UserId.eq(user);
    let oldest_kept: Option<Timestamp> = known_address::Entity::find()
        .select_only()
        .column(known_address::Column::SeenAt)
        .filter(of_user())
        .order_by_desc(known_address::Column::SeenAt)
        .offset(ADDRESSES - 1)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    let since = Timestamp(now.0.saturating_sub(i64::try_from(REMEMBERED.as_millis()).unwrap_or(i64::MAX)));
    let since = oldest_kept.map_or(since, |oldest| oldest.max(since));
    let forgotten = known_address::Entity::delete_many().filter(of_user());
    forgotten.filter(known_address::Column::SeenAt.lt(since)).exec(db).await?;
    Ok(())
}

/// Forgets the addresses of a user.
pub(crate) async fn forget(db: &impl ConnectionTrait, user: UserId) -> Result<()> {
    known_address::Entity::delete_many().filter(known_address::Column::UserId.eq(user)).exec(db).await?;
    Ok(())
}

/// What an address is remembered by, for one account.
fn name(user: UserId, address: IpAddr) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{user} {address}")))
}
