//! What is promised: nothing lost, nothing twice, nothing out of order, and what would prove each promise wrong.

mod bad_input;
mod durability;
mod exactly_once;
mod order;
mod receipts;
mod resume;
mod revocation;
mod snapshot;
mod stalled_reader;
