//! Looks again at what open sockets hear and may, for what another node changed and could not tell.
//!
//! The log of a room that is heard needs none of this: its feed compares it with the database every few seconds. Here is what
//! is in no log: whether a login still holds, which rooms somebody was added to or taken out of, and what is told of rooms, marks
//! and profiles to people who do not hear the room.

mod missed;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use self::missed::Missed;
use crate::{
    auth::Auth,
    chat,
    cluster::interest::Channel,
    contract::{RoomId, Seq, SessionId, UserId, event::SocketEvent},
    error::Result,
    fanout::delivery::Delivery,
};

/// People looked at together.
const PEOPLE: usize = 500;

/// What is to be looked at.
#[derive(Debug, Default)]
pub struct Reconciliation {
    wanted: Mutex<Wanted>,
    wake: Notify,
    missed: Missed,
    /// Whether other nodes may change what this one watches.
    is_shared: bool,
    /// How far the log of each room is known that somebody looks at without having joined it.
    ends: Mutex<HashMap<RoomId, Seq>>,
}

#[derive(Debug, Default)]
struct Wanted {
    everything: bool,
    rooms: Vec<RoomId>,
    users: Vec<UserId>,
}

impl Reconciliation {
    /// Of what this node and maybe others have in common.
    #[must_use]
    pub fn new(is_shared: bool) -> Self {
        Self { is_shared, ..Self::default() }
    }

    /// Hears of an entry of a room's log: those who look at the room are told.
    pub fn note_entry(&self, room: RoomId, seq: Seq) {
        if let Some(end) = self.ends.lock().get_mut(&room) {
            *end = seq.max(*end);
        }
    }

    /// Hears where logs end that somebody looks at from now on: what follows is news to them.
    pub fn note_ends(&self, rooms: impl IntoIterator<Item = (RoomId, Seq)>) {
        if !self.is_shared {
            return;
        }
        let mut ends = self.ends.lock();
        for (room, end) in rooms {
            ends.entry(room).or_insert(end);
        }
    }

    /// Asks for a look at everything.
    pub fn everything(&self) {
        self.wanted.lock().everything = true;
        self.wake.notify_one();
    }

    /// Asks for a look at what these channels are about.
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

/// Compares open sockets with the database.
#[derive(Debug)]
pub struct Reconciler {
    pub delivery: Delivery,
    pub auth: Auth,
    /// How often everything is compared.
    pub interval: Duration,
}

impl Reconciler {
    /// Looks when asked to, and at everything every `realtime.recheck_interval_ms`.
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
                self.look_at_everything().await
            } else {
                self.look_at(wanted).await
            };
            match looked {
                Ok(()) => {}
                // What was asked for is not forgotten: the next look is one at everything.
                Err(error) => {
                    error.record();
                    next = next.min(Instant::now() + Duration::from_secs(1));
                }
            }
        }
    }

    /// Tells of what no notice told of: changes of rooms that somebody looks at, read marks, and profiles.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn look_for_news(&self) -> Result<()> {
        self.look_at_rooms(self.delivery.sockets.looked_at(), true).await?;
        self.look_for_marks().await?;
        self.look_for_profiles().await
    }

    /// Tells those who look at some rooms, or at `all` that are looked at, of changes there.
    async fn look_at_rooms(&self, rooms: Vec<RoomId>, all: bool) -> Result<()> {
        let mut now = HashMap::with_capacity(rooms.len());
        for some in rooms.chunks(PEOPLE) {
            now.extend(chat::sync::ends(&self.delivery.chat, some.to_vec()).await?);
        }
        let mut grown = Vec::new();
        {
            let mut ends = self.delivery.reconciliation.ends.lock();
            if all {
                // Somebody may have begun to look while the database was asked.
                ends.retain(|room, _| now.contains_key(room) || self.delivery.sockets.is_looked_at(*room));
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

    async fn look_at_everything(&self) -> Result<()> {
        self.delivery.feed.sweep().await?;
        self.look_for_news().await?;
        self.look_at_people(self.delivery.sockets.logins().into_iter().collect()).await
    }

    async fn look_at(&self, wanted: Wanted) -> Result<()> {
        let looked_at = wanted.rooms.iter().copied().filter(|room| self.delivery.sockets.is_looked_at(*room)).collect();
        self.delivery.feed.look(wanted.rooms).await?;
        self.look_at_rooms(looked_at, false).await?;
        let mut logins = self.delivery.sockets.logins();
        let people = wanted.users.into_iter().filter_map(|user| logins.remove_entry(&user)).collect();
        self.look_at_people(people).await
    }

    /// Ends sockets whose logins do not hold, and brings what is known of their users' rooms up to date.
    async fn look_at_people(&self, people: Vec<(UserId, HashSet<SessionId>)>) -> Result<()> {
        for some in people.chunks(PEOPLE) {
            let logins: Vec<SessionId> = some.iter().flat_map(|(_, logins)| logins).copied().collect();
            for (session, code) in self.auth.ended(&logins).await? {
                for socket in self.delivery.sockets.of_session(session) {
                    socket.revoke(code);
                }
            }
            // Who hid themselves on another node is not shown here.
            let invisible = chat::user::invisible(&self.delivery.chat, some.iter().map(|(user, _)| *user)).await?;
            let delivery = &self.delivery;
            some.iter().for_each(|(user, _)| delivery.feed.show_or_hide(*user, invisible.contains(user)));
            // What is known is noted first: a change that comes in while the database is asked is newer than its answer.
            let rooms_of = |(user, _): &(UserId, _)| Some((*user, self.delivery.sockets.rooms_of(*user)?));
            let known: HashMap<UserId, HashSet<RoomId>> = some.iter().filter_map(rooms_of).collect();
            let mut joined = chat::room::rooms_of_users(&self.delivery.chat, known.keys().copied().collect()).await?;
            for (user, known) in known {
                self.settle(user, &known, &joined.remove(&user).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Brings what is known of somebody's rooms in line with their memberships.
    fn settle(&self, user: UserId, known: &HashSet<RoomId>, joined: &[chat::room::UserRoom]) {
        let now: HashSet<RoomId> = joined.iter().map(|room| room.room_id).collect();
        for room_id in known.difference(&now).copied() {
            self.delivery.sockets.forget_room(user, room_id);
            for socket in self.delivery.sockets.of_user(user).iter().filter(|own| !own.has_joined(room_id)) {
                socket.tell(&SocketEvent::RoomLeft { room_id, user_id: user });
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
