//! Start, stop, and what operators see.

mod clocks;
mod documents;
mod followers;
mod resources;
mod start;
mod supervision;
mod telemetry;
