//! The machine that all tests run on, as many at once as `tests/run` says. Most of them wait most of the time and need no leave.

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many tests may load it at once.
const SHARES: u32 = 2;

static MACHINE: Semaphore = Semaphore::const_new(SHARES as usize);

/// For a test that keeps the machine busy for seconds: the others still meet their deadlines beside it and one more of its kind.
pub(crate) async fn share() -> SemaphorePermit<'static> {
    MACHINE.acquire().await.expect("it is never closed")
}

/// For a test that measures how fast the node is: no test that loads the machine runs meanwhile.
pub(crate) async fn alone() -> SemaphorePermit<'static> {
    MACHINE.acquire_many(SHARES).await.expect("it is never closed")
}
