//! How what people do gets into the logs of their rooms.
//!
//! Messages and read marks are queued: one transaction writes what many people sent. Other changes are rare, and each takes a
//! transaction of its own, in which [`Permit::append`] gives it the next seqs.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::{
    attachment, entries,
    message::{
        batch::{self, Stored},
        submission::NewMessage,
    },
    permission::Permit,
    receipt::marks::{self, NewMark},
    recipient::Recipient,
};
use crate::{
    auth::Actor,
    clock,
    cluster::bus::Notice,
    config::Emails,
    contract::{MemberId, RoomId, Seq, Timestamp, command::SentMessage, event::Durable, message::SendMessage},
    db::{Db, Transaction},
    error::{Error, Result},
    log::{self, Change, Log, Queue, Write, entry::Entry},
    media::signed_url::UrlSigner,
    tasks::Tasks,
};
use entity::room;

/// The way into the logs of rooms.
#[derive(Clone, Debug)]
pub(crate) struct RoomLog {
    log: Log,
    queue: Queue<Job>,
    signer: UrlSigner,
    emails: Emails,
}

/// Something on its way into the database with the next batch.
#[derive(Debug)]
pub(crate) enum Job {
    Message(NewMessage),
    Mark(NewMark, oneshot::Sender<Result<()>>),
}

/// What a job came to.
pub(crate) enum JobOutcome {
    Message(batch::SendOutcome),
    /// Whether the mark moved.
    Mark(bool),
}

/// A job was answered as one of the other kind.
const MIXED_UP: &str = "a message was answered as a mark, or a mark as a message";

impl JobOutcome {
    fn of_message(self) -> Result<batch::SendOutcome> {
        match self {
            Self::Message(outcome) => Ok(outcome),
            Self::Mark(_) => Err(Error::internal(MIXED_UP)),
        }
    }

    fn of_mark(self) -> Result<bool> {
        match self {
            Self::Mark(moved) => Ok(moved),
            Self::Message(_) => Err(Error::internal(MIXED_UP)),
        }
    }
}

/// The answer that a queued message will get, once it is committed or refused.
pub(crate) type Answer = oneshot::Receiver<Result<SentMessage>>;

impl RoomLog {
    /// The way to a writer, which is a task.
    pub(crate) fn new(log: Log, db: Db, (signer, emails): (UrlSigner, Emails), tasks: &mut Tasks) -> Self {
        let queue = log.writer(Writing { signer: signer.clone(), emails }, db, tasks);
        Self { log, queue, signer, emails }
    }

    /// Queues a message. What one caller queues is written in the order in which it was queued.
    ///
    /// # Errors
    /// `RATE_LIMITED` when the writer is too far behind.
    pub(crate) fn submit(&self, actor: &Actor, request: SendMessage) -> Result<Answer> {
        let (reply, answer) = oneshot::channel();
        self.queue.push(Job::Message(NewMessage::new(actor, request, reply)))?;
        Ok(answer)
    }

    /// Moves a member's read mark forward with the next batch, and notifies the room. A mark is no entry of the log, but a commit
    /// of its own for each would keep messages waiting.
    ///
    /// # Errors
    /// `RATE_LIMITED` when the writer is too far behind, `SERVICE_UNAVAILABLE`.
    pub(crate) async fn mark(&self, mark: NewMark) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.queue.push(Job::Mark(mark, reply))?;
        answer.await.unwrap_or(Err(Error::DRAINING))
    }

    /// Commits a change that took the last `count` seqs of a room, and publishes its entries.
    ///
    /// # Errors
    /// When the database does not answer; when that was the commit itself, it may have happened all the same.
    pub(crate) async fn commit(&self, tx: Transaction, room: &room::Model, count: usize) -> Result<()> {
        let after = Seq(room.last_seq.0 - i64::try_from(count).map_err(Error::internal)?);
        let everyone = Recipient::everyone(&self.signer, self.emails);
        let entries = entries::read(&tx, everyone, room.id, after, room.last_seq, count).await?;
        self.log.commit(tx, room.id, entries).await
    }
}

impl Permit {
    /// Gives changes that this permits the next seqs of the room's log, in this transaction; answers the room as it is then, and
    /// the seqs are its last ones.
    ///
    /// # Errors
    /// `ROOM_NOT_FOUND`.
    pub(crate) async fn append(&self, tx: &Transaction, changes: &[Change], now: Timestamp) -> Result<room::Model> {
        log::append(tx, self.room_id(), self.user_id(), changes, now).await
    }
}

/// How the writer writes what people send.
struct Writing {
    signer: UrlSigner,
    emails: Emails,
}

impl Write for Writing {
    type Job = Job;
    type Outcome = JobOutcome;

    async fn write(&self, tx: &Transaction, jobs: &[Job]) -> Result<Vec<Result<JobOutcome>>> {
        let (mut messages, mut marks) = (Vec::with_capacity(jobs.len()), Vec::new());
        for job in jobs {
            match job {
                Job::Message(message) => messages.push(message),
                Job::Mark(mark, _) => marks.push(mark),
            }
        }
        let marked: Vec<MemberId> = marks.iter().map(|mark| mark.member_id).collect();
        let everyone = Recipient::everyone(&self.signer, self.emails);
        let mut messages = batch::write(tx, everyone, &messages, &marked, clock::now()).await?.into_iter();
        let mut marks = marks::advance(tx, &marks, clock::now()).await?.into_iter();
        let outcome = |job: &Job| match job {
            Job::Message(_) => messages.next().map(|outcome| outcome.map(JobOutcome::Message)),
            Job::Mark(..) => marks.next().map(|moved| moved.map(JobOutcome::Mark)),
        };
        jobs.iter().map(outcome).collect::<Option<_>>().ok_or_else(|| Error::internal("a job was not answered"))
    }

    fn answer(&self, batch: Vec<(Job, Result<JobOutcome>)>) -> Vec<Notice> {
        let (mut entries, mut moved) = (BTreeMap::<RoomId, Vec<Entry>>::new(), Vec::new());
        // Whoever asked may be gone; what they asked for is stored all the same.
        for (job, outcome) in batch {
            match job {
                Job::Message(message) => {
                    let stored = outcome.and_then(JobOutcome::of_message);
                    let answer = stored.map(|outcome| self.sent(&message, outcome, &mut entries));
                    let _ = message.reply.send(answer);
                }
                Job::Mark(mark, reply) => {
                    let answer = outcome.and_then(JobOutcome::of_mark).map(|is_moved| {
                        if is_moved {
                            moved.push(mark);
                        }
                    });
                    let _ = reply.send(answer);
                }
            }
        }
        let entries =
            entries.into_iter().map(|(room_id, entries)| Notice::Entries { room_id, entries: entries.into() });
        entries.chain(moved.into_iter().flat_map(NewMark::into_notices)).collect()
    }
}

impl Writing {
    /// What who sent a message is answered; if it is new, its entry goes to `entries`.
    fn sent(
        &self,
        job: &NewMessage,
        outcome: batch::SendOutcome,
        entries: &mut BTreeMap<RoomId, Vec<Entry>>,
    ) -> SentMessage {
        let (message, duplicate) = match outcome {
            batch::SendOutcome::Stored(stored) => {
                let Stored { message, history } = *stored;
                let change = Durable::NewMessage { message: message.clone() };
                let entry = Entry::new(message.room_id, message.seq, change, history);
                entries.entry(message.room_id).or_default().push(entry);
                (message, false)
            }
            batch::SendOutcome::Repeated(message) => (*message, true),
        };
        SentMessage { message: attachment::with_urls(message.for_sender(), job.sender, &self.signer), duplicate }
    }
}
