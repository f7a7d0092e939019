//! Permits to search. Searches cost the database more than any other read: they have a few connections of their own, and each user
//! runs one search at a time, so that a user with many searches waits for these and delays nobody else.

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

/// How long a search may take, waiting for its permits included: as long as PostgreSQL gives a statement.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Searches of all users that may wait.
const WAITING: usize = 1_000;

/// Limits how many searches run at once, in all and of each user.
#[derive(Clone, Debug)]
pub(crate) struct SearchPermits {
    all: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// One permit for each user who searches.
    by_user: Arc<Mutex<HashMap<UserId, Weak<Semaphore>>>>,
}

impl Default for SearchPermits {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(SEARCHERS)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            by_user: Arc::default(),
        }
    }
}

impl SearchPermits {
    /// Runs a search once it has its permits.
    ///
    /// # Errors
    /// Those of the work, and `SERVICE_UNAVAILABLE` when it takes too long.
    pub(crate) async fn take<T>(&self, user: UserId, work: impl Future<Output = Result<T>>) -> Result<T> {
        let busy = |why: &'static str| Error::Unavailable(why.into());
        let _waiting = self.waiting.try_acquire().map_err(|_| busy("too many searches wait"))?;
        let of_user = SearchesOfUser { user, permit: self.of_user(user), all: &self.by_user };
        let search = timeout(TIMEOUT, async {
            let _of_user = of_user.permit.acquire().await.map_err(Error::internal)?;
            let _permit = self.all.acquire().await.map_err(Error::internal)?;
            work.await
        });
        search.await.unwrap_or_else(|_| Err(busy("a search took too long")))
    }

    fn of_user(&self, user: UserId) -> Arc<Semaphore> {
        let mut by_user = self.by_user.lock();
        if let Some(permit) = by_user.get(&user).and_then(Weak::upgrade) {
            return permit;
        }
        let permit = Arc::new(Semaphore::new(1));
        by_user.insert(user, Arc::downgrade(&permit));
        permit
    }
}

/// The permit of a user. The last search of the user that ends removes it from the map.
struct SearchesOfUser<'a> {
    user: UserId,
    permit: Arc<Semaphore>,
    all: &'a Mutex<HashMap<UserId, Weak<Semaphore>>>,
}

impl Drop for SearchesOfUser<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if Arc::strong_count(&self.permit) == 1 {
            all.remove(&self.user);
        }
    }
}
