//! Who is there.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Timestamp, UserId};

/// How someone appears to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Online,
    Away,
    Offline,
}

/// How someone wants to appear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChosenStatus {
    #[default]
    Online,
    Away,
    /// Others see you as offline.
    Invisible,
}

impl ChosenStatus {
    /// Its name, in the database and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
            Self::Invisible => "invisible",
        }
    }

    /// How it looks to others.
    #[must_use]
    pub fn shown(self) -> Status {
        match self {
            Self::Online => Status::Online,
            Self::Away => Status::Away,
            Self::Invisible => Status::Offline,
        }
    }
}

/// Someone's presence.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Presence {
    pub user_id: UserId,
    pub status: Status,
    /// When they were last connected; absent while they are, or if they never were.
    #[schema(required)]
    pub last_seen_at: Option<Timestamp>,
}
