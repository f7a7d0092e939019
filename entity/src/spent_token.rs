//! Refresh tokens that were exchanged a moment ago.

use sea_orm::entity::prelude::*;

use crate::{SessionId, Timestamp};

/// A refresh token that is not its login's newest one any more.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "spent_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub jti: Uuid,
    pub session_id: SessionId,
    /// When it was used the first time.
    pub used_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
