//! Limits of what a user runs at the same time.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::contract::UserId;

/// How many of a kind each user has underway on this node.
#[derive(Clone, Debug)]
pub(super) struct Underway {
    limit: usize,
    counts: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct UnderwayTicket(Option<(Underway, UserId)>);

impl Underway {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, counts: Arc::default() }
    }

    /// One more; nothing when there are as many as there may be.
    pub(super) fn take(&self, user: UserId) -> Option<UnderwayTicket> {
        let mut counts = self.counts.lock();
        let count = counts.entry(user).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(UnderwayTicket(Some((self.clone(), user))))
    }
}

impl UnderwayTicket {
    /// One that counts nowhere.
    pub(super) fn free() -> Self {
        Self(None)
    }
}

impl Drop for UnderwayTicket {
    fn drop(&mut self) {
        let Some((underway, user)) = self.0.take() else { return };
        let mut counts = underway.counts.lock();
        if let Some(count) = counts.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_ticket_is_dropped() {
        let underway = Underway::new(2);
        let (ada, bob) = (UserId::new(), UserId::new());
        let first = underway.take(ada).unwrap();
        let second = underway.take(ada).unwrap();
        assert!(underway.take(ada).is_none());
        assert!(underway.take(bob).is_some());
        drop(first);
        assert!(underway.take(ada).is_some());
        drop(second);
        assert!(underway.counts.lock().is_empty());
    }
}
