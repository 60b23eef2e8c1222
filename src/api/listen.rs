//! The Unix socket: one daemon for each, never taken from a running daemon, and closed to other users before
//! it listens. A service manager may have made the socket; then it stays when the daemon goes, and requests wait for
//! the next one.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown,
};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Connections that the kernel may hold until they are accepted; it takes `net.core.somaxconn` when that is less.
const BACKLOG: i32 = 4096;

/// A socket that clients can connect to. The socket is removed when this value is dropped, unless a service manager made
/// it.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    place: Place,
}

/// The path of a socket, locked against other daemons until this value is dropped.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// Device and inode: a file that is at the path later may belong to another program. `None`: a service manager's.
    identity: Option<(u64, u64)>,
    /// Released after the socket was removed.
    _lock: File,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another daemon has it.
    #[error("{path} is served by another daemon{}: stop it, or set another api.socket", holder(*.pid))]
    Taken {
        /// The socket.
        path: PathBuf,
        /// The other daemon's process, if its lock file names it.
        pid: Option<u32>,
    },
    /// The path is not a socket.
    #[error("{path} is in the way and is not a socket: remove it, or set another api.socket")]
    InTheWay {
        /// The file at the path.
        path: PathBuf,
    },
    /// The system refused an operation.
    #[error("cannot {doing} {path}: {source}")]
    System {
        /// The operation, such as `bind`.
        doing: &'static str,
        /// The path of the operation.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl Listener {
    /// Binds `path` with `mode` and, if it is given, the group `gid`. A socket that no daemon serves any more is
    /// replaced.
    pub fn bind(path: &Path, mode: u32, gid: Option<u32>) -> Result<Self, ListenError> {
        let fault = |doing, path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| ListenError::System { doing, path, source }
        };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            let created = DirBuilder::new().recursive(true).mode(0o755).create(parent);
            created.map_err(fault("make the folder", parent))?;
        }
        let lock = lock(path)?;
        clear(path)?;
        let socket = bound(path).map_err(fault("bind", path))?;
        let identity = fs::symlink_metadata(path).map_err(fault("look at", path))?;
        // Nobody can connect before the socket listens, so its permissions are never too wide.
        permit(path, mode, gid)?;
        net::listen(&socket, BACKLOG).map_err(|e| fault("listen on", path)(e.into()))?;
        let socket = UnixListener::from(socket);
        socket.set_nonblocking(true).map_err(fault("prepare", path))?;
        let identity = Some((identity.dev(), identity.ino()));
        Ok(Self { socket, place: Place { path: path.to_owned(), identity, _lock: lock } })
    }

    /// Takes over a socket that a service manager made at `path` and listens on: with this mode, and with its group unless
    /// `gid` names one.
    pub fn adopt(
        socket: UnixListener,
        path: &Path,
        mode: u32,
        gid: Option<u32>,
    ) -> Result<Self, ListenError> {
        let lock = lock(path)?;
        let source = |source| ListenError::System { doing: "prepare", path: path.to_owned(), source };
        socket.set_nonblocking(true).map_err(source)?;
        let known = fs::metadata(path).map_err(source)?;
        if known.permissions().mode() & 0o777 != mode || gid.is_some_and(|gid| gid != known.gid()) {
            permit(path, mode, gid)?;
        }
        Ok(Self { socket, place: Place { path: path.to_owned(), identity: None, _lock: lock } })
    }

    /// Whether a service manager made the socket, and listens on it when this value is gone.
    pub const fn is_kept(&self) -> bool {
        self.place.identity.is_none()
    }

    /// The path of the socket.
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// The socket, for tokio's reactor, and its place.
    pub(super) fn into_parts(self) -> io::Result<(tokio::net::UnixListener, Place)> {
        Ok((tokio::net::UnixListener::from_std(self.socket)?, self.place))
    }
}

impl Place {
    /// Removes the socket; the path stays locked.
    pub(super) fn clear(&self) {
        let there = fs::symlink_metadata(&self.path).ok().map(|m| (m.dev(), m.ino()));
        let ours = self.identity.is_some() && there == self.identity;
        if ours && let Err(e) = fs::remove_file(&self.path) {
            tracing::warn!("cannot remove the socket {}: {e}", self.path.display());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Opens the socket to those who may use it, and to nobody else.
fn permit(path: &Path, mode: u32, gid: Option<u32>) -> Result<(), ListenError> {
    let fault = |doing| move |source| ListenError::System { doing, path: path.to_owned(), source };
    chown(path, None, gid).map_err(fault("give the group to"))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(fault("set the mode of"))
}

/// Takes the lock beside the socket, which shows which daemon serves it even when a process died without cleaning up.
/// The file stays, since two processes could each hold a lock of that name if one removed the file.
fn lock(path: &Path) -> Result<File, ListenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let fault = |source| ListenError::System { doing: "lock", path: name.clone(), source };
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&name).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = (&mut file).take(16).read_to_string(&mut text);
            return Err(ListenError::Taken { path: path.to_owned(), pid: text.trim().parse().ok() });
        }
        Err(TryLockError::Error(source)) => return Err(fault(source)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(fault)?;
    Ok(file)
}

/// Removes a socket that no daemon serves.
fn clear(path: &Path) -> Result<(), ListenError> {
    let Ok(there) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !there.file_type().is_socket() {
        return Err(ListenError::InTheWay { path: path.to_owned() });
    }
    // This process has the lock, but the socket may belong to a program that uses none.
    if UnixStream::connect(path).is_ok() {
        return Err(ListenError::Taken { path: path.to_owned(), pid: None });
    }
    fs::remove_file(path).map_err(|source| ListenError::System {
        doing: "remove the stale socket",
        path: path.to_owned(),
        source,
    })
}

fn bound(path: &Path) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    net::bind(&socket, &address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/smsotpd.sock");
        fs::create_dir(folder.path().join("run")).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        assert!(UnixStream::connect(&path).is_err());

        let living = Listener::bind(&path, 0o660, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        UnixStream::connect(&path).unwrap();
        let refused = Listener::bind(&path, 0o660, None).unwrap_err();
        let us = std::process::id();
        assert!(matches!(refused, ListenError::Taken { pid: Some(pid), .. } if pid == us), "{refused}");
        assert!(refused.to_string().contains("stop it"));
        UnixStream::connect(&path).expect("the living one still listens");

        drop(living);
        assert!(!path.exists());
        drop(Listener::bind(&path, 0o600, None).unwrap());
    }

    #[test]
    fn a_socket_without_a_lock_is_not_stolen_and_a_file_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let foreign = UnixListener::bind(&path).unwrap();
        assert!(matches!(Listener::bind(&path, 0o660, None), Err(ListenError::Taken { pid: None, .. })));
        drop(foreign);
        let file = folder.path().join("f");
        fs::write(&file, "precious").unwrap();
        assert!(matches!(Listener::bind(&file, 0o660, None), Err(ListenError::InTheWay { .. })));
        assert_eq!(fs::read(&file).unwrap(), b"precious");
    }

    #[test]
    fn what_replaced_the_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let ours = Listener::bind(&path, 0o660, None).unwrap();
        fs::remove_file(&path).unwrap();
        let _theirs = UnixListener::bind(&path).unwrap();
        drop(ours);
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_socket_of_the_service_manager_is_closed_to_others_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let theirs = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let adopted = Listener::adopt(theirs.try_clone().unwrap(), &path, 0o640, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        let refused = Listener::adopt(theirs.try_clone().unwrap(), &path, 0o640, None).unwrap_err();
        assert!(matches!(refused, ListenError::Taken { pid: Some(_), .. }), "{refused}");
        drop(adopted);
        UnixStream::connect(&path).expect("it waits for the next daemon");
    }

    #[test]
    fn a_path_too_long_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x".repeat(120));
        assert!(matches!(Listener::bind(&path, 0o660, None), Err(ListenError::System { doing: "bind", .. })));
    }
}
