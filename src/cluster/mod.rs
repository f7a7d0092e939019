//! What nodes tell each other, and how: the [`bus`] of a node, and the way over Redis to the others.

pub mod bus;
pub mod interest;
pub mod redis;
mod wire;
