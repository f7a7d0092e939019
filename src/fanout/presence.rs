//! Presence. A user is online while they have a socket on any node, and a little longer, so that a page reload is not visible.
//!
//! Each node notes its own users in the [`registry`], one change after the other, and announces those whose visible presence
//! changed ([`announcements`]). A node that dies announces nothing: its lease ends, and another node announces for it ([`lease`]).

mod announcements;
mod change;
mod lease;
mod registry;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use self::{
    change::{NetChange, PresenceChange, Shift},
    registry::Registry,
};
use crate::{
    chat::Chat,
    clock,
    cluster::{bus::Bus, interest::Channel},
    contract::{
        Timestamp, UserId,
        presence::{ChosenStatus, Presence, Status},
    },
    db::Db,
    error::Result,
    fanout::{feed::Feed, sockets::Sockets},
    tasks::Tasks,
};

/// Changes noted together.
const BATCH: usize = 128;

/// How long to wait before something is tried again that the database did not take.
const PAUSE: Duration = Duration::from_secs(1);

/// How long noting them may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The presence of users.
#[derive(Debug)]
pub struct Presences {
    chat: Chat,
    bus: Bus,
    sockets: Arc<Sockets>,
    feed: Feed,
    registry: Registry,
    /// The queue of changes to announce.
    shifts: mpsc::UnboundedSender<Shift>,
    /// How long a user without a socket still counts as there.
    grace: Duration,
    /// The users of this node.
    here: Mutex<Here>,
}

#[derive(Debug)]
struct Here {
    /// Each with a count of departures, so that only the last one's grace ends the presence.
    departures: HashMap<UserId, u64>,
    changes: mpsc::UnboundedSender<QueuedChange>,
}

/// A change on its way into the registry, and who waits for it.
type QueuedChange = (UserId, PresenceChange, Option<oneshot::Sender<()>>);

impl Presences {
    /// Nobody is there yet. `node` names this node to the others.
    #[must_use]
    pub fn new(
        (db, chat, bus): (Db, Chat, Bus),
        (sockets, feed): (Arc<Sockets>, Feed),
        grace: Duration,
        node: Uuid,
        tasks: &mut Tasks,
    ) -> Arc<Self> {
        let (changes, queue) = mpsc::unbounded_channel();
        let (shifts, noted) = mpsc::unbounded_channel();
        let here = Mutex::new(Here { departures: HashMap::new(), changes });
        let is_shared = db.may_be_shared();
        let registry = Registry::new(db, node);
        let presences = Arc::new(Self { chat, bus, sockets, feed, registry, shifts, grace, here });
        tasks.add("presence_changes", note(Arc::clone(&presences), queue));
        tasks.add("presence_announcements", announcements::announce(Arc::clone(&presences), noted));
        if is_shared {
            let (held, renewals) = watch::channel(None);
            tasks.add("presence_lease", lease::keep(Arc::clone(&presences), held));
            tasks.add("presence_reaper", lease::reap(Arc::clone(&presences), renewals));
        }
        presences
    }

    /// A socket of a user came. Others can see them afterwards, unless the database is away.
    pub async fn arrive(&self, user: UserId) {
        let noted = {
            let mut here = self.here.lock();
            if let Some(departures) = here.departures.get_mut(&user) {
                // There already, or back within the grace period: their end was not announced.
                *departures += 1;
                return;
            }
            here.departures.insert(user, 0);
            here.queue(user, self.arrival(user))
        };
        let _ = noted.await;
    }

    /// The last socket of a user here went.
    pub fn depart(self: &Arc<Self>, user: UserId) {
        let departure = {
            let mut here = self.here.lock();
            let Some(departures) = here.departures.get_mut(&user) else {
                // None of their sockets got as far as being seen.
                self.sockets.forget_user(user);
                return;
            };
            *departures += 1;
            *departures
        };
        let this = Arc::clone(self);
        let left_at = clock::now();
        tokio::spawn(async move {
            tokio::time::sleep(this.grace).await;
            this.settle(user, departure, left_at);
        });
    }

    fn settle(&self, user: UserId, departure: u64, left_at: Timestamp) {
        let mut here = self.here.lock();
        if here.departures.get(&user) == Some(&departure) && self.sockets.of_user(user).is_empty() {
            here.departures.remove(&user);
            // Nobody waits for this.
            drop(here.queue(user, PresenceChange::Went(left_at)));
            self.sockets.forget_user(user);
        }
    }

    /// That a user came, with their chosen status.
    fn arrival(&self, user: UserId) -> PresenceChange {
        let is_invisible = self.sockets.is_invisible(user);
        PresenceChange::Came(if is_invisible { ChosenStatus::Invisible } else { ChosenStatus::default() })
    }

    /// A user chose how to appear.
    pub async fn choose(&self, user: UserId, chosen: ChosenStatus) {
        let noted = {
            let here = self.here.lock();
            if !here.departures.contains_key(&user) {
                return;
            }
            here.queue(user, PresenceChange::Chose(chosen, clock::now()))
        };
        let _ = noted.await;
        self.feed.show_or_hide(user, chosen == ChosenStatus::Invisible);
    }

    /// How some users appear to others, each with when they were last connected.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn of(&self, seen: &HashMap<UserId, Option<Timestamp>>) -> Result<HashMap<UserId, Presence>> {
        let there = self.registry.of(seen.keys().copied().collect()).await?;
        let presence = |(user, last_seen_at): (&UserId, &Option<Timestamp>)| {
            let status = there.get(user).map_or(Status::Offline, |chosen| chosen.shown());
            let last_seen_at = last_seen_at.filter(|_| status == Status::Offline);
            (*user, Presence { user_id: *user, status, last_seen_at })
        };
        Ok(seen.iter().map(presence).collect())
    }
}

impl Here {
    fn queue(&self, user: UserId, change: PresenceChange) -> oneshot::Receiver<()> {
        let (done, noted) = oneshot::channel();
        // The queue ends with this.
        let _ = self.changes.send((user, change, Some(done)));
        noted
    }
}

/// Brings changes into the registry, in their order, many at a time; what the database does not take is tried again.
async fn note(presences: Arc<Presences>, mut queue: mpsc::UnboundedReceiver<QueuedChange>) {
    let mut steps: BTreeMap<UserId, NetChange> = BTreeMap::new();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let received = if steps.is_empty() {
            queue.recv_many(&mut batch, BATCH).await
        } else {
            tokio::time::timeout(PAUSE, queue.recv_many(&mut batch, BATCH)).await.unwrap_or(1)
        };
        if received == 0 {
            return;
        }
        let mut waiting = Vec::new();
        for (user, change, done) in batch.drain(..) {
            steps.entry(user).or_default().then(change);
            waiting.extend(done);
        }
        match Db::in_time(TIMEOUT, presences.registry.note(&steps)).await {
            Ok(shifts) => {
                for (user, step) in std::mem::take(&mut steps) {
                    if step.is_invisible.is_some() {
                        // Other nodes with a socket of theirs read it.
                        presences.bus.have_compared(Channel::User(user));
                    }
                }
                presences.note_shifts(shifts);
            }
            Err(error) => error.record(),
        }
        for done in waiting {
            let _ = done.send(());
        }
    }
}
