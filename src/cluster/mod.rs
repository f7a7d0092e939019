//! The nodes of a cluster: the [`bus`] of a node, and Redis between them.

pub mod bus;
pub mod interest;
pub mod redis;
mod wire;
