//! The usual names of environment variables, and the keys that they set.

/// Every name of the usual kind, the key that it means, and what its value is in the terms of that key. Of two that
/// mean the same, the later one counts.
pub(super) const SHORT: &[(&str, &str, Meaning)] = &[
    ("ENVIRONMENT", "server.environment", |text| Ok(text.to_lowercase())),
    ("HOST", "server.host", as_is),
    ("PORT", "server.port", as_is),
    ("DATA_DIR", "server.data_dir", as_is),
    ("TRUSTED_PROXIES", "server.trusted_proxies", as_is),
    ("DATABASE_URL", "database.url", |text| Ok(database_url(text))),
    ("MIGRATE_ON_START", "database.migrate_on_start", |text| {
        Ok(match text.to_lowercase().as_str() {
            "true" | "1" | "yes" => "always".to_owned(),
            "false" | "0" | "no" => "never".to_owned(),
            other => other.to_owned(),
        })
    }),
    ("REDIS_URL", "bus.redis_url", as_is),
    ("SECRET_KEY", "auth.secret_key", as_is),
    ("ACCESS_TOKEN_EXPIRE_MINUTES", "auth.access_token_seconds", |text| times(text, 60)),
    ("REFRESH_TOKEN_EXPIRE_DAYS", "auth.refresh_token_seconds", |text| times(text, 24 * 60 * 60)),
    ("BACKEND_CORS_ORIGINS", "cors.origins", as_is),
    ("ALLOWED_ORIGINS", "cors.origins", as_is),
    ("CORS_ORIGINS", "cors.origins", as_is),
    ("MAX_CHAT_PARTICIPANTS", "rooms.max_members", as_is),
    ("PUBLIC_URL", "server.public_url", as_is),
    ("MEDIA_STORE", "media.store", |text| Ok(text.to_lowercase())),
    ("SUPABASE_URL", "supabase.url", as_is),
    ("SUPABASE_KEY", "supabase.key", as_is),
    ("SUPABASE_SERVICE_ROLE_KEY", "supabase.key", as_is),
    ("SUPABASE_SECRET_KEY", "supabase.key", as_is),
    ("SUPABASE_STORAGE_BUCKET", "supabase.bucket", as_is),
    ("SUPABASE_BUCKET", "supabase.bucket", as_is),
    ("AWS_ACCESS_KEY_ID", "s3.access_key_id", as_is),
    ("AWS_SECRET_ACCESS_KEY", "s3.secret_access_key", as_is),
    ("AWS_SESSION_TOKEN", "s3.session_token", as_is),
    ("AWS_DEFAULT_REGION", "s3.region", as_is),
    ("AWS_REGION", "s3.region", as_is),
    ("AWS_ENDPOINT_URL", "s3.endpoint", as_is),
    ("AWS_ENDPOINT_URL_S3", "s3.endpoint", as_is),
    ("AWS_STORAGE_BUCKET_NAME", "s3.bucket", as_is),
    ("AWS_S3_BUCKET", "s3.bucket", as_is),
    ("AWS_BUCKET", "s3.bucket", as_is),
    ("S3_BUCKET", "s3.bucket", as_is),
    // Wasabi has an address a region (<https://docs.wasabi.com/docs/what-are-the-service-urls-for-wasabis-different-storage-regions>).
    ("WASABI_BUCKET_NAME", "s3.endpoint", |_| Ok("https://s3.wasabisys.com".to_owned())),
    ("WASABI_BUCKET", "s3.endpoint", |_| Ok("https://s3.wasabisys.com".to_owned())),
    ("WASABI_REGION", "s3.endpoint", |region| Ok(format!("https://s3.{region}.wasabisys.com"))),
    ("WASABI_ACCESS_KEY", "s3.access_key_id", as_is),
    ("WASABI_ACCESS_KEY_ID", "s3.access_key_id", as_is),
    ("WASABI_SECRET_KEY", "s3.secret_access_key", as_is),
    ("WASABI_SECRET_ACCESS_KEY", "s3.secret_access_key", as_is),
    ("WASABI_REGION", "s3.region", as_is),
    ("WASABI_ENDPOINT", "s3.endpoint", |text| Ok(with_scheme(text))),
    ("WASABI_ENDPOINT_URL", "s3.endpoint", |text| Ok(with_scheme(text))),
    ("WASABI_BUCKET_NAME", "s3.bucket", as_is),
    ("WASABI_BUCKET", "s3.bucket", as_is),
    ("SMTP_URL", "mail.smtp_url", as_is),
    ("SMTP_FROM", "mail.from", as_is),
    ("LOG_LEVEL", "log.level", |text| {
        Ok(match text.to_lowercase().as_str() {
            "warning" => "warn".to_owned(),
            "critical" | "fatal" => "error".to_owned(),
            _ => text.to_lowercase(),
        })
    }),
];

pub(super) type Meaning = fn(&str) -> Result<String, String>;

fn as_is(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn times(text: &str, seconds: u64) -> Result<String, String> {
    let count: u64 = text.trim().parse().map_err(|_| format!("must be a whole number, not `{text}`"))?;
    Ok(count.saturating_mul(seconds).to_string())
}

/// SQLAlchemy names its driver in the scheme, and writes a relative SQLite path after three slashes and an absolute
/// one after four (<https://docs.sqlalchemy.org/en/20/core/engines.html#sqlite>). Elsewhere three slashes begin an absolute path:
/// without a driver only a path that nobody means so is read as SQLAlchemy would, one that begins with `.` or has no folder.
fn database_url(text: &str) -> String {
    let Some((scheme, rest)) = text.trim().split_once("://") else { return text.trim().to_owned() };
    let (scheme, driver) = scheme.split_once('+').map_or((scheme, None), |(scheme, driver)| (scheme, Some(driver)));
    let rest = match rest.strip_prefix('/') {
        Some(path) if scheme == "sqlite" => {
            let file = path.split('?').next().unwrap_or(path);
            let is_relative = driver.is_some() || file.starts_with('.') || !file.contains('/');
            if is_relative || path.starts_with('/') { path } else { rest }
        }
        _ => rest,
    };
    format!("{scheme}://{rest}")
}

/// Wasabi's documents name its addresses without a scheme.
fn with_scheme(text: &str) -> String {
    if text.contains("://") { text.to_owned() } else { format!("https://{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_the_way_of_sqlalchemy_are_understood() {
        for (given, meant) in [
            ("sqlite+aiosqlite:///./chat.db", "sqlite://./chat.db"),
            ("sqlite+aiosqlite:////var/chat.db", "sqlite:///var/chat.db"),
            ("sqlite://./chat.db", "sqlite://./chat.db"),
            ("sqlite:///./chat.db", "sqlite://./chat.db"),
            ("sqlite:///../chat.db?mode=rwc", "sqlite://../chat.db?mode=rwc"),
            ("sqlite:///chat.db", "sqlite://chat.db"),
            ("sqlite:///var/lib/chat.db", "sqlite:///var/lib/chat.db"),
            ("sqlite:////var/chat.db", "sqlite:///var/chat.db"),
            (" sqlite+pysqlite:///data/chat.db\n", "sqlite://data/chat.db"),
            ("postgresql+psycopg://db/x", "postgresql://db/x"),
        ] {
            assert_eq!(database_url(given), meant);
        }
    }
}
