//! What each section demands of its values, beyond their types.

use std::ops::RangeInclusive;

use super::{
    Auth, Bus, Config, Database, Environment, Log, Mail, Media, MediaStore, Ops, Realtime, Rooms, Secret, Server,
    origin::web_address,
};

/// Bytes that a key must have at least: as many as the hash of HS256 (RFC 7518, section 3.2).
const KEY_BYTES: usize = 32;

/// What the address of a web server is like.
const ADDRESS: &str = "an address like https://chat.example, without a login, `?` or `#`";

/// Different characters that a key must have at least; even hexadecimal digits have 16.
const KEY_VARIETY: usize = 8;

/// What keys from examples and templates contain, letters and digits only.
const PLACEHOLDERS: &[&str] =
    &["changethis", "changeme", "changeit", "secret", "placeholder", "example", "insecure", "password", "replaceme"];

/// A key, and what is wrong with its value.
type Problem = (&'static str, String);

pub(super) struct Check(Vec<Problem>);

impl Check {
    fn that(&mut self, holds: bool, key: &'static str, demand: impl Into<String>) {
        if !holds {
            self.0.push((key, demand.into()));
        }
    }

    pub(super) fn range(&mut self, key: &'static str, value: impl TryInto<u64>, range: &RangeInclusive<u64>) {
        let fits = value.try_into().is_ok_and(|value| range.contains(&value));
        self.that(fits, key, format!("must be from {} to {}", range.start(), range.end()));
    }
}

impl Config {
    /// Everything that does not fit, as the key and the reason.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut check = Check(Vec::new());
        self.server.check(&mut check);
        self.database.check(&mut check);
        self.bus.check(&mut check);
        self.auth.check(&mut check, self.server.environment);
        self.limits.check(&mut check);
        self.realtime.check(&mut check);
        self.mail.check(&mut check);
        self.media.check(&mut check);
        self.check_store(&mut check);
        self.rooms.check(&mut check);
        self.log.check(&mut check);
        self.ops.check(&mut check, self.server.environment);
        check.0
    }
}

impl Config {
    /// Whether the store that was chosen has what it needs.
    fn check_store(&self, check: &mut Check) {
        let is_address = |url: &str| web_address(url).is_some();
        if self.media.store == MediaStore::Auto && !self.supabase.key.is_empty() && !self.s3.bucket.is_empty() {
            check.that(false, "media.store", "both [s3] and [supabase] are set: choose one of them");
        }
        match self.media_store() {
            MediaStore::S3 => {
                check.that(!self.s3.bucket.is_empty(), "s3.bucket", "must not be empty");
                let has_both = self.s3.access_key_id.is_empty() == self.s3.secret_access_key.is_empty();
                check.that(
                    has_both,
                    "s3.secret_access_key",
                    "must be set together with s3.access_key_id: both or neither",
                );
                let endpoint = &self.s3.endpoint;
                check.that(endpoint.is_empty() || is_address(endpoint), "s3.endpoint", format!("must be {ADDRESS}"));
            }
            MediaStore::Supabase => {
                check.that(is_address(&self.supabase.url), "supabase.url", format!("must be {ADDRESS}"));
                check.that(!self.supabase.key.is_empty(), "supabase.key", "must not be empty");
                check.that(!self.supabase.bucket.is_empty(), "supabase.bucket", "must not be empty");
            }
            MediaStore::Auto | MediaStore::Local => {}
        }
    }
}

impl Media {
    fn check(&self, check: &mut Check) {
        check.range("media.file_bytes", self.file_bytes, &(1024..=5 << 30));
        check.range("media.user_bytes", self.user_bytes, &(1024..=1 << 50));
        check.range("media.url_seconds", self.url_seconds, &(60..=604_800));
        check.range("media.image_pixels", self.image_pixels, &(1_000_000..=500_000_000));
        check.range("media.workers", self.workers, &(1..=64));
        check.range("media.timeout_seconds", self.timeout_seconds, &(1..=9));
        check.range("media.pending_seconds", self.pending_seconds, &(1..=604_800));
        check.range("media.unused_seconds", self.unused_seconds, &(1..=31_536_000));
        check.range("media.sweep_seconds", self.sweep_seconds, &(1..=86_400));
        check.range("media.compare_seconds", self.compare_seconds, &(1..=31_536_000));
    }
}

impl Server {
    fn check(&self, check: &mut Check) {
        check.that(!self.data_dir.as_os_str().is_empty(), "server.data_dir", "must not be empty");
        let is_address = self.public_url.is_empty() || web_address(&self.public_url).is_some();
        check.that(is_address, "server.public_url", format!("must be {ADDRESS}"));
        check.range("server.drain_seconds", self.drain_seconds, &(0..=600));
        check.range("server.request_timeout_seconds", self.request_timeout_seconds, &(1..=600));
        check.range("server.body_bytes", self.body_bytes, &(1024..=16 << 20));
        check.range("server.slow_client_seconds", self.slow_client_seconds, &(1..=3600));
        check.range("server.slow_client_bytes", self.slow_client_bytes, &(1..=1 << 30));
    }
}

impl Database {
    fn check(&self, check: &mut Check) {
        let url = self.url.expose();
        let known = ["sqlite://", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        check.that(
            url.is_empty() || known,
            "database.url",
            "must start with sqlite://, postgres:// or postgresql://, such as sqlite://./chat.db",
        );
        let rest = url.strip_prefix("sqlite://").map(|rest| rest.split('?').next().unwrap_or_default());
        check.that(rest != Some(""), "database.url", "must name a file, such as sqlite://./data/chat.db");
        // Each connection would open a database of its own.
        check.that(!url.contains(":memory:"), "database.url", "must name a file; memory is not shared by connections");
        check.range("database.max_connections", self.max_connections, &(1..=1000));
        check.range("database.acquire_timeout_seconds", self.acquire_timeout_seconds, &(1..=60));
    }
}

impl Bus {
    fn check(&self, check: &mut Check) {
        if let Err(demand) = self.redis() {
            check.that(false, "bus.redis_url", demand);
        }
    }
}

impl Auth {
    fn check(&self, check: &mut Check, environment: Environment) {
        if environment == Environment::Production
            && let Err(demand) = fit_for_production(&self.secret_key)
        {
            check.that(false, "auth.secret_key", demand);
        }
        check.that(!self.issuer.is_empty(), "auth.issuer", "must not be empty");
        check.that(!self.audience.is_empty(), "auth.audience", "must not be empty");
        check.range("auth.access_token_seconds", self.access_token_seconds, &(1..=365 * 24 * 60 * 60));
        check.range("auth.refresh_leeway_seconds", self.refresh_leeway_seconds, &(0..=300));
        check.range("auth.refresh_token_seconds", self.refresh_token_seconds, &(1..=365 * 24 * 60 * 60));
        check.range("auth.password_workers", self.password_workers, &(1..=256));
    }
}

/// What is to be said of a key that was set and is too short for production; development takes it.
pub(super) fn short_key(key: &Secret) -> Option<String> {
    let bytes = key.expose().len();
    (1..KEY_BYTES).contains(&bytes).then(|| {
        format!(
            "SECRET_KEY has {bytes} bytes and can be guessed; production wants {KEY_BYTES} at least: make one with \
             `openssl rand -hex 32`"
        )
    })
}

/// Refuses keys that can be guessed.
fn fit_for_production(key: &Secret) -> Result<(), String> {
    const ADVICE: &str = "make one with `openssl rand -hex 32` and set SECRET_KEY";
    let key = key.expose();
    if key.is_empty() {
        return Err(format!("production needs a secret key; {ADVICE}"));
    }
    let bare: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    if PLACEHOLDERS.iter().any(|word| bare.contains(word)) {
        return Err(format!("this is a placeholder that anybody can guess; {ADVICE}"));
    }
    if key.len() < KEY_BYTES {
        return Err(format!("must have at least {KEY_BYTES} bytes, this has {}; {ADVICE}", key.len()));
    }
    let mut bytes = key.as_bytes().to_vec();
    bytes.sort_unstable();
    bytes.dedup();
    if bytes.len() < KEY_VARIETY {
        return Err(format!("the same few characters over and over are easily guessed; {ADVICE}"));
    }
    Ok(())
}

impl Realtime {
    fn check(&self, check: &mut Check) {
        let day = 24 * 60 * 60 * 1000;
        check.range("realtime.ping_interval_ms", self.ping_interval_ms, &(100..=day));
        check.range("realtime.ping_timeout_ms", self.ping_timeout_ms, &(100..=day));
        check.range("realtime.connect_timeout_ms", self.connect_timeout_ms, &(100..=60_000));
        check.range("realtime.packet_bytes", self.packet_bytes, &(1024..=64 << 20));
        check.range("realtime.inbox_events", self.inbox_events, &(1..=1_000_000));
        check.range("realtime.replay_events", self.replay_events, &(1..=100_000));
        check.range("realtime.rooms_per_socket", self.rooms_per_socket, &(1..=100_000));
        check.range("realtime.stall_timeout_ms", self.stall_timeout_ms, &(1000..=600_000));
        check.range("realtime.presence_grace_ms", self.presence_grace_ms, &(0..=600_000));
        check.range("realtime.typing_expiry_ms", self.typing_expiry_ms, &(100..=600_000));
        check.range("realtime.sweep_interval_ms", self.sweep_interval_ms, &(50..=600_000));
        check.range("realtime.recheck_interval_ms", self.recheck_interval_ms, &(50..=600_000));
        check.range("realtime.expiry_notice_seconds", self.expiry_notice_seconds, &(0..=86_400));
        check.that(
            self.replay_total >= self.replay_events,
            "realtime.replay_total",
            format!("must not be less than replay_events ({})", self.replay_events),
        );
        // A replay is queued as a whole; a buffer that it fills would cut the connection it is meant to restore.
        check.that(
            self.buffer_packets > self.replay_total,
            "realtime.buffer_packets",
            format!("must be more than replay_total ({})", self.replay_total),
        );
        // An answer to `sync` has 1 MiB at the most, and a page of a replay a few.
        let least = 4 * 1024 * 1024;
        check.that(self.buffer_bytes >= least, "realtime.buffer_bytes", format!("must be at least {least}"));
    }
}

impl Mail {
    fn check(&self, check: &mut Check) {
        if let Err(problem) = self.server() {
            check.that(false, "mail", problem);
        }
        let link = &self.invite_link;
        check.that(link.is_empty() || link.contains("{code}"), "mail.invite_link", "must contain {code}");
        let is_whole = link.is_empty() || (link.contains("://") && !link.contains(char::is_whitespace));
        check.that(is_whole, "mail.invite_link", "must be an address such as https://app.example/join/{code}");
    }
}

impl Rooms {
    fn check(&self, check: &mut Check) {
        check.range("rooms.max_members", self.max_members, &(2..=100_000));
    }
}

impl Log {
    fn check(&self, check: &mut Check) {
        if let Err(problem) = self.filter() {
            check.that(false, "log.level", problem);
        }
    }
}

impl Ops {
    fn check(&self, check: &mut Check, environment: Environment) {
        let long_enough = self.token.is_empty() || self.token.expose().len() >= 16;
        check.that(
            environment == Environment::Development || long_enough,
            "ops.token",
            "must have at least 16 bytes in production",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_key_is_told_of() {
        for (key, is_told) in [("", false), ("short", true), ("31415926535897932384626433832795", false)] {
            let told = short_key(&key.to_owned().into());
            assert_eq!(told.is_some(), is_told, "{key}");
            assert!(!told.unwrap_or_default().contains("short"), "no key is shown");
        }
    }

    #[test]
    fn production_refuses_keys_that_can_be_guessed() {
        for key in [
            "",
            "short",
            "0123456789abcdef0123456789abcde",
            "change-this-in-production",
            "CHANGE_THIS_IN_PRODUCTION_change_this_in_production",
            "your-secret-key",
            "your-secret-key-here-your-secret-key-here",
            "xxxxxxxxxxxxxxxxxxxx changeme xxxxxxxxxxxxxxxxxxxx",
            "secret",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(fit_for_production(&key.to_owned().into()).is_err(), "{key}");
        }
        for key in
            ["31415926535897932384626433832795", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
        {
            assert_eq!(fit_for_production(&key.to_owned().into()), Ok(()), "{key}");
        }
    }
}
