//! What the gateway asks of a modem. The daemon ties a real modem session to it; tests tie what they like.

use std::time::Duration;

use futures_util::future::BoxFuture;
use gsm_modem::{Part, Recorded, Snapshot, UssdAnswer};
use tokio::sync::{oneshot, watch};

use crate::outbox::{Fault, SimNames};

/// A modem that sends short messages, one order at a time.
pub trait Submit: Send + Sync + 'static {
    /// Its name in the configuration.
    fn name(&self) -> &str;
    /// What is known of it now.
    fn facts(&self) -> Snapshot;
    /// Whether it can take an order now, and what SIM it has; changes wake the worker.
    fn readiness(&self) -> watch::Receiver<Readiness>;
    /// Sends the parts in order. The modem may open the dialogue at once, but no octet of a PDU leaves before the
    /// gate opens; a gate that is dropped withdraws the order, and the outcome is `NotStarted`.
    fn submit(&self, parts: Vec<Part>, gate: Gate) -> BoxFuture<'static, Outcome>;
    /// Something is to be done with it.
    fn control(&self, control: Control) -> BoxFuture<'static, Result<Option<UssdAnswer>, ControlError>>;
    /// The last lines that went over its port, masked, the oldest first.
    fn trace(&self) -> BoxFuture<'static, Vec<Recorded>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

/// Opens when the claim of a message is on disk.
pub type Gate = oneshot::Receiver<()>;

/// Whether a modem can take an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readiness {
    /// It can.
    pub ready: bool,
    /// What the SIM told of itself: the store knows by it whose ledger counts, and the IMSI where the SIM is from.
    pub sim: SimNames,
    /// The SIM is in a foreign network.
    pub roaming: bool,
}

/// How an order ended, with its error judged by whom it is about.
pub type Outcome = gsm_modem::Outcome<Fault>;

/// What may be done with a modem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Take no more messages.
    Pause,
    /// Take messages again.
    Resume,
    /// Begin anew with the device.
    Reset,
    /// Ask the network something by USSD, or answer it; answers its text.
    Ussd {
        /// Such as `*100#`; none ends the dialogue.
        code: Option<String>,
        /// How long to wait for the network.
        timeout: Duration,
    },
    /// It had a message on the air when the daemon stopped, whose result may still come. No operator asks for it.
    ExpectLate,
    /// Its messages fail: do what may help, as far as that was not done of late. No operator asks for it.
    Cure {
        /// The last failure, for a person.
        why: String,
    },
}

/// Why an operator's command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Its state does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The modem or the network refused.
    #[error("{0}")]
    Failed(String),
}
