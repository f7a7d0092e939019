//! Errors: a closed list of codes, and one shape for each transport.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;

macro_rules! codes {
    // As `tt` the texts reach the derives as they are; a `literal` is a group to them, which utoipa does not look into.
    ($(#[doc = $doc:tt] $variant:ident = $text:tt $status:literal),+ $(,)?) => {
        /// Why a request failed. The list is closed; a client may match on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum ErrorCode {
            $(#[doc = $doc] #[serde(rename = $text)] $variant,)+
        }

        impl ErrorCode {
            /// All of them, for documentation and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $doc.trim_ascii(),)+ }
            }

            /// The HTTP status it is answered with (RFC 9110, section 15).
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }
        }
    };
}

codes! {
    /// The token is missing or not accepted.
    Unauthorized = "UNAUTHORIZED" 401,
    /// The token has expired.
    TokenExpired = "TOKEN_EXPIRED" 401,
    /// The refresh token was already exchanged; its session is revoked.
    TokenReused = "TOKEN_REUSED" 401,
    /// A refresh token was given instead of an access token, or the other way round.
    WrongTokenType = "WRONG_TOKEN_TYPE" 401,
    /// The account was deactivated.
    AccountDisabled = "ACCOUNT_DISABLED" 401,
    /// The account is unknown or the password is wrong: the answer is the same.
    InvalidCredentials = "INVALID_CREDENTIALS" 401,
    /// You can see this, but you are not allowed to do that.
    PermissionDenied = "PERMISSION_DENIED" 403,
    /// You were banned from the room.
    Banned = "BANNED" 403,
    /// The room does not exist, or you cannot see it.
    RoomNotFound = "ROOM_NOT_FOUND" 404,
    /// The message does not exist, or you cannot see it.
    MessageNotFound = "MESSAGE_NOT_FOUND" 404,
    /// The user does not exist, or you cannot see them.
    UserNotFound = "USER_NOT_FOUND" 404,
    /// The file does not exist, or you cannot see it.
    MediaNotFound = "MEDIA_NOT_FOUND" 404,
    /// The invite does not exist, or it is expired, used up or revoked.
    InviteNotFound = "INVITE_NOT_FOUND" 404,
    /// There is no such route; with status 405, the route does not support this method.
    NotFound = "NOT_FOUND" 404,
    /// The e-mail address or user name is taken.
    UserExists = "USER_EXISTS" 409,
    /// The user is already a member of the room.
    AlreadyMember = "ALREADY_MEMBER" 409,
    /// A room must keep at least one owner.
    LastOwner = "LAST_OWNER" 409,
    /// The room has its maximum number of members.
    RoomFull = "ROOM_FULL" 409,
    /// This `client_msg_id` was already used for another message.
    ClientMsgIdConflict = "CLIENT_MSG_ID_CONFLICT" 409,
    /// The change conflicts with the present state.
    Conflict = "CONFLICT" 409,
    /// The body or the file is too large.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE" 413,
    /// Your storage quota is used up.
    QuotaExceeded = "QUOTA_EXCEEDED" 413,
    /// The type of the body or the file is not supported.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE" 415,
    /// A field is missing or invalid.
    ValidationError = "VALIDATION_ERROR" 422,
    /// The request refers to something that is not part of the room.
    InvalidReference = "INVALID_REFERENCE" 422,
    /// The file is not one that you uploaded.
    InvalidMedia = "INVALID_MEDIA" 422,
    /// The image has too many pixels.
    ImageTooLarge = "IMAGE_TOO_LARGE" 422,
    /// The server does not call this URL.
    UrlNotAllowed = "URL_NOT_ALLOWED" 422,
    /// Too many requests. When to try again: over REST the header `Retry-After` in seconds, in an ack `retry_after_ms`.
    RateLimited = "RATE_LIMITED" 429,
    /// This user or address has too many connections.
    ConnectionLimit = "CONNECTION_LIMIT" 429,
    /// This socket has joined its maximum number of rooms.
    TooManyRooms = "TOO_MANY_ROOMS" 429,
    /// Nobody in the room can pay for the answer.
    InsufficientCredits = "INSUFFICIENT_CREDITS" 402,
    /// There is no such event. Socket only.
    UnknownEvent = "UNKNOWN_EVENT" 400,
    /// The cursor is ahead of the log: load the room again. Socket only.
    ResyncRequired = "RESYNC_REQUIRED" 400,
    /// A dependency is down. Nothing was stored, unless `detail` says that it may or may not have taken effect: then repeat with the same `client_msg_id`.
    ServiceUnavailable = "SERVICE_UNAVAILABLE" 503,
    /// The media store is down; nothing was stored.
    StorageUnavailable = "STORAGE_UNAVAILABLE" 503,
    /// This node is stopping: reconnect.
    ServerDraining = "SERVER_DRAINING" 503,
    /// An error of the server; it is logged with the request's id.
    Internal = "INTERNAL" 500,
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A field that is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Its path in the request, such as `member_ids[2]`.
    pub field: String,
    /// The broken rule, as one word.
    pub code: &'static str,
    /// The rule as a sentence.
    pub detail: String,
}

impl FieldError {
    /// `field` breaks the rule `code`.
    #[must_use]
    pub fn new(field: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { field: field.into(), code, detail: detail.into() }
    }
}

/// A refusal over REST: `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `error_code` names the problem (RFC 9457, section 4.2.1).
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status again.
    pub status: u16,
    /// The problem, as a sentence.
    pub detail: String,
    /// The problem, for programs.
    pub error_code: ErrorCode,
    /// Names this request in the server's log; also in the `x-request-id` header.
    pub request_id: String,
    pub timestamp: Timestamp,
    /// The invalid fields, for `VALIDATION_ERROR`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// A refusal over the socket: the `error` of an ack.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AckError {
    pub code: ErrorCode,
    /// The problem, as a sentence.
    pub message: String,
    /// The first invalid field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Milliseconds after which the same request may succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}
