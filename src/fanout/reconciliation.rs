//! What is to be reconciled, as others ask for it.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    cluster::interest::Channel,
    contract::{RoomId, Seq, Timestamp, UserId},
};

/// What is to be reconciled.
#[derive(Debug, Default)]
pub struct Reconciliation {
    pub(super) wanted: Mutex<Wanted>,
    pub(super) wake: Notify,
    pub(super) last_read: LastRead,
    /// Whether other nodes may change anything.
    is_shared: bool,
    /// The known head of the log of each viewed room: one in a user's list that they have not joined.
    pub(super) ends: Mutex<HashMap<RoomId, Seq>>,
}

#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) everything: bool,
    pub(super) rooms: Vec<RoomId>,
    pub(super) users: Vec<UserId>,
}

impl Reconciliation {
    /// Of what this node and maybe others have in common.
    #[must_use]
    pub fn new(is_shared: bool) -> Self {
        Self { is_shared, ..Self::default() }
    }

    /// Notes the head of a room's log by an entry.
    pub fn note_entry(&self, room: RoomId, seq: Seq) {
        if let Some(end) = self.ends.lock().get_mut(&room) {
            *end = seq.max(*end);
        }
    }

    /// Notes the heads of logs of rooms that are viewed from now on.
    pub fn note_ends(&self, rooms: impl IntoIterator<Item = (RoomId, Seq)>) {
        if !self.is_shared {
            return;
        }
        let mut ends = self.ends.lock();
        for (room, end) in rooms {
            ends.entry(room).or_insert(end);
        }
    }

    /// Requests to reconcile everything.
    pub fn everything(&self) {
        self.wanted.lock().everything = true;
        self.wake.notify_one();
    }

    /// Requests to reconcile the rooms and users of these channels.
    pub fn channels(&self, channels: Vec<Channel>) {
        let mut wanted = self.wanted.lock();
        for channel in channels {
            match channel {
                Channel::Room(room) => wanted.rooms.push(room),
                Channel::User(user) => wanted.users.push(user),
            }
        }
        self.wake.notify_one();
    }
}

/// When changes were last read, by the database's clock.
#[derive(Debug, Default)]
pub(super) struct LastRead {
    pub(super) marks: Mutex<Option<Timestamp>>,
    pub(super) profiles: Mutex<Option<Timestamp>>,
}
