//! Logins. A row is one family of refresh tokens: the newest of them is valid, any older one gives the family away.

use sea_orm::entity::prelude::*;

use crate::{SessionId, Timestamp, UserId};

/// One login on one device.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    pub user_id: UserId,
    /// The `jti` of the one refresh token that is still good.
    pub refresh_jti: Uuid,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
