//! `[limits]`, `[queue]`, `[log]`, `[retention]` and `[opt_out]`.

use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::reader::{Item, Table};
use crate::inbox::Words;
use crate::otp::Rate;
use crate::outbox::{BreakerRules, Retry};

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Messages to one number.
    pub per_number: Vec<Rate>,
    /// Messages for one client.
    pub per_client: Vec<Rate>,
    /// Messages to numbers with the same first seven digits.
    pub per_prefix: Vec<Rate>,
    /// Messages in all.
    pub total: Vec<Rate>,
    /// Prefixes of the numbers that may be sent to; none: all.
    pub allow_prefixes: Option<Vec<String>>,
    /// Prefixes of the numbers that may not, stronger than those that may.
    pub deny_prefixes: Vec<String>,
}

impl Default for Limits {
    fn default() -> Self {
        let rate = |count, seconds| Rate { count, per: Duration::from_secs(seconds) };
        Self {
            per_number: vec![rate(3, 600), rate(10, 86_400)],
            per_client: vec![rate(600, 60)],
            per_prefix: vec![rate(100, 600)],
            total: vec![rate(5000, 3600)],
            allow_prefixes: None,
            deny_prefixes: Vec::new(),
        }
    }
}

/// `[queue]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// How long a code waits for its modem's answer before it also goes out through another; none: as long as that
    /// modem's own times tell.
    pub patience: Option<Duration>,
    /// Messages that may wait.
    pub max_pending: usize,
    /// A code with less life left is not sent.
    pub min_life: Duration,
    /// When a message is tried again.
    pub retry: Retry,
    /// When a modem gets no more messages because they fail.
    pub breaker: BreakerRules,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            patience: None,
            max_pending: 100_000,
            min_life: Duration::from_secs(20),
            retry: Retry::default(),
            breaker: BreakerRules::default(),
        }
    }
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A tracing filter; `$RUST_LOG` wins.
    pub level: String,
    /// In what form lines go out.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// In what form log lines go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// To journald under systemd, else text.
    Auto,
    /// Text on stderr.
    Text,
    /// JSON on stderr, an object a line.
    Json,
}

/// `[retention]`: how long things that are over are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Verifications.
    pub verifications: Duration,
    /// Sent messages.
    pub messages: Duration,
    /// Received messages.
    pub inbox: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Self { verifications: days(1), messages: days(7), inbox: days(30) }
    }
}

pub(super) fn limits(root: &Table<'_>) -> Limits {
    let known = &["per_number", "per_client", "per_prefix", "total", "allow_prefixes", "deny_prefixes"];
    let table = root.table("limits", known);
    let rates = |key, default| table.item(key).and_then(|i| i.list(Item::parse)).unwrap_or(default);
    let default = Limits::default();
    Limits {
        per_number: rates("per_number", default.per_number),
        per_client: rates("per_client", default.per_client),
        per_prefix: rates("per_prefix", default.per_prefix),
        total: rates("total", default.total),
        allow_prefixes: table.item("allow_prefixes").and_then(|i| i.some(Item::prefix)),
        deny_prefixes: table.item("deny_prefixes").and_then(|i| i.list(Item::prefix)).unwrap_or_default(),
    }
}

pub(super) fn queue(root: &Table<'_>) -> Queue {
    let table = root.table("queue", &["patience", "max_pending", "min_life", "retry", "breaker"]);
    let default = Queue::default();
    let max_pending = table.item("max_pending").and_then(|i| i.number(1, 10_000_000));
    Queue {
        patience: table.item("patience").and_then(|i| patience(&i)),
        max_pending: max_pending.and_then(|n| usize::try_from(n).ok()).unwrap_or(default.max_pending),
        min_life: table.item("min_life").and_then(|i| i.span(Duration::ZERO)).unwrap_or(default.min_life),
        retry: retry(&table.table("retry", &["first", "factor", "max", "attempts"])),
        breaker: breaker(&table.table("breaker", &["failures", "first", "max"])),
    }
}

/// A span, or `auto`.
fn patience(item: &Item<'_>) -> Option<Duration> {
    if item.text()? == "auto" {
        return None;
    }
    // A modem takes that long when it is well.
    item.span(Duration::from_secs(1))
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
    // A filter takes a bare word that is no level for the name of a module: `inof` would silence the log.
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
            item.fault(format!("is no level; {near} is the nearest"));
            return None;
        }
    }
    if EnvFilter::try_new(text).is_err() {
        item.fault("is no tracing filter; write a level such as \"info\" or \"gsm_modem=debug\"");
        return None;
    }
    Some(text.to_owned())
}

pub(super) fn retention(root: &Table<'_>) -> Retention {
    let table = root.table("retention", &["verifications", "messages", "inbox"]);
    let span =
        |key, default| table.item(key).and_then(|i| i.span(Duration::from_secs(60))).unwrap_or(default);
    let default = Retention::default();
    Retention {
        verifications: span("verifications", default.verifications),
        messages: span("messages", default.messages),
        inbox: span("inbox", default.inbox),
    }
}

/// The words by which a recipient opts out and in again; an empty list switches that off.
pub(super) fn opt_out(root: &Table<'_>) -> Words {
    let table = root.table("opt_out", &["stop", "start"]);
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
