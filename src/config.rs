//! What the server is told: typed sections over the embedded `config/default.toml`, a file, and the environment.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The reference: every key with its comment and its default.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub database: Database,
    pub auth: Auth,
    pub cors: Cors,
    pub limits: Limits,
    pub realtime: Realtime,
    pub log: Log,
    pub ops: Ops,
}

/// What kind of place this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    Development,
    Production,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub environment: Environment,
    pub host: IpAddr,
    pub port: u16,
    pub data_dir: PathBuf,
    pub trusted_proxies: Vec<IpNet>,
    pub drain_seconds: u64,
    pub request_timeout_seconds: u64,
    pub body_bytes: usize,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: String,
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
pub struct Auth {
    pub secret_key: Secret,
    pub issuer: String,
    pub audience: String,
    pub access_token_seconds: u64,
    pub refresh_token_seconds: u64,
    pub allow_query_token: bool,
    pub password_workers: usize,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    pub origins: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub enabled: bool,
    pub auth_per_minute: u32,
    pub rest_per_minute: u32,
    pub messages_per_minute: u32,
    pub typing_interval_ms: u64,
    pub sockets_per_user: usize,
    pub handshakes_per_address: usize,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Realtime {
    pub ping_interval_ms: u64,
    pub ping_timeout_ms: u64,
    pub connect_timeout_ms: u64,
    pub packet_bytes: usize,
    pub buffer_packets: usize,
    pub inbox_events: usize,
    pub replay_events: usize,
    pub replay_total: usize,
    pub rooms_per_socket: usize,
    pub stall_timeout_ms: u64,
    pub presence_grace_ms: u64,
    pub typing_expiry_ms: u64,
    pub sweep_interval_ms: u64,
    pub expiry_notice_seconds: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

/// How log lines look.
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

/// A text that no log and no printed configuration shows.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing was set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "\"***\"" })
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { "***" })
    }
}

impl Config {
    /// Reads the defaults, then `file`, then the environment.
    ///
    /// # Errors
    /// A key that does not exist, or a value that does not fit.
    pub fn load(file: Option<PathBuf>) -> Result<Self, Box<figment::Error>> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(path) = file {
            figment = figment.merge(Toml::file_exact(path));
        }
        figment.merge(Env::prefixed("PARLOUR__").split("__")).extract().map_err(Box::new)
    }

    /// The database to use: what was set, or the SQLite file in the data folder.
    #[must_use]
    pub fn database_url(&self) -> String {
        if self.database.url.is_empty() {
            format!("sqlite://{}", self.server.data_dir.join("parlour.db").display())
        } else {
            self.database.url.clone()
        }
    }

    /// Whether this is production.
    #[must_use]
    pub fn is_production(&self) -> bool {
        self.server.environment == Environment::Production
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
}
