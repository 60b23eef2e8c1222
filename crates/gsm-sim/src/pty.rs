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

/// An open port. Dropping it hangs up whoever has the slave open.
pub(super) struct Pty {
    master: OwnedFd,
    /// Held open so that a program that closes the port does not end the master.
    slave: Option<File>,
    path: PathBuf,
}

impl Pty {
    /// A new port in raw mode: the kernel neither echoes nor translates.
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

    /// From now on the master sees when a program closes the slave.
    pub(super) fn release_slave(&mut self) {
        self.slave = None;
    }

    /// Ends [`Pty::release_slave`].
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

    /// What the program at the other end wrote; `None` when there is nothing now.
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

    /// Writes what fits now.
    pub(super) fn write(&self, octets: &[u8]) -> io::Result<usize> {
        match rustix::io::write(&self.master, octets) {
            Ok(count) => Ok(count),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
            Err(e) => Err(e.into()),
        }
    }

    /// A program that takes the port for itself (TIOCEXCL) and is killed leaves a real port free again, because
    /// nothing has it open any more. Here the simulator still has, so it gives the port free in its stead.
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

/// A link to a port, gone when dropped.
pub(super) struct Link {
    path: PathBuf,
}

impl Link {
    /// Makes `path` point to `target`. What another link of that name pointed to is forgotten in one step; a
    /// file that is no link stays, and is an error.
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
