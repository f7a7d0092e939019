//! The log of each room: every durable change, numbered without gaps in the transaction that makes it.
//!
//! New messages go through the [`writer`], which commits what many people sent in one transaction. Every other change is
//! rare: its use case opens its own transaction, locks the room, and calls [`append`]. Both are read back, merged, by
//! [`read`].

mod batch;
pub mod entry;
mod follow;
mod preload;
pub(crate) mod read;
mod rows;
mod writer;

use std::{sync::Arc, time::Duration};

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};
use tokio::sync::{mpsc, oneshot};

use crate::{
    auth::Actor,
    chat::{permission::Permit, view::Reader},
    clock::Clock,
    cluster::bus::{Bus, Hears, Notice},
    config::Emails,
    contract::{
        EventKind, MemberId, MessageId, RoomId, Seq, SessionId, Timestamp, UserId, command::SentMessage,
        message::SendMessage,
    },
    db::{Db, Transaction},
    error::{Error, Result},
    media::link::Links,
    tasks::{self, Tasks},
};
use entity::{room, room_event};

/// Jobs that may wait to be written; at 20,000 a second that is less than half a second of work.
const QUEUE: usize = 8192;

/// How many of them there are, as a metric.
const QUEUED: &str = "parlour_log_queue";

#[cfg(debug_assertions)]
pub(crate) use follow::journal;
pub(crate) use follow::{Follower, Following, Wakers, cursors};
pub(crate) use read::LogRow;

/// The way into the logs of rooms, and to those who follow them.
#[derive(Clone, Debug)]
pub struct Log {
    queue: mpsc::Sender<Job>,
    telling: Telling,
}

/// What it takes to tell of a change that is committed.
#[derive(Clone, Debug)]
struct Telling {
    bus: Bus,
    wakers: Arc<Wakers>,
    links: Links,
    emails: Emails,
}

impl Telling {
    fn everyone(&self) -> Reader<'_> {
        Reader::everyone(&self.links, self.emails)
    }
}

/// Something on its way into the database with the next batch.
#[derive(Debug)]
enum Job {
    Message(NewMessage),
    Mark(NewMark, oneshot::Sender<Result<()>>),
}

/// A message on its way into the log.
#[derive(Debug)]
struct NewMessage {
    sender: UserId,
    /// The login that must count still when it is written.
    session: SessionId,
    request: SendMessage,
    /// What was asked, to tell a repeat from a conflict. Only with a `client_msg_id`.
    fingerprint: Option<Vec<u8>>,
    reply: oneshot::Sender<Result<SentMessage>>,
}

/// A read mark on its way to its member's row.
#[derive(Debug)]
pub(crate) struct NewMark {
    /// The member's row.
    pub(crate) member_id: MemberId,
    pub(crate) room_id: RoomId,
    pub(crate) user_id: UserId,
    /// The login that must count still when it is written.
    pub(crate) session: SessionId,
    pub(crate) seq: Seq,
    pub(crate) at: Timestamp,
    /// What is told to have been read.
    pub(crate) message_ids: Vec<MessageId>,
    pub(crate) hears: Hears,
}

/// The answer that a queued message will get, once it is committed or refused.
pub type Answer = oneshot::Receiver<Result<SentMessage>>;

impl Log {
    /// The way to a writer, which is a task.
    pub(crate) fn new(
        (db, clock, bus): (Db, Clock, Bus),
        (links, emails): (Links, Emails),
        wakers: Wakers,
        tasks: &mut Tasks,
    ) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (told, results) = mpsc::channel(writer::UNTOLD);
        let telling = Telling { bus, wakers: Arc::new(wakers), links, emails };
        tasks.add("log_teller", writer::tell(results, telling.clone()));
        tasks.add("log_writer", writer::run(jobs, told, db, clock, telling.clone()));
        Self { queue, telling }
    }

    /// Queues a message. What one caller queues is written in the order in which it was queued.
    ///
    /// # Errors
    /// `RATE_LIMITED` when the writer is that far behind.
    pub(crate) fn submit(&self, actor: &Actor, request: SendMessage) -> Result<Answer> {
        let (reply, answer) = oneshot::channel();
        let fingerprint = request.client_msg_id.is_some().then(|| batch::fingerprint(&request));
        let (sender, session) = (actor.user_id, actor.session_id);
        self.queue(Job::Message(NewMessage { sender, session, request, fingerprint, reply }))?;
        Ok(answer)
    }

    /// Moves a member's read mark forward with the next batch, and tells the room. A mark is no entry of the log, but a commit
    /// of its own for each would keep messages waiting.
    ///
    /// # Errors
    /// `RATE_LIMITED` when the writer is too far behind, `SERVICE_UNAVAILABLE`.
    pub(crate) async fn mark(&self, mark: NewMark) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.queue(Job::Mark(mark, reply))?;
        answer.await.unwrap_or(Err(Error::DRAINING))
    }

    /// Commits a change that took the last `count` seqs of a room, and tells of them. What is told is read before the commit:
    /// after it nothing can fail any more. It goes on when the caller is dropped, and so does the telling.
    pub(crate) async fn commit(&self, tx: Transaction, room: &room::Model, count: usize) -> Result<()> {
        let after = Seq(room.last_seq.0 - i64::try_from(count).map_err(Error::internal)?);
        let everyone = self.telling.everyone();
        let entries = read::entries(&tx, everyone, room.id, after, room.last_seq, count).await?;
        let (Telling { bus, wakers, .. }, room) = (self.telling.clone(), room.id);
        tasks::to_the_end(async move {
            let committed = tx.commit().await;
            // Where the commit failed, it may have happened all the same.
            wakers.wake(room);
            committed?;
            bus.publish(Notice::Committed(entries.into())).await;
            Ok(())
        })
        .await
    }

    /// Whether messages wait to be written.
    pub(crate) fn is_busy(&self) -> bool {
        self.queue.capacity() < QUEUE
    }

    fn queue(&self, job: Job) -> Result<()> {
        let place = self.queue.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => Error::RateLimited { retry_after: Duration::from_secs(1) },
            mpsc::error::TrySendError::Closed(()) => Error::DRAINING,
        })?;
        // Before the writer can take it.
        metrics::gauge!(QUEUED).increment(1.0);
        place.send(job);
        Ok(())
    }
}

/// A durable change that is not a new message.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    kind: EventKind,
    pub(crate) message_id: Option<MessageId>,
    user_id: Option<UserId>,
    emoji: Option<String>,
    reason: Option<&'static str>,
}

impl Change {
    /// A change of the room itself.
    pub(crate) fn of_room(kind: EventKind) -> Self {
        Self { kind, message_id: None, user_id: None, emoji: None, reason: None }
    }

    /// A change of a message.
    pub(crate) fn of_message(kind: EventKind, message: MessageId) -> Self {
        Self { message_id: Some(message), ..Self::of_room(kind) }
    }

    /// A change of a member.
    pub(crate) fn of_member(kind: EventKind, user: UserId) -> Self {
        Self { user_id: Some(user), ..Self::of_room(kind) }
    }

    /// Which emoji it put or took.
    pub(crate) fn with_emoji(self, emoji: String) -> Self {
        Self { emoji: Some(emoji), ..self }
    }

    /// Why they are gone.
    pub(crate) fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

/// Gives changes of a room the next seqs of its log, in this transaction; answers the room as it is then, and the seqs
/// are its last ones.
pub(crate) async fn append(
    tx: &Transaction,
    permit: &Permit,
    changes: &[Change],
    now: Timestamp,
) -> Result<room::Model> {
    let count = i64::try_from(changes.len()).map_err(Error::internal)?;
    let room = room::Entity::update_many()
        .col_expr(room::Column::LastSeq, Expr::col(room::Column::LastSeq).add(count))
        .filter(room::Column::Id.eq(permit.room_id()))
        .exec_with_returning(tx)
        .await?
        .pop()
        .ok_or(Error::ROOM_NOT_FOUND)?;
    insert(tx, &room, permit.user_id(), changes, now).await?;
    Ok(room)
}

/// Writes changes into the last seqs of a log that has already been advanced.
pub(crate) async fn insert(
    tx: &Transaction,
    room: &room::Model,
    actor: UserId,
    changes: &[Change],
    now: Timestamp,
) -> Result<()> {
    let first = room.last_seq.0 + 1 - i64::try_from(changes.len()).map_err(Error::internal)?;
    let rows = changes.iter().zip(first..).map(|(change, seq)| room_event::ActiveModel {
        room_id: Set(room.id),
        seq: Set(Seq(seq)),
        kind: Set(change.kind),
        actor_id: Set(actor),
        message_id: Set(change.message_id),
        user_id: Set(change.user_id),
        emoji: Set(change.emoji.clone()),
        reason: Set(change.reason.map(str::to_owned)),
        created_at: Set(now),
    });
    room_event::Entity::insert_many(rows).exec_without_returning(tx).await?;
    Ok(())
}
