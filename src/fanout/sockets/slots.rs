//! The slots of sockets: how many each user has here, and which of them ends if there are too many.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Weak},
    time::Instant,
};

use parking_lot::Mutex;

use crate::{
    contract::{ErrorCode, UserId},
    limits::SocketCount,
};

/// What takes a slot: the connection of a socket.
pub trait SlotOwner: Send + Sync {
    /// When its client last sent something.
    fn last_activity(&self) -> Instant;
    /// Ends the socket with a code for its client.
    fn end(&self, code: ErrorCode);
}

/// The slots that sockets take, those that are still connecting included.
#[derive(Clone, Debug, Default)]
pub struct Slots(Arc<Mutex<TakenSlots>>);

#[derive(Debug, Default)]
struct TakenSlots {
    by_user: HashMap<UserId, Vec<HeldSlot>>,
    last_id: u64,
    /// Users whose sockets changed since the last report.
    changed: HashSet<UserId>,
}

#[derive(Clone)]
struct HeldSlot {
    id: u64,
    owner: Weak<dyn SlotOwner>,
}

impl fmt::Debug for HeldSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeldSlot").field(&self.id).finish()
    }
}

/// A slot among the sockets of a user, free again when dropped.
#[derive(Debug)]
pub struct Slot {
    user: UserId,
    id: u64,
    slots: Slots,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.forget(self.user, self.id);
    }
}

impl Slots {
    /// Takes a slot for one more socket of a user. When they have `limit` already, the socket that has been silent for longest
    /// ends; answers whether one did.
    #[must_use]
    pub fn take(&self, user: UserId, limit: Option<usize>, owner: Weak<dyn SlotOwner>) -> (Slot, bool) {
        let id = {
            let mut taken = self.0.lock();
            taken.last_id += 1;
            let id = taken.last_id;
            taken.by_user.entry(user).or_default().push(HeldSlot { id, owner });
            id
        };
        let slot = Slot { user, id, slots: self.clone() };
        let mut evicted = false;
        while limit.is_some_and(|limit| self.evict_beyond(limit, user, Some(&slot))) {
            evicted = true;
        }
        (slot, evicted)
    }

    /// Ends the socket of a user that has been silent for longest, but not the one with the slot `but`; answers whether
    /// there was one.
    pub fn evict(&self, user: UserId, but: Option<&Slot>) -> bool {
        self.evict_beyond(0, user, but)
    }

    /// The same while the user has more than `limit`.
    fn evict_beyond(&self, limit: usize, user: UserId, but: Option<&Slot>) -> bool {
        loop {
            // This may be the last reference to an owner, whose drop frees its slot: so not under the lock.
            let held = self.0.lock().by_user.get(&user).cloned().unwrap_or_default();
            if held.len() <= limit {
                return false;
            }
            let others = held.iter().filter(|one| but.is_none_or(|slot| slot.id != one.id));
            let owners = others.filter_map(|one| Some((one.id, one.owner.upgrade()?)));
            let Some((id, owner)) = owners.min_by_key(|(_, owner)| owner.last_activity()) else { return false };
            if self.forget_beyond(limit, user, id) {
                metrics::counter!("parlour_sockets_evicted_total").increment(1);
                owner.end(ErrorCode::ConnectionLimit);
                return true;
            }
        }
    }

    /// The sockets of a user.
    #[must_use]
    pub fn of(&self, user: UserId) -> SocketCount {
        let held = self.0.lock().by_user.get(&user).cloned().unwrap_or_default();
        sockets(&held)
    }

    /// The sockets of every user.
    #[must_use]
    pub fn all(&self) -> Vec<(UserId, SocketCount)> {
        let all: Vec<_> = self.0.lock().by_user.iter().map(|(user, held)| (*user, held.clone())).collect();
        all.iter().map(|(user, held)| (*user, sockets(held))).collect()
    }

    /// The sockets of users who lost some since this was asked last.
    #[must_use]
    pub fn changed(&self) -> Vec<(UserId, SocketCount)> {
        let changed = std::mem::take(&mut self.0.lock().changed);
        changed.into_iter().map(|user| (user, self.of(user))).collect()
    }

    /// Frees a slot.
    fn forget(&self, user: UserId, id: u64) {
        self.forget_beyond(0, user, id);
    }

    /// Frees a slot if its user has more than `limit`; answers whether it did. Another socket may have ended meanwhile.
    fn forget_beyond(&self, limit: usize, user: UserId, id: u64) -> bool {
        let mut taken = self.0.lock();
        let Some(held) = taken.by_user.get_mut(&user).filter(|held| held.len() > limit) else { return false };
        let before = held.len();
        held.retain(|one| one.id != id);
        let was_taken = held.len() < before;
        if held.is_empty() {
            taken.by_user.remove(&user);
        }
        if was_taken {
            taken.changed.insert(user);
        }
        was_taken
    }
}

fn sockets(held: &[HeldSlot]) -> SocketCount {
    let owners = held.iter().filter_map(|one| one.owner.upgrade());
    let silence = owners.map(|owner| owner.last_activity().elapsed()).max().unwrap_or_default();
    SocketCount { count: held.len(), silence }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Fake {
        heard: Mutex<Instant>,
        /// What another task does during the check.
        meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
        ended: Mutex<Option<ErrorCode>>,
    }

    impl SlotOwner for Fake {
        fn last_activity(&self) -> Instant {
            // Not under the lock: what happens meanwhile looks at this one too.
            let meanwhile = self.meanwhile.lock().take();
            if let Some(meanwhile) = meanwhile {
                meanwhile();
            }
            *self.heard.lock()
        }

        fn end(&self, code: ErrorCode) {
            *self.ended.lock() = Some(code);
        }
    }

    impl Fake {
        fn heard(heard: Instant) -> Arc<Self> {
            Arc::new(Self { heard: Mutex::new(heard), meanwhile: Mutex::default(), ended: Mutex::default() })
        }
    }

    /// Two sockets come at once and see the same one too many. Fails on a build in which the second ends another.
    #[test]
    fn who_finds_that_somebody_made_room_ends_nobody() {
        let (slots, user, start) = (Slots::default(), UserId::new(), Instant::now());
        let fakes: Vec<_> = (0..4).map(|number| Fake::heard(start + Duration::from_secs(number))).collect();
        let take = |number: usize| {
            let weak = Arc::downgrade(&fakes[number]);
            let owner: Weak<dyn SlotOwner> = weak;
            slots.take(user, Some(3), owner)
        };
        let _kept: Vec<_> = (0..3).map(take).collect();
        let other = slots.clone();
        *fakes[1].meanwhile.lock() = Some(Box::new(move || assert!(other.evict_beyond(3, user, None))));
        let (_fourth, evicted) = take(3);
        assert!(!evicted);
        let ended: Vec<_> = fakes.iter().map(|fake| fake.ended.lock().is_some()).collect();
        assert_eq!(ended, [true, false, false, false]);
    }

    #[test]
    fn the_one_that_was_silent_for_longest_makes_room() {
        let (slots, user, start) = (Slots::default(), UserId::new(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let fakes: Vec<_> = (0..5).map(|number| Fake::heard(at(number))).collect();
        let take = |number: usize| {
            let weak = Arc::downgrade(&fakes[number]);
            let owner: Weak<dyn SlotOwner> = weak;
            slots.take(user, Some(3), owner)
        };
        let ended = || fakes.iter().map(|fake| fake.ended.lock().is_some()).collect::<Vec<_>>();
        let mut kept: Vec<_> = (0..3).map(take).collect();
        assert!(kept.iter().all(|(_, evicted)| !evicted));
        *fakes[0].heard.lock() = at(60);
        let (fourth, evicted) = take(3);
        assert!(evicted);
        assert_eq!(ended(), [false, true, false, false, false]);
        assert_eq!(slots.of(user).count, 3);
        // the slot of the evicted is free already
        drop(kept.remove(1));
        assert_eq!(slots.of(user).count, 3);
        drop(kept.remove(0));
        assert_eq!(slots.changed().len(), 1);
        let (_fifth, evicted) = take(4);
        assert!(!evicted);
        assert!(slots.evict(user, Some(&fourth)));
        assert_eq!(ended(), [false, true, true, false, false]);
        assert!(slots.of(UserId::new()) == SocketCount::default());
    }
}
