//! What a client asks, before it is judged.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::{InboxId, MessageId};
use crate::outbox::MessageStatus;
use crate::secret::Secret;

/// Who asks: an authorised client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// The client's name, when clients are configured.
    pub client: Option<String>,
    /// The services it may use; all when there is no list.
    pub services: Option<Vec<String>>,
}

impl Caller {
    /// Whether it may use this service.
    pub fn may_use(&self, service: &str) -> bool {
        self.services.as_ref().is_none_or(|services| services.iter().any(|known| known == service))
    }

    /// Whether a message exists for it: plain text, or a code of a service that it may use. Of a code whose service
    /// is not known only a client that is bound to none may know.
    pub fn may_see(&self, otp: bool, service: Option<&str>) -> bool {
        !otp || service.map_or(self.services.is_none(), |service| self.may_use(service))
    }
}

/// `POST /v1/verifications`.
#[derive(Debug, Clone)]
pub struct IssueRequest {
    /// The number, as it came.
    pub to: String,
    /// The service; `default` when left out.
    pub service: Option<String>,
    /// The language of the text, such as `de` or `de-CH`.
    pub locale: Option<String>,
    /// Values for the template.
    pub values: BTreeMap<String, String>,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
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
