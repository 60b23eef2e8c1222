//! The serial port: opened without being made, for this process alone, 8N1 without flow control.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{F_WRLCK, O_NOCTTY, O_NONBLOCK, SEEK_SET, flock};
use tokio_serial::{SerialPort as _, SerialPortBuilderExt as _, SerialStream};

/// A lock of the whole file for its open description (fcntl(2), `F_OFD_SETLK`).
#[allow(
    clippy::cast_possible_truncation,
    reason = "the constants fit what the structure of the C library holds"
)]
const WHOLE: flock =
    flock { l_type: F_WRLCK as i16, l_whence: SEEK_SET as i16, l_start: 0, l_len: 0, l_pid: 0 };

/// An open port; the lock goes with it.
pub(super) struct Port {
    pub(super) stream: SerialStream,
    _lock: File,
}

impl Port {
    /// Opens `path`, or says for a person why not.
    pub(super) fn open(path: &Path, baud: u32) -> Result<Self, String> {
        let shown = path.display();
        let metadata = std::fs::metadata(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => format!("{shown} is not there: is the stick plugged in?"),
            _ => format!("{shown}: {e}"),
        })?;
        if !metadata.file_type().is_char_device() {
            return Err(format!("{shown} is no serial port"));
        }
        // Its own descriptor, since the lock belongs to the open file. TIOCEXCL would stay behind on a pty when
        // this process is killed; this lock goes with the process.
        let lock = File::options()
            .read(true)
            .write(true)
            .custom_flags(O_NOCTTY | O_NONBLOCK)
            .open(path)
            .map_err(|e| denied(path, &e))?;
        match fcntl(&lock, FcntlArg::F_OFD_SETLK(&WHOLE)) {
            Ok(_) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => return Err(format!("{shown} is held by {}", holder(path))),
            Err(e) => return Err(format!("{shown} cannot be locked: {e}")),
        }
        // The library's own lock is then a shared one, which still keeps out programs that want theirs alone.
        let builder = tokio_serial::new(path.to_string_lossy(), baud).exclusive(false);
        let mut stream = builder.open_native_async().map_err(|e| match e.kind() {
            tokio_serial::ErrorKind::Io(io::ErrorKind::PermissionDenied) => {
                denied(path, &io::ErrorKind::PermissionDenied.into())
            }
            _ if e.to_string().contains("lock") => format!("{shown} is held by {}", holder(path)),
            _ => format!("{shown} cannot be opened: {e}"),
        })?;
        // A pty has no such lines, and no need of them.
        let _ = stream.write_data_terminal_ready(true);
        let _ = stream.write_request_to_send(true);
        Ok(Self { stream, _lock: lock })
    }
}

fn denied(path: &Path, e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "{} may not be opened: add the daemon's user to the group that owns it, usually dialout",
            path.display()
        ),
        _ => format!("{} cannot be opened: {e}", path.display()),
    }
}

/// Who has the device open, as far as `/proc` tells.
fn holder(path: &Path) -> String {
    let unknown = || "another process".to_owned();
    let Ok(device) = path.canonicalize() else { return unknown() };
    let own = std::process::id().to_string();
    let Ok(processes) = std::fs::read_dir("/proc") else { return unknown() };
    for process in processes.flatten() {
        let pid = process.file_name().to_string_lossy().into_owned();
        if pid == own || !pid.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else { continue };
        if descriptors.flatten().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == device)) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return format!("process {pid} ({})", name.trim());
        }
    }
    unknown()
}
