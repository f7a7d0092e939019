//! The bus: notices of what was committed, for this node and the others.
//!
//! Use cases do not call the sockets: they return from their transaction and hand the bus a [`Notice`] as a value. The bus
//! gives every notice to this node's delivery task, in the order in which it got them, and, where there is a Redis, to the
//! other nodes that need it ([`redis`]). It never waits for those: they read the log by themselves, and notices only make that
//! fast.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::interest::Channel;

use crate::{
    contract::{ErrorCode, RoomId, Seq, SessionId, UserId, event::Ephemeral},
    db::Transaction,
    error::Result,
    log::entry::Entry,
    tasks,
};

/// Notices that may wait for delivery before commits have to wait too.
const CAPACITY: usize = 8_192;

/// Notices that may wait for other nodes, of as many rooms: some seconds of the most that is written. What does not fit they read
/// from the log.
const OUTWARD: usize = 65_536;

/// A notice. There are these three kinds and no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// Entries of a room's log, ascending by `seq`.
    Entries { room_id: RoomId, entries: Arc<[Entry]> },
    /// An ephemeral event for a topic.
    Emit {
        topic: Topic,
        #[serde(with = "by_name")]
        event: Ephemeral,
    },
    /// Sockets of a user end now.
    Revoked { user_id: UserId, sockets: Revoked },
}

/// Who receives an ephemeral event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// The subscribers of a room, except the user whom it is about.
    Room(RoomId),
    /// The subscribers of any of these rooms, each once, except the user whom it is about.
    Rooms(Arc<[RoomId]>),
    /// All sockets of a user.
    User(UserId),
}

impl Topic {
    /// The rooms whose subscribers it means.
    #[must_use]
    pub fn rooms(&self) -> &[RoomId] {
        match self {
            Self::Room(room) => std::slice::from_ref(room),
            Self::Rooms(rooms) => rooms,
            Self::User(_) => &[],
        }
    }
}

/// Which sockets of a user end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revoked {
    /// Those of a login.
    Session { session_id: SessionId, code: ErrorCode },
    /// All, but for those of one login.
    AllBut { session_id: Option<SessionId>, code: ErrorCode },
    /// The one that has been silent for longest: there are too many.
    MostSilent,
}

/// An event for another node.
mod by_name {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use serde_json::value::RawValue;

    use crate::contract::event::{Ephemeral, ServerEvent};

    #[derive(Serialize)]
    struct Named<'a> {
        name: &'static str,
        data: &'a Ephemeral,
    }

    #[derive(Deserialize)]
    struct NamedText {
        name: String,
        data: Box<RawValue>,
    }

    pub(super) fn serialize<S: Serializer>(event: &Ephemeral, serializer: S) -> Result<S::Ok, S::Error> {
        Named { name: event.name(), data: event }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ephemeral, D::Error> {
        let NamedText { name, data } = NamedText::deserialize(deserializer)?;
        Ephemeral::read(&name, &data).map_err(D::Error::custom)
    }
}

/// What comes from the other nodes.
#[derive(Debug)]
pub enum Received {
    Notice(Notice),
    /// A user with a socket here became a member of a room, at this seq. This node may not subscribe to the room yet.
    Added {
        user_id: UserId,
        room_id: RoomId,
        seq: Seq,
    },
    /// Messages on these channels may have been missed: the subscription is new, or another node says so.
    MissedOn(Vec<Channel>),
    /// Messages of any channel may have been missed.
    Missed,
}

/// A message for other nodes.
#[derive(Debug)]
pub(crate) enum Outward {
    Notice(Notice),
    /// They should reconcile a channel with the database.
    Compare(Channel),
}

/// The receivers of notices.
#[derive(Debug)]
pub struct Inlet {
    /// Notices of this node.
    pub own: mpsc::Receiver<Notice>,
    /// Messages of other nodes.
    pub others: mpsc::Receiver<Received>,
}

/// What waits to be sent to other nodes.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) messages: mpsc::Receiver<Outward>,
    /// Set when something did not fit, or could not be sent.
    pub(crate) lost: Arc<AtomicBool>,
    /// Receives messages of other nodes.
    pub(crate) received: mpsc::Sender<Received>,
}

/// Where notices go.
#[derive(Clone, Debug)]
pub struct Bus {
    local: mpsc::Sender<Notice>,
    outward: Option<ToOthers>,
}

#[derive(Clone, Debug)]
struct ToOthers {
    messages: mpsc::Sender<Outward>,
    lost: Arc<AtomicBool>,
}

impl Bus {
    /// The bus of a single node, and its receiver.
    #[must_use]
    pub fn alone() -> (Self, Inlet) {
        let (local, own) = mpsc::channel(CAPACITY);
        let (_, others) = mpsc::channel(1);
        (Self { local, outward: None }, Inlet { own, others })
    }

    /// The bus of one node among others, and its two ends.
    #[must_use]
    pub(crate) fn among_others() -> (Self, Inlet, Outlet) {
        let (local, own) = mpsc::channel(CAPACITY);
        let (received, others) = mpsc::channel(CAPACITY);
        let (sender, messages) = mpsc::channel(OUTWARD);
        let lost = Arc::<AtomicBool>::default();
        let outward = Some(ToOthers { messages: sender, lost: Arc::clone(&lost) });
        (Self { local, outward }, Inlet { own, others }, Outlet { messages, lost, received })
    }

    /// Publishes what is committed. Waits while delivery is behind; never call it inside a transaction.
    pub async fn publish(&self, notice: Notice) {
        if self.outward.is_some() {
            self.publish_to_others(notice.clone());
        }
        // Delivery ends only when the process does; what it misses then is in the log.
        let _ = self.local.send(notice).await;
    }

    /// Publishes only to this node what it found out by itself.
    pub async fn publish_here(&self, notice: Notice) {
        let _ = self.local.send(notice).await;
    }

    /// Publishes only to other nodes what this one has handled already.
    pub fn publish_to_others(&self, notice: Notice) {
        self.send_out(|| Outward::Notice(notice));
    }

    /// Requests that other nodes reconcile a channel with the database.
    pub fn have_compared(&self, channel: Channel) {
        self.send_out(|| Outward::Compare(channel));
    }

    fn send_out(&self, message: impl FnOnce() -> Outward) {
        if let Some(outward) = &self.outward
            && outward.messages.try_send(message()).is_err()
        {
            metrics::counter!("parlour_bus_dropped_total").increment(1);
            outward.lost.store(true, Ordering::SeqCst);
        }
    }

    /// Commits a change and publishes it, as one step that continues if the caller is dropped: a client that disconnects must not leave a
    /// change that was not published.
    ///
    /// # Errors
    /// When the commit fails; then nothing is published, although the change may be stored.
    pub async fn commit(&self, tx: Transaction, notice: Notice) -> Result<()> {
        self.commit_all(tx, vec![notice]).await
    }

    /// The same, for several notices.
    ///
    /// # Errors
    /// The same.
    pub async fn commit_all(&self, tx: Transaction, notices: Vec<Notice>) -> Result<()> {
        let bus = self.clone();
        tasks::to_the_end(async move {
            tx.commit().await?;
            for notice in notices {
                bus.publish(notice).await;
            }
            Ok(())
        })
        .await
    }
}
