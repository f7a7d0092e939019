//! The task that brings the index after the log: a cursor for each room, like any other reader's.
//!
//! Sending does not wait for the index, and pays nothing for it; what is not indexed yet a search reads from the log itself.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, RelationDef,
    sea_query::{Expr, Func},
};
use tokio::{sync::Notify, time::Instant};

use super::index::{self, Document};
use crate::{
    chat::{log::Log, view},
    contract::{EventKind, MessageId, RoomId, Seq},
    db::Db,
    error::Result,
};
use entity::{message, room, room_event, search_room};

/// Places of a log that are indexed in one transaction. On SQLite nobody else writes meanwhile, so it is a short one.
const PIECE: i64 = 128;

/// While messages wait to be written, the index takes one part in this many of the time.
const SHARE: u32 = 5;

/// How often all rooms are looked at, for what another node committed and did not index.
const SWEEP: Duration = Duration::from_secs(60);

/// Tells the indexer which rooms have something new. The indexer ends with the last of these.
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
    /// Starts the task.
    pub(in crate::chat) fn start(db: Db, log: Log) -> Self {
        let news = Arc::<News>::default();
        tokio::spawn(run(Arc::downgrade(&news), db, log));
        Self { news }
    }

    /// Says that the log of a room has grown.
    pub fn note(&self, room: RoomId) {
        if self.news.rooms.lock().insert(room) {
            self.news.some.notify_one();
        }
    }
}

async fn run(news: Weak<News>, db: Db, log: Log) {
    let mut swept: Option<Instant> = None;
    loop {
        let Some(all) = news.upgrade() else { return };
        if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            match behind(&db).await {
                Ok(rooms) => all.rooms.lock().extend(rooms),
                Err(error) => error.record(),
            }
            swept = Some(Instant::now());
        }
        let next = all.rooms.lock().pop_first();
        let Some(room) = next else {
            // Woken by news, or to look around.
            let _ = tokio::time::timeout(SWEEP, all.some.notified()).await;
            continue;
        };
        let began = Instant::now();
        match Db::in_time(piece(&db, room)).await {
            Ok(true) => drop(all.rooms.lock().insert(room)),
            Ok(false) => {}
            Err(error) => {
                error.record();
                all.rooms.lock().insert(room);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        drop(all);
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

/// Indexes the next places of a room's log; answers whether there are more.
async fn piece(db: &Db, id: RoomId) -> Result<bool> {
    let Some(last) = room::Entity::find_by_id(id).one(db.read()).await?.map(|room| room.last_seq) else {
        return Ok(false);
    };
    let known = search_room::Entity::find().filter(search_room::Column::RoomId.eq(id)).one(db.read()).await?;
    let from = known.map_or(Seq::ZERO, |room| room.indexed_seq);
    if from >= last {
        return Ok(false);
    }
    let up_to = Ord::min(last, Seq(from.0 + PIECE));
    let documents: Vec<Document> = changed(db, id, from, up_to).await?.iter().map(Document::of).collect();

    let tx = db.begin().await?;
    let room = index::room(&tx, id).await?;
    let moved = search_room::Entity::update_many()
        .col_expr(search_room::Column::IndexedSeq, Expr::value(up_to))
        .filter(search_room::Column::Number.eq(room.number))
        .filter(search_room::Column::IndexedSeq.eq(from))
        .exec(&tx)
        .await?;
    if moved.rows_affected == 1 {
        let count = documents.len() as u64;
        index::put(&tx, &room, documents).await?;
        tx.commit().await?;
        metrics::counter!("parlour_search_indexed_total").increment(count);
    }
    // Otherwise another node was faster, and what it did is not done twice.
    Ok(up_to < last)
}

/// The messages that the places `(after, up_to]` of a log are about, as they are now: those that were sent, edited or deleted
/// there.
pub(super) async fn changed(db: &Db, room: RoomId, after: Seq, up_to: Seq) -> Result<Vec<message::Model>> {
    let sent = message::Entity::find()
        .filter(message::Column::RoomId.eq(room))
        .filter(message::Column::Seq.gt(after))
        .filter(message::Column::Seq.lte(up_to))
        .order_by_asc(message::Column::Seq)
        .all(db.read())
        .await?;
    let touched: Vec<Option<MessageId>> = room_event::Entity::find()
        .select_only()
        .column(room_event::Column::MessageId)
        .filter(room_event::Column::RoomId.eq(room))
        .filter(room_event::Column::Seq.gt(after))
        .filter(room_event::Column::Seq.lte(up_to))
        .filter(room_event::Column::Kind.is_in([EventKind::MessageEdited, EventKind::MessageDeleted]))
        .into_tuple()
        .all(db.read())
        .await?;
    let known: HashSet<MessageId> = sent.iter().map(|message| message.id).collect();
    let touched = touched.into_iter().flatten().filter(|id| !known.contains(id)).collect();
    let mut changed = sent;
    changed.extend(view::by_id(db.read(), touched).await?.into_values());
    Ok(changed)
}
