//! What a modem answered about itself (3GPP TS 27.007, TS 27.005).

use crate::at::{Domain, Failure, Pin, Registration, ResultCode, pin, pin_refused};

/// What a modem answered. What it did not answer is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    /// The speed at which it answers.
    pub baud: u32,
    /// `+CGMI`.
    pub manufacturer: String,
    /// `+CGMM`.
    pub model: String,
    /// `+CGMR`.
    pub firmware: String,
    /// `+CGSN`.
    pub imei: Option<String>,
    /// `+CPIN?`.
    pub sim: SimState,
    /// The SIM's own number.
    pub iccid: Option<String>,
    /// `+CIMI`.
    pub imsi: Option<String>,
    /// The registration in each domain that the modem knows.
    pub registrations: Vec<(Domain, Registration)>,
    /// `+COPS?`.
    pub operator: Option<String>,
    /// `+CSQ`.
    pub signal_dbm: Option<i32>,
    /// What the modem answered about short messages.
    pub messaging: Messaging,
    /// The question after which the modem was silent.
    pub stopped_at: Option<String>,
}

/// What a modem answered about short messages (3GPP TS 27.005).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Messaging {
    /// `+CMGF=?` lists PDU mode.
    pub pdu_mode: Option<bool>,
    /// `+CMGF=?` lists text mode.
    pub text_mode: Option<bool>,
    /// `+CPMS=?`, each memory once.
    pub storages: Vec<String>,
    /// `+CNMI=?` as the modem answered it.
    pub new_messages: Option<String>,
    /// `+CSCA?`; empty when the SIM has none.
    pub service_centre: Option<String>,
}

impl Answers {
    /// The best registration of all domains.
    pub fn registration(&self) -> Registration {
        let found = || self.registrations.iter().map(|(_, registration)| *registration);
        found().find(|r| r.is_registered()).or_else(|| found().next()).unwrap_or_default()
    }
}

/// What the SIM asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SimState {
    /// The SIM is ready.
    Ready,
    /// Its PIN.
    Pin,
    /// Its PUK.
    Puk,
    /// The device is locked to another SIM or network.
    Locked,
    /// There is no SIM, or it cannot be read.
    Absent,
    /// The SIM is not ready yet.
    Busy,
    /// The modem does not say.
    #[default]
    Unknown,
}

impl SimState {
    /// What the answer to `AT+CPIN?` says: an information line, or the refusal.
    pub(super) fn of(line: Option<&str>, result: &ResultCode) -> Self {
        match line.map(pin).or_else(|| pin_refused(result)) {
            Some(Pin::Ready | Pin::Second) => Self::Ready,
            Some(Pin::SimPin) => Self::Pin,
            Some(Pin::SimPuk) => Self::Puk,
            Some(Pin::Device) => Self::Locked,
            Some(Pin::Absent) => Self::Absent,
            None if Failure::is_busy(result) => Self::Busy,
            None | Some(Pin::Other) => Self::Unknown,
        }
    }
}
