//! The JSON of the contract: what the API writes and its client reads. Domain types never meet serde; they are
//! copied into these, field by field.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};

pub use super::inbox::{Inbox, InboxMessage, OptOut, OptOuts, Ports};
pub use super::modems::{Counters, Modem, Modems, Trace, TraceLine, Ussd};
use crate::gateway::{self, EventKind, ModemState};
use crate::otp::VerificationStatus;
use crate::outbox::{Encoding, MessageStatus};

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
}

/// A message by name, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRef {
    /// `msg_…`.
    pub id: String,
    /// As in [`Message::status`].
    pub status: String,
}

/// The answer to a check: the verdict in front of the verification's own fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Whether this very check approved it.
    pub approved: bool,
    /// The verification after it.
    #[serde(flatten)]
    pub verification: Verification,
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
    /// Sends begun.
    pub attempts: u32,
    /// RFC 3339.
    pub created_at: String,
    /// When the service centre took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<String>,
    /// When the recipient had it.
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

/// The daemon at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Of the daemon.
    pub version: String,
    /// Whole seconds since the start.
    pub uptime_s: u64,
    /// Messages that wait or are on the air.
    pub queue: QueueDepths,
    /// How many modems there are in each state; `total` in all.
    pub modems: BTreeMap<String, usize>,
}

/// How many messages wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDepths {
    /// Codes.
    pub otp: usize,
    /// Plain texts.
    pub text: usize,
    /// Among both, those whose time has not come.
    pub delayed: usize,
    /// On the air.
    pub sending: usize,
}

/// The data of a server-sent event: exactly one of the four things is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The same as the event's `id:`.
    pub id: u64,
    /// The same as its `event:`, such as `message.sent`.
    pub r#type: String,
    /// RFC 3339.
    pub at: String,
    /// After a `verification.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// After a `message.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// After a `modem.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modem: Option<Modem>,
    /// Beside `modem` after `modem.recovered`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// After `inbox.received`, without its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbox: Option<InboxMessage>,
}

/// The data of the event `gap`, which has no id: events that the stream cannot give any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// `gap`.
    pub r#type: String,
    /// How many, those included that the client may not see; left out when nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

/// How a modem came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// The cure that came last.
    pub rung: String,
    /// How long the fault lasted since it was noticed.
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
    /// The contract's code.
    pub code: String,
}

/// A response with a JSON body.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    // Proof that it cannot fail: the types of this file have text keys and no serializer of their own.
    let body = serde_json::to_vec(value).expect("wire types serialize");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl From<&gateway::VerificationView> for Verification {
    fn from(v: &gateway::VerificationView) -> Self {
        let (message, status) = v.message;
        Self {
            id: v.id.to_string(),
            service: v.service.clone(),
            to: v.to.as_str().to_owned(),
            status: verification_status(v.status).to_owned(),
            attempts_left: v.attempts_left,
            created_at: v.created_at.to_string(),
            expires_at: v.expires_at.to_string(),
            resend_at: v.resend_at.to_string(),
            message: MessageRef { id: message.to_string(), status: status.as_str().to_owned() },
        }
    }
}

impl From<&gateway::CheckView> for Check {
    fn from(check: &gateway::CheckView) -> Self {
        Self { approved: check.approved, verification: (&check.verification).into() }
    }
}

impl From<&gateway::MessageView> for Message {
    fn from(m: &gateway::MessageView) -> Self {
        Self {
            id: m.id.to_string(),
            to: m.to.as_str().to_owned(),
            kind: if m.otp { "otp" } else { "text" }.to_owned(),
            status: m.status.as_str().to_owned(),
            parts: m.parts,
            encoding: match m.encoding {
                Encoding::Gsm7 => "gsm7".to_owned(),
                Encoding::Ucs2 => "ucs2".to_owned(),
            },
            modem: m.modem.clone(),
            attempts: m.attempts,
            created_at: m.created_at.to_string(),
            sent_at: m.sent_at.map(|at| at.to_string()),
            delivered_at: m.delivered_at.map(|at| at.to_string()),
            error: m.error.clone(),
        }
    }
}

impl From<&gateway::Page<gateway::MessageView>> for Messages {
    fn from(page: &gateway::Page<gateway::MessageView>) -> Self {
        Self { messages: page.items.iter().map(Message::from).collect(), next_cursor: page.next.clone() }
    }
}

impl From<&gateway::StatusView> for Status {
    fn from(status: &gateway::StatusView) -> Self {
        let mut modems: BTreeMap<String, usize> =
            MODEM_STATES.iter().map(|state| (state.as_str().to_owned(), 0)).collect();
        for (state, count) in &status.modems {
            *modems.entry(state.as_str().to_owned()).or_default() += count;
        }
        modems.insert("total".to_owned(), status.modems.iter().map(|(_, count)| count).sum());
        let q = status.queue;
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: status.uptime.as_secs(),
            queue: QueueDepths { otp: q.otp, text: q.text, delayed: q.delayed, sending: q.sending },
            modems,
        }
    }
}

impl From<gateway::Gap> for Gap {
    fn from(gap: gateway::Gap) -> Self {
        Self { r#type: "gap".to_owned(), missed: gap.missed }
    }
}

impl From<&gateway::Event> for Event {
    fn from(event: &gateway::Event) -> Self {
        let (mut verification, mut message, mut modem, mut inbox) = (None, None, None, None);
        let mut recovery = None;
        let r#type = match &event.kind {
            EventKind::Verification(what, v) => {
                verification = Some(v.into());
                // The gateway may name an event whole or by its last word.
                format!("verification.{}", what.trim_start_matches("verification").trim_start_matches('.'))
            }
            EventKind::Message(m) => {
                message = Some(m.into());
                format!("message.{}", m.status.as_str())
            }
            EventKind::Modem(m) => {
                modem = Some(m.into());
                format!("modem.{}", m.facts.state.as_str())
            }
            EventKind::Recovered(m, r) => {
                modem = Some(m.into());
                recovery = Some(Recovery { rung: r.rung.to_owned(), seconds: r.took.as_secs_f64() });
                "modem.recovered".to_owned()
            }
            EventKind::Inbox(m) => {
                inbox = Some(m.into());
                "inbox.received".to_owned()
            }
        };
        let at = event.at.to_string();
        Self { id: event.id, r#type, at, verification, message, modem, recovery, inbox }
    }
}

const MODEM_STATES: [ModemState; 7] = [
    ModemState::Absent,
    ModemState::Starting,
    ModemState::Ready,
    ModemState::Busy,
    ModemState::Recovering,
    ModemState::Paused,
    ModemState::Blocked,
];

/// The contract's word for a verification's status.
pub const fn verification_status(status: VerificationStatus) -> &'static str {
    match status {
        VerificationStatus::Pending => "pending",
        VerificationStatus::Approved => "approved",
        VerificationStatus::Expired => "expired",
        VerificationStatus::Cancelled => "cancelled",
        VerificationStatus::Exhausted => "exhausted",
    }
}

/// The status that a word of the contract names.
pub fn message_status_named(word: &str) -> Option<MessageStatus> {
    MessageStatus::ALL.into_iter().find(|status| status.as_str() == word)
}
