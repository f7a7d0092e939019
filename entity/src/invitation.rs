//! Invitations of one person each.

use sea_orm::entity::prelude::*;

use crate::{InvitationId, RoomId, Timestamp, UserId};

/// An invitation to a user or an e-mail address: good for one use.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvitationId,
    pub room_id: RoomId,
    pub invited_by: UserId,
    /// Whom it is for; for an e-mail address, whoever got the code.
    pub user_id: Option<UserId>,
    pub email: Option<String>,
    pub code: String,
    /// SHA-256 of the code: what it is found by.
    #[sea_orm(unique)]
    pub code_hash: Vec<u8>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// When somebody joined by it.
    pub used_at: Option<Timestamp>,
    /// Whether it stands for an addition that waits for consent: then it is good whatever the room's visibility.
    pub is_addition: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
