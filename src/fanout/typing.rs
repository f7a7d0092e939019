//! Typing notices. They are never stored; the server ends one when the user sends the message, leaves, may no longer send, or does not
//! renew it.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    cluster::bus::{Bus, Notice, Topic},
    contract::{RoomId, UserId, event::Ephemeral},
    fanout::sockets::{Socket, SocketId, Sockets},
    tasks::Tasks,
};

/// How often expired notices are ended.
const TICK: Duration = Duration::from_millis(250);

/// The users who are typing.
#[derive(Debug)]
pub struct Typing {
    sockets: Arc<Sockets>,
    bus: Bus,
    /// After this without a renewal, they are taken to have stopped.
    expiry: Duration,
    /// The least time between two notices of the same person in the same room.
    interval: Duration,
    /// Those with a socket here. Notices are sent under this lock, so that their order is that of the changes.
    writers: Mutex<BTreeMap<(RoomId, UserId), Writer>>,
    /// Those on other nodes, each with when they are taken to have stopped should that node say nothing more.
    elsewhere: Mutex<BTreeMap<(RoomId, UserId), (Instant, String)>>,
}

#[derive(Debug)]
struct Writer {
    socket: SocketId,
    name: String,
    /// When the last notice was sent; nothing if none was.
    sent_at: Option<Instant>,
    /// Whether others see them as typing.
    is_shown: bool,
    /// When they are taken to have stopped; nothing once they have.
    ends: Option<Instant>,
}

impl Writer {
    fn writes(&self, now: Instant) -> bool {
        self.ends.is_some_and(|ends| now < ends)
    }

    /// Whether another notice would come too soon.
    fn is_fresh(&self, now: Instant, interval: Duration) -> bool {
        self.sent_at.is_some_and(|sent_at| now < sent_at + interval)
    }
}

impl Typing {
    /// Without users; a task ends expired notices.
    #[must_use]
    pub fn new(sockets: Arc<Sockets>, bus: Bus, expiry: Duration, interval: Duration, tasks: &mut Tasks) -> Arc<Self> {
        let (writers, elsewhere) = (Mutex::default(), Mutex::default());
        let typing = Arc::new(Self { sockets, bus, expiry, interval, writers, elsewhere });
        let watched = Arc::clone(&typing);
        tasks.add("typing_ends", async move {
            let mut tick = tokio::time::interval(TICK);
            loop {
                tick.tick().await;
                watched.settle();
            }
        });
        typing
    }

    /// They write on, maybe by another socket. Answers whether another notice would come too soon: then permissions need no
    /// check.
    pub fn renew(&self, room: RoomId, socket: &Socket) -> bool {
        let now = Instant::now();
        match self.writers.lock().get_mut(&(room, socket.user.id)) {
            Some(writer) if writer.ends.is_some() && writer.is_fresh(now, self.interval) => {
                (writer.socket, writer.ends) = (socket.id, Some(now + self.expiry));
                true
            }
            _ => false,
        }
    }

    /// They write; the caller has checked that they may. It is sent at once, unless that is too soon after the last notice; then it
    /// is sent later, if they are still typing.
    pub fn begin(&self, room: RoomId, socket: &Socket) {
        let now = Instant::now();
        let name = socket.user.now().display_name();
        let mut writers = self.writers.lock();
        let writer = writers.entry((room, socket.user.id)).or_insert_with(|| Writer {
            socket: socket.id,
            name: String::new(),
            sent_at: None,
            is_shown: false,
            ends: None,
        });
        (writer.socket, writer.name, writer.ends) = (socket.id, name, Some(now + self.expiry));
        if !writer.is_fresh(now, self.interval) {
            self.send_notice((room, socket.user.id), writer, true, now);
        }
    }

    /// They stopped. Sent as [`Self::begin`] is.
    pub fn end(&self, room: RoomId, user: UserId) {
        let now = Instant::now();
        if let Some(writer) = self.writers.lock().get_mut(&(room, user)) {
            writer.ends = None;
            if writer.is_shown && !writer.is_fresh(now, self.interval) {
                self.send_notice((room, user), writer, false, now);
            }
        }
    }

    /// They stopped, as others must see at once: they have sent what they wrote, or may write no longer.
    pub fn end_at_once(&self, room: RoomId, user: UserId) {
        if let Some(writer) = self.writers.lock().get_mut(&(room, user)) {
            self.stop((room, user), writer);
        }
        if let Some((_, name)) = self.elsewhere.lock().remove(&(room, user)) {
            self.show(room, user, name, false);
        }
    }

    /// A socket left a room: its user stops typing there.
    pub fn left(&self, room: RoomId, socket: SocketId) {
        let mut writers = self.writers.lock();
        for (of, writer) in writers.range_mut(of_room(room)).filter(|(_, writer)| writer.socket == socket) {
            self.stop(*of, writer);
        }
    }

    /// A socket went, and what it was writing with it.
    pub fn gone(&self, socket: &Socket) {
        let mut writers = self.writers.lock();
        for (of, writer) in writers.iter_mut().filter(|(_, writer)| writer.socket == socket.id) {
            self.stop(*of, writer);
        }
    }

    /// Nobody writes any more in a room that is gone.
    pub fn closed(&self, room: RoomId) {
        self.writers.lock().retain(|(of, _), _| *of != room);
        self.elsewhere.lock().retain(|(of, _), _| *of != room);
    }

    fn stop(&self, of: (RoomId, UserId), writer: &mut Writer) {
        writer.ends = None;
        if writer.is_shown {
            // The event that ends it is visible itself: this notice does not delay the next one.
            let sent_at = writer.sent_at;
            self.send_notice(of, writer, false, Instant::now());
            writer.sent_at = sent_at;
        }
    }

    /// Sends to a socket that has joined a room who is typing there.
    pub fn show_to(&self, room: RoomId, newcomer: &Socket) {
        let show = |user: UserId, name: &str| {
            if user != newcomer.user.id {
                let (room_id, user_name) = (room, name.to_owned());
                newcomer.send(&Ephemeral::UserTyping { room_id, user_id: user, user_name, is_typing: true });
            }
        };
        for ((_, user), writer) in self.writers.lock().range(of_room(room)).filter(|(_, writer)| writer.is_shown) {
            show(*user, &writer.name);
        }
        for ((_, user), (_, name)) in self.elsewhere.lock().range(of_room(room)) {
            show(*user, name);
        }
    }

    /// Sends delayed notices, and ends those that were not renewed.
    fn settle(&self) {
        let now = Instant::now();
        self.writers.lock().retain(|of, writer| {
            let (writes, is_fresh) = (writer.writes(now), writer.is_fresh(now, self.interval));
            if writes != writer.is_shown && !is_fresh {
                self.send_notice(*of, writer, writes, now);
            }
            // Kept while silent until the interval is over, so that starting again at once stays quiet.
            writes || writer.is_shown || is_fresh
        });
        let mut elsewhere = self.elsewhere.lock();
        for ((room, user), (_, name)) in elsewhere.extract_if(.., |_, (ends, _)| *ends <= now) {
            self.show(room, user, name, false);
        }
    }

    /// A notice of another node.
    pub fn receive(&self, room: RoomId, user: UserId, user_name: String, is_typing: bool) {
        let mut elsewhere = self.elsewhere.lock();
        let is_changed = if is_typing {
            elsewhere.insert((room, user), (Instant::now() + self.expiry, user_name.clone()));
            true
        } else {
            elsewhere.remove(&(room, user)).is_some()
        };
        if is_changed {
            self.show(room, user, user_name, is_typing);
        }
    }

    fn send_notice(&self, (room_id, user_id): (RoomId, UserId), writer: &mut Writer, is_typing: bool, now: Instant) {
        (writer.is_shown, writer.sent_at) = (is_typing, Some(now));
        let user_name = writer.name.clone();
        let event = Ephemeral::UserTyping { room_id, user_id, user_name, is_typing };
        self.sockets.emit(&Topic::Room(room_id), &event);
        self.bus.publish_to_others(Notice::Emit { topic: Topic::Room(room_id), event });
    }

    fn show(&self, room: RoomId, user: UserId, user_name: String, is_typing: bool) {
        let event = Ephemeral::UserTyping { room_id: room, user_id: user, user_name, is_typing };
        self.sockets.emit(&Topic::Room(room), &event);
    }
}

/// Where the people of a room stand among all.
fn of_room(room: RoomId) -> RangeInclusive<(RoomId, UserId)> {
    (room, UserId(Uuid::nil()))..=(room, UserId(Uuid::max()))
}
