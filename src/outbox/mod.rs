//! An outgoing message, pure: its states, its place in the queue, its retries and deadlines, its delivery reports;
//! and the choice of the modem that sends it, by routes, home, the SIM's ledger, fair shares and health.
//!
//! This room does not know what a modem is beyond its name and its SIM, nor where anything is kept.

mod address;
mod breaker;
mod country;
mod health;
mod ledger;
mod message;
mod pool;
mod queue;
mod report;
mod retry;
mod rules;
mod sim_names;

pub use address::is_for;
pub use breaker::{Breaker, BreakerRules, Circuit};
pub use country::Home;
pub use health::{Health, Sign};
pub use ledger::{Ledger, Need, Periods, Recipients};
pub use message::{Encoding, Event, Fault, FaultClass, Kind, Message, MessageStatus, Refusal, step};
pub use pool::{Done, Dues, Fitness, Pool, Sim, Standing, choose};
pub use queue::{Entry, Queue};
pub use report::{Awaited, Noted, PartReport, PartState, Report};
pub use retry::Retry;
pub use rules::ModemRules;
pub use sim_names::SimNames;
