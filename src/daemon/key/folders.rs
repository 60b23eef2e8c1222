//! The folders above a secret key: whoever may change one of them may put another one, with another key, in the place of
//! what is below it. So each is looked at, up to the root, and behind each link on the way.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;

use super::{KeyError, Rules};

/// As many links as the kernel follows.
const LINKS: usize = 40;

/// Looks at the folder of a file and at those above it.
pub(super) fn look_at(file: &Path, rules: Rules, user: u32) -> Result<(), KeyError> {
    let read = |path: &Path, source| KeyError::Read { path: path.to_owned(), source };
    let file = std::path::absolute(file).map_err(|source| read(file, source))?;
    let folder = file.parent().unwrap_or(&file);
    let mut left = parts(folder);
    let (mut here, mut links) = (PathBuf::from("/"), 0);
    loop {
        let known = here.symlink_metadata().map_err(|source| read(&here, source))?;
        if known.is_symlink() {
            links += 1;
            if links > LINKS {
                return Err(read(folder, Errno::LOOP.into()));
            }
            // In a folder with the sticky bit its owner may replace it.
            judge(&here, &known, 0, rules, user)?;
            let target = std::fs::read_link(&here).map_err(|source| read(&here, source))?;
            left = parts(&target).into_iter().chain(left).collect();
            here = if target.is_absolute() { PathBuf::from("/") } else { above(&here) };
            continue;
        }
        judge(&here, &known, known.mode(), rules, user)?;
        match left.pop_front() {
            None => return Ok(()),
            Some(part) if part == ".." => here = above(&here),
            Some(part) => here.push(part),
        }
    }
}

/// Who may write to a folder may put others into it; where the sticky bit is set, only the owners may replace what is
/// there.
fn judge(folder: &Path, known: &Metadata, mode: u32, rules: Rules, user: u32) -> Result<(), KeyError> {
    let folder = || folder.to_owned();
    if !rules.any_owner && ![0, user].contains(&known.uid()) {
        return Err(KeyError::FolderOwner { folder: folder(), owner: known.uid(), wanted: user });
    }
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return Err(KeyError::Folder { folder: folder() });
    }
    Ok(())
}

fn above(folder: &Path) -> PathBuf {
    folder.parent().unwrap_or(folder).to_owned()
}

/// The names on a path, `..` among them.
fn parts(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    named.map(|part| part.as_os_str().to_owned()).collect()
}
