//! Parlour.

pub mod app;
pub mod auth;
pub mod bus;
pub mod chat;
pub mod clock;
pub mod config;
pub mod contract;
pub mod db;
pub mod error;
pub mod http;
pub mod limits;
