//! How users enter a room: by its invite link, or by an invitation for one person.

use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::schema::{ObjectBuilder, Schema, SchemaType, Type},
};

use super::{InvitationId, Role, RoomId, Timestamp, UserId, unless_empty, unless_unfilled, value_unless_empty};

/// The invite link of a room: anyone with the code may join.
#[derive(Debug, Serialize, ToSchema)]
pub struct Invite {
    pub room_id: RoomId,
    /// 144 random bits.
    pub code: String,
    /// The role of those who join by it.
    pub role: Role,
    /// How often it was used.
    pub uses: i32,
    #[schema(required)]
    pub max_uses: Option<i32>,
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
    pub created_by: UserId,
    pub created_at: Timestamp,
}

/// Make a new invite link; the old one stops working.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"expires_in": 604_800, "max_uses": 10}))]
pub struct CreateInvite {
    /// Seconds, 60 to 31,536,000; by default it never expires.
    #[serde(default, deserialize_with = "unless_unfilled")]
    #[schema(minimum = 60, maximum = 31_536_000)]
    pub expires_in: Option<i64>,
    /// 1 to 100,000; unlimited by default.
    #[serde(default, deserialize_with = "unless_unfilled")]
    #[schema(minimum = 1, maximum = 100_000)]
    pub max_uses: Option<i32>,
    /// `member` (the default) or `viewer`; `admin` if you own the room.
    #[serde(default, deserialize_with = "value_unless_empty")]
    #[schema(schema_with = role)]
    pub role: Option<Role>,
}

/// A role that a link may give: never owner.
fn role() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some([Some("admin"), Some("member"), Some("viewer"), None]))
        .into()
}

/// What a user with a code sees of the room before they join.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitePreview {
    #[schema(required)]
    pub name: Option<String>,
    #[schema(required)]
    pub avatar_url: Option<String>,
    pub member_count: i32,
}

/// Invite one person: give exactly one of the three fields.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!({"username": "grace"}))]
pub struct CreateInvitation {
    #[serde(default, deserialize_with = "value_unless_empty")]
    pub user_id: Option<UserId>,
    #[serde(default, deserialize_with = "unless_empty")]
    #[schema(max_length = 32, pattern = r"^([A-Za-z0-9_.-]{3,32})?$")]
    pub username: Option<String>,
    #[serde(default, deserialize_with = "unless_empty")]
    #[schema(
        max_length = 254,
        pattern = r"^([!#-'*+./0-9=?A-Z^-~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+)?$"
    )]
    pub email: Option<String>,
}

/// An invitation for one person. It is valid once, for seven days.
#[derive(Debug, Serialize, ToSchema)]
pub struct Invitation {
    pub id: InvitationId,
    pub room_id: RoomId,
    pub invited_by_id: UserId,
    /// Who may use it; for an e-mail address, anyone with the code.
    #[schema(required)]
    pub user_id: Option<UserId>,
    #[schema(required)]
    pub email: Option<String>,
    pub invitation_code: String,
    pub is_used: bool,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}
