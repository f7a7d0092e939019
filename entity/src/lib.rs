//! The tables of Parlour, one a file, and the values their columns hold.
//!
//! Models are storage: none of them is serialisable, so that a column added here can never leak to a client. What
//! clients see is written in the server's `contract` module. The identifiers and enumerations of [`id`] and [`kind`]
//! are the same in both places and do serialise.

pub mod id;
pub mod kind;
pub mod member;
pub mod message;
pub mod room;
pub mod room_event;
pub mod session;
pub mod timestamp;
pub mod user;

pub use id::{MediaId, MemberId, MessageId, RoomId, Seq, SessionId, UserId};
pub use kind::{EventKind, MessageType, Role, RoomType, Visibility};
pub use timestamp::Timestamp;
