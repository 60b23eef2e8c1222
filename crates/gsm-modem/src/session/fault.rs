//! Everything that can be wrong with a modem, as values, with one sentence each for a person.

use std::time::Duration;

use thiserror::Error;

use crate::ladder::Rung;

/// A fault. Its `Display` tells a person what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Fault {
    #[error("{0}")]
    Port(String),
    #[error(
        "nothing answers AT on {port} at {baud} baud: wrong port of the modem, wrong baud, or the modem hangs; if it stays \
         so, unplug it"
    )]
    Silent { port: String, baud: u32 },
    #[error("the modem did not answer in time and is being called again")]
    Unanswered,
    #[error("the modem did not answer in time about the messages that it stores")]
    UnansweredStorage,
    #[error("the modem restarted by itself: check its power supply")]
    Restarted,
    #[error("the modem restarted without saying so, and its settings are made again: check its power supply")]
    BeganAnew,
    #[error("the modem switches itself off: check its power supply and temperature")]
    Leaving,
    #[error("the modem is being reset")]
    Reset,
    #[error("the daemon was stopped")]
    Stopped,
    #[error("the modem waits at an old prompt")]
    OldPrompt,
    // The SIM.
    #[error("the SIM asks for its PIN{tries}: set pin_file in this modem's configuration")]
    PinWanted { tries: TriesLeft },
    #[error("the configured PIN is not 4 to 8 digits and was not tried")]
    PinShape,
    #[error(
        "the configured PIN was not tried, since a wrong one would lock the SIM{tries}: enter the right one in a telephone, \
         which gives back all tries, then reset the modem"
    )]
    PinAtRisk { tries: TriesLeft },
    #[error(
        "the SIM did not accept the configured PIN{tries}, which is not tried again, since the SIM would lock itself: put \
         the right one in pin_file and restart the daemon"
    )]
    PinSpent { tries: TriesLeft },
    #[error("the PIN was not tried, since that cannot be noted down first: {0}")]
    PinUnnoted(String),
    #[error("the SIM asks for its PUK: unlock it in a telephone, then reset the modem")]
    Puk,
    #[error("the modem is locked to another SIM or network: it needs its unlocking code")]
    DeviceLocked,
    #[error("no usable SIM in the modem: insert one, or reseat it")]
    NoSim,
    #[error("the SIM stays busy: reseat it, or reset the modem")]
    SimBusy,
    // The network.
    #[error("the network denies this SIM: check its subscription and whether roaming is allowed")]
    Denied,
    #[error("the modem looks for a network: check antenna and coverage if it stays so")]
    Searching,
    #[error("the modem is in no network and does not look for one: check antenna, SIM and band settings")]
    NotRegistered,
    #[error(
        "the modem is in a foreign network, and roaming = false in its configuration forbids to send there: wait for the \
         home network, or allow roaming"
    )]
    RoamingForbidden,
    #[error("the modem does not know whether a network has it: check antenna and coverage")]
    RegistrationUnknown,
    #[error(
        "the modem does not know whether it is in a foreign network, and roaming = false in its configuration forbids to send \
         there: check antenna and coverage, or allow roaming"
    )]
    RoamingUnknown,
    #[error("the modem lost the network and looks for it: check antenna, coverage and subscription")]
    NetworkLost,
    #[error("the modem finds no network")]
    NoNetwork,
    #[error(
        "the network {operator} from the configuration was refused: {why}; leave operator out to let the modem choose"
    )]
    OperatorRefused { operator: String, why: String },
    // Settings.
    #[error("the modem's radio is off and cannot be switched on (AT+CFUN=1): {0}")]
    RadioOff(String),
    #[error("the modem refuses {what}: {why}; it may be no SMS modem, or its SIM does not settle")]
    FormatRefused { what: &'static str, why: String },
    #[error(
        "the modem refuses what its family {family} sets up: {refused}; if messages fail, reset the modem, else move the \
         command to init_optional in the family's file"
    )]
    FamilyRefused { family: String, refused: String },
    #[error("the service centre's number from the configuration was refused: {0}")]
    CentreRefused(String),
    #[error("the SIM names no service centre: set smsc in this modem's configuration")]
    NoCentre,
    #[error(
        "the modem does not keep the service centre's number from the configuration: check smsc, or leave it out to use \
         the SIM's own"
    )]
    CentreNotKept,
    // Storages.
    #[error("the modem's message storage is full: it is being read and emptied")]
    StorageFull,
    #[error("the modem's message storage is full and gives nothing to read: delete its messages by hand")]
    StorageStuck,
    #[error("the modem does not delete a message that was read from its storage: {0}")]
    NotDeleted(String),
    // Messages.
    #[error("{0}")]
    Message(String),
    #[error("messages through the modem fail: {0}")]
    Failing(String),
    // Cures.
    #[error("{cause}; {} brought it back after {:.1} s", rung.words(), took.as_secs_f64())]
    Recovered { cause: Box<Fault>, rung: Rung, took: Duration },
    #[error("{hint}; before: {before}")]
    Both { hint: Box<Fault>, before: Box<Fault> },
    #[error("{cause}; tried: {tried}")]
    Tried { cause: Box<Fault>, tried: String },
}

impl Fault {
    /// Whether the fault is about one message, and over when the next one is accepted.
    pub(super) fn is_of_a_message(&self) -> bool {
        matches!(self, Self::Message(_))
    }

    /// Whether the fault is about a storage without room.
    pub(super) fn is_of_room(&self) -> bool {
        matches!(self, Self::StorageFull | Self::StorageStuck)
    }

    /// The fault without what was tried against it.
    pub(super) fn cause(self) -> Self {
        match self {
            Self::Tried { cause, .. } => *cause,
            other => other,
        }
    }
}

/// How many tries the PIN has left, for a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TriesLeft(pub(super) Option<u8>);

impl std::fmt::Display for TriesLeft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(1) => f.write_str(" (1 try left)"),
            Some(left) => write!(f, " ({left} tries left)"),
            None => Ok(()),
        }
    }
}
