//! The daemon without its socket: a store, a gateway and the modems that it sends through. A simulation runs
//! this same part, on a machine, a store and a clock of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::port::{self, Port};
use crate::clock::Clock;
use crate::gateway::{Gateway, GatewayError, Settings, Submit};
use crate::secret::Key;
use crate::store::{Store, StoreError};

/// How long a message on the air may take to end after a stop.
const GRACE: Duration = Duration::from_secs(30);

/// A modem of the configuration, and the machine that it is plugged into.
pub type PluggedModem = (gsm_modem::Settings, Arc<dyn gsm_modem::Host>);

/// The running core, which carries messages until it is stopped.
pub struct Core {
    gateway: Gateway,
    store: Store,
    ports: Vec<Arc<Port>>,
    work: JoinHandle<()>,
}

impl Core {
    /// Loads what the store holds and starts to work on it. The modems come up by themselves after that.
    pub async fn start(
        store: Store,
        key: Key,
        clock: Clock,
        settings: Settings,
        modems: Vec<PluggedModem>,
    ) -> Result<Self, GatewayError> {
        let (ports, notices): (Vec<_>, Vec<_>) = modems
            .into_iter()
            .map(|(settings, host)| Port::open(settings, host))
            .map(|(port, heard)| (Arc::new(port), heard))
            .unzip();
        let modems = ports.iter().map(|p| Arc::clone(p) as Arc<dyn Submit>).collect();
        let gateway = Gateway::open(store.clone(), key, clock, settings, modems).await?;
        for (port, heard) in ports.iter().zip(notices) {
            tokio::spawn(port::listen(Arc::clone(port), heard, gateway.clone()));
        }
        let carrier = gateway.clone();
        let work = tokio::spawn(async move { carrier.run().await });
        Ok(Self { gateway, store, ports, work })
    }

    /// The use cases.
    pub const fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// What it keeps.
    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    /// Whether messages are still carried to the modems.
    pub(super) fn carries(&self) -> bool {
        !self.work.is_finished()
    }

    /// Completes when the store can no longer write.
    pub async fn failed(&self) -> StoreError {
        self.store.failed().await
    }

    /// Takes no new work. Completes when what is on the air has ended and the modems have released their
    /// ports. The store stays open for callers that still wait for an answer.
    pub async fn stop(self) -> Store {
        self.gateway.stop();
        let mut work = self.work;
        // All modems share one period of grace, since systemd kills a unit that takes much longer.
        let mut left = GRACE;
        if tokio::time::timeout(GRACE, &mut work).await.is_err() {
            tracing::warn!("a message was still on the air after {GRACE:?}: its outcome stays unknown");
            work.abort();
            left = Duration::ZERO;
        }
        futures_util::future::join_all(self.ports.iter().map(|port| port.stop(left))).await;
        self.store
    }
}
