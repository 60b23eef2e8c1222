//! What the gateway asks of a modem. The daemon ties a real modem session to it; tests tie what they like.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::{oneshot, watch};

use super::care::{TraceLine, UssdAnswer};
use crate::outbox::{Fault, SimNames};
use crate::secret::Secret;

/// A modem that sends short messages, one order at a time.
pub trait Submit: Send + Sync + 'static {
    /// Its name in the configuration.
    fn name(&self) -> &str;
    /// What is known of it now.
    fn facts(&self) -> ModemFacts;
    /// Whether it can take an order now, and what SIM it has; changes wake the worker.
    fn readiness(&self) -> watch::Receiver<Readiness>;
    /// Sends the parts in order. The modem may open the dialogue at once, but no octet of a PDU leaves before the
    /// gate opens; a gate that is dropped withdraws the order, and the outcome is `NotStarted`.
    fn submit(&self, order: Order, gate: Gate) -> BoxFuture<'static, Outcome>;
    /// Something is to be done with it.
    fn control(&self, control: Control) -> BoxFuture<'static, Result<Option<UssdAnswer>, ControlError>>;
    /// The last lines that went over its port, masked, the oldest first.
    fn trace(&self) -> BoxFuture<'static, Vec<TraceLine>> {
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

/// A message for a modem.
#[derive(Debug, Clone)]
pub struct Order {
    /// The parts, in order.
    pub parts: Vec<OrderPart>,
}

/// One short message as `AT+CMGS` takes it.
#[derive(Debug, Clone)]
pub struct OrderPart {
    /// SMSC field and TPDU.
    pub pdu: Secret<Vec<u8>>,
    /// The TPDU's octets: the number in `AT+CMGS=n`.
    pub length: usize,
}

/// How an order ended. `references`: TP-MR of each part that was taken for certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every part was taken.
    Accepted {
        /// One for each part.
        references: Vec<u8>,
    },
    /// A part was refused.
    Rejected {
        /// One for each part before it.
        references: Vec<u8>,
        /// Why.
        fault: Fault,
    },
    /// A part went to the modem, and nobody knows what became of it.
    Unknown {
        /// One for each part before it.
        references: Vec<u8>,
        /// What was seen, for a person.
        reason: String,
    },
    /// No octet of a further part went to the modem.
    NotStarted {
        /// One for each part before.
        references: Vec<u8>,
        /// What was seen, for a person.
        reason: String,
    },
}

/// The contract's states of a modem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum ModemState {
    /// No such device now.
    #[default]
    Absent,
    /// It is being brought up.
    Starting,
    /// It waits for work.
    Ready,
    /// It sends.
    Busy,
    /// It failed and is being cured.
    Recovering,
    /// An operator paused it.
    Paused,
    /// It needs a person: PIN, no SIM.
    Blocked,
}

impl ModemState {
    /// The contract's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Busy => "busy",
            Self::Recovering => "recovering",
            Self::Paused => "paused",
            Self::Blocked => "blocked",
        }
    }
}

/// What is known of a modem.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModemFacts {
    /// Its state.
    pub state: ModemState,
    /// An operator paused it, whatever its state.
    pub paused: bool,
    /// The port, as opened or configured.
    pub port: String,
    /// `AT+CGMI`.
    pub manufacturer: String,
    /// `AT+CGMM`.
    pub model: String,
    /// `AT+CGMR`.
    pub firmware: String,
    /// `AT+CGSN`.
    pub imei: String,
    /// `AT+CIMI`.
    pub imsi: Option<String>,
    /// `AT+COPS?`.
    pub operator: Option<String>,
    /// `home`, `roaming`, `searching`, `denied`, `not registered` or `unknown`.
    pub registration: String,
    /// `AT+CSQ`, in dBm.
    pub signal_dbm: Option<i32>,
    /// Tries that the SIM's PIN has left, while it is asked for.
    pub pin_tries: Option<u8>,
    /// The last fault, for a person.
    pub last_error: Option<String>,
    /// When that was last seen.
    pub last_error_at: Option<Instant>,
    /// What went wrong on its port since the start.
    pub counters: ModemCounters,
}

/// What went wrong on a modem's port since the start, and was dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModemCounters {
    /// Lines that nobody understood.
    pub dropped_lines: u64,
    /// Answers that came when nobody waited for them any more.
    pub late_lines: u64,
    /// Times that the dialogue had to be found again.
    pub resyncs: u64,
    /// Times that the port was opened again.
    pub reopens: u64,
    /// Restarts that the modem made by itself.
    pub restarts: u64,
    /// Notices that found no room.
    pub lost_notices: u64,
}

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
