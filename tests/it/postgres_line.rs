//! The line between a host and its database, which can break.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to the next commit that passes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Passes,
    /// It never reaches the server.
    IsLost,
    /// The server does it, and its answer is lost.
    IsUnanswered,
}

/// A socket in between, which reads what passes.
pub(crate) struct Line {
    folder: tempfile::TempDir,
    to: PathBuf,
    next: Mutex<Next>,
    /// New connections are closed at once.
    refuses: Mutex<bool>,
    /// Nothing passes, as when a network is cut. What came meanwhile passes afterwards.
    stalls: Mutex<bool>,
    /// Both ends of each connection that was made.
    open: Mutex<Vec<[UnixStream; 2]>>,
}

impl Line {
    /// Stands before the server of a URL. Answers the URL that leads through it.
    pub(crate) fn new(url: &str) -> (Arc<Self>, String) {
        let folder = tempfile::tempdir().unwrap();
        let server = url.split("host=").nth(1).unwrap().split('&').next().unwrap();
        let through = url.replace(server, folder.path().to_str().unwrap());
        let to = PathBuf::from(server).join(".s.PGSQL.5432");
        let line = Arc::new(Self {
            folder,
            to,
            next: Mutex::new(Next::Passes),
            refuses: Mutex::default(),
            stalls: Mutex::default(),
            open: Mutex::default(),
        });
        let listener = UnixListener::bind(line.folder.path().join(".s.PGSQL.5432")).unwrap();
        let accepts = Arc::clone(&line);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                // A server that is down refuses as well.
                if !*accepts.refuses.lock().unwrap()
                    && let Ok(server) = UnixStream::connect(&accepts.to)
                {
                    accepts.join(client.unwrap(), server);
                }
            }
        });
        (line, through)
    }

    fn join(self: &Arc<Self>, client: UnixStream, server: UnixStream) {
        let again = |end: &UnixStream| end.try_clone().unwrap();
        self.open.lock().unwrap().push([again(&client), again(&server)]);
        let ways = [(again(&client), again(&server), Next::IsLost), (server, client, Next::IsUnanswered)];
        for (from, to, loss) in ways {
            let line = Arc::clone(self);
            std::thread::spawn(move || line.carry(from, to, loss));
        }
    }

    fn carry(&self, mut from: UnixStream, mut to: UnixStream, loss: Next) {
        let mut octets = vec![0; 64 * 1024];
        while let Ok(count) = from.read(&mut octets)
            && count > 0
        {
            let passing = &octets[..count];
            let is_commit = passing.windows(7).any(|seven| seven == b"COMMIT\0");
            let mut next = self.next.lock().unwrap();
            if is_commit && *next == loss {
                *next = Next::Passes;
                break;
            }
            drop(next);
            while *self.stalls.lock().unwrap() {
                std::thread::sleep(Duration::from_millis(10));
            }
            if to.write_all(passing).is_err() {
                break;
            }
        }
        end([from, to]);
    }

    pub(crate) fn lose(&self, next: Next) {
        *self.next.lock().unwrap() = next;
    }

    /// The commit that was to be lost has been.
    pub(crate) fn has_lost(&self) -> bool {
        *self.next.lock().unwrap() == Next::Passes
    }

    pub(crate) fn stall(&self, stalls: bool) {
        *self.stalls.lock().unwrap() = stalls;
    }

    pub(crate) fn refuse(&self, refuses: bool) {
        *self.refuses.lock().unwrap() = refuses;
    }

    /// Ends all connections.
    pub(crate) fn sever(&self) {
        self.open.lock().unwrap().drain(..).for_each(end);
    }
}

fn end(ends: [UnixStream; 2]) {
    for end in ends {
        let _ = end.shutdown(Shutdown::Both);
    }
}
