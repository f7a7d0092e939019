//! From where people have signed in.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, UserId};

/// An address from which somebody gave the right password of an account.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "known_addresses")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// A hash of both, in base64: the address itself is not kept.
    #[sea_orm(primary_key, auto_increment = false)]
    pub address: String,
    /// When that was, the last time.
    pub seen_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
