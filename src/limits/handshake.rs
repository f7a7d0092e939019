//! Connections that have not authenticated yet.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Handshakes of each address that have not authenticated yet.
#[derive(Clone, Debug)]
pub(super) struct Handshakes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    /// How long a connection may take to authenticate; after that it is closed and no longer counted.
    lifetime: Duration,
    pending: Mutex<PendingHandshakes>,
}

#[derive(Debug, Default)]
struct PendingHandshakes {
    by_address: HashMap<IpAddr, VecDeque<(u64, Instant)>>,
    last_id: u64,
}

/// The slot of one handshake among those of its address. Clones are the same slot.
#[derive(Clone, Debug)]
pub struct HandshakeTicket(Option<UnderwaySlot>);

#[derive(Clone, Debug)]
struct UnderwaySlot {
    handshakes: Handshakes,
    address: IpAddr,
    id: u64,
}

impl Handshakes {
    pub(super) fn new(limit: usize, lifetime: Duration) -> Self {
        Self(Arc::new(Inner { limit, lifetime, pending: Mutex::default() }))
    }

    /// Takes a slot.
    ///
    /// # Errors
    /// How long until the oldest is forgotten, if all are taken.
    pub(super) fn take(&self, address: IpAddr, now: Instant) -> Result<HandshakeTicket, Duration> {
        let mut pending = self.0.pending.lock();
        pending.last_id += 1;
        let id = pending.last_id;
        let slots = pending.by_address.entry(address).or_default();
        while slots.front().is_some_and(|(_, at)| now.duration_since(*at) >= self.0.lifetime) {
            slots.pop_front();
        }
        match slots.front() {
            Some((_, oldest)) if slots.len() >= self.0.limit => {
                Err(self.0.lifetime.saturating_sub(now.duration_since(*oldest)))
            }
            _ => {
                slots.push_back((id, now));
                Ok(HandshakeTicket(Some(UnderwaySlot { handshakes: self.clone(), address, id })))
            }
        }
    }

    /// Forgets those whose time is over.
    pub(super) fn sweep(&self, now: Instant) {
        let mut pending = self.0.pending.lock();
        pending
            .by_address
            .retain(|_, slots| slots.back().is_some_and(|(_, at)| now.duration_since(*at) < self.0.lifetime));
        pending.by_address.shrink_to_fit();
    }
}

impl HandshakeTicket {
    /// One that counts nowhere.
    pub(super) fn free() -> Self {
        Self(None)
    }

    /// Gives the slot back: the connection has authenticated. A second time does nothing.
    pub fn release(&self) {
        let Some(UnderwaySlot { handshakes, address, id }) = &self.0 else { return };
        let mut pending = handshakes.0.pending.lock();
        if let Some(slots) = pending.by_address.get_mut(address) {
            slots.retain(|(other, _)| other != id);
            if slots.is_empty() {
                pending.by_address.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_released_or_forgotten() {
        let handshakes = Handshakes::new(2, Duration::from_secs(10));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let first = handshakes.take(here, at(0)).unwrap();
        handshakes.take(here, at(4)).unwrap();
        assert_eq!(handshakes.take(here, at(5)).unwrap_err(), Duration::from_secs(5));
        assert!(handshakes.take(there, at(5)).is_ok());
        first.release();
        first.clone().release();
        assert!(handshakes.take(here, at(5)).is_ok());
        assert!(handshakes.take(here, at(13)).is_err());
        assert!(handshakes.take(here, at(14)).is_ok(), "the second was forgotten");
        handshakes.sweep(at(20));
        assert_eq!(handshakes.0.pending.lock().by_address.len(), 1);
    }
}
