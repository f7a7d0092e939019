//! The tasks that a server needs as long as it runs. If one of them ends unexpectedly, the server ends: without its writer or its
//! delivery it would look alive and do nothing.
//!
//! The parts of a server do not spawn their tasks: their constructors add them here, with a name for the log. There is also work that
//! must not end with the request that started it ([`to_the_end`]).

use std::{collections::HashMap, fmt};

use futures_util::future::BoxFuture;
use tokio::task::{AbortHandle, Id, JoinSet};

use crate::error::{Error, Result};

/// Runs work to its end even if its caller is dropped, such as a request whose client disconnects.
///
/// # Errors
/// Those of the work.
pub async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(Error::internal)?
}

/// Tasks that are not started yet.
#[derive(Default)]
pub struct Tasks(Vec<(&'static str, BoxFuture<'static, ()>)>);

impl Tasks {
    /// Adds a task that runs until the server stops.
    pub fn add(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push((name, Box::pin(task)));
    }

    /// Starts all tasks. They are aborted when the returned value is dropped.
    #[must_use]
    pub fn start(self) -> Running {
        let mut running = Running::default();
        for (name, task) in self.0 {
            running.start(name, task);
        }
        running
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Running tasks.
#[derive(Debug, Default)]
pub struct Running {
    set: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Running {
    /// Starts one more task.
    pub fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        #[cfg(debug_assertions)]
        let task = on_purpose::or_panic(name, task);
        let handle = self.set.spawn(task);
        tracing::debug!(task = name, "started");
        self.names.insert(handle.id(), name);
        handle
    }

    /// Waits until a task ends without being aborted.
    pub async fn ended(&mut self) -> TaskEnded {
        loop {
            let (id, cause) = match self.set.join_next_with_id().await {
                Some(Ok((id, ()))) => (id, "ended"),
                Some(Err(error)) if error.is_cancelled() => continue,
                // The panic is in the log already.
                Some(Err(error)) => (error.id(), "panicked"),
                None => std::future::pending().await,
            };
            return TaskEnded { task: self.names.get(&id).copied().unwrap_or_default(), cause };
        }
    }
}

/// A task that the server needs has ended.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the task {task} {cause}, and the server cannot go on without it")]
pub struct TaskEnded {
    task: &'static str,
    cause: &'static str,
}

/// In builds for tests a task can be made to panic: at SIGUSR1, the task whose name is in the environment panics.
#[cfg(debug_assertions)]
mod on_purpose {
    use tokio::signal::unix::{SignalKind, signal};

    const PANICKING_TASK: &str = "PARLOUR_TEST_PANICKING_TASK";

    pub(super) async fn or_panic(name: &'static str, task: impl Future<Output = ()>) {
        if std::env::var(PANICKING_TASK).ok().as_deref() != Some(name) {
            return task.await;
        }
        let mut wanted = signal(SignalKind::user_defined1()).expect("a signal to wait for");
        tokio::select! {
            () = task => {}
            _ = wanted.recv() => panic!("{name} panics because a test asked for it"),
        }
    }
}
