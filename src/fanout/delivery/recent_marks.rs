//! The read marks that were sent recently.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::contract::{MessageId, RoomId, Seq, Timestamp, UserId};

/// Messages that one `messages_read` names at the most.
const READ_MESSAGES: usize = 500;

/// How long a mark may be on its way from another node; sent marks are remembered for as long.
const LATE: Duration = Duration::from_secs(300);

/// A read mark.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) message_ids: Vec<MessageId>,
    pub(super) last_read_seq: Seq,
    pub(super) read_at: Timestamp,
}

impl Read {
    pub(super) fn merge(mut self, later: Self) -> Self {
        // A mark of another node may come late.
        let (last_read_seq, read_at) = if later.last_read_seq >= self.last_read_seq {
            (later.last_read_seq, later.read_at)
        } else {
            (self.last_read_seq, self.read_at)
        };
        self.message_ids.extend(later.message_ids);
        self.message_ids.sort_unstable();
        self.message_ids.dedup();
        // The newest are last; more than one request may name are not needed.
        let excess = self.message_ids.len().saturating_sub(READ_MESSAGES);
        self.message_ids.drain(..excess);
        Self { message_ids: self.message_ids, last_read_seq, read_at }
    }
}

/// The furthest mark of each member that was sent recently. A later notice from a node that is behind does not move it back: its
/// messages are sent with this mark.
#[derive(Debug, Default)]
pub(super) struct RecentMarks(HashMap<(RoomId, UserId), Mark>);

#[derive(Clone, Copy, Debug)]
struct Mark {
    last_read_seq: Seq,
    read_at: Timestamp,
    sent_at: Instant,
}

impl RecentMarks {
    /// Whether a mark at least this far was sent recently.
    pub(super) fn is_at(&self, room: RoomId, user: UserId, seq: Seq) -> bool {
        self.0.get(&(room, user)).is_some_and(|mark| mark.last_read_seq >= seq)
    }

    /// Whether exactly this mark was sent.
    pub(super) fn stands_at(&self, room: RoomId, user: UserId, seq: Seq) -> bool {
        self.0.get(&(room, user)).is_some_and(|mark| mark.last_read_seq == seq)
    }

    /// What to send for a mark now.
    pub(super) fn settle(&mut self, room: RoomId, user: UserId, read: Read) -> Read {
        let sent_at = Instant::now();
        if self.0.len() == self.0.capacity() {
            self.0.retain(|_, mark| sent_at < mark.sent_at + LATE);
        }
        let mark = Mark { last_read_seq: read.last_read_seq, read_at: read.read_at, sent_at };
        let furthest = self.0.entry((room, user)).or_insert(mark);
        if furthest.last_read_seq <= read.last_read_seq {
            *furthest = mark;
        }
        Read { last_read_seq: furthest.last_read_seq, read_at: furthest.read_at, ..read }
    }
}
