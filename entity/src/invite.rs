//! A room's link: whoever knows its code may join.

use sea_orm::entity::prelude::*;

use crate::{Role, RoomId, Timestamp, UserId};

/// The one link of a room. Regenerating it replaces the row; revoking it deletes the row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invites")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub room_id: RoomId,
    pub code: String,
    /// SHA-256 of the code: what it is found by, so that the time of a look-up tells nothing of the code.
    #[sea_orm(unique)]
    pub code_hash: Vec<u8>,
    /// What it makes of those who use it.
    pub role: Role,
    pub uses: i32,
    pub max_uses: Option<i32>,
    pub created_by: UserId,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
