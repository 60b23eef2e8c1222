//! What is known of a modem.

use std::path::PathBuf;

use crate::at::Registration;

/// The states of a modem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum State {
    /// No such device now.
    #[default]
    Absent,
    /// It is being brought up.
    Starting,
    /// It waits for work.
    Ready,
    /// It sends.
    Busy,
    /// It failed and is being cured.
    Recovering,
    /// An operator paused it.
    Paused,
    /// It needs a person: PIN, no SIM.
    Blocked,
}

/// What is known of a modem now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Its state.
    pub state: State,
    /// Whether it takes a message now.
    pub ready: bool,
    /// The port.
    pub port: PathBuf,
    /// `AT+CGMI`.
    pub manufacturer: String,
    /// `AT+CGMM`.
    pub model: String,
    /// `AT+CGMR`.
    pub firmware: String,
    /// `AT+CGSN`.
    pub imei: String,
    /// `AT+CIMI`.
    pub imsi: Option<String>,
    /// `AT+CCID`.
    pub iccid: Option<String>,
    /// `AT+COPS?`.
    pub operator: Option<String>,
    /// `AT+CREG?` or its siblings.
    pub registration: Registration,
    /// `AT+CSQ`.
    pub signal_dbm: Option<i32>,
    /// The last fault, for a person.
    pub last_error: Option<String>,
    /// What went wrong and was dealt with.
    pub counters: Counters,
}

/// What went wrong and was dealt with, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Lines that belonged to nothing.
    pub dropped_lines: u64,
    /// Results that came after their command was given up.
    pub late_results: u64,
    /// Times the dialogue was begun anew on an open port.
    pub resyncs: u64,
    /// Times the port was opened.
    pub opens: u64,
    /// Notices that nobody took in time.
    pub lost_notices: u64,
}
