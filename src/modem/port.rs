//! The serial port: found, locked, opened raw at 8N1 without flow control, and told apart when it cannot be.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::unistd::{AccessFlags, access};
use tokio_serial::{ClearBuffer, SerialPort, SerialStream};

use super::settings::Settings;

/// Opens the port for this program alone. The error is a sentence for a person.
///
/// The lock is a `flock`, which the kernel drops with the process; `TIOCEXCL` is set only while the lock is
/// taken, since a pty keeps it beyond the death of its owner.
pub(super) fn open(settings: &Settings) -> Result<SerialStream, String> {
    let path = &settings.port;
    let shown = path.display();
    let real = fs::canonicalize(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no {shown}: is the modem plugged in?"),
        _ => format!("{shown} cannot be looked at: {error}"),
    })?;
    if !fs::metadata(&real).is_ok_and(|meta| meta.file_type().is_char_device()) {
        return Err(format!("{shown} is no serial port"));
    }
    if access(&real, AccessFlags::R_OK | AccessFlags::W_OK).is_err() {
        return Err(format!(
            "the daemon may not use {shown}: add its user to the port's group, often dialout"
        ));
    }
    let builder = tokio_serial::new(real.to_string_lossy(), settings.baud).exclusive(true).dtr_on_open(true);
    let mut port = SerialStream::open(&builder).map_err(|error| match error.kind() {
        tokio_serial::ErrorKind::NoDevice => match holder(&real) {
            Some(holder) => format!("{shown} is in use by {holder}: stop it, or give it another port"),
            None => format!("{shown} is in use by another program: {error}"),
        },
        _ => format!("{shown} cannot be opened: {error}"),
    })?;
    // From here the shared lock keeps everybody out who locks at all.
    port.set_exclusive(false).map_err(|error| format!("{shown} cannot be locked: {error}"))?;
    // A pty has no such lines.
    let _ = port.write_request_to_send(true);
    Ok(port)
}

/// Throws away what is still to be written, so that closing does not wait for a modem that takes nothing.
pub(super) fn discard(port: &SerialStream) {
    let _ = port.clear(ClearBuffer::All);
}

/// The process that has the device open, as `/proc` tells.
fn holder(device: &Path) -> Option<String> {
    let own = std::process::id();
    let mut itself = false;
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        if files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == device)) {
            if pid == own {
                itself = true;
                continue;
            }
            let program = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("process {pid} ({})", program.trim()));
        }
    }
    itself.then(|| String::from("another modem of this daemon"))
}
