//! The sockets of this node: whose they are, which rooms each has joined, and how to reach or end them.
//!
//! This is an index and nothing else. Order is the [`crate::feed`]'s business; here is what needs no order.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};

use crate::{
    bus::Committed,
    contract::{
        ErrorCode, RoomId, Seq, SessionId, User, UserId,
        command::RoomScope,
        event::{Encoded, Ephemeral},
    },
    error::{Error, Result},
    media::link::Links,
};

/// Names a socket on this node; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What became of an event that was given to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It waits to be written.
    Queued,
    /// As much waits as may; this one was not taken.
    Full,
    /// The socket is gone.
    Gone,
}

/// The transport's end of a socket.
pub trait Transport: Send + Sync {
    /// Queues an event.
    fn emit(&self, event: &'static str, data: &Encoded) -> Delivery;
    /// Ends the socket after what is queued, in the protocol's own way.
    fn disconnect(&self);
    /// Ends the connection at once, whatever is queued.
    fn kill(&self);
    /// Counts bytes that are about to be queued; false when so many wait already that no more may.
    fn weigh(&self, bytes: usize) -> bool;
}

/// A socket and whose it is.
pub struct Connection {
    pub id: ConnectionId,
    pub user: User,
    /// The login whose token was shown last.
    session_id: Mutex<SessionId>,
    pub scope: RoomScope,
    transport: Box<dyn Transport>,
    joined: Mutex<HashSet<RoomId>>,
    revoked: AtomicBool,
    /// Set under the index's lock: from then on it joins nothing.
    closed: AtomicBool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("id", &self.id).field("user", &self.user.id).finish_non_exhaustive()
    }
}

impl Connection {
    /// A socket that has joined nothing yet.
    #[must_use]
    pub fn new(
        id: ConnectionId,
        user: User,
        session_id: SessionId,
        scope: RoomScope,
        transport: Box<dyn Transport>,
    ) -> Self {
        Self {
            id,
            user,
            session_id: Mutex::new(session_id),
            scope,
            transport,
            joined: Mutex::new(HashSet::new()),
            revoked: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// The login whose token was shown last.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        *self.session_id.lock()
    }

    /// A token of another login was shown: the socket ends with that one from now on.
    pub fn adopt(&self, session: SessionId) {
        *self.session_id.lock() = session;
    }

    /// Queues an event that must not be lost: a socket that can't take it is cut, and catches up when it comes back.
    pub fn deliver(&self, event: &'static str, data: &Encoded) -> Delivery {
        let delivery = self.transport.emit(event, data);
        if delivery == Delivery::Full {
            tracing::info!(connection = self.id.0, user = %self.user.id, "socket does not keep up; cutting it");
            metrics::counter!("parlour_sockets_cut_total").increment(1);
            self.transport.kill();
        }
        delivery
    }

    /// Queues entries of the log of a room that its user joined in the place `joined`, back to back; answers whether it took
    /// them all.
    pub fn deliver_all(&self, entries: &[Committed], joined: Seq, links: &Links) -> bool {
        let mut each = entries.iter().map(|entry| (entry.name, entry.data_for(self.user.id, joined, links)));
        each.all(|(name, data)| self.deliver(name, &data) == Delivery::Queued)
    }

    /// Queues news of the moment, which a socket that is behind does without.
    pub fn tell(&self, event: &Ephemeral) -> Delivery {
        self.transport.emit(event.name(), &Encoded::new(event))
    }

    /// The same, encoded before.
    pub fn tell_encoded(&self, event: &'static str, data: &Encoded) -> Delivery {
        self.transport.emit(event, data)
    }

    /// Whether it has joined a room.
    #[must_use]
    pub fn has_joined(&self, room: RoomId) -> bool {
        self.joined.lock().contains(&room)
    }

    /// How many rooms it has joined.
    #[must_use]
    pub fn joined_count(&self) -> usize {
        self.joined.lock().len()
    }

    /// Ends it because its login may no longer: nothing it sent and that still waits is done.
    pub fn revoke(&self, code: ErrorCode) {
        self.revoked.store(true, Ordering::SeqCst);
        if self.tell(&Ephemeral::SessionRevoked { code }) == Delivery::Queued {
            self.transport.disconnect();
        } else {
            self.transport.kill();
        }
    }

    /// Whether [`Self::revoke`] was called.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::SeqCst)
    }

    /// Ends it after what is queued.
    pub fn disconnect(&self) {
        self.transport.disconnect();
    }

    /// Counts an answer that is about to be queued; false when too much waits already.
    #[must_use]
    pub fn weigh(&self, answer: &Encoded) -> bool {
        self.transport.weigh(answer.as_str().len())
    }

    /// Ends it at once.
    pub fn kill(&self) {
        self.transport.kill();
    }
}

/// All sockets of this node.
#[derive(Debug, Default)]
pub struct Connections {
    index: RwLock<Index>,
    /// Places taken by sockets, those that are still connecting included.
    taken: Arc<Mutex<HashMap<UserId, usize>>>,
}

#[derive(Debug, Default)]
struct Index {
    all: HashMap<ConnectionId, Arc<Connection>>,
    of_user: HashMap<UserId, HashMap<ConnectionId, Arc<Connection>>>,
    viewing: HashMap<RoomId, HashMap<ConnectionId, Arc<Connection>>>,
    /// The rooms that connected users are members of, and the other way round.
    rooms_of: HashMap<UserId, HashSet<RoomId>>,
    members_of: HashMap<RoomId, HashSet<UserId>>,
}

/// A place among the sockets of a user, free again when dropped.
#[derive(Debug)]
pub struct Slot {
    user: UserId,
    taken: Arc<Mutex<HashMap<UserId, usize>>>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        if let Some(count) = taken.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

impl Connections {
    /// Takes a place for one more socket of a user.
    ///
    /// # Errors
    /// `CONNECTION_LIMIT` when they have `limit` already.
    pub fn reserve(&self, user: UserId, limit: Option<usize>) -> Result<Slot> {
        let mut taken = self.taken.lock();
        let count = taken.entry(user).or_default();
        if limit.is_some_and(|limit| *count >= limit) {
            return Err(Error::Refused(ErrorCode::ConnectionLimit, "you have as many sockets as you may"));
        }
        *count += 1;
        Ok(Slot { user, taken: Arc::clone(&self.taken) })
    }

    /// Enters a socket.
    pub fn enter(&self, connection: &Arc<Connection>) {
        let mut index = self.index.write();
        index.all.insert(connection.id, Arc::clone(connection));
        metrics::gauge!("parlour_sockets").set(index.all.len() as f64);
        let own = index.of_user.entry(connection.user.id).or_default();
        own.insert(connection.id, Arc::clone(connection));
    }

    /// Lets a socket that is going join nothing more; answers the rooms it has to be taken out of.
    pub fn close(&self, connection: &Connection) -> Vec<RoomId> {
        let _index = self.index.write();
        connection.closed.store(true, Ordering::SeqCst);
        connection.joined.lock().iter().copied().collect()
    }

    /// Forgets a socket; answers whether it was its user's last here. It must have left its rooms before.
    pub fn leave(&self, connection: &Connection) -> bool {
        let mut index = self.index.write();
        index.all.remove(&connection.id);
        metrics::gauge!("parlour_sockets").set(index.all.len() as f64);
        let Some(own) = index.of_user.get_mut(&connection.user.id) else { return false };
        own.remove(&connection.id);
        let last = own.is_empty();
        if last {
            index.of_user.remove(&connection.user.id);
        }
        last
    }

    /// Every socket.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.index.read().all.values().cloned().collect()
    }

    /// The sockets of a user.
    #[must_use]
    pub fn of_user(&self, user: UserId) -> Vec<Arc<Connection>> {
        self.index.read().of_user.get(&user).map(|own| own.values().cloned().collect()).unwrap_or_default()
    }

    /// The sockets of a login.
    #[must_use]
    pub fn of_session(&self, session: SessionId) -> Vec<Arc<Connection>> {
        self.index.read().all.values().filter(|connection| connection.session_id() == session).cloned().collect()
    }

    /// The sockets that have joined a room.
    #[must_use]
    pub fn viewers(&self, room: RoomId) -> Vec<Arc<Connection>> {
        self.index.read().viewing.get(&room).map(|viewers| viewers.values().cloned().collect()).unwrap_or_default()
    }

    /// Enters a socket into a room; answers whether it is its user's first there, and nothing if the socket is going. Only
    /// the room's feed calls this.
    pub fn join(&self, room: RoomId, connection: &Arc<Connection>) -> Option<bool> {
        let mut index = self.index.write();
        if connection.closed.load(Ordering::SeqCst) {
            return None;
        }
        connection.joined.lock().insert(room);
        let viewers = index.viewing.entry(room).or_default();
        let first = !viewers.values().any(|other| other.user.id == connection.user.id);
        viewers.insert(connection.id, Arc::clone(connection));
        Some(first)
    }

    /// Takes a socket out of a room; answers whether it was its user's last there. Only the room's feed calls this.
    pub fn part(&self, room: RoomId, connection: &Connection) -> bool {
        let mut index = self.index.write();
        connection.joined.lock().remove(&room);
        let Some(viewers) = index.viewing.get_mut(&room) else { return false };
        if viewers.remove(&connection.id).is_none() {
            return false;
        }
        let last = !viewers.values().any(|other| other.user.id == connection.user.id);
        if viewers.is_empty() {
            index.viewing.remove(&room);
        }
        last
    }

    /// Notes that a connected user is in these rooms.
    pub fn note_rooms(&self, user: UserId, rooms: impl IntoIterator<Item = RoomId>) {
        let mut index = self.index.write();
        for room in rooms {
            index.rooms_of.entry(user).or_default().insert(room);
            index.members_of.entry(room).or_default().insert(user);
        }
    }

    /// Notes that a user is no longer in a room.
    pub fn forget_room(&self, user: UserId, room: RoomId) {
        self.index.write().unlink(user, room);
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
        members
    }

    /// Forgets in which rooms a user is, unless they have a socket again.
    pub fn forget_user(&self, user: UserId) {
        let mut index = self.index.write();
        if index.of_user.contains_key(&user) {
            return;
        }
        for room in index.rooms_of.remove(&user).unwrap_or_default() {
            index.unlink(user, room);
        }
    }

    /// Connected members of a room with a socket that has not joined it, with those sockets.
    #[must_use]
    pub fn onlookers(&self, room: RoomId) -> HashMap<UserId, Vec<Arc<Connection>>> {
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

    /// The sockets of others that have joined a room which this user is in; each once.
    #[must_use]
    pub fn neighbours(&self, user: UserId) -> Vec<Arc<Connection>> {
        let index = self.index.read();
        let rooms = index.rooms_of.get(&user).into_iter().flatten();
        let mut found: HashMap<ConnectionId, Arc<Connection>> = HashMap::new();
        for viewers in rooms.filter_map(|room| index.viewing.get(room)) {
            for (id, viewer) in viewers.iter().filter(|(_, viewer)| viewer.user.id != user) {
                found.entry(*id).or_insert_with(|| Arc::clone(viewer));
            }
        }
        found.into_values().collect()
    }
}

impl Index {
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
