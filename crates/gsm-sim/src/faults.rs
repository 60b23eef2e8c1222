//! Faults that a simulated modem has on purpose: which one, where in the dialogue, how often. The random
//! numbers are seeded, so a run that failed fails again.

use std::time::Duration;

use super::hang::Cure;

/// A seeded source of numbers (SplitMix64): the same seed gives the same run on every machine.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(super) const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(super) const fn between(&mut self, low: u64, high: u64) -> u64 {
        if high <= low {
            return low;
        }
        match (high - low).checked_add(1) {
            Some(span) => low + self.roll() % span,
            None => self.roll(),
        }
    }

    /// Whether an event of this probability happens now.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        // The upper 53 bits are exact in an f64.
        #[allow(clippy::cast_precision_loss)]
        let share = (self.roll() >> 11) as f64 / (1_u64 << 53) as f64;
        share < probability
    }
}

/// A point of the dialogue where something may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// A command line has been read and nothing is answered yet.
    Command,
    /// `AT+CMGS` has been understood and its prompt is not written yet.
    Prompt,
    /// Ctrl-Z has been read, and the network does not have the message yet.
    Body,
    /// The network has the message and the result is not written yet.
    Accepted,
    /// The result is written.
    Result,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// The command is refused with this final result line. Possible at [`Point::Command`].
    Refuse(String),
    /// The message is refused with `+CMS ERROR: n`: at [`Point::Body`] after the air time, at
    /// [`Point::Prompt`] instead of the prompt. The network never sees the message.
    CmsError(u16),
    /// The final `OK` is missing: at [`Point::Accepted`] after `+CMGS: n`, or at [`Point::Command`].
    LoseOk,
    /// The modem gives no answer at all and goes on with the next command. At [`Point::Accepted`] the message
    /// did reach the phone, at [`Point::Body`] it did not. Also possible at [`Point::Command`].
    LoseResult,
    /// `+CMGS: n` and `OK` come this much later, while the modem already serves other commands. Possible at
    /// [`Point::Accepted`].
    LateResult(Duration),
    /// The modem answers `OK` without `+CMGS: n`, at [`Point::Accepted`], or at [`Point::Body`] without
    /// sending anything, as a Siemens MC55 does at its factory setting.
    OkWithoutReference,
    /// `AT+CMGS` gets neither a prompt nor an error. Possible at [`Point::Prompt`].
    NoPrompt,
    /// The port vanishes, and comes back after this time or when the modem is plugged in again. Possible at
    /// every point.
    HangUp(Option<Duration>),
    /// The modem reads and answers nothing more, for this time or until it is unhung or plugged in again.
    /// Periodic lines go on, as seen on Huawei sticks. Possible at every point.
    Hang(Option<Duration>),
    /// The modem hangs until this cure is applied. Possible at every point.
    HangUntil(Cure),
    /// These octets are written, and nothing else changes. Possible at every point.
    Garbage(Vec<u8>),
}

impl FaultKind {
    /// The points where this fault can happen. The first one is the default.
    pub(super) const fn points(&self) -> &'static [Point] {
        use Point::{Accepted, Body, Command, Prompt, Result};
        match self {
            Self::Refuse(_) => &[Command],
            Self::CmsError(_) => &[Body, Prompt],
            Self::LoseOk => &[Accepted, Command],
            Self::LoseResult => &[Accepted, Body, Command],
            Self::LateResult(_) => &[Accepted],
            Self::OkWithoutReference => &[Accepted, Body],
            Self::NoPrompt => &[Prompt],
            Self::HangUp(_) | Self::Hang(_) | Self::HangUntil(_) => {
                &[Accepted, Command, Prompt, Body, Result]
            }
            Self::Garbage(_) => &[Command, Prompt, Body, Accepted, Result],
        }
    }
}

/// How often a fault happens.
#[derive(Debug, Clone, Copy, PartialEq)]
enum When {
    Always,
    Probability(f64),
    Every(u32),
}

/// A fault, where it happens and how often.
///
/// ```
/// use gsm_sim::{Fault, FaultKind, Point};
/// let twice = Fault::new(FaultKind::CmsError(38)).times(2);
/// let often = Fault::new(FaultKind::HangUp(None)).at(Point::Body).probability(0.05);
/// # let _ = (twice, often);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub(super) kind: FaultKind,
    pub(super) point: Point,
    when: When,
    left: Option<u32>,
    passed: u32,
}

impl Fault {
    /// A fault that happens each time, at the default point of its kind.
    pub fn new(kind: FaultKind) -> Self {
        let point = kind.points()[0];
        Self { kind, point, when: When::Always, left: None, passed: 0 }
    }

    /// Moves the fault to another point. At a point where the kind has no meaning, the fault has no effect.
    #[must_use]
    pub const fn at(mut self, point: Point) -> Self {
        self.point = point;
        self
    }

    /// Limits the fault to `times` times.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    /// Gives the fault a probability from 0 to 1.
    #[must_use]
    pub const fn probability(mut self, probability: f64) -> Self {
        self.when = When::Probability(probability);
        self
    }

    /// Limits the fault to each `n`-th occasion.
    #[must_use]
    pub const fn every(mut self, n: u32) -> Self {
        self.when = When::Every(n);
        self
    }
}

/// The faults of one modem.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) const fn new(faults: Vec<Fault>) -> Self {
        Self(faults)
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault that happens at `point` now, if any: the first one in the order in which they were added.
    pub(super) fn happening(&mut self, point: Point, dice: &mut Dice) -> Option<FaultKind> {
        self.0.retain(|fault| fault.left != Some(0));
        self.0.iter_mut().find_map(|fault| {
            if fault.point != point || !fault.kind.points().contains(&point) {
                return None;
            }
            fault.passed = fault.passed.wrapping_add(1);
            let happens = match fault.when {
                When::Always => true,
                When::Probability(p) => dice.happens(p),
                When::Every(n) => n > 0 && fault.passed.is_multiple_of(n),
            };
            if !happens {
                return None;
            }
            fault.left = fault.left.map(|left| left.saturating_sub(1));
            Some(fault.kind.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_run() {
        let run = |seed| {
            let mut dice = Dice::new(seed);
            (0..50).map(|_| dice.happens(0.3)).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let mut dice = Dice::new(1);
        let hits = (0..10_000).filter(|_| dice.happens(0.25)).count();
        assert!((2_300..2_700).contains(&hits), "{hits}");
        assert!((0..1000).all(|_| (3..=5).contains(&dice.between(3, 5))));
        assert_eq!(dice.between(9, 9), 9);
        assert!(!dice.happens(0.0));
        assert!(dice.happens(1.0));
    }

    #[test]
    fn counters_points_and_order() {
        let mut dice = Dice::new(0);
        let mut faults = Faults::new(vec![
            Fault::new(FaultKind::CmsError(38)).times(2),
            Fault::new(FaultKind::CmsError(42)).every(2),
            Fault::new(FaultKind::NoPrompt).at(Point::Result),
        ]);
        let mut at = |point| faults.happening(point, &mut dice);
        assert_eq!(at(Point::Command), None);
        assert_eq!(at(Point::Body), Some(FaultKind::CmsError(38)));
        assert_eq!(at(Point::Body), Some(FaultKind::CmsError(38)));
        assert_eq!(at(Point::Body), None);
        assert_eq!(at(Point::Body), Some(FaultKind::CmsError(42)));
        assert_eq!(at(Point::Result), None, "a kind without meaning at its point has no effect");
    }
}
