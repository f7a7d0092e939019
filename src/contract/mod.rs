//! The wire: what a client sends and sees, whichever transport carries it.
//!
//! One noun a file. Requests deserialise and never carry identity; resources serialise and never carry secrets. It grows
//! additively: a name that was served once keeps its meaning.

pub mod account;
pub mod audit;
pub mod ban;
pub mod command;
pub mod decode;
pub mod error;
pub mod event;
pub mod invite;
pub mod list;
pub mod media;
pub mod member;
pub mod message;
pub mod presence;
pub mod reaction;
pub mod receipt;
pub mod room;
pub mod search;
pub mod text;
pub mod user;

pub use entity::{
    AuditAction, AuditId, Erasing, EventKind, HistoryAccess, InvitationId, MediaId, MediaStatus, MemberId, MessageId,
    MessageType, Role, RoomId, RoomType, Seq, SessionId, Timestamp, UserId, Visibility,
};
pub use error::{AckError, ErrorCode, FieldError, Problem};
pub use media::Media;
pub use member::Member;
pub use message::Message;
pub use room::Room;
pub use user::User;

use serde::{Deserialize, Deserializer};

/// Tells an absent field (keep what is there) from `null` (clear it), for partial updates.
///
/// # Errors
/// What `T` says about a value that is neither.
pub(crate) fn absent_or_null<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
