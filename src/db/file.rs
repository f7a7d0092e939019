//! The file of an SQLite database: where it lies, who may read it, and which process serves it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    str::FromStr,
};

use sea_orm::sqlx::sqlite::SqliteConnectOptions;

use crate::config::{Config, create_folder};

/// The file that an address names; none for PostgreSQL.
#[must_use]
pub fn path_of(config: &Config) -> Option<PathBuf> {
    let url = config.database_url();
    let options = SqliteConnectOptions::from_str(url.expose()).ok()?;
    url.expose().starts_with("sqlite:").then(|| options.get_filename().to_path_buf())
}

/// Makes the file unless it is there. SQLite gives the files that it makes beside it the same mode
/// (<https://www.sqlite.org/tempfiles.html>).
pub(super) fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_folder(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// Why a process cannot have a database for itself.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another process{owner} uses the database {path}; stop it, or {advice}", path = path.display())]
    Held { owner: String, path: PathBuf, advice: &'static str },
    #[error("cannot use the database {path}; let the user that runs the server write there, or {advice}", path = path.display())]
    Io {
        path: PathBuf,
        advice: &'static str,
        #[source]
        error: io::Error,
    },
    #[error(
        "the database {path} has {names} names (hard links); each would have a journal of its own, which destroys it: remove the \
         other names",
        path = .0.display(), names = .1
    )]
    Linked(PathBuf, u64),
}

/// The right to serve an SQLite database or to change its schema, until it is dropped or the process ends.
///
/// It is a lock on a file beside the database: SQLite's own locks on the database are lost when a process closes any handle to
/// that file (<https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_>).
#[derive(Debug)]
pub struct ProcessLock {
    _file: File,
}

impl ProcessLock {
    /// Takes the lock of a database that is an SQLite file, and makes the file if it is missing; nothing for PostgreSQL.
    ///
    /// # Errors
    /// When another process has it, the file has a second name, or cannot be made.
    pub fn take(config: &Config) -> Result<Option<Self>, LockError> {
        let Some(path) = path_of(config) else { return Ok(None) };
        let advice = advice(config);
        let failed = |error| LockError::Io { path: path.clone(), advice, error };
        create(&path).map_err(failed)?;
        has_one_name(&path)?;
        let beside = beside(&path).map_err(failed)?;
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&beside).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                // For people who ask which process it is; the lock counts, not what is written.
                file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
                Ok(Some(Self { _file: file }))
            }
            Err(TryLockError::WouldBlock) => Err(LockError::Held { owner: owner(&file), path, advice }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Whether the lock could be taken now, without taking it or making a file.
    ///
    /// # Errors
    /// When another process has it, the file has a second name, or cannot be read.
    pub fn check(config: &Config) -> Result<(), LockError> {
        let Some(path) = path_of(config) else { return Ok(()) };
        let advice = advice(config);
        has_one_name(&path)?;
        let file = match beside(&path).and_then(File::open) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(|error| LockError::Io { path: path.clone(), advice, error })?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(LockError::Held { owner: owner(&file), path, advice }),
            Err(TryLockError::Error(error)) => Err(LockError::Io { path, advice, error }),
        }
    }
}

/// Refuses a file that another name in a folder leads to as well: by that name another process would lock another file, and write to
/// another journal (<https://www.sqlite.org/howtocorrupt.html#_unlinking_or_renaming_a_database_file_while_in_use>).
fn has_one_name(path: &Path) -> Result<(), LockError> {
    match path.metadata() {
        Ok(file) if file.is_file() && file.nlink() > 1 => Err(LockError::Linked(path.to_owned(), file.nlink())),
        _ => Ok(()),
    }
}

/// The file that is locked for a database. The same database by another name has the same one.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let mut beside = path.canonicalize()?.into_os_string();
    beside.push(".lock");
    Ok(beside.into())
}

/// What to do when another process has the file. It is in the data folder unless DATABASE_URL names it.
fn advice(config: &Config) -> &'static str {
    match config.database.url.is_empty() {
        true => "give this one its own folder with DATA_DIR",
        false => "give this one its own file with DATABASE_URL",
    }
}

/// ` (number 123)`, if it is known.
fn owner(file: &File) -> String {
    match io::read_to_string(file) {
        Ok(process) if process.trim().parse::<u32>().is_ok() => format!(" (number {})", process.trim()),
        _ => String::new(),
    }
}
