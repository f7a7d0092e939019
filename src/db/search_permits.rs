//! Whose turn it is to search. Searches are the dearest that is asked of the database: they have connections of their own, a few
//! at a time, and whoever asks for many waits for their own ones, not others for theirs.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::timeout};

use super::SEARCHERS;
use crate::{
    contract::UserId,
    error::{Error, Result},
};

/// How long a search may take, waiting for its turn included: as long as PostgreSQL gives a statement.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Searches that wait, of all users.
const WAITING: usize = 1_000;

/// What searches take turns by.
#[derive(Clone, Debug)]
pub(crate) struct SearchPermits {
    all: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Of each user who searches: one search at a time.
    own: Arc<Mutex<HashMap<UserId, Weak<Semaphore>>>>,
}

impl Default for SearchPermits {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(SEARCHERS)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            own: Arc::default(),
        }
    }
}

impl SearchPermits {
    /// Does the work of a search when it is its turn.
    ///
    /// # Errors
    /// Those of the work, and `SERVICE_UNAVAILABLE` when it takes too long.
    pub(crate) async fn take<T>(&self, user: UserId, work: impl Future<Output = Result<T>>) -> Result<T> {
        let busy = |why: &'static str| Error::Unavailable(why.into());
        let _place = self.waiting.try_acquire().map_err(|_| busy("too many searches wait"))?;
        let own = Own { user, turn: self.own(user), all: &self.own };
        let search = timeout(TIMEOUT, async {
            let _own = own.turn.acquire().await.map_err(Error::internal)?;
            let _turn = self.all.acquire().await.map_err(Error::internal)?;
            work.await
        });
        search.await.unwrap_or_else(|_| Err(busy("a search took too long")))
    }

    fn own(&self, user: UserId) -> Arc<Semaphore> {
        let mut own = self.own.lock();
        if let Some(turn) = own.get(&user).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Semaphore::new(1));
        own.insert(user, Arc::downgrade(&turn));
        turn
    }
}

/// A search of a user. The last one that ends leaves nothing of them behind.
struct Own<'a> {
    user: UserId,
    turn: Arc<Semaphore>,
    all: &'a Mutex<HashMap<UserId, Weak<Semaphore>>>,
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if Arc::strong_count(&self.turn) == 1 {
            all.remove(&self.user);
        }
    }
}
