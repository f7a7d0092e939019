//! Reactions and pins: what members put to a message.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Message, MessageId, Timestamp, UserId};

/// How often an emoji stands under a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reaction {
    pub emoji: String,
    pub count: i64,
    /// Whether one of them is yours. Events are the same for all who hear them: there it is false.
    pub mine: bool,
}

/// Put an emoji under a message.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"emoji": "👍"}))]
pub struct React {
    /// One emoji.
    #[schema(min_length = 1, max_length = 64)]
    pub emoji: String,
}

/// What stands under a message, in the order in which each emoji came first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reactions {
    pub reactions: Vec<Reaction>,
}

/// A message that a room keeps in sight.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pin {
    pub message_id: MessageId,
    /// Who pinned it.
    pub user_id: UserId,
    pub pinned_at: Timestamp,
    pub message: Message,
}
