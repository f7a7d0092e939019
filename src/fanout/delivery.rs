//! Delivery of notices of the bus to the sockets of this node: one task handles every notice, in order.
//!
//! Entries of logs go to the feed. Events for users whose sockets have not joined the room go to these sockets
//! directly. Frequent events are coalesced: one at once, then at most one a second. Notices of other nodes are treated alike.

mod activity;
mod coalesce;
mod profile;
mod read;
mod recent_marks;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::{
    activity::Concerned,
    coalesce::InOrder,
    profile::SentChanges,
    read::{AllRecentMarks, Marks},
    recent_marks::Read,
};
use crate::{
    chat::{self, Chat},
    cluster::bus::{Inlet, Notice, Received, Revoked, Topic},
    contract::{
        RoomId, Seq, Timestamp, UserId,
        command::RoomScope,
        event::{Encoded, Ephemeral, ServerEvent, SocketEvent},
    },
    error::Result,
    fanout::{
        feed::Feed,
        reconciliation::Reconciliation,
        sockets::{Socket, Sockets},
        throttle::{self, Throttle},
        typing::Typing,
    },
    log::entry::{Audience, Entry},
};

/// How often it is checked which coalesced events are due.
const TICK: Duration = Duration::from_millis(100);

/// How long to wait before a room is read again that the database did not give.
const PAUSE: Duration = Duration::from_secs(1);

/// What delivery works with.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub chat: Chat,
    pub feed: Feed,
    pub sockets: Arc<Sockets>,
    pub typing: Arc<Typing>,
    pub reconciliation: Arc<Reconciliation>,
    pub pending: Arc<Pending>,
    /// Rooms that a socket may have joined.
    pub rooms_per_socket: usize,
    /// How often presence events are sent.
    pub presence_pace: throttle::Pace,
}

/// Where something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Local,
    Remote,
}

/// Who came and went, on the way to those in the same rooms: when they were last there, and these rooms.
type Appearances = Throttle<UserId, (Option<Timestamp>, Arc<[RoomId]>)>;

/// Events that wait to be sent, and what was sent recently.
#[derive(Debug, Default)]
pub struct Pending {
    activity: InOrder<RoomId, Concerned>,
    profiles: InOrder<UserId, HashSet<RoomId>>,
    changes: SentChanges,
    marks: Mutex<AllRecentMarks>,
    /// New members to whom the room is not announced yet: they receive nothing else of it before.
    newcomers: Mutex<HashSet<(UserId, RoomId)>>,
}

impl Pending {
    /// Whether a change of a profile was sent already.
    pub fn knows_change(&self, user: UserId, at: Timestamp) -> bool {
        self.changes.knows(user, at)
    }

    fn awaits_room(&self, user: UserId, room: RoomId) -> bool {
        self.newcomers.lock().contains(&(user, room))
    }
}

/// A new member while they have yet to be shown the room, whatever becomes of that.
struct Newcomer {
    pending: Arc<Pending>,
    member: (UserId, RoomId),
}

impl Newcomer {
    fn note(pending: Arc<Pending>, member: (UserId, RoomId)) -> Self {
        pending.newcomers.lock().insert(member);
        Self { pending, member }
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.pending.newcomers.lock().remove(&self.member);
    }
}

impl Delivery {
    /// Takes notices until there are no more.
    pub async fn run(self, inlet: Inlet) {
        let Inlet { mut own, mut others } = inlet;
        let (mut marks, mut presence) = (Marks::new(), Appearances::new(self.presence_pace));
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                notice = own.recv() => match notice {
                    Some(notice) => self.take(notice, Source::Local, &mut marks, &mut presence),
                    None => return,
                },
                Some(received) = others.recv() => match received {
                    Received::Notice(notice) => self.take(notice, Source::Remote, &mut marks, &mut presence),
                    Received::Added { user_id, room_id, seq } => self.gain(user_id, room_id, seq),
                    Received::MissedOn(channels) => self.reconciliation.channels(channels),
                    Received::Missed => self.reconciliation.everything(),
                },
                _ = tick.tick() => {
                    self.send_due_activity();
                    self.send_due_profiles();
                    self.send_due_marks(&mut marks);
                    self.send_presence(&mut presence);
                }
            }
        }
    }

    fn take(&self, notice: Notice, source: Source, marks: &mut Marks, presence: &mut Appearances) {
        match notice {
            Notice::Entries { room_id, entries } => {
                for entry in entries.iter() {
                    self.widen_or_narrow(entry, source);
                    self.reconciliation.note_entry(room_id, entry.seq);
                }
                self.feed.entries(room_id, entries.to_vec());
                self.note_activity(room_id);
            }
            Notice::Emit { topic, event } => self.emit(topic, event, marks, presence),
            Notice::Revoked { user_id, sockets } => self.revoke(user_id, sockets),
        }
    }

    /// Emits an ephemeral event to the sockets of a topic: at once, unless it is coalesced or read from the database first.
    fn emit(&self, topic: Topic, event: Ephemeral, marks: &mut Marks, presence: &mut Appearances) {
        match (event, topic) {
            (Ephemeral::MessagesRead { room_id, user_id, message_ids, last_read_seq, read_at }, topic) => {
                self.take_mark(marks, &topic, (room_id, user_id), Read { message_ids, last_read_seq, read_at });
            }
            // The sockets of this node receive it without the bus.
            (Ephemeral::UserTyping { room_id, user_id, user_name, is_typing }, _) => {
                self.typing.receive(room_id, user_id, user_name, is_typing);
            }
            (Ephemeral::UserUpdated { user }, topic) => self.take_profile(user.id, topic.rooms()),
            (
                event @ (Ephemeral::UserOnline { user_id, last_seen_at }
                | Ephemeral::UserOffline { user_id, last_seen_at }),
                Topic::Rooms(rooms),
            ) => {
                let is_online = matches!(event, Ephemeral::UserOnline { .. });
                presence.offer(user_id, is_online, (last_seen_at, rooms), Instant::now());
                self.send_presence(presence);
            }
            (event, topic) => {
                self.sockets.emit(&topic, &event);
            }
        }
    }

    /// Ends sockets of a user.
    fn revoke(&self, user: UserId, sockets: Revoked) {
        match sockets {
            Revoked::Session { session_id, code } => {
                self.sockets.of_session(session_id).iter().for_each(|socket| socket.revoke(code));
            }
            Revoked::AllBut { session_id, code } => {
                let own = self.sockets.of_user(user);
                own.iter()
                    .filter(|socket| Some(socket.session_id()) != session_id)
                    .for_each(|socket| socket.revoke(code));
            }
            Revoked::MostSilent => {
                self.sockets.slots.evict(user, None);
            }
        }
    }

    /// Tells those in the same rooms of people who came and went, as far as it is time to.
    fn send_presence(&self, presence: &mut Appearances) {
        while let Some((user_id, is_online, (last_seen_at, rooms))) = presence.take(Instant::now()) {
            let event = if is_online {
                Ephemeral::UserOnline { user_id, last_seen_at }
            } else {
                Ephemeral::UserOffline { user_id, last_seen_at }
            };
            presence.used(self.sockets.emit(&Topic::Rooms(rooms), &event), Instant::now());
        }
    }

    /// What an entry means besides its delivery: for users who do not receive the room yet or any more, and for typing notices.
    fn widen_or_narrow(&self, entry: &Entry, source: Source) {
        match entry.audience {
            Audience::Gained(user) if source == Source::Local => self.gain(user, entry.room_id, entry.seq),
            Audience::Lost(user) => {
                self.typing.end_at_once(entry.room_id, user);
                self.sockets.forget_room(user, entry.room_id);
                self.send_outside(&[user], entry);
            }
            Audience::Message(user) | Audience::Silenced(user) => self.typing.end_at_once(entry.room_id, user),
            Audience::Closed => {
                self.typing.closed(entry.room_id);
                let members = self.sockets.forget_members(entry.room_id);
                self.send_outside(&members, entry);
            }
            // Of a member who was added by another node comes `Received::Added`, also if the room has no sockets here.
            Audience::Gained(_) | Audience::Unchanged => {}
        }
    }

    /// A user is a member from the seq `since` on.
    pub(crate) fn gain(&self, user: UserId, room: RoomId, since: Seq) {
        if !self.sockets.of_user(user).is_empty() {
            let newcomer = Newcomer::note(Arc::clone(&self.pending), (user, room));
            self.sockets.note_rooms(user, [room]);
            self.reconciliation.note_ends([(room, since)]);
            tokio::spawn(self.clone().welcome(newcomer, since));
        }
    }

    /// Delivers an entry to sockets that have not joined the room.
    fn send_outside(&self, users: &[UserId], entry: &Entry) {
        for user in users {
            for socket in self.sockets.of_user(*user) {
                if !socket.has_joined(entry.room_id) {
                    let signer = &self.chat.files().signer;
                    socket.deliver(entry.name, &entry.data_for(*user, entry.seq, signer));
                }
            }
        }
    }

    /// Announces the room to a new member; sockets with `rooms: "all"` join it.
    async fn welcome(self, newcomer: Newcomer, since: Seq) {
        let (user, room_id) = newcomer.member;
        let is_here = || !self.sockets.of_user(user).is_empty();
        let overview = until_answered(is_here, || chat::room::overview(&self.chat, user, room_id)).await;
        if let Some(overview) = overview {
            self.show_room(user, overview, since).await;
        }
        drop(newcomer);
        // What happened meanwhile waited for this.
        self.note_activity_of(room_id, user);
    }

    async fn show_room(&self, user: UserId, overview: chat::room::Overview, since: Seq) {
        let (room_id, state) = (overview.room.id, (overview.room.last_seq, overview.last_read_seq));
        let event = SocketEvent::RoomCreated { room: Box::new(overview.room) };
        let data = Encoded::new(&event);
        let sockets = self.sockets.of_user(user);
        for socket in &sockets {
            socket.note_state(room_id, state);
            socket.deliver(event.name(), &data);
        }
        // Beside each other: one that waits for its client does not delay the others.
        join_all(sockets.iter().map(|socket| self.let_hear_if_wanted(socket, room_id, since))).await;
    }

    /// Makes a socket with `rooms: "all"` join a room, unless it has joined as many as it may.
    async fn let_hear_if_wanted(&self, socket: &Arc<Socket>, room: RoomId, since: Seq) {
        if socket.scope == RoomScope::All && !socket.has_joined(room) && socket.joined_count() < self.rooms_per_socket {
            let is_here = || self.sockets.of_user(socket.user.id).iter().any(|own| own.id == socket.id);
            until_answered(is_here, || self.let_hear(socket, room, since)).await;
        }
    }

    /// Makes a socket join a room of which its user is a member from the seq `since` on.
    async fn let_hear(&self, socket: &Arc<Socket>, room: RoomId, since: Seq) -> Result<()> {
        let subscription = chat::room::may_subscribe(&self.chat, socket.user.id, room).await?;
        self.feed.attach(socket, room, Some(since), subscription, usize::MAX).await.map(drop)
    }
}

/// Asks again and again while the database does not answer: what a new member is not shown now, nothing shows them later. Nothing
/// when it is refused or fails for good, or nobody is there any longer who wants to know.
async fn until_answered<T, A: Future<Output = Result<T>>>(
    is_wanted: impl Fn() -> bool,
    ask: impl Fn() -> A,
) -> Option<T> {
    loop {
        match ask().await {
            Ok(answer) => return Some(answer),
            Err(error) => {
                error.record();
                if !error.is_passing() {
                    return None;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
        if !is_wanted() {
            return None;
        }
    }
}
