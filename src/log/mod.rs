//! The log of each room: every durable change, numbered without gaps in the transaction that makes it.
//!
//! New messages go through the [`writer`], which commits what many people sent in one transaction. Every other change is
//! rare: its use case opens its own transaction, locks the room, and calls [`append`](append::append()). Both are read back,
//! merged, by [`read`]. Committed entries go to the bus and to the [followers](follow) of the logs.

mod append;
pub mod entry;
mod follow;
pub(crate) mod read;
mod writer;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    cluster::bus::{Bus, Notice},
    contract::RoomId,
    db::{Db, Transaction},
    error::Result,
    tasks::{self, Tasks},
};

use self::entry::Entry;

pub(crate) use append::{Change, append, insert};
#[cfg(debug_assertions)]
pub(crate) use follow::journal;
pub(crate) use follow::{Follower, Following, Wakers, cursors};
pub(crate) use read::LogRow;
pub(crate) use writer::{Queue, Write};

/// The logs of rooms: what is committed to them is written, and followed.
#[derive(Clone, Debug)]
pub struct Log {
    bus: Bus,
    wakers: Arc<Wakers>,
    /// Jobs that wait to be written.
    waiting: Arc<AtomicUsize>,
}

impl Log {
    /// Wakes the followers when a log has grown.
    pub(crate) fn new(bus: Bus, wakers: Wakers) -> Self {
        Self { bus, wakers: Arc::new(wakers), waiting: Arc::default() }
    }

    /// A handle to the task of a writer.
    pub(crate) fn writer<W: Write>(&self, write: W, db: Db, tasks: &mut Tasks) -> Queue<W::Job> {
        writer::start(write, db, self.clone(), tasks)
    }

    /// Commits a change of a room and publishes its entries. They are read before the commit: after it, nothing can fail any more. It
    /// continues if the caller is dropped.
    pub(crate) async fn commit(&self, tx: Transaction, room_id: RoomId, entries: Vec<Entry>) -> Result<()> {
        let this = self.clone();
        tasks::to_the_end(async move {
            let committed = tx.commit().await;
            // Where the commit failed, it may have happened all the same.
            this.wakers.wake(room_id);
            committed?;
            this.bus.publish(Notice::Entries { room_id, entries: entries.into() }).await;
            Ok(())
        })
        .await
    }

    /// Publishes what a writer has committed.
    async fn publish(&self, notices: Vec<Notice>) {
        for notice in notices {
            let grown = if let Notice::Entries { room_id, .. } = notice { Some(room_id) } else { None };
            self.bus.publish(notice).await;
            grown.into_iter().for_each(|room| self.wakers.wake(room));
        }
    }

    /// Whether messages wait to be written.
    pub(crate) fn is_busy(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}
