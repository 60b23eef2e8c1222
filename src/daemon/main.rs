//! `smsotpd`: the command line, signals, and the notifications to systemd.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory as _, Parser};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::log::Log;
use super::{Awaited, Daemon, StartError, dump, inspect, log};
use crate::config::{Config, DEFAULT_PATH};
use crate::gateway::LogFilter;
use crate::hex;
use crate::store::StoreError;
use crate::trail::Audit;

/// `sysexits.h`: an internal fault.
const EX_SOFTWARE: u8 = 70;
/// `sysexits.h`: the disk, or what it holds.
const EX_IOERR: u8 = 74;
/// `sysexits.h`: bad configuration.
const EX_CONFIG: u8 = 78;
/// How often to try to start while the disk is full or the database is away.
const TRY: Duration = Duration::from_secs(2);
/// Microseconds that systemd is to wait on after each attempt.
const EXTENDED: u32 = 120_000_000;

/// One-time passwords by SMS over your own GSM modem: the daemon.
#[derive(Debug, Parser)]
#[command(name = "smsotpd", version)]
struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_PATH)]
    config: PathBuf,
    /// Read and check the configuration, print `ok` or the faults, touch nothing.
    #[arg(long)]
    check_config: bool,
}

/// The command line, for its manual page and completions.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the daemon until it is told to stop.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(e) => {
            let code = if e.use_stderr() { 2 } else { 0 };
            // Nothing can be done about a closed terminal.
            let _ = e.print();
            return ExitCode::from(code);
        }
    };
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::from(EX_CONFIG);
        }
    };
    if arguments.check_config {
        let missing = inspect::missing(&config).into_iter().map(|lack| lack.what);
        for warning in inspect::warnings(&config).into_iter().chain(missing) {
            eprintln!("warning: {warning}");
        }
        println!("ok");
        return ExitCode::SUCCESS;
    }
    // Before there is a second thread: the variables of the environment are taken out.
    let given = given();
    let log = Arc::new(log::start(&config.log.level, config.log.format));
    dump::forbid();
    for warning in inspect::warnings(&config) {
        tracing::warn!("{warning}");
    }
    let given = given.unwrap_or_else(|e| {
        tracing::warn!("what systemd passed is no Unix socket, and is left: {e}");
        None
    });
    // One thread is enough: every room waits for the kernel, none computes for long, and the store's commits
    // have a thread of their own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            tracing::error!("the runtime does not start: {e}");
            return ExitCode::from(EX_SOFTWARE);
        }
    };
    match runtime.block_on(run(arguments.config, config, log, given)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stopped::Start(e)) => {
            tracing::error!("{e}");
            ExitCode::from(match () {
                () if e.is_configuration() => EX_CONFIG,
                () if e.is_storage() => EX_IOERR,
                () => EX_SOFTWARE,
            })
        }
        Err(Stopped::Signals(e)) => {
            tracing::error!("signals cannot be received: {e}");
            ExitCode::from(EX_SOFTWARE)
        }
        Err(Stopped::Store(why @ StoreError::Taken(_))) => {
            tracing::error!("{why}");
            ExitCode::from(EX_CONFIG)
        }
        Err(Stopped::Store(why @ StoreError::Damaged(_))) => {
            tracing::error!("{why}");
            ExitCode::from(EX_IOERR)
        }
        Err(Stopped::Store(why)) => {
            tracing::error!("the store can no longer write, so nothing more is accepted: {why}");
            ExitCode::from(EX_IOERR)
        }
    }
}

/// Why the daemon ended other than by a signal.
enum Stopped {
    Start(StartError),
    Signals(std::io::Error),
    Store(StoreError),
}

async fn run(
    path: PathBuf,
    mut config: Config,
    log: Arc<Log>,
    given: Option<UnixListener>,
) -> Result<(), Stopped> {
    let caught = |kind| signal(kind).map_err(Stopped::Signals);
    let mut terminate = caught(SignalKind::terminate())?;
    let mut interrupt = caught(SignalKind::interrupt())?;
    let mut hangup = caught(SignalKind::hangup())?;
    let mut watchdog = Watchdog::of_systemd();
    loop {
        let daemon = tokio::select! {
            daemon = start(&config, given.as_ref(), watchdog.as_mut()) => daemon?,
            () = received(&mut terminate) => return Ok(()),
            () = received(&mut interrupt) => return Ok(()),
        };
        let (version, modems) = (env!("CARGO_PKG_VERSION"), config.modems.len());
        tracing::info!(
            version,
            modems,
            "ready: version {version} on {}, {modems} modems",
            config.api.socket.display()
        );
        daemon.gateway().keep_log(Arc::clone(&log) as Arc<dyn LogFilter>);
        notify(&[NotifyState::Ready, NotifyState::Status("")]);
        note(
            &daemon,
            "started",
            &format!("smsotpd {}, configuration {}", env!("CARGO_PKG_VERSION"), sum(&path)),
        );
        let why = loop {
            tokio::select! {
                () = received(&mut terminate) => break None,
                () = received(&mut interrupt) => break None,
                () = received(&mut hangup) => reload(&path, &mut config, &daemon, &log),
                () = beat(watchdog.as_mut(), &daemon) => {}
                why = daemon.failed() => break Some(why),
            }
        };
        notify(&[NotifyState::Stopping]);
        tracing::info!("stops");
        let mut stopping = std::pin::pin!(daemon.stop());
        loop {
            tokio::select! {
                () = &mut stopping => break,
                () = tick(watchdog.as_mut()) => notify(&[NotifyState::Watchdog]),
            }
        }
        match why {
            None => return Ok(()),
            // sled met a full disk before anybody could look, and has to be opened anew.
            Some(why) if why.is_cured_by_a_start() => tracing::warn!("{why}"),
            Some(why) => return Err(Stopped::Store(why)),
        }
    }
}

/// Starts the daemon; while the disk is full or the database is away it waits. systemd is told that it does.
async fn start(
    config: &Config,
    given: Option<&UnixListener>,
    mut watchdog: Option<&mut Watchdog>,
) -> Result<Daemon, Stopped> {
    let mut told = None;
    loop {
        let (why, awaited) = match Daemon::start_on(config, given).await {
            Ok(daemon) => return Ok(daemon),
            Err(e) => match e.waits_for() {
                Some(awaited) => (e, awaited),
                None => return Err(Stopped::Start(e)),
            },
        };
        if told.replace(awaited) != Some(awaited) {
            let (until, status) = match awaited {
                Awaited::Room => {
                    ("until there is room", "the disk is full: the start waits until there is room")
                }
                Awaited::Database => {
                    ("until it is back", "the database cannot be reached: the start waits until it is back")
                }
            };
            tracing::error!("{why}; the start waits {until}");
            notify(&[NotifyState::Status(status)]);
        }
        notify(&[NotifyState::ExtendTimeoutUsec(EXTENDED)]);
        let again = tokio::time::sleep(TRY);
        tokio::pin!(again);
        loop {
            tokio::select! {
                () = &mut again => break,
                () = tick(watchdog.as_deref_mut()) => notify(&[NotifyState::Watchdog]),
            }
        }
    }
}

fn reload(path: &std::path::Path, config: &mut Config, daemon: &Daemon, log: &Log) {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    match Config::load(path) {
        Ok(new) => {
            log.configure(&new.log.level);
            for name in daemon.reload(config, &new) {
                tracing::warn!("{name} changed: a restart takes it over");
            }
            for warning in inspect::warnings(&new) {
                tracing::warn!("{warning}");
            }
            *config = new;
            note(daemon, "config", &format!("read again, {}", sum(path)));
            tracing::info!("the configuration was read again");
        }
        Err(e) => {
            note(daemon, "config", &format!("stays as it was, since the file has a fault, {}", sum(path)));
            tracing::error!("the configuration stays as it was: {e}");
        }
    }
    notify(&[NotifyState::Ready]);
}

/// Writes down in the trail of events what an operator did.
fn note(daemon: &Daemon, action: &str, detail: &str) {
    let audit = Audit { action: action.to_owned(), to: None, detail: detail.to_owned(), count: 1 };
    daemon.gateway().audit(None, audit);
}

/// The hash of a file, as `sha256sum` prints it.
fn sum(path: &std::path::Path) -> String {
    match std::fs::read(path) {
        Ok(octets) => format!("sha256 {}", hex::encode(&Sha256::digest(octets)).to_lowercase()),
        Err(e) => format!("which cannot be read: {e}"),
    }
}

async fn received(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}

/// systemd's watchdog: what it allows between two notifications, and when the next sign of life is looked for.
struct Watchdog {
    limit: Duration,
    ticks: tokio::time::Interval,
}

impl Watchdog {
    fn of_systemd() -> Option<Self> {
        let limit = sd_notify::watchdog_enabled()?;
        // A third, so that a look that takes half of the limit still comes in time.
        let mut ticks = tokio::time::interval((limit / 3).max(Duration::from_millis(100)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Some(Self { limit, ticks })
    }
}

async fn tick(watchdog: Option<&mut Watchdog>) {
    match watchdog {
        Some(watchdog) => {
            watchdog.ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Notifies the watchdog once the daemon showed that it gets on; else systemd ends the daemon and starts another.
async fn beat(watchdog: Option<&mut Watchdog>, daemon: &Daemon) {
    let Some(watchdog) = watchdog else { return std::future::pending().await };
    watchdog.ticks.tick().await;
    match daemon.feel(watchdog.limit / 2).await {
        Ok(()) => notify(&[NotifyState::Watchdog]),
        Err(still) => tracing::error!("{still}: systemd is not told that the daemon is well"),
    }
}

/// The socket on which systemd listens, when it started the daemon for one (`sd_listen_fds(3)`).
fn given() -> std::io::Result<Option<UnixListener>> {
    let given = ListenFd::from_env().take_unix_listener(0)?;
    if let Some(listener) = &given {
        // A power_cycle command must not hold the socket.
        rustix::io::fcntl_setfd(listener, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok(given)
}

/// Notifies systemd; without systemd this does nothing.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(states) {
        tracing::debug!("systemd was not notified: {e}");
    }
}
