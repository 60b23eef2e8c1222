//! What is kept of a received message, of one that still lacks parts, and of a number that opted out.

use std::fmt;

use gsm_sms::mask;

use crate::clock::{Steady, Timestamp};
use crate::id::InboxId;
use crate::phone::PhoneNumber;
use crate::secret::Sealed;

/// A keyed hash that identifies something personal without naming it.
pub type Tag = [u8; 16];

/// The sender of a message: a number, a short code or a name. `Debug` masks it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Sender(String);

impl Sender {
    /// The sender as the network wrote it: with a `+` when it is an international number.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The whole sender.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A form fit for a log.
    pub fn masked(&self) -> String {
        mask(&self.0)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// What a message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A text.
    Text,
    /// Octets for a program.
    Data,
    /// Octets that could not be read as a message: which field, and why.
    Unreadable(String),
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub id: InboxId,
    /// The sender; empty when it could not be read.
    pub from: Sender,
    /// The modem that received it.
    pub modem: String,
    /// When its last part came.
    pub received_at: Timestamp,
    /// When the service centre accepted it (TP-SCTS).
    pub sent_at: Option<Timestamp>,
    /// In how many parts it was sent.
    pub parts: u8,
    /// The parts that never came.
    pub missing: Vec<u8>,
    /// What it carries.
    pub content: Content,
    /// Its class, if it has one; a phone shows class 0 at once and does not store it.
    pub class: Option<u8>,
    /// Destination and source port.
    pub ports: Option<(u16, u16)>,
    /// A later message of the same kind and sender takes its place (TP-PID 41 to 47).
    pub replaced_by: Option<Tag>,
    /// The text, the data, or the octets that could not be read, sealed.
    pub body: Sealed,
}

/// A message that still lacks parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembly {
    /// The modem that received its first part.
    pub modem: String,
    /// When that part came.
    pub since: Steady,
    /// How many parts it has in all.
    pub total: u8,
    /// The sequence numbers of the parts that came.
    pub have: Vec<u8>,
}

/// For whom a part is sealed: its message, and its place there.
pub fn part_owner(assembly: &Tag, sequence: u8) -> [u8; 17] {
    let mut owner = [sequence; 17];
    owner[..16].copy_from_slice(assembly);
    owner
}

/// A number that asked for no more messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOut {
    /// The number, sealed.
    pub phone: Sealed,
    /// Since when.
    pub since: Timestamp,
    /// The message that asked for it; `None` when an operator did.
    pub message: Option<InboxId>,
}

impl OptOut {
    /// The owner for which the number is sealed.
    pub const OWNER: &[u8] = b"opt-out";

    /// The number of an unsealed value.
    pub fn number(plain: &[u8]) -> Option<PhoneNumber> {
        std::str::from_utf8(plain).ok()?.parse().ok()
    }
}
