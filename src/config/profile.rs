//! The families of modems: one TOML file each, the built-in ones and those of a folder. A file there replaces
//! the built-in one of the same name, or adds a family.

mod errors;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use gsm_modem::profiles::{
    BUILT_IN, GENERIC, LineEnd, LineKeys, MakerError, Means, PinTries, Profile, Profiles, Quirk, Receiving,
    Rule, Unsolicited, UssdCoding,
};
use toml::de::DeTable;

use super::error::ConfigError;
use super::modem::{usb_half, usb_id};
use super::reader::{Faults, Item, Table, is_name};

/// The folder that is read when it exists and the configuration names no other.
pub const DEFAULT_PROFILES_DIR: &str = "/etc/smsotpd/profiles";

/// A larger file is not a family.
const LARGEST: u64 = 64 * 1024;
/// A longer pause would exceed the time limit for a prompt.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A longer chain of `like` is a circle.
const LONGEST_CHAIN: usize = 8;

const KEYS: &[&str] = &[
    "like",
    "match",
    "init",
    "init_optional",
    "iccid",
    "cnmi",
    "storage",
    "report_storage",
    "reset",
    "pin_tries",
    "ussd",
    "send_timeout",
    "settle",
    "command_pause",
    "prompt_pause",
    "line_end",
    "errors",
    "unsolicited",
    "quirks",
];
const MATCH: &[&str] = &["maker", "model", "firmware", "usb"];
const PIN_TRIES: &[&str] = &["command", "value"];
const UNSOLICITED: &[&str] = &["head", "lines", "means"];

const USSD: [(&str, UssdCoding); 4] = [
    ("auto", UssdCoding::Auto),
    ("plain", UssdCoding::Plain),
    ("gsm7-packed-hex", UssdCoding::PackedHex),
    ("ucs2-hex", UssdCoding::Ucs2Hex),
];

/// The built-in families.
pub fn profiles() -> Profiles {
    static PROFILES: LazyLock<Profiles> =
        LazyLock::new(|| build(&built_in()).expect("a test reads every family that is built in"));
    PROFILES.clone()
}

/// The built-in families, and those of the folder, which replace them.
pub(super) fn profiles_of(folder: &Path) -> Result<Profiles, ConfigError> {
    let fault = |path: &Path, why: String| ConfigError::Read { path: path.to_owned(), why };
    let unreadable = |e: std::io::Error| fault(folder, format!("cannot be read: {e}"));
    let mut files = built_in();
    let mut faults = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        if !is_name(&name) || name == "auto" {
            faults.push(fault(
                &path,
                "is not a name of a family: use letters, digits, _ and -, and not auto".into(),
            ));
            continue;
        }
        match read(&path) {
            Ok(text) => {
                files.insert(name, File { path, text: text.into() });
            }
            Err(why) => faults.push(fault(&path, why)),
        }
    }
    match build(&files) {
        Ok(profiles) if faults.is_empty() => Ok(profiles),
        Ok(_) => Err(ConfigError::several(faults)),
        Err(more) => Err(ConfigError::several(faults.into_iter().chain([more]).collect())),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let length = path.metadata().map_err(|e| format!("cannot be read: {e}"))?.len();
    if length > LARGEST {
        return Err("is larger than 64 KiB, which no family is".to_owned());
    }
    std::fs::read_to_string(path).map_err(|e| format!("cannot be read: {e}"))
}

struct File {
    path: PathBuf,
    text: std::borrow::Cow<'static, str>,
}

fn built_in() -> BTreeMap<String, File> {
    let file = |&(name, text): &(&str, &'static str)| {
        let path = PathBuf::from(format!("built-in/{name}.toml"));
        (name.to_owned(), File { path, text: text.into() })
    };
    BUILT_IN.iter().map(file).collect()
}

/// The keys of a file; those that it leaves out come from the family that it is like.
#[derive(Debug, Default)]
struct Draft {
    like: Option<(usize, String)>,
    rules: Vec<Rule>,
    init: Option<Vec<String>>,
    init_optional: Option<Vec<String>>,
    iccid: Option<Vec<String>>,
    new_messages: Option<Vec<[u8; 5]>>,
    storage: Option<Vec<String>>,
    report_storage: Option<String>,
    reset: Option<Vec<String>>,
    pin_tries: Option<PinTries>,
    ussd: Option<UssdCoding>,
    send_timeout: Option<Duration>,
    settle: Option<Duration>,
    command_pause: Option<Duration>,
    prompt_pause: Option<Duration>,
    line_end: Option<LineEnd>,
    errors: Option<Vec<MakerError>>,
    unsolicited: Option<Vec<Unsolicited>>,
    quirks: Option<Vec<Quirk>>,
}

fn build(files: &BTreeMap<String, File>) -> Result<Profiles, ConfigError> {
    let drafts: BTreeMap<&str, (Draft, Faults)> =
        files.iter().map(|(name, file)| (name.as_str(), draft(&file.text))).collect();
    for (name, (draft, faults)) in &drafts {
        if let (Some((at, _)), Err(why)) = (&draft.like, ancestors(name, &drafts)) {
            faults.note(*at, "like", why);
        }
    }
    let mut profiles = Vec::new();
    for name in files.keys() {
        // A chain with a fault was noted above, and then no family is taken from here.
        profiles.push(resolve(name, &ancestors(name, &drafts).unwrap_or_default()));
    }
    let wrong = drafts.into_iter().filter_map(|(name, (_, faults))| {
        let File { path, text } = files.get(name)?;
        let faults = faults.into_list(text);
        (!faults.is_empty()).then(|| ConfigError::Faults { path: path.clone(), faults })
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() { Ok(Profiles::new(profiles)) } else { Err(ConfigError::several(wrong)) }
}

/// The file itself, the one it is like, and so on to the generic one.
fn ancestors<'a>(name: &str, drafts: &'a BTreeMap<&str, (Draft, Faults)>) -> Result<Vec<&'a Draft>, String> {
    let mut chain = Vec::new();
    let mut next = name.to_owned();
    while chain.len() <= LONGEST_CHAIN {
        let Some((draft, _)) = drafts.get(next.as_str()) else {
            return Err(format!("there is no family {next}; take one of {}", names(drafts)));
        };
        chain.push(draft);
        match &draft.like {
            Some((_, like)) => next.clone_from(like),
            None if next == GENERIC => return Ok(chain),
            None => GENERIC.clone_into(&mut next),
        }
    }
    Err("goes in a circle".to_owned())
}

fn names(drafts: &BTreeMap<&str, (Draft, Faults)>) -> String {
    drafts.keys().copied().collect::<Vec<_>>().join(", ")
}

fn resolve(name: &str, chain: &[&Draft]) -> Profile {
    fn first<T: Clone>(chain: &[&Draft], of: impl Fn(&Draft) -> &Option<T>) -> Option<T> {
        chain.iter().find_map(|draft| of(draft).clone())
    }
    Profile {
        name: name.to_owned(),
        rules: chain.first().map(|draft| draft.rules.clone()).unwrap_or_default(),
        init: first(chain, |d| &d.init).unwrap_or_default(),
        init_optional: first(chain, |d| &d.init_optional).unwrap_or_default(),
        iccid: first(chain, |d| &d.iccid).unwrap_or_default(),
        receiving: Receiving {
            new_messages: first(chain, |d| &d.new_messages).unwrap_or_default(),
            storage: first(chain, |d| &d.storage).unwrap_or_default(),
            report_storage: first(chain, |d| &d.report_storage),
        },
        reset: first(chain, |d| &d.reset).unwrap_or_default(),
        pin_tries: first(chain, |d| &d.pin_tries),
        ussd: first(chain, |d| &d.ussd).unwrap_or_default(),
        send_timeout: first(chain, |d| &d.send_timeout),
        settle: first(chain, |d| &d.settle).unwrap_or_default(),
        line: LineKeys {
            command_pause: first(chain, |d| &d.command_pause).unwrap_or_default(),
            prompt_pause: first(chain, |d| &d.prompt_pause).unwrap_or_default(),
            line_end: first(chain, |d| &d.line_end).unwrap_or_default(),
        },
        errors: first(chain, |d| &d.errors).unwrap_or_default(),
        unsolicited: first(chain, |d| &d.unsolicited).unwrap_or_default(),
        quirks: first(chain, |d| &d.quirks).unwrap_or_default(),
    }
}

fn draft(text: &str) -> (Draft, Faults) {
    let faults = Faults::default();
    let (document, errors) = DeTable::parse_recoverable(text);
    for e in &errors {
        faults.note(e.span().map_or(text.len(), |s| s.start), "", e.message());
    }
    let draft =
        if errors.is_empty() { of_table(&Table::root(&document, KEYS, &faults)) } else { Draft::default() };
    (draft, faults)
}

fn of_table(root: &Table<'_>) -> Draft {
    let commands = |key| root.item(key).and_then(|i| i.list(command));
    let span = |key| root.item(key).and_then(|i| i.span(Duration::from_secs(1)));
    Draft {
        like: root.item("like").and_then(|i| Some((i.place(), i.name()?))),
        rules: root.tables("match", MATCH).iter().map(rule).collect(),
        init: commands("init"),
        init_optional: commands("init_optional"),
        iccid: commands("iccid"),
        new_messages: root.item("cnmi").and_then(|i| i.list(new_messages)),
        storage: root.item("storage").and_then(|i| i.list(memory)),
        report_storage: root.item("report_storage").and_then(|i| memory(&i)),
        reset: commands("reset"),
        pin_tries: root.item("pin_tries").and_then(|i| pin_tries(&i.table(PIN_TRIES))),
        ussd: root.item("ussd").and_then(|i| i.one_of(&USSD)),
        send_timeout: span("send_timeout"),
        settle: span("settle"),
        command_pause: root.item("command_pause").and_then(|i| pause(&i)),
        prompt_pause: root.item("prompt_pause").and_then(|i| pause(&i)),
        line_end: root.item("line_end").and_then(|i| i.one_of(&LineEnd::NAMES)),
        errors: errors::of(root),
        unsolicited: root
            .has("unsolicited")
            .then(|| root.tables("unsolicited", UNSOLICITED).iter().filter_map(unsolicited).collect()),
        quirks: root.item("quirks").and_then(|i| i.list(|i| i.one_of(&Quirk::NAMES))),
    }
}

fn rule(table: &Table<'_>) -> Rule {
    let text = |key| table.item(key).and_then(|i| Some(i.word()?.to_lowercase()));
    if !MATCH.iter().any(|key| table.has(key)) {
        table.fault("matches nothing: give maker, model, firmware or usb");
    }
    Rule {
        maker: text("maker"),
        model: text("model"),
        firmware: text("firmware"),
        usb: table.item("usb").and_then(|i| usb(&i)),
    }
}

/// `12d1:1506`, or the vendor alone.
fn usb(item: &Item<'_>) -> Option<(u16, Option<u16>)> {
    let text = item.text()?;
    if text.contains(':') {
        return usb_id(item).map(|(vendor, product)| (vendor, Some(product)));
    }
    let vendor = usb_half(text);
    if vendor.is_none() {
        item.fault("is not a USB vendor; write four hexadecimal digits, or eight such as \"12d1:1506\"");
    }
    vendor.map(|vendor| (vendor, None))
}

/// A command line that a session may write by itself: never one that sends, calls or tries a code.
fn command(item: &Item<'_>) -> Option<String> {
    let line = item.word()?;
    let upper = line.to_ascii_uppercase();
    let plain = line.len() <= 200 && line.bytes().all(|b| (b' '..=b'~').contains(&b));
    if !plain || !upper.starts_with("AT") {
        item.fault("is not a command: write a line that begins with AT, of at most 200 ASCII characters");
        return None;
    }
    let tries = ["+CPIN=", "^CPIN=", "+CPWD", "+CLCK", "+CMGS", "+CMSS", "+CMGW", "+CMGD", "+CUSD="];
    if upper.starts_with("ATD") || tries.iter().any(|word| upper.contains(word)) {
        item.fault("is not a profile's to send: it tries a code, calls, sends, or deletes messages");
        return None;
    }
    Some(line.to_owned())
}

fn new_messages(item: &Item<'_>) -> Option<[u8; 5]> {
    let text = item.text()?;
    let values: Option<Vec<u8>> = text.split(',').map(|value| value.trim().parse().ok()).collect();
    let values: Option<[u8; 5]> = values.and_then(|values| values.try_into().ok());
    match values {
        Some([mode, 1, bm, ds, bfr]) if mode <= 3 && bm <= 3 && ds <= 2 && bfr <= 1 => {
            Some([mode, 1, bm, ds, bfr])
        }
        _ => {
            item.fault(
                "is not a setting of AT+CNMI: write five numbers, of which the second is 1 (a message stays stored), \
                 such as \"2,1,0,1,0\"",
            );
            None
        }
    }
}

/// A memory for messages (3GPP TS 27.005 clause 3.2.2, and makers' own such as `SM_P`).
fn memory(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    let good = (2..=8).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if !good {
        item.fault("is not a memory of messages; write such as \"SM\", \"ME\", \"MT\" or \"SR\"");
    }
    good.then(|| text.to_owned())
}

fn pin_tries(table: &Table<'_>) -> Option<PinTries> {
    let Some(question) = table.item("command") else {
        table.fault("needs a command");
        return None;
    };
    let value = table.item("value").map_or(Some(1), |i| i.number(1, 16))?;
    Some(PinTries { command: command(&question)?, value: usize::try_from(value).ok()? })
}

/// A pause from zero on; zero cancels the pause of the family that this one is like.
fn pause(item: &Item<'_>) -> Option<Duration> {
    let pause = item.span(Duration::ZERO)?;
    if pause > LONGEST_PAUSE {
        item.fault("must be at most 5s");
        return None;
    }
    Some(pause)
}

fn unsolicited(table: &Table<'_>) -> Option<Unsolicited> {
    let Some(head) = table.item("head") else {
        table.fault("needs a head");
        return None;
    };
    let lines = table.item("lines").map_or(Some(1), |i| i.number(1, 8))?;
    let means = table.item("means").map_or(Some(Means::Nothing), |i| i.one_of(&Means::NAMES))?;
    let text = head.word()?;
    if text.len() < 3 || text.len() > 64 {
        head.fault("must have 3 to 64 characters: a shorter head fits too much");
        return None;
    }
    Some(Unsolicited { head: text.to_owned(), lines: usize::try_from(lines).ok()?, means })
}

#[cfg(test)]
mod tests;
