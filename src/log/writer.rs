//! The group-commit writer: one task that stores what all users send.
//!
//! There is no timer. While one batch commits, the next one gathers in the queue; alone, a job is committed at once.
//! Encoding and publishing happen in a second task, so that the database works on the next batch meanwhile; that task keeps
//! the order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::mpsc, time::timeout};

use super::Log;
use crate::{
    cluster::bus::Notice,
    db::{Db, Transaction},
    error::{Error, Result},
    tasks::Tasks,
};

/// Jobs that may wait to be written; at 20,000 a second that is less than half a second of work.
const QUEUE: usize = 8192;

/// How many of them there are, as a metric.
const QUEUED: &str = "parlour_log_queue";

/// Jobs of one transaction. Larger ones are not faster (measured: 100 rows to a commit hide its cost), only later.
const BATCH: usize = 256;

/// How long the database may take for a batch: nothing of it is stored when that is over.
const WRITE: Duration = Duration::from_secs(6);

/// How long it may take to commit one.
const COMMIT: Duration = Duration::from_secs(2);

/// Batches that are stored and not published yet; the writer waits while there are more.
const UNPUBLISHED: usize = 4;

/// What a writer stores in one transaction, and what is published of it.
pub(crate) trait Write: Send + Sync + 'static {
    type Job: Send + Sync + 'static;
    type Outcome: Send + 'static;

    /// Writes jobs in this transaction. The answers stand in the order of the jobs; the outer error is the database's, and the whole
    /// batch's.
    fn write(
        &self,
        tx: &Transaction,
        jobs: &[Self::Job],
    ) -> impl Future<Output = Result<Vec<Result<Self::Outcome>>>> + Send;

    /// Answers those who asked for the jobs of a batch, each of which came to this; returns what is to be published.
    fn answer(&self, batch: Vec<(Self::Job, Result<Self::Outcome>)>) -> Vec<Notice>;
}

/// The way to a writer.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    jobs: mpsc::Sender<J>,
    waiting: Arc<AtomicUsize>,
}

impl<J> Clone for Queue<J> {
    fn clone(&self) -> Self {
        Self { jobs: self.jobs.clone(), waiting: Arc::clone(&self.waiting) }
    }
}

impl<J> Queue<J> {
    /// Queues a job. What one caller queues is written in the order in which it was queued.
    ///
    /// # Errors
    /// `RATE_LIMITED` when the writer is too far behind.
    pub(crate) fn push(&self, job: J) -> Result<()> {
        let permit = self.jobs.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => Error::RateLimited { retry_after: Duration::from_secs(1) },
            mpsc::error::TrySendError::Closed(()) => Error::DRAINING,
        })?;
        // Before the writer can take it.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!(QUEUED).increment(1.0);
        permit.send(job);
        Ok(())
    }
}

/// The jobs of a transaction, and what each came to.
type Batch<W> = Vec<(<W as Write>::Job, Result<<W as Write>::Outcome>)>;

/// Why a batch was not stored.
enum Failure {
    /// Refused by the database before the commit: nothing of it is stored.
    Before(Error),
    /// The commit itself failed: whether it is stored is not known, so it must not be tried again here.
    Commit(Error),
}

/// Starts the two tasks of a writer.
pub(super) fn start<W: Write>(write: W, db: Db, log: Log, tasks: &mut Tasks) -> Queue<W::Job> {
    let (queue, jobs) = mpsc::channel(QUEUE);
    let (written, batches) = mpsc::channel(UNPUBLISHED);
    let (write, waiting) = (Arc::new(write), Arc::clone(&log.waiting));
    tasks.add("log_publisher", publish(Arc::clone(&write), batches, log));
    tasks.add("log_writer", run(write, jobs, written, db, Arc::clone(&waiting)));
    Queue { jobs: queue, waiting }
}

/// Stores what comes through `jobs` until it is closed, and hands the results on to [`publish`].
async fn run<W: Write>(
    write: Arc<W>,
    mut jobs: mpsc::Receiver<W::Job>,
    written: mpsc::Sender<Batch<W>>,
    db: Db,
    waiting: Arc<AtomicUsize>,
) {
    let mut queued = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut queued, BATCH).await > 0 {
        waiting.fetch_sub(queued.len(), Ordering::Relaxed);
        metrics::gauge!(QUEUED).decrement(queued.len() as f64);
        metrics::histogram!("parlour_log_batch_jobs").record(queued.len() as f64);
        let results = store(&*write, &db, &queued).await;
        if written.send(queued.drain(..).zip(results).collect()).await.is_err() {
            return;
        }
    }
}

/// Stores a batch in one transaction. Should the database refuse it, each job is tried alone: one that it can't take
/// fails alone, not its batch.
async fn store<W: Write>(write: &W, db: &Db, jobs: &[W::Job]) -> Vec<Result<W::Outcome>> {
    let error = match commit(write, db, jobs).await {
        Ok(results) => return results,
        Err(Failure::Before(error @ Error::Internal(_))) if jobs.len() > 1 => error,
        Err(failure) => return refused(failure, jobs.len()),
    };
    tracing::warn!(%error, "a batch was refused; trying its jobs one by one");
    let mut results = Vec::with_capacity(jobs.len());
    for job in jobs.chunks(1) {
        results.extend(commit(write, db, job).await.unwrap_or_else(|failure| refused(failure, 1)));
    }
    results
}

/// The same answer to all of a batch.
fn refused<T>((Failure::Before(error) | Failure::Commit(error)): Failure, count: usize) -> Vec<Result<T>> {
    error.record();
    (0..count).map(|_| Err(error.clone())).collect()
}

async fn commit<W: Write>(write: &W, db: &Db, jobs: &[W::Job]) -> Result<Vec<Result<W::Outcome>>, Failure> {
    let written = timeout(WRITE, async {
        let tx = db.begin().await?;
        let results = write.write(&tx, jobs).await?;
        Ok((tx, results))
    });
    let late = |_| Err(Error::Unavailable("the database took too long for a batch".into()));
    let (tx, results) = written.await.unwrap_or_else(late).map_err(Failure::Before)?;
    tx.commit_within(COMMIT).await.map_err(Failure::Commit)?;
    Ok(results)
}

/// Answers those who asked and hands the new entries on, batch by batch.
async fn publish<W: Write>(write: Arc<W>, mut batches: mpsc::Receiver<Batch<W>>, log: Log) {
    while let Some(batch) = batches.recv().await {
        log.publish(write.answer(batch)).await;
    }
}
