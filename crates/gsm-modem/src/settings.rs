//! What a session is told about its modem, and how long it waits for what.

use std::sync::Arc;
use std::time::Duration;

use super::ladder::Limits;
use super::profiles::Profiles;
use super::{Find, Pins};
use crate::Secret;
use crate::dialogue::DialogueSettings;

/// One modem.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Its name in the configuration.
    pub name: String,
    /// How its port is found, anew at each opening.
    pub find: Find,
    /// Bits a second.
    pub baud: u32,
    /// The SIM's PIN; a wrong one is tried once.
    pub pin: Option<Secret<String>>,
    /// The service centre's number; left out: the SIM's own.
    pub smsc: Option<String>,
    /// Whether messages may be sent in foreign networks.
    pub roaming: Roaming,
    /// The network to be in, as five or six digits; left out: the modem chooses.
    pub operator: Option<String>,
    /// Remembers PINs that were tried; left out: until the task ends.
    pub pins: Option<Arc<dyn Pins>>,
    /// The families it may belong to.
    pub profiles: Profiles,
    /// How long the answer to a message may take before it is overdue; left out: as the modem's own times say.
    pub patience: Option<Duration>,
    /// Time limits.
    pub timing: Timing,
}

impl Settings {
    /// A modem of this name that is found so, with everything else left out.
    pub fn new(name: impl Into<String>, find: impl Into<Find>) -> Self {
        Self {
            name: name.into(),
            find: find.into(),
            baud: 115_200,
            pin: None,
            smsc: None,
            roaming: Roaming::Allowed,
            operator: None,
            pins: None,
            profiles: Profiles::default(),
            patience: None,
            timing: Timing::default(),
        }
    }
}

/// Whether messages may be sent in foreign networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Roaming {
    /// They may.
    #[default]
    Allowed,
    /// The modem is not ready there.
    Forbidden,
}

/// How long a session waits. The defaults suit real modems; tests shrink them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For what belongs to a message that is sent.
    pub sending: Sending,
    /// For a plain command.
    pub command: Duration,
    /// For a command that asks the network or the SIM.
    pub slow_command: Duration,
    /// For the choice of a network.
    pub select: Duration,
    /// In the dialogue itself; nobody answers, and the port is opened anew.
    pub dialogue: DialogueSettings,
    /// An idle modem is asked whether it lives.
    pub keep_alive: Duration,
    /// The storages are listed so often, whatever the modem tells of new messages.
    pub listing: Duration,
    /// A message that was announced and not discarded is announced again after this.
    pub announce_again: Duration,
    /// Between two questions whether the network has the modem.
    pub registration_poll: Duration,
    /// Before a command is repeated that the SIM or the modem was not ready for.
    pub busy_retry: Duration,
    /// Before a blocked modem is looked at again.
    pub blocked_retry: Duration,
    /// Before a port is opened again.
    pub reopen: Reopen,
    /// For the recovery ladder.
    pub ladder: Limits,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            sending: Sending::default(),
            command: Duration::from_secs(5),
            slow_command: Duration::from_secs(30),
            select: Duration::from_secs(180),
            dialogue: DialogueSettings::default(),
            keep_alive: Duration::from_secs(60),
            listing: Duration::from_secs(600),
            announce_again: Duration::from_secs(300),
            registration_poll: Duration::from_secs(2),
            busy_retry: Duration::from_secs(1),
            blocked_retry: Duration::from_secs(60),
            reopen: Reopen::default(),
            ladder: Limits::default(),
        }
    }
}

/// How long a session waits for what belongs to a message that it sends (3GPP TS 27.005 clause 3.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending {
    /// For the prompt after `AT+CMGS=n`.
    pub prompt: Duration,
    /// For the result after the PDU: networks take minutes before they give up.
    pub body: Duration,
    /// For the gate, at an open prompt.
    pub gate: Duration,
    /// How long a late `+CMGS` is still taken for the message that timed out.
    pub late: Duration,
}

impl Default for Sending {
    fn default() -> Self {
        Self {
            prompt: Duration::from_secs(10),
            body: Duration::from_secs(180),
            gate: Duration::from_secs(10),
            late: Duration::from_secs(300),
        }
    }
}

/// How long a session waits before it opens a port again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reopen {
    /// At first; each further wait doubles.
    pub first: Duration,
    /// No wait is longer.
    pub max: Duration,
}

impl Default for Reopen {
    fn default() -> Self {
        Self { first: Duration::from_millis(250), max: Duration::from_secs(2) }
    }
}
