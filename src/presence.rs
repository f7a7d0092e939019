//! Who is there. A user is online while a socket of theirs is, and a little longer, so that a page reload is no news.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use crate::{
    chat::{self, Chat},
    clock::Clock,
    connections::Connections,
    contract::{
        Timestamp, UserId,
        event::{Encoded, Ephemeral},
        presence::{ChosenStatus, Presence, Status},
    },
};

/// The presence of the users of this node.
#[derive(Debug)]
pub struct Presences {
    chat: Chat,
    clock: Clock,
    connections: Arc<Connections>,
    /// How long a user without a socket still counts as there.
    grace: Duration,
    present: Mutex<HashMap<UserId, Present>>,
}

#[derive(Clone, Copy, Debug)]
struct Present {
    chosen: ChosenStatus,
    /// Counts departures, so that only the last one's grace ends the presence.
    departures: u64,
}

impl Presences {
    /// Nobody is there yet.
    #[must_use]
    pub fn new(chat: Chat, clock: Clock, connections: Arc<Connections>, grace: Duration) -> Arc<Self> {
        Arc::new(Self { chat, clock, connections, grace, present: Mutex::default() })
    }

    /// A socket of a user came.
    pub fn arrive(&self, user: UserId) {
        let mut present = self.present.lock();
        if let Some(already) = present.get_mut(&user) {
            // There already, or back within the grace: nobody was told that they had gone.
            already.departures += 1;
            return;
        }
        present.insert(user, Present { chosen: ChosenStatus::Online, departures: 0 });
        // Under the lock, like every announcement: coming and going are told in the order in which they happened.
        self.announce(user, true, None);
    }

    /// The last socket of a user went.
    pub fn depart(self: &Arc<Self>, user: UserId) {
        let departure = {
            let mut present = self.present.lock();
            let Some(going) = present.get_mut(&user) else {
                // None of their sockets got as far as being seen.
                self.connections.forget_user(user);
                return;
            };
            going.departures += 1;
            going.departures
        };
        let this = Arc::clone(self);
        let left_at = self.clock.now();
        tokio::spawn(async move {
            tokio::time::sleep(this.grace).await;
            this.settle(user, departure, left_at).await;
        });
    }

    async fn settle(&self, user: UserId, departure: u64, left_at: Timestamp) {
        // Stored first: who is told can ask. Should they be back by now, it is only a little early.
        if let Err(error) = chat::user::seen(&self.chat, user, left_at).await {
            error.record();
        }
        let gone = {
            let mut present = self.present.lock();
            match present.get(&user) {
                Some(still) if still.departures == departure && self.connections.of_user(user).is_empty() => {
                    if still.chosen != ChosenStatus::Invisible {
                        self.announce(user, false, Some(left_at));
                    }
                    present.remove(&user).is_some()
                }
                _ => false,
            }
        };
        if gone {
            self.connections.forget_user(user);
        }
    }

    /// A user chose how to appear.
    pub fn choose(&self, user: UserId, chosen: ChosenStatus) {
        let mut present = self.present.lock();
        let Some(own) = present.get_mut(&user) else { return };
        let before = std::mem::replace(&mut own.chosen, chosen);
        match (before, chosen) {
            (ChosenStatus::Invisible, ChosenStatus::Online | ChosenStatus::Away) => self.announce(user, true, None),
            (ChosenStatus::Online | ChosenStatus::Away, ChosenStatus::Invisible) => {
                self.announce(user, false, Some(self.clock.now()));
            }
            _ => {}
        }
    }

    /// How a user appears to somebody else.
    #[must_use]
    pub fn of(&self, user: UserId, last_seen_at: Option<Timestamp>) -> Presence {
        let status = match self.present.lock().get(&user).map(|present| present.chosen) {
            Some(ChosenStatus::Online) => Status::Online,
            Some(ChosenStatus::Away) => Status::Away,
            Some(ChosenStatus::Invisible) | None => Status::Offline,
        };
        let last_seen_at = if status == Status::Offline { last_seen_at } else { None };
        Presence { user_id: user, status, last_seen_at }
    }

    fn announce(&self, user_id: UserId, online: bool, last_seen_at: Option<Timestamp>) {
        let event = if online {
            Ephemeral::UserOnline { user_id, last_seen_at }
        } else {
            Ephemeral::UserOffline { user_id, last_seen_at }
        };
        let data = Encoded::new(&event);
        let rooms: Vec<_> = self.connections.rooms_of(user_id).into_iter().flatten().collect();
        for neighbour in self.connections.audience(user_id, &rooms) {
            neighbour.tell_encoded(event.name(), &data);
        }
    }
}
