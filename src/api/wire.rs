//! The JSON of the API's contract: what the API writes and its client reads.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use super::wire_modem::{Counters, Modem, ModemRules, Modems};
pub use super::wire_operator::{Canary, Host, Hosts, Key, KeyFormer, Log};

/// A verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// `ver_…`.
    pub id: String,
    /// The service.
    pub service: String,
    /// E.164.
    pub to: String,
    /// `pending`, `approved`, `expired`, `cancelled` or `exhausted`.
    pub status: String,
    /// Checks left.
    pub attempts_left: u32,
    /// RFC 3339.
    pub created_at: String,
    /// When the code stops being accepted.
    pub expires_at: String,
    /// The earliest moment of a resend.
    pub resend_at: String,
    /// The newest message that carries the code.
    pub message: MessageRef,
    /// The notes that its client gave; left out when it gave none, and of events.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// `inbound` when the person sends a token from the number; left out when a code is sent there, and of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// What the person has to send: only in the answer to the issue that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound: Option<Invitation>,
}

/// What a person has to send, and to which number. `Debug` shows no token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The text.
    pub token: String,
    /// The number of a modem, E.164.
    pub number: String,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("number", &self.number).finish_non_exhaustive()
    }
}

/// A message's id and status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRef {
    /// `msg_…`.
    pub id: String,
    /// As in [`Message::status`].
    pub status: String,
}

/// A page of verifications, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifications {
    /// The verifications.
    pub verifications: Vec<Verification>,
    /// The `cursor` of the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The answer to a check: the result, and the verification's own fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Whether this very check approved the verification.
    pub approved: bool,
    /// The verification after the check.
    #[serde(flatten)]
    pub verification: Verification,
}

/// What an issue would meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// `issue` or `refuse`.
    pub would: String,
    /// The code of the problem that an issue would be refused with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Its sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The windows that an issue is judged by.
    pub windows: Vec<LimitWindow>,
}

/// A window of a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitWindow {
    /// The key of `[limits]` and the rate: `per_number 3/10m`; of `[pumping]`: `pumping.unverified country 30/1day`.
    pub name: String,
    /// How much of it is used.
    pub used: u32,
    /// How much may be.
    pub limit: u32,
    /// When a full one has room again, and any other one less in it.
    pub resets_at: String,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `msg_…`.
    pub id: String,
    /// E.164.
    pub to: String,
    /// `otp` or `text`.
    pub kind: String,
    /// `queued`, `sending`, `sent`, `delivered`, `undelivered`, `failed`, `expired` or `cancelled`.
    pub status: String,
    /// Short messages it takes.
    pub parts: u8,
    /// `gsm7` or `ucs2`.
    pub encoding: String,
    /// The modem that has it or had it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modem: Option<String>,
    /// How many sends began.
    pub attempts: u32,
    /// RFC 3339.
    pub created_at: String,
    /// When the service centre accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<String>,
    /// When the recipient received it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<String>,
    /// The last fault, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A page of messages, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// The messages.
    pub messages: Vec<Message>,
    /// The `cursor` of the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The daemon's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Whole seconds since the start.
    pub uptime_s: u64,
    /// Messages that wait or are on the air.
    pub queue: QueueDepths,
    /// How many modems there are in each state; `total` in all.
    pub modems: BTreeMap<String, usize>,
    /// The rights of whoever asks.
    #[serde(default)]
    pub may: Vec<String>,
    /// Whether the disk is full, so that new work is refused; left out while it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disk_full: bool,
    /// Why the wall clock cannot be right; left out while it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// Numbers that nothing is sent to and whose codes are fixed, masked; left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_numbers: Vec<String>,
}

/// How many messages wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDepths {
    /// Codes.
    pub otp: usize,
    /// Plain texts.
    pub text: usize,
    /// Messages of both kinds whose time has not come.
    pub delayed: usize,
    /// On the air.
    pub sending: usize,
}

/// The data of a server-sent event: exactly one of the five objects is present. Numbers are masked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The same as the event's `id:`.
    pub id: u64,
    /// The same as its `event:`, such as `message.sent`.
    pub r#type: String,
    /// RFC 3339.
    pub at: String,
    /// The client that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Present for a `verification.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// Present for a `message.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// Present for a `modem.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modem: Option<Modem>,
    /// Present beside `modem` for `modem.recovered`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// Present for `inbox.received`, without the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbox: Option<InboxMessage>,
    /// Present for an `audit.*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
}

/// What changed no verification and no message, and is told all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The number that it was about, masked; of several the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What exactly, for a person.
    pub detail: String,
    /// How many of the kind this event stands for.
    pub count: u32,
}

/// What a look at every event that is kept found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// Whether each event is what was written, in its place, and none is missing.
    pub whole: bool,
    /// The first event that is kept; one more than the last when none is.
    pub first: u64,
    /// The last event; 0 before there was any.
    pub last: u64,
    /// The hash of the last event. Whoever writes it down elsewhere can ask for it later.
    pub hash: String,
    /// The first that does not fit, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// The data of the event `gap`, which has no id: the stream can no longer give these events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// `gap`.
    pub r#type: String,
    /// How many events were missed, including those that the client may not see; left out when the number is
    /// not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

/// How a modem recovered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// The last recovery step.
    pub rung: String,
    /// How long the fault lasted after it was noticed.
    pub seconds: f64,
}

/// A problem (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:smsotp:problem:` and the code.
    pub r#type: String,
    /// The same for every problem of a code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// The code in the API's contract.
    pub code: String,
    /// Of `cooldown`: the verification that is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<String>,
}

/// A received message. `Debug` shows no text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxMessage {
    /// `in_…`.
    pub id: String,
    /// `text`, `data` or `unreadable`.
    pub kind: String,
    /// A number, a short code or a name; empty when it could not be read.
    pub from: String,
    /// The text of a `text`; left out of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The octets of a `data`, or those that could not be read, in hexadecimal; left out of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// When its last part came, RFC 3339.
    pub received_at: String,
    /// When the service centre accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<String>,
    /// The modem that received it.
    pub modem: String,
    /// Short messages it was sent in.
    pub parts: u8,
    /// The parts that never came, counted from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u8>,
    /// Its class; 0 is a flash message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<u8>,
    /// The ports of a message for a program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Ports>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Where a message for a program goes (3GPP TS 23.040 clauses 9.2.3.24.3 and 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Of the receiver.
    pub destination: u16,
    /// Of the sender.
    pub source: u16,
}

/// A page of received messages, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbox {
    /// The messages.
    pub messages: Vec<InboxMessage>,
    /// The `cursor` of the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A number that opted out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOut {
    /// E.164.
    pub phone: String,
    /// Since when, RFC 3339.
    pub since: String,
    /// The received message that asked for it; left out when an operator did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A page of numbers that opted out, in no particular order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOuts {
    /// The numbers.
    pub opt_outs: Vec<OptOut>,
    /// The `cursor` of the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl fmt::Debug for InboxMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InboxMessage({} {})", self.id, self.kind)
    }
}

/// What the network answered to a USSD request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ussd {
    /// Its text.
    pub text: String,
    /// Whether the network waits for an answer, which the next `code` gives.
    #[serde(default)]
    pub open: bool,
}

/// The last lines that went over a modem's port, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The oldest first.
    pub lines: Vec<TraceLine>,
}

/// One line of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceLine {
    /// Its age in milliseconds.
    pub ago_ms: u64,
    /// `in` from the modem, `out` to it, `note` between them.
    pub direction: String,
    /// Heads, small numbers and the standard's words; the rest is left out.
    pub text: String,
}
