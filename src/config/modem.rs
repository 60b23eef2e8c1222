//! `[[modem]]`: how a modem is found, driven and used.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use gsm_modem::profiles::Profiles;
use gsm_modem::{Find, Roaming, Settings};

use super::reader::{Item, Table};
use crate::outbox::{ModemRules, Recipients};
use crate::phone::PhoneNumber;

/// `[[modem]]`, except for the limits of its use.
#[derive(Debug, Clone, PartialEq)]
pub struct Modem {
    /// The settings of its session. The PIN, the families and the patience are added at the start.
    pub session: Settings,
    /// The file with the SIM's PIN.
    pub pin_file: Option<PathBuf>,
    /// The family whose quirks apply: `auto`, or the name of one of the profiles.
    pub profile: String,
    /// How long the network may take with a message before its outcome counts as unknown; `None` uses the
    /// family's limit, or the usual one.
    pub send_timeout: Option<Duration>,
    /// The program and arguments that cut the modem's power; empty means none.
    pub power_cycle: Vec<String>,
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
    "number",
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

/// What a reload may change of the modems, by their names.
#[derive(Default)]
pub(super) struct Use {
    pub(super) rules: BTreeMap<String, ModemRules>,
    pub(super) numbers: BTreeMap<String, PhoneNumber>,
}

/// The modems, and how they are used.
pub(super) fn modems(root: &Table<'_>, profiles: &Profiles) -> (Vec<Modem>, Use) {
    let (mut modems, mut used) = (Vec::<Modem>::new(), Use::default());
    for (i, table) in root.tables("modem", MODEM).iter().enumerate() {
        let modem = modem(table, format!("modem{}", i + 1), profiles);
        let Settings { name, find, .. } = &modem.session;
        if modems.iter().any(|m| m.session.name == *name) {
            table.fault_at("name", format!("{name} is the name of a modem above"));
        }
        let found = |m: &&Modem| m.session.find == *find && *find != Find::default();
        if let Some(Modem { session: twin, .. }) = modems.iter().find(found) {
            table.fault(format!("is found just as {} is; tell them apart by port, imei or iccid", twin.name));
        }
        used.rules.insert(name.clone(), rules(table));
        used.numbers.extend(table.item("number").and_then(|i| Some((name.clone(), i.parse()?))));
        modems.push(modem);
    }
    (modems, used)
}

fn modem(table: &Table<'_>, name: String, profiles: &Profiles) -> Modem {
    Modem {
        session: session(table, name),
        pin_file: table.item("pin_file").and_then(|i| Some(i.word()?.into())),
        profile: table.item("profile").and_then(|i| profile(&i, profiles)).unwrap_or_else(|| "auto".into()),
        send_timeout: table.item("send_timeout").and_then(|i| i.span(Duration::from_secs(1))),
        power_cycle: table.item("power_cycle").and_then(|i| program(&i)).unwrap_or_default(),
    }
}

fn session(table: &Table<'_>, name: String) -> Settings {
    if !["port", "imei", "iccid", "usb", "serial"].iter().any(|key| table.has(key)) {
        table.fault("a modem needs a port, or an imei, iccid, usb or serial to be found by");
    }
    let find = Find {
        port: table.item("port").and_then(|i| Some(i.word()?.into())),
        imei: table.item("imei").and_then(|i| digits(&i, 15, 15, "an IMEI has 15 digits")),
        iccid: table.item("iccid").and_then(|i| digits(&i, 18, 20, "an ICCID has 18 to 20 digits")),
        usb: table.item("usb").and_then(|i| usb_id(&i)),
        serial: table.item("serial").and_then(|i| Some(i.word()?.to_owned())),
    };
    let default = Settings::new(table.item("name").and_then(|i| i.name()).unwrap_or(name), find);
    Settings {
        baud: table.item("baud").and_then(|i| baud(&i)).unwrap_or(default.baud),
        smsc: table.item("smsc").and_then(|i| Some(i.parse::<PhoneNumber>()?.as_str().to_owned())),
        roaming: match table.item("roaming").and_then(|i| i.yes_or_no()) {
            Some(false) => Roaming::Forbidden,
            _ => Roaming::Allowed,
        },
        operator: table.item("operator").and_then(|i| {
            digits(&i, 5, 6, "a network has 5 or 6 digits, country and operator, such as \"22801\"")
        }),
        ..default
    }
}

/// A USB vendor and product: `12d1:1506`.
pub(super) fn usb_id(item: &Item<'_>) -> Option<(u16, u16)> {
    let halves = item.text()?.split_once(':');
    let id = halves.and_then(|(vendor, product)| Some((usb_half(vendor)?, usb_half(product)?)));
    if id.is_none() {
        item.fault(
            "is not a USB id; write vendor and product as four hexadecimal digits each, such as \"12d1:1506\"",
        );
    }
    id
}

/// A half of a USB id, four hexadecimal digits.
pub(super) fn usb_half(text: &str) -> Option<u16> {
    let digits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
    u16::from_str_radix(text, 16).ok().filter(|_| digits)
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

/// Percent; at least a tenth is left for texts, which otherwise could never be sent.
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

/// A program by its absolute path, so that it does not depend on `$PATH`, and its arguments.
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
        item.fault(format!("is not valid: {what}"));
    }
    good.then(|| text.to_owned())
}

fn baud(item: &Item<'_>) -> Option<u32> {
    let rate = item.number(0, u32::MAX)?;
    if BAUD.contains(&rate) {
        return Some(rate);
    }
    let rates: Vec<_> = BAUD.iter().map(u32::to_string).collect();
    item.fault(format!("is not a serial speed; use one of {}", rates.join(", ")));
    None
}
