//! Telling others of who came and went. It has a task of its own: it waits for the database and for those who deliver, and neither
//! who connects nor the lease of this node may wait for that.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::mpsc;

use super::{
    BATCH, PAUSE, Presences,
    change::{self, Shift},
};
use crate::{
    chat,
    cluster::bus::{Notice, Topic},
    contract::{RoomId, UserId, event::Ephemeral},
    error::Result,
};

/// How often it is tried to tell of a change; by then the database is away for longer, and tells who asks.
const ATTEMPTS: usize = 3;

/// Tells those whose contacts they are of people who appear now, or do so no longer, in the order in which that was noted.
pub(super) async fn announce(presences: Arc<Presences>, mut noted: mpsc::UnboundedReceiver<Shift>) {
    let mut batch = Vec::with_capacity(BATCH);
    while noted.recv_many(&mut batch, BATCH).await > 0 {
        let mut news = news(batch.drain(..));
        for attempt in 1..=ATTEMPTS {
            match presences.tell(&mut news).await {
                Ok(()) => break,
                Err(error) => error.record(),
            }
            if attempt < ATTEMPTS {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// What others have to be told of: of each user what all their shifts come to.
fn news(shifts: impl Iterator<Item = Shift>) -> Vec<Shift> {
    let mut of_user: BTreeMap<UserId, Shift> = BTreeMap::new();
    for shift in shifts {
        let before = of_user.get(&shift.user).map_or(shift.before, |earlier| earlier.before);
        of_user.insert(shift.user, Shift { before, ..shift });
    }
    of_user.into_values().filter(Shift::is_news).collect()
}

impl Presences {
    /// Has others told of these shifts. Waits for nothing.
    pub(super) fn note_news(&self, shifts: Vec<Shift>) {
        for shift in shifts {
            // Its task ends with this.
            let _ = self.news.send(shift);
        }
    }

    /// Takes from `news` what it told.
    async fn tell(&self, news: &mut Vec<Shift>) -> Result<()> {
        if news.is_empty() {
            return Ok(());
        }
        let users: Vec<UserId> = news.iter().map(|shift| shift.user).collect();
        let mut joined = chat::room::rooms_of_users(&self.chat, users.clone()).await?;
        // Who came back meanwhile was told of by then, on whichever node.
        let now = self.registry.of(users).await?;
        news.retain(|shift| change::shows(now.get(&shift.user).copied()) == change::shows(shift.after));
        for Shift { user, after, left_at, .. } in news.drain(..) {
            let joined = joined.remove(&user).unwrap_or_default();
            // Whoever was put into a room shows themselves to nobody there.
            let known = joined.iter().filter(|room| room.is_contact);
            let rooms: Vec<RoomId> = known.map(|room| room.room_id).collect();
            let is_online = change::shows(after);
            let last_seen_at = if is_online { None } else { Some(left_at.unwrap_or_else(|| self.clock.now())) };
            let event = if is_online {
                Ephemeral::UserOnline { user_id: user, last_seen_at }
            } else {
                Ephemeral::UserOffline { user_id: user, last_seen_at }
            };
            self.bus.publish(Notice::Emit { topic: Topic::Rooms(rooms.into()), event }).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Timestamp, presence::ChosenStatus};

    #[test]
    fn what_several_shifts_of_one_user_come_to_is_told_once() {
        let (ada, bob, cyd) = (UserId::new(), UserId::new(), UserId::new());
        let online = Some(ChosenStatus::Online);
        let shift =
            |user, before, after| Shift { user, before, after, left_at: after.is_none().then_some(Timestamp(7)) };
        let told = news(
            [
                shift(ada, None, online),
                shift(bob, online, None),
                shift(cyd, online, None),
                shift(ada, online, None),
                shift(bob, None, online),
                shift(cyd, None, None),
            ]
            .into_iter(),
        );
        let told: Vec<_> = told.iter().map(|shift| (shift.user, shift.before, shift.after)).collect();
        assert_eq!(told, [(cyd, online, None)], "ada was not seen, bob did not go");
    }
}
