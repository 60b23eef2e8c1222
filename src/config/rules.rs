//! `[limits]`, `[destinations]`, `[pumping]`, `[queue]`, `[canary]`, `[log]`, `[retention]`, `[opt_out]` and `[testing]`.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::reader::{Item, Table, is_name};
use crate::gateway::Settings;
use crate::inbox::Words;
use crate::otp::{Action, Countries, Destinations, Limits, Pumping, Service, TestNumbers, Validity};
use crate::outbox::{BreakerRules, ModemRules, Retry};
use crate::phone::{Kind, PhoneNumber};

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A tracing filter; `$RUST_LOG` wins.
    pub level: String,
    /// The format of log lines.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// To journald under systemd, else text.
    Auto,
    /// Text on stderr.
    Text,
    /// JSON on stderr, one object for each line.
    Json,
}

/// The keys of `[queue]`.
pub(super) const QUEUE: &[&str] = &["patience", "max_pending", "max_wait", "min_life", "retry", "breaker"];

/// How long a code waits for its modem's answer before it is also sent through another modem, or `auto`.
pub(super) fn patience(queue: &Table<'_>) -> Option<Duration> {
    let item = queue.item("patience")?;
    if item.text()? == "auto" {
        return None;
    }
    // A modem that works may take that long.
    item.span(Duration::from_secs(1))
}

/// The settings of the gateway: `[limits]`, `[destinations]`, `[pumping]`, `[queue]`, `[canary]`, `[retention]`,
/// `[opt_out]` and `[testing]`, and what was read already.
pub(super) fn settings(
    root: &Table<'_>,
    queue: &Table<'_>,
    services: BTreeMap<String, Service>,
    modems: BTreeMap<String, ModemRules>,
) -> Settings {
    let retention = root.table("retention", &["verifications", "messages", "inbox", "events"]);
    let keep =
        |key, default| retention.item(key).and_then(|i| i.span(Duration::from_secs(60))).unwrap_or(default);
    let default = Settings::default();
    let opt_outs = root.table("opt_out", &["stop", "start", "codes"]);
    let max_pending = queue.item("max_pending").and_then(|i| i.number(1, 10_000_000));
    Settings {
        clients: default.clients,
        services,
        limits: limits(root),
        destinations: destinations(root),
        pumping: pumping(root),
        max_pending: max_pending.and_then(|n| usize::try_from(n).ok()).unwrap_or(default.max_pending),
        max_wait: queue
            .item("max_wait")
            .and_then(|i| i.span(Duration::from_secs(1)))
            .unwrap_or(default.max_wait),
        min_life: queue.item("min_life").and_then(|i| i.span(Duration::ZERO)).unwrap_or(default.min_life),
        retry: retry(&queue.table("retry", &["first", "factor", "max", "attempts"])),
        breaker: breaker(&queue.table("breaker", &["failures", "first", "max"])),
        canary: root.table("canary", &["every"]).item("every").and_then(|i| canary(&i)),
        keep_verifications: keep("verifications", default.keep_verifications),
        keep_messages: keep("messages", default.keep_messages),
        keep_inbox: keep("inbox", default.keep_inbox),
        keep_events: keep("events", default.keep_events),
        opt_out: opt_out(&opt_outs),
        stop_codes: opt_outs.item("codes").and_then(|i| i.yes_or_no()).unwrap_or(default.stop_codes),
        testing: testing(&root.table("testing", &["numbers"])),
        host: default.host,
        machine: super::store::machine(),
        modems,
        numbers: default.numbers,
    }
}

/// How often canaries are sent, or `off`. One that has not come after ten minutes is lost, and not before.
fn canary(every: &Item<'_>) -> Option<Duration> {
    if every.text()? == "off" {
        return None;
    }
    every.span(Duration::from_secs(600))
}

fn limits(root: &Table<'_>) -> Limits {
    let known = &[
        "per_number",
        "per_client",
        "per_prefix",
        "total",
        "guesses_per_number",
        "keys",
        "allow_prefixes",
        "deny_prefixes",
    ];
    let table = root.table("limits", known);
    let rates = |key, default| table.item(key).and_then(|i| i.list(Item::parse)).unwrap_or(default);
    let key = |(name, rates): (String, Item<'_>)| {
        if !is_name(&name) {
            rates.fault("is under a key that is not a name: use 1 to 64 letters, digits, _ and -");
        }
        Some((name, rates.list(Item::parse)?))
    };
    let default = Limits::default();
    Limits {
        per_number: rates("per_number", default.per_number),
        per_client: rates("per_client", default.per_client),
        per_prefix: rates("per_prefix", default.per_prefix),
        total: rates("total", default.total),
        guesses_per_number: rates("guesses_per_number", default.guesses_per_number),
        keys: table.named("keys").into_iter().filter_map(key).collect(),
        allow_prefixes: table.item("allow_prefixes").and_then(|i| i.some(Item::prefix)),
        deny_prefixes: table.item("deny_prefixes").and_then(|i| i.list(Item::prefix)).unwrap_or_default(),
    }
}

fn destinations(root: &Table<'_>) -> Destinations {
    let table = root.table("destinations", &["countries", "types", "validity", "default_region"]);
    let validities = [("valid", Validity::Valid), ("possible", Validity::Possible)];
    let default = Destinations::default();
    Destinations {
        countries: table.item("countries").and_then(|i| countries(&i)).unwrap_or(default.countries),
        types: table.item("types").and_then(|i| i.some(|i| i.one_of(&Kind::NAMES))).unwrap_or(default.types),
        validity: table.item("validity").and_then(|i| i.one_of(&validities)).unwrap_or(default.validity),
        default_region: table.item("default_region").and_then(|i| i.parse()),
    }
}

fn pumping(root: &Table<'_>) -> Pumping {
    let table = root.table("pumping", &["abroad", "home", "unverified", "adjacent"]);
    let action = |key, default| table.item(key).and_then(|i| i.one_of(&Action::NAMES)).unwrap_or(default);
    let default = Pumping::default();
    Pumping {
        abroad: action("abroad", default.abroad),
        home: action("home", default.home),
        unverified: table.item("unverified").and_then(|i| i.parse()).unwrap_or(default.unverified),
        // A block has a hundred numbers.
        adjacent: table.item("adjacent").and_then(|i| i.number(0, 100)).unwrap_or(default.adjacent),
    }
}

/// `"sims"`, `"all"`, or a list of countries.
fn countries(item: &Item<'_>) -> Option<Countries> {
    if item.is_list() {
        return item.some(Item::parse).map(Countries::These);
    }
    match item.text()? {
        "sims" => Some(Countries::Sims),
        "all" => Some(Countries::All),
        _ => {
            item.fault("must be \"sims\", \"all\" or a list of countries such as [\"CH\", \"DE\"]");
            None
        }
    }
}

fn retry(table: &Table<'_>) -> Retry {
    let default = Retry::default();
    let least = Duration::from_millis(1);
    let retry = Retry {
        first: table.item("first").and_then(|i| i.span(least)).unwrap_or(default.first),
        factor: table.item("factor").and_then(|i| factor(&i)).unwrap_or(default.factor),
        max: table.item("max").and_then(|i| i.span(least)).unwrap_or(default.max),
        attempts: table.item("attempts").and_then(|i| i.number(1, 100)).unwrap_or(default.attempts),
    };
    if retry.max < retry.first {
        table.fault_at("max", "is shorter than the first wait; raise max or lower first");
    }
    retry
}

fn breaker(table: &Table<'_>) -> BreakerRules {
    let default = BreakerRules::default();
    let least = Duration::from_millis(1);
    let breaker = BreakerRules {
        failures: table.item("failures").and_then(|i| i.number(2, 1000)).unwrap_or(default.failures),
        first: table.item("first").and_then(|i| i.span(least)).unwrap_or(default.first),
        max: table.item("max").and_then(|i| i.span(least)).unwrap_or(default.max),
    };
    if breaker.max < breaker.first {
        table.fault_at("max", "is shorter than the first span; raise max or lower first");
    }
    breaker
}

fn factor(item: &Item<'_>) -> Option<f64> {
    let factor = item.float()?;
    if (1.0..=100.0).contains(&factor) {
        return Some(factor);
    }
    item.fault("must be 1 to 100");
    None
}

pub(super) fn log(root: &Table<'_>) -> Log {
    let table = root.table("log", &["level", "format"]);
    let words = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    let default = Log::default();
    Log {
        level: table.item("level").and_then(|i| level(&i)).unwrap_or(default.level),
        format: table.item("format").and_then(|i| i.one_of(&words)).unwrap_or(default.format),
    }
}

fn level(item: &Item<'_>) -> Option<String> {
    let text = item.word()?;
    match log_filter(text) {
        Ok(_) => Some(text.to_owned()),
        Err(why) => {
            item.fault(why);
            None
        }
    }
}

/// A level, or a tracing filter; the error is what has to stand behind its name.
pub fn log_filter(text: &str) -> Result<EnvFilter, String> {
    // A filter takes a bare word that is not a level for the name of a module: `inof` would silence the log.
    for word in text.split(',').map(str::trim) {
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        let lower = word.to_lowercase();
        let slip = |l: &&&str| {
            !lower.contains(['=', ':', '['])
                && lower != **l
                && (lower.starts_with(**l) || strsim::osa_distance(&lower, l) == 1)
        };
        let near = levels.iter().find(slip);
        if let Some(near) = near {
            return Err(format!("is not a level; {near} is the nearest"));
        }
    }
    EnvFilter::try_new(text).map_err(|_| {
        "is not a tracing filter; write a level such as \"info\" or \"gsm_modem=debug\"".to_owned()
    })
}

/// The words by which a recipient opts out and in again; an empty list switches that off.
fn opt_out(table: &Table<'_>) -> Words {
    let words = |key| table.item(key).and_then(|i| i.list(|i| i.word().map(str::to_owned)));
    let default = Words::default();
    let (stop, start) = (words("stop"), words("start"));
    let words = Words::new(
        stop.as_deref().unwrap_or_else(|| default.stop()),
        start.as_deref().unwrap_or_else(|| default.start()),
    );
    if let Some(word) = words.stop().iter().find(|word| words.start().contains(word)) {
        table.fault_at("start", format!("has {word}, which is in stop too"));
    }
    words
}

/// The numbers that nothing is sent to. A fault shows neither a whole number nor a code.
fn testing(table: &Table<'_>) -> TestNumbers {
    let mut numbers = TestNumbers::default();
    for (text, item) in table.named("numbers") {
        let number = text.parse::<PhoneNumber>();
        let shown =
            number.as_ref().map_or_else(|_| "numbers".to_owned(), |n| format!("numbers.{}", n.masked()));
        let item = item.shown_as(format!("testing.{shown}"));
        let Some(code) = item.text() else { continue };
        match number {
            Ok(number) => {
                if let Err(e) = numbers.insert(number, code) {
                    item.fault(e.to_string());
                }
            }
            Err(e) => item.fault(format!("its key is no number: {e}")),
        }
    }
    numbers
}
