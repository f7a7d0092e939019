//! Rooms.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    HistoryAccess, Member, Message, Role, RoomId, RoomType, Seq, Timestamp, UserId, Visibility, absent_or_empty,
    absent_or_unfilled, unfilled_is_default, unless_empty, unless_unfilled, value_unless_empty,
};

/// A conversation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Room {
    pub id: RoomId,
    pub room_type: RoomType,
    pub visibility: Visibility,
    #[schema(required)]
    pub name: Option<String>,
    #[schema(required)]
    pub description: Option<String>,
    #[schema(required)]
    pub avatar_url: Option<String>,
    pub created_by: UserId,
    #[schema(required)]
    pub max_members: Option<i32>,
    /// How far back new members can read.
    pub history: HistoryAccess,
    /// Seconds between two messages of one member; 0 for no limit. Owners and admins have none.
    pub slow_mode_seconds: i32,
    pub member_count: i32,
    /// The number of messages ever sent, deleted ones included.
    pub message_count: i64,
    /// The newest seq of the room's log.
    pub last_seq: Seq,
    pub ai_enabled: bool,
    #[schema(required)]
    pub ai_model: Option<String>,
    /// False once the room was deleted.
    pub is_active: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// In details, at most 500. Always in a direct room, because it has no other name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<Member>>,
    /// In lists and details; `null` while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_message: Option<Option<Message>>,
    /// Messages of others that you have not read. In lists and details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread_count: Option<i64>,
    /// The unread messages that mention you. In lists and details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mention_count: Option<i64>,
    /// In lists and details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub my_role: Option<Role>,
    /// Users who were invited instead of added: they become members when they accept. In the answer to `create_room`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invited: Option<Vec<UserId>>,
}

/// Create a room. A direct room has exactly one other person, and there is one for each two people.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"room_type": "group", "name": "Engine room", "member_ids": []}))]
pub struct CreateRoom {
    /// `direct` for you and one other person (`member_ids` has their id), `group` for any number.
    pub room_type: RoomType,
    /// 1 to 100 characters; a group must have one.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schema(max_length = 100)]
    pub name: Option<String>,
    /// At most 1,000 characters.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schema(max_length = 1000)]
    pub description: Option<String>,
    /// `https` URL of an image.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schema(max_length = 2048, pattern = r"^(https://[^\s/?#][^\s]*|http://[^\s/?#]+/api/chat/media/[^\s]+)?$")]
    pub avatar_url: Option<String>,
    /// Who may find and enter a group; `private` by default.
    #[serde(default, deserialize_with = "value_unless_empty")]
    pub visibility: Option<Visibility>,
    /// At most 500 users, besides yourself.
    #[serde(default, deserialize_with = "unfilled_is_default")]
    #[schema(value_type = Option<Vec<UserId>>, max_items = 500)]
    pub member_ids: Vec<UserId>,
    /// 2 to 100,000. At most, and by default, what the server allows (`rooms.max_members`).
    #[serde(default, deserialize_with = "unless_unfilled")]
    #[schema(minimum = 2, maximum = 100_000)]
    pub max_members: Option<i32>,
    /// How far back new members can read; `all` by default.
    #[serde(default, deserialize_with = "value_unless_empty")]
    pub history: Option<HistoryAccess>,
    /// 0 to 21,600; 0 by default.
    #[serde(default, deserialize_with = "unless_unfilled")]
    #[schema(minimum = 0, maximum = 21_600)]
    pub slow_mode_seconds: Option<i32>,
    #[serde(default, deserialize_with = "unless_unfilled")]
    pub ai_enabled: Option<bool>,
    /// At most 64 characters.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schema(max_length = 64)]
    pub ai_model: Option<String>,
}

/// Change a room's settings. Absent fields stay; `null`, or a text without characters, clears what may be empty.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(example = json!({"name": "Engine room", "description": null}))]
pub struct UpdateRoom {
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "absent_or_empty")]
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub description: Option<Option<String>>,
    #[serde(default, deserialize_with = "absent_or_empty")]
    #[schema(value_type = Option<String>, max_length = 2048, pattern = r"^(https://[^\s/?#][^\s]*|http://[^\s/?#]+/api/chat/media/[^\s]+)?$")]
    pub avatar_url: Option<Option<String>>,
    #[serde(default, deserialize_with = "value_unless_empty")]
    pub visibility: Option<Visibility>,
    #[serde(default, deserialize_with = "absent_or_unfilled")]
    #[schema(value_type = Option<i32>, minimum = 2, maximum = 100_000)]
    pub max_members: Option<Option<i32>>,
    #[serde(default, deserialize_with = "value_unless_empty")]
    pub history: Option<HistoryAccess>,
    /// 0 to 21,600.
    #[serde(default, deserialize_with = "unless_unfilled")]
    #[schema(minimum = 0, maximum = 21_600)]
    pub slow_mode_seconds: Option<i32>,
    #[serde(default, deserialize_with = "unless_unfilled")]
    pub ai_enabled: Option<bool>,
    #[serde(default, deserialize_with = "absent_or_empty")]
    #[schema(value_type = Option<String>, max_length = 64)]
    pub ai_model: Option<Option<String>>,
}

impl UpdateRoom {
    /// What can be changed.
    pub(crate) const FIELDS: &[&str] = &[
        "name",
        "description",
        "avatar_url",
        "visibility",
        "max_members",
        "history",
        "slow_mode_seconds",
        "ai_enabled",
        "ai_model",
    ];
}
