//! Who is writing right now. Never stored; ended by the server when the writer forgets to.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    bus::{Bus, Notice},
    connections::{Connection, ConnectionId, Connections},
    contract::{
        RoomId, UserId,
        event::{Encoded, Ephemeral},
    },
};

/// How often ends are looked for.
const TICK: Duration = Duration::from_millis(250);

/// The people who are writing.
#[derive(Debug)]
pub struct Typing {
    connections: Arc<Connections>,
    bus: Bus,
    /// After this without a renewal, they are taken to have stopped.
    expiry: Duration,
    /// The least time between two notices of the same person in the same room.
    interval: Duration,
    /// Those with a socket here.
    writers: Mutex<HashMap<(RoomId, UserId), Writer>>,
    /// Those on other nodes, each with when they are taken to have stopped should that node say nothing more.
    elsewhere: Mutex<HashMap<(RoomId, UserId), (Instant, String)>>,
}

#[derive(Debug)]
struct Writer {
    connection: ConnectionId,
    name: String,
    /// When others were last told that they write.
    told: Instant,
    /// When they are taken to have stopped; nothing while others think they do not write.
    ends: Option<Instant>,
}

impl Typing {
    /// Starts to watch for ends.
    #[must_use]
    pub fn start(connections: Arc<Connections>, bus: Bus, expiry: Duration, interval: Duration) -> Arc<Self> {
        let (writers, elsewhere) = (Mutex::default(), Mutex::default());
        let typing = Arc::new(Self { connections, bus, expiry, interval, writers, elsewhere });
        let watched = Arc::downgrade(&typing);
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(TICK);
            loop {
                tick.tick().await;
                let Some(typing) = watched.upgrade() else { return };
                typing.expire();
            }
        });
        typing
    }

    /// Whether others were told so lately that one more notice would be too many: then it needs no look at rights.
    pub fn renew(&self, room: RoomId, user: UserId) -> bool {
        let now = Instant::now();
        match self.writers.lock().get_mut(&(room, user)) {
            Some(writer) if now < writer.told + self.interval => {
                writer.ends = Some(now + self.expiry);
                true
            }
            _ => false,
        }
    }

    /// They write; the caller has checked that they may.
    pub fn begin(&self, room: RoomId, connection: &Connection) {
        let now = Instant::now();
        let name = connection.user.display_name();
        let ends = Some(now + self.expiry);
        let writer = Writer { connection: connection.id, name: name.clone(), told: now, ends };
        self.writers.lock().insert((room, connection.user.id), writer);
        self.tell(room, connection.user.id, name, true);
    }

    /// They stopped. Told at once, unless that would be the second notice within the interval; then when it is over.
    pub fn end(&self, room: RoomId, user: UserId) {
        let now = Instant::now();
        let mut writers = self.writers.lock();
        let Some(writer) = writers.get_mut(&(room, user)) else { return };
        let earliest = writer.told + self.interval;
        if writer.ends.is_none() {
            return;
        }
        if now < earliest {
            writer.ends = Some(earliest);
            return;
        }
        let name = writers.remove(&(room, user)).map(|writer| writer.name).unwrap_or_default();
        drop(writers);
        self.tell(room, user, name, false);
    }

    /// A socket went, and what it was writing with it.
    pub fn gone(&self, connection: &Connection) {
        let now = Instant::now();
        for writer in self.writers.lock().values_mut().filter(|writer| writer.connection == connection.id) {
            if writer.ends.is_some() {
                writer.ends = Some(now);
            }
        }
        self.expire();
    }

    fn expire(&self) {
        let now = Instant::now();
        let mut stopped = Vec::new();
        self.writers.lock().retain(|(room, user), writer| {
            if writer.ends.is_some_and(|ends| ends <= now) {
                stopped.push((*room, *user, std::mem::take(&mut writer.name)));
                writer.ends = None;
            }
            // Kept silent until the interval is over, so that starting again at once stays quiet.
            writer.ends.is_some() || now < writer.told + self.interval
        });
        for (room, user, name) in stopped {
            self.tell(room, user, name, false);
        }
        let silent: Vec<_> = self.elsewhere.lock().extract_if(|_, (ends, _)| *ends <= now).collect();
        for ((room, user), (_, name)) in silent {
            self.show(room, user, name, false);
        }
    }

    /// Somebody writes, or no longer does, as another node says.
    pub fn hear(&self, room: RoomId, user: UserId, user_name: String, is_typing: bool) {
        let mut elsewhere = self.elsewhere.lock();
        let ends = (Instant::now() + self.expiry, user_name.clone());
        let is_news = if is_typing {
            elsewhere.insert((room, user), ends);
            true
        } else {
            elsewhere.remove(&(room, user)).is_some()
        };
        drop(elsewhere);
        if is_news {
            self.show(room, user, user_name, is_typing);
        }
    }

    fn tell(&self, room_id: RoomId, user_id: UserId, user_name: String, is_typing: bool) {
        self.bus.tell_others(Notice::Typing { room_id, user_id, user_name: user_name.clone(), is_typing });
        self.show(room_id, user_id, user_name, is_typing);
    }

    fn show(&self, room: RoomId, user: UserId, user_name: String, is_typing: bool) {
        let event = Ephemeral::UserTyping { room_id: room, user_id: user, user_name, is_typing };
        let data = Encoded::new(&event);
        for viewer in self.connections.viewers(room).iter().filter(|viewer| viewer.user.id != user) {
            viewer.tell_encoded(event.name(), &data);
        }
    }
}
