//! Parlour through its front door: the real binary, a real port, real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it relies on by failing")]
#![allow(clippy::needless_pass_by_value, reason = "a call with `json!` or a method in it reads better without `&`")]
#![allow(clippy::large_futures, reason = "the speed of the test code is not what is measured")]

mod guarantees;
mod media;
mod messages;
mod nodes;
mod operations;
mod people;
mod rooms;
mod support;
mod threats;
mod wire;
