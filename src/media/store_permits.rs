//! A few who send to the store at a time: what each of them holds in memory is bounded by how many they are.

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

/// How often those who wait look whether the store still answers.
const TICK: Duration = Duration::from_millis(100);

/// StorePermits at sending.
#[derive(Debug)]
pub(super) struct StorePermits {
    free: Arc<Semaphore>,
    /// Whether the last step of anybody failed.
    is_stuck: AtomicBool,
}

impl StorePermits {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), is_stuck: AtomicBool::new(false) }
    }

    /// Waits for a turn as long as others get on. Who had to wait while the store failed does not try it once more: all of them
    /// one after the other would take long.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub(super) async fn take(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(turn) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(turn);
        }
        let mut turn = pin!(Arc::clone(&self.free).acquire_owned());
        loop {
            let taken = tokio::select! {
                turn = &mut turn => Some(turn.map_err(Error::internal)?),
                () = sleep(TICK) => None,
            };
            if self.is_stuck.load(Ordering::Relaxed) {
                return Err(Error::Storage("it does not take what others send either".into()));
            }
            if let Some(turn) = taken {
                return Ok(turn);
            }
        }
    }

    /// Hears how a step went.
    pub(super) fn note<T>(&self, step: Result<T>) -> Result<T> {
        self.is_stuck.store(step.is_err(), Ordering::Relaxed);
        step
    }
}
