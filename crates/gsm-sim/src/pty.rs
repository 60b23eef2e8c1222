//! A pseudo-terminal as a modem's port: the simulator holds the master, a program opens the slave, and a link of
//! a fixed name points to it as udev's links do.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, ioctl_tiocnxcl, tcgetattr, tcsetattr};

/// An open port. Dropping it hangs up the programs that have the slave open.
pub(super) struct Pty {
    master: OwnedFd,
    /// The slave is held open so that a program that closes the port does not end the master.
    slave: Option<File>,
    path: PathBuf,
}

impl Pty {
    /// Opens a new port in raw mode: the kernel neither echoes nor translates.
    pub(super) fn open() -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let path = PathBuf::from(OsStr::from_bytes(name.as_bytes()));
        let slave = open_slave(&path)?;
        let mut settings = tcgetattr(&slave)?;
        settings.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &settings)?;
        let flags = rustix::fs::fcntl_getfl(&master)?;
        rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK)?;
        Ok(Self { master, slave: Some(slave), path })
    }

    /// Closes the slave here, so that the master sees when a program closes it.
    pub(super) fn release_slave(&mut self) {
        self.slave = None;
    }

    /// Ends the effect of [`Pty::release_slave`].
    pub(super) fn hold_slave(&mut self) -> io::Result<()> {
        if self.slave.is_none() {
            self.slave = Some(open_slave(&self.path)?);
        }
        Ok(())
    }

    /// The slave's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the program at the other end wrote; `None` when there is nothing to read now.
    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<Option<usize>> {
        match rustix::io::read(&self.master, into) {
            Ok(count) => {
                self.share();
                Ok(Some(count))
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Writes as much as fits now.
    pub(super) fn write(&self, octets: &[u8]) -> io::Result<usize> {
        match rustix::io::write(&self.master, octets) {
            Ok(count) => Ok(count),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
            Err(e) => Err(e.into()),
        }
    }

    /// When a program that took a real port for itself (TIOCEXCL) is killed, the port is free again, because no
    /// process has it open any more. Here the simulator still has it open, so the simulator frees it instead.
    fn share(&self) {
        if let Some(slave) = &self.slave {
            let _ = ioctl_tiocnxcl(slave);
        }
    }
}

fn open_slave(path: &Path) -> io::Result<File> {
    let noctty = i32::try_from(OFlags::NOCTTY.bits()).unwrap_or(0);
    OpenOptions::new().read(true).write(true).custom_flags(noctty).open(path)
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}

/// A link to a port, which is removed when dropped.
pub(super) struct Link {
    path: PathBuf,
}

impl Link {
    /// Makes `path` point to `target`. An older link of that name is replaced in one step; a file that is not
    /// a link stays, and is an error.
    pub(super) fn place(path: &Path, target: &Path) -> io::Result<Self> {
        match path.symlink_metadata() {
            Ok(meta) if !meta.is_symlink() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    format!("{} is there and is no link", path.display()),
                ));
            }
            _ => {}
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let temporary = PathBuf::from(name);
        let _ = std::fs::remove_file(&temporary);
        symlink(target, &temporary)?;
        std::fs::rename(&temporary, path)?;
        Ok(Self { path: path.to_owned() })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
