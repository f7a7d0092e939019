//! Read marks and profiles that changed on other nodes: in no log, but with a time.

use std::time::Duration;

use super::Reconciler;
use crate::{
    account,
    chat::{self, receipt::Moved},
    cluster::bus::{Notice, Topic},
    contract::event::Ephemeral,
    error::Result,
};

/// How long before the last check a change may have been made that was not visible then: a transaction takes its time before it
/// commits, and the clocks of nodes differ. Shorter than the memory of sent events.
const MARGIN: Duration = Duration::from_secs(60);

/// Marks whose messages are read together.
const MARKS: usize = 100;

impl Reconciler {
    /// Sends read marks that moved and were not sent here.
    pub(super) async fn reconcile_marks(&self) -> Result<()> {
        let now = self.delivery.chat.db.time().await?;
        let last = self.delivery.reconciliation.last_read.marks.lock().unwrap_or(now);
        let moved = chat::receipt::moved_since(&self.delivery.chat, last.minus(MARGIN)).await?;
        let missed = |moved: Moved| {
            let topics = self.delivery.topics_that_miss(&moved);
            (!topics.is_empty()).then_some((moved, topics))
        };
        let (moved, topics): (Vec<Moved>, Vec<Vec<Topic>>) = moved.into_iter().filter_map(missed).unzip();
        for (some, topics) in moved.chunks(MARKS).zip(topics.chunks(MARKS)) {
            let passed = chat::receipt::passed_by_all(&self.delivery.chat, some).await?;
            for ((moved, topics), message_ids) in some.iter().zip(topics).zip(passed) {
                let Moved { room_id, user_id, seq, read_at, .. } = *moved;
                let event = Ephemeral::MessagesRead { room_id, user_id, message_ids, last_read_seq: seq, read_at };
                for topic in topics {
                    let notice = Notice::Emit { topic: topic.clone(), event: event.clone() };
                    self.delivery.chat.bus.publish_here(notice).await;
                }
            }
        }
        *self.delivery.reconciliation.last_read.marks.lock() = Some(now);
        Ok(())
    }

    /// Sends profiles that changed and were not sent here.
    pub(super) async fn reconcile_profiles(&self) -> Result<()> {
        let now = self.delivery.chat.db.time().await?;
        let last = self.delivery.reconciliation.last_read.profiles.lock().unwrap_or(now);
        for (user_id, at) in account::profile::changed_since(&self.delivery.chat, last.minus(MARGIN)).await? {
            if !self.delivery.pending.knows_change(user_id, at) {
                let rooms = account::profile::rooms(&self.delivery.chat, user_id).await?;
                self.delivery.take_profile(user_id, &rooms);
            }
        }
        *self.delivery.reconciliation.last_read.profiles.lock() = Some(now);
        Ok(())
    }
}
