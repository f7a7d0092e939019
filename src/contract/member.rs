//! Who is in a room, and as what.

use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type},
};

use super::{
    MemberId, Role, RoomId, Seq, Timestamp, User, UserId, absent_or_empty_value, unfilled_is_default,
    value_unless_empty,
};

/// A user's membership of a room.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Member {
    pub id: MemberId,
    pub room_id: RoomId,
    pub user_id: UserId,
    pub role: Role,
    /// Whether the role is `owner` or `admin`.
    pub is_admin: bool,
    pub joined_at: Timestamp,
    /// The last seq that they have read.
    pub last_read_seq: Seq,
    #[schema(required)]
    pub last_read_at: Option<Timestamp>,
    /// They may not send messages before this time.
    #[schema(required)]
    pub muted_until: Option<Timestamp>,
    /// False after they left.
    pub is_active: bool,
    pub user: User,
    /// The user as they see themselves, where others see less of them.
    #[serde(skip)]
    pub own_user: Option<Box<User>>,
}

impl Member {
    /// The same as the member sees it.
    #[must_use]
    pub fn for_member(mut self) -> Self {
        if let Some(own) = self.own_user.take() {
            self.user = *own;
        }
        self
    }
}

/// Add people to a room, as members.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"user_ids": ["0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11"]}))]
pub struct AddMembers {
    /// 1 to 500 users, by id or by user name.
    #[serde(default, deserialize_with = "unfilled_is_default")]
    #[schema(max_items = 500)]
    pub user_ids: Vec<UserId>,
    /// Their user names, in any case.
    #[serde(default, deserialize_with = "unfilled_is_default")]
    #[schema(schema_with = usernames)]
    pub usernames: Vec<String>,
}

fn usernames() -> Schema {
    let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(3)).max_length(Some(32));
    let name = name.pattern(Some("^[A-Za-z0-9_.-]{3,32}$"));
    ArrayBuilder::new().items(name).max_items(Some(500)).into()
}

/// Make another member the owner of a room; you become an admin.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"user_id": "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11"}))]
pub struct TransferOwnership {
    pub user_id: UserId,
}

/// Members that a request changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Members {
    pub members: Vec<Member>,
}

/// The result of adding people.
#[derive(Debug, Serialize, ToSchema)]
pub struct Additions {
    /// The new members.
    pub members: Vec<Member>,
    /// Users who were invited instead: they become members when they accept.
    pub invited: Vec<UserId>,
}

/// Change what a member may do.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(example = json!({"role": "admin"}))]
pub struct UpdateMember {
    #[serde(default, deserialize_with = "value_unless_empty")]
    pub role: Option<Role>,
    /// `null` unmutes them.
    #[serde(default, deserialize_with = "absent_or_empty_value")]
    #[schema(value_type = Option<Timestamp>)]
    pub muted_until: Option<Option<Timestamp>>,
}

impl UpdateMember {
    /// What can be changed.
    pub(crate) const FIELDS: &[&str] = &["role", "muted_until"];
}
