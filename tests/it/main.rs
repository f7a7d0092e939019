//! Parlour through its front door: the real binary, a real port, real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it relies on by failing")]
#![allow(clippy::needless_pass_by_value, reason = "a call with `json!` or a method in it reads better without `&`")]
#![allow(clippy::large_futures, reason = "the speed of the test code is not what is measured")]

mod accounts;
mod addresses;
mod answers_unread;
mod audit;
mod bans;
mod cancelled_requests;
mod commands;
mod deleted_content;
mod discovery;
mod erasure;
mod export;
mod g_bad_input;
mod g_durability;
mod g_exactly_once;
mod g_order;
mod g_receipts;
mod g_resume;
mod g_revocation;
mod g_snapshot;
mod g_stalled_reader;
mod history_access;
mod invites;
mod matrix;
mod media_download;
mod media_refusals;
mod media_stores;
mod media_upload;
mod mentions;
mod messages;
mod operations;
mod origins;
mod pins;
mod presence;
mod reactions;
mod receipts;
mod replies;
mod resources;
mod roles;
mod rooms;
mod search;
mod slow_mode;
mod sockets;
mod support;
mod sync;
mod threats_authorization;
mod threats_frames;
mod threats_handshake;
mod threats_identity;
mod threats_input;
mod threats_resources;
mod viewers;
