//! Deauthorising a USB device and authorising it again, as if it were unplugged and plugged in: the kernel's
//! `authorized` attribute (Documentation/usb/authorization.rst). The device keeps its power; a fault that
//! lies deeper than its USB side needs the power-cycle command.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::ports::{self, Root};

/// How long the drivers have to release the device.
const DETACHED: Duration = Duration::from_millis(500);
/// How often giving the device back is tried, since it has to succeed.
const TRIES: u32 = 5;

/// The USB device of a modem's port, if it can be deauthorised. A bridge to a serial line cannot: the modem
/// behind it, perhaps one of several, would notice nothing.
pub(super) fn device_of(root: &Root, port: &Path) -> Option<PathBuf> {
    let port = port.canonicalize().ok()?;
    let found =
        ports::scan(root).into_iter().find(|c| c.path.canonicalize().is_ok_and(|path| path == port))?;
    let device = found.device.as_ref().filter(|device| !found.is_uart() && !is_root_hub(device));
    device.cloned()
}

/// Deauthorises the device and authorises it again; this takes a moment. The error is `None` when the device
/// is not there, else a sentence that names the file and what to do.
pub(super) fn reauthorise(device: &Path) -> Result<(), Option<String>> {
    let file = device.join("authorized");
    if !file.exists() {
        return Err(None);
    }
    let name = device.file_name().unwrap_or_default().to_string_lossy();
    let shown = format!("/sys/bus/usb/devices/{name}/authorized");
    write(&file, "0").map_err(|e| {
        Some(format!(
            "its USB device cannot be given to the drivers anew, since {shown} cannot be written ({e}): let the \
             service write it, as systemd/smsotpd.service shows, or set power_cycle"
        ))
    })?;
    for _ in 1..TRIES {
        sleep(DETACHED);
        if write(&file, "1").is_ok() {
            return Ok(());
        }
    }
    write(&file, "1").map_err(|e| {
        Some(format!(
            "its USB device was taken from the drivers and could not be given back ({e}): write 1 to {shown}, or plug \
             it anew"
        ))
    })
}

fn is_root_hub(device: &Path) -> bool {
    device.file_name().is_none_or(|name| name.to_string_lossy().starts_with("usb"))
}

fn write(file: &Path, what: &str) -> io::Result<()> {
    OpenOptions::new().write(true).truncate(true).open(file)?.write_all(what.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_device_is_taken_away_and_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("1-2");
        assert_eq!(reauthorise(&device), Err(None), "it is not there");
        fs::create_dir(&device).unwrap();
        fs::write(device.join("authorized"), "1\n").unwrap();
        assert_eq!(reauthorise(&device), Ok(()));
        assert_eq!(fs::read_to_string(device.join("authorized")).unwrap(), "1");
    }

    #[test]
    fn a_file_that_may_not_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("1-1.4");
        fs::create_dir_all(device.join("authorized")).unwrap();
        // Nobody can write to a folder, not even root.
        fs::set_permissions(device.join("authorized"), fs::Permissions::from_mode(0o500)).unwrap();
        let why = reauthorise(&device).unwrap_err().unwrap();
        assert!(
            why.contains("/sys/bus/usb/devices/1-1.4/authorized") && why.contains("power_cycle"),
            "{why}"
        );
    }
}
