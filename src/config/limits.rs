//! The section `limits`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::validate::Check;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub enabled: bool,
    pub auth_per_minute: u32,
    pub auth_per_address: u32,
    pub auth_failures_per_account: u32,
    pub rest_per_minute: u32,
    pub messages_per_minute: u32,
    pub missed_events_per_minute: u32,
    pub connects_per_minute: u32,
    pub events_per_minute: u32,
    pub joins_per_minute: u32,
    pub joins_at_once: u32,
    pub lookups_per_minute: u32,
    pub read_marks_per_minute: u32,
    pub statuses_per_minute: u32,
    pub typing_per_minute: u32,
    pub renewals_per_minute: u32,
    pub media_loads_per_minute: u32,
    pub invites_per_minute: u32,
    pub invitations_per_minute: u32,
    pub uploads_per_minute: u32,
    pub exports_at_once: usize,
    pub strangers_per_minute: u32,
    pub strangers_per_day: u32,
    pub groups_per_minute: u32,
    pub groups_per_day: u32,
    pub typing_interval_ms: u64,
    pub presence_interval_ms: u64,
    pub presence_notices_per_second: u32,
    pub sockets_per_user: usize,
    pub handshakes_per_address: usize,
}

impl Limits {
    /// The least time between two typing notices of one user in one room; nothing when limits are off.
    #[must_use]
    pub fn typing_interval(&self) -> Duration {
        if self.enabled { Duration::from_millis(self.typing_interval_ms) } else { Duration::ZERO }
    }

    pub(super) fn check(&self, check: &mut Check) {
        for (name, limit) in [
            ("limits.auth_per_minute", self.auth_per_minute),
            ("limits.auth_per_address", self.auth_per_address),
            ("limits.auth_failures_per_account", self.auth_failures_per_account),
            ("limits.rest_per_minute", self.rest_per_minute),
            ("limits.messages_per_minute", self.messages_per_minute),
            ("limits.connects_per_minute", self.connects_per_minute),
            ("limits.events_per_minute", self.events_per_minute),
            ("limits.joins_per_minute", self.joins_per_minute),
            ("limits.joins_at_once", self.joins_at_once),
            ("limits.lookups_per_minute", self.lookups_per_minute),
            ("limits.read_marks_per_minute", self.read_marks_per_minute),
            ("limits.statuses_per_minute", self.statuses_per_minute),
            ("limits.typing_per_minute", self.typing_per_minute),
            ("limits.renewals_per_minute", self.renewals_per_minute),
            ("limits.media_loads_per_minute", self.media_loads_per_minute),
            ("limits.invites_per_minute", self.invites_per_minute),
            ("limits.invitations_per_minute", self.invitations_per_minute),
            ("limits.uploads_per_minute", self.uploads_per_minute),
            ("limits.strangers_per_minute", self.strangers_per_minute),
            ("limits.groups_per_minute", self.groups_per_minute),
            ("limits.presence_notices_per_second", self.presence_notices_per_second),
        ] {
            check.range(name, limit, &(1..=1_000_000));
        }
        check.range("limits.missed_events_per_minute", self.missed_events_per_minute, &(1_000..=1_000_000_000));
        check.range("limits.strangers_per_day", self.strangers_per_day, &(1..=1_000_000_000));
        check.range("limits.groups_per_day", self.groups_per_day, &(1..=1_000_000_000));
        check.range("limits.exports_at_once", self.exports_at_once, &(1..=1_000));
        check.range("limits.typing_interval_ms", self.typing_interval_ms, &(1..=60_000));
        check.range("limits.presence_interval_ms", self.presence_interval_ms, &(1..=60_000));
        check.range("limits.sockets_per_user", self.sockets_per_user, &(1..=1_000_000));
        check.range("limits.handshakes_per_address", self.handshakes_per_address, &(1..=1_000_000));
    }
}
