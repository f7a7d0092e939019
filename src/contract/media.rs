//! Uploaded files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MediaId, MessageId, RoomId, Seq, Timestamp, UserId};

/// A file that was uploaded here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Media {
    pub id: MediaId,
    /// Loads it without a token until it expires, in an `<img>` for example. A message may name it as its `media_url`.
    pub url: String,
    /// What its uploader calls it.
    pub filename: String,
    /// Bytes.
    pub size: i64,
    /// What its bytes are.
    pub mime_type: String,
    /// Pixels of a picture, turned as it is to be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<i32>,
    /// Pixels of a picture, turned as it is to be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<i32>,
    /// The picture in small, at most 512 pixels wide and high.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnail_url: Option<String>,
    /// The picture as a blur of about 25 bytes, in base64 (<https://evanw.github.io/thumbhash/>).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbhash: Option<String>,
    /// Milliseconds that a sound or a film lasts, where the file says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    pub created_at: Timestamp,
}

/// A file that a message of a room carries.
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

/// What is to be uploaded.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DirectUploadQuery {
    /// 1 to 255 characters.
    #[param(min_length = 1, max_length = 255)]
    pub filename: String,
    /// Such as `image/png`, which the request that sends the bytes says as well. Without it the name tells, and that request says
    /// what it likes.
    #[serde(alias = "content_type")]
    #[param(max_length = 255, pattern = r"^([A-Za-z0-9.+_*-]+/[A-Za-z0-9/.+_*-]+(\s*;.*)?)?$")]
    pub mime_type: Option<String>,
    /// Bytes, exactly: at most as many as this server lets a file have (`media.file_bytes`), at the very most 5 GiB. Without it, as many
    /// as a file may have.
    #[param(minimum = 1, maximum = 5_368_709_120_i64)]
    pub size: Option<i64>,
    /// The room that it is for: refused at once where you may not send.
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
    /// What that request must carry.
    pub headers: BTreeMap<&'static str, String>,
    /// When the URL ends.
    pub expires_at: Timestamp,
    /// The same as `upload_url`, for older clients.
    pub signed_url: String,
    /// Where the file will be in the store, for older clients.
    pub path: String,
    /// Seconds until the URL ends, for older clients.
    pub expires_in: u64,
}

/// The bytes of a file, as the document shows them.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct FileBytes(pub Vec<u8>);

/// Parts of an upload.
#[derive(Debug, ToSchema)]
pub struct UploadForm {
    /// The file; its name and its type are those of the part.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
    /// The id of the room that it is for: refused where you may not send. May be empty.
    #[schema(value_type = String, required = false, max_length = 36)]
    pub room_id: Option<RoomId>,
}
