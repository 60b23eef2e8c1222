//! The wiring: builds every room from the configuration, in order, and takes them down in the opposite order.
//!
//! Start: key, store, socket, gateway and modems, then ready. Stop: no new work, the message on the air ends
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
use std::sync::Arc;

use gsm_modem::Pins;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::api;
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::gateway::{Gateway, GatewayError};
use crate::store::{self, OpenError, Store, StoreError};

mod core;
mod dump;
mod key;
mod log;
mod main;
mod pins;
mod port;
mod restore;
mod wiring;

pub use core::{Core, PluggedModem};
pub use key::KeyError;
pub use main::main;
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
        matches!(self, Self::Config(_) | Self::Unknown(_))
    }

    /// Whether the disk has no room for a start, which passes by itself.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Store(OpenError::Full { .. }) | Self::Recover(GatewayError::NoRoom(_)) => true,
            Self::State { source, .. } | Self::Key(KeyError::Io { source, .. }) => store::is_full(source),
            _ => false,
        }
    }

    /// Whether the store's files or the disk are at fault (exit code 74).
    pub fn is_storage(&self) -> bool {
        matches!(
            self,
            Self::State { .. }
                | Self::Store(OpenError::Corrupt { .. } | OpenError::TooNew { .. } | OpenError::Io { .. })
                | Self::Recover(GatewayError::Storage(_))
        )
    }
}

/// A running daemon.
pub struct Daemon {
    core: Core,
    close_socket: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Daemon {
    /// Starts every room; completes when the socket answers. The modems come up by themselves after that.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let access = wiring::access(config)?;
        let state = config.state_dir.clone();
        std::fs::create_dir_all(&state)
            .map_err(|source| StartError::State { path: state.clone(), source })?;
        restore::finish(&state).map_err(|source| StartError::State { path: state.clone(), source })?;
        let found = key::load(config.secret_key_file.as_deref(), &state).map_err(|e| {
            // A file that the configuration names is the operator's; one in the state folder is not.
            if config.secret_key_file.is_some() { StartError::Unknown(e.to_string()) } else { e.into() }
        })?;
        let store =
            tokio::task::spawn_blocking(move || Store::open(&state.join(STORE), &store::Options::default()))
                .await
                .map_err(|e| StartError::Unknown(format!("opening the store: {e}")))??;

        let pins = Arc::new(pins::TriedPins::new(store.clone(), found.key.clone()));
        let mut modems = Vec::new();
        for modem in &config.modems {
            let pins = Arc::clone(&pins) as Arc<dyn Pins>;
            let host: Arc<dyn gsm_modem::Host> = Arc::new(wiring::host(modem));
            modems.push((wiring::modem(modem, config, pins)?, host));
        }
        // A daemon that nobody can reach sends nothing.
        let listener = wiring::socket(config)?;
        let core = Core::start(store, found.key, Clock::system(), config.gateway.clone(), modems).await?;
        if let Some(octets) = found.in_state {
            core.gateway().attach_to_backups(octets);
        }
        let (close_socket, closed) = oneshot::channel::<()>();
        let limits = config.api.limits;
        let service = Arc::new(core.gateway().clone());
        let served = tokio::spawn(async move {
            let until = async move {
                // A dropped sender closes the socket as well.
                let _ = closed.await;
            };
            if let Err(e) = api::serve_within(limits, listener, service, access, until).await {
                tracing::error!("the socket: {e}");
            }
        });
        Ok(Self { core, close_socket, served })
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

    /// Completes when the store can no longer write.
    pub async fn failed(&self) -> StoreError {
        self.core.failed().await
    }

    /// Stops: callers that wait on the socket still get an answer, what is on the air ends, and nothing is lost.
    pub async fn stop(self) {
        let store = self.core.stop().await;
        drop(self.close_socket);
        let _ = self.served.await;
        store.close().await;
    }
}
