//! The JSON of a modem: part of the API's contract, beside [`wire`](super::wire).

use serde::{Deserialize, Serialize};

use super::wire_operator::Canary;

/// A modem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Modem {
    /// Its name in the configuration.
    pub name: String,
    /// The host that it is plugged into, where several share the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `absent`, `starting`, `ready`, `busy`, `recovering`, `paused` or `blocked`.
    pub state: String,
    /// Whether an operator paused it: a paused modem that is busy or away gets no further messages and is
    /// `paused` once it is back.
    #[serde(default)]
    pub paused: bool,
    /// The port, as opened or configured.
    pub port: String,
    /// Empty until known.
    pub manufacturer: String,
    /// Empty until known.
    pub model: String,
    /// Empty until known.
    pub firmware: String,
    /// Empty until known.
    pub imei: String,
    /// The subscriber.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imsi: Option<String>,
    /// The network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// `home`, `roaming`, `searching`, `denied`, `not registered` or `unknown`.
    pub registration: String,
    /// In dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_dbm: Option<i32>,
    /// How many tries the SIM's PIN has left, while the SIM asks for the PIN and the modem says how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_tries_left: Option<u8>,
    /// Messages that only this modem may send and that wait.
    pub queue: usize,
    /// Messages sent since the start.
    pub sent_total: u64,
    /// Sends that failed since the start.
    pub failed_total: u64,
    /// Parts that its SIM sent today (UTC).
    #[serde(default)]
    pub parts_today: u32,
    /// Parts that its SIM sent this month (UTC).
    #[serde(default)]
    pub parts_this_month: u32,
    /// Parts of plain texts that its SIM may still send today (UTC); left out without a limit, and of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_parts_left_today: Option<u32>,
    /// The same this month (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_parts_left_this_month: Option<u32>,
    /// Different numbers that its SIM served this month (UTC).
    #[serde(default)]
    pub recipients_this_month: usize,
    /// How well its SIM sends, in percent of full traffic.
    #[serde(default)]
    pub health: u8,
    /// `closed`; `open` while it gets no messages because they failed; `half-open` when the next message is a trial.
    #[serde(default)]
    pub breaker: String,
    /// The last fault, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When that fault was last seen. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<String>,
    /// What went wrong on its port since the start, and was dealt with.
    #[serde(default)]
    pub counters: Counters,
    /// The last canary that it sent since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// What its section of the configuration allows; left out of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<ModemRules>,
}

/// What an operator allows a modem: the keys of its `[[modem]]`. What is left out does not limit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModemRules {
    /// Only numbers with these prefixes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<String>>,
    /// Parts in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_minute: Option<u32>,
    /// Parts in a day (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_day: Option<u32>,
    /// Parts in a month (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_month: Option<u32>,
    /// Different numbers in a month (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_recipients_per_month: Option<u32>,
    /// Percent of the limits of a day and of a month that only codes may use up.
    pub reserve: u8,
}

/// What went wrong on a modem's port since the start of the daemon, and was dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Lines that were not understood.
    pub dropped_lines: u64,
    /// Answers that came after their commands had been given up.
    pub late_lines: u64,
    /// How often the dialogue was resynchronised.
    pub resyncs: u64,
    /// How often the port was opened again.
    pub reopens: u64,
    /// How often the modem restarted by itself.
    pub restarts: u64,
    /// Notices for which there was no room.
    pub lost_notices: u64,
}

/// Every modem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Modems {
    /// In the configuration's order.
    pub modems: Vec<Modem>,
}
