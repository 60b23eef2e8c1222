//! What the use cases answer: values without secrets, in the contract's terms.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gsm_modem::{Snapshot, State as ModemState};

use super::error::GatewayError;
use crate::clock::{Now, Timestamp};
use crate::fleet::HostState;
use crate::id::{InboxId, MessageId, VerificationId};
use crate::inbox::{Content, Entry, Sender};
use crate::otp::{Verification, VerificationStatus};
use crate::outbox::{Condition, Encoding, Message, MessageStatus, ModemRules};
use crate::phone::PhoneNumber;
use crate::secret::Secret;
use crate::trail;

/// A verification as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationView {
    /// Its name.
    pub id: VerificationId,
    /// The client that asked for it, unless none was known by a name.
    pub client: Option<String>,
    /// The service.
    pub service: String,
    /// The number.
    pub to: PhoneNumber,
    /// Where it stands now.
    pub status: VerificationStatus,
    /// Checks left.
    pub attempts_left: u32,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When the code stops being accepted.
    pub expires_at: Timestamp,
    /// The earliest moment of a resend.
    pub resend_at: Timestamp,
    /// The newest message of it, and where that stands.
    pub message: (MessageId, MessageStatus),
    /// The notes of its client; left out of events.
    pub metadata: BTreeMap<String, String>,
    /// Whether the person sends a token from the number.
    pub inbound: bool,
    /// That token and where it goes: in the answer to the issue that made it, also when that is asked for again under its
    /// `Idempotency-Key` while it is pending, and nowhere else.
    pub invitation: Option<Invitation>,
}

/// What a person has to send, and to which number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The text.
    pub token: Secret<String>,
    /// The number of a modem.
    pub number: PhoneNumber,
}

impl VerificationView {
    /// What a client sees of `v` at `now`.
    pub fn new(v: &Verification, message: MessageStatus, now: Now) -> Self {
        Self {
            id: v.id,
            client: v.client.clone(),
            service: v.service.clone(),
            to: v.to.clone(),
            status: v.status_at(now),
            attempts_left: v.attempts_left(),
            created_at: v.created_at,
            expires_at: v.life.told(now),
            resend_at: v.life.told_at(v.resend_at, now),
            message: (v.message, message),
            metadata: v.metadata.clone(),
            inbound: v.inbound,
            invitation: None,
        }
    }
}

/// The answer to a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckView {
    /// Whether this very check approved it.
    pub approved: bool,
    /// The verification after it.
    pub verification: VerificationView,
}

/// What an issue would meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsView {
    /// Why it would be refused, if it would.
    pub refused: Option<GatewayError>,
    /// The windows that it would be counted in, then those of wrong codes; none where it would be no issue at all.
    pub windows: Vec<WindowView>,
}

/// A window of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowView {
    /// The key of `[limits]` and the rate: `per_number 3/10m`; of `[pumping]`: `pumping.unverified country 30/1day`.
    pub name: String,
    /// How much of it is used.
    pub used: u32,
    /// How much may be.
    pub limit: u32,
    /// When a full one has room again, and any other one less in it; the present when it is empty.
    pub resets_at: Timestamp,
}

/// A message as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// Its name.
    pub id: MessageId,
    /// The client that asked for it, unless none was known by a name.
    pub client: Option<String>,
    /// The recipient.
    pub to: PhoneNumber,
    /// Whether it carries a code.
    pub otp: bool,
    /// The service of that code, as far as it is known.
    pub service: Option<String>,
    /// Where it stands.
    pub status: MessageStatus,
    /// Short messages it takes.
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

impl From<&Message> for MessageView {
    fn from(m: &Message) -> Self {
        Self {
            id: m.id,
            client: m.client.clone(),
            to: m.to.clone(),
            otp: matches!(m.kind, crate::outbox::Kind::Otp(_)),
            service: m.service.clone(),
            status: m.status,
            parts: m.parts,
            encoding: m.encoding,
            modem: m.modem.clone(),
            attempts: m.attempts,
            created_at: m.created_at,
            sent_at: m.sent_at,
            delivered_at: m.delivered_at,
            error: m.error.clone(),
        }
    }
}

/// A received message as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxView {
    /// Its name.
    pub id: InboxId,
    /// From whom; empty when that could not be read.
    pub from: Sender,
    /// The modem that received it.
    pub modem: String,
    /// When its last part came.
    pub received_at: Timestamp,
    /// When the service centre took it.
    pub sent_at: Option<Timestamp>,
    /// Parts it was sent in.
    pub parts: u8,
    /// Those of them that never came.
    pub missing: Vec<u8>,
    /// What it carries.
    pub content: Content,
    /// Its class; 0 is a flash message.
    pub class: Option<u8>,
    /// Destination and source port.
    pub ports: Option<(u16, u16)>,
    /// Its text; left out of events.
    pub text: Option<Secret<String>>,
    /// Its data, or the octets that could not be read; left out of events.
    pub data: Option<Secret<Vec<u8>>>,
}

impl InboxView {
    /// All that may stand in an event.
    pub(super) fn without_body(entry: &Entry) -> Self {
        Self {
            id: entry.id,
            from: entry.from.clone(),
            modem: entry.modem.clone(),
            received_at: entry.received_at,
            sent_at: entry.sent_at,
            parts: entry.parts,
            missing: entry.missing.clone(),
            content: entry.content.clone(),
            class: entry.class,
            ports: entry.ports,
            text: None,
            data: None,
        }
    }
}

/// A number that opted out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOutView {
    /// The number.
    pub phone: PhoneNumber,
    /// Since when.
    pub since: Timestamp,
    /// The received message that asked for it; none: an operator did.
    pub message: Option<InboxId>,
}

/// A listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// Ask with this cursor for what comes after them.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of what was found; the cursor is the id of its last entry, when more was found than it holds.
    pub(super) fn cut(mut items: Vec<T>, limit: usize, id: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(id);
        Self { items, next }
    }
}

/// A modem as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModemView {
    /// Its name in the configuration.
    pub name: String,
    /// What is known of it.
    pub facts: Snapshot,
    /// When the fault that `facts` tell was last seen.
    pub last_error_at: Option<Timestamp>,
    /// Messages that only this modem may send and that wait.
    pub queue: usize,
    /// Messages sent since the start.
    pub sent_total: u64,
    /// Sends that failed since the start.
    pub failed_total: u64,
    /// What its SIM has sent, and how well.
    pub condition: Condition,
    /// What its operator allows it.
    pub rules: ModemRules,
    /// The last canary that it sent since the start.
    pub canary: Option<CanaryView>,
}

/// A host as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostView {
    /// Its name.
    pub name: String,
    /// The version of its daemon.
    pub version: String,
    /// When it was heard of last.
    pub seen_at: Timestamp,
    /// How many modems it has.
    pub modems: usize,
    /// How many messages it has on the air.
    pub sending: usize,
    /// How it stands.
    pub state: HostState,
}

/// A modem of another host.
#[derive(Debug, Clone)]
pub struct OtherModem {
    /// Its host.
    pub host: String,
    /// Whether that host is lost.
    pub is_lost: bool,
    /// What its host tells of it, as the API shows it.
    pub facts: Secret<Vec<u8>>,
}

/// A short message that a modem sent to another one, or to itself, to see whether it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanaryView {
    /// The modem that was to receive it.
    pub to: String,
    /// When it was made.
    pub at: Timestamp,
    /// What became of it.
    pub end: CanaryEnd,
    /// From its making to its arrival.
    pub took: Option<Duration>,
    /// What a delivery report said; none: none came.
    pub delivered: Option<bool>,
}

/// What became of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryEnd {
    /// It may arrive still.
    Underway,
    /// The other modem received it.
    Arrived,
    /// It did not come within ten minutes.
    Lost,
    /// The modem could not send it within a minute.
    Unsent,
}

impl CanaryEnd {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Underway => "underway",
            Self::Arrived => "arrived",
            Self::Lost => "lost",
            Self::Unsent => "unsent",
        }
    }
}

/// How many messages wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueView {
    /// Codes.
    pub otp: usize,
    /// Plain texts.
    pub text: usize,
    /// Among both, those whose time has not come.
    pub delayed: usize,
    /// On the air.
    pub sending: usize,
    /// How long the oldest code waits; zero when none does.
    pub oldest_otp: Duration,
    /// The same of a plain text whose date has come.
    pub oldest_text: Duration,
}

/// The daemon at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusView {
    /// Since the start.
    pub uptime: Duration,
    /// What waits.
    pub queue: QueueView,
    /// How many modems are in each state that occurs.
    pub modems: Vec<(ModemState, usize)>,
    /// Whether the disk is full, so that new work is refused.
    pub disk_full: bool,
    /// Why the wall clock cannot be right; nothing when it may be.
    pub clock: Option<String>,
    /// The test numbers, masked.
    pub test_numbers: Vec<String>,
}

/// Something happened, for who waits in this process. Carries no secret, and whole numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number in the trail.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// An event of the trail, with its number.
pub type Numbered = (u64, Arc<trail::Event>);

/// Events behind a given one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// What lies between the given one and the first of the page, and is not kept any more.
    pub gap: Option<Gap>,
    /// The events, in order and without gaps.
    pub events: Vec<Numbered>,
    /// The last event that the page has or tells to be missing: ask for the next page behind this one.
    pub upto: u64,
}

/// How things stand with the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyView {
    /// How often it was replaced.
    pub rotations: u32,
    /// Where it is kept: `state`, `file`, `credential`, or `memory` of a daemon in a test.
    pub kept: &'static str,
    /// Whether all is sealed with the newest key.
    pub done: bool,
    /// How many records were sealed anew since the last rotation, or the start.
    pub sealed_anew: u64,
    /// How many no key opens.
    pub damaged: u64,
    /// How many former keys there still are: that open what is sealed, for codes, for events.
    pub older: (usize, usize, usize),
}

/// What a look at the whole trail found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailView {
    /// The first event that is kept.
    pub first: u64,
    /// The last event.
    pub last: u64,
    /// The hash of the last event, in hexadecimal.
    pub hash: String,
    /// The first that does not fit, for a person; none when the trail is whole.
    pub fault: Option<String>,
}

/// Events that a follower can be given no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// How many, when that is known; those that this follower may not see are among them.
    pub missed: Option<u64>,
}

/// How a modem came back after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryView {
    /// The cure, by its word: `resync`, `reopen`, `radio`, `restart`, `reauthorise`, `power_cycle`.
    pub rung: &'static str,
    /// Since the fault was noticed.
    pub took: Duration,
}

/// What happened, with the thing it happened to as it is after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// `verification.pending`, `.approved`, `.expired`, `.cancelled`, `.exhausted`; `.resent`; `.attempted` for
    /// each check that counts, before it is compared.
    Verification(&'static str, VerificationView),
    /// `message.queued`, `.sending`, `.sent` and so on.
    Message(MessageView),
    /// `modem.ready`, `.absent` and so on.
    Modem(ModemView),
    /// `inbox.received`.
    Inbox(InboxView),
    /// `modem.recovered`.
    Recovered(ModemView, RecoveryView),
    /// `audit.refused` and so on.
    Audit(trail::Audit),
}
