//! Uploaded files.

use sea_orm::entity::prelude::*;

use crate::{MediaId, MediaStatus, Timestamp, UserId};

/// A file: the row says what it is, the store has its bytes.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "media")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MediaId,
    pub owner_id: UserId,
    pub status: MediaStatus,
    /// What its owner calls it; never part of a path.
    pub filename: String,
    /// What its bytes are; as long as it is pending, what its owner says.
    pub mime_type: String,
    /// Bytes. As long as it is pending, those that its owner says, or that it may have at most.
    pub size: i64,
    /// Of its bytes, once they are known.
    pub sha256: Option<Vec<u8>>,
    /// Pixels, as it is to be looked at.
    pub width: Option<i32>,
    /// Pixels, as it is to be looked at.
    pub height: Option<i32>,
    pub duration_ms: Option<i64>,
    /// A few bytes that look like the picture, in base64.
    pub thumbhash: Option<String>,
    /// What its small picture is, if it has one.
    pub thumbnail_mime_type: Option<String>,
    /// Whether its owner sends the bytes to the store directly.
    pub is_direct: bool,
    /// Whether its owner said its size before sending it.
    pub has_exact_size: bool,
    /// Whether its owner said its type before sending it.
    pub has_exact_type: bool,
    pub created_at: Timestamp,
    /// Until when it is kept though another picture took its place.
    pub kept_until: Option<Timestamp>,
    /// When its owner took it back.
    pub withdrawn_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
