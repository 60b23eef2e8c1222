//! The wiring: builds every room from the configuration, in order, and takes them down in the opposite order.
//!
//! Start: store and its key, socket, gateway and modems, then ready. Stop: no new work, the message on the air ends
//! (30 s at most), the socket closes, the store closes. The demo and the tests start the same daemon inside
//! their own process:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use smsotpd::{config::Config, daemon};
//! let config = Config::load("/etc/smsotpd/smsotpd.toml".as_ref())?;
//! let running = daemon::Daemon::start(&config).await?;
//! running.stop().await;
//! # Ok(())
//! # }
//! ```

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use gsm_modem::Pins;
use pulse::{Pulse, Still};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::api;
use crate::clock::Clock;
use crate::config::{self, Config, ConfigError};
use crate::gateway::{Gateway, GatewayError};
use crate::store::{self, OpenError, Store, StoreError};

mod core;
mod dump;
mod inspect;
mod key;
mod log;
mod main;
mod pins;
mod port;
mod pulse;
mod restore;
mod unlock;
mod wiring;

pub use core::{Core, PluggedModem};
pub use inspect::{KeyFile, Lack, database, disk_floor, key_file, missing, warnings};
pub use key::KeyError;
pub use main::{command, main};
pub use restore::{KeyRestored, RestoreError, restore};

/// The store's folder in the state folder.
const STORE: &str = "store";

/// Why the daemon cannot start, for a person.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration names something that the system does not know.
    #[error("{0}")]
    Unknown(String),
    /// The state folder.
    #[error("the state folder {path}: {source}")]
    State {
        /// The folder.
        path: std::path::PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The secret key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::OpenError),
    /// What the store keeps of its keys.
    #[error("the store's keys cannot be read: {0}")]
    Keyring(String),
    /// The store cannot do it now.
    #[error("taking up the store: {0}")]
    NotNow(StoreError),
    /// The content of the store.
    #[error("taking up the store: {0}")]
    Recover(#[from] GatewayError),
    /// The socket.
    #[error(transparent)]
    Socket(#[from] api::ListenError),
}

impl StartError {
    /// Whether the operator's configuration is at fault (exit code 78).
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Config(_)
            | Self::Unknown(_)
            | Self::Recover(GatewayError::NameTaken(_))
            | Self::Store(OpenError::Refused { .. } | OpenError::Taken(_)) => true,
            Self::Key(e) => e.is_configuration(),
            _ => false,
        }
    }

    /// What a start has to wait for, when what is wrong passes by itself.
    pub fn waits_for(&self) -> Option<Awaited> {
        match self {
            Self::Store(OpenError::Away { .. })
            | Self::NotNow(StoreError::Away(_) | StoreError::Behind(_))
            | Self::Recover(GatewayError::NotNow(StoreError::Away(_))) => Some(Awaited::Database),
            Self::Store(OpenError::Full { .. })
            | Self::NotNow(_)
            | Self::Recover(GatewayError::NotNow(_)) => Some(Awaited::Room),
            Self::State { source, .. } | Self::Key(KeyError::Write { source, .. }) => {
                store::is_full(source).then_some(Awaited::Room)
            }
            _ => None,
        }
    }

    /// Whether the store's files or the disk are at fault (exit code 74).
    pub fn is_storage(&self) -> bool {
        matches!(
            self,
            Self::State { .. }
                | Self::Key(KeyError::Write { .. })
                | Self::Keyring(_)
                | Self::Store(
                    OpenError::Corrupt { .. }
                        | OpenError::TooNew { .. }
                        | OpenError::Database { .. }
                        | OpenError::Io { .. }
                )
                | Self::Recover(GatewayError::Storage(_))
        )
    }
}

/// What passes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Free space on the disk.
    Room,
    /// The database that several hosts share.
    Database,
}

/// A running daemon.
pub struct Daemon {
    core: Core,
    /// Of a socket that the service manager keeps.
    leave_socket: Option<oneshot::Sender<()>>,
    close_socket: oneshot::Sender<()>,
    served: JoinHandle<()>,
    pulse: Pulse,
}

impl Daemon {
    /// Starts every room; completes when the socket answers. The modems come up by themselves after that.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        Self::start_on(config, None).await
    }

    /// The same on a socket that a service manager listens on, if it is the configured one.
    pub async fn start_on(config: &Config, given: Option<&UnixListener>) -> Result<Self, StartError> {
        let access = wiring::access(config)?;
        let state = config.state_dir.clone();
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&state)
            .map_err(|source| StartError::State { path: state.clone(), source })?;
        let place = key::Place::of(config.secret_key_file.as_deref(), &state);
        // A key that is none is told before the store is opened, which may take a while.
        place.read()?;
        let kept = config.store.clone();
        let store = tokio::task::spawn_blocking(move || match kept {
            config::Store::Sled => Store::open(&state.join(STORE), &store::Options::default()),
            config::Store::Postgres { url, host } => Store::open_postgres(&url, &host),
        })
        .await
        .map_err(|e| StartError::Unknown(format!("opening the store: {e}")))??;
        // Where several hosts share the records they mean the same by an instant.
        let clock = store.database_clock().map_or_else(Clock::system, Clock::of_database);
        let unlock::Unlocked { key, next } = unlock::unlock(&store, &place).await?;

        let pins = Arc::new(pins::TriedPins::new(store.clone(), key.clone()));
        let mut modems = Vec::new();
        for modem in &config.modems {
            let pins = Arc::clone(&pins) as Arc<dyn Pins>;
            let host: Arc<dyn gsm_modem::Host> = Arc::new(wiring::host(modem));
            modems.push((wiring::modem(modem, config, pins)?, host));
        }
        // A daemon that nobody can reach sends nothing.
        let listener = wiring::socket(config, given)?;
        let core = Core::start(store, key, clock, config.gateway.clone(), modems).await?;
        core.gateway().describe_modems(api::described);
        core.gateway().keep_key(Arc::new(unlock::Home::new(place)));
        if let Some(next) = next {
            core.gateway().turn_key(next).await?;
        }
        let (close_socket, closed) = oneshot::channel::<()>();
        let (rest, rests) = oneshot::channel::<()>();
        // A socket of its own is served to the end: who comes late is told that the daemon stops.
        let leave_socket = listener.is_kept().then_some(rest);
        let is_kept = leave_socket.is_some();
        let limits = config.api.limits;
        let service = Arc::new(core.gateway().clone());
        let served = tokio::spawn(async move {
            // A dropped sender counts as well.
            let rest = async move {
                if is_kept {
                    let _ = rests.await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            let until = async move {
                let _ = closed.await;
            };
            if let Err(e) = api::serve_until(limits, listener, service, access, rest, until).await {
                tracing::error!("the socket: {e}");
            }
        });
        Ok(Self { core, leave_socket, close_socket, served, pulse: Pulse::of(&config.api.socket) })
    }

    /// The use cases, for callers in the same process.
    pub fn gateway(&self) -> &Gateway {
        self.core.gateway()
    }

    /// Takes over what a reload may change: services, limits, queue rules, retention, the rules of modems.
    /// The answer names what needs a restart.
    pub fn reload(&self, old: &Config, new: &Config) -> Vec<&'static str> {
        self.core.gateway().reload(new.gateway.clone());
        wiring::needs_restart(old, new)
    }

    /// Asks every room that has to get on for a sign of it, and gives them this long.
    async fn feel(&self, limit: Duration) -> Result<(), Still> {
        self.pulse.feel(self.core.store(), self.core.carries(), limit).await
    }

    /// Completes when the store can no longer write.
    pub async fn failed(&self) -> StoreError {
        self.core.failed().await
    }

    /// Stops: callers that wait on the socket still get an answer, what is on the air ends, and nothing is lost. Who connects
    /// to a socket that the service manager keeps waits for the next daemon.
    pub async fn stop(self) {
        drop(self.leave_socket);
        let store = self.core.stop().await;
        drop(self.close_socket);
        let _ = self.served.await;
        store.close().await;
    }
}
