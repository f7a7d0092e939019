//! Files that a process was writing to the local disk when it died.

use std::{fs, io, path::Path, time::UNIX_EPOCH};

use object_store::local::LocalFileSystem;

use super::object::Key;
use crate::contract::{MediaId, Timestamp};

/// Removes unfinished files that were last written before `old`, and counts them.
///
/// [`LocalFileSystem`] writes a file under its name, `#` and a number, renames it when it is whole, and lists none of these.
///
/// # Errors
/// When the disk refuses.
pub(super) fn remove(disk: &LocalFileSystem, old: Timestamp) -> io::Result<usize> {
    let mut removed = 0;
    for folder in Key::all(MediaId::new()).map(Key::path) {
        let file = disk.path_to_filesystem(&folder).map_err(io::Error::other)?;
        let Some(folder) = file.parent().filter(|folder| folder.is_dir()) else { continue };
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if is_unfinished(&path) && last_written(&path)?.is_some_and(|at| at < old) {
                removed += usize::from(if_present(fs::remove_file(&path))?.is_some());
            }
        }
    }
    Ok(removed)
}

fn is_unfinished(path: &Path) -> bool {
    let number = path.file_name().and_then(|name| name.to_str()?.split_once('#')).map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// When an unfinished file was last written; nothing when it has just been finished.
fn last_written(path: &Path) -> io::Result<Option<Timestamp>> {
    let Some(metadata) = if_present(fs::metadata(path))? else { return Ok(None) };
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Some(Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))))
}

/// The outcome of an operation on a file, or nothing if the file is gone.
fn if_present<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
