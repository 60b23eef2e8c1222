//! Ports from sysfs: `/sys/class/tty/NAME/device` and the folders above it, the USB interface and the USB device.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Candidate, Root, rank};

/// The USB serial ports of the machine, stick by stick, the likeliest AT port of each first.
///
/// What vanishes during the scan is left out.
pub fn scan(root: &Root) -> Vec<Candidate> {
    let by_id = links(&root.join("dev/serial/by-id"));
    let by_path = links(&root.join("dev/serial/by-path"));
    let mut found: Vec<_> = entries(&root.join("sys/class/tty"))
        .into_iter()
        .filter(|tty| name(tty).is_some_and(|n| n.starts_with("ttyUSB") || n.starts_with("ttyACM")))
        .filter_map(|tty| {
            let path = root.join("dev").join(tty.file_name()?);
            let leads_here = |links: &[Link]| {
                let real = path.canonicalize().ok()?;
                links.iter().find(|link| link.target == real).map(|link| link.path.clone())
            };
            let mut port = describe(&tty.join("device"), root)?;
            port.by_id = leads_here(&by_id);
            port.by_path = leads_here(&by_path);
            port.path = path;
            port.role = rank::role(&port);
            Some(port)
        })
        .collect();
    let all = found.clone();
    for port in &mut found {
        port.has_twin = all.iter().any(|other| is_twin(port, other));
    }
    found.sort_by(|a, b| order(a).cmp(&order(b)));
    found
}

/// The USB vendor and product behind a port; `None` for a plain serial line.
pub fn usb_of(root: &Root, port: &Path) -> Option<(u16, u16)> {
    let real = port.canonicalize().ok()?;
    let tty = root.join("sys/class/tty").join(real.file_name()?);
    describe(&tty.join("device"), root)?.usb
}

/// A USB device in sysfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UsbDevice {
    pub(super) path: PathBuf,
    pub(super) usb: (u16, u16),
    pub(super) product: Option<String>,
    pub(super) classes: Vec<[u8; 3]>,
}

/// The USB devices of the machine.
pub(super) fn usb_devices(root: &Root) -> Vec<UsbDevice> {
    entries(&root.join("sys/bus/usb/devices"))
        .into_iter()
        .filter_map(|entry| {
            let path = entry.canonicalize().ok()?;
            let usb = (hexadecimal(&path, "idVendor")?, hexadecimal(&path, "idProduct")?);
            let classes = entries(&path).iter().filter_map(|interface| class(interface)).collect();
            Some(UsbDevice { usb, product: text(&path, "product"), classes, path })
        })
        .collect()
}

/// What the folders above a tty's device say; `None` when it is gone.
fn describe(device: &Path, root: &Root) -> Option<Candidate> {
    let device = device.canonicalize().ok()?;
    let top = root.0.canonicalize().ok()?;
    let mut port = Candidate::default();
    for folder in device.ancestors().take_while(|folder| **folder != top) {
        if port.interface.is_none() && folder.join("bInterfaceNumber").exists() {
            port.interface = hexadecimal(folder, "bInterfaceNumber").and_then(|n| u8::try_from(n).ok());
            port.class = class(folder);
            port.driver = fs::read_link(folder.join("driver"))
                .ok()
                .and_then(|driver| Some(driver.file_name()?.to_string_lossy().into_owned()));
        }
        if let (Some(vendor), Some(product)) =
            (hexadecimal(folder, "idVendor"), hexadecimal(folder, "idProduct"))
        {
            port.usb = Some((vendor, product));
            port.serial = text(folder, "serial");
            port.manufacturer = text(folder, "manufacturer");
            port.product = text(folder, "product");
            port.device = Some(folder.to_owned());
            break;
        }
    }
    Some(port)
}

fn is_twin(a: &Candidate, b: &Candidate) -> bool {
    let look = |port: &Candidate| (port.usb, port.interface, port.serial.clone());
    a.usb.is_some() && a.device != b.device && look(a) == look(b)
}

/// `ttyUSB2` before `ttyUSB10`.
fn order(port: &Candidate) -> (Option<&Path>, rank::Role, Option<u8>, usize, &Path) {
    (port.device.as_deref(), port.role, port.interface, port.path.as_os_str().len(), &port.path)
}

struct Link {
    path: PathBuf,
    target: PathBuf,
}

fn links(folder: &Path) -> Vec<Link> {
    let resolved = |path: PathBuf| Some(Link { target: path.canonicalize().ok()?, path });
    entries(folder).into_iter().filter_map(resolved).collect()
}

/// What is in a folder, sorted; nothing when the folder does not exist.
pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn class(interface: &Path) -> Option<[u8; 3]> {
    let part = |name| hexadecimal(interface, name).and_then(|n| u8::try_from(n).ok());
    Some([part("bInterfaceClass")?, part("bInterfaceSubClass")?, part("bInterfaceProtocol")?])
}

fn hexadecimal(folder: &Path, name: &str) -> Option<u16> {
    u16::from_str_radix(&text(folder, name)?, 16).ok()
}

fn text(folder: &Path, name: &str) -> Option<String> {
    let octets = fs::read(folder.join(name)).ok()?;
    let text = String::from_utf8_lossy(&octets).trim().to_owned();
    (!text.is_empty()).then_some(text)
}
