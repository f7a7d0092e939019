//! The feed: what is committed reaches every socket that has joined the room, in `seq` order, without gap or repeat.
//!
//! One task per room with at least one local socket ([`room`]). It alone knows what was delivered last, so replay and live
//! delivery cannot overlap or leave a hole between them; and whatever the bus drops, repeats or reorders, it reads what is
//! missing from the database.

mod room;

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Instant,
};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::{
    chat::{self, Chat, room::Subscription},
    contract::{RoomId, Seq, UserId, event::SocketEvent},
    error::{Error, Result},
    fanout::{
        sockets::{Emission, Socket, SocketId, Sockets},
        throttle::Pace,
    },
    log::entry::Entry,
    media::signed_url::UrlSigner,
};

/// Commands that may wait for one room.
const CAPACITY: usize = 256;

/// The commands of a room's task.
#[derive(Debug)]
enum RoomCommand {
    /// Entries of the room's log, ascending.
    Entries(Vec<Entry>),
    /// A socket joins the room.
    Attach(Attach),
    /// A socket leaves the room.
    Detach { socket: SocketId, done: oneshot::Sender<()> },
    /// Check the head of the log.
    Check,
    /// A subscriber starts or stops to appear offline.
    Appears(UserId),
}

/// A handle to a room's task.
#[derive(Clone, Debug)]
struct Task {
    commands: mpsc::Sender<RoomCommand>,
    noted: Arc<Noted>,
}

/// What a room's task learns outside of its queue, so that a busy room does not delay others.
#[derive(Debug, Default)]
struct Noted {
    /// The log is known to be committed up to here by other means than an entry in the queue. What does not fit into the queue
    /// is noted here, checked after every command, and read from the database.
    committed: AtomicI64,
    /// Set when remembered entries show outdated profiles.
    is_outdated: AtomicBool,
}

impl Task {
    /// Notes that the log is committed up to `end`. If the queue is full, the task checks the note after the next command.
    fn note_head(&self, end: Seq) {
        self.noted.committed.fetch_max(end.0, Ordering::SeqCst);
        let _ = self.commands.try_send(RoomCommand::Check);
    }
}

/// A socket that joins a room.
#[derive(Debug)]
struct Attach {
    socket: Arc<Socket>,
    /// What the socket has already, if it wants the rest.
    after: Option<Seq>,
    /// What it may receive of the room.
    subscription: Subscription,
    done: oneshot::Sender<Result<Attached>>,
}

/// A subscriber's position in a room.
#[derive(Clone, Copy, Debug)]
pub struct Attached {
    /// It receives what follows this seq.
    pub last_seq: Seq,
    /// How many missed events were replayed.
    pub replayed: usize,
}

/// The progress of a replay.
struct Replay {
    reached: Seq,
    end: ReplayEnd,
}

enum ReplayEnd {
    Done,
    /// The socket is gone, or does not keep up and is being cut.
    Cut,
    /// Its client was too slow.
    Late,
}

/// The rooms with subscribers on this node.
#[derive(Clone, Debug)]
pub struct Feed {
    shared: Arc<FeedState>,
}

#[derive(Debug)]
struct FeedState {
    chat: Chat,
    sockets: Arc<Sockets>,
    rooms: Mutex<HashMap<RoomId, Task>>,
    /// How often subscribers receive who joined and left.
    pace: Pace,
}

impl Feed {
    /// A feed without subscribers.
    #[must_use]
    pub fn new(chat: Chat, sockets: Arc<Sockets>, pace: Pace) -> Self {
        Self { shared: Arc::new(FeedState { chat, sockets, rooms: Mutex::new(HashMap::new()), pace }) }
    }

    /// Gives a room entries of its log, ascending, without waiting. A room without subscribers needs none.
    pub fn entries(&self, room: RoomId, entries: Vec<Entry>) {
        if let (Some(task), Some(last)) = (self.task(room), entries.last()) {
            let last = last.seq;
            if task.commands.try_send(RoomCommand::Entries(entries)).is_err() {
                task.note_head(last);
            }
        }
    }

    /// Makes a socket a subscriber of a room: it receives first what it missed after `after`, then everything newer.
    ///
    /// The caller has read the subscription. A socket that missed more than `limit` events receives `resync_required` instead.
    ///
    /// # Errors
    /// `ROOM_NOT_FOUND` when they may no longer, `RESYNC_REQUIRED` when `after` is ahead of the log, `SERVICE_UNAVAILABLE`.
    pub async fn attach(
        &self,
        socket: &Arc<Socket>,
        room: RoomId,
        after: Option<Seq>,
        subscription: Subscription,
        limit: usize,
    ) -> Result<Attached> {
        self.attach_by(socket, room, after, subscription, (limit, None)).await
    }

    /// The same, within `limit` events and, if given, until a time: a client that has not read the replay by then must page through the
    /// rest.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub async fn attach_by(
        &self,
        socket: &Arc<Socket>,
        room: RoomId,
        after: Option<Seq>,
        subscription: Subscription,
        (limit, until): (usize, Option<Instant>),
    ) -> Result<Attached> {
        let (mut after, mut replayed) = (after.map(|after| subscription.after(after)), 0);
        let checked_at = subscription.head;
        if let Some(from) = after {
            let missed = usize::try_from(checked_at.0 - from.0).unwrap_or(0);
            if missed > limit {
                let (room_id, after_seq) = (room, from);
                socket.send_reliably(&SocketEvent::ResyncRequired { room_id, after_seq, last_seq: checked_at });
                after = None;
            } else if missed > socket.entries_at_once() && !socket.has_joined(room) {
                // Old entries need no order with live ones, which this socket does not receive yet: they are read here,
                // as fast as its client reads them, and do not block the room's task.
                let replay = self.replay(socket, room, from, subscription, until).await?;
                replayed = usize::try_from(replay.reached.0 - from.0).unwrap_or(0);
                after = match replay.end {
                    ReplayEnd::Done => Some(checked_at),
                    // What comes next would follow a hole.
                    ReplayEnd::Cut => return Ok(Attached { last_seq: replay.reached, replayed }),
                    ReplayEnd::Late => {
                        let (room_id, after_seq) = (room, replay.reached);
                        socket.send_reliably(&SocketEvent::ResyncRequired { room_id, after_seq, last_seq: checked_at });
                        None
                    }
                };
            } else if missed > 0 {
                socket.keeps_up(until).await;
            }
        }
        let (done, attached) = oneshot::channel();
        let socket = Arc::clone(socket);
        self.shared.post(room, RoomCommand::Attach(Attach { socket, after, subscription, done })).await;
        let attached = attached.await.unwrap_or(Err(Error::DRAINING))?;
        Ok(Attached { replayed: attached.replayed + replayed, ..attached })
    }

    /// Replays to a socket what follows `after` in a room's log, as fast as its client reads it.
    async fn replay(
        &self,
        socket: &Socket,
        room: RoomId,
        after: Seq,
        subscription: Subscription,
        until: Option<Instant>,
    ) -> Result<Replay> {
        // What was read waits here while the client fetches what came before.
        let page_size = i64::try_from(socket.entries_at_once() * 4).unwrap_or(room::PAGE).min(room::PAGE);
        let (mut reached, up_to) = (after, subscription.head);
        while reached < up_to {
            let to = up_to.min(Seq(reached.0 + page_size));
            let page = chat::sync::entries(&self.shared.chat, room, reached, to).await?;
            if page.last().is_none_or(|last| last.seq != to) {
                return Err(Error::internal("the log has a gap"));
            }
            for entry in page {
                if !socket.keeps_up(until).await {
                    return Ok(Replay { reached, end: ReplayEnd::Late });
                }
                let data = entry.data_for(socket.user.id, subscription.joined, self.shared.signer());
                if socket.deliver(entry.name, &data) != Emission::Queued {
                    return Ok(Replay { reached, end: ReplayEnd::Cut });
                }
                reached = entry.seq;
            }
        }
        Ok(Replay { reached, end: ReplayEnd::Done })
    }

    /// Removes a socket from the subscribers of a room.
    pub async fn detach(&self, socket: SocketId, room: RoomId) {
        if let Some(task) = self.task(room) {
            let (done, detached) = oneshot::channel();
            if task.commands.send(RoomCommand::Detach { socket, done }).await.is_ok() {
                let _ = detached.await;
            }
        }
    }

    /// A profile of a member of these rooms changed: entries that their tasks remember are outdated.
    pub fn outdate(&self, rooms: impl IntoIterator<Item = RoomId>) {
        let active = self.shared.rooms.lock();
        for task in rooms.into_iter().filter_map(|room| active.get(&room)) {
            task.noted.is_outdated.store(true, Ordering::SeqCst);
        }
    }

    /// A connected user starts or stops to appear offline: the subscribers of their joined rooms receive that.
    pub fn show_or_hide(&self, user: UserId, is_invisible: bool) {
        if !self.shared.sockets.appears(user, is_invisible) {
            return;
        }
        for task in self.shared.sockets.joined_by(user).into_iter().filter_map(|room| self.task(room)) {
            // A task that is so far behind drops ephemeral events.
            let _ = task.commands.try_send(RoomCommand::Appears(user));
        }
    }

    /// Compares every room with subscribers with the database, in one query: entries whose notice was lost are delivered now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sweep(&self) -> Result<()> {
        let active = self.shared.rooms.lock().keys().copied().collect();
        self.compare(active).await
    }

    /// The same for some rooms; those without subscribers are skipped.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn check_heads(&self, rooms: Vec<RoomId>) -> Result<()> {
        let rooms = {
            let active = self.shared.rooms.lock();
            rooms.into_iter().filter(|room| active.contains_key(room)).collect()
        };
        self.compare(rooms).await
    }

    async fn compare(&self, rooms: Vec<RoomId>) -> Result<()> {
        for some in rooms.chunks(500) {
            for (room, end) in chat::sync::ends(&self.shared.chat, some.to_vec()).await? {
                if let Some(task) = self.task(room) {
                    task.note_head(end);
                }
            }
        }
        Ok(())
    }

    fn task(&self, room: RoomId) -> Option<Task> {
        self.shared.rooms.lock().get(&room).cloned()
    }
}

impl FeedState {
    fn signer(&self) -> &UrlSigner {
        &self.chat.files().signer
    }

    /// Gives a command to a room's task, which is started if there is none.
    async fn post(self: &Arc<Self>, room: RoomId, command: RoomCommand) {
        let mut command = command;
        loop {
            let task = Arc::clone(self).start(room);
            match task.commands.send(command).await {
                Ok(()) => return,
                // It stopped in the meantime; the next one takes the command.
                Err(mpsc::error::SendError(back)) => command = back,
            }
        }
    }

    fn start(self: Arc<Self>, room: RoomId) -> Task {
        let mut rooms = self.rooms.lock();
        if let Some(task) = rooms.get(&room).filter(|task| !task.commands.is_closed()) {
            return task.clone();
        }
        let (sender, commands) = mpsc::channel(CAPACITY);
        let task = Task { commands: sender, noted: Arc::default() };
        rooms.insert(room, task.clone());
        metrics::gauge!("parlour_feed_rooms").set(rooms.len() as f64);
        tokio::spawn(room::run(Arc::downgrade(&self), room, commands, Arc::clone(&task.noted)));
        task
    }

    /// Removes a room without subscribers from the list.
    fn stop(&self, room: RoomId) {
        let mut rooms = self.rooms.lock();
        rooms.remove(&room);
        metrics::gauge!("parlour_feed_rooms").set(rooms.len() as f64);
    }
}

/// What a room's task keeps of the feed it belongs to.
type FeedRef = Weak<FeedState>;

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a build that notes what did not fit and leaves it at that: the task may have emptied its queue in between, and
    /// would learn of it with the next command only.
    #[test]
    fn a_task_whose_queue_was_emptied_meanwhile_looks_at_what_is_noted() {
        let (commands, mut queue) = mpsc::channel(1);
        let task = Task { commands, noted: Arc::default() };
        task.note_head(Seq(7));
        assert_eq!(task.noted.committed.load(Ordering::SeqCst), 7);
        assert!(matches!(queue.try_recv(), Ok(RoomCommand::Check)), "nothing wakes it");
        // A full queue has a command that comes after the note.
        task.commands.try_send(RoomCommand::Check).unwrap();
        task.note_head(Seq(9));
        task.note_head(Seq(8));
        assert_eq!(task.noted.committed.load(Ordering::SeqCst), 9);
        assert!(queue.try_recv().is_ok() && queue.try_recv().is_err());
    }
}
