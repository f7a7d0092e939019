//! One socket: whose it is, which rooms it has joined, and how it is reached or ended.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    contract::{
        ErrorCode, RoomId, Seq, SessionId, User, UserId,
        command::RoomScope,
        event::{Encoded, ServerEvent, SocketEvent},
    },
    log::entry::Entry,
    media::{base_url::BaseUrl, signed_url::UrlSigner},
};

/// Names a socket on this node; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub u64);

/// The outcome of sending an event to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emission {
    /// It waits to be written.
    Queued,
    /// Its queue is full; the event was not queued.
    Full,
    /// The socket is gone.
    Gone,
}

/// The transport's end of a socket.
pub trait Transport: Send + Sync {
    /// Queues an event.
    fn emit(&self, event: &'static str, data: &Encoded) -> Emission;
    /// Ends the socket after what is queued, in the protocol's own way.
    fn disconnect(&self);
    /// Ends the socket at once, whatever is queued.
    fn kill(&self);
    /// Counts bytes that are about to be queued; false when so many wait already that no more may.
    fn weigh(&self, bytes: usize) -> bool;
    /// Whether so much waits that a replay should wait too.
    fn is_behind(&self) -> bool;
    /// Entries of a log that may be queued at once without asking that.
    fn entries_at_once(&self) -> usize;
    /// Bytes of events that one answer should have at the most.
    fn answer_bytes(&self) -> usize;
}

/// Whose a socket is.
#[derive(Debug)]
pub struct Owner {
    pub id: UserId,
    profile: Mutex<Arc<User>>,
}

impl Owner {
    /// Who they are, by the profile that they have now.
    #[must_use]
    pub fn now(&self) -> Arc<User> {
        Arc::clone(&self.profile.lock())
    }

    /// Their profile changed.
    pub fn changed(&self, profile: &Arc<User>) {
        *self.profile.lock() = Arc::clone(profile);
    }
}

/// The state of a room that a socket received: the head of the log, and the user's read mark. Everything else follows from these two.
pub type RoomState = (Seq, Seq);
/// How often a replay checks whether its client has read enough.
const PAUSE: Duration = Duration::from_millis(10);

/// A socket and whose it is.
pub struct Socket {
    pub id: SocketId,
    pub user: Owner,
    /// The login whose token was shown last.
    session_id: Mutex<SessionId>,
    pub scope: RoomScope,
    /// What completes the URLs in what is sent to it.
    urls: (UrlSigner, BaseUrl),
    transport: Box<dyn Transport>,
    pub(super) joined: Mutex<HashSet<RoomId>>,
    /// What it last received of rooms that it has not joined.
    states: Mutex<HashMap<RoomId, RoomState>>,
    revoked: AtomicBool,
    was_cut: AtomicBool,
    /// Set under the index's lock: from then on it joins nothing.
    pub(super) closed: AtomicBool,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("id", &self.id).field("user", &self.user.id).finish_non_exhaustive()
    }
}

impl Socket {
    /// A socket that has joined nothing yet.
    #[must_use]
    pub fn new(
        id: SocketId,
        user: User,
        session_id: SessionId,
        scope: RoomScope,
        urls: (UrlSigner, BaseUrl),
        transport: Box<dyn Transport>,
    ) -> Self {
        Self {
            id,
            user: Owner { id: user.id, profile: Mutex::new(Arc::new(user)) },
            session_id: Mutex::new(session_id),
            scope,
            urls,
            transport,
            joined: Mutex::default(),
            states: Mutex::default(),
            revoked: AtomicBool::new(false),
            was_cut: AtomicBool::new(false),
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
    pub fn deliver(&self, event: &'static str, data: &Encoded) -> Emission {
        let delivery = self.emit(event, data);
        if delivery == Emission::Full {
            self.cut();
        }
        delivery
    }

    /// Ends it because too much waits for its client.
    pub fn cut(&self) {
        if !self.was_cut.swap(true, Ordering::Relaxed) {
            tracing::info!(socket = self.id.0, user = %self.user.id, "socket does not keep up; cutting it");
            metrics::counter!("parlour_sockets_cut_total").increment(1);
            self.transport.kill();
        }
    }

    /// Queues entries of the log of a room that its user joined at the seq `joined`, back to back; answers whether it took
    /// them all.
    pub fn deliver_all(&self, entries: &[Entry], joined: Seq, signer: &UrlSigner) -> bool {
        let mut each = entries.iter().map(|entry| (entry.name, entry.data_for(self.user.id, joined, signer)));
        each.all(|(name, data)| self.deliver(name, &data) == Emission::Queued)
    }

    /// Queues an ephemeral event, which is dropped for a socket that is behind.
    pub fn send(&self, event: &impl ServerEvent) -> Emission {
        self.emit(event.name(), &Encoded::new(event))
    }

    /// Queues an event that the client must receive: a socket whose queue is full is cut.
    pub fn send_reliably(&self, event: &impl ServerEvent) -> Emission {
        self.deliver(event.name(), &Encoded::new(event))
    }

    /// Waits until the client has read enough for a replay to go on. Answers false if it has not by that time.
    pub async fn keeps_up(&self, until: Option<Instant>) -> bool {
        while self.transport.is_behind() {
            if until.is_some_and(|until| Instant::now() >= until) {
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
        true
    }

    /// Entries of a log that may be queued at once, without waiting for what was queued before.
    #[must_use]
    pub fn entries_at_once(&self) -> usize {
        self.transport.entries_at_once()
    }

    /// Bytes of events that one answer should have at the most.
    #[must_use]
    pub fn answer_bytes(&self) -> usize {
        self.transport.answer_bytes()
    }

    /// Queues an ephemeral event that was encoded before.
    pub fn send_encoded(&self, event: &'static str, data: &Encoded) -> Emission {
        self.emit(event, data)
    }

    fn emit(&self, event: &'static str, data: &Encoded) -> Emission {
        self.transport.emit(event, &self.with_urls(data))
    }

    /// What is sent to it, with the base URL that its client uses.
    #[must_use]
    pub fn with_urls<'a>(&self, data: &'a Encoded) -> Cow<'a, Encoded> {
        let (signer, base_url) = &self.urls;
        signer.base_urls().fill_event(data, base_url)
    }

    /// Whether it has joined a room.
    #[must_use]
    pub fn has_joined(&self, room: RoomId) -> bool {
        self.joined.lock().contains(&room)
    }

    /// Notes the state of a room that it receives; answers whether it is new.
    pub fn note_state(&self, room: RoomId, state: RoomState) -> bool {
        self.states.lock().insert(room, state) != Some(state)
    }

    /// How many rooms it has joined.
    #[must_use]
    pub fn joined_count(&self) -> usize {
        self.joined.lock().len()
    }

    /// Ends it because its session has ended: events of it that still wait are not handled.
    pub fn revoke(&self, code: ErrorCode) {
        self.revoked.store(true, Ordering::SeqCst);
        if self.send(&SocketEvent::SessionRevoked { code }) == Emission::Queued {
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

    /// Counts the bytes of an answer that is about to be queued; false when too much waits already.
    #[must_use]
    pub fn weigh(&self, bytes: usize) -> bool {
        self.transport.weigh(bytes)
    }

    /// Ends it at once.
    pub fn kill(&self) {
        self.transport.kill();
    }
}
