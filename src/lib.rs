//! Parlour.
pub mod contract;
pub mod error;
