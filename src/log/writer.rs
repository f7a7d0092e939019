//! The group-commit writer: one task that stores what everybody sends, and how far everybody has read.
//!
//! There is no timer. While one batch commits, the next one gathers in the queue; alone, a message is committed at once.
//! Encoding and telling happen in a second task, so that the database works on the next batch meanwhile; that task keeps
//! the order.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, LockType},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    Job, NewMark, NewMessage, QUEUED, Telling,
    batch::{self, Outcome, Stored},
};
use crate::{
    auth::recheck,
    chat::{attachment, view::Reader},
    clock::Clock,
    cluster::bus::Notice,
    contract::{MemberId, RoomId, Seq, SessionId, Timestamp, command::SentMessage, event::Durable},
    db::{Db, Transaction, query},
    error::{Error, Result},
    log::entry::Entry,
};
use entity::{member, read_mark};

/// Jobs of one transaction. Larger ones are not faster (measured: 100 rows to a commit hide its cost), only later.
const BATCH: usize = 256;

/// How long the database may take for a batch: nothing of it is stored when that is over.
const WRITE: Duration = Duration::from_secs(6);

/// How long it may take to commit one.
const COMMIT: Duration = Duration::from_secs(2);

/// Batches that are stored and of which nobody was told yet; the writer waits while there are more.
pub(super) const UNTOLD: usize = 4;

/// What was asked together, and what came of it; the answers stand in the order of the questions.
pub(super) struct Batch {
    messages: Vec<NewMessage>,
    marks: Vec<NewMark>,
    /// Who asked for the marks.
    markers: Vec<oneshot::Sender<Result<()>>>,
}

/// What came of a batch.
pub(super) struct Results {
    messages: Vec<Result<Outcome>>,
    /// Whether each mark moved its member's forward.
    marks: Vec<Result<bool>>,
}

/// Why a batch was not stored.
enum Failure {
    /// Refused by the database before the commit: nothing of it is stored.
    Before(Error),
    /// The commit itself failed: whether it is stored is not known, so it must not be tried again here.
    Commit(Error),
}

/// Stores what comes through `jobs` until it is closed, and hands the results on to [`tell`].
pub(super) async fn run(
    mut jobs: mpsc::Receiver<Job>,
    told: mpsc::Sender<(Batch, Results)>,
    db: Db,
    clock: Clock,
    telling: Telling,
) {
    let mut queued = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut queued, BATCH).await > 0 {
        metrics::gauge!(QUEUED).decrement(queued.len() as f64);
        metrics::histogram!("parlour_log_batch_jobs").record(queued.len() as f64);
        let mut batch = Batch { messages: Vec::with_capacity(queued.len()), marks: Vec::new(), markers: Vec::new() };
        for job in queued.drain(..) {
            match job {
                Job::Message(message) => batch.messages.push(message),
                Job::Mark(mark, marker) => {
                    batch.marks.push(mark);
                    batch.markers.push(marker);
                }
            }
        }
        let results = store(&db, telling.everyone(), clock, &batch).await;
        if told.send((batch, results)).await.is_err() {
            return;
        }
    }
}

/// Stores a batch in one transaction. Should the database refuse it, each message is tried alone: one that it can't take
/// fails alone, not its batch.
async fn store(db: &Db, everyone: Reader<'_>, clock: Clock, batch: &Batch) -> Results {
    let error = match commit(db, everyone, clock, &batch.messages, &batch.marks).await {
        Ok(results) => return results,
        Err(Failure::Before(error @ Error::Internal(_))) if batch.messages.len() + batch.marks.len() > 1 => error,
        Err(Failure::Before(error) | Failure::Commit(error)) => {
            error.record();
            return Results {
                messages: batch.messages.iter().map(|_| Err(error.clone())).collect(),
                marks: batch.marks.iter().map(|_| Err(error.clone())).collect(),
            };
        }
    };
    tracing::warn!(%error, "a batch was refused; trying its messages one by one");
    let mut results = Results { messages: Vec::new(), marks: Vec::new() };
    for message in batch.messages.chunks(1) {
        results.messages.extend(alone(commit(db, everyone, clock, message, &[]).await.map(|results| results.messages)));
    }
    for mark in batch.marks.chunks(1) {
        results.marks.extend(alone(commit(db, everyone, clock, &[], mark).await.map(|results| results.marks)));
    }
    results
}

fn alone<T>(result: Result<Vec<Result<T>>, Failure>) -> Vec<Result<T>> {
    match result {
        Ok(only) => only,
        Err(Failure::Before(error) | Failure::Commit(error)) => {
            error.record();
            vec![Err(error)]
        }
    }
}

async fn commit(
    db: &Db,
    everyone: Reader<'_>,
    clock: Clock,
    messages: &[NewMessage],
    marks: &[NewMark],
) -> Result<Results, Failure> {
    let write = timeout(WRITE, async {
        let tx = db.begin().await?;
        let marked: Vec<MemberId> = marks.iter().map(|mark| mark.member_id).collect();
        let messages = if messages.is_empty() {
            Vec::new()
        } else {
            batch::write(&tx, everyone, messages, &marked, clock.now()).await?
        };
        let marks = move_marks(&tx, marks, clock.now()).await?;
        Ok((tx, Results { messages, marks }))
    });
    let late = |_| Err(Error::Unavailable("the database took too long for a batch".into()));
    let (tx, results) = write.await.unwrap_or_else(late).map_err(Failure::Before)?;
    tx.commit_within(COMMIT).await.map_err(Failure::Commit)?;
    Ok(results)
}

/// Moves read marks forward, each member's once: to the furthest that was asked for. Each advance is remembered with what it
/// passed over: that is who has read what, and when.
async fn move_marks(tx: &Transaction, marks: &[NewMark], now: Timestamp) -> Result<Vec<Result<bool>>> {
    if marks.is_empty() {
        return Ok(Vec::new());
    }
    let logins: BTreeSet<SessionId> = marks.iter().map(|mark| mark.session).collect();
    let logins = recheck::valid_logins(tx, query::padded(logins), now).await?;
    let mut furthest: BTreeMap<MemberId, &NewMark> = BTreeMap::new();
    for mark in marks.iter().filter(|mark| logins.contains(&mark.session)) {
        let furthest = furthest.entry(mark.member_id).or_insert(mark);
        if mark.seq > furthest.seq {
            *furthest = mark;
        }
    }
    let member_rows = member::Entity::find()
        .filter(member::Column::Id.is_in(query::padded(furthest.keys().copied())))
        .filter(member::Column::LeftAt.is_null())
        .order_by_asc(member::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(tx)
        .await?;
    let mut moved: HashMap<MemberId, Seq> = HashMap::new();
    let mut advances = Vec::new();
    for member_row in member_rows {
        let Some(mark) = furthest.get(&member_row.id).filter(|mark| mark.seq > member_row.last_read_seq) else {
            continue;
        };
        member::Entity::update_many()
            .col_expr(member::Column::LastReadSeq, Expr::value(mark.seq))
            .col_expr(member::Column::LastReadAt, Expr::value(mark.at))
            .filter(member::Column::Id.eq(member_row.id))
            .exec(tx)
            .await?;
        moved.insert(member_row.id, mark.seq);
        advances.push(read_mark::ActiveModel {
            room_id: Set(member_row.room_id),
            user_id: Set(member_row.user_id),
            seq: Set(mark.seq),
            from_seq: Set(member_row.last_read_seq),
            read_at: Set(mark.at),
        });
    }
    if !advances.is_empty() {
        read_mark::Entity::insert_many(advances).exec_without_returning(tx).await?;
    }
    let answer = |mark: &NewMark| match logins.contains(&mark.session) {
        true => Ok(moved.get(&mark.member_id) == Some(&mark.seq)),
        false => Err(Error::UNAUTHORIZED),
    };
    Ok(marks.iter().map(answer).collect())
}

/// Answers those who asked and hands the new entries on, batch by batch.
pub(super) async fn tell(mut batches: mpsc::Receiver<(Batch, Results)>, telling: Telling) {
    let Telling { bus, wakers, links, .. } = telling;
    while let Some((batch, results)) = batches.recv().await {
        let mut entries = Vec::with_capacity(batch.messages.len());
        // Whoever asked may be gone; what they asked for is stored all the same.
        for (job, outcome) in batch.messages.into_iter().zip(results.messages) {
            let answer = outcome.map(|outcome| {
                let (message, duplicate) = match outcome {
                    Outcome::Stored(stored) => {
                        let Stored { message, history } = *stored;
                        let change = Durable::NewMessage { message: message.clone() };
                        entries.push(Entry::new(message.room_id, message.seq, change, history));
                        (message, false)
                    }
                    Outcome::Repeated(message) => (*message, true),
                };
                SentMessage { message: attachment::addressed(message.for_sender(), job.sender, &links), duplicate }
            });
            let _ = job.reply.send(answer);
        }
        let rooms: BTreeSet<RoomId> = entries.iter().map(|entry| entry.room_id).collect();
        bus.publish_entries(entries).await;
        rooms.into_iter().for_each(|room| wakers.wake(room));
        for ((mark, moved), marker) in batch.marks.into_iter().zip(results.marks).zip(batch.markers) {
            let moved = moved.map(|moved| moved.then_some(mark));
            let (answer, mark) = match moved {
                Ok(mark) => (Ok(()), mark),
                Err(error) => (Err(error), None),
            };
            let _ = marker.send(answer);
            if let Some(NewMark { room_id, user_id, seq, at, message_ids, hears, .. }) = mark {
                let read = Notice::Read { room_id, user_id, message_ids, last_read_seq: seq, read_at: at, hears };
                bus.publish(read).await;
            }
        }
    }
}
