//! People.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Message, RoomId, Timestamp, UserId, absent_or_empty, unless_empty, unless_unfilled};

/// An account as others see it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct User {
    pub id: UserId,
    /// In full for yourself and for your contacts, otherwise masked: `a***@example.com`. A user is your contact while you share a
    /// room that is not public and that they created, joined by themselves or have written in.
    pub email: String,
    #[schema(required)]
    pub username: Option<String>,
    #[schema(required)]
    pub full_name: Option<String>,
    #[schema(required)]
    pub avatar_url: Option<String>,
    pub is_active: bool,
    pub is_verified: bool,
    pub is_superuser: bool,
    pub is_bot: bool,
    pub created_at: Timestamp,
    /// Only in your own account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_login: Option<Timestamp>,
    /// Whether others see how far you have read. Only in your own account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares_receipts: Option<bool>,
}

impl User {
    /// What to call them in one word: the user name, the full name, or the masked beginning of the e-mail address.
    #[must_use]
    pub fn display_name(&self) -> String {
        let name = self.username.as_ref().or(self.full_name.as_ref());
        name.cloned().unwrap_or_else(|| format!("{}***", initial(&self.email)))
    }

    /// The same user as people see them whose contact they are not.
    #[must_use]
    pub fn masked(mut self) -> Self {
        let domain = self.email.split_once('@').map_or("", |(_, domain)| domain);
        self.email = format!("{}***@{domain}", initial(&self.email));
        self
    }
}

fn initial(email: &str) -> String {
    email.chars().next().map(String::from).unwrap_or_default()
}

/// A user, and your direct room with them, if any.
#[derive(Debug, Serialize, ToSchema)]
pub struct Contact {
    #[serde(flatten)]
    pub user: User,
    #[schema(required)]
    pub room_id: Option<RoomId>,
    #[schema(required)]
    pub last_message: Option<Message>,
    pub unread_count: i64,
}

/// How to deactivate an account.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct GiveUp {
    /// Erase the account: its names, address, logins and memberships.
    #[serde(default)]
    pub erase: bool,
    /// Also delete all its messages. Only with `erase`.
    #[serde(default)]
    pub erase_messages: bool,
}

/// Change your profile. Absent fields stay; `null`, or a text without characters, clears what may be empty.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(example = json!({"full_name": "Ada Lovelace", "avatar_url": "https://example.com/ada.png"}))]
pub struct UpdateProfile {
    /// 1 to 100 characters.
    #[serde(default, deserialize_with = "absent_or_empty")]
    #[schema(value_type = Option<String>, max_length = 100)]
    pub full_name: Option<Option<String>>,
    /// 3 to 32 letters, digits, `_`, `-` or `.`; unique without regard to case.
    #[schema(min_length = 3, max_length = 32, pattern = r"^[A-Za-z0-9_.-]{3,32}$")]
    pub username: Option<String>,
    /// `https` URL of an image.
    #[serde(default, deserialize_with = "absent_or_empty")]
    #[schema(value_type = Option<String>, max_length = 2048, pattern = r"^(https://[^\s/?#][^\s]*|http://[^\s/?#]+/api/chat/media/[^\s]+)?$")]
    pub avatar_url: Option<Option<String>>,
    /// Whether others see how far you have read.
    #[serde(default, deserialize_with = "unless_unfilled")]
    pub shares_receipts: Option<bool>,
    /// The present password; required to change it.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schema(max_length = 128)]
    pub current_password: Option<String>,
    /// The new password, 8 to 128 characters; ends all other sessions.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schema(min_length = 8, max_length = 128)]
    pub password: Option<String>,
}

impl UpdateProfile {
    /// What can be changed.
    pub(crate) const FIELDS: &[&str] = &["full_name", "username", "avatar_url", "shares_receipts", "password"];
}
