//! Values that libraries parse: they are checked before anything uses them.

use lettre::{AsyncSmtpTransport, Tokio1Executor, message::Mailbox, transport::smtp::AsyncSmtpTransportBuilder};
use tracing_subscriber::EnvFilter;

use super::{Bus, Log, Mail};

impl Bus {
    /// The Redis between the nodes; nothing when this node is alone.
    ///
    /// # Errors
    /// What is wrong with its address, in words that do not quote it.
    pub fn redis(&self) -> Result<Option<redis::Client>, &'static str> {
        let url = self.redis_url.expose();
        if url.is_empty() {
            return Ok(None);
        }
        let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        if !matches!(scheme.as_deref(), Some("redis" | "rediss" | "unix" | "redis+unix")) {
            return Err("must start with redis:// or rediss://");
        }
        redis::Client::open(url).map(Some).map_err(|_| "is no address of a Redis")
    }
}

impl Mail {
    /// The mail server and the sender; nothing without a server.
    ///
    /// # Errors
    /// Which of the two is invalid.
    pub fn server(&self) -> Result<Option<(AsyncSmtpTransportBuilder, Mailbox)>, String> {
        let url = self.smtp_url.expose();
        if url.is_empty() {
            return Ok(None);
        }
        // The address may hold a password: what is wrong with it is not repeated.
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| "mail.smtp_url must be like smtps://user:password@host:465 or smtp://host:25".to_owned())?;
        let from = self.from.parse().map_err(|_| "mail.from must be an e-mail address".to_owned())?;
        Ok(Some((server, from)))
    }
}

impl Log {
    /// Which lines are written.
    ///
    /// # Errors
    /// What is wrong with the level.
    pub fn filter(&self) -> Result<EnvFilter, String> {
        let level = &self.level;
        let is_bare = level.chars().all(char::is_alphanumeric);
        // A bare level is meant for Parlour: the libraries log too much at `info` and `debug`, such as every defect of an audio file.
        let directives = if is_bare { format!("warn,symphonia=off,parlour={level}") } else { level.clone() };
        EnvFilter::builder().parse(directives).map_err(|error| {
            if is_bare {
                format!("`{level}` is not a level; use error, warn, info, debug, trace or off")
            } else {
                format!("`{level}` is neither a level nor directives as in RUST_LOG: {error}")
            }
        })
    }
}
