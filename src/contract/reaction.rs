//! Reactions and pins: what members put to a message.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Message, MessageId, Timestamp, UserId};

/// The reactions to a message with one emoji.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reaction {
    pub emoji: String,
    pub count: i64,
    /// Whether one of them is yours. Always false in events, because all subscribers receive the same event.
    pub mine: bool,
}

/// Add a reaction to a message.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"emoji": "👍"}))]
pub struct React {
    /// One emoji.
    #[schema(min_length = 1, max_length = 64)]
    pub emoji: String,
}

/// The reactions to a message, in the order in which each emoji was first used.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reactions {
    pub reactions: Vec<Reaction>,
}

/// A pinned message.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pin {
    pub message_id: MessageId,
    /// Who pinned it.
    pub user_id: UserId,
    pub pinned_at: Timestamp,
    pub message: Message,
}
