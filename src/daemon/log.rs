//! Where the log goes: to journald under systemd, else as text or JSON to stderr. A tracing filter sets the
//! level; a reload may change it.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

use crate::config::LogFormat;

/// Changes the level of a running daemon.
pub(super) type Level = reload::Handle<EnvFilter, Registry>;

/// Starts the log; `$RUST_LOG`, when set, wins over `level`.
pub(super) fn start(level: &str, format: LogFormat) -> Level {
    let (filter, handle) = reload::Layer::new(filter(level));
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    let journal = (format == LogFormat::Auto && under_systemd).then(tracing_journald::layer);
    let output = match (journal, format) {
        (Some(Ok(journal)), _) => journal.boxed(),
        (_, LogFormat::Json) => fmt::layer().json().with_writer(std::io::stderr).boxed(),
        _ => fmt::layer().with_writer(std::io::stderr).with_ansi(colour()).boxed(),
    };
    // A second start in one process, as in tests, keeps the first log.
    let _ = tracing_subscriber::registry().with(filter).with(output).try_init();
    handle
}

/// Sets another level, unless `$RUST_LOG` is set.
pub(super) fn set(handle: &Level, level: &str) {
    // The log may belong to an earlier start in this process.
    let _ = handle.reload(filter(level));
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_from_default_env()
        .or_else(|_| EnvFilter::try_new(level))
        .unwrap_or_else(|_| EnvFilter::new("info"))
}

fn colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
