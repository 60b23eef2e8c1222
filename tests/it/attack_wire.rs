//! A client of the socket that bends no rule of its own: it writes any octets, keeps its connection, and may be another
//! user of the system.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use crate::daemon_support::{PATIENCE, Rig};

/// A connection that is used for one request after the other.
pub(crate) struct Wire {
    stream: BufReader<UnixStream>,
    /// When to come back, by the last answer.
    pub(crate) retry_after: Option<Duration>,
}

impl Wire {
    pub(crate) async fn open(socket: &Path) -> Self {
        let stream = BufReader::new(UnixStream::connect(socket).await.unwrap());
        Self { stream, retry_after: None }
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        self.stream.get_mut().write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        tokio::time::timeout(PATIENCE, self.answer()).await.expect("an answer")
    }

    async fn answer(&mut self) -> (u16, String) {
        let (mut status, mut length) = (0, 0);
        self.retry_after = None;
        loop {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).await.unwrap() > 0, "the connection goes on");
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.trim().parse().unwrap();
            } else if let Some(rest) = line.strip_prefix("retry-after: ") {
                self.retry_after = Some(Duration::from_secs(rest.trim().parse().unwrap()));
            } else if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        (status, String::from_utf8(body).unwrap())
    }
}

/// Lets every user of the system open the daemon's socket; false when only root could try that and nobody is root.
pub(crate) fn open_to_all(rig: &Rig) -> bool {
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(rig.dir.path(), 0o755);
    open(&rig.socket(), 0o666);
    rustix::process::geteuid().is_root()
}

/// Makes the calling thread another user of the system, for good: let it be a thread of its own.
pub(crate) fn become_nobody() {
    let nobody = rustix::thread::Uid::from_raw(65534);
    rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
}
