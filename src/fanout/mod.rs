//! From what was committed, and what is true just now, to the sockets of this node.

pub mod delivery;
pub mod feed;
pub mod presence;
pub mod reconcile;
pub mod reconciliation;
pub mod sockets;
pub mod throttle;
pub mod typing;
