//! What a client asks, before it is judged.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::{GatewayError, Result};
use super::view::{MessageView, VerificationView};
use crate::clock::Timestamp;
use crate::id::{InboxId, MessageId, VerificationId};
use crate::otp::{Verification, VerificationStatus};
use crate::outbox::{Kind, Message, MessageStatus};
use crate::secret::Secret;
use crate::trail;

/// Who asks: an authorised client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// The client's name, when the peer is a configured client.
    pub client: Option<String>,
    /// The user of its process, when the kernel told it.
    pub user: Option<u32>,
    /// The services it may use; all when there is no list.
    pub services: Option<Vec<String>>,
    /// What it may do with the verifications and messages that others made.
    pub reach: Reach,
}

/// What a caller may do with the verifications and messages that others made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Reach {
    /// Nothing: they do not exist for it.
    #[default]
    Own,
    /// See them.
    Sees,
    /// See and change them.
    Changes,
}

/// Who made a verification or a message, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The client, unless no client was known by a name then.
    pub client: Option<&'a str>,
    /// Whether it is about a code.
    pub otp: bool,
    /// The service of that code, as far as it is known.
    pub service: Option<&'a str>,
}

impl Caller {
    /// Whether it may use this service.
    pub fn may_use(&self, service: &str) -> bool {
        self.services.as_ref().is_none_or(|services| services.iter().any(|known| known == service))
    }

    /// Whether a verification or message exists for it: it made that itself or may see what others made, and that is
    /// plain text or about a code of a service that it may use. Of a code whose service is not known only a client that
    /// is bound to none may know.
    pub fn may_see<'a>(&self, thing: impl Into<Origin<'a>>) -> bool {
        let Origin { client, otp, service } = thing.into();
        let in_scope = !otp || service.map_or(self.services.is_none(), |service| self.may_use(service));
        in_scope && (self.made(client) || self.reach >= Reach::Sees)
    }

    /// Refuses what does not exist for it, in the words for what does not exist at all.
    pub(super) fn see<'a>(&self, what: &'static str, thing: impl Into<Origin<'a>>) -> Result<()> {
        if self.may_see(thing) { Ok(()) } else { Err(GatewayError::Hidden(what)) }
    }

    /// Refuses what it may not change: what does not exist for it, and what another client made.
    pub(super) fn change<'a>(&self, what: &'static str, thing: impl Into<Origin<'a>>) -> Result<()> {
        let origin = thing.into();
        self.see(what, origin)?;
        if self.made(origin.client) || self.reach >= Reach::Changes {
            return Ok(());
        }
        Err(GatewayError::NotOwn(what))
    }

    /// Whether it may know what another client, or nobody by a name, was refused.
    pub fn hears_of(&self, client: Option<&str>) -> bool {
        self.services.is_none() && self.reach >= Reach::Sees || client.is_some() && self.made(client)
    }

    fn made(&self, client: Option<&str>) -> bool {
        self.client.as_deref() == client
    }
}

impl<'a> From<&'a Verification> for Origin<'a> {
    fn from(v: &'a Verification) -> Self {
        Self { client: v.client.as_deref(), otp: true, service: Some(&v.service) }
    }
}

impl<'a> From<&'a VerificationView> for Origin<'a> {
    fn from(v: &'a VerificationView) -> Self {
        Self { client: v.client.as_deref(), otp: true, service: Some(&v.service) }
    }
}

impl<'a> From<&'a trail::Verification> for Origin<'a> {
    fn from(v: &'a trail::Verification) -> Self {
        Self { client: v.owner.as_deref(), otp: true, service: Some(&v.service) }
    }
}

impl<'a> From<&'a trail::Message> for Origin<'a> {
    fn from(m: &'a trail::Message) -> Self {
        Self { client: m.owner.as_deref(), otp: m.otp, service: m.service.as_deref() }
    }
}

impl<'a> From<&'a Message> for Origin<'a> {
    fn from(m: &'a Message) -> Self {
        let otp = matches!(m.kind, Kind::Otp(_));
        Self { client: m.client.as_deref(), otp, service: m.service.as_deref() }
    }
}

impl<'a> From<&'a MessageView> for Origin<'a> {
    fn from(m: &'a MessageView) -> Self {
        Self { client: m.client.as_deref(), otp: m.otp, service: m.service.as_deref() }
    }
}

/// How a number is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A code is sent to it, and the person types the code.
    #[default]
    Sms,
    /// The person sends a token from it.
    Inbound,
}

/// `POST /v1/verifications`.
#[derive(Debug, Clone, Default)]
pub struct IssueRequest {
    /// The number, as it came.
    pub to: String,
    /// The service; `default` when left out.
    pub service: Option<String>,
    /// How the number is verified.
    pub mode: Mode,
    /// The language of the text, such as `de` or `de-CH`.
    pub locale: Option<String>,
    /// Values for the template.
    pub values: BTreeMap<String, String>,
    /// What the code is for: a check has to repeat it.
    pub binding: Option<Secret<String>>,
    /// The caller's own notes, which are given back.
    pub metadata: BTreeMap<String, String>,
    /// The caller's own keys of `[limits.keys]`, such as the address of who asks.
    pub keys: BTreeMap<String, String>,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
}

/// A code that somebody typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRequest {
    /// The code.
    pub code: Secret<String>,
    /// What it is for, as it was said when it was issued.
    pub binding: Option<Secret<String>>,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
}

impl CheckRequest {
    /// This code, and nothing else said.
    pub fn of(code: &str) -> Self {
        Self { code: Secret::new(code.to_owned()), binding: None, idempotency_key: None }
    }
}

/// `GET /v1/verifications`: newest first.
#[derive(Debug, Clone, Default)]
pub struct VerificationFilter {
    /// Only of this service.
    pub service: Option<String>,
    /// Only in this status.
    pub status: Option<VerificationStatus>,
    /// Only of this number, as it came.
    pub to: Option<String>,
    /// At most so many, 1 to 1000.
    pub limit: usize,
    /// Only older than this.
    pub before: Option<VerificationId>,
}

/// `POST /v1/limits`.
#[derive(Debug, Clone)]
pub struct LimitsRequest {
    /// The number, as it came.
    pub to: String,
    /// The service; `default` when left out.
    pub service: Option<String>,
    /// As in [`IssueRequest::keys`].
    pub keys: BTreeMap<String, String>,
}

/// `POST /v1/messages`.
#[derive(Debug, Clone)]
pub struct SendRequest {
    /// The number, as it came.
    pub to: String,
    /// The text.
    pub text: Secret<String>,
    /// Class 0: shown at once, not kept.
    pub flash: bool,
    /// 0 to 9; higher goes first.
    pub priority: u8,
    /// How long it is worth sending, and the service centre's validity period.
    pub valid_for: Option<Duration>,
    /// Not before this.
    pub send_at: Option<Timestamp>,
    /// Ask for a delivery report.
    pub report: bool,
    /// Only this modem.
    pub modem: Option<String>,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
}

/// `GET /v1/messages`: newest first.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Only in this status.
    pub status: Option<MessageStatus>,
    /// Only to this number.
    pub to: Option<String>,
    /// At most so many, 1 to 1000.
    pub limit: usize,
    /// Only older than this one.
    pub before: Option<MessageId>,
}

/// `GET /v1/inbox`: newest first.
#[derive(Debug, Clone, Default)]
pub struct InboxFilter {
    /// At most so many, 1 to 1000.
    pub limit: usize,
    /// Only older than this one.
    pub before: Option<InboxId>,
}
