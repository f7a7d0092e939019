//! Searching messages.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Message, RoomId, Timestamp, UserId};

/// A search among the messages that you may read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// Words or parts of words, all of which must occur, those between quotation marks as they stand; at most 10, of 200 characters together. Case, accents and width do
    /// not matter; messages that have the accents asked for come first. Of one or two letters alone, only
    /// your newest 5,000 messages are searched, and of long ones about the newest million bytes.
    #[param(min_length = 1, max_length = 200)]
    pub q: String,
    /// Only in this room.
    pub room_id: Option<RoomId>,
    /// Only of this sender.
    pub sender_id: Option<UserId>,
    /// Only messages sent before this time.
    pub before: Option<Timestamp>,
    /// Only messages sent after this time.
    pub after: Option<Timestamp>,
    /// From 1.
    #[param(minimum = 1, maximum = 9_223_372_036_854_775_807_i64)]
    pub page: Option<i64>,
    /// 1 to 100; 20 by default.
    #[serde(alias = "size")]
    #[param(minimum = 1, maximum = 100)]
    pub page_size: Option<i64>,
}

/// A message that matches.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchHit {
    #[serde(flatten)]
    pub message: Message,
    /// The text around the match, as HTML: the matched words in `<mark>`, everything else escaped.
    #[schema(example = "we run <mark>qwen</mark>3.6")]
    pub excerpt: String,
}
