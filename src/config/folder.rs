//! Folders that hold what is not for everybody on this machine.

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt, path::Path};

/// Makes a folder and those above it that are missing. Only this user may look into what it makes: there are messages, files and
/// keys in it.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
