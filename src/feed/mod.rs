//! The feed: what is committed reaches every socket that has joined the room, in `seq` order, without gap or repeat.
//!
//! One task per room with at least one local socket ([`room`]). It alone knows what was delivered last, so replay and live
//! delivery cannot overlap or leave a hole between them; and whatever the bus drops, repeats or reorders, it reads what is
//! missing from the database.

mod room;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::{
    bus::Committed,
    chat::{self, Chat},
    connections::{Connection, ConnectionId, Connections},
    contract::{RoomId, Seq},
    error::{Error, Result},
};

/// Commands that may wait for one room.
const CAPACITY: usize = 256;

/// What a room's task is told.
#[derive(Debug)]
enum Command {
    /// Entries of the room's log, ascending.
    Entries(Vec<Committed>),
    /// A socket wants to hear the room.
    Attach(Attach),
    /// A socket no longer does.
    Detach { connection: ConnectionId, done: oneshot::Sender<()> },
    /// The log is committed at least up to here.
    Committed(Seq),
}

/// A socket that wants to hear a room.
#[derive(Debug)]
struct Attach {
    connection: Arc<Connection>,
    /// What the socket has already, if it wants the rest.
    after: Option<Seq>,
    /// Where the log ended when the socket's right to hear it was checked.
    checked_at: Seq,
    /// Events that may be replayed.
    limit: usize,
    done: oneshot::Sender<Result<Attached>>,
}

/// A socket's place in a room, once it hears it.
#[derive(Clone, Copy, Debug)]
pub struct Attached {
    /// What it hears follows this place.
    pub last_seq: Seq,
    /// How many missed events it was given before.
    pub replayed: usize,
}

/// The rooms that sockets of this node hear.
#[derive(Clone, Debug)]
pub struct Feed {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    chat: Chat,
    connections: Arc<Connections>,
    rooms: Mutex<HashMap<RoomId, mpsc::Sender<Command>>>,
}

impl Feed {
    /// A feed that nobody hears yet.
    #[must_use]
    pub fn new(chat: Chat, connections: Arc<Connections>) -> Self {
        Self { shared: Arc::new(Shared { chat, connections, rooms: Mutex::new(HashMap::new()) }) }
    }

    /// Gives a room entries of its log, ascending. A room that nobody here hears needs none.
    pub async fn entries(&self, room: RoomId, entries: Vec<Committed>) {
        if let Some(task) = self.task(room) {
            let _ = task.send(Command::Entries(entries)).await;
        }
    }

    /// Lets a socket hear a room: first what it missed after `after`, then everything newer.
    ///
    /// The caller has checked that the user may, when the log ended at `checked_at`.
    ///
    /// # Errors
    /// `ROOM_NOT_FOUND` when they may no longer, `RESYNC_REQUIRED` when `after` is ahead of the log,
    /// `SERVICE_UNAVAILABLE`.
    pub async fn attach(
        &self,
        connection: &Arc<Connection>,
        room: RoomId,
        after: Option<Seq>,
        checked_at: Seq,
        limit: usize,
    ) -> Result<Attached> {
        let (done, attached) = oneshot::channel();
        let connection = Arc::clone(connection);
        self.shared.post(room, Command::Attach(Attach { connection, after, checked_at, limit, done })).await;
        attached.await.unwrap_or(Err(Error::DRAINING))
    }

    /// Stops a socket from hearing a room.
    pub async fn detach(&self, connection: ConnectionId, room: RoomId) {
        if let Some(task) = self.task(room) {
            let (done, detached) = oneshot::channel();
            if task.send(Command::Detach { connection, done }).await.is_ok() {
                let _ = detached.await;
            }
        }
    }

    /// Compares every room that is heard here with the database, in one query: what no notice told of is delivered now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sweep(&self) -> Result<()> {
        let active: Vec<RoomId> = self.shared.rooms.lock().keys().copied().collect();
        for some in active.chunks(500) {
            for (room, end) in chat::sync::ends(&self.shared.chat, some.to_vec()).await? {
                if let Some(task) = self.task(room) {
                    let _ = task.send(Command::Committed(end)).await;
                }
            }
        }
        Ok(())
    }

    fn task(&self, room: RoomId) -> Option<mpsc::Sender<Command>> {
        self.shared.rooms.lock().get(&room).cloned()
    }
}

impl Shared {
    /// Gives a command to a room's task, which is started if there is none.
    async fn post(self: &Arc<Self>, room: RoomId, command: Command) {
        let mut command = command;
        loop {
            let task = Arc::clone(self).start(room);
            match task.send(command).await {
                Ok(()) => return,
                // It stopped in the meantime; the next one takes the command.
                Err(mpsc::error::SendError(back)) => command = back,
            }
        }
    }

    fn start(self: Arc<Self>, room: RoomId) -> mpsc::Sender<Command> {
        let mut rooms = self.rooms.lock();
        if let Some(task) = rooms.get(&room).filter(|task| !task.is_closed()) {
            return task.clone();
        }
        let (task, commands) = mpsc::channel(CAPACITY);
        rooms.insert(room, task.clone());
        metrics::gauge!("parlour_feed_rooms").set(rooms.len() as f64);
        tokio::spawn(room::run(Arc::downgrade(&self), room, commands));
        task
    }

    /// Takes a room that nobody hears any longer off the list.
    fn stop(&self, room: RoomId) {
        let mut rooms = self.rooms.lock();
        rooms.remove(&room);
        metrics::gauge!("parlour_feed_rooms").set(rooms.len() as f64);
    }
}

/// What a room's task keeps of the feed it belongs to.
type Owner = Weak<Shared>;
