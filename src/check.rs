//! `parlour config check`: whether a server would start with this configuration, and whether what it needs answers. It changes nothing:
//! what a server creates at its first start (the data folder, the database, a secret key) is not created.

use std::{io, net::SocketAddr, path::Path};

use crate::{
    app::StartError,
    cluster::redis,
    config::{Config, MediaStore, unusable},
    db::{
        Db,
        file::{self, LockError, ProcessLock},
    },
    error::with_causes,
    listener,
    mail::Mail,
    media::{Files, store::Store},
    server::{check_schema, open_existing_database},
};

/// Everything that prevents a server from starting or working, each as a sentence. If a server answers at the configured address, it may
/// be the one with this configuration: then its port and its lock are no problem.
pub async fn problems(config: &Config, is_running: bool) -> Vec<String> {
    let lock = ProcessLock::check(config);
    // A server with only the address, or only the file, has another configuration.
    let is_running = is_running && (file::path_of(config).is_none() || matches!(lock, Err(LockError::Held { .. })));
    let checks = [
        address(config, is_running).map_err(sentence),
        lock.or_else(|error| if is_running { Ok(()) } else { Err(sentence(error)) }),
        data_folder(config).map_err(sentence),
        database(config).await.map_err(sentence),
        media_store(config).await,
        redis_answers(config).await,
        smtp_answers(config).await,
    ];
    checks.into_iter().filter_map(Result::err).collect()
}

fn sentence(error: impl std::error::Error) -> String {
    with_causes(&error)
}

fn address(config: &Config, is_running: bool) -> Result<(), StartError> {
    let wanted = SocketAddr::new(config.server.host, config.server.port);
    match std::net::TcpListener::bind(wanted) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_running => Ok(()),
        bound => bound.map(drop).map_err(|error| StartError::Listen(wanted, listener::explained(error))),
    }
}

/// Whether files can be written in a folder, or the folder can be created.
fn data_folder(config: &Config) -> Result<(), StartError> {
    let wanted = &config.server.data_dir;
    takes_files(wanted).map_err(|error| StartError::DataFolder(wanted.clone(), unusable(&error)))?;
    let spool = Files::spool_of(config);
    takes_files(&spool).map_err(|error| StartError::Spool(spool, unusable(&error)))?;
    let key = wanted.join("secret_key");
    if config.auth.secret_key.is_empty() && key.exists() {
        std::fs::read_to_string(key)
            .map(drop)
            .map_err(|error| StartError::SecretKey(wanted.clone(), unusable(&error)))?;
    }
    Ok(())
}

fn takes_files(folder: &Path) -> io::Result<()> {
    let made = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    tempfile::tempfile_in(made).map(drop)
}

async fn database(config: &Config) -> Result<(), StartError> {
    let pending = match open_existing_database(config).await? {
        None => Db::migrations_of_none().len(),
        Some(db) => check_schema(&db).await?,
    };
    if pending > 0 && !config.migrates_on_start() { Err(StartError::Pending(pending)) } else { Ok(()) }
}

async fn media_store(config: &Config) -> Result<(), String> {
    let is_local = matches!(config.media_store(), MediaStore::Auto | MediaStore::Local);
    if is_local && !config.server.data_dir.join("media").exists() {
        return Ok(());
    }
    let checked = match Store::new(config) {
        Ok(store) => store.check().await,
        Err(error) => Err(error),
    };
    checked.map_err(|error| {
        let why = with_causes(&*error.into_cause());
        let has_key = config.media_store() != MediaStore::S3 || !config.s3.access_key_id.is_empty();
        format!("cannot use the media store: {}", if has_key { why } else { without_key(why) })
    })
}

/// Why an S3 store cannot be used for which no key is set.
fn without_key(why: String) -> String {
    // Where a machine of a cloud asks for its role.
    if !why.contains("169.254.") {
        return why;
    }
    "there is no key, and this machine has no role that stands for one; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        .to_owned()
}

async fn redis_answers(config: &Config) -> Result<(), String> {
    let Some(client) = config.bus.redis().map_err(str::to_owned)? else { return Ok(()) };
    redis::ping(&client)
        .await
        .map_err(|problem| format!("the Redis of bus.redis_url (REDIS_URL) does not answer: {problem}"))
}

async fn smtp_answers(config: &Config) -> Result<(), String> {
    let mail = Mail::new(&config.mail)?;
    mail.check()
        .await
        .map_err(|problem| format!("the mail server of mail.smtp_url (SMTP_URL) does not answer: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_told_in_plain_words() {
        let asked = "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 4ms";
        assert!(without_key(asked.to_owned()).contains("set AWS_ACCESS_KEY_ID"));
        assert_eq!(without_key("no answer".to_owned()), "no answer");
    }
}
