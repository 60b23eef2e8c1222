//! The serial port: opened without being created, locked, raw at 8N1 without flow control. An error names
//! what is in the way and its remedy.

use std::fs;
use std::io;
use std::path::Path;

use tokio_serial::{ClearBuffer, ErrorKind, SerialPort as _, SerialStream};

use super::ports::{self, Root};

/// Opens the port for this program alone. The error is a sentence for a person.
///
/// The lock is a `flock`, which the kernel drops with the process. `TIOCEXCL` is set only while the lock is
/// taken, since a pty keeps it beyond the death of its owner.
pub(super) fn open(path: &Path, baud: u32) -> Result<SerialStream, String> {
    if let Some(obstacle) = ports::in_the_way(&Root::system(), path) {
        return Err(obstacle.to_string());
    }
    let shown = path.display();
    let real = fs::canonicalize(path).map_err(|e| format!("{shown} cannot be looked at: {e}"))?;
    let builder = tokio_serial::new(real.to_string_lossy(), baud).exclusive(true).dtr_on_open(true);
    let mut port = SerialStream::open(&builder).map_err(|e| match e.kind() {
        ErrorKind::NoDevice => ports::taken(&Root::system(), path).to_string(),
        // A control group denies access although the node's mode allows it.
        ErrorKind::Io(io::ErrorKind::PermissionDenied) => format!(
            "{shown} is kept from this service: load the port's driver before the service starts, or name the port in DeviceAllow"
        ),
        _ => format!("{shown} cannot be opened: {e}"),
    })?;
    // Between the check and the opening, a stick may have been unplugged and its number given to another one.
    if fs::canonicalize(path).ok().as_ref() != Some(&real) {
        return Err(format!("{shown} changed while it was opened"));
    }
    // From here on the shared lock keeps out every program that locks at all.
    port.set_exclusive(false).map_err(|e| format!("{shown} cannot be locked: {e}"))?;
    // A pty has no such lines.
    let _ = port.write_request_to_send(true);
    Ok(port)
}

/// Discards what is still to be written, so that closing does not wait for a modem that reads nothing.
pub(super) fn discard(port: &SerialStream) {
    let _ = port.clear(ClearBuffer::All);
}
