//! The parts of a script that act: answers, unsolicited lines, faults.

use std::time::Duration;

use serde::Deserialize;

use super::{CardState, Delay, Hex};
use crate::faults::{Fault, FaultKind, Point};
use crate::hang::Cure;

/// An answer that is tried before the built-in one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The command with its `AT`, in upper or lower case. With `*` as the last character, it is every command
    /// that begins so.
    pub command: String,
    /// Information lines.
    #[serde(default)]
    pub lines: Vec<String>,
    /// The final result. Empty means none, as for `AT+CPIN?` of a Wavecom.
    #[serde(default = "ok")]
    pub result: String,
    /// How long the answer takes.
    #[serde(default)]
    pub delay_ms: Delay,
    /// How often this answer is given at most.
    pub times: Option<u32>,
    /// Only as long as this mark is not set.
    pub unless: Option<String>,
    /// What changes.
    #[serde(default)]
    pub set: Change,
    /// The change happens, and the built-in answer follows instead of these lines.
    #[serde(default)]
    pub usual: bool,
}

fn ok() -> String {
    "OK".to_owned()
}

/// A change of the modem's state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// A mark, for the `unless` of another answer.
    pub mark: Option<String>,
    /// The echo.
    pub echo: Option<bool>,
    /// The service centre.
    pub smsc: Option<String>,
    /// The SIM's lock.
    pub card: Option<CardState>,
    /// The registration.
    pub registration: Option<u8>,
    /// Whether periodic lines are written.
    pub periodic: Option<bool>,
    /// The modem restarts.
    pub restart: bool,
}

/// Unsolicited lines.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawUnsolicited")]
pub struct Unsolicited {
    /// When they come.
    pub at: Moment,
    /// The lines, each framed on its own.
    pub lines: Vec<String>,
    /// How often: 1 is always.
    pub probability: f64,
    /// At most this many times.
    pub times: Option<u32>,
}

/// When unsolicited lines come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// At power-on, this long after it.
    Start(Delay),
    /// Before the first octet of a command is echoed.
    BeforeEcho,
    /// Between a command and its answer.
    BeforeAnswer,
    /// Between `AT+CMGS` and its prompt.
    BeforePrompt,
    /// Between Ctrl-Z and `+CMGS: n`.
    BeforeReference,
    /// Right after an `OK`, in the same write.
    AfterOk,
    /// Periodically.
    Every(Delay),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUnsolicited {
    at: RawMoment,
    lines: Vec<String>,
    every_ms: Option<Delay>,
    after_ms: Option<Delay>,
    probability: Option<Probability>,
    times: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawMoment {
    Start,
    BeforeEcho,
    BeforeAnswer,
    BeforePrompt,
    BeforeReference,
    AfterOk,
    Every,
}

impl TryFrom<RawUnsolicited> for Unsolicited {
    type Error = &'static str;

    fn try_from(raw: RawUnsolicited) -> Result<Self, Self::Error> {
        let at = match (raw.at, raw.every_ms, raw.after_ms) {
            (RawMoment::Every, Some(period), None) if !period.shortest.is_zero() => Moment::Every(period),
            (RawMoment::Every, ..) => {
                return Err("at = \"every\" needs every_ms, more than 0, and no after_ms");
            }
            (RawMoment::Start, None, after) => Moment::Start(after.unwrap_or_default()),
            (_, Some(_), _) => return Err("every_ms goes with at = \"every\" only"),
            (_, _, Some(_)) => return Err("after_ms goes with at = \"start\" only"),
            (RawMoment::BeforeEcho, ..) => Moment::BeforeEcho,
            (RawMoment::BeforeAnswer, ..) => Moment::BeforeAnswer,
            (RawMoment::BeforePrompt, ..) => Moment::BeforePrompt,
            (RawMoment::BeforeReference, ..) => Moment::BeforeReference,
            (RawMoment::AfterOk, ..) => Moment::AfterOk,
        };
        Ok(Self { at, lines: raw.lines, probability: raw.probability.map_or(1.0, |p| p.0), times: raw.times })
    }
}

#[derive(Deserialize)]
#[serde(try_from = "f64")]
struct Probability(f64);

impl TryFrom<f64> for Probability {
    type Error = &'static str;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err("a probability goes from 0.0 to 1.0") }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFault {
    kind: RawKind,
    at: Option<Point>,
    code: Option<u16>,
    result: Option<String>,
    octets: Option<Hex>,
    after_ms: Option<u64>,
    cured_by: Option<Cure>,
    probability: Option<Probability>,
    every: Option<u32>,
    times: Option<u32>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum RawKind {
    Refuse,
    CmsError,
    LoseOk,
    LoseResult,
    LateResult,
    OkWithoutReference,
    NoPrompt,
    HangUp,
    Hang,
    Garbage,
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawFault::deserialize(deserializer)?;
        fault(raw).map_err(serde::de::Error::custom)
    }
}

fn fault(raw: RawFault) -> Result<Fault, String> {
    let after = raw.after_ms.map(Duration::from_millis);
    let kind = match (raw.kind, raw.code, raw.result, raw.octets) {
        (RawKind::CmsError, Some(code), None, None) => FaultKind::CmsError(code),
        (RawKind::CmsError, ..) => return Err("kind = \"cms-error\" needs code, as 38".to_owned()),
        (_, Some(_), ..) => return Err("code goes with kind = \"cms-error\" only".to_owned()),
        (RawKind::Refuse, _, result, None) => FaultKind::Refuse(result.unwrap_or_else(|| "ERROR".to_owned())),
        (_, _, Some(_), _) => return Err("result goes with kind = \"refuse\" only".to_owned()),
        (RawKind::Garbage, _, _, octets) => {
            FaultKind::Garbage(octets.map_or_else(|| vec![0xF0, 0x00, 0xFE], |hex| hex.0))
        }
        (_, _, _, Some(_)) => return Err("octets goes with kind = \"garbage\" only".to_owned()),
        (RawKind::LateResult, ..) => FaultKind::LateResult(
            after.ok_or("kind = \"late-result\" needs after_ms, the time by which it is late")?,
        ),
        (RawKind::HangUp, ..) => FaultKind::HangUp(after),
        (RawKind::Hang, ..) => match (raw.cured_by, after) {
            (Some(_), Some(_)) => return Err("give either cured_by or after_ms, not both".to_owned()),
            (Some(cure), None) => FaultKind::HangUntil(cure),
            (None, after) => FaultKind::Hang(after),
        },
        (RawKind::LoseOk, ..) => FaultKind::LoseOk,
        (RawKind::LoseResult, ..) => FaultKind::LoseResult,
        (RawKind::OkWithoutReference, ..) => FaultKind::OkWithoutReference,
        (RawKind::NoPrompt, ..) => FaultKind::NoPrompt,
    };
    let takes_time = matches!(kind, FaultKind::LateResult(_) | FaultKind::HangUp(_) | FaultKind::Hang(_));
    if raw.cured_by.is_some() && !matches!(kind, FaultKind::HangUntil(_)) {
        return Err("cured_by goes with kind = \"hang\" only".to_owned());
    }
    if raw.after_ms.is_some() && !takes_time {
        return Err("after_ms goes with the kinds late-result, hang-up and hang only".to_owned());
    }
    let mut fault = Fault::new(kind);
    if let Some(point) = raw.at {
        if !fault.kind.points().contains(&point) {
            let able: Vec<_> = fault.kind.points().iter().map(|p| format!("{p:?}").to_lowercase()).collect();
            return Err(format!("this kind of fault happens at {} only", able.join(", ")));
        }
        fault = fault.at(point);
    }
    fault = match (raw.probability, raw.every) {
        (Some(_), Some(_)) => return Err("give either probability or every, not both".to_owned()),
        (Some(p), None) => fault.probability(p.0),
        (None, Some(0)) => return Err("every counts from 1".to_owned()),
        (None, Some(n)) => fault.every(n),
        (None, None) => fault,
    };
    Ok(match raw.times {
        Some(times) => fault.times(times),
        None => fault,
    })
}
