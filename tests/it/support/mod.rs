//! What the tests stand on: a real server, people who use it, and clocks that give up.

pub(crate) mod checker;
pub(crate) mod child;
pub(crate) mod clock;
pub(crate) mod cluster;
pub(crate) mod form;
pub(crate) mod incoming;
pub(crate) mod kinds;
pub(crate) mod line;
pub(crate) mod media;
pub(crate) mod nginx;
pub(crate) mod people;
pub(crate) mod picture;
pub(crate) mod polling;
pub(crate) mod postgres;
pub(crate) mod reader;
pub(crate) mod recording;
pub(crate) mod redis;
pub(crate) mod rest;
pub(crate) mod seed;
pub(crate) mod server;
pub(crate) mod slow;
pub(crate) mod socket;
pub(crate) mod store;
pub(crate) mod tokens;
pub(crate) mod websocket;
pub(crate) mod workload;

pub(crate) use clock::{HEAVY, SOON, eventually, within};
pub(crate) use cluster::Cluster;
pub(crate) use form::{find, ids, int, list, text};
pub(crate) use incoming::{Event, outcome_of};
pub(crate) use media::{File, Gallery};
pub(crate) use people::{App, Person, Room};
pub(crate) use rest::Reply;
pub(crate) use seed::Seed;
pub(crate) use server::Server;
pub(crate) use socket::{Socket, Transport};
