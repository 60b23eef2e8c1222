//! The settings of a session, and its time limits.

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
    /// How its port is found, again at each opening.
    pub find: Find,
    /// The speed in bits per second.
    pub baud: u32,
    /// The SIM's PIN; a wrong one is tried once.
    pub pin: Option<Secret<String>>,
    /// The service centre's number; `None` uses the SIM's own.
    pub smsc: Option<String>,
    /// Whether messages may be sent in foreign networks.
    pub roaming: Roaming,
    /// The network to use, as five or six digits; `None` lets the modem choose.
    pub operator: Option<String>,
    /// Remembers PINs that were tried; `None` remembers them until the task ends.
    pub pins: Option<Arc<dyn Pins>>,
    /// The families that it may belong to.
    pub profiles: Profiles,
    /// How long the answer to a message may take before it is overdue; `None` derives this from the modem's
    /// earlier answers.
    pub patience: Option<Duration>,
    /// Time limits.
    pub timing: Timing,
}

impl Settings {
    /// A modem with this name that is found in this way. Everything else has its default.
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
    /// Messages are sent there.
    #[default]
    Allowed,
    /// The modem is not ready there.
    Forbidden,
}

/// How long a session waits. The defaults suit real modems; tests shorten them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The limits for a message that is sent.
    pub sending: Sending,
    /// The limit for a plain command.
    pub command: Duration,
    /// The limit for a command that asks the network or the SIM.
    pub slow_command: Duration,
    /// The limit for the choice of a network.
    pub select: Duration,
    /// The limits within the dialogue, after which the port is opened again.
    pub dialogue: DialogueSettings,
    /// How often an idle modem is asked whether it answers.
    pub keep_alive: Duration,
    /// How often the storages are listed, whatever the modem reports about new messages.
    pub listing: Duration,
    /// A message that was announced and not discarded is announced again after this time.
    pub announce_again: Duration,
    /// The time between two questions about the registration.
    pub registration_poll: Duration,
    /// The wait before a command is repeated for which the SIM or the modem was not ready.
    pub busy_retry: Duration,
    /// The wait before a blocked modem is checked again.
    pub blocked_retry: Duration,
    /// The wait before a port is opened again.
    pub reopen: Reopen,
    /// The limits of the recovery ladder.
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

/// How long a session waits for a message that it sends (3GPP TS 27.005 clause 3.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending {
    /// The limit for the prompt after `AT+CMGS=n`.
    pub prompt: Duration,
    /// The limit for the result after the PDU: networks take minutes before they give up.
    pub body: Duration,
    /// The limit for the gate, at an open prompt.
    pub gate: Duration,
    /// How long a late `+CMGS` is still assigned to the message that timed out.
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
    /// The first wait; each further wait is twice as long.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Default for Reopen {
    fn default() -> Self {
        Self { first: Duration::from_millis(250), max: Duration::from_secs(2) }
    }
}
