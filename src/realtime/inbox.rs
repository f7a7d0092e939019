//! The inbox of a socket: events that are not handled yet, in wire order and bounded.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use super::packet::{Ack, Packet};

/// Bytes that one socket may have waiting.
const BYTES: usize = 4 * 1024 * 1024;

/// An event that waits.
pub(super) struct Item {
    pub(super) packet: Packet,
    pub(super) ack: Ack,
    /// When it came.
    pub(super) at: Instant,
}

/// How many bytes wait.
#[derive(Default)]
pub(super) struct Load {
    bytes: AtomicUsize,
    eased: Notify,
}

impl Load {
    /// Waits until no more than so many bytes wait.
    pub(super) async fn falls_to(&self, bytes: usize) {
        loop {
            let eased = self.eased.notified();
            if self.bytes.load(Ordering::Relaxed) <= bytes {
                return;
            }
            eased.await;
        }
    }

    fn add(&self, bytes: usize) -> usize {
        self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    fn subtract(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        // One request waits at a time. It may have looked just before: then it finds the notice when it waits.
        self.eased.notify_one();
    }
}

/// The sender, for the socket's handler.
#[derive(Clone)]
pub(super) struct Inbox {
    items: mpsc::Sender<Item>,
    load: Arc<Load>,
}

/// The receiver, for the socket's task.
pub(super) struct Items {
    items: mpsc::Receiver<Item>,
    load: Arc<Load>,
}

/// An inbox for `capacity` events.
pub(super) fn open(capacity: usize) -> (Inbox, Items) {
    let (sender, receiver) = mpsc::channel(capacity);
    let load = Arc::<Load>::default();
    (Inbox { items: sender, load: Arc::clone(&load) }, Items { items: receiver, load })
}

impl Inbox {
    /// Adds an event, or returns it if the inbox is full. Never waits: the caller is the socket's reader.
    pub(super) fn push(&self, item: Item) -> Result<(), Item> {
        let size = item.packet.bytes();
        if self.load.add(size) > BYTES {
            self.load.subtract(size);
            return Err(item);
        }
        self.items.try_send(item).map_err(|error| {
            self.load.subtract(size);
            error.into_inner()
        })
    }

    /// How much waits in it.
    pub(super) fn load(&self) -> Arc<Load> {
        Arc::clone(&self.load)
    }
}

impl Items {
    /// The next event; none once the inbox is closed and empty.
    pub(super) async fn next(&mut self) -> Option<Item> {
        let item = self.items.recv().await?;
        self.load.subtract(item.packet.bytes());
        Some(item)
    }

    /// Takes no more; what is in it can still be taken out.
    pub(super) fn close(&mut self) {
        self.items.close();
    }
}
