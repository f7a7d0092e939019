//! What was committed, on its way to whoever listens.
//!
//! Use cases do not call the sockets: they return from their transaction and hand the bus a [`Notice`] as a value. The bus
//! gives every notice to this node's delivery task, in the order in which it got them, and, where there is a Redis, to the
//! other nodes that have somebody who wants it ([`redis`]). It never waits for those: they follow the log by themselves, and
//! what is told only makes that fast.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::interest::Topic;

use crate::{
    contract::{ErrorCode, MessageId, RoomId, Seq, SessionId, Timestamp, UserId},
    db::Transaction,
    error::Result,
    log::entry::Entry,
    tasks,
};

/// Notices that may wait for delivery before those who commit have to wait too.
const CAPACITY: usize = 1024;

/// Notices that may wait for the way to other nodes; what does not fit they find in the log.
const OUTWARD: usize = 4096;

/// Something that others should hear of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// Entries of rooms' logs; those of one room ascend by `seq`.
    Committed(Arc<[Entry]>),
    /// Somebody became a member of a room, at that seq: for other nodes, which may not follow the room yet.
    Added { user_id: UserId, room_id: RoomId, seq: Seq },
    /// A member's read mark moved.
    Read {
        room_id: RoomId,
        user_id: UserId,
        message_ids: Vec<MessageId>,
        last_read_seq: Seq,
        read_at: Timestamp,
        hears: Hears,
    },
    /// Somebody's profile changed, who is in these rooms.
    Profile { user_id: UserId, rooms: Arc<[RoomId]> },
    /// Somebody began or ceased to write.
    Typing { room_id: RoomId, user_id: UserId, user_name: String, is_typing: bool },
    /// Somebody came or went, as those in one of these rooms are told.
    Presence { user_id: UserId, is_online: bool, last_seen_at: Option<Timestamp>, rooms: Arc<[RoomId]> },
    /// Somebody appears offline from now on, or no longer does: for nodes with a socket of theirs.
    Appearance { user_id: UserId, is_invisible: bool },
    /// Sockets of a login end now.
    SessionRevoked { user_id: UserId, session_id: SessionId, code: ErrorCode },
    /// Sockets of a user end now, but for those of one login.
    UserRevoked { user_id: UserId, except: Option<SessionId>, code: ErrorCode },
    /// A user has a socket too many: the one here ends that has been silent for longest.
    SocketTooMany { user_id: UserId },
}

/// Who is told of a read mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hears {
    /// Who hears the room, and the member's own sockets.
    Everybody,
    /// Who hears the room, but for the member.
    Others,
    /// The member's own sockets.
    Themselves,
}

/// What comes from the other nodes.
#[derive(Debug)]
pub enum Heard {
    Notice(Notice),
    /// These topics are followed from now on; what was told of them before was missed.
    Following(Vec<Topic>),
    /// Something was missed, of whatever.
    Missed,
}

/// The ends at which this node takes what it is told.
#[derive(Debug)]
pub struct Inlet {
    /// What happened here.
    pub own: mpsc::Receiver<Notice>,
    /// What happened elsewhere.
    pub others: mpsc::Receiver<Heard>,
}

/// What waits for the way to the other nodes.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) notices: mpsc::Receiver<Notice>,
    /// Set when something did not fit, or could not be sent.
    pub(crate) lost: Arc<AtomicBool>,
    /// Takes what the others tell.
    pub(crate) heard: mpsc::Sender<Heard>,
}

/// Where notices go.
#[derive(Clone, Debug)]
pub struct Bus {
    local: mpsc::Sender<Notice>,
    outward: Option<Outward>,
}

#[derive(Clone, Debug)]
struct Outward {
    notices: mpsc::Sender<Notice>,
    lost: Arc<AtomicBool>,
}

impl Bus {
    /// The bus of a node that is alone, and the end at which it takes its notices.
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
        let (heard, others) = mpsc::channel(CAPACITY);
        let (sender, notices) = mpsc::channel(OUTWARD);
        let lost = Arc::<AtomicBool>::default();
        let outward = Some(Outward { notices: sender, lost: Arc::clone(&lost) });
        (Self { local, outward }, Inlet { own, others }, Outlet { notices, lost, heard })
    }

    /// Tells of something that is committed. Waits while delivery is behind; never call it inside a transaction.
    pub async fn publish(&self, notice: Notice) {
        self.tell_others(notice.clone());
        // Delivery ends only when the process does; what it misses then is in the log.
        let _ = self.local.send(notice).await;
    }

    /// Tells only this node, of what it found out by itself.
    pub async fn publish_here(&self, notice: Notice) {
        let _ = self.local.send(notice).await;
    }

    /// Tells only the other nodes, of what this one has seen to already.
    pub fn tell_others(&self, notice: Notice) {
        if let Some(outward) = &self.outward
            && outward.notices.try_send(notice).is_err()
        {
            metrics::counter!("parlour_bus_dropped_total").increment(1);
            outward.lost.store(true, Ordering::SeqCst);
        }
    }

    /// Commits a change and tells of it, as one step that goes on when the caller is dropped in between: a client that
    /// hangs up must not leave behind a change that nobody hears of.
    ///
    /// # Errors
    /// When the commit fails; then nothing is told, and it may have happened all the same.
    pub async fn commit(&self, tx: Transaction, notice: Notice) -> Result<()> {
        self.commit_all(tx, vec![notice]).await
    }

    /// The same, for a change of which there is more to tell.
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

    /// Tells of entries of rooms' logs.
    pub async fn publish_entries(&self, entries: Vec<Entry>) {
        if !entries.is_empty() {
            self.publish(Notice::Committed(entries.into())).await;
        }
    }
}
