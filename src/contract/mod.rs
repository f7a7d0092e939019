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

pub use catalogue::ClientEvent;
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

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IntoDeserializer},
};

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

/// As [`absent_or_null`], for a text that may be cleared: one without characters clears it as well.
///
/// # Errors
/// When the value is neither text nor `null`.
pub(crate) fn absent_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    unless_empty(deserializer).map(Some)
}

/// A text that may be left out: one without characters is left out.
///
/// # Errors
/// When the value is neither text nor `null`.
pub(crate) fn unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.filter(|text: &String| !text.is_empty()))
}

/// A value that is written as a text, such as an id or a time, and may be left out as [`unless_empty`].
///
/// # Errors
/// When the value is neither such a text nor empty nor `null`.
pub(crate) fn value_unless_empty<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    unless_empty(deserializer)?.map(|text| T::deserialize(text.into_deserializer())).transpose()
}

/// As [`absent_or_empty`], for a value that is written as a text.
///
/// # Errors
/// When the value is neither such a text nor empty nor `null`.
pub(crate) fn absent_or_empty_value<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    value_unless_empty(deserializer).map(Some)
}

/// A field that has a value of its own when it is left out: `null` leaves it out.
///
/// # Errors
/// What `T` says about a value that is not `null`.
pub(crate) fn null_is_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Refuses a change that names none of the fields that it could change: who misspelt one must not be told that it was done.
pub(crate) fn names_nothing(fields: &[&str]) -> Vec<FieldError> {
    let detail = format!("name at least one of: {}", fields.join(", "));
    fields.iter().map(|field| FieldError::new(*field, "required", detail.clone())).collect()
}
