//! Sockets without a client, for tests.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;

use super::{Emission, Transport};
use crate::contract::{Timestamp, User, UserId, event::Encoded};

/// A transport that takes so many events and panics over the next one.
pub(crate) struct FakeTransport {
    left: AtomicUsize,
    killed: CancellationToken,
}

impl FakeTransport {
    /// The transport, and what is cancelled when it is killed.
    pub(crate) fn of_events(left: usize) -> (Box<dyn Transport>, CancellationToken) {
        let killed = CancellationToken::new();
        (Box::new(Self { left: AtomicUsize::new(left), killed: killed.clone() }), killed)
    }
}

impl Transport for FakeTransport {
    fn emit(&self, _: &'static str, _: &Encoded) -> Emission {
        assert!(self.left.load(Ordering::SeqCst) > 0, "on purpose");
        self.left.fetch_sub(1, Ordering::SeqCst);
        Emission::Queued
    }

    fn disconnect(&self) {
        self.killed.cancel();
    }

    fn kill(&self) {
        self.killed.cancel();
    }

    fn weigh(&self, _: usize) -> bool {
        true
    }

    fn is_behind(&self) -> bool {
        false
    }

    fn entries_at_once(&self) -> usize {
        1
    }

    fn answer_bytes(&self) -> usize {
        1024
    }
}

/// A user.
pub(crate) fn somebody() -> User {
    User {
        id: UserId::new(),
        email: "ada@example.com".to_owned(),
        username: None,
        full_name: None,
        avatar_url: None,
        is_active: true,
        is_verified: false,
        is_superuser: false,
        is_bot: false,
        created_at: Timestamp(0),
        last_login: None,
        shares_receipts: None,
    }
}
