//! The use cases, and the rules they keep.
//!
//! Every function here takes who is asking and what they ask, and reads the same way: check, change, commit, tell. Both
//! transports call these and nothing below them.

pub mod audit;
pub mod ban;
pub mod contact;
pub mod erasure;
pub mod export;
pub mod invitation;
pub mod invite;
pub mod join;
pub mod log;
pub mod member;
pub mod message;
pub mod permission;
pub mod pin;
pub mod reaction;
pub mod receipt;
pub mod room;
pub mod search;
pub mod sync;
pub mod user;

mod find;
mod mention;
mod notes;
mod view;

use crate::{bus::Bus, clock::Clock, contract::RoomId, db::Db, mail::Mail};

use self::{
    log::Log,
    search::{Indexer, Turns},
};

/// What every use case works with.
#[derive(Clone, Debug)]
pub struct Chat {
    db: Db,
    clock: Clock,
    bus: Bus,
    log: Log,
    mail: Mail,
    indexer: Indexer,
    searches: Turns,
}

impl Chat {
    /// Starts the log's writer and opens for business.
    #[must_use]
    pub fn new(db: Db, clock: Clock, bus: Bus, mail: Mail) -> Self {
        let log = Log::start(db.clone(), clock, bus.clone());
        let indexer = Indexer::start(db.clone(), log.clone());
        Self { db, clock, bus, log, mail, indexer, searches: Turns::default() }
    }
    /// Hears that the log of a room has grown.
    pub fn note_growth(&self, room: RoomId) {
        self.indexer.note(room);
    }
}
