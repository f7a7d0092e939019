//! From the bus to the sockets of this node: one task takes every notice, in order, and sees to it.
//!
//! Entries of logs go to the feed. What a change means for people who have not joined the room goes to their sockets
//! directly. News that would come too often is paced: at once, then at most once a second. What other nodes tell is treated
//! alike.

mod pace;
mod told;

use std::{collections::HashMap, sync::Arc, time::Duration};

use pace::Pace;
use told::Told;

use crate::{
    bus::{Audience, Committed, Heard, Inlet, Notice},
    chat::{self, Chat, room::Hearing},
    connections::{Connection, Connections},
    contract::{
        MessageId, RoomId, Seq, Timestamp, UserId,
        command::RoomScope,
        event::{Encoded, Ephemeral},
    },
    feed::Feed,
    typing::Typing,
    watch::Watch,
};

/// How often paced news is looked through.
const TICK: Duration = Duration::from_millis(100);

/// Members of a room above which nobody is told who has read: the news would grow with the square of them.
const RECEIPT_MEMBERS: i32 = 200;

/// Messages that one `messages_read` names at the most.
const READ_MESSAGES: usize = 500;

/// What delivery works with.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub chat: Chat,
    pub feed: Feed,
    pub connections: Arc<Connections>,
    pub typing: Arc<Typing>,
    pub watch: Arc<Watch>,
    /// Rooms that a socket may have joined.
    pub rooms_per_socket: usize,
}

/// Where something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Here,
    Elsewhere,
}

/// News that is let through at a measured pace.
struct Paced {
    activity: Pace<RoomId, ()>,
    reads: Pace<(RoomId, UserId), Read>,
    told: Told,
}

/// A read mark on its way to the room.
#[derive(Debug)]
struct Read {
    message_ids: Vec<MessageId>,
    last_read_seq: Seq,
    read_at: Timestamp,
}

impl Read {
    fn merge(mut self, later: Self) -> Self {
        // A mark of another node may come late.
        let (last_read_seq, read_at) = if later.last_read_seq >= self.last_read_seq {
            (later.last_read_seq, later.read_at)
        } else {
            (self.last_read_seq, self.read_at)
        };
        self.message_ids.extend(later.message_ids);
        self.message_ids.sort_unstable();
        self.message_ids.dedup();
        // The newest sort last; nobody needs more than one request may name.
        let excess = self.message_ids.len().saturating_sub(READ_MESSAGES);
        self.message_ids.drain(..excess);
        Self { message_ids: self.message_ids, last_read_seq, read_at }
    }
}

impl Delivery {
    /// Takes notices until there are no more.
    pub async fn run(self, inlet: Inlet) {
        let Inlet { mut own, mut others } = inlet;
        let mut paced = Paced { activity: Pace::new(), reads: Pace::new(), told: Told::default() };
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                notice = own.recv() => match notice {
                    Some(notice) => self.take(notice, Origin::Here, &mut paced),
                    None => return,
                },
                Some(heard) = others.recv() => match heard {
                    Heard::Notice(notice) => self.take(notice, Origin::Elsewhere, &mut paced),
                    Heard::Following(topics) => self.watch.topics(topics),
                    Heard::Missed => self.watch.everything(),
                },
                _ = tick.tick() => {
                    for (room, ()) in paced.activity.due() {
                        self.tell_onlookers(room);
                    }
                    for ((room, user), read) in paced.reads.due() {
                        self.tell_read(room, user, paced.told.settle(room, user, read));
                    }
                }
            }
        }
    }

    fn take(&self, notice: Notice, origin: Origin, paced: &mut Paced) {
        match notice {
            Notice::Committed(entries) => {
                for entry in entries.iter() {
                    self.widen_or_narrow(entry, origin);
                    let is_message = entry.audience == Audience::Message;
                    if is_message {
                        self.watch.note_message(entry.room_id, entry.seq);
                    }
                    if is_message && paced.activity.offer(entry.room_id, (), |(), ()| ()).is_some() {
                        self.tell_onlookers(entry.room_id);
                    }
                }
                for (room, entries) in by_room(&entries) {
                    if origin == Origin::Here {
                        // One node brings the index after the log: the one that wrote to it.
                        self.chat.note_growth(room);
                    }
                    self.feed.entries(room, entries);
                }
            }
            Notice::Added { user_id, room_id, seq } => self.gain(user_id, room_id, seq),
            Notice::Read { room_id, user_id, message_ids, last_read_seq, read_at, members } => {
                if members <= RECEIPT_MEMBERS {
                    let read = Read { message_ids, last_read_seq, read_at };
                    if let Some(read) = paced.reads.offer((room_id, user_id), read, Read::merge) {
                        self.tell_read(room_id, user_id, paced.told.settle(room_id, user_id, read));
                    }
                }
            }
            Notice::Typing { room_id, user_id, user_name, is_typing } => {
                self.typing.hear(room_id, user_id, user_name, is_typing);
            }
            Notice::Presence { user_id, is_online, last_seen_at, rooms } => {
                self.tell_presence(user_id, is_online, last_seen_at, &rooms);
            }
            Notice::SessionRevoked { session_id, code, .. } => {
                for connection in self.connections.of_session(session_id) {
                    connection.revoke(code);
                }
            }
            Notice::UserRevoked { user_id, except, code } => {
                for connection in self.connections.of_user(user_id) {
                    if Some(connection.session_id()) != except {
                        connection.revoke(code);
                    }
                }
            }
        }
    }

    fn tell_presence(&self, user_id: UserId, is_online: bool, last_seen_at: Option<Timestamp>, rooms: &[RoomId]) {
        let event = if is_online {
            Ephemeral::UserOnline { user_id, last_seen_at }
        } else {
            Ephemeral::UserOffline { user_id, last_seen_at }
        };
        let data = Encoded::new(&event);
        for neighbour in self.connections.audience(user_id, rooms) {
            neighbour.tell_encoded(event.name(), &data);
        }
    }

    /// What an entry means for people who do not hear the room (yet, or any longer).
    fn widen_or_narrow(&self, entry: &Committed, origin: Origin) {
        match entry.audience {
            Audience::Gained(user) if origin == Origin::Here => self.gain(user, entry.room_id, entry.seq),
            Audience::Lost(user) => {
                self.connections.forget_room(user, entry.room_id);
                self.tell_outside(&[user], entry);
            }
            Audience::Closed => {
                let members = self.connections.forget_members(entry.room_id);
                self.tell_outside(&members, entry);
            }
            // Of people who were added elsewhere tells a notice of its own, which comes where the room is not followed.
            Audience::Gained(_) | Audience::Unchanged | Audience::Message => {}
        }
    }

    /// Somebody is a member from the place `since` on.
    pub(crate) fn gain(&self, user: UserId, room: RoomId, since: Seq) {
        if !self.connections.of_user(user).is_empty() {
            self.connections.note_rooms(user, [room]);
            tokio::spawn(self.clone().welcome(user, room, since));
        }
    }

    /// Gives an entry to sockets that do not hear the room but must know.
    fn tell_outside(&self, users: &[UserId], entry: &Committed) {
        for user in users {
            for connection in self.connections.of_user(*user) {
                if !connection.has_joined(entry.room_id) {
                    let links = &self.chat.files().links;
                    connection.deliver(entry.name, &entry.data_for(*user, entry.seq, links));
                }
            }
        }
    }

    /// Shows a new member the room; sockets that hear all rooms hear this one from now on.
    async fn welcome(self, user: UserId, room_id: RoomId, since: Seq) {
        let room = match chat::room::overview(&self.chat, user, room_id).await {
            Ok(room) => room,
            Err(error) => return error.record(),
        };
        let event = Ephemeral::RoomCreated { room: Box::new(room) };
        let data = Encoded::new(&event);
        for connection in self.connections.of_user(user) {
            connection.deliver(event.name(), &data);
            if connection.scope == RoomScope::All
                && !connection.has_joined(room_id)
                && connection.joined_count() < self.rooms_per_socket
                && let Err(error) =
                    self.feed.attach(&connection, room_id, Some(since), Hearing::since(since), usize::MAX).await
            {
                error.record();
            }
        }
    }

    /// Tells members who are connected but have not joined that there is something new.
    pub fn tell_onlookers(&self, room_id: RoomId) {
        let onlookers = self.connections.onlookers(room_id);
        if !onlookers.is_empty() {
            self.tell_activity(room_id, onlookers);
        }
    }

    /// Tells one who has connected just now, and has not joined, that there is something new.
    pub fn tell_newcomer(&self, room_id: RoomId, newcomer: &Arc<Connection>) {
        self.tell_activity(room_id, [(newcomer.user.id, vec![Arc::clone(newcomer)])].into());
    }

    fn tell_activity(&self, room_id: RoomId, onlookers: HashMap<UserId, Vec<Arc<Connection>>>) {
        let chat = self.chat.clone();
        tokio::spawn(async move {
            let users: Vec<UserId> = onlookers.keys().copied().collect();
            let activity = match chat::room::activity(&chat, room_id, &users).await {
                Ok(activity) => activity,
                Err(error) => return error.record(),
            };
            for (user, connections) in onlookers {
                // The index is a hint; who is a member, the database says.
                let Some(&(unread, sees)) = activity.members.get(&user) else { continue };
                let event = Ephemeral::RoomActivity {
                    room_id,
                    last_seq: activity.last_seq,
                    unread_count: unread.messages,
                    mention_count: unread.mentions,
                    last_message: activity.last_message.clone().filter(|_| sees).map(Box::new),
                };
                let data = Encoded::new(&event);
                let data = chat.files().links.address(&data, user);
                for connection in connections {
                    connection.tell_encoded(event.name(), &data);
                }
            }
        });
    }

    fn tell_read(&self, room_id: RoomId, user_id: UserId, read: Read) {
        let Read { message_ids, last_read_seq, read_at } = read;
        let event = Ephemeral::MessagesRead { room_id, user_id, message_ids, last_read_seq, read_at };
        let data = Encoded::new(&event);
        for viewer in self.connections.viewers(room_id) {
            viewer.tell_encoded(event.name(), &data);
        }
    }
}

/// The entries of each room, in their order.
fn by_room(entries: &[Committed]) -> Vec<(RoomId, Vec<Committed>)> {
    let mut rooms: Vec<(RoomId, Vec<Committed>)> = Vec::new();
    let mut place: HashMap<RoomId, usize> = HashMap::new();
    for entry in entries {
        let at = *place.entry(entry.room_id).or_insert_with(|| {
            rooms.push((entry.room_id, Vec::new()));
            rooms.len() - 1
        });
        rooms[at].1.push(entry.clone());
    }
    rooms
}
