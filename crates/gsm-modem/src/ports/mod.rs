//! The serial ports of this machine: which of them are modems, what each modem answers, what is in the way, and
//! when devices come and go.
//!
//! This room reads sysfs, `/dev` and `/proc` below a [`Root`], and asks only what changes nothing: never a
//! PIN, never the radio, never a memory. It talks to a modem through the same dialogue kernel as a session.
//!
//! ```no_run
//! use gsm_modem::ports::{self, Root};
//! let ports = ports::scan(&Root::system());
//! for port in ports.iter().filter(|port| port.role.may_answer()) {
//!     println!("{}", port.stable_path().display());
//! }
//! ```

mod answers;
mod ask;
mod holder;
mod line;
mod obstacle;
mod probe_timing;
mod rank;
mod scan;
mod turn;
mod watch;

use std::path::{Path, PathBuf};

pub use answers::{Answers, Messaging, SimState};
pub(super) use ask::identify;
pub use ask::{AskError, ask};
pub use holder::{Process, holder, modem_manager};
pub(super) use obstacle::taken;
pub use obstacle::{Obstacle, in_the_way, without_port};
pub use probe_timing::ProbeTiming;
pub use rank::{Interfaces, Role, interfaces};
pub use scan::{scan, usb_of};
pub(super) use turn::turn;
pub use watch::Watch;

/// The folder that holds `sys`, `dev` and `proc`: tests make their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// This machine.
    pub fn system() -> Self {
        Self::at("/")
    }

    /// Another folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder of the device nodes.
    pub(super) fn dev(&self) -> PathBuf {
        self.join("dev")
    }

    /// A path below it.
    pub fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

/// A serial port that may belong to a modem, as sysfs describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Candidate {
    /// The device node, such as `/dev/ttyUSB0`; its number changes each time the device is plugged in.
    pub path: PathBuf,
    /// The link in `/dev/serial/by-id` that leads to it.
    pub by_id: Option<PathBuf>,
    /// The link in `/dev/serial/by-path` that leads to it, which names the USB socket.
    pub by_path: Option<PathBuf>,
    /// USB vendor and product.
    pub usb: Option<(u16, u16)>,
    /// The USB serial number; many sticks have none, or all have the same one.
    pub serial: Option<String>,
    /// `bInterfaceNumber`.
    pub interface: Option<u8>,
    /// `bInterfaceClass`, `bInterfaceSubClass`, `bInterfaceProtocol`.
    pub class: Option<[u8; 3]>,
    /// The kernel's driver of the interface: `option`, `cdc_acm`.
    pub driver: Option<String>,
    /// The USB manufacturer string.
    pub manufacturer: Option<String>,
    /// The USB product string.
    pub product: Option<String>,
    /// The USB device in sysfs, the same for all ports of one stick.
    pub device: Option<PathBuf>,
    /// What the port is for.
    pub role: Role,
    /// Whether another stick looks exactly alike, so that one name in `by-id` may mean either.
    pub has_twin: bool,
}

impl Candidate {
    /// The path for a configuration: it stays the same after a restart, and means this stick alone.
    pub fn stable_path(&self) -> &Path {
        let by_id = self.by_id.as_deref().filter(|_| !self.has_twin);
        by_id.or(self.by_path.as_deref()).unwrap_or(&self.path)
    }

    /// Whether a real serial line is behind the port, where the speed matters.
    pub fn is_uart(&self) -> bool {
        match self.driver.as_deref() {
            Some(driver) => rank::BRIDGES.contains(&driver),
            None => self.usb.is_none(),
        }
    }

    /// Whether everything that is given fits, as for a `[[modem]]` that is found by `usb` and `serial`.
    pub fn fits(&self, usb: Option<(u16, u16)>, serial: Option<&str>) -> bool {
        usb.is_none_or(|usb| self.usb == Some(usb))
            && serial.is_none_or(|serial| self.serial.as_deref() == Some(serial))
    }
}
