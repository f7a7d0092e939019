//! The authenticated user of a request.

use crate::contract::{SessionId, Timestamp, UserId};

/// A user, by way of a login whose token was checked. Use cases take one; only `auth` makes them.
#[derive(Clone, Debug)]
pub struct Actor {
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
    /// When the token expires.
    pub expires_at: Timestamp,
}
