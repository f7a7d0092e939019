//! The wire: what a client sends and sees, whichever transport carries it.
//!
//! One noun a file. Requests deserialise and never carry identity; resources serialise and never carry secrets. It grows
//! additively: a name that was served once keeps its meaning.

pub mod account;
pub mod audit;
pub mod ban;
pub mod catalogue;
pub mod command;
pub mod decode;
mod encoded;
pub mod error;
pub mod event;
pub mod invite;
mod left_out;
mod limits;
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

pub use catalogue::ClientEvent;
pub use entity::{
    AuditAction, AuditId, Erasing, EventKind, HistoryAccess, InvitationId, MediaId, MediaStatus, MemberId, MessageId,
    MessageType, Role, RoomId, RoomType, Seq, SessionId, Timestamp, UserId, Visibility,
};
pub use error::{AckError, ErrorCode, FieldError, Problem};
pub(crate) use left_out::{
    absent_or_empty, absent_or_empty_value, absent_or_unfilled, empty_is_default, unfilled_is_default, unless_empty,
    unless_unfilled, value_unless_empty,
};
pub use media::Media;
pub use member::Member;
pub use message::Message;
pub use room::Room;
pub use user::User;

/// Refuses a change without any field that it could change: a misspelt field must not be answered as done.
pub(crate) fn names_nothing(fields: &[&str]) -> Vec<FieldError> {
    let detail = format!("name at least one of: {}", fields.join(", "));
    fields.iter().map(|field| FieldError::new(*field, "required", detail.clone())).collect()
}
