//! The pace of a modem, measured: how long its last sends had the modem, from the moment at which the modem was given a
//! message to the end of the send, air time included; and what follows from it, when a group of modems can begin the
//! next part.

use std::collections::VecDeque;
use std::time::Duration;

use super::ModemRules;
use super::ledger::{Ledger, Periods};
use crate::clock::Steady;

/// The last sends of one modem.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    /// How long each had the modem, and how many parts it carried.
    sends: VecDeque<(Duration, u32)>,
    /// How long a part took before the start, while none was sent since.
    recalled: Option<Duration>,
}

/// Sends that are remembered.
const KEPT: usize = 8;
/// The longest time that a send counts for: no answer is awaited longer.
pub(super) const LONGEST: Duration = Duration::from_secs(180);

impl Pace {
    /// What is known from before the start.
    pub fn recall(&mut self, part: Option<Duration>) {
        self.recalled = part.map(|part| part.clamp(Duration::from_millis(1), LONGEST)).or(self.recalled);
    }

    /// Takes a send into account that had the modem for so long. One that carried nothing took its time as well.
    pub fn record(&mut self, took: Duration, parts: u32) {
        if self.sends.len() == KEPT {
            self.sends.pop_front();
        }
        self.sends.push_back((took.clamp(Duration::from_millis(1), LONGEST), parts));
    }

    /// How long the modem takes for a part, as a mean over its last sends without the slowest one: a single stall, or
    /// a clock that was set meanwhile, says nothing. Before the first send what is known from before the start, if anything
    /// is.
    pub fn part(&self) -> Option<Duration> {
        let slowest = self.sends.iter().enumerate().max_by_key(|(_, (took, _))| *took).map(|(i, _)| i);
        let without = slowest.filter(|_| self.sends.len() > 2);
        let counted =
            self.sends.iter().enumerate().filter(|(i, _)| Some(*i) != without).map(|(_, send)| send);
        let (took, parts) = counted.fold((Duration::ZERO, 0_u32), |(took, parts), send| {
            (took + send.0, parts.saturating_add(send.1))
        });
        if self.sends.is_empty() { self.recalled } else { Some(took / parts.max(1)) }
    }
}

/// When one modem can begin parts that carry codes, as far as that can be foreseen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Supply<'a> {
    /// It begins nothing before this instant.
    pub(super) free_at: Steady,
    /// When its SIM's limits and its breaker let it send, whatever it has on the air.
    pub(super) open_at: Steady,
    /// The parts that it has and that its SIM's ledger does not count yet.
    pub(super) has: u64,
    /// How long a part takes; nobody knows before the first send, and while that lasts it is at least as long as that.
    pub(super) part: Option<Duration>,
    /// Whether a send was measured.
    pub(super) is_measured: bool,
    pub(super) ledger: &'a Ledger,
    pub(super) rules: &'a ModemRules,
}

/// How long a part takes where no send was measured: longer than most modems take.
const UNMEASURED: Duration = Duration::from_secs(5);

impl Supply<'_> {
    /// The same for a promise: a pace that was not measured is expected to be a slow one.
    pub(super) fn with_care(self) -> Self {
        let slow = |part: Option<Duration>| part.unwrap_or_default().max(UNMEASURED);
        Self { part: if self.is_measured { self.part } else { Some(slow(self.part)) }, ..self }
    }

    /// How many parts it has begun by `at`, when it begins one after the other from `t` on.
    fn begun(&self, at: Steady, t: &Periods) -> u64 {
        if at < self.free_at {
            return 0;
        }
        let by_pace = self.part.map_or(u64::MAX, |part| {
            let parts = at.since(self.free_at).as_millis() / part.as_millis().max(1) + 1;
            u64::try_from(parts).unwrap_or(u64::MAX)
        });
        by_pace.min(self.ledger.codes_by(at, self.rules, t).saturating_sub(self.has))
    }
}

/// How many parts a group of modems has begun by `at`.
pub(super) fn begun(group: &[Supply<'_>], at: Steady, t: &Periods) -> u64 {
    group.iter().fold(0, |sum, supply| sum.saturating_add(supply.begun(at, t)))
}

/// When a group of modems begins the part with this number, counted from 1; `None` when that is not before `until`.
pub(super) fn begins(group: &[Supply<'_>], part: u64, until: Steady, t: &Periods) -> Option<Steady> {
    let (mut early, mut late) = (t.now.as_millis(), t.now.as_millis());
    // Most parts begin soon.
    let mut step = 500;
    while begun(group, Steady::from_millis(late), t) < part {
        if late >= until.as_millis() {
            return None;
        }
        (early, late, step) = (late + 1, (late + step).min(until.as_millis()), step * 2);
    }
    while early < late {
        let middle = early + (late - early) / 2;
        if begun(group, Steady::from_millis(middle), t) < part {
            early = middle + 1;
        } else {
            late = middle;
        }
    }
    Some(Steady::from_millis(early))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Ahead;

    const START: Steady = Steady::from_millis(1_780_000_040_000);

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn after(n: u64) -> Steady {
        START.plus(seconds(n))
    }

    fn supply<'a>(ledger: &'a Ledger, rules: &'a ModemRules, free: u64, part: u64) -> Supply<'a> {
        let (part, is_measured) = (Some(seconds(part)), true);
        Supply { free_at: after(free), open_at: START, has: 0, part, is_measured, ledger, rules }
    }

    #[test]
    fn a_part_takes_what_the_last_sends_took() {
        let mut pace = Pace::default();
        assert_eq!(pace.part(), None);
        pace.record(seconds(3), 1);
        assert_eq!(pace.part(), Some(seconds(3)));
        pace.record(seconds(6), 2);
        assert_eq!(pace.part(), Some(seconds(3)));
        pace.record(seconds(7200), 1);
        assert_eq!(pace.part(), Some(seconds(3)), "one stall says nothing");
        pace.record(seconds(6), 0);
        assert_eq!(pace.part(), Some(seconds(5)), "a send that fails takes its time");
        for _ in 0..KEPT {
            pace.record(seconds(1), 1);
        }
        assert_eq!(pace.part(), Some(seconds(1)), "what was long ago is forgotten");
        pace.record(Duration::ZERO, 1);
        assert!(pace.part().unwrap() > Duration::ZERO);
    }

    #[test]
    fn what_was_known_before_the_start_counts_until_the_first_send() {
        let mut pace = Pace::default();
        pace.recall(None);
        assert_eq!(pace.part(), None);
        pace.recall(Some(seconds(3)));
        pace.recall(None);
        assert_eq!(pace.part(), Some(seconds(3)), "nothing is known better");
        pace.record(seconds(9), 1);
        pace.recall(Some(seconds(4)));
        assert_eq!(pace.part(), Some(seconds(9)), "what is measured");
    }

    #[test]
    fn modems_share_what_waits() {
        let (ledger, rules, t) =
            (Ledger::default(), ModemRules::default(), Periods::at(START, Ahead::default()));
        let one = [supply(&ledger, &rules, 1, 3)];
        let at = |group: &[Supply<'_>], part| {
            begins(group, part, after(100), &t).map(|at| at.since(START).as_secs())
        };
        assert_eq!([1, 2, 3].map(|part| at(&one, part)), [Some(1), Some(4), Some(7)]);
        let two = [one[0], supply(&ledger, &rules, 0, 6)];
        assert_eq!([1, 2, 3, 4, 5].map(|part| at(&two, part)), [Some(0), Some(1), Some(4), Some(6), Some(7)]);
        assert_eq!(at(&two, 1000), None);
        assert_eq!(at(&[], 1), None);
        let unknown = [Supply { part: None, ..one[0] }];
        assert_eq!(at(&unknown, 1_000_000), Some(1), "before the first send nobody knows");
    }

    #[test]
    fn the_limits_of_a_sim_are_part_of_its_pace() {
        // START is 40 s before the end of its minute.
        let (mut ledger, t) = (Ledger::default(), Periods::at(START, Ahead::default()));
        ledger.record(1, &t);
        let rules = ModemRules { max_per_minute: Some(3), ..ModemRules::default() };
        let group = [supply(&ledger, &rules, 0, 2)];
        let at = |part| begins(&group, part, after(600), &t).map(|at| at.since(START).as_secs());
        assert_eq!([1, 2, 3, 5, 6].map(at), [Some(0), Some(2), Some(40), Some(40), Some(100)]);
        let rules = ModemRules { max_per_day: Some(2), ..ModemRules::default() };
        let group = [supply(&ledger, &rules, 0, 2)];
        assert_eq!(begins(&group, 2, after(600), &t), None, "not today");
        let rules = ModemRules { max_per_month: Some(2), ..ModemRules::default() };
        let group = [supply(&ledger, &rules, 0, 2)];
        assert_eq!([1, 2].map(|part| begins(&group, part, after(600), &t).is_some()), [true, false]);
    }

    proptest! {
        /// The instant that is found is the first at which so many parts have begun.
        #[test]
        fn the_first_instant_is_found(
            modems in prop::collection::vec((0_u64..20_000, 1_u64..9_000), 1..5),
            part in 1_u64..40,
        ) {
            let (ledger, rules, t) = (Ledger::default(), ModemRules::default(), Periods::at(START, Ahead::default()));
            let millis = Duration::from_millis;
            let group: Vec<_> = modems.iter().map(|&(free, part)| Supply {
                free_at: START.plus(millis(free)),
                part: Some(millis(part)),
                ..supply(&ledger, &rules, 0, 1)
            }).collect();
            let found = begins(&group, part, START.plus(seconds(3600)), &t).unwrap();
            prop_assert!(begun(&group, found, &t) >= part);
            prop_assert!(found == START || begun(&group, found.minus(millis(1)), &t) < part);
        }
    }
}
