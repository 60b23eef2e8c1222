//! What waits, as work: the parts of the codes, by the modems that may carry them and by the second in which they are
//! overdue.
//!
//! A lane is a set of modems that the routes of numbers lead to. Most installations have one lane, of all modems.

use std::collections::BTreeMap;

use super::ModemRules;
use crate::clock::Steady;
use crate::phone::PhoneNumber;

/// The number of a lane.
pub(super) type Lane = usize;

/// One code that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) lane: Lane,
    pub(super) parts: u64,
    /// When it can no longer be sent in time.
    pub(super) overdue_at: Steady,
}

/// All codes that wait.
#[derive(Debug, Default)]
pub(super) struct Load {
    rules: Vec<ModemRules>,
    /// The modems of each lane, in order.
    lanes: Vec<Vec<usize>>,
    /// What waits in each lane.
    work: Vec<Work>,
}

/// The parts that wait in one lane.
#[derive(Debug, Default)]
struct Work {
    all: u64,
    /// By the second in which they are overdue.
    seconds: BTreeMap<u64, u64>,
}

impl Load {
    /// Nothing waits, for modems with these rules.
    pub(super) fn new(rules: Vec<ModemRules>) -> Self {
        Self { rules, ..Self::default() }
    }

    /// The lane of a number.
    pub(super) fn lane(&mut self, to: &PhoneNumber) -> Lane {
        let may = |rules: &ModemRules| rules.route(to).is_some();
        let modems: Vec<_> = (0..self.rules.len()).filter(|&i| may(&self.rules[i])).collect();
        if let Some(lane) = self.lanes.iter().position(|known| *known == modems) {
            return lane;
        }
        self.lanes.push(modems);
        self.work.push(Work::default());
        self.lanes.len() - 1
    }

    /// The modems of a lane.
    pub(super) fn modems(&self, lane: Lane) -> &[usize] {
        self.lanes.get(lane).map_or(&[], Vec::as_slice)
    }

    /// The lanes in which something waits.
    pub(super) fn lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        (0..self.work.len()).filter(|&lane| self.work[lane].all > 0)
    }

    /// The parts that wait in a lane.
    pub(super) fn parts(&self, lane: Lane) -> u64 {
        self.work.get(lane).map_or(0, |work| work.all)
    }

    /// The same by the second in which they are overdue.
    pub(super) fn seconds(&self, lane: Lane) -> impl Iterator<Item = (u64, u64)> + '_ {
        let work = self.work.get(lane).into_iter();
        work.flat_map(|work| &work.seconds).map(|(&second, &parts)| (second, parts))
    }

    pub(super) fn add(&mut self, item: &Item) {
        if let Some(work) = self.work.get_mut(item.lane) {
            work.all += item.parts;
            *work.seconds.entry(second(item.overdue_at)).or_default() += item.parts;
        }
    }

    pub(super) fn take(&mut self, item: &Item) {
        if let Some(work) = self.work.get_mut(item.lane) {
            work.all = work.all.saturating_sub(item.parts);
            subtract(&mut work.seconds, second(item.overdue_at), item.parts);
        }
    }
}

fn second(at: Steady) -> u64 {
    at.as_millis() / 1000
}

fn subtract(counts: &mut BTreeMap<u64, u64>, second: u64, parts: u64) {
    if let Some(count) = counts.get_mut(&second) {
        *count = count.saturating_sub(parts);
        if *count == 0 {
            counts.remove(&second);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_lead_to_lanes() {
        let routes = |of: &[&str]| ModemRules {
            routes: Some(of.iter().map(ToString::to_string).collect()),
            ..ModemRules::default()
        };
        let mut load = Load::new(vec![ModemRules::default(), routes(&["+41", "+49"]), routes(&["+4179"])]);
        let mut modems = |to: &str| {
            let lane = load.lane(&to.parse().unwrap());
            load.modems(lane).to_vec()
        };
        assert_eq!(modems("+41791234567"), [0, 1, 2]);
        assert_eq!(modems("+491791234567"), [0, 1]);
        assert_eq!(modems("+33712345678"), [0]);
        assert_eq!(modems("+41761234567"), [0, 1]);
        assert_eq!(load.lanes.len(), 3);
    }

    #[test]
    fn what_is_taken_leaves_nothing_behind() {
        let mut load = Load::new(vec![ModemRules::default()]);
        let lane = load.lane(&"+41791234567".parse().unwrap());
        let item = |parts, at| Item { lane, parts, overdue_at: Steady::from_millis(at) };
        let items = [item(2, 5_100), item(1, 5_900), item(1, 7_000)];
        for item in &items {
            load.add(item);
        }
        assert_eq!((load.parts(lane), load.seconds(lane).collect()), (4, vec![(5, 3), (7, 1)]));
        for item in &items {
            load.take(item);
        }
        assert_eq!((load.lanes().count(), load.seconds(lane).count()), (0, 0));
    }
}
