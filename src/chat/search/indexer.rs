//! The task that brings the index after the log: a cursor for each room, like any other reader's.
//!
//! Sending does not wait for the index, and pays nothing for it; what is not indexed yet a search reads from the log itself.

use std::{
    collections::{BTreeSet, HashSet},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, RelationDef,
    sea_query::{Expr, Func},
};
use tokio::{sync::Notify, time::Instant};

use super::index::{self, Document};
use crate::{
    chat::{log::Log, view},
    contract::{EventKind, MessageId, RoomId, Seq},
    db::Db,
    error::Result,
    tasks::Tasks,
};
use entity::{message, room, room_event, search_room};

/// Places of a log that are indexed in one transaction. On SQLite nobody else writes meanwhile, so it is a short one.
const PIECE: i64 = 128;

/// Messages that are taken out of the index in one transaction: SQLite looks for each of their parts in each of its segments
/// (measured: 6 ms for a message of a hundred characters, 45 ms for the longest).
const REMOVED: usize = 8;

/// While messages wait to be written, the index takes one part in this many of the time.
const SHARE: u32 = 5;

/// How often all rooms are looked at, for what another node committed and did not index.
const SWEEP: Duration = Duration::from_secs(60);

/// How long a piece may take: longer than any does, unless what it waits for never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often traces are wiped at the most: writing waits for it as long as for a commit.
const WIPE: Duration = Duration::from_secs(2);

/// Tells the indexer which rooms have something new.
#[derive(Clone, Debug)]
pub struct Indexer {
    news: Arc<News>,
}

#[derive(Debug, Default)]
struct News {
    rooms: Mutex<BTreeSet<RoomId>>,
    some: Notify,
}

impl Indexer {
    /// The way to a task that follows the log.
    pub(in crate::chat) fn new(db: Db, log: Log, tasks: &mut Tasks) -> Self {
        let news = Arc::<News>::default();
        tasks.add("search_index", run(Arc::clone(&news), db, log));
        Self { news }
    }

    /// Says that the log of a room has grown.
    pub fn note(&self, room: RoomId) {
        if self.news.rooms.lock().insert(room) {
            self.news.some.notify_one();
        }
    }
}

impl News {
    /// The next room that has something new. Rooms take turns: one that always has does not keep the others waiting.
    fn next(&self, last: Option<RoomId>) -> Option<RoomId> {
        let mut rooms = self.rooms.lock();
        let behind = last.and_then(|last| rooms.range((Bound::Excluded(last), Bound::Unbounded)).next().copied());
        let next = behind.or_else(|| rooms.first().copied())?;
        rooms.remove(&next);
        Some(next)
    }
}

/// What the database's log still tells of what was said.
struct Traces {
    left: bool,
    wiped: Option<Instant>,
}

impl Traces {
    /// Wipes them, if there are any and nobody waits to write; answers when to look again.
    async fn wipe(&mut self, db: &Db, log: &Log) -> Duration {
        if self.left && !log.is_busy() && self.wiped.is_none_or(|at| at.elapsed() >= WIPE) {
            self.left = !db.forget().await;
            self.wiped = Some(Instant::now());
        }
        if self.left { WIPE } else { SWEEP }
    }
}

async fn run(all: Arc<News>, db: Db, log: Log) {
    // A process before may have left some.
    let mut traces = Traces { left: true, wiped: None };
    let (mut swept, mut last) = (None::<Instant>, None);
    loop {
        if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            match behind(&db).await {
                Ok(rooms) => all.rooms.lock().extend(rooms),
                Err(error) => error.record(),
            }
            swept = Some(Instant::now());
        }
        let Some(room) = all.next(last) else {
            let pause = traces.wipe(&db, &log).await;
            // Woken by news, or to look around.
            let _ = tokio::time::timeout(pause, all.some.notified()).await;
            continue;
        };
        last = Some(room);
        let began = Instant::now();
        match Db::in_time(PATIENCE, piece(&db, room)).await {
            Ok(done) => {
                traces.left |= done.removes;
                if done.has_more {
                    all.rooms.lock().insert(room);
                }
            }
            Err(error) => {
                error.record();
                all.rooms.lock().insert(room);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        if log.is_busy() {
            tokio::time::sleep(began.elapsed() * (SHARE - 1)).await;
        }
    }
}

/// The rooms whose logs are longer than the index has read.
async fn behind(db: &Db) -> Result<Vec<RoomId>> {
    let indexed: RelationDef =
        room::Entity::belongs_to(search_room::Entity).from(room::Column::Id).to(search_room::Column::RoomId).into();
    let reached =
        Func::coalesce([Expr::col((search_room::Entity, search_room::Column::IndexedSeq)), Expr::value(0_i64)]);
    Ok(room::Entity::find()
        .select_only()
        .column(room::Column::Id)
        .join(JoinType::LeftJoin, indexed)
        .filter(Expr::col((room::Entity, room::Column::LastSeq)).gt(reached))
        .into_tuple()
        .all(db.read())
        .await?)
}

/// What came of some places of a log.
#[derive(Default)]
struct Done {
    has_more: bool,
    /// Whether something that was said is said no longer.
    removes: bool,
}

/// Indexes the next places of a room's log.
async fn piece(db: &Db, id: RoomId) -> Result<Done> {
    let Some(last) = room::Entity::find_by_id(id).one(db.read()).await?.map(|room| room.last_seq) else {
        return Ok(Done::default());
    };
    let known = search_room::Entity::find().filter(search_room::Column::RoomId.eq(id)).one(db.read()).await?;
    let from = known.map_or(Seq::ZERO, |room| room.indexed_seq);
    if from >= last {
        return Ok(Done::default());
    }
    let up_to = Ord::min(last, Seq(from.0 + PIECE));
    let documents: Vec<Document> = changed(db.read(), id, from, up_to).await?.iter().map(Document::of).collect();
    let before = index::known(db.read(), &documents).await?;
    let done = Done { has_more: up_to < last, removes: !before.is_empty() || documents.iter().any(Document::is_empty) };

    // Where another node was faster, what it did is not done twice.
    for some in before.chunks(REMOVED) {
        let tx = db.begin().await?;
        if index::room_at(&tx, id, from).await?.is_none() {
            return Ok(done);
        }
        index::remove(&tx, some).await?;
        tx.commit().await?;
    }
    let tx = db.begin().await?;
    let Some(room) = index::room_at(&tx, id, from).await? else { return Ok(done) };
    search_room::Entity::update_many()
        .col_expr(search_room::Column::IndexedSeq, Expr::value(up_to))
        .filter(search_room::Column::Number.eq(room.number))
        .exec(&tx)
        .await?;
    let count = documents.len() as u64;
    index::put(&tx, &room, documents).await?;
    tx.commit().await?;
    metrics::counter!("parlour_search_indexed_total").increment(count);
    Ok(done)
}

/// The messages that the places `(after, up_to]` of a log are about, as they are now: those that were sent, edited or deleted
/// there.
pub(super) async fn changed(
    db: &impl ConnectionTrait,
    room: RoomId,
    after: Seq,
    up_to: Seq,
) -> Result<Vec<message::Model>> {
    let sent = message::Entity::find()
        .filter(message::Column::RoomId.eq(room))
        .filter(message::Column::Seq.gt(after))
        .filter(message::Column::Seq.lte(up_to))
        .order_by_asc(message::Column::Seq)
        .all(db)
        .await?;
    let touched: Vec<Option<MessageId>> = room_event::Entity::find()
        .select_only()
        .column(room_event::Column::MessageId)
        .filter(room_event::Column::RoomId.eq(room))
        .filter(room_event::Column::Seq.gt(after))
        .filter(room_event::Column::Seq.lte(up_to))
        .filter(room_event::Column::Kind.is_in([EventKind::MessageEdited, EventKind::MessageDeleted]))
        .into_tuple()
        .all(db)
        .await?;
    let known: HashSet<MessageId> = sent.iter().map(|message| message.id).collect();
    let touched = touched.into_iter().flatten().filter(|id| !known.contains(id)).collect();
    let mut changed = sent;
    changed.extend(view::by_id(db, touched).await?.into_values());
    Ok(changed)
}
