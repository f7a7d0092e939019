//! Advance charges: for work whose size is only known afterwards.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{runtime::Handle, task::JoinHandle};

use crate::{
    app::App,
    contract::UserId,
    error::Result,
    limits::{Action, Budget},
};

/// Missed events that a user was charged in advance. They are refunded if this is dropped before it is settled: an event that takes too
/// long is dropped wherever it waits.
pub(super) struct Advance {
    app: Arc<App>,
    user: UserId,
    charged: AtomicUsize,
}

impl Advance {
    /// # Errors
    /// `RATE_LIMITED`.
    pub(super) async fn take(app: &Arc<App>, user: UserId, events: usize) -> Result<Self> {
        let advance = Self { app: Arc::clone(app), user, charged: AtomicUsize::new(0) };
        advance.take_more(events).await?;
        Ok(advance)
    }

    /// # Errors
    /// `RATE_LIMITED`; what was taken before stays taken.
    pub(super) async fn take_more(&self, events: usize) -> Result<()> {
        self.app.limits.charge(Action::Missed(events), self.user).await?;
        self.charged.fetch_add(events, Ordering::Relaxed);
        Ok(())
    }

    /// Refunds what was not used.
    pub(super) async fn settle(self, used: usize) {
        if let Some(refunded) = self.refund(used) {
            let _ = refunded.await;
        }
    }

    /// Refunds in a task of its own, which continues if nobody waits for it.
    fn refund(&self, used: usize) -> Option<JoinHandle<()>> {
        let rest = self.charged.swap(0, Ordering::Relaxed).saturating_sub(used);
        let runtime = Handle::try_current().ok().filter(|_| rest > 0)?;
        let (app, user) = (Arc::clone(&self.app), self.user);
        Some(runtime.spawn(async move { app.limits.refund(Budget::Missed, user, rest).await }))
    }
}

impl Drop for Advance {
    fn drop(&mut self) {
        drop(self.refund(0));
    }
}
