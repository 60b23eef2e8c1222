//! Which interface of a stick takes AT commands, according to the makers' tables and, for Huawei, the interface's
//! class.

use super::Candidate;

/// What a port is for, the best to send messages over first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Role {
    /// The AT port.
    At,
    /// A second AT port.
    SecondAt,
    /// The purpose is unknown.
    #[default]
    Unknown,
    /// The port for data calls: it answers AT too, unless a call is in progress.
    Data,
    /// Diagnostics, satellite positions or sound.
    Other,
}

impl Role {
    /// Whether the port is worth asking.
    pub const fn may_answer(self) -> bool {
        !matches!(self, Self::Other)
    }
}

/// Drivers of chips that connect a real serial line to USB.
pub(super) const BRIDGES: [&str; 5] = ["ch341", "ch343", "cp210x", "ftdi_sio", "pl2303"];

const HUAWEI: u16 = 0x12d1;

/// Similar devices.
struct Row {
    vendor: u16,
    products: &'static [u16],
    /// Interfaces that take AT commands, the better one first.
    at: &'static [u8],
    /// Interfaces that are something else.
    other: &'static [u8],
}

/// What is known of the interfaces of a device, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interfaces {
    /// Its USB vendor and product.
    pub usb: (u16, u16),
    /// Those that take AT commands, the best one first.
    pub at: &'static [u8],
    /// Those that are something else.
    pub other: &'static [u8],
}

const fn row(vendor: u16, products: &'static [u16], at: &'static [u8], other: &'static [u8]) -> Row {
    Row { vendor, products, at, other }
}

/// Interface numbers by vendor and product.
const TABLE: &[Row] = &[
    // SIMCom SIM7000, SIM7100, SIM7600; SIM70x0; A76xx; older ones.
    row(0x1e0e, &[0x9001], &[2, 3], &[0, 1, 4]),
    row(0x1e0e, &[0x9205], &[2, 3], &[0, 1]),
    row(0x1e0e, &[0x9206], &[2, 5], &[]),
    row(0x1e0e, &[0x9011], &[4, 5], &[]),
    row(0x1e0e, &[0x9100, 0x9200], &[3, 1], &[]),
    // Quectel EC25, EG25-G, EC21, BG96, EG06, EG91, EG95, EG12, RM5xx; EM060K; UC20.
    row(0x2c7c, &[0x0125, 0x0121, 0x0296, 0x0306, 0x0191, 0x0195, 0x0512, 0x0800, 0x0801], &[2, 3], &[0, 1]),
    row(0x2c7c, &[0x0128], &[5], &[]),
    row(0x05c6, &[0x9090, 0x9215], &[2, 3], &[]),
    row(0x05c6, &[0x9000], &[2, 3], &[]),
    // u-blox LISA-U2 and SARA-U2; TOBY-R2 and LARA-R2; TOBY-L4; LARA-R6.
    row(0x1546, &[0x1102], &[0, 2, 4], &[6, 8, 10, 12]),
    row(0x1546, &[0x1104], &[0], &[2, 4, 6]),
    row(0x1546, &[0x1107, 0x110a], &[0, 2, 4], &[6, 8, 10]),
    row(0x1546, &[0x1010], &[6], &[]),
    row(0x05c6, &[0x908b], &[1, 2], &[0, 3]),
    // Huawei E1550 and E1752, E17xx, E153Du, E1750, E171, for interfaces whose class says nothing.
    row(HUAWEI, &[0x1001], &[2], &[1]),
    row(HUAWEI, &[0x1003], &[1], &[]),
    row(HUAWEI, &[0x140c, 0x1506], &[3], &[]),
    row(HUAWEI, &[0x14ac, 0x1436], &[4], &[]),
    // ZTE.
    row(0x19d2, &[0x0031, 0x0037, 0x0039, 0x0042, 0x0052, 0x0063, 0x0082, 0x0104, 0x0108], &[3, 1], &[]),
    row(0x19d2, &[0x0117, 0x0016, 0x0017, 0x0018, 0x0019], &[2, 1], &[]),
    row(0x19d2, &[0x0002, 0x0012, 0x0024, 0x0025, 0x0055], &[2, 4], &[]),
    row(0x19d2, &[0x0015, 0x0030, 0x0054], &[1, 3], &[]),
    // Sierra MC7304 and EM7455; HL7812.
    row(0x1199, &[0xc001], &[0, 2], &[]),
    row(0x1199, &[0x68c0, 0x9071, 0x9079, 0x9091], &[3], &[0, 2]),
    // Telit LE910; UC864; others.
    row(0x1bc7, &[0x1201], &[4, 5], &[3, 6]),
    row(0x1bc7, &[0x1003], &[0, 2], &[]),
    row(0x1bc7, &[0x1040, 0x1050, 0x1060, 0x1070], &[4, 5], &[]),
    row(0x1bc7, &[0x1041, 0x1051, 0x1061], &[5, 6], &[]),
    row(0x1bc7, &[0x1101, 0x110a, 0x1031], &[1, 2], &[]),
    row(0x1bc7, &[0x10b0], &[2, 3], &[]),
    // Cinterion PLS8; MV31, MV32; PLS62; PLS63 and PLS83.
    row(0x1e2d, &[0x0061], &[2, 0], &[]),
    row(0x1e2d, &[0x00b3, 0x00f1], &[2], &[]),
    row(0x1e2d, &[0x005b, 0x005d], &[0, 2], &[]),
    row(0x1e2d, &[0x0069, 0x006f], &[0, 2], &[4, 6]),
];

/// Products of modems whose AT interface is not documented anywhere.
const ALSO: &[(u16, u16)] =
    &[(0x1546, 0x1141), (0x1546, 0x1143), (0x1546, 0x1146), (0x1bc7, 0x0021), (0x1e2d, 0x0053)];

/// What the port is for.
pub(super) fn role(port: &Candidate) -> Role {
    let (Some((vendor, product)), Some(interface)) = (port.usb, port.interface) else {
        return Role::Unknown;
    };
    if vendor == HUAWEI
        && let Some(role) = port.class.and_then(huawei)
    {
        return role;
    }
    let Some(row) = find(vendor, product) else { return Role::Unknown };
    match row.at.iter().position(|at| *at == interface) {
        Some(0) => Role::At,
        Some(_) => Role::SecondAt,
        None if row.other.contains(&interface) => Role::Other,
        None => Role::Unknown,
    }
}

/// Whether devices with this number take AT commands, so that one without a port lacks its driver. Huawei
/// makes other things too; there an interface has to show it.
pub(super) fn is_modem(usb: (u16, u16), classes: &[[u8; 3]]) -> bool {
    find(usb.0, usb.1).is_some()
        || ALSO.contains(&usb)
        || (usb.0 == HUAWEI && classes.iter().any(|class| huawei(*class).is_some()))
}

/// Each device whose interfaces are known.
pub fn interfaces() -> impl Iterator<Item = Interfaces> {
    TABLE.iter().flat_map(|row| {
        row.products.iter().map(|product| Interfaces {
            usb: (row.vendor, *product),
            at: row.at,
            other: row.other,
        })
    })
}

fn find(vendor: u16, product: u16) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.vendor == vendor && row.products.contains(&product))
}

/// Vendor specific, subclass 1 or 2; protocol 1 is the modem, 2 the "PC user interface".
fn huawei(class: [u8; 3]) -> Option<Role> {
    match class {
        [0xff, 1 | 2, 2] => Some(Role::At),
        [0xff, 1 | 2, 1] => Some(Role::Data),
        _ => None,
    }
}
