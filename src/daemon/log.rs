//! Where the log goes: to journald when stderr does, else as text or JSON to stderr. A tracing filter says what of it; a
//! reload and an operator may change that.

use std::io::{IsTerminal as _, stderr};
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

use crate::config::{LogFormat, log_filter};
use crate::gateway::LogFilter;

/// What the fields of a line are called in the journal begins so: `SMSOTP_MESSAGE_ID`.
const FIELDS: &str = "SMSOTP";

/// The log of the running daemon.
pub(super) struct Log {
    handle: reload::Handle<EnvFilter, Registry>,
    shown: Mutex<String>,
}

/// Starts the log; `$RUST_LOG`, when set, wins over `level`.
pub(super) fn start(level: &str, format: LogFormat) -> Log {
    let (shown, filter) = configured(level);
    let (filter, handle) = reload::Layer::new(filter);
    let journal = (format == LogFormat::Auto && stderr_is_the_journal()).then(tracing_journald::layer);
    let output = match (journal, format) {
        (Some(Ok(journal)), _) => journal.with_field_prefix(Some(FIELDS.to_owned())).boxed(),
        (_, LogFormat::Json) => fmt::layer().json().with_writer(stderr).boxed(),
        _ => fmt::layer().with_writer(stderr).with_ansi(colour()).boxed(),
    };
    // A second start in one process, as in tests, keeps the first log.
    let _ = tracing_subscriber::registry().with(filter).with(output).try_init();
    Log { handle, shown: Mutex::new(shown) }
}

impl Log {
    /// Takes the configured level again, or `$RUST_LOG` when it is set.
    pub(super) fn configure(&self, level: &str) {
        let (shown, filter) = configured(level);
        self.replace(shown, filter);
    }

    fn replace(&self, shown: String, filter: EnvFilter) {
        // The log may belong to an earlier start in this process.
        let _ = self.handle.reload(filter);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
    }
}

impl LogFilter for Log {
    fn shown(&self) -> String {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, filter: &str) -> Result<(), String> {
        self.replace(filter.to_owned(), log_filter(filter)?);
        Ok(())
    }
}

/// The filter that the environment or the configuration says, as text and as it works.
fn configured(level: &str) -> (String, EnvFilter) {
    let environment = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|text| !text.is_empty());
    let read = |text: &str| EnvFilter::try_new(text).ok().map(|filter| (text.to_owned(), filter));
    let fallback = || ("info".to_owned(), EnvFilter::new("info"));
    environment.as_deref().and_then(read).or_else(|| read(level)).unwrap_or_else(fallback)
}

/// Whether stderr is the stream that systemd connected to the journal: its device and inode stand in the variable
/// (`systemd.exec(5)`), which whoever is started from there inherits too.
fn stderr_is_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(stderr()).is_ok_and(|file| stream == format!("{}:{}", file.st_dev, file.st_ino))
}

fn colour() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
