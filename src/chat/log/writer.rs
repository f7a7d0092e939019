//! The group-commit writer: one task that stores what everybody sends.
//!
//! There is no timer. While one batch commits, the next one gathers in the queue; alone, a message is committed at once.
//! Encoding and telling happen in a second task, so that the database works on the next batch meanwhile; that task keeps
//! the order.

use tokio::sync::mpsc;

use super::{
    Job,
    batch::{self, Outcome},
};
use crate::{
    bus::{Bus, Committed},
    clock::Clock,
    contract::{command::SentMessage, event::Durable},
    db::Db,
    error::{Error, Result},
};

/// Messages of one transaction. Larger ones are not faster (measured: 100 rows to a commit hide its cost), only later.
const BATCH: usize = 256;

/// Stores what comes through `jobs` until it is closed.
pub(super) async fn run(mut jobs: mpsc::Receiver<Job>, db: Db, clock: Clock, bus: Bus) {
    let (told, results) = mpsc::channel(4);
    tokio::spawn(tell(results, bus));
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        let batch = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
        metrics::histogram!("parlour_log_batch_messages").record(batch.len() as f64);
        let outcomes = store(&db, clock, &batch).await;
        if told.send((batch, outcomes)).await.is_err() {
            return;
        }
    }
}

/// Stores a batch in one transaction. Should the database refuse it, each message is tried alone: one that it can't take
/// fails alone, not its batch.
async fn store(db: &Db, clock: Clock, jobs: &[Job]) -> Vec<Result<Outcome>> {
    match commit(db, clock, jobs).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            if jobs.len() == 1 || matches!(error, Error::Unavailable(_)) {
                error.record();
                return jobs.iter().map(|_| Err(error.clone())).collect();
            }
            let mut outcomes = Vec::with_capacity(jobs.len());
            for job in jobs.chunks(1) {
                outcomes.extend(match commit(db, clock, job).await {
                    Ok(outcome) => outcome,
                    Err(error) => {
                        error.record();
                        vec![Err(error)]
                    }
                });
            }
            outcomes
        }
    }
}

async fn commit(db: &Db, clock: Clock, jobs: &[Job]) -> Result<Vec<Result<Outcome>>> {
    let tx = db.begin().await?;
    let outcomes = batch::write(&tx, jobs, clock.now()).await?;
    tx.commit().await?;
    Ok(outcomes)
}

/// Answers the senders and hands the new entries on, batch by batch.
async fn tell(mut results: mpsc::Receiver<(Vec<Job>, Vec<Result<Outcome>>)>, bus: Bus) {
    while let Some((jobs, outcomes)) = results.recv().await {
        let mut entries = Vec::with_capacity(jobs.len());
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            let answer = outcome.map(|outcome| match outcome {
                Outcome::Stored(message) => {
                    let message = *message;
                    entries.push(Committed::new(
                        message.room_id,
                        message.seq,
                        Durable::NewMessage { message: message.clone() },
                    ));
                    SentMessage { message, duplicate: false }
                }
                Outcome::Repeated(message) => SentMessage { message: *message, duplicate: true },
            });
            // Whoever asked may be gone; what they sent is stored all the same.
            let _ = job.reply.send(answer);
        }
        bus.publish_entries(entries).await;
    }
}
