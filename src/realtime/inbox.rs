//! What a client sent and nobody has handled yet: in wire order, and bounded.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use socketioxide::extract::AckSender;
use tokio::{sync::mpsc, time::Instant};

use super::packet::Packet;

/// Bytes that one socket may have waiting.
const BYTES: usize = 4 * 1024 * 1024;

/// An event that waits.
pub(super) struct Item {
    pub(super) packet: Packet,
    pub(super) ack: AckSender,
    /// When it came.
    pub(super) at: Instant,
}

/// The end that the socket's handler fills.
#[derive(Clone)]
pub(super) struct Inbox {
    items: mpsc::Sender<Item>,
    bytes: Arc<AtomicUsize>,
}

/// The end that the socket's session empties.
pub(super) struct Items {
    items: mpsc::Receiver<Item>,
    bytes: Arc<AtomicUsize>,
}

/// An inbox for `capacity` events.
pub(super) fn open(capacity: usize) -> (Inbox, Items) {
    let (sender, receiver) = mpsc::channel(capacity);
    let bytes = Arc::new(AtomicUsize::new(0));
    (Inbox { items: sender, bytes: Arc::clone(&bytes) }, Items { items: receiver, bytes })
}

impl Inbox {
    /// Adds an event, or gives it back when there is no room. Never waits: the caller is the socket's reader.
    pub(super) fn push(&self, item: Item) -> Result<(), Item> {
        let size = item.packet.bytes();
        if self.bytes.fetch_add(size, Ordering::Relaxed) + size > BYTES {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            return Err(item);
        }
        self.items.try_send(item).map_err(|error| {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            error.into_inner()
        })
    }
}

impl Items {
    /// The next event; none once the inbox is closed and empty.
    pub(super) async fn next(&mut self) -> Option<Item> {
        let item = self.items.recv().await?;
        self.bytes.fetch_sub(item.packet.bytes(), Ordering::Relaxed);
        Some(item)
    }

    /// Takes no more; what is in it can still be taken out.
    pub(super) fn close(&mut self) {
        self.items.close();
    }
}
