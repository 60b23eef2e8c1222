//! What keeps a modem from being used before a single octet is written, and what a person can do about it.

use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};
use rustix::fs::{Access, AtFlags, CWD, accessat, major, minor};
use rustix::process::geteuid;

use super::holder::{Process, holder, modem_manager};
use super::scan::usb_devices;
use super::{Candidate, Root, rank};

/// Something in the way. Its `Display` is a sentence with the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// There is nothing at this path.
    Absent {
        /// The path.
        port: PathBuf,
    },
    /// The kernel knows the port, and there is no node for it: in a container, or without udev.
    NoNode {
        /// Where it should be.
        port: PathBuf,
    },
    /// Something other than a character device.
    NotAPort {
        /// The path.
        port: PathBuf,
    },
    /// This user may not open it.
    Denied {
        /// The port.
        port: PathBuf,
        /// The user who is refused.
        user: String,
        /// The group that may open the port, if there is one.
        group: Option<String>,
    },
    /// A process has the port open.
    Held {
        /// The port.
        port: PathBuf,
        /// The process, as far as this user may see.
        holder: Option<Process>,
    },
    /// The port is taken, and `ModemManager` runs, whose files this user may not see.
    PerhapsManaged {
        /// The port.
        port: PathBuf,
        /// The process of `ModemManager`.
        holder: Process,
    },
    /// A stick with router firmware, which has no AT port.
    Router {
        /// The stick.
        usb: (u16, u16),
    },
    /// A stick that still presents itself as the disk with its drivers.
    Storage {
        /// The stick.
        usb: (u16, u16),
    },
    /// A modem for which no driver made a port.
    NoDriver {
        /// The modem.
        usb: (u16, u16),
    },
}

impl Obstacle {
    /// Whether another modem of this program has the port.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Self::Held { holder: Some(holder), .. } if holder.pid == std::process::id())
    }
}

/// Huawei's `HiLink`, and the disk that becomes it.
const ROUTERS: &[(u16, u16)] = &[(0x12d1, 0x14dc), (0x12d1, 0x14db), (0x12d1, 0x1f01)];

/// Disks that become modems when they are switched.
const STORAGE: &[(u16, u16)] = &[
    (0x12d1, 0x1446),
    (0x12d1, 0x14fe),
    (0x12d1, 0x1505),
    (0x12d1, 0x1c0b),
    (0x12d1, 0x15ca),
    (0x12d1, 0x1449),
    (0x12d1, 0x1520),
    (0x12d1, 0x14d1),
    (0x19d2, 0x2000),
    (0x19d2, 0x0053),
    (0x19d2, 0x0083),
    (0x19d2, 0x0103),
    (0x19d2, 0x0149),
    (0x19d2, 0x0154),
    (0x19d2, 0x1224),
    (0x1e0e, 0xf000),
];

/// What keeps `port` from being opened; `None` when it can be tried.
pub fn in_the_way(root: &Root, port: &Path) -> Option<Obstacle> {
    let owned = port.to_owned();
    let Ok(metadata) = port.metadata() else {
        let name = port.file_name().unwrap_or_default();
        let known = root.join("sys/class/tty").join(name).exists();
        return Some(if known { Obstacle::NoNode { port: owned } } else { Obstacle::Absent { port: owned } });
    };
    if !metadata.file_type().is_char_device() || is_another_kind(root, &metadata) {
        return Some(Obstacle::NotAPort { port: owned });
    }
    if accessat(CWD, port, Access::READ_OK | Access::WRITE_OK, AtFlags::EACCESS).is_err() {
        return Some(denied(port, &metadata));
    }
    // The other end of a pty has the port open too; there only a lock shows that a program uses it.
    if !is_pty(&metadata)
        && let Some(holder) = holder(root, port)
    {
        return Some(Obstacle::Held { port: owned, holder: Some(holder) });
    }
    None
}

/// The process that holds `port`, once the port turned out to be taken.
pub(crate) fn taken(root: &Root, port: &Path) -> Obstacle {
    let owned = port.to_owned();
    match (holder(root, port), modem_manager(root)) {
        (None, Some(holder)) => Obstacle::PerhapsManaged { port: owned, holder },
        (holder, _) => Obstacle::Held { port: owned, holder },
    }
}

/// Who may open `port`, when this user may not.
fn denied(port: &Path, metadata: &Metadata) -> Obstacle {
    const GROUP_READS_AND_WRITES: u32 = 0o060;
    let user = User::from_uid(Uid::from_raw(geteuid().as_raw())).ok().flatten();
    let open = metadata.mode() & GROUP_READS_AND_WRITES == GROUP_READS_AND_WRITES && metadata.gid() != 0;
    let group = Group::from_gid(Gid::from_raw(metadata.gid())).ok().flatten().filter(|_| open);
    Obstacle::Denied {
        port: port.to_owned(),
        user: user.map_or_else(|| geteuid().to_string(), |user| user.name),
        group: group.map(|group| group.name),
    }
}

/// Sticks that have no port and will not get one by waiting, with the reason for each.
pub fn without_port(root: &Root, ports: &[Candidate]) -> Vec<Obstacle> {
    let reason = |device: super::scan::UsbDevice| {
        let usb = device.usb;
        if ports.iter().any(|port| port.device.as_ref() == Some(&device.path)) {
            None
        } else if ROUTERS.contains(&usb) {
            Some(Obstacle::Router { usb })
        } else if STORAGE.contains(&usb) {
            Some(Obstacle::Storage { usb })
        } else if rank::is_modem(usb, &device.classes) {
            Some(Obstacle::NoDriver { usb })
        } else {
            None
        }
    };
    usb_devices(root).into_iter().filter_map(reason).collect()
}

/// Whether the kernel says that this character device is not a tty.
fn is_another_kind(root: &Root, metadata: &Metadata) -> bool {
    let (major, minor) = (major(metadata.rdev()), minor(metadata.rdev()));
    let kind = fs::read_link(root.join(&format!("sys/dev/char/{major}:{minor}/subsystem")));
    kind.is_ok_and(|kind| kind.file_name().is_some_and(|name| name != "tty"))
}

/// Unix 98 slaves (the kernel's devices.txt: major 136 to 143).
pub(super) fn is_pty(metadata: &Metadata) -> bool {
    (136..=143).contains(&major(metadata.rdev()))
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { port } => {
                write!(f, "{} is not there: is the modem plugged in?", port.display())
            }
            Self::NoNode { port } => write!(
                f,
                "{} is known to the kernel and has no node: inside a container, pass the device in; otherwise start udev",
                port.display()
            ),
            Self::NotAPort { port } => write!(f, "{} is not a serial port", port.display()),
            Self::Denied { port, user, group: Some(group) } => write!(
                f,
                "{} may be opened by the group {group} alone: run `sudo usermod -aG {group} {user}` and log in again",
                port.display()
            ),
            Self::Denied { port, user, group: None } => write!(
                f,
                "{} may not be opened by {user}, and belongs to no group: give it one with a udev rule, such as SUBSYSTEM==\"tty\", GROUP=\"dialout\", MODE=\"0660\"",
                port.display()
            ),
            Self::Held { port, holder: Some(holder) } if holder.is_modem_manager() => {
                write!(f, "{} is held by {holder}: {IGNORE_DEVICE}", port.display())
            }
            Self::Held { port, holder: Some(holder) } if holder.program == "smsotpd" => write!(
                f,
                "{} is held by {holder}: `smsotp modems` shows what it knows of the modem; stop it to probe the port",
                port.display()
            ),
            Self::Held { port, holder: Some(holder) } => {
                write!(f, "{} is held by {holder}: end that program", port.display())
            }
            Self::Held { port, holder: None } => write!(
                f,
                "{} is held by another process: `sudo fuser -v {}` names it",
                port.display(),
                port.display()
            ),
            Self::PerhapsManaged { port, holder } => {
                write!(f, "{} is taken, probably by {holder}: {IGNORE_DEVICE}", port.display())
            }
            Self::Router { usb: (vendor, product) } => write!(
                f,
                "the stick {vendor:04x}:{product:04x} is a router (HiLink): it has no AT port; it needs the maker's \"stick\" firmware, or take another modem"
            ),
            Self::Storage { usb: (vendor, product) } => write!(
                f,
                "the stick {vendor:04x}:{product:04x} still is a disk with drivers: install usb-modeswitch and plug it in again"
            ),
            Self::NoDriver { usb: (vendor, product) } => write!(
                f,
                "the modem {vendor:04x}:{product:04x} has no port since no driver took it: run `sudo modprobe option` (or cdc_acm), and if that does not help `echo {vendor:04x} {product:04x} | sudo tee /sys/bus/usb-serial/drivers/option1/new_id`"
            ),
        }
    }
}

const IGNORE_DEVICE: &str = "keep it off the modem with ENV{ID_MM_DEVICE_IGNORE}=\"1\" in a udev rule, as in \
                        70-smsotpd.rules, or run `sudo systemctl stop ModemManager`";
