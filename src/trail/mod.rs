//! The trail: every event that is kept, in order. What an event tells, with numbers masked and without any secret, and
//! the chain that ties each event to the one before it.
//!
//! The room is pure: it knows neither the store nor who follows.
//!
//! ```
//! use smsotpd::secret::Key;
//! use smsotpd::trail::{Ends, link};
//!
//! let key = Key::from_bytes([7; 32]);
//! let mut ends = Ends::default();
//! let first = ends.append(&key, b"issued");
//! let second = ends.append(&key, b"approved");
//! assert_eq!((first.id, second.id), (1, 2));
//! assert_eq!(second.hash, link(&key, 2, &first.hash, b"approved"));
//! assert!(ends.seal(&key).is_genuine(&key));
//! ```

mod chain;

pub use chain::{Ends, Hash, Link, Linked, SealedEnds, Walk, WalkFault, link};

use crate::clock::{Steady, Timestamp};
use crate::id::{InboxId, MessageId, VerificationId};
use crate::inbox::Content;
use crate::otp::VerificationStatus;
use crate::outbox::{Encoding, MessageStatus};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, by the wall clock.
    pub at: Timestamp,
    /// When, by the clock that nobody sets: how long the event is kept is counted from here.
    pub since: Steady,
    /// The client that asked for it; none when no client did, or no clients are configured.
    pub by: Option<String>,
    /// What it happened to, as that is after it.
    pub about: About,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A verification.
    Verification(Verification),
    /// A message.
    Message(Message),
    /// A modem in a state.
    Modem(Modem),
    /// A modem that is well again.
    Recovered(Modem, Recovery),
    /// A received message.
    Inbox(Inbox),
    /// Something that changed neither: a refusal, a denial, another configuration.
    Audit(Audit),
}

/// A verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// `pending`, `approved` and so on; `resent`; `attempted` for each check that counts.
    pub what: String,
    /// Its id.
    pub id: VerificationId,
    /// The client that made it.
    pub owner: Option<String>,
    /// Its service.
    pub service: String,
    /// Its number, masked.
    pub to: String,
    /// Where it stands.
    pub status: VerificationStatus,
    /// Checks left.
    pub attempts_left: u32,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When its code stops being accepted.
    pub expires_at: Timestamp,
    /// The earliest moment of a resend.
    pub resend_at: Timestamp,
    /// The newest message that carries its code.
    pub message: MessageId,
    /// Where that message stands.
    pub message_status: MessageStatus,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The client that made it.
    pub owner: Option<String>,
    /// Whether it carries a code.
    pub otp: bool,
    /// The service of that code, as far as it is known.
    pub service: Option<String>,
    /// Its number, masked.
    pub to: String,
    /// Where it stands.
    pub status: MessageStatus,
    /// Short messages that it takes.
    pub parts: u8,
    /// How its text is coded.
    pub encoding: Encoding,
    /// The modem that has it or had it last.
    pub modem: Option<String>,
    /// Sends begun.
    pub attempts: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the service centre took it.
    pub sent_at: Option<Timestamp>,
    /// When the recipient had it.
    pub delivered_at: Option<Timestamp>,
    /// The last fault, for a person.
    pub error: Option<String>,
}

/// A modem. The names of its SIM are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modem {
    /// Its name in the configuration.
    pub name: String,
    /// Its state.
    pub state: String,
    /// Whether an operator paused it.
    pub paused: bool,
    /// Its port.
    pub port: String,
    /// Who made it.
    pub manufacturer: String,
    /// Its model.
    pub model: String,
    /// Its firmware.
    pub firmware: String,
    /// Its IMEI, masked.
    pub imei: String,
    /// The network.
    pub operator: Option<String>,
    /// How it is registered there.
    pub registration: String,
    /// In dBm.
    pub signal_dbm: Option<i32>,
    /// Tries that the PIN of its SIM has left.
    pub pin_tries: Option<u8>,
    /// Messages that only this modem may send and that wait.
    pub queue: u64,
    /// Messages sent since the start.
    pub sent_total: u64,
    /// Sends that failed since the start.
    pub failed_total: u64,
    /// Parts that its SIM sent today.
    pub parts_today: u32,
    /// And this month.
    pub parts_this_month: u32,
    /// Different numbers that its SIM served this month.
    pub recipients_this_month: u64,
    /// How well its SIM sends, in percent.
    pub health: u8,
    /// `closed`, `open` or `half-open`.
    pub breaker: String,
    /// The last fault, for a person.
    pub last_error: Option<String>,
    /// When that was last seen.
    pub last_error_at: Option<Timestamp>,
    /// What went wrong on its port: dropped lines, late lines, resyncs, reopens, restarts, lost notices.
    pub counters: Vec<u64>,
}

/// How a modem recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The cure, by its word.
    pub rung: String,
    /// Milliseconds since the fault was noticed.
    pub took_ms: u64,
}

/// A received message, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// Its id.
    pub id: InboxId,
    /// Its sender, masked.
    pub from: String,
    /// The modem that received it.
    pub modem: String,
    /// When its last part came.
    pub received_at: Timestamp,
    /// When the service centre took it.
    pub sent_at: Option<Timestamp>,
    /// Parts that it was sent in.
    pub parts: u8,
    /// Those of them that never came.
    pub missing: Vec<u8>,
    /// What it carries.
    pub content: Content,
    /// Its class.
    pub class: Option<u8>,
    /// Destination and source port.
    pub ports: Option<(u16, u16)>,
}

/// What changed no verification and no message, and is written down all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// `refused`, `not_compared`, `suspected`, `denied`, `config` and so on.
    pub action: String,
    /// The number that it was about, masked; of several the last one.
    pub to: Option<String>,
    /// What exactly: the code of a refusal, the right that a peer lacks, the hash of a file.
    pub detail: String,
    /// How many of the kind this event stands for.
    pub count: u32,
}

impl Audit {
    /// A peer asked for what it may not.
    pub fn denied(detail: String) -> Self {
        Self { action: "denied".to_owned(), to: None, detail, count: 1 }
    }
}

impl Event {
    /// Its name: `message.sent`.
    pub fn name(&self) -> String {
        match &self.about {
            About::Verification(v) => format!("verification.{}", v.what),
            About::Message(m) => format!("message.{}", m.status.as_str()),
            About::Modem(m) => format!("modem.{}", m.state),
            About::Recovered(..) => "modem.recovered".to_owned(),
            About::Inbox(_) => "inbox.received".to_owned(),
            About::Audit(a) => format!("audit.{}", a.action),
        }
    }
}
