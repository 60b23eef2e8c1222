//! Why a use case said no. The API maps each to one problem of the contract.

use std::time::Duration;

use crate::fleet::NameTaken;
use crate::id::VerificationId;
use crate::store::StoreError;

/// What a use case answers.
pub(super) type Result<T, E = GatewayError> = std::result::Result<T, E>;

/// A refusal or a fault, with a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// A field has a value that cannot be.
    #[error("{0}")]
    InvalidRequest(String),
    /// The configuration does not allow what is asked for.
    #[error("{0}")]
    SwitchedOff(String),
    /// The client may not do this.
    #[error("{0}")]
    NotAllowed(String),
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(&'static str),
    /// Another client made it, and the caller may not know of it: told in the words for what there is not.
    #[error("there is no {0}")]
    Hidden(&'static str),
    /// Another client made it, and the caller may know of it but not change it.
    #[error(
        "there is no {0} of this client under this id: another client made it, and only that one may change it"
    )]
    NotOwn(&'static str),
    /// Its state does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// Not a telephone number.
    #[error("{0}")]
    InvalidNumber(String),
    /// Policy forbids the destination.
    #[error("{0}")]
    DestinationBlocked(String),
    /// The number opted out.
    #[error(
        "the number opted out of messages; it gets them again after a START from it, or when an operator removes its \
         opt-out"
    )]
    OptedOut,
    /// More than the parts a text may take.
    #[error("{0}")]
    TextTooLong(String),
    /// More than the store keeps in one record.
    #[error("the request has more in it than can be kept")]
    TooLarge,
    /// The service is not in the configuration.
    #[error("no service of this name is configured")]
    UnknownService,
    /// The idempotency key came with another body before.
    #[error("this Idempotency-Key was used with another body")]
    IdempotencyMismatch,
    /// The last send is too fresh.
    #[error("the last message is too fresh; try again in {} s", seconds(.retry_after))]
    Cooldown {
        /// How long until it passes.
        retry_after: Duration,
        /// The verification that is pending.
        verification: VerificationId,
    },
    /// A limit would be exceeded.
    #[error("the limit {limit} is used up; try again in {} s", seconds(.retry_after))]
    RateLimited {
        /// Which limit, without the number or name it is kept for.
        limit: String,
        /// How long until it passes.
        retry_after: Duration,
    },
    /// Too many messages wait.
    #[error("too many messages wait; the limit is queue.max_pending")]
    QueueFull,
    /// The modems could not carry the code in time.
    #[error("more codes wait than the modems can send in time; try again in {} s", seconds(.retry_after))]
    Overloaded {
        /// How long until one more is probably let in.
        retry_after: Duration,
    },
    /// Another host has a modem of this name.
    #[error(transparent)]
    NameTaken(NameTaken),
    /// The disk is full or the database is away, which passes by itself.
    #[error(transparent)]
    NotNow(StoreError),
    /// The store cannot write.
    #[error("the store cannot write: {0}")]
    Storage(String),
    /// The daemon stops.
    #[error("the daemon is shutting down")]
    ShuttingDown,
    /// A fault of the daemon itself.
    #[error("{0}")]
    Internal(String),
}

impl From<StoreError> for GatewayError {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Closed => Self::ShuttingDown,
            StoreError::Full => Self::QueueFull,
            StoreError::TooLarge => Self::TooLarge,
            e if e.passes() => Self::NotNow(e),
            e => Self::Storage(e.to_string()),
        }
    }
}

impl GatewayError {
    /// Whether the database is away, so that it may be tried again. A disk that was found full by a commit is not: the
    /// store is to be opened anew.
    pub(super) const fn is_away(&self) -> bool {
        matches!(self, Self::NotNow(StoreError::Away(_)))
    }

    /// The rule by which a code or a message is refused, as the configuration names it; nothing for what is no refusal
    /// but a mistake or a fault.
    pub(super) fn rule(&self) -> Option<&str> {
        Some(match self {
            // `limits.per_number = "3/10m"`, `pumping.adjacent = 20`.
            Self::RateLimited { limit, .. } => limit.split(' ').next().unwrap_or_default(),
            Self::Cooldown { .. } => "service.cooldown",
            Self::DestinationBlocked(_) => "destinations",
            Self::OptedOut => "opt_out",
            Self::InvalidNumber(_) => "number",
            Self::QueueFull => "queue.max_pending",
            Self::Overloaded { .. } => "queue.max_wait",
            Self::NotNow(_) => "disk",
            _ => return None,
        })
    }
}

/// Whole seconds, rounded up, as `Retry-After` wants them.
pub(crate) fn seconds(span: &Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}
