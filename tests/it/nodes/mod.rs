//! Several nodes on one database, with and without Redis.

mod clocks;
mod database;
mod faults;
mod guarantees;
mod limits;
mod news;
mod presence;
mod proxy;
mod revocation;
mod start;
