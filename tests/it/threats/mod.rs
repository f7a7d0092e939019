//! What a skilled attacker sends, and what it gets.

mod authorization;
mod frames;
mod handshake;
mod identity;
mod input;
mod resources;
