//! Parlour.

pub mod app;
pub mod auth;
pub mod bus;
pub mod chat;
pub mod clock;
pub mod config;
pub mod connections;
pub mod contract;
pub mod db;
pub mod delivery;
pub mod error;
pub mod feed;
pub mod http;
pub mod limits;
pub mod listener;
pub mod presence;
pub mod realtime;
pub mod server;
pub mod telemetry;
pub mod typing;
