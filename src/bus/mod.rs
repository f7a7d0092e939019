//! What was committed, on its way to whoever listens.
//!
//! Use cases do not call the sockets: they return from their transaction and hand the bus a [`Notice`] as a value. The bus
//! gives every notice to this node's delivery task, in the order in which it got them.

use std::{borrow::Cow, sync::Arc};

use sea_orm::DatabaseTransaction;
use tokio::sync::mpsc;

use crate::{
    contract::{
        ErrorCode, HistoryAccess, MessageId, RoomId, Seq, SessionId, Timestamp, UserId,
        event::{Durable, Encoded, Entry},
    },
    error::{Error, Result},
    media::link::Links,
};

/// Notices that may wait for delivery before those who commit have to wait too.
const CAPACITY: usize = 1024;

/// An entry of a room's log, encoded once for all who will read it.
#[derive(Clone, Debug)]
pub struct Committed {
    pub room_id: RoomId,
    pub seq: Seq,
    /// The event's name.
    pub name: &'static str,
    /// The event's data, for who may read all that it shows.
    data: Encoded,
    /// What it is for those who may not: each with the newest place that it leaves out, the latest of them first.
    narrowed: Vec<(Seq, Encoded)>,
    /// What it means for who may hear the room.
    pub audience: Audience,
    /// Whether earlier entries show something else since: the text of a message that was edited, the address of who left;
    /// or whether it shows other people something else.
    pub rewrites: bool,
    /// Whether addresses are to be put in their places for each reader; see [`Links::addressed`].
    pub has_links: bool,
}

/// What a committed entry means for who may hear the room, besides being told to those who do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The same people as before.
    Unchanged,
    /// A message: people who have not joined the room are told of activity.
    Message,
    /// They may from now on.
    Gained(UserId),
    /// They may no longer.
    Lost(UserId),
    /// Nobody may any longer.
    Closed,
}

impl Committed {
    /// Encodes `change`, which took the place `seq` of its room, where newcomers read as far back as `history` says.
    #[must_use]
    pub fn new(room_id: RoomId, seq: Seq, change: Durable, history: HistoryAccess) -> Self {
        let audience = match &change {
            Durable::NewMessage { .. } => Audience::Message,
            Durable::MemberAdded { member } => Audience::Gained(member.user_id),
            Durable::MemberRemoved { user_id, .. } => Audience::Lost(*user_id),
            Durable::RoomDeleted {} => Audience::Closed,
            _ => Audience::Unchanged,
        };
        let rewrites = matches!(
            change,
            Durable::MessageEdited { .. }
                | Durable::MessageDeleted { .. }
                | Durable::MemberRemoved { .. }
                | Durable::RoomUpdated { .. }
        );
        let has_links = match &change {
            Durable::NewMessage { message } | Durable::MessageEdited { message, .. } => !message.attachments.is_empty(),
            _ => false,
        };
        let encode = |change| Encoded::new(&Entry { room_id, seq, change });
        let narrowed = match history {
            HistoryAccess::All => Vec::new(),
            HistoryAccess::SinceJoined => {
                change.narrowed().into_iter().map(|(before, change)| (before, encode(change))).collect()
            }
        };
        let name = change.name();
        Self { room_id, seq, name, data: encode(change), narrowed, audience, rewrites, has_links }
    }

    /// The event's data for `reader`, who joined the room in that place of its log.
    #[must_use]
    pub fn data_for(&self, reader: UserId, joined: Seq, links: &Links) -> Cow<'_, Encoded> {
        let narrowed = self.narrowed.iter().find(|(left_out, _)| *left_out < joined);
        let data = narrowed.map_or(&self.data, |(_, data)| data);
        if self.has_links { links.address(data, reader) } else { Cow::Borrowed(data) }
    }
}

/// Something that others should hear of.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Entries of rooms' logs; those of one room ascend by `seq`.
    Committed(Arc<[Committed]>),
    /// A member's read mark moved, in a room with that many members.
    Read {
        room_id: RoomId,
        user_id: UserId,
        message_ids: Vec<MessageId>,
        last_read_seq: Seq,
        read_at: Timestamp,
        members: i32,
    },
    /// Sockets of a login end now.
    SessionRevoked { session_id: SessionId, code: ErrorCode },
    /// Sockets of a user end now, but for those of one login.
    UserRevoked { user_id: UserId, except: Option<SessionId>, code: ErrorCode },
}

/// Where notices go.
#[derive(Clone, Debug)]
pub struct Bus {
    local: mpsc::Sender<Notice>,
}

impl Bus {
    /// A bus, and the end at which this node takes its notices.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Notice>) {
        let (local, notices) = mpsc::channel(CAPACITY);
        (Self { local }, notices)
    }

    /// Tells of something that is committed. Waits while delivery is behind; never call it inside a transaction.
    pub async fn publish(&self, notice: Notice) {
        // Delivery ends only when the process does; what it misses then is in the log.
        let _ = self.local.send(notice).await;
    }

    /// Commits a change and tells of it, as one step that goes on when the caller is dropped in between: a client that
    /// hangs up must not leave behind a change that nobody hears of.
    ///
    /// # Errors
    /// When the commit fails; then nothing is told.
    pub async fn commit(&self, tx: DatabaseTransaction, notice: Notice) -> Result<()> {
        let bus = self.clone();
        let step = tokio::spawn(async move {
            tx.commit().await?;
            bus.publish(notice).await;
            Ok(())
        });
        step.await.map_err(Error::internal)?
    }

    /// Tells of entries of rooms' logs.
    pub async fn publish_entries(&self, entries: Vec<Committed>) {
        if !entries.is_empty() {
            self.publish(Notice::Committed(entries.into())).await;
        }
    }
}
