//! An outgoing message, pure: its states, its place in the queue, its retries and deadlines, its delivery reports; and
//! the choice of the modem that sends it, by routes, home network, the SIM's ledger, fair shares and health.
//!
//! This room knows nothing of a modem but its name and its SIM, and does not know where anything is stored.

mod account;
mod address;
mod breaker;
mod country;
mod entry;
mod fault;
mod fit;
mod health;
mod ledger;
mod load;
mod message;
mod pace;
mod pool;
mod queue;
mod report;
mod retry;
mod rules;
mod step;

pub use account::{Account, EndedSend, SendEnd};
pub use address::is_for;
pub use breaker::{Breaker, BreakerRules, Circuit, Weight};
pub use country::Home;
pub use entry::{Avoid, Entry};
pub use fault::{Attempt, Fault, FaultClass, Judgement, Others};
pub use fit::{Fit, route};
pub use gsm_modem::SimNames;
pub use gsm_sms::Encoding;
pub use health::{Health, Observation};
pub use ledger::{Ledger, Need, Periods, Recipients};
pub use message::{Kind, Message, MessageStatus, Refused, Twin};
pub use pace::Pace;
pub use pool::{Accounting, Asker, Condition, Fitness, MAX_WAIT, Overload, Pool, Sim, choose};
pub use queue::{Order, Queue};
pub use report::{Awaited, Noted, PartReport, PartState, Report};
pub use retry::Retry;
pub use rules::ModemRules;
pub use step::{End, Event, Refusal, step, wants_twin};
