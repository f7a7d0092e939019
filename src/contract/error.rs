//! What every refusal looks like: a closed list of codes, and one shape for each transport.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;

macro_rules! codes {
    // As `tt` the texts reach the derives as they are; a `literal` is a group to them, which utoipa does not look into.
    ($(#[doc = $doc:tt] $variant:ident = $text:tt $status:literal),+ $(,)?) => {
        /// Why a request was refused. The list is closed; a client may match on it.
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
    /// No token, or none that we accept.
    Unauthorized = "UNAUTHORIZED" 401,
    /// The token was good once.
    TokenExpired = "TOKEN_EXPIRED" 401,
    /// A refresh token that was already exchanged: its whole family is revoked.
    TokenReused = "TOKEN_REUSED" 401,
    /// A refresh token where an access token belongs, or the other way round.
    WrongTokenType = "WRONG_TOKEN_TYPE" 401,
    /// The account was deactivated.
    AccountDisabled = "ACCOUNT_DISABLED" 401,
    /// Unknown account or wrong password: the same answer.
    InvalidCredentials = "INVALID_CREDENTIALS" 401,
    /// You may see it, but not do this.
    PermissionDenied = "PERMISSION_DENIED" 403,
    /// You were banned from the room.
    Banned = "BANNED" 403,
    /// Absent, or not visible to you.
    RoomNotFound = "ROOM_NOT_FOUND" 404,
    /// Absent, or not visible to you.
    MessageNotFound = "MESSAGE_NOT_FOUND" 404,
    /// Absent, or not visible to you.
    UserNotFound = "USER_NOT_FOUND" 404,
    /// Absent, or not visible to you.
    MediaNotFound = "MEDIA_NOT_FOUND" 404,
    /// Absent, expired, used up or revoked.
    InviteNotFound = "INVITE_NOT_FOUND" 404,
    /// There is nothing at this address; with status 405, something that does not take this method.
    NotFound = "NOT_FOUND" 404,
    /// The e-mail address or user name is taken.
    UserExists = "USER_EXISTS" 409,
    /// They are in the room already.
    AlreadyMember = "ALREADY_MEMBER" 409,
    /// A room keeps at least one owner.
    LastOwner = "LAST_OWNER" 409,
    /// The room has as many members as it may have.
    RoomFull = "ROOM_FULL" 409,
    /// This `client_msg_id` was used for another message.
    ClientMsgIdConflict = "CLIENT_MSG_ID_CONFLICT" 409,
    /// The change does not fit the present state.
    Conflict = "CONFLICT" 409,
    /// More bytes than are taken here.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE" 413,
    /// Your storage is used up.
    QuotaExceeded = "QUOTA_EXCEEDED" 413,
    /// Not a type that is taken here.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE" 415,
    /// A field is missing, or not what it must be.
    ValidationError = "VALIDATION_ERROR" 422,
    /// It names something that does not belong here.
    InvalidReference = "INVALID_REFERENCE" 422,
    /// Not a file that you uploaded here.
    InvalidMedia = "INVALID_MEDIA" 422,
    /// More pixels than are decoded here.
    ImageTooLarge = "IMAGE_TOO_LARGE" 422,
    /// An address that the server does not call.
    UrlNotAllowed = "URL_NOT_ALLOWED" 422,
    /// Too much at once. When to try again: over REST the header `Retry-After` in seconds, in an ack `retry_after_ms`.
    RateLimited = "RATE_LIMITED" 429,
    /// Too many connections of this user or address.
    ConnectionLimit = "CONNECTION_LIMIT" 429,
    /// This socket has joined as many rooms as it may.
    TooManyRooms = "TOO_MANY_ROOMS" 429,
    /// Nobody in the room can pay for the answer.
    InsufficientCredits = "INSUFFICIENT_CREDITS" 402,
    /// No such event; socket only.
    UnknownEvent = "UNKNOWN_EVENT" 400,
    /// The cursor is ahead of the log; fetch the room anew. Socket only.
    ResyncRequired = "RESYNC_REQUIRED" 400,
    /// A dependency is down. Nothing was stored, unless `detail` says that it may or may not have taken effect: then repeat with the same `client_msg_id`.
    ServiceUnavailable = "SERVICE_UNAVAILABLE" 503,
    /// The media store is down; nothing was stored.
    StorageUnavailable = "STORAGE_UNAVAILABLE" 503,
    /// This node is stopping; reconnect.
    ServerDraining = "SERVER_DRAINING" 503,
    /// Our fault; logged under the request's id.
    Internal = "INTERNAL" 500,
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A field that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Its path in the request, such as `member_ids[2]`.
    pub field: String,
    /// Which rule it breaks, in one word.
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
    /// `about:blank`: the code says it all (RFC 9457, section 4.2.1).
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status again.
    pub status: u16,
    /// What is wrong, as a sentence.
    pub detail: String,
    /// What is wrong, for programs.
    pub error_code: ErrorCode,
    /// Names this request in the server's log; also in the `x-request-id` header.
    pub request_id: String,
    pub timestamp: Timestamp,
    /// The fields that do not fit, for `VALIDATION_ERROR`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// A refusal over the socket: the `error` of an ack.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AckError {
    pub code: ErrorCode,
    /// What is wrong, as a sentence.
    pub message: String,
    /// The first field that does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Milliseconds after which the same request may succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}
