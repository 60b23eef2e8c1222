//! The use cases that the API offers and modems feed: issue, check, resend, cancel, send, recover; the workers
//! that carry messages to modems through the [`Submit`] trait; events.
//!
//! This room knows no HTTP, no serial port and no AT command.

mod error;
mod request;
mod submit;
mod view;

pub use error::GatewayError;
pub(crate) use error::seconds;
pub use request::{Caller, IssueRequest, MessageFilter, SendRequest};
pub use submit::{
    Control, ControlError, Gate, ModemFacts, ModemState, Order, OrderPart, Outcome, Readiness, Submit,
};
pub use view::{
    CheckView, Event, EventKind, MessageView, ModemView, Page, QueueView, StatusView, VerificationView,
};
