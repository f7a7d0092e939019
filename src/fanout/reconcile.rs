//! Compares open sockets with the database, for changes by other nodes whose notice was lost.
//!
//! A room with subscribers does not need this: its feed compares its log with the database every few seconds. This module reconciles what
//! is in no log: whether sessions still exist, to which rooms users were added or from which they were removed, and `room_activity`, read
//! marks and profiles for sockets that have not joined a room.

mod missed;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use crate::{
    auth::Auth,
    chat,
    contract::{RoomId, SessionId, UserId, event::SocketEvent},
    error::Result,
    fanout::{delivery::Delivery, reconciliation::Wanted},
};

/// Users that are reconciled together.
const PEOPLE: usize = 500;

/// Compares open sockets with the database.
#[derive(Debug)]
pub struct Reconciler {
    pub delivery: Delivery,
    pub auth: Auth,
    /// How often everything is compared.
    pub interval: Duration,
}

impl Reconciler {
    /// Reconciles on request, and everything every `realtime.recheck_interval_ms`.
    pub async fn run(self) {
        let mut next = Instant::now();
        loop {
            let wanted_of = &self.delivery.reconciliation;
            // What wakes it often must not keep it from what is due.
            let is_due = timeout_at(next, wanted_of.wake.notified()).await.is_err() || Instant::now() >= next;
            let wanted = std::mem::take(&mut *wanted_of.wanted.lock());
            let is_whole = is_due || wanted.everything;
            let looked = if is_whole {
                next = Instant::now() + self.interval;
                self.reconcile_all().await
            } else {
                self.reconcile_wanted(wanted).await
            };
            match looked {
                Ok(()) => {}
                // The request is not lost: next, everything is reconciled.
                Err(error) => {
                    error.record();
                    next = next.min(Instant::now() + Duration::from_secs(1));
                }
            }
        }
    }

    /// Sends what no notice announced: changes of viewed rooms, read marks, and profiles.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reconcile_viewed(&self) -> Result<()> {
        self.reconcile_rooms(self.delivery.sockets.viewed_rooms(), true).await?;
        self.reconcile_marks().await?;
        self.reconcile_profiles().await
    }

    /// Sends changes of some viewed rooms, or of `all`.
    async fn reconcile_rooms(&self, rooms: Vec<RoomId>, all: bool) -> Result<()> {
        let mut now = HashMap::with_capacity(rooms.len());
        for some in rooms.chunks(PEOPLE) {
            now.extend(chat::sync::ends(&self.delivery.chat, some.to_vec()).await?);
        }
        let mut grown = Vec::new();
        {
            let mut ends = self.delivery.reconciliation.ends.lock();
            if all {
                // A room may have become viewed during the query.
                ends.retain(|room, _| now.contains_key(room) || self.delivery.sockets.is_viewed(*room));
            }
            for (room, end) in now {
                let before = ends.get(&room).copied();
                // A notice may have been quicker than the database.
                ends.insert(room, before.map_or(end, |before| before.max(end)));
                if before.is_some_and(|before| before < end) {
                    grown.push(room);
                }
            }
        }
        let delivery = &self.delivery;
        grown.into_iter().for_each(|room| delivery.note_activity(room));
        Ok(())
    }

    async fn reconcile_all(&self) -> Result<()> {
        self.delivery.feed.sweep().await?;
        self.reconcile_viewed().await?;
        self.reconcile_users(self.delivery.sockets.logins().into_iter().collect()).await
    }

    async fn reconcile_wanted(&self, wanted: Wanted) -> Result<()> {
        let viewed = wanted.rooms.iter().copied().filter(|room| self.delivery.sockets.is_viewed(*room)).collect();
        self.delivery.feed.check_heads(wanted.rooms).await?;
        self.reconcile_rooms(viewed, false).await?;
        let mut logins = self.delivery.sockets.logins();
        let people = wanted.users.into_iter().filter_map(|user| logins.remove_entry(&user)).collect();
        self.reconcile_users(people).await
    }

    /// Ends sockets whose sessions have ended, and updates the rooms of their users.
    async fn reconcile_users(&self, people: Vec<(UserId, HashSet<SessionId>)>) -> Result<()> {
        for some in people.chunks(PEOPLE) {
            let logins: Vec<SessionId> = some.iter().flat_map(|(_, logins)| logins).copied().collect();
            for (session, code) in self.auth.ended(&logins).await? {
                for socket in self.delivery.sockets.of_session(session) {
                    socket.revoke(code);
                }
            }
            // What is known is noted first: a change that comes in while the database is asked is newer than its answer.
            let sockets = &self.delivery.sockets;
            let shown: Vec<_> = some.iter().map(|(user, _)| (*user, sockets.is_invisible(*user))).collect();
            // Who hid themselves on another node is not shown here.
            let invisible = chat::user::invisible(&self.delivery.chat, some.iter().map(|(user, _)| *user)).await?;
            for (user, _) in shown.into_iter().filter(|(user, before)| sockets.is_invisible(*user) == *before) {
                self.delivery.feed.show_or_hide(user, invisible.contains(&user));
            }
            let rooms_of = |(user, _): &(UserId, _)| Some((*user, self.delivery.sockets.rooms_of(*user)?));
            let known: HashMap<UserId, HashSet<RoomId>> = some.iter().filter_map(rooms_of).collect();
            let mut joined = chat::room::rooms_of_users(&self.delivery.chat, known.keys().copied().collect()).await?;
            for (user, known) in known {
                self.settle(user, &known, &joined.remove(&user).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Updates the rooms of a user by their memberships.
    fn settle(&self, user: UserId, known: &HashSet<RoomId>, joined: &[chat::room::UserRoom]) {
        let now: HashSet<RoomId> = joined.iter().map(|room| room.room_id).collect();
        for room_id in known.difference(&now).copied() {
            self.delivery.sockets.forget_room(user, room_id);
            for socket in self.delivery.sockets.of_user(user).iter().filter(|own| !own.has_joined(room_id)) {
                socket.send(&SocketEvent::RoomLeft { room_id, user_id: user });
            }
        }
        let delivery = &self.delivery;
        for room in joined.iter().filter(|room| !known.contains(&room.room_id)) {
            if self.delivery.sockets.rooms_of(user).is_some_and(|known| !known.contains(&room.room_id)) {
                delivery.gain(user, room.room_id, room.joined_seq);
            }
        }
    }
}
