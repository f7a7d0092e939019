//! Bans: who may not come (back) into a room.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{RoomId, Timestamp, UserId, unless_empty, value_unless_empty};

/// A ban: a user who may not be in a room.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ban {
    pub room_id: RoomId,
    pub user_id: UserId,
    pub banned_by: UserId,
    #[schema(required)]
    pub reason: Option<String>,
    pub created_at: Timestamp,
    /// `null` for a ban without end.
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
}

/// Ban a user from a room; a member is removed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"reason": "spam", "expires_at": "2027-01-20T10:00:00.000Z"}))]
pub struct CreateBan {
    /// At most 500 characters.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schema(max_length = 500)]
    pub reason: Option<String>,
    /// In the future; without end by default.
    #[serde(default, deserialize_with = "value_unless_empty")]
    pub expires_at: Option<Timestamp>,
}
