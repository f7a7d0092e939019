//! The configuration: typed sections over the embedded `config/default.toml`, a file, and the environment.

mod dotenv;
mod folder;
mod limits;
mod load;
mod names;
mod network;
mod origin;
mod privacy;
mod secret;
mod services;
mod validate;
mod warnings;

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub(crate) use folder::{create_folder, unusable};
pub use limits::Limits;
pub use load::Invalid;
pub use origin::Origin;
pub(crate) use origin::host_and_port;
pub use privacy::{Adding, Emails, Privacy};
pub use secret::{DatabaseUrl, Secret};

/// The reference: every key with its comment and its default.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub database: Database,
    pub bus: Bus,
    pub auth: Auth,
    pub cors: Cors,
    pub rooms: Rooms,
    pub limits: Limits,
    pub privacy: Privacy,
    pub realtime: Realtime,
    pub mail: Mail,
    pub media: Media,
    pub s3: S3,
    pub supabase: Supabase,
    pub log: Log,
    pub ops: Ops,
}

/// The environment of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    #[serde(alias = "dev", alias = "local", alias = "test", alias = "testing", alias = "ci")]
    Development,
    #[serde(alias = "prod", alias = "staging", alias = "stage", alias = "preview", alias = "live")]
    Production,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub environment: Environment,
    #[serde(deserialize_with = "network::address")]
    pub host: IpAddr,
    pub port: u16,
    pub data_dir: PathBuf,
    #[serde(deserialize_with = "origin::usual")]
    pub public_url: String,
    #[serde(deserialize_with = "network::networks")]
    pub trusted_proxies: Vec<IpNet>,
    pub drain_seconds: u64,
    pub request_timeout_seconds: u64,
    pub body_bytes: usize,
    pub slow_client_seconds: u64,
    pub slow_client_bytes: u64,
}

/// When a client is too slow at reading an answer or sending an upload.
#[derive(Clone, Copy, Debug)]
pub struct SlowClient {
    pub span: Duration,
    pub bytes: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: DatabaseUrl,
    pub max_connections: u32,
    pub acquire_timeout_seconds: u64,
    pub migrate_on_start: Migrate,
}

/// Whether pending migrations are applied at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Migrate {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    pub redis_url: Secret,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    pub secret_key: Secret,
    pub issuer: String,
    pub audience: String,
    pub access_token_seconds: u64,
    pub refresh_token_seconds: u64,
    pub refresh_leeway_seconds: u64,
    pub allow_query_token: bool,
    pub password_workers: usize,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    pub origins: Vec<Origin>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rooms {
    pub max_members: i32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Realtime {
    pub ping_interval_ms: u64,
    pub ping_timeout_ms: u64,
    pub connect_timeout_ms: u64,
    pub packet_bytes: usize,
    pub buffer_packets: usize,
    pub buffer_bytes: usize,
    pub inbox_events: usize,
    pub replay_events: usize,
    pub replay_total: usize,
    pub rooms_per_socket: usize,
    pub stall_timeout_ms: u64,
    pub presence_grace_ms: u64,
    pub typing_expiry_ms: u64,
    pub sweep_interval_ms: u64,
    pub recheck_interval_ms: u64,
    pub expiry_notice_seconds: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    pub smtp_url: Secret,
    pub from: String,
    pub invite_link: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    pub store: MediaStore,
    pub file_bytes: u64,
    pub user_bytes: u64,
    pub url_seconds: u64,
    pub image_pixels: u64,
    pub workers: usize,
    pub timeout_seconds: u64,
    pub pending_seconds: u64,
    pub unused_seconds: u64,
    pub sweep_seconds: u64,
    pub compare_seconds: u64,
}

/// Where files are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaStore {
    Auto,
    Local,
    S3,
    Supabase,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    pub bucket: String,
    pub region: String,
    #[serde(deserialize_with = "origin::usual")]
    pub endpoint: String,
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Secret,
    pub path_style: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Supabase {
    #[serde(deserialize_with = "origin::usual")]
    pub url: String,
    pub key: Secret,
    pub bucket: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Auto,
    Pretty,
    Json,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ops {
    pub token: Secret,
}

impl Config {
    /// The embedded defaults.
    #[must_use]
    pub fn defaults() -> Self {
        toml::from_str(DEFAULTS).expect("the embedded defaults fit")
    }

    /// Reads the defaults, then `file`, then `.env` in the working folder, then the environment, and checks the whole.
    ///
    /// # Errors
    /// Everything that is wrong, each with its source.
    pub fn load(file: Option<&Path>) -> Result<Self, Invalid> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
        load::load(file, Some(Path::new(dotenv::FILE)), environment.collect())
    }

    /// The database to use: what was set, or the SQLite file in the data folder.
    #[must_use]
    pub fn database_url(&self) -> DatabaseUrl {
        if self.database.url.is_empty() {
            DatabaseUrl::from(format!("sqlite://{}", self.server.data_dir.join("parlour.db").display()))
        } else {
            self.database.url.clone()
        }
    }

    /// Where files are kept, `auto` resolved.
    #[must_use]
    pub fn media_store(&self) -> MediaStore {
        match self.media.store {
            MediaStore::Auto if !self.supabase.key.is_empty() => MediaStore::Supabase,
            MediaStore::Auto if !self.s3.bucket.is_empty() => MediaStore::S3,
            MediaStore::Auto => MediaStore::Local,
            chosen => chosen,
        }
    }

    /// The effective configuration as TOML, without what must not be shown.
    ///
    /// # Errors
    /// When a path cannot be written as text.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// Takes the secret key from the data folder if none was set, making one at the first start. In production
    /// [`Config::load`] has already demanded one.
    ///
    /// # Errors
    /// When the file can neither be read nor written.
    pub fn complete_secret_key(&mut self) -> io::Result<()> {
        if self.auth.secret_key.is_empty() {
            let file = self.server.data_dir.join("secret_key");
            self.auth.secret_key = Secret::load_or_create(&file).map_err(|error| unusable(&error))?;
        }
        Ok(())
    }

    /// Whether pending migrations are applied at start.
    #[must_use]
    pub fn migrates_on_start(&self) -> bool {
        match self.database.migrate_on_start {
            Migrate::Auto => !self.is_production(),
            Migrate::Always => true,
            Migrate::Never => false,
        }
    }

    /// Whether this is production.
    #[must_use]
    pub fn is_production(&self) -> bool {
        self.server.environment == Environment::Production
    }

    /// How long before a token expires `session_expiring` is sent. At most half of the life of a token: otherwise a client that renews it
    /// would receive the event again at once.
    #[must_use]
    pub fn expiry_notice(&self) -> Duration {
        let seconds = self.realtime.expiry_notice_seconds;
        Duration::from_secs(seconds).min(Duration::from_secs(self.auth.access_token_seconds) / 2)
    }
}

impl Server {
    /// Which clients are too slow.
    #[must_use]
    pub fn slow_client(&self) -> SlowClient {
        SlowClient { span: Duration::from_secs(self.slow_client_seconds), bytes: self.slow_client_bytes }
    }
}

impl Auth {
    /// How long an access token lives.
    #[must_use]
    pub fn access_token_life(&self) -> Duration {
        Duration::from_secs(self.access_token_seconds)
    }

    /// How long a refresh token lives.
    #[must_use]
    pub fn refresh_token_life(&self) -> Duration {
        Duration::from_secs(self.refresh_token_seconds)
    }

    /// How long after its first use a refresh token may be used again.
    #[must_use]
    pub fn refresh_leeway(&self) -> Duration {
        Duration::from_secs(self.refresh_leeway_seconds)
    }
}

impl Realtime {
    /// How long a connection may take from its handshake to an accepted CONNECT.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// How long a user stays online after their last socket ended.
    #[must_use]
    pub fn presence_grace(&self) -> Duration {
        Duration::from_millis(self.presence_grace_ms)
    }

    /// How long a typing notice lasts that is not renewed.
    #[must_use]
    pub fn typing_expiry(&self) -> Duration {
        Duration::from_millis(self.typing_expiry_ms)
    }

    /// How long between two checks of the rights of open sockets.
    #[must_use]
    pub fn recheck_interval(&self) -> Duration {
        Duration::from_millis(self.recheck_interval_ms)
    }

    /// How long bytes may stay unacknowledged.
    #[must_use]
    pub fn stall_timeout(&self) -> Duration {
        Duration::from_millis(self.stall_timeout_ms)
    }
}
