//! Permits to send to the store. Each upload holds a part in memory, so only a few run at a time.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use crate::error::{Error, Result};

/// How often a waiting upload checks whether the store still answers.
const TICK: Duration = Duration::from_millis(100);

/// Permits to send to a store.
#[derive(Debug)]
pub(super) struct StorePermits {
    free: Arc<Semaphore>,
    /// Whether the last step of any upload failed.
    is_stuck: AtomicBool,
}

impl StorePermits {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), is_stuck: AtomicBool::new(false) }
    }

    /// Waits for a permit while other uploads make progress. An upload that waited while the store failed is refused at once: if each of
    /// them tried, all together would take long.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub(super) async fn take(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(permit);
        }
        let mut permit = pin!(Arc::clone(&self.free).acquire_owned());
        loop {
            let taken = tokio::select! {
                permit = &mut permit => Some(permit.map_err(Error::internal)?),
                () = sleep(TICK) => None,
            };
            if self.is_stuck.load(Ordering::Relaxed) {
                return Err(Error::Storage("it does not take what others send either".into()));
            }
            if let Some(permit) = taken {
                return Ok(permit);
            }
        }
    }

    /// Notes how a step ended.
    pub(super) fn note<T>(&self, step: Result<T>) -> Result<T> {
        self.is_stuck.store(step.is_err(), Ordering::Relaxed);
        step
    }
}
