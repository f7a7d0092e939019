//! Files: what is taken, what it is served as, who may load it, and when it goes.

mod addresses;
mod attachments;
mod bombs;
mod direct;
mod download;
mod faults;
mod keeping;
mod kinds;
mod refusals;
mod removal;
mod stores;
mod upload;
mod withdrawal;
