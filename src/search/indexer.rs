//! The follower that updates the search index from the logs.
//!
//! Sending does not wait for the index and costs little more: many messages are indexed in one transaction. A search reads what is not
//! indexed yet from the logs.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sea_orm::ConnectionTrait;
use tokio::{sync::Notify, time::sleep};

use super::index::{self, Document};
use crate::{
    chat::view,
    contract::{EventKind, MessageId, RoomId},
    db::{Db, Transaction},
    error::Result,
    log::{Follower, Following, Log, LogRow, Wakers},
    tasks::Tasks,
};
use entity::message;

/// A message that is taken out of the index is as much work as so many that are put in: SQLite looks for each of its parts in each
/// of its segments (measured: 6 ms for a message of a hundred characters, 45 ms for the longest).
const REMOVAL: usize = 16;

/// How often traces are wiped at the most: writing waits for it as long as for a commit.
const WIPE: Duration = Duration::from_secs(2);

/// The index before it follows the logs.
pub struct Indexing {
    follower: Following<Indexer>,
    traces: Arc<Traces>,
}

impl Indexing {
    /// Has it woken when a log has grown.
    pub(crate) fn new(wakers: &mut Wakers) -> Self {
        let traces = Arc::new(Traces::default());
        let follower = Following::new(Indexer { traces: Arc::clone(&traces) }, wakers);
        Self { follower, traces }
    }

    /// Lets it follow.
    pub(crate) fn start(self, db: &Db, log: &Log, tasks: &mut Tasks) {
        self.follower.start(db.clone(), log.clone(), tasks);
        tasks.add("search_traces", self.traces.wipe(db.clone(), log.clone()));
    }
}

/// Keeps the index.
#[derive(Debug)]
pub(super) struct Indexer {
    traces: Arc<Traces>,
}

impl Follower for Indexer {
    const NAME: &'static str = "search";
    const TASK: &'static str = "search_index";
    /// A transaction for each message would cost more than sending it.
    const LINGER: Duration = Duration::from_millis(500);

    async fn apply(&self, tx: &Transaction, room: RoomId, rows: &[LogRow]) -> Result<()> {
        let documents: Vec<Document> = changed(tx, rows.to_vec()).await?.iter().map(Document::of).collect();
        if documents.is_empty() {
            return Ok(());
        }
        let before = index::known(tx, &documents).await?;
        if !before.is_empty() || documents.iter().any(Document::is_empty) {
            self.traces.leave();
        }
        index::remove(tx, &before).await?;
        index::put(tx, &index::room(tx, room).await?, documents).await
    }

    fn weight(&self, row: &LogRow) -> usize {
        if rewritten(row).is_some() { REMOVAL } else { 1 }
    }
}

/// The message that an entry gave another text, or none.
fn rewritten(row: &LogRow) -> Option<MessageId> {
    match row {
        LogRow::Event(event) if [EventKind::MessageEdited, EventKind::MessageDeleted].contains(&event.kind) => {
            event.message_id
        }
        _ => None,
    }
}

/// The messages that some entries are about, as they are now: those that were sent, edited or deleted there.
pub(super) async fn changed(db: &impl ConnectionTrait, rows: Vec<LogRow>) -> Result<Vec<message::Model>> {
    let touched: HashSet<MessageId> = rows.iter().filter_map(rewritten).collect();
    let sent = rows.into_iter().filter_map(|row| match row {
        LogRow::Message(message) if !touched.contains(&message.id) => Some(message),
        _ => None,
    });
    let mut changed: Vec<message::Model> = sent.collect();
    changed.extend(view::by_id(db, touched).await?.into_values());
    Ok(changed)
}

/// Traces of deleted texts in the database's own log.
#[derive(Debug)]
struct Traces {
    left: AtomicBool,
    some: Notify,
}

impl Default for Traces {
    /// A process before may have left some.
    fn default() -> Self {
        Self { left: AtomicBool::new(true), some: Notify::new() }
    }
}

impl Traces {
    /// There are some, at the latest when the caller's transaction has ended.
    fn leave(&self) {
        self.left.store(true, Ordering::SeqCst);
        self.some.notify_one();
    }

    /// Wipes them when there are any and nobody waits to write. It takes the one connection that writes, so it comes after the
    /// transaction that left them.
    async fn wipe(self: Arc<Self>, db: Db, log: Log) {
        loop {
            while !self.left.swap(false, Ordering::SeqCst) {
                self.some.notified().await;
            }
            if log.is_busy() || !db.forget().await {
                self.left.store(true, Ordering::SeqCst);
            }
            sleep(WIPE).await;
        }
    }
}
