//! Parlour through its front door: the real binary, a real port, real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it relies on by failing")]
#![allow(clippy::large_futures, reason = "the speed of the test code is not what is measured")]

mod support;

mod g_durability;
mod g_exactly_once;
mod g_order;
mod g_resume;
mod g_snapshot;
mod g_bad_input;
mod g_receipts;
mod g_revocation;
mod g_stalled_reader;
mod threats_frames;
mod threats_handshake;
mod origins;
mod threats_identity;
mod threats_authorization;
mod threats_input;
mod accounts;
mod roles;
mod threats_resources;
mod messages;
mod rooms;
mod sockets;
