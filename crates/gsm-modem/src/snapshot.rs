//! What is known of a modem at a moment, and the notices that it sends.

use std::fmt;
use std::time::{Duration, Instant};

use super::ladder::Rung;
use crate::Secret;
use crate::at::{Failure, Registration};

/// The state of a modem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum State {
    /// The device is absent, or another program has it.
    #[default]
    Absent,
    /// The modem is being brought up.
    Starting,
    /// The modem waits for work.
    Ready,
    /// The modem sends.
    Busy,
    /// The modem failed and is being recovered.
    Recovering,
    /// An operator paused the modem.
    Paused,
    /// The modem needs a person: for its PIN, or because it has no SIM.
    Blocked,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Absent,
        Self::Starting,
        Self::Ready,
        Self::Busy,
        Self::Recovering,
        Self::Paused,
        Self::Blocked,
    ];

    /// The word for this state.
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
pub struct Snapshot {
    /// The state of the modem.
    pub state: State,
    /// Whether it takes orders: it is ready, or busy with an order.
    pub ready: bool,
    /// Whether an operator paused it, whatever its state: a modem that is busy or absent is paused as soon as it
    /// would be ready.
    pub paused: bool,
    /// The path of its port.
    pub port: String,
    /// What it answered about itself.
    pub equipment: Equipment,
    /// The names of its SIM.
    pub sim: SimNames,
    /// How many tries of the PIN the SIM has left, while it asks for the PIN and the modem says how many.
    pub pin_tries: Option<u8>,
    /// `AT+COPS?`.
    pub operator: Option<String>,
    /// Its registration.
    pub registration: Registration,
    /// `AT+CSQ`, in dBm.
    pub signal_dbm: Option<i32>,
    /// The last fault, a sentence that tells a person what to do.
    pub last_error: Option<String>,
    /// When that fault was last seen.
    pub last_error_at: Option<Instant>,
    /// The counts since the start of the daemon.
    pub counters: Counters,
}

/// The mobile equipment as it identifies itself (3GPP TS 27.007 clauses 5.1 to 5.4). Empty until known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Equipment {
    /// `AT+CGMI`.
    pub manufacturer: String,
    /// `AT+CGMM`.
    pub model: String,
    /// `AT+CGMR`.
    pub firmware: String,
    /// `AT+CGSN`.
    pub imei: String,
}

/// The names of a SIM, as far as the modem gives them. Either may be known at one start and unknown at the
/// next, so a SIM is not identified by one of them alone. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct SimNames {
    /// The number of the card (ITU-T E.118), from `AT+CCID` and similar commands.
    pub iccid: Option<String>,
    /// The number of the subscription (3GPP TS 23.003 clause 2.2), `AT+CIMI`.
    pub imsi: Option<String>,
}

impl SimNames {
    /// The names as the modem gave them; an empty one counts as none.
    pub fn new(iccid: Option<String>, imsi: Option<String>) -> Self {
        let told = |name: Option<String>| name.filter(|name| !name.is_empty());
        Self { iccid: told(iccid), imsi: told(imsi) }
    }

    /// Whether there is no name.
    pub const fn is_empty(&self) -> bool {
        self.iccid.is_none() && self.imsi.is_none()
    }
}

impl fmt::Debug for SimNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |name: &Option<String>| name.as_ref().map(|_| "known");
        f.debug_struct("SimNames")
            .field("iccid", &known(&self.iccid))
            .field("imsi", &known(&self.imsi))
            .finish()
    }
}

/// Counts since the start of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Lines that were neither an answer nor a known unsolicited code, or too long.
    pub dropped_lines: u64,
    /// Answers to commands that had been given up.
    pub late_lines: u64,
    /// How often the dialogue was resynchronised.
    pub resyncs: u64,
    /// How often the port was opened again.
    pub reopens: u64,
    /// How often the modem restarted by itself.
    pub restarts: u64,
    /// Notices for which the channel had no room.
    pub lost_notices: u64,
}

/// A storage's name, and the index in it. The name is empty when the modem does not give it.
pub type Place = (String, u32);

/// One short message as `AT+CMGS` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// SMSC field and TPDU.
    pub pdu: Secret<Vec<u8>>,
    /// The TPDU's octets: the number in `AT+CMGS=n`.
    pub length: usize,
}

/// How an order ended. `references` has the TP-MR of each part that was accepted for certain. `E` is what is known of
/// an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<E = Failure> {
    /// `+CMGS: n` and `OK` for every part.
    Accepted {
        /// One for each part.
        references: Vec<u8>,
    },
    /// A part was refused.
    Rejected {
        /// One for each part before it.
        references: Vec<u8>,
        /// Why; a [`Failure`] here never has [`Verdict::Open`](crate::at::Verdict::Open).
        error: E,
    },
    /// A part went to the modem, and its outcome is unknown.
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

impl<E> Outcome<E> {
    /// The same outcome, with another error type.
    pub fn map_error<F>(self, map: impl FnOnce(E) -> F) -> Outcome<F> {
        match self {
            Self::Accepted { references } => Outcome::Accepted { references },
            Self::Rejected { references, error } => Outcome::Rejected { references, error: map(error) },
            Self::Unknown { references, reason } => Outcome::Unknown { references, reason },
            Self::NotStarted { references, reason } => Outcome::NotStarted { references, reason },
        }
    }
}

impl Outcome {
    /// Nothing at all was begun.
    pub(super) fn not_started(reason: impl Into<String>) -> Self {
        Self::NotStarted { references: Vec::new(), reason: reason.into() }
    }

    /// What to show as the last fault, unless all went well.
    pub(super) fn fault(&self) -> Option<&str> {
        match self {
            Self::Accepted { .. } => None,
            Self::Rejected { error, .. } => Some(&error.sentence),
            Self::Unknown { reason, .. } | Self::NotStarted { reason, .. } => Some(reason),
        }
    }
}

/// A notice of a modem. Notices come in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The answer to the part on the air is overdue. The order goes on, and its outcome follows.
    Overdue,
    /// A message whose outcome was unknown was accepted after all.
    LateAccepted {
        /// Its TP-MR.
        reference: u8,
    },
    /// A message was handed over.
    Delivered {
        /// SMSC field and TPDU.
        pdu: Secret<Vec<u8>>,
        /// Where it lies in the modem, if it does.
        storage: Option<Place>,
        /// The SIM that received it.
        sim: SimNames,
    },
    /// A status report was handed over.
    Report {
        /// SMSC field and TPDU.
        pdu: Secret<Vec<u8>>,
        /// Where it lies in the modem, if it does.
        storage: Option<Place>,
        /// The SIM that received it.
        sim: SimNames,
    },
    /// The modem recovered.
    Recovered {
        /// The last recovery step.
        rung: Rung,
        /// The time since the trouble was noticed.
        took: Duration,
    },
}
