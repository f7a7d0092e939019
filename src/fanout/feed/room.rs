//! The task of one room.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
};

use futures_util::{FutureExt, future::pending};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{Attach, Attached, FeedRef, FeedState, Noted, RoomCommand};
use crate::{
    chat::{self, room::Subscription},
    contract::{
        RoomId, Seq, User, UserId,
        command::RoomScope,
        event::{Encoded, Ephemeral, ServerEvent, SocketEvent},
    },
    error::{Error, Result},
    fanout::{
        sockets::{Socket, SocketId},
        throttle::Throttle,
    },
    log::entry::{Audience, Entry},
};

/// Recent entries kept for replay; what is older is read from the database.
const RING: usize = 256;

/// Entries read from the database at a time.
pub(super) const PAGE: i64 = 500;

/// Serves a room until it has no subscribers.
pub(super) async fn run(owner: FeedRef, id: RoomId, mut commands: mpsc::Receiver<RoomCommand>, noted: Arc<Noted>) {
    let mut room: Option<Room> = None;
    loop {
        let received = tokio::select! {
            biased;
            command = commands.recv() => command,
            () = next_notice(room.as_ref()) => {
                room.iter_mut().for_each(Room::send_viewers);
                continue;
            }
        };
        let (Some(command), Some(shared)) = (received, owner.upgrade()) else { return };
        let opened = match room.take() {
            Some(room) => Ok(room),
            None => Room::open(&shared, id, Arc::clone(&noted)).await,
        };
        match opened {
            Ok(mut open) => {
                if AssertUnwindSafe(open.handle(&shared, command)).catch_unwind().await.is_err() {
                    // The task panicked, so its subscribers would receive nothing: they are cut, reconnect and catch up.
                    open.cut_all(&shared);
                }
                open.send_viewers();
                room = Some(open);
            }
            Err(error) => refuse(command, error),
        }
        if room.as_ref().is_none_or(|room| room.subscribers.is_empty()) && commands.is_empty() {
            shared.stop(id);
            commands.close();
            // A command may have been posted before the queue closed.
            while let Some(command) = commands.recv().await {
                if let RoomCommand::Attach(_) = command {
                    shared.post(id, command).await;
                }
            }
            return;
        }
    }
}

/// Waits until a room has to send who joined or left.
async fn next_notice(room: Option<&Room>) {
    match room.and_then(|room| room.joins_and_leaves.due_at()) {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

fn refuse(command: RoomCommand, error: Error) {
    error.record();
    if let RoomCommand::Attach(attach) = command {
        let _ = attach.done.send(Err(error));
    }
}

/// A room with its local subscribers.
struct Room {
    id: RoomId,
    /// Everything up to here was delivered to the subscribers.
    delivered: Seq,
    noted: Arc<Noted>,
    ring: VecDeque<Entry>,
    subscribers: BTreeMap<SocketId, Subscriber>,
    /// Who joined and left, to be sent to the others.
    joins_and_leaves: Throttle<UserId, Arc<User>>,
}

/// A subscriber of the room.
#[derive(Clone)]
struct Subscriber {
    socket: Arc<Socket>,
    /// Where its user joined the room.
    joined: Seq,
    /// Whether the other members may know more of them than strangers may.
    is_contact: bool,
    /// Whether the others see that its user is here.
    is_shown: bool,
}

impl Room {
    /// Starts at the end of the log as it is now: what is committed later reaches this task, which is on the list already.
    async fn open(shared: &FeedState, id: RoomId, noted: Arc<Noted>) -> Result<Self> {
        let ends = chat::sync::ends(&shared.chat, vec![id]).await?;
        let delivered = ends.first().map(|(_, end)| *end).ok_or(Error::ROOM_NOT_FOUND)?;
        let joins_and_leaves = Throttle::new(shared.pace);
        Ok(Self { id, delivered, noted, ring: VecDeque::new(), subscribers: BTreeMap::new(), joins_and_leaves })
    }

    async fn handle(&mut self, shared: &FeedState, command: RoomCommand) {
        match command {
            RoomCommand::Entries(entries) => self.receive(shared, entries),
            RoomCommand::Check => {}
            RoomCommand::Appears(user) => self.show_or_hide(shared, user),
            RoomCommand::Detach { socket, done } => {
                if let Some(subscriber) = self.subscribers.get(&socket).cloned() {
                    self.remove(shared, &subscriber.socket);
                }
                let _ = done.send(());
            }
            RoomCommand::Attach(attach) => {
                self.noted.committed.fetch_max(attach.subscription.head.0, Ordering::SeqCst);
                if let Err(error) = self.refill(shared).await {
                    let _ = attach.done.send(Err(error));
                    return;
                }
                let attached = self.attach(shared, &attach).await;
                let _ = attach.done.send(attached);
                return;
            }
        }
        if let Err(error) = self.refill(shared).await {
            // The next command tries again, the sweep's at the latest.
            error.record();
        }
    }

    /// Takes entries in the order of the log: what was delivered is dropped, what follows is delivered, and a gap is left
    /// to [`Self::refill`].
    fn receive(&mut self, shared: &FeedState, entries: Vec<Entry>) {
        let mut ready = Vec::with_capacity(entries.len());
        let mut next = self.delivered.next();
        for entry in entries {
            if entry.seq == next {
                next = next.next();
                ready.push(entry);
            } else if entry.seq > next {
                self.noted.committed.fetch_max(entry.seq.0, Ordering::SeqCst);
            }
        }
        self.deliver(shared, ready);
    }

    /// Reads from the database what is committed and was not delivered.
    async fn refill(&mut self, shared: &FeedState) -> Result<()> {
        loop {
            let committed = Seq(self.noted.committed.load(Ordering::SeqCst));
            if committed <= self.delivered {
                return Ok(());
            }
            let up_to = committed.min(Seq(self.delivered.0 + PAGE));
            let entries = chat::sync::entries(&shared.chat, self.id, self.delivered, up_to).await?;
            metrics::counter!("parlour_feed_refilled_total").increment(entries.len() as u64);
            let reached = entries.last().map(|entry| entry.seq);
            self.deliver(shared, entries);
            if reached != Some(up_to) {
                return Err(Error::internal("the log has a gap"));
            }
        }
    }

    /// Gives entries that follow what was delivered to every subscriber, those of one subscriber back to back.
    fn deliver(&mut self, shared: &FeedState, entries: Vec<Entry>) {
        let mut run = Vec::with_capacity(entries.len());
        for entry in entries {
            self.delivered = entry.seq;
            let audience = entry.audience;
            run.push(entry);
            match audience {
                Audience::Lost(user) => {
                    self.emit(shared, std::mem::take(&mut run));
                    self.remove_user(shared, user);
                }
                Audience::Closed => {
                    self.emit(shared, std::mem::take(&mut run));
                    for subscriber in self.subscribers.values().cloned().collect::<Vec<_>>() {
                        self.remove(shared, &subscriber.socket);
                    }
                }
                Audience::Unchanged | Audience::Message(_) | Audience::Gained(_) | Audience::Silenced(_) => {}
            }
        }
        self.emit(shared, run);
    }

    fn emit(&mut self, shared: &FeedState, run: Vec<Entry>) {
        let mut lost = Vec::new();
        for subscriber in self.subscribers.values() {
            if !subscriber.socket.deliver_all(&run, subscriber.joined, shared.signer()) {
                lost.push(Arc::clone(&subscriber.socket));
            }
        }
        metrics::counter!("parlour_deliveries_total").increment((run.len() * self.subscribers.len()) as u64);
        for subscriber in lost {
            self.remove(shared, &subscriber);
        }
        for entry in run {
            if entry.rewrites {
                // Older entries show what is gone: they are read from the database.
                self.ring.clear();
            }
            self.ring.push_back(entry);
        }
        self.ring.drain(..self.ring.len().saturating_sub(RING));
    }

    /// Replays what a socket missed, and makes it a subscriber.
    async fn attach(&mut self, shared: &FeedState, attach: &Attach) -> Result<Attached> {
        let socket = &attach.socket;
        let subscription = if attach.subscription.head == self.delivered {
            attach.subscription
        } else {
            // The log moved since the permission was checked. A removal in between is delivered already, so check again.
            chat::room::may_subscribe(&shared.chat, socket.user.id, self.id).await?
        };
        let after = attach.after.map_or(self.delivered, |after| subscription.after(after));
        if after > self.delivered {
            return Err(chat::sync::AHEAD);
        }
        let missed = self.missed(shared, after).await?;
        if !socket.deliver_all(&missed, subscription.joined, shared.signer()) {
            return Ok(Attached { last_seq: self.delivered, replayed: missed.len() });
        }
        self.add(shared, socket, subscription);
        socket.send_reliably(&SocketEvent::RoomJoined {
            room_id: self.id,
            user_id: socket.user.id,
            last_seq: self.delivered,
        });
        Ok(Attached { last_seq: self.delivered, replayed: missed.len() })
    }

    async fn missed(&mut self, shared: &FeedState, after: Seq) -> Result<Vec<Entry>> {
        if self.noted.is_outdated.swap(false, Ordering::SeqCst) {
            self.ring.clear();
        }
        if after == self.delivered {
            return Ok(Vec::new());
        }
        if self.ring.front().is_some_and(|oldest| oldest.seq <= after.next()) {
            return Ok(self.ring.iter().filter(|entry| entry.seq > after).cloned().collect());
        }
        chat::sync::entries(&shared.chat, self.id, after, self.delivered).await
    }

    fn add(&mut self, shared: &FeedState, socket: &Arc<Socket>, subscription: Subscription) {
        if !shared.sockets.join(self.id, socket) {
            return;
        }
        // A user who was only added, and whose socket joins all rooms, is not shown: otherwise adding a user would reveal that they are
        // online.
        let is_shown = subscription.participates || socket.scope != RoomScope::All;
        let is_first = is_shown && !self.shows(socket.user.id);
        let (joined, is_contact) = (subscription.joined, subscription.is_contact);
        let subscriber = Subscriber { socket: Arc::clone(socket), joined, is_contact, is_shown };
        self.subscribers.insert(socket.id, subscriber.clone());
        if is_first && !shared.sockets.is_invisible(socket.user.id) {
            self.send_joined(shared, &subscriber);
        }
    }

    fn send_joined(&mut self, shared: &FeedState, subscriber: &Subscriber) {
        let user = subscriber.socket.user.now();
        let is_whole = shared.chat.emails().are_whole(subscriber.is_contact);
        let user = if is_whole { user } else { Arc::new(User::clone(&user).masked()) };
        self.joins_and_leaves.offer(user.id, true, user, Instant::now());
    }

    fn remove(&mut self, shared: &FeedState, subscriber: &Socket) {
        let Some(removed) = self.subscribers.remove(&subscriber.id) else { return };
        let user_id = subscriber.user.id;
        subscriber.send_reliably(&SocketEvent::RoomLeft { room_id: self.id, user_id });
        shared.sockets.part(self.id, subscriber);
        if removed.is_shown && !self.shows(user_id) && !shared.sockets.is_invisible(user_id) {
            self.joins_and_leaves.offer(user_id, false, subscriber.user.now(), Instant::now());
        }
    }

    /// Whether the others see that a user is here.
    fn shows(&self, user: UserId) -> bool {
        self.subscribers.values().any(|subscriber| subscriber.is_shown && subscriber.socket.user.id == user)
    }

    /// Sends to the others that a subscriber starts or stops to appear offline.
    fn show_or_hide(&mut self, shared: &FeedState, user_id: UserId) {
        let mut own =
            self.subscribers.values().filter(|subscriber| subscriber.is_shown && subscriber.socket.user.id == user_id);
        let Some(subscriber) = own.next().cloned() else { return };
        if shared.sockets.is_invisible(user_id) {
            self.joins_and_leaves.offer(user_id, false, subscriber.socket.user.now(), Instant::now());
        } else {
            self.send_joined(shared, &subscriber);
        }
    }

    fn remove_user(&mut self, shared: &FeedState, user: UserId) {
        let sockets = self.subscribers.values().map(|subscriber| &subscriber.socket);
        let own: Vec<_> = sockets.filter(|socket| socket.user.id == user).cloned().collect();
        for subscriber in own {
            self.remove(shared, &subscriber);
        }
    }

    fn cut_all(&mut self, shared: &FeedState) {
        for subscriber in self.subscribers.values().cloned().collect::<Vec<_>>() {
            subscriber.socket.kill();
            self.remove(shared, &subscriber.socket);
        }
    }

    /// Sends to the others who joined and left, as far as the throttle allows.
    fn send_viewers(&mut self) {
        while let Some((user_id, is_there, user)) = self.joins_and_leaves.take(Instant::now()) {
            let room_id = self.id;
            let event = if is_there {
                Ephemeral::UserJoined { room_id, user_id, user }
            } else {
                Ephemeral::UserLeft { room_id, user_id }
            };
            let data = Encoded::new(&event);
            let sockets = self.subscribers.values().map(|subscriber| &subscriber.socket);
            let mut sent = 0;
            for socket in sockets.filter(|socket| socket.user.id != user_id) {
                socket.send_encoded(event.name(), &data);
                sent += 1;
            }
            self.joins_and_leaves.used(sent, Instant::now());
        }
    }
}
