//! The use cases that the API offers and modems feed: issue, check, resend, cancel, send, received, recover;
//! opt-outs; the workers that carry messages to modems through the [`Submit`] trait; events.
//!
//! This room knows no HTTP, no serial port and no AT command. A worked example is the test `one_code` in
//! `gateway/tests/mod.rs`: a gateway over a store in memory and a modem that is a few lines of test.

mod air;
mod canaries;
mod canary;
mod check;
mod clocks;
mod course;
mod destination;
mod effects;
mod elsewhere;
mod error;
mod events;
mod expiries;
mod explain;
mod fleet;
mod follow;
mod hosts;
mod inbound;
mod inner;
mod intake;
mod issue;
mod keeper;
mod key_home;
mod late;
mod life;
mod limits;
mod lint;
mod listing;
mod lock;
mod log;
mod log_filter;
mod membership;
mod message;
mod metrics;
mod modems;
mod moment;
mod moves;
mod once;
mod opt_out;
mod orders;
mod others;
mod pace;
mod piece;
mod pumping;
mod recoveries;
mod reports;
mod request;
mod reverse;
mod rotate;
mod sealing;
mod sends;
mod settings;
mod sims;
mod source;
mod submit;
mod tell;
#[cfg(test)]
mod tests;
mod told;
mod twin;
mod verify;
mod view;
mod worker;

pub use crate::outbox::{Condition, SimNames};
pub use error::GatewayError;
pub(crate) use error::seconds;
pub use gsm_modem::{Counters, Part, Recorded, Snapshot, State as ModemState, UssdAnswer};
pub use inner::Gateway;
pub use key_home::KeyHome;
pub use lint::lint;
pub use log_filter::LogFilter;
pub use pace::{APART, most_exact};
pub use request::{
    Caller, CheckRequest, InboxFilter, IssueRequest, LimitsRequest, MessageFilter, Mode, Origin, Reach,
    SendRequest, VerificationFilter,
};
pub use settings::Settings;
pub use submit::{Control, ControlError, Gate, Outcome, Readiness, Submit};
pub use verify::MAX_PARTS;
pub use view::{
    CanaryEnd, CanaryView, CheckView, Event, EventKind, EventPage, Gap, HostView, InboxView, Invitation,
    KeyView, LimitsView, MessageView, ModemView, Numbered, OptOutView, OtherModem, Page, QueueView,
    RecoveryView, StatusView, TrailView, VerificationView, WindowView,
};
