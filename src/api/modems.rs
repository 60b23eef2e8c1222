//! The routes of `/v1/modems`, and their wire types.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::request::Authorised;
use super::routes::App;
use super::wire;
use crate::gateway::{self, Control};

/// How long the network may take to answer a USSD code.
const USSD_TIMEOUT: Duration = Duration::from_secs(30);
/// 3GPP TS 22.030 section 6.5.2 strings are short; 3GPP TS 23.038 section 5 has room for 182 characters.
const LONGEST_USSD: usize = 182;

/// A modem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modem {
    /// Its name in the configuration.
    pub name: String,
    /// `absent`, `starting`, `ready`, `busy`, `recovering`, `paused` or `blocked`.
    pub state: String,
    /// An operator paused it: one that is busy or away gets no further messages and is `paused` once it is back.
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
    /// Tries that the SIM's PIN has left, while the SIM asks for it and the modem says how many.
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
    /// Different numbers that its SIM served this month (UTC).
    #[serde(default)]
    pub recipients_this_month: usize,
    /// How well its SIM sends, in percent: its part of full traffic.
    #[serde(default)]
    pub health: u8,
    /// `closed`; `open` while it gets no messages because they failed; `half-open` when the next is a trial.
    #[serde(default)]
    pub breaker: String,
    /// The last fault, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When that was last seen. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<String>,
    /// What went wrong on its port since the start, and was dealt with.
    #[serde(default)]
    pub counters: Counters,
}

/// What went wrong on a modem's port since the start of the daemon, and was dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Lines that nobody understood.
    pub dropped_lines: u64,
    /// Answers that came when nobody waited for them any more.
    pub late_lines: u64,
    /// Times that the dialogue had to be found again.
    pub resyncs: u64,
    /// Times that the port was opened again.
    pub reopens: u64,
    /// Restarts that the modem made by itself.
    pub restarts: u64,
    /// Notices that found no room.
    pub lost_notices: u64,
}

/// Every modem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modems {
    /// In the configuration's order.
    pub modems: Vec<Modem>,
}

/// What the network answered to a USSD request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ussd {
    /// Its text.
    pub text: String,
    /// The network waits for an answer: the next `code` is one.
    #[serde(default)]
    pub open: bool,
}

/// The last lines that went over a modem's port, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The oldest first.
    pub lines: Vec<TraceLine>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceLine {
    /// Milliseconds since.
    pub ago_ms: u64,
    /// `in` from the modem, `out` to it, `note` between them.
    pub direction: String,
    /// Heads, small numbers and the standard's words; the rest is left out.
    pub text: String,
}

impl From<&[gateway::Recorded]> for Trace {
    fn from(lines: &[gateway::Recorded]) -> Self {
        let line = |line: &gateway::Recorded| TraceLine {
            ago_ms: u64::try_from(line.ago.as_millis()).unwrap_or(u64::MAX),
            direction: line.direction.as_str().to_owned(),
            text: line.text.clone(),
        };
        Self { lines: lines.iter().map(line).collect() }
    }
}

/// `GET /v1/modems`.
pub(super) fn list(app: &App, request: &Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let modems = app.service.modems().iter().map(wire::Modem::from).collect();
    Ok(wire::json(StatusCode::OK, &wire::Modems { modems }))
}

/// `GET /v1/modems/{name}`.
pub(super) fn show(app: &App, request: &Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let modem = app.service.modem(&request.name())?;
    Ok(wire::json(StatusCode::OK, &wire::Modem::from(&modem)))
}

/// `POST /v1/modems/{name}/pause` and its like: answers the modem as it is after it.
pub(super) async fn control(app: &App, request: Authorised, control: Control) -> Result<Response, Problem> {
    request.query([])?;
    let name = request.name();
    request.no_fields().await?;
    app.service.control(name.clone(), control).await?;
    Ok(wire::json(StatusCode::OK, &wire::Modem::from(&app.service.modem(&name)?)))
}

/// `GET /v1/modems/{name}/trace`.
pub(super) async fn trace(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let lines = app.service.trace(request.name()).await?;
    Ok(wire::json(StatusCode::OK, &wire::Trace::from(&lines[..])))
}

/// `POST /v1/modems/{name}/ussd`: asks the network, answers it, or ends the dialogue.
pub(super) async fn ussd(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let name = request.name();
    let mut fields = request.fields(&["code", "cancel"]).await?;
    let code = if fields.flag("cancel")? { None } else { Some(fields.wanted_text("code")?) };
    // What goes into a quoted string of an AT command must not end it.
    let text = |c: char| c.is_ascii_alphanumeric() || "*#+.,:;-/()!?".contains(c);
    if code
        .as_ref()
        .is_some_and(|code| code.is_empty() || code.len() > LONGEST_USSD || !code.chars().all(text))
    {
        return Err(Problem::malformed("`code` must be a USSD code such as *100#"));
    }
    let control = Control::Ussd { code, timeout: USSD_TIMEOUT };
    let answer = app.service.control(name, control).await?.unwrap_or_default();
    Ok(wire::json(StatusCode::OK, &wire::Ussd { text: answer.text, open: answer.open }))
}

impl From<&gateway::ModemView> for Modem {
    fn from(m: &gateway::ModemView) -> Self {
        let facts = m.facts.clone();
        Self {
            name: m.name.clone(),
            state: facts.state.as_str().to_owned(),
            paused: facts.paused,
            port: facts.port,
            manufacturer: facts.equipment.manufacturer,
            model: facts.equipment.model,
            firmware: facts.equipment.firmware,
            imei: facts.equipment.imei,
            imsi: facts.sim.imsi,
            operator: facts.operator,
            registration: facts.registration.as_str().to_owned(),
            signal_dbm: facts.signal_dbm,
            queue: m.queue,
            sent_total: m.sent_total,
            failed_total: m.failed_total,
            pin_tries_left: facts.pin_tries,
            parts_today: m.standing.parts_today,
            parts_this_month: m.standing.parts_this_month,
            recipients_this_month: m.standing.recipients_this_month,
            health: m.standing.health,
            breaker: m.standing.circuit.as_str().to_owned(),
            last_error: facts.last_error,
            last_error_at: m.last_error_at.map(|at| at.to_string()),
            counters: facts.counters.into(),
        }
    }
}

impl From<gateway::Counters> for Counters {
    fn from(counters: gateway::Counters) -> Self {
        Self {
            dropped_lines: counters.dropped_lines,
            late_lines: counters.late_lines,
            resyncs: counters.resyncs,
            reopens: counters.reopens,
            restarts: counters.restarts,
            lost_notices: counters.lost_notices,
        }
    }
}
