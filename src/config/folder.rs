//! Folders for private files.

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt, path::Path};

/// Why a folder cannot be used, with what can be done about it.
pub(crate) fn unusable(error: &io::Error) -> io::Error {
    let advice = "let the user that runs the server write there, or name another folder with DATA_DIR";
    io::Error::new(error.kind(), format!("{error}; {advice}"))
}

/// Creates a folder and its missing parents. Only this user can read them, because they have messages, files and keys.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
