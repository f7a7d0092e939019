//! Uploaded files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MediaId, MessageId, RoomId, Seq, Timestamp, UserId};

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Media {
    pub id: MediaId,
    /// Loads it without a token until it expires, in an `<img>` for example. A message may name it as its `media_url`.
    pub url: String,
    /// The name that its uploader gave it.
    pub filename: String,
    /// Bytes.
    pub size: i64,
    /// The MIME type, found from its bytes.
    pub mime_type: String,
    /// Pixels of an image, after its orientation is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<i32>,
    /// Pixels of an image, after its orientation is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<i32>,
    /// The URL of the thumbnail, at most 512 pixels wide and high.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnail_url: Option<String>,
    /// A blurred preview of about 25 bytes, in base64 (<https://evanw.github.io/thumbhash/>).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbhash: Option<String>,
    /// The length of audio or video in milliseconds, if the file states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    pub created_at: Timestamp,
}

/// An attachment of a room's message.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SharedMedia {
    #[serde(flatten)]
    pub media: Media,
    pub message_id: MessageId,
    /// The seq of that message.
    pub seq: Seq,
    pub sender_id: UserId,
    /// When that message was sent.
    pub sent_at: Timestamp,
}

/// A URL that loads a file without a token.
#[derive(Debug, Serialize, ToSchema)]
pub struct MediaLink {
    pub url: String,
    pub expires_at: Timestamp,
}

/// The announcement of a direct upload.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DirectUploadQuery {
    /// 1 to 255 characters.
    #[param(min_length = 1, max_length = 255)]
    pub filename: String,
    /// Such as `image/png`; the request with the bytes must declare the same. Without it the filename decides, and that request may
    /// declare anything.
    #[serde(alias = "content_type")]
    #[param(max_length = 255, pattern = r"^([A-Za-z0-9.+_*-]+/[A-Za-z0-9/.+_*-]+(\s*;.*)?)?$")]
    pub mime_type: Option<String>,
    /// The exact number of bytes, at most `media.file_bytes` and 5 GiB. Without it, the upload may have any allowed size.
    #[param(minimum = 1, maximum = 5_368_709_120_i64)]
    pub size: Option<i64>,
    /// The room that it is for: an upload for a room to which you may not send is refused at once.
    pub room_id: Option<RoomId>,
}

/// Where to send the bytes of a file. Afterwards call `POST /api/chat/media/{id}/complete`.
#[derive(Debug, Serialize, ToSchema)]
pub struct DirectUpload {
    pub media_id: MediaId,
    /// Takes the bytes as the body of one request, without a token.
    pub upload_url: String,
    #[schema(example = "PUT")]
    pub method: &'static str,
    /// The headers that this request must have.
    pub headers: BTreeMap<&'static str, String>,
    /// When the URL expires.
    pub expires_at: Timestamp,
    /// The same as `upload_url`, for older clients.
    pub signed_url: String,
    /// The key of the file in the store, for older clients.
    pub path: String,
    /// Seconds until the URL expires, for older clients.
    pub expires_in: u64,
}

/// The bytes of a file.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct FileBytes(pub Vec<u8>);

/// Parts of an upload.
#[derive(Debug, ToSchema)]
pub struct UploadForm {
    /// The file; its name and its type are those of the part.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
    /// The id of the room that it is for: an upload for a room to which you may not send is refused. May be empty.
    #[schema(value_type = String, required = false, max_length = 36)]
    pub room_id: Option<RoomId>,
}
