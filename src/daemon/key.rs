//! The files of the installation's secret key: where they are, and which are taken.
//!
//! The key is 32 random octets from systemd's credential `smsotpd.key`, else from the configured file, else in the state
//! folder. Who could read a key reads codes and texts, and who could put one there reads those to come: so a file is
//! refused that others may read or replace, by itself or with a folder above it (`folders.rs`).

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use zeroize::Zeroizing;

use crate::hex;
use crate::secret::Master;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("the secret key {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error(
        "the secret key {path} cannot be written: {source}; check the disk, its free space and the folder"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "the secret key {path} has to be 32 octets, or 64 hexadecimal digits; make one with: \
         head -c 32 /dev/urandom > {path}"
    )]
    Shape {
        /// The file.
        path: PathBuf,
    },
    /// All octets are the same.
    #[error(
        "the secret key {path} is no key: all of its octets are the same; put the right one there, or for a new \
         installation make one with: head -c 32 /dev/urandom > {path}"
    )]
    Constant {
        /// The file.
        path: PathBuf,
    },
    /// Somebody could put another one in its place.
    #[error("the secret key {path} is {what}; put the file itself there")]
    NoFile {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It is somebody else's.
    #[error("the secret key {path} belongs to user {owner}; run: chown {wanted} {path}")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it should be.
        wanted: u32,
    },
    /// Others may use it.
    #[error("the secret key {path} can be {what} by others; run: chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What others may do.
        what: &'static str,
    },
    /// Others may put another file in its place.
    #[error(
        "the folder {folder} on the way to the secret key can be changed by others, who could put another key there; \
         run: chmod go-w {folder}"
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
    },
    /// Somebody else may do so, whose folder or link it is.
    #[error(
        "{folder} on the way to the secret key belongs to user {owner}, who could put another key there; run: \
         chown -h {wanted} {folder}, or keep the key below folders of root"
    )]
    FolderOwner {
        /// The folder, or a link to one.
        folder: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it should be.
        wanted: u32,
    },
    /// The store has records, and there is no key.
    #[error(
        "the store has records, and its secret key {path} is missing; put that key back, from a backup of it, or \
         restore a backup of the whole state. No new key is made beside records: nothing could read them"
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The store has another key.
    #[error(
        "the secret key {path} is not the key of this store; put the right key there, or restore the state that \
         belongs to this one"
    )]
    Wrong {
        /// The file.
        path: PathBuf,
    },
}

impl KeyError {
    /// Whether somebody has to change something; else the disk is at fault.
    pub const fn is_configuration(&self) -> bool {
        !matches!(self, Self::Write { .. })
    }
}

/// Where a key is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// systemd gives it.
    Credential(PathBuf),
    /// The configuration names it.
    Configured(PathBuf),
    /// In the state folder, where the daemon made it.
    State(PathBuf),
}

impl Place {
    /// Where the key is to be.
    pub(super) fn of(configured: Option<&Path>, state_dir: &Path) -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
        let credential = credentials.map(|dir| Path::new(&dir).join("smsotpd.key"));
        match (credential.filter(|path| path.symlink_metadata().is_ok()), configured) {
            (Some(path), _) => Self::Credential(path),
            (None, Some(path)) => Self::Configured(path.to_owned()),
            (None, None) => Self::State(path(state_dir)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        let (Self::Credential(path) | Self::Configured(path) | Self::State(path)) = self;
        path
    }

    /// Where a rotation has the other key: of the daemon's own the next one, of one that is given the former one.
    pub(super) fn beside(&self) -> PathBuf {
        let end = if matches!(self, Self::State(_)) { ".new" } else { ".old" };
        let mut name = self.path().as_os_str().to_owned();
        name.push(end);
        name.into()
    }

    /// The key; none when the daemon has not made one yet.
    pub(super) fn read(&self) -> Result<Option<Master>, KeyError> {
        match read(self.path(), self.rules()) {
            Err(KeyError::Read { source, .. })
                if source.kind() == io::ErrorKind::NotFound && matches!(self, Self::State(_)) =>
            {
                Ok(None)
            }
            found => found.map(Some),
        }
    }

    /// The other key. What the daemon began to write there and did not end is none.
    pub(super) fn read_beside(&self) -> Result<Option<Master>, KeyError> {
        match read(&self.beside(), self.rules()) {
            Ok(key) => Ok(Some(key)),
            Err(_) if matches!(self, Self::State(_)) => Ok(None),
            Err(KeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Whether a key that is made here would be taken by the next start.
    pub(super) fn may_be_made(&self) -> Result<(), KeyError> {
        folders::look_at(self.path(), self.rules(), geteuid().as_raw())
    }

    const fn rules(&self) -> Rules {
        match self {
            // systemd gives the group of the file what an access list grants to the daemon's user: it may be read.
            Self::Credential(_) => Rules { forbidden: 0o037, any_owner: false },
            Self::Configured(_) | Self::State(_) => Rules { forbidden: 0o077, any_owner: false },
        }
    }
}

/// What a file has to be.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// The bits of its mode that it must not have.
    forbidden: u32,
    /// Whether it may belong to anybody.
    any_owner: bool,
}

/// The path of a key that the daemon makes.
pub(super) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("secret.key")
}

/// Whether the configured file is valid. Root looks at it for another user.
pub(super) fn check(path: &Path) -> Result<(), KeyError> {
    read(path, Rules { forbidden: 0o077, any_owner: geteuid().is_root() }).map(|_| ())
}

fn read(path: &Path, rules: Rules) -> Result<Master, KeyError> {
    let path = path.to_owned();
    // What is opened is what is looked at: no link is followed, and no pipe is waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(&path, flags, Mode::empty()) {
        Err(Errno::LOOP) => return Err(KeyError::NoFile { path, what: "a link" }),
        Err(e) => return Err(KeyError::Read { path, source: e.into() }),
        Ok(opened) => File::from(opened),
    };
    let known = match file.metadata() {
        Err(source) => return Err(KeyError::Read { path, source }),
        Ok(known) => known,
    };
    if !known.is_file() {
        return Err(KeyError::NoFile { path, what: "no regular file" });
    }
    let user = geteuid().as_raw();
    if !rules.any_owner && ![0, user].contains(&known.uid()) {
        return Err(KeyError::Owner { path, owner: known.uid(), wanted: user });
    }
    match known.mode() & rules.forbidden {
        0 => {}
        open if open & 0o022 != 0 => return Err(KeyError::Open { path, what: "changed" }),
        _ => return Err(KeyError::Open { path, what: "read" }),
    }
    folders::look_at(&path, rules, user)?;
    let mut octets = Zeroizing::new(Vec::with_capacity(1024));
    if let Err(source) = file.take(1024).read_to_end(&mut octets) {
        return Err(KeyError::Read { path, source });
    }
    match parse(&octets) {
        None => Err(KeyError::Shape { path }),
        Some(key) if key.is_constant() => Err(KeyError::Constant { path }),
        Some(key) => Ok(key),
    }
}

fn parse(octets: &[u8]) -> Option<Master> {
    if let Ok(raw) = octets.try_into() {
        return Some(Master::from_bytes(raw));
    }
    let mut key = Zeroizing::new([0; 32]);
    hex::decode(octets.trim_ascii(), &mut *key).ok().map(|()| Master::from_bytes(*key))
}

/// Creates the complete file or none: it is written under another name, synced, and then linked to its own name, which
/// fails when that exists.
pub(super) fn make(path: &Path, key: &Master) -> Result<(), KeyError> {
    let made = || {
        let fresh = Place::State(path.to_owned()).beside();
        write(&fresh, key)?;
        std::fs::hard_link(&fresh, path)?;
        std::fs::remove_file(&fresh)?;
        sync_folder(path)
    };
    made().map_err(|source| KeyError::Write { path: path.to_owned(), source })
}

/// Writes a key and syncs it; what was there goes first.
pub(super) fn write(path: &Path, key: &Master) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.expose())?;
    file.sync_all()?;
    sync_folder(path)
}

/// The key beside becomes the key.
pub(super) fn take_over(place: &Place) -> Result<(), KeyError> {
    let taken = || {
        std::fs::rename(place.beside(), place.path())?;
        sync_folder(place.path())
    };
    taken().map_err(|source| KeyError::Write { path: place.path().to_owned(), source })
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

mod folders;
#[cfg(test)]
mod tests;
