//! The driver of one modem: a pure session with time as a parameter, and a thin task that joins it to a serial
//! port.
//!
//! This room moves PDUs and reports outcomes; it does not know what a code is. [`Modem::start`] spawns the task;
//! [`Modem::submit`] hands it a message; [`Modem::snapshot`] tells what is known of the modem.

mod port;
mod session;
mod settings;
mod snapshot;
mod task;

pub use session::Outcome;
pub use settings::{Settings, Timing};
pub use snapshot::{Counters, Snapshot, State};
pub use task::{Modem, Notice};

pub use crate::at::Registration;

use crate::secret::Secret;

/// One short message as `AT+CMGS` takes it.
#[derive(Debug, Clone)]
pub struct Part {
    /// SMSC field and TPDU.
    pub pdu: Secret<Vec<u8>>,
    /// The TPDU's octets: the number in `AT+CMGS=n`.
    pub length: usize,
}
