//! Devices that appear and vanish: inotify(7) on the folder of the nodes and on the folders of udev's links.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A stick brings several nodes and links, and udev changes their group a moment after they appear:
/// everything that happens until nothing has happened for this long is one change.
const QUIET: Duration = Duration::from_millis(200);

/// The longest time that one change takes, however often the folder changes.
const LONGEST: Duration = Duration::from_secs(2);

/// Waits for changes in `/dev` or another folder of ports, and in `serial/by-id` and `serial/by-path` below it.
#[derive(Debug)]
pub struct Watch {
    queue: AsyncFd<OwnedFd>,
    folder: PathBuf,
    /// Something changed that was not reported yet.
    pending: bool,
}

impl Watch {
    /// Watches from now on. Needs the reactor of tokio.
    pub fn new(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        #[allow(deprecated, reason = "its successor needs unsafe; an OwnedFd keeps its descriptor")]
        let queue = AsyncFd::new(queue)?;
        let watch = Self { queue, folder: folder.into(), pending: false };
        watch.cover()?;
        Ok(watch)
    }

    /// Completes when something has changed since the last call and the folder is quiet again. The caller has to look
    /// at everything then: it does not learn what changed. An error means that the folder itself is gone.
    ///
    /// The future may be dropped while it waits; the next call reports what happened in the meantime.
    pub async fn changed(&mut self) -> io::Result<()> {
        if !self.pending {
            self.queue.readable().await?.retain_ready();
            self.pending = true;
        }
        let settled = async {
            loop {
                self.drain()?;
                match tokio::time::timeout(QUIET, self.queue.readable()).await {
                    Ok(ready) => ready?.retain_ready(),
                    Err(_) => return Ok::<_, io::Error>(()),
                }
            }
        };
        if let Ok(settled) = tokio::time::timeout(LONGEST, settled).await {
            settled?;
        }
        // A folder of links may be new.
        self.cover()?;
        self.pending = false;
        Ok(())
    }

    /// Empties the queue.
    fn drain(&self) -> io::Result<()> {
        // Whole events, of which nobody reads one.
        let mut events = [0; 4096];
        loop {
            match self.queue.try_io(Interest::READABLE, |queue| Ok(rustix::io::read(queue, &mut events)?)) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
                _ => {}
            }
        }
    }

    /// A folder that is watched already stays as it is.
    fn cover(&self) -> io::Result<()> {
        self.add(&self.folder)?;
        for links in ["serial", "serial/by-id", "serial/by-path"] {
            match self.add(&self.folder.join(links)) {
                Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn add(&self, folder: &Path) -> io::Result<()> {
        let what = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ATTRIB
            | WatchFlags::ONLYDIR;
        inotify::add_watch(self.queue.get_ref(), folder, what)?;
        Ok(())
    }
}
