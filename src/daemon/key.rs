//! The installation's secret key: 32 random octets from systemd's credential `smsotpd.key`, else from the
//! configured file, else made at the first start.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::hex;
use crate::random::Random;
use crate::secret::{Key, Secret};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or created.
    #[error("the secret key {path}: {source}")]
    Io {
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
    /// Other users may read it.
    #[error("the secret key {path} can be read by others; run: chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
    },
}

/// The key and where it is kept.
pub(super) struct Found {
    pub(super) key: Key,
    /// Its octets, when it is a part of the state.
    pub(super) in_state: Option<Secret<Vec<u8>>>,
}

/// The path of a key that the daemon makes.
pub(super) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("secret.key")
}

/// Finds or makes the key.
pub(super) fn load(configured: Option<&Path>, state_dir: &Path) -> Result<Found, KeyError> {
    let apart = |octets: Zeroizing<[u8; 32]>| Found { key: Key::from_bytes(*octets), in_state: None };
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY").map(|dir| Path::new(&dir).join("smsotpd.key"));
    if let Some(path) = credential.filter(|path| path.exists()) {
        return read(&path, false).map(apart);
    }
    if let Some(path) = configured {
        return read(path, true).map(apart);
    }
    let path = path(state_dir);
    let octets = match make(&path) {
        Ok(octets) => octets,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => read(&path, true)?,
        Err(source) => return Err(KeyError::Io { path, source }),
    };
    Ok(Found { key: Key::from_bytes(*octets), in_state: Some(Secret::new(octets.to_vec())) })
}

/// Whether the configured file is valid.
pub(super) fn check(path: &Path) -> Result<(), KeyError> {
    read(path, true).map(|_| ())
}

fn read(path: &Path, private: bool) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let fault = |source| KeyError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(fault)?;
    if private && file.metadata().map_err(fault)?.permissions().mode() & 0o077 != 0 {
        return Err(KeyError::Open { path: path.to_owned() });
    }
    let mut octets = Zeroizing::new(Vec::new());
    file.take(1024).read_to_end(&mut octets).map_err(fault)?;
    parse(&octets).map(Zeroizing::new).ok_or_else(|| KeyError::Shape { path: path.to_owned() })
}

fn parse(octets: &[u8]) -> Option<[u8; 32]> {
    if let Ok(raw) = octets.try_into() {
        return Some(raw);
    }
    let mut key = [0; 32];
    hex::decode(octets.trim_ascii(), &mut key).ok().map(|()| key)
}

fn make(path: &Path) -> io::Result<Zeroizing<[u8; 32]>> {
    if path.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut octets = Zeroizing::new([0; 32]);
    Random::system().fill(&mut *octets);
    write(path, &*octets)?;
    Ok(octets)
}

/// Creates the complete file or none: the file is written under another name, synced, and then linked to its
/// own name, which fails when that exists.
pub(super) fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("key.new");
    let _ = std::fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(octets)?;
    file.sync_all()?;
    std::fs::hard_link(&fresh, path)?;
    std::fs::remove_file(&fresh)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let Found { key, in_state } = load(None, dir.path()).unwrap();
        assert_eq!(in_state.unwrap().expose(), &std::fs::read(path(dir.path())).unwrap());
        let path = path(dir.path());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = load(None, dir.path()).unwrap().key;
        assert_eq!(key.hash(&[b"x"]), again.hash(&[b"x"]));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load(None, dir.path()).err().unwrap().to_string().contains("chmod 600"));
    }

    #[test]
    fn raw_or_hexadecimal_and_nothing_else() {
        assert_eq!(parse(&[7; 32]), Some([7; 32]));
        assert_eq!(parse(format!("{}\n", "0a".repeat(32)).as_bytes()), Some([10; 32]));
        assert_eq!(parse(b"short"), None);
        assert_eq!(parse("zz".repeat(32).as_bytes()), None);
    }
}
