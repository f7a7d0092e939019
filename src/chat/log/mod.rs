//! The log of each room: every durable change, numbered without gaps in the transaction that makes it.
//!
//! New messages go through the [`writer`], which commits what many people sent in one transaction. Every other change is
//! rare: its use case opens its own transaction, locks the room, and calls [`append`]. Both are read back, merged, by
//! [`read`].

mod batch;
mod facts;
pub(super) mod read;
mod rows;
mod writer;

use std::time::Duration;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};
use tokio::sync::{mpsc, oneshot};

use super::{Chat, permission::Permit};
use crate::{
    auth::Actor,
    bus::{Bus, Hears, Notice},
    clock::Clock,
    config::Emails,
    contract::{
        EventKind, MemberId, MessageId, RoomId, Seq, SessionId, Timestamp, UserId, command::SentMessage,
        message::SendMessage,
    },
    db::{Db, Transaction},
    error::{Error, Result},
    media::link::Links,
    tasks::Tasks,
};
use entity::{room, room_event};

/// Jobs that may wait to be written; at 20,000 a second that is less than half a second of work.
const QUEUE: usize = 8192;

/// The way into the log for new messages.
#[derive(Clone, Debug)]
pub struct Log {
    queue: mpsc::Sender<Job>,
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
pub(super) struct NewMark {
    /// The member's row.
    pub(super) place: MemberId,
    pub(super) room_id: RoomId,
    pub(super) user_id: UserId,
    /// The login that must count still when it is written.
    pub(super) session: SessionId,
    pub(super) seq: Seq,
    pub(super) at: Timestamp,
    /// What is told to have been read.
    pub(super) message_ids: Vec<MessageId>,
    pub(super) hears: Hears,
}

/// The answer that a queued message will get, once it is committed or refused.
pub type Answer = oneshot::Receiver<Result<SentMessage>>;

impl Log {
    /// The way to a writer, which is a task.
    pub(super) fn new(db: Db, clock: Clock, bus: Bus, links: Links, emails: Emails, tasks: &mut Tasks) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (told, results) = mpsc::channel(writer::UNTOLD);
        tasks.add("log_teller", writer::tell(results, bus, links.clone()));
        tasks.add("log_writer", writer::run(jobs, told, db, clock, links, emails));
        Self { queue }
    }

    /// Queues a message. What one caller queues is written in the order in which it was queued.
    ///
    /// # Errors
    /// `RATE_LIMITED` when the writer is that far behind.
    pub(super) fn submit(&self, actor: &Actor, request: SendMessage) -> Result<Answer> {
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
    pub(super) async fn mark(&self, mark: NewMark) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.queue(Job::Mark(mark, reply))?;
        answer.await.unwrap_or(Err(Error::DRAINING))
    }

    /// Whether messages wait to be written.
    pub(super) fn is_busy(&self) -> bool {
        self.queue.capacity() < QUEUE
    }

    fn queue(&self, job: Job) -> Result<()> {
        let queued = self.queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::RateLimited { retry_after: Duration::from_secs(1) },
            mpsc::error::TrySendError::Closed(_) => Error::DRAINING,
        });
        metrics::gauge!("parlour_log_queue").set((QUEUE - self.queue.capacity()) as f64);
        queued
    }
}

/// A durable change that is not a new message.
#[derive(Clone, Debug)]
pub(super) struct Change {
    kind: EventKind,
    pub(super) message_id: Option<MessageId>,
    user_id: Option<UserId>,
    emoji: Option<String>,
    reason: Option<&'static str>,
}

impl Change {
    /// A change of the room itself.
    pub(super) fn of_room(kind: EventKind) -> Self {
        Self { kind, message_id: None, user_id: None, emoji: None, reason: None }
    }

    /// A change of a message.
    pub(super) fn of_message(kind: EventKind, message: MessageId) -> Self {
        Self { message_id: Some(message), ..Self::of_room(kind) }
    }

    /// A change of a member.
    pub(super) fn of_member(kind: EventKind, user: UserId) -> Self {
        Self { user_id: Some(user), ..Self::of_room(kind) }
    }

    /// Which emoji it put or took.
    pub(super) fn with_emoji(self, emoji: String) -> Self {
        Self { emoji: Some(emoji), ..self }
    }

    /// Why they are gone.
    pub(super) fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

/// Gives changes of a room the next places of its log, in this transaction; answers the room as it is then, and the places
/// are its last ones.
pub(super) async fn append(
    tx: &Transaction,
    permit: &Permit,
    changes: &[Change],
    now: Timestamp,
) -> Result<room::Model> {
    let count = i64::try_from(changes.len()).map_err(Error::internal)?;
    let room = room::Entity::update_many()
        .col_expr(room::Column::LastSeq, Expr::col(room::Column::LastSeq).add(count))
        .filter(room::Column::Id.eq(permit.room_id))
        .exec_with_returning(tx)
        .await?
        .pop()
        .ok_or(Error::ROOM_NOT_FOUND)?;
    insert(tx, &room, permit.user_id, changes, now).await?;
    Ok(room)
}

/// Writes changes into the last places of a log that has already been advanced.
pub(super) async fn insert(
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

/// Commits a change that took the last `count` places of a room, and tells of them. What is told is read before the commit:
/// after it nothing can fail any more.
pub(super) async fn commit(chat: &Chat, tx: Transaction, room: &room::Model, count: usize) -> Result<()> {
    let after = Seq(room.last_seq.0 - i64::try_from(count).map_err(Error::internal)?);
    let entries = read::entries(&tx, chat.everyone(), room.id, after, room.last_seq, count).await?;
    chat.bus.commit(tx, Notice::Committed(entries.into())).await
}
