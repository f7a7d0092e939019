//! Announces users who came and went. It is a task of its own, because it waits for the database and for delivery: connecting users and
//! the lease of this node must not wait for that.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::mpsc;

use super::{
    BATCH, PAUSE, Presences,
    change::{self, Shift},
};
use crate::{
    chat, clock,
    cluster::bus::{Notice, Topic},
    contract::{RoomId, UserId, event::Ephemeral},
    error::Result,
};

/// How often an announcement is tried. After that the database is down for longer; clients can read presence from it later.
const ATTEMPTS: usize = 3;

/// Announces users who appear or disappear to those of whom they are contacts, in the order in which that was noted.
pub(super) async fn announce(presences: Arc<Presences>, mut noted: mpsc::UnboundedReceiver<Shift>) {
    let mut batch = Vec::with_capacity(BATCH);
    while noted.recv_many(&mut batch, BATCH).await > 0 {
        let mut shifts = net_shifts(batch.drain(..));
        for attempt in 1..=ATTEMPTS {
            match presences.send(&mut shifts).await {
                Ok(()) => break,
                Err(error) => error.record(),
            }
            if attempt < ATTEMPTS {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The net change of each user, if it is visible to others.
fn net_shifts(shifts: impl Iterator<Item = Shift>) -> Vec<Shift> {
    let mut of_user: BTreeMap<UserId, Shift> = BTreeMap::new();
    for shift in shifts {
        let before = of_user.get(&shift.user).map_or(shift.before, |earlier| earlier.before);
        of_user.insert(shift.user, Shift { before, ..shift });
    }
    of_user.into_values().filter(Shift::is_visible).collect()
}

impl Presences {
    /// Queues shifts to be announced. Does not wait.
    pub(super) fn note_shifts(&self, shifts: Vec<Shift>) {
        for shift in shifts {
            // Its task ends with this.
            let _ = self.shifts.send(shift);
        }
    }

    /// Removes from `shifts` what it announced.
    async fn send(&self, shifts: &mut Vec<Shift>) -> Result<()> {
        if shifts.is_empty() {
            return Ok(());
        }
        let users: Vec<UserId> = shifts.iter().map(|shift| shift.user).collect();
        let mut joined = chat::room::rooms_of_users(&self.chat, users.clone()).await?;
        // A user who came back meanwhile was announced by then, on whichever node.
        let now = self.registry.of(users).await?;
        shifts.retain(|shift| change::shows(now.get(&shift.user).copied()) == change::shows(shift.after));
        for Shift { user, after, left_at, .. } in shifts.drain(..) {
            let joined = joined.remove(&user).unwrap_or_default();
            // A user who was only added to a room is announced to nobody there.
            let known = joined.iter().filter(|room| room.is_contact);
            let rooms: Vec<RoomId> = known.map(|room| room.room_id).collect();
            let is_online = change::shows(after);
            let last_seen_at = if is_online { None } else { Some(left_at.unwrap_or_else(clock::now)) };
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
        let announced = net_shifts(
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
        let announced: Vec<_> = announced.iter().map(|shift| (shift.user, shift.before, shift.after)).collect();
        assert_eq!(announced, [(cyd, online, None)], "ada was not seen, bob did not go");
    }
}
