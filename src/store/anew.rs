//! sled's snapshot and settings, made anew from its log. Damage to them keeps sled from opening though its log has
//! everything; so before anybody is told to restore a backup, the log alone is tried, on a copy.

use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

const COPY: &str = "sled.anew";
const ASIDE: &str = "sled.damaged";

/// Takes up an exchange that a stop interrupted: without sled's folder, the copy that was whole takes its place.
pub(super) fn take_up(dir: &Path, sled_dir: &Path) -> io::Result<()> {
    let copy = dir.join(COPY);
    if !sled_dir.exists() && dir.join(ASIDE).exists() && copy.exists() {
        std::fs::rename(copy, sled_dir)?;
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// Copies sled's log into a folder beside it, without what sled makes from it. Nothing when there is no log.
pub(super) fn copy(dir: &Path, sled_dir: &Path) -> io::Result<Option<std::path::PathBuf>> {
    if !sled_dir.join("db").exists() {
        return Ok(None);
    }
    let copy = dir.join(COPY);
    forget(&copy)?;
    std::fs::DirBuilder::new().mode(0o700).create(&copy)?;
    std::fs::copy(sled_dir.join("db"), copy.join("db"))?;
    let blobs = sled_dir.join("blobs");
    if blobs.exists() {
        std::fs::create_dir(copy.join("blobs"))?;
        for entry in std::fs::read_dir(blobs)? {
            let entry = entry?;
            std::fs::copy(entry.path(), copy.join("blobs").join(entry.file_name()))?;
        }
    }
    Ok(Some(copy))
}

/// Puts the copy, which opened, in the place of sled's folder, which is kept aside.
pub(super) fn exchange(dir: &Path, sled_dir: &Path) -> io::Result<()> {
    forget(&dir.join(ASIDE))?;
    std::fs::rename(sled_dir, dir.join(ASIDE))?;
    std::fs::rename(dir.join(COPY), sled_dir)?;
    File::open(dir)?.sync_all()
}

/// Removes what an attempt left: the copy that did not open, or what is not needed any more.
pub(super) fn clean(dir: &Path) -> io::Result<()> {
    forget(&dir.join(COPY))?;
    forget(&dir.join(ASIDE))
}

fn forget(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
