//! Messages.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Media, MediaId, MessageId, MessageType, RoomId, Seq, Timestamp, User, UserId, absent_or_empty, list::MessageList,
    reaction::Reaction, unless_empty, unless_unfilled, value_unless_empty,
};

/// A message. A deleted one keeps its seq; its content and attachments are gone.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Message {
    pub id: MessageId,
    pub room_id: RoomId,
    /// Its seq in the room's log.
    pub seq: Seq,
    pub sender_id: UserId,
    pub sender: Arc<User>,
    /// The sender as they see themselves, where others see less of them.
    #[serde(skip)]
    pub own_sender: Option<Arc<User>>,
    pub message_type: MessageType,
    #[schema(required)]
    pub content: Option<String>,
    #[schema(required)]
    pub media_id: Option<MediaId>,
    #[schema(required)]
    pub media_url: Option<String>,
    #[schema(required)]
    pub media_filename: Option<String>,
    /// Bytes.
    #[schema(required)]
    pub media_size: Option<i64>,
    #[schema(required)]
    pub media_mime_type: Option<String>,
    /// Pixels.
    #[schema(required)]
    pub media_width: Option<i32>,
    /// Pixels.
    #[schema(required)]
    pub media_height: Option<i32>,
    #[schema(required)]
    pub thumbnail_url: Option<String>,
    /// Its attachments; the `media_*` fields describe the first one.
    pub attachments: Vec<Media>,
    #[schema(required)]
    pub reply_to_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplyPreview>,
    #[schema(required)]
    pub forwarded_from_id: Option<MessageId>,
    /// The number of replies, deleted ones included.
    pub reply_count: i64,
    /// Members whom it mentions as `@username`.
    pub mentions: Vec<UserId>,
    pub reactions: Vec<Reaction>,
    pub is_pinned: bool,
    pub is_edited: bool,
    #[schema(required)]
    pub edited_at: Option<Timestamp>,
    pub is_deleted: bool,
    #[schema(required)]
    pub deleted_at: Option<Timestamp>,
    pub created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<String>,
    pub is_bot: bool,
    pub is_ai_message: bool,
    #[schema(required)]
    pub ai_model_used: Option<String>,
    #[schema(required)]
    pub credits_used: Option<f64>,
}

impl Message {
    /// The same as its sender sees it.
    #[must_use]
    pub fn for_sender(mut self) -> Self {
        if let Some(own) = self.own_sender.take() {
            self.sender = own;
        }
        self
    }

    /// The same without what it replies to, for people who may not read that.
    #[must_use]
    pub fn unquoted(self) -> Self {
        Self { reply_to: None, ..self }
    }

    /// The same without what it says, for people who may not read it.
    #[must_use]
    pub fn silent(self) -> Self {
        Self {
            content: None,
            media_id: None,
            media_url: None,
            media_filename: None,
            media_size: None,
            media_mime_type: None,
            media_width: None,
            media_height: None,
            thumbnail_url: None,
            attachments: Vec::new(),
            mentions: Vec::new(),
            ..self.unquoted()
        }
    }
}

/// The message that was replied to, as it is now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReplyPreview {
    pub id: MessageId,
    pub seq: Seq,
    pub sender_id: UserId,
    /// With a masked e-mail address, for everybody.
    pub sender: Arc<User>,
    pub sender_name: String,
    pub message_type: MessageType,
    /// `null` once that message is deleted.
    #[schema(required)]
    pub content: Option<String>,
    pub is_deleted: bool,
}

/// Send a message.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"room_id": "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11", "content": "Hello", "client_msg_id": "a1"}))]
pub struct SendMessage {
    pub room_id: RoomId,
    /// By default, and instead of `text`, the type of the first attachment; `text` without attachments.
    #[serde(default, deserialize_with = "value_unless_empty", skip_serializing_if = "Option::is_none")]
    pub message_type: Option<MessageType>,
    /// 1 to 4,000 characters. Optional with attachments, and in a forward, which takes the content of the original.
    #[serde(default, deserialize_with = "unless_empty", skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub content: Option<String>,
    /// A file that you uploaded.
    #[serde(default, deserialize_with = "value_unless_empty", skip_serializing_if = "Option::is_none")]
    pub media_id: Option<MediaId>,
    /// The `url` from the answer to the upload.
    #[serde(default, deserialize_with = "unless_empty", skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub media_url: Option<String>,
    /// Several files that you uploaded, at most 10, instead of one.
    #[serde(default, deserialize_with = "unless_unfilled", skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 10)]
    pub attachments: Option<Vec<SendAttachment>>,
    /// A message of the same room.
    #[serde(default, deserialize_with = "value_unless_empty", skip_serializing_if = "Option::is_none")]
    pub reply_to_id: Option<MessageId>,
    /// A message of a room that you can read.
    #[serde(default, deserialize_with = "value_unless_empty", skip_serializing_if = "Option::is_none")]
    pub forwarded_from_id: Option<MessageId>,
    /// At most 64 characters. It makes the send repeatable for ever: the same id with the same body returns the stored message.
    #[serde(default, deserialize_with = "unless_empty", skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub client_msg_id: Option<String>,
}

/// A file to attach, by its id or its URL.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct SendAttachment {
    #[serde(default, alias = "id", deserialize_with = "value_unless_empty", skip_serializing_if = "Option::is_none")]
    pub media_id: Option<MediaId>,
    /// The `url` from the answer to the upload.
    #[serde(default, alias = "url", deserialize_with = "unless_empty", skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub media_url: Option<String>,
}

/// Change the text of your own message.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"content": "Hello again"}))]
pub struct EditMessage {
    /// 1 to 4,000 characters. In a message with attachments, `null` or an empty text removes it.
    #[serde(default, deserialize_with = "absent_or_empty")]
    #[schema(value_type = Option<String>, max_length = 4000)]
    pub content: Option<Option<String>>,
}

/// Which part of a room's history.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Messages before this seq, newest of them last.
    #[param(minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    pub before_seq: Option<i64>,
    /// Messages after this seq.
    #[param(minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    pub after_seq: Option<i64>,
    /// Messages on both sides of this seq.
    #[param(minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    pub around_seq: Option<i64>,
    /// The number of messages, 1 to 100; 50 by default with a `seq`. Alone: the newest messages.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<i64>,
    /// Page 1 is the newest.
    #[param(minimum = 1, maximum = 9_223_372_036_854_775_807_i64)]
    pub page: Option<i64>,
    /// 1 to 100; 20 by default.
    #[serde(alias = "size")]
    #[param(minimum = 1, maximum = 100)]
    pub page_size: Option<i64>,
}

/// A part of a room's history, ascending by `seq`.
#[derive(Debug, Serialize, ToSchema)]
pub struct History {
    pub messages: Vec<Message>,
    /// Whether there are more messages in the requested direction.
    pub has_more: bool,
    /// The seq of the first message here.
    #[schema(required)]
    pub first_seq: Option<Seq>,
    /// The seq of the last message here.
    #[schema(required)]
    pub last_seq: Option<Seq>,
}

/// A part of a room's history, in the requested form.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum HistoryPart {
    /// By page.
    Page(MessageList),
    /// By `seq`.
    Window(History),
}
