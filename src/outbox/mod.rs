//! An outgoing message, pure: its states, its place in the queue, its retries and deadlines, the ledger of a
//! SIM.
//!
//! This room does not know what a modem is beyond its name, nor where a message is kept.

mod ledger;
mod message;
mod queue;
mod retry;

pub use ledger::Ledger;
pub use message::{Encoding, Event, Fault, FaultClass, Kind, Message, MessageStatus, Refusal, step};
pub use queue::{Entry, Queue};
pub use retry::Retry;
