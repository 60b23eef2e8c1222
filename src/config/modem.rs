//! `[[modem]]`: how a modem is found, spoken to and used.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use gsm_modem::profiles::Profiles;

use super::reader::{Item, Table};
use crate::outbox::{ModemRules, Recipients};
use crate::phone::PhoneNumber;

/// `[[modem]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modem {
    /// How the API, logs and metrics call it.
    pub name: String,
    /// How it is found.
    pub find: Find,
    /// Bits a second of a real serial line; a USB modem ignores it.
    pub baud: u32,
    /// The file with the SIM's PIN.
    pub pin_file: Option<PathBuf>,
    /// The family whose quirks apply: `auto`, or the name of one of the profiles.
    pub profile: String,
    /// The service centre; none: the SIM's own.
    pub smsc: Option<PhoneNumber>,
    /// Whether it may send in foreign networks.
    pub roaming: bool,
    /// The network it has to be in, five or six digits (MCC and MNC); none: it chooses.
    pub operator: Option<String>,
    /// How long the network may take with a message before its outcome counts as unknown; none:
    /// its family's, or the usual limit.
    pub send_timeout: Option<Duration>,
    /// The program and arguments that take the modem's power; empty: none.
    pub power_cycle: Vec<String>,
}

/// How a modem is found: all that is given must fit, and something is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Find {
    /// The serial port.
    pub port: Option<PathBuf>,
    /// The modem's own number, 15 digits (3GPP TS 23.003 section 6.2.1).
    pub imei: Option<String>,
    /// The SIM's own number, 18 to 20 digits (ITU-T E.118).
    pub iccid: Option<String>,
    /// The USB vendor and product.
    pub usb: Option<UsbId>,
    /// The USB serial number.
    pub serial: Option<String>,
}

/// A USB vendor and product id: `12d1:1506`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsbId {
    /// The vendor.
    pub vendor: u16,
    /// The vendor's product.
    pub product: u16,
}

/// A text that is no [`UsbId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no USB id; write vendor and product as four hexadecimal digits each, such as \"12d1:1506\"")]
pub struct NotAUsbId;

impl FromStr for UsbId {
    type Err = NotAUsbId;

    fn from_str(text: &str) -> Result<Self, NotAUsbId> {
        let half = |text: &str| {
            let digits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
            u16::from_str_radix(text, 16).ok().filter(|_| digits).ok_or(NotAUsbId)
        };
        let (vendor, product) = text.split_once(':').ok_or(NotAUsbId)?;
        Ok(Self { vendor: half(vendor)?, product: half(product)? })
    }
}

impl fmt::Display for UsbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.product)
    }
}

const BAUD: [u32; 12] =
    [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600, 3_000_000];

const MODEM: &[&str] = &[
    "name",
    "port",
    "imei",
    "iccid",
    "usb",
    "serial",
    "baud",
    "pin_file",
    "profile",
    "smsc",
    "roaming",
    "operator",
    "routes",
    "max_per_minute",
    "max_per_day",
    "max_per_month",
    "max_recipients_per_month",
    "reserve",
    "send_timeout",
    "power_cycle",
];

/// The modems, and the rules of each by its name.
pub(super) fn modems(root: &Table<'_>, profiles: &Profiles) -> (Vec<Modem>, BTreeMap<String, ModemRules>) {
    let (mut modems, mut all_rules) = (Vec::<Modem>::new(), BTreeMap::new());
    for (i, table) in root.tables("modem", MODEM).iter().enumerate() {
        let modem = modem(table, format!("modem{}", i + 1), profiles);
        if modems.iter().any(|m| m.name == modem.name) {
            table.fault_at("name", format!("{} is the name of a modem above", modem.name));
        }
        let found = |m: &&Modem| m.find == modem.find && m.find != Find::default();
        if let Some(twin) = modems.iter().find(found) {
            table.fault(format!("is found just as {} is; tell them apart by port, imei or iccid", twin.name));
        }
        all_rules.insert(modem.name.clone(), rules(table));
        modems.push(modem);
    }
    (modems, all_rules)
}

fn modem(table: &Table<'_>, name: String, profiles: &Profiles) -> Modem {
    if !["port", "imei", "iccid", "usb", "serial"].iter().any(|key| table.has(key)) {
        table.fault("a modem needs a port, or an imei, iccid, usb or serial to be found by");
    }
    let find = Find {
        port: table.item("port").and_then(|i| Some(i.word()?.into())),
        imei: table.item("imei").and_then(|i| digits(&i, 15, 15, "an IMEI has 15 digits")),
        iccid: table.item("iccid").and_then(|i| digits(&i, 18, 20, "an ICCID has 18 to 20 digits")),
        usb: table.item("usb").and_then(|i| i.parse()),
        serial: table.item("serial").and_then(|i| Some(i.word()?.to_owned())),
    };
    Modem {
        name: table.item("name").and_then(|i| i.name()).unwrap_or(name),
        find,
        baud: table.item("baud").and_then(|i| baud(&i)).unwrap_or(115_200),
        pin_file: table.item("pin_file").and_then(|i| Some(i.word()?.into())),
        profile: table.item("profile").and_then(|i| profile(&i, profiles)).unwrap_or_else(|| "auto".into()),
        smsc: table.item("smsc").and_then(|i| i.parse()),
        roaming: table.item("roaming").and_then(|i| i.yes_or_no()).unwrap_or(true),
        operator: table.item("operator").and_then(|i| {
            digits(&i, 5, 6, "a network has 5 or 6 digits, country and operator, such as \"22801\"")
        }),
        send_timeout: table.item("send_timeout").and_then(|i| i.span(Duration::from_secs(1))),
        power_cycle: table.item("power_cycle").and_then(|i| program(&i)).unwrap_or_default(),
    }
}

fn rules(table: &Table<'_>) -> ModemRules {
    let limit = |key, most| table.item(key).and_then(|i| i.number(1, most));
    ModemRules {
        routes: table.item("routes").and_then(|i| i.some(Item::prefix)),
        max_per_minute: limit("max_per_minute", u32::MAX),
        max_per_day: limit("max_per_day", u32::MAX),
        max_per_month: limit("max_per_month", u32::MAX),
        max_recipients_per_month: limit("max_recipients_per_month", Recipients::MOST),
        reserve: reserve(table).unwrap_or(0),
    }
}

/// Percent; at least a tenth is left to texts, or they would never go out.
fn reserve(table: &Table<'_>) -> Option<u8> {
    let reserve = table.item("reserve")?.number(0, 90)?;
    let limits = ["max_per_day", "max_per_month", "max_recipients_per_month"];
    if reserve > 0 && !limits.iter().any(|key| table.has(key)) {
        table
            .fault_at("reserve", "is a part of a limit, and there is none; add max_per_day or max_per_month");
    }
    u8::try_from(reserve).ok()
}

fn profile(item: &Item<'_>, profiles: &Profiles) -> Option<String> {
    let names: Vec<_> = std::iter::once("auto").chain(profiles.names()).map(|name| (name, name)).collect();
    item.one_of(&names).map(str::to_owned)
}

/// A program by its whole path, so that it is the same whatever `$PATH` says, and its arguments.
fn program(item: &Item<'_>) -> Option<Vec<String>> {
    let words = item.list(|word| Some(word.text()?.to_owned()))?;
    if words.iter().any(|word| word.contains('\0')) {
        item.fault("has a control character");
        return None;
    }
    if words.first().is_none_or(|program| !program.starts_with('/')) {
        item.fault("must begin with the whole path of a program, such as [\"/usr/local/bin/hub\", \"off-on\", \"3\"]");
        return None;
    }
    Some(words)
}

fn digits(item: &Item<'_>, least: usize, most: usize, what: &str) -> Option<String> {
    let text = item.text()?;
    let good = (least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !good {
        item.fault(format!("is none: {what}"));
    }
    good.then(|| text.to_owned())
}

fn baud(item: &Item<'_>) -> Option<u32> {
    let rate = item.number(0, u32::MAX)?;
    if BAUD.contains(&rate) {
        return Some(rate);
    }
    let rates: Vec<_> = BAUD.iter().map(u32::to_string).collect();
    item.fault(format!("is no serial speed; use one of {}", rates.join(", ")));
    None
}
