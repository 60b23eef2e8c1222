//! Files that a command writes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};

/// The path of a file beside another one: its name with an ending.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// A new file that its owner alone reads, in the place of one that may be there.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Writes a whole file, readable by its owner alone, or leaves it as it was.
pub(super) fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let unfinished = beside(path, ".unfinished");
    let mut file = open_private(&unfinished)?;
    file.write_all(octets)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

/// What went wrong with a file.
pub(super) fn told(path: &Path, error: &io::Error) -> Failure {
    let exit = if error.kind() == io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Internal };
    Failure::new(exit, format!("{}: {error}", path.display()))
}
