//! An outgoing message, pure: its states, its place in the queue, its retries and deadlines, its delivery reports,
//! the ledger of a SIM.
//!
//! This room does not know what a modem is beyond its name, nor where a message is kept.

mod address;
mod ledger;
mod message;
mod queue;
mod report;
mod retry;

pub use address::is_for;
pub use ledger::Ledger;
pub use message::{Encoding, Event, Fault, FaultClass, Kind, Message, MessageStatus, Refusal, step};
pub use queue::{Entry, Queue};
pub use report::{Awaited, Noted, PartReport, PartState, Report};
pub use retry::Retry;
