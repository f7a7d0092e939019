//! The sockets of this node: whose they are, which rooms each has joined, and how to reach or end them.
//!
//! This is only an index. The [`crate::fanout::feed`] keeps the order; this is for what needs no order.

#[cfg(test)]
pub(crate) mod fake;
mod slots;
mod socket;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use parking_lot::RwLock;

pub use slots::{Slot, SlotOwner, Slots};
pub use socket::{Emission, Owner, RoomState, Socket, SocketId, Transport};

use crate::{
    cluster::{
        bus::Topic,
        interest::{Channel, Interest},
    },
    contract::{
        RoomId, SessionId, UserId,
        event::{Encoded, Ephemeral, ServerEvent},
    },
};

/// All sockets of this node.
#[derive(Debug, Default)]
pub struct Sockets {
    index: RwLock<Index>,
    /// The channels to subscribe to: of users with a socket here, and of their rooms.
    interest: Arc<Interest>,
    /// How many sockets each user has.
    pub slots: Slots,
}

#[derive(Debug, Default)]
struct Index {
    all: HashMap<SocketId, Arc<Socket>>,
    of_user: HashMap<UserId, HashMap<SocketId, Arc<Socket>>>,
    subscribers: HashMap<RoomId, HashMap<SocketId, Arc<Socket>>>,
    /// The rooms that connected users are members of, and the other way round.
    rooms_of: HashMap<UserId, HashSet<RoomId>>,
    members_of: HashMap<RoomId, HashSet<UserId>>,
    /// Whether connected users want to appear offline.
    invisible: HashMap<UserId, bool>,
}

impl Sockets {
    /// No sockets yet; `interest` gets the channels that they need.
    #[must_use]
    pub fn new(interest: Arc<Interest>) -> Self {
        Self { interest, ..Self::default() }
    }

    /// Enters a socket whose user is in these rooms, and greets it: nothing reaches it before, and nothing that happens afterwards
    /// passes it by. Whether the user wants to appear offline counts for their first socket only: what is known already is newer.
    pub fn enter(
        &self,
        socket: &Arc<Socket>,
        rooms: impl IntoIterator<Item = RoomId>,
        is_invisible: bool,
        greet: impl FnOnce(&Socket),
    ) {
        let mut index = self.index.write();
        greet(socket);
        index.all.insert(socket.id, Arc::clone(socket));
        metrics::gauge!("parlour_sockets").set(index.all.len() as f64);
        let own = index.of_user.entry(socket.user.id).or_default();
        own.insert(socket.id, Arc::clone(socket));
        index.invisible.entry(socket.user.id).or_insert(is_invisible);
        self.link(&mut index, socket.user.id, rooms);
    }

    /// A connected user wants to appear so from now on; answers whether that is a change.
    pub fn appears(&self, user: UserId, is_invisible: bool) -> bool {
        let mut index = self.index.write();
        index.invisible.get_mut(&user).is_some_and(|known| std::mem::replace(known, is_invisible) != is_invisible)
    }

    /// The rooms that a user's sockets have joined.
    #[must_use]
    pub fn joined_by(&self, user: UserId) -> HashSet<RoomId> {
        let index = self.index.read();
        let own = index.of_user.get(&user).into_iter().flat_map(HashMap::values);
        own.flat_map(|socket| socket.joined.lock().clone()).collect()
    }

    /// Whether a connected user wants to appear offline.
    #[must_use]
    pub fn is_invisible(&self, user: UserId) -> bool {
        self.index.read().invisible.get(&user).copied().unwrap_or(false)
    }

    /// Lets a socket that is going join nothing more; answers the rooms it has to be taken out of.
    pub fn close(&self, socket: &Socket) -> Vec<RoomId> {
        let _index = self.index.write();
        socket.closed.store(true, Ordering::SeqCst);
        socket.joined.lock().iter().copied().collect()
    }

    /// Forgets a socket; answers whether it was its user's last here. It must have left its rooms before.
    pub fn leave(&self, socket: &Socket) -> bool {
        let mut index = self.index.write();
        index.all.remove(&socket.id);
        metrics::gauge!("parlour_sockets").set(index.all.len() as f64);
        let Some(own) = index.of_user.get_mut(&socket.user.id) else { return false };
        own.remove(&socket.id);
        let last = own.is_empty();
        if last {
            index.of_user.remove(&socket.user.id);
            self.interest.set(Channel::User(socket.user.id), false);
        }
        last
    }

    /// Every socket.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Socket>> {
        self.index.read().all.values().cloned().collect()
    }

    /// The sockets of a user.
    #[must_use]
    pub fn of_user(&self, user: UserId) -> Vec<Arc<Socket>> {
        self.index.read().of_user.get(&user).map(|own| own.values().cloned().collect()).unwrap_or_default()
    }

    /// The sockets of a login.
    #[must_use]
    pub fn of_session(&self, session: SessionId) -> Vec<Arc<Socket>> {
        self.index.read().all.values().filter(|socket| socket.session_id() == session).cloned().collect()
    }

    /// The sockets that have joined a room.
    #[must_use]
    pub fn subscribers(&self, room: RoomId) -> Vec<Arc<Socket>> {
        self.index
            .read()
            .subscribers
            .get(&room)
            .map(|subscribers| subscribers.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Enters a socket into a room; answers whether it was, which it is not once it is going. Only the room's feed calls this.
    pub fn join(&self, room: RoomId, socket: &Arc<Socket>) -> bool {
        let mut index = self.index.write();
        if socket.closed.load(Ordering::SeqCst) {
            return false;
        }
        socket.joined.lock().insert(room);
        index.subscribers.entry(room).or_default().insert(socket.id, Arc::clone(socket));
        self.follow_if_wanted(&index, room);
        true
    }

    /// Takes a socket out of a room. Only the room's feed calls this.
    pub fn part(&self, room: RoomId, socket: &Socket) {
        let mut index = self.index.write();
        socket.joined.lock().remove(&room);
        let Some(subscribers) = index.subscribers.get_mut(&room) else { return };
        subscribers.remove(&socket.id);
        if subscribers.is_empty() {
            index.subscribers.remove(&room);
            self.follow_if_wanted(&index, room);
        }
    }

    /// Notes that a connected user is in these rooms, and follows what concerns them.
    pub fn note_rooms(&self, user: UserId, rooms: impl IntoIterator<Item = RoomId>) {
        self.link(&mut self.index.write(), user, rooms);
    }

    fn link(&self, index: &mut Index, user: UserId, rooms: impl IntoIterator<Item = RoomId>) {
        index.rooms_of.entry(user).or_default();
        if index.of_user.contains_key(&user) {
            self.interest.set(Channel::User(user), true);
        }
        for room in rooms {
            index.rooms_of.entry(user).or_default().insert(room);
            index.members_of.entry(room).or_default().insert(user);
            self.follow_if_wanted(index, room);
        }
    }

    /// Notes that a user is no longer in a room.
    pub fn forget_room(&self, user: UserId, room: RoomId) {
        let mut index = self.index.write();
        index.unlink(user, room);
        self.follow_if_wanted(&index, room);
    }

    /// Notes that nobody is in a room any longer; answers who was.
    pub fn forget_members(&self, room: RoomId) -> Vec<UserId> {
        let mut index = self.index.write();
        let members: Vec<UserId> = index.members_of.remove(&room).unwrap_or_default().into_iter().collect();
        for user in &members {
            if let Some(rooms) = index.rooms_of.get_mut(user) {
                rooms.remove(&room);
            }
        }
        self.follow_if_wanted(&index, room);
        members
    }

    /// Forgets in which rooms a user is and how they want to appear, unless they have a socket again.
    pub fn forget_user(&self, user: UserId) {
        let mut index = self.index.write();
        if index.of_user.contains_key(&user) {
            return;
        }
        index.invisible.remove(&user);
        for room in index.rooms_of.remove(&user).unwrap_or_default() {
            index.unlink(user, room);
            self.follow_if_wanted(&index, room);
        }
    }

    /// Everybody with a socket here, and the logins of those sockets.
    #[must_use]
    pub fn logins(&self) -> HashMap<UserId, HashSet<SessionId>> {
        let index = self.index.read();
        let logins = |own: &HashMap<_, Arc<Socket>>| own.values().map(|socket| socket.session_id()).collect();
        index.of_user.iter().map(|(user, own)| (*user, logins(own))).collect()
    }

    /// The rooms that a connected user is known to be in; nothing until they were looked up.
    #[must_use]
    pub fn rooms_of(&self, user: UserId) -> Option<HashSet<RoomId>> {
        self.index.read().rooms_of.get(&user).cloned()
    }

    /// Whether a connected user is a member of a room.
    #[must_use]
    pub fn is_member(&self, user: UserId, room: RoomId) -> bool {
        self.index.read().rooms_of.get(&user).is_some_and(|rooms| rooms.contains(&room))
    }

    /// Connected members of a room with a socket that has not joined it, with those sockets.
    #[must_use]
    pub fn recipients(&self, room: RoomId) -> HashMap<UserId, Vec<Arc<Socket>>> {
        let index = self.index.read();
        let members = index.members_of.get(&room).into_iter().flatten();
        members
            .filter_map(|user| {
                let own = index.of_user.get(user)?.values().filter(|own| !own.has_joined(room)).cloned();
                let own: Vec<_> = own.collect();
                (!own.is_empty()).then_some((*user, own))
            })
            .collect()
    }

    /// The sockets of connected members of some rooms, each once, and those of this user.
    #[must_use]
    pub fn near(&self, user: UserId, rooms: &HashSet<RoomId>) -> HashMap<UserId, Vec<Arc<Socket>>> {
        let index = self.index.read();
        let members = rooms.iter().filter_map(|room| index.members_of.get(room)).flatten();
        let users: HashSet<UserId> = members.copied().chain([user]).collect();
        let sockets = |user: UserId| Some((user, index.of_user.get(&user)?.values().cloned().collect()));
        users.into_iter().filter_map(sockets).collect()
    }

    /// Whether a room has connected members with a socket that has not joined it.
    #[must_use]
    pub fn is_viewed(&self, room: RoomId) -> bool {
        let index = self.index.read();
        let mut members = index.members_of.get(&room).into_iter().flatten();
        members.any(|user| index.of_user.get(user).is_some_and(|own| own.values().any(|own| !own.has_joined(room))))
    }

    /// The rooms whose members are connected here with a socket that has not joined them.
    #[must_use]
    pub fn viewed_rooms(&self) -> Vec<RoomId> {
        let rooms: Vec<RoomId> = self.index.read().members_of.keys().copied().collect();
        rooms.into_iter().filter(|room| self.is_viewed(*room)).collect()
    }

    /// The sockets that receive an event for a topic, where it is about a user.
    #[must_use]
    pub fn receiving(&self, topic: &Topic, about: Option<UserId>) -> Vec<Arc<Socket>> {
        match topic {
            Topic::User(user) => self.of_user(*user),
            Topic::Room(room) => self.index.read().in_one_of(&[*room], about),
            Topic::Rooms(rooms) => self.index.read().in_one_of(rooms, about),
        }
    }

    /// Emits an ephemeral event to the sockets of a topic; answers how many those are. It is dropped for sockets that are behind.
    pub fn emit(&self, topic: &Topic, event: &Ephemeral) -> usize {
        let receiving = self.receiving(topic, event.about());
        let data = Encoded::new(event);
        for socket in &receiving {
            socket.send_encoded(event.name(), &data);
        }
        receiving.len()
    }

    /// Brings what the other nodes are asked about a room in line with who is here.
    fn follow_if_wanted(&self, index: &Index, room: RoomId) {
        let wanted = index.subscribers.contains_key(&room) || index.members_of.contains_key(&room);
        self.interest.set(Channel::Room(room), wanted);
    }
}

impl Index {
    /// The sockets that have joined one of these rooms, each once, but for those of one user.
    fn in_one_of(&self, rooms: &[RoomId], but: Option<UserId>) -> Vec<Arc<Socket>> {
        let mut found: HashMap<SocketId, Arc<Socket>> = HashMap::new();
        for subscribers in rooms.iter().filter_map(|room| self.subscribers.get(room)) {
            for (id, subscriber) in subscribers.iter().filter(|(_, subscriber)| Some(subscriber.user.id) != but) {
                found.entry(*id).or_insert_with(|| Arc::clone(subscriber));
            }
        }
        found.into_values().collect()
    }

    fn unlink(&mut self, user: UserId, room: RoomId) {
        if let Some(rooms) = self.rooms_of.get_mut(&user) {
            rooms.remove(&room);
        }
        if let Some(members) = self.members_of.get_mut(&room) {
            members.remove(&user);
            if members.is_empty() {
                self.members_of.remove(&room);
            }
        }
    }
}
