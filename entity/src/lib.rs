//! The tables of Parlour, one a file, and the values their columns hold.
//!
//! Models are storage: none of them is serialisable, so that a column added here can never leak to a client. What
//! clients see is written in the server's `contract` module. The identifiers and enumerations of [`id`] and [`kind`]
//! are the same in both places and do serialise.
//!
//! [`fold`] and [`emoji`] make of a text what a column holds of it; migrations need that as well as the server.

pub mod attachment;
pub mod audit_entry;
pub mod ban;
pub mod emoji;
pub mod fold;
pub mod follower_cursor;
pub mod id;
pub mod invitation;
pub mod invite;
pub mod kind;
pub mod known_address;
pub mod media;
pub mod member;
pub mod mention;
pub mod message;
pub mod pin;
pub mod reaction;
pub mod read_mark;
pub mod room;
pub mod room_event;
pub mod search_document;
pub mod search_room;
pub mod session;
pub mod spent_token;
pub mod timestamp;
pub mod user;

pub use id::{AuditId, InvitationId, MediaId, MemberId, MessageId, RoomId, Seq, SessionId, UserId};
pub use kind::{AuditAction, Erasing, EventKind, HistoryAccess, MediaStatus, MessageType, Role, RoomType, Visibility};
pub use timestamp::Timestamp;
