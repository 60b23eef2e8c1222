//! The guard against SMS pumping: somebody has codes sent to numbers that earn him money, and nobody enters them. Codes that
//! nobody entered have a budget for each country and for each prefix, which grows with those that people do enter; and
//! many neighbouring numbers within an hour are no people.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Bucket, Rate, Standing, Window};
use crate::clock::Steady;
use crate::phone::{Country, PhoneNumber, Range};

/// How long codes that were entered speak for their country and their prefix.
const PROVEN: Rate = Rate { count: u32::MAX, per: Duration::from_secs(14 * 86_400) };
/// How many codes that were entered allow one that was not.
const PROVEN_FOR_ONE: u32 = 3;
/// How long a number is a neighbour.
pub const NEIGHBOURS: Duration = Duration::from_secs(3600);
/// Numbers that are less than this apart are neighbours.
const REACH: u32 = 500;
/// The last digits in which numbers of a block differ: half as many numbers again as neighbours to both sides.
const LAST_DIGITS: usize = 3;
const IN_BLOCK: u32 = 1000;

/// The policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pumping {
    /// What is done about codes to other countries than those of the SIMs.
    pub abroad: Action,
    /// The same about codes to the countries of the SIMs.
    pub home: Action,
    /// Codes that nobody entered, to one country or prefix; a third of those that were entered, when that is more.
    pub unverified: Rate,
    /// How many neighbouring numbers get codes within an hour, wherever they are; 0: all.
    pub adjacent: u32,
}

/// What is done when a budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The code is refused.
    Enforce,
    /// The code goes out, and that it would have been refused is told.
    Record,
    /// Nothing is counted.
    Off,
}

impl Action {
    /// By their names.
    pub const NAMES: [(&str, Self); 3] =
        [("enforce", Self::Enforce), ("record", Self::Record), ("off", Self::Off)];
}

/// The two rules of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PumpingRule {
    /// Too many codes were not entered.
    Unverified,
    /// Too many neighbours got codes.
    Adjacent,
}

impl PumpingRule {
    /// Both, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Unverified, Self::Adjacent];

    /// Its key in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Adjacent => "adjacent",
        }
    }
}

impl Default for Pumping {
    fn default() -> Self {
        let unverified = Rate { count: 30, per: Duration::from_secs(86_400) };
        Self { abroad: Action::Enforce, home: Action::Record, unverified, adjacent: 20 }
    }
}

impl Pumping {
    /// The policy that counts and refuses nothing.
    pub fn off() -> Self {
        Self { abroad: Action::Off, home: Action::Off, adjacent: 0, ..Self::default() }
    }

    /// What is done about codes to numbers of this range. While no SIM's country is known, no country is abroad.
    pub fn action(&self, range: Range, sims: &BTreeSet<Country>) -> Action {
        let at_home = sims.is_empty() || range.place().is_some_and(|place| sims.contains(&place));
        if at_home { self.home } else { self.abroad }
    }

    /// The groups in which a code to this number counts: its country and its prefix.
    pub fn groups(&self, to: &PhoneNumber, range: Range) -> [Group; 2] {
        let country = range.place().map_or_else(|| format!("+{}", range.calling_code), |c| c.to_string());
        let group = |of, name: &str| Group {
            of,
            unverified: format!("unverified {name} {}", self.unverified.per.as_secs()),
            verified: format!("verified {name}"),
        };
        [group("country", &country), group("prefix", to.prefix())]
    }

    /// The place of this number among its neighbours, when they are counted.
    pub fn neighbourhood(&self, to: &PhoneNumber) -> Option<Neighbourhood> {
        let digits = to.digits();
        let (block, last) = digits.split_at_checked(digits.len().checked_sub(LAST_DIGITS)?)?;
        let (block, place): (u64, u32) = (block.parse().ok()?, last.parse().ok()?);
        let key = |block: u64| format!("near {block}");
        let (beside, ahead) =
            if place < REACH { (block.checked_sub(1), false) } else { (block.checked_add(1), true) };
        (self.adjacent > 0).then(|| Neighbourhood {
            key: key(block),
            beside: beside.map(key),
            ahead,
            place,
            most: self.adjacent,
        })
    }
}

/// Numbers whose codes that nobody entered have one budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What its numbers have in common: `country` or `prefix`.
    pub of: &'static str,
    /// The name of the window of codes that nobody entered.
    pub unverified: String,
    /// The name of the window of codes that were entered.
    pub verified: String,
}

/// What became of the codes of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Messages with codes that nobody entered until now.
    pub unverified: Window,
    /// Codes that were entered.
    pub verified: Window,
}

impl Tally {
    /// When both windows have nothing that counts any more, after a change at `now`.
    pub fn expire_at(policy: &Pumping, now: Steady) -> (Steady, Steady) {
        (now.plus(policy.unverified.per), now.plus(PROVEN.per))
    }

    /// The budget, and how the codes that nobody entered stand against it.
    pub fn standing(&self, policy: &Pumping, now: Steady) -> (Rate, Standing) {
        let proven = self.verified.standing(PROVEN, now).used / PROVEN_FOR_ONE;
        let budget = Rate { count: policy.unverified.count.max(proven), ..policy.unverified };
        (budget, self.unverified.standing(budget, now))
    }

    /// A message with a code goes out.
    pub fn issued(&mut self, policy: &Pumping, now: Steady) {
        // The budget grows, so the window is always one of buckets.
        self.unverified.add(Rate { count: u32::MAX, ..policy.unverified }, now);
    }

    /// A code was entered that went out in so many messages, the first of them at `issued_at`.
    pub fn entered(&mut self, issued_at: Steady, messages: u32, now: Steady) {
        self.unverified.take_back(issued_at, messages);
        self.verified.add(PROVEN, now);
    }
}

/// A number among its neighbours, which are less than 500 apart from it. Blocks of a thousand have a window each, and the
/// neighbours of a number stand in its own block and in the one beside it that is nearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbourhood {
    /// The name of the window of its block.
    pub key: String,
    /// The name of the window of the block beside it.
    pub beside: Option<String>,
    /// Whether that block comes behind its own.
    ahead: bool,
    /// Its place in its block: the last three digits.
    place: u32,
    /// How many neighbours get codes within an hour.
    pub most: u32,
}

impl Neighbourhood {
    /// How the number stands among its neighbours, by the windows of its block and of the one beside it. One that got a code
    /// is no further one.
    ///
    /// A window has one bucket for each number, whose count is the place of that number in its block.
    pub fn standing(&self, own: &Window, beside: &Window, now: Steady) -> Standing {
        let place = |bucket: &Bucket| bucket.count;
        let own = recent(own, now).filter(|b| place(b).abs_diff(self.place) < REACH);
        let far = |b: &&Bucket| {
            let (nearer, farther) = if self.ahead { (self.place, place(b)) } else { (place(b), self.place) };
            farther + IN_BLOCK - nearer < REACH
        };
        let mut live: Vec<(Steady, bool)> = own.map(|b| (b.last, place(b) == self.place)).collect();
        let known = live.iter().any(|(_, is_it)| *is_it);
        live.extend(recent(beside, now).filter(far).map(|b| (b.last, false)));
        live.sort_unstable();
        let used = u32::try_from(live.len()).unwrap_or(u32::MAX);
        let leaves = |(last, _): &(Steady, bool)| last.plus(NEIGHBOURS);
        let over = used.checked_sub(self.most).filter(|_| !known);
        let retry_at = over.and_then(|over| live.get(usize::try_from(over).ok()?)).map(leaves);
        let resets_at = retry_at.or_else(|| live.first().map(leaves)).unwrap_or(now);
        Standing { used, retry_at, resets_at }
    }

    /// The number gets a code: it is the newest of its block.
    pub fn add(&self, own: &Window, now: Steady) -> Window {
        let others = recent(own, now).filter(|bucket| bucket.count != self.place).copied();
        Window { buckets: others.chain([Bucket { first: now, last: now, count: self.place }]).collect() }
    }
}

/// Those of the last hour, oldest first.
fn recent(neighbours: &Window, now: Steady) -> impl Iterator<Item = &Bucket> {
    let from = now.minus(NEIGHBOURS);
    neighbours.buckets.iter().filter(move |bucket| bucket.last > from && bucket.last <= now)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Steady = Steady::from_millis(1_780_000_000_000);

    fn minutes(n: u64) -> Steady {
        START.plus(Duration::from_secs(60 * n))
    }

    fn number(text: &str) -> PhoneNumber {
        text.parse().unwrap()
    }

    #[test]
    fn abroad_is_where_no_sim_is_at_home() {
        let policy = Pumping::default();
        let swiss = BTreeSet::from(["CH".parse().unwrap()]);
        let action = |to: &str, sims: &BTreeSet<Country>| policy.action(number(to).range(), sims);
        assert_eq!(action("+41791234567", &swiss), Action::Record);
        assert_eq!(action("+4915122334455", &swiss), Action::Enforce);
        assert_eq!(action("+881612345678", &swiss), Action::Enforce, "of no country");
        assert_eq!(action("+4915122334455", &BTreeSet::new()), Action::Record, "no SIM was seen yet");
    }

    /// What is counted goes on under these names over an update of the program.
    #[test]
    fn each_window_has_a_name_of_its_own_and_keeps_it() {
        let policy = Pumping::default();
        let names = |to: &str| {
            policy.groups(&number(to), number(to).range()).map(|group| (group.unverified, group.verified))
        };
        let of = |name: &str| (format!("unverified {name} 86400"), format!("verified {name}"));
        assert_eq!(names("+41791234567"), [of("CH"), of("4179123")]);
        assert_eq!(names("+881612345678"), [of("+881"), of("8816123")]);
        let near = |to: &str| {
            let of = policy.neighbourhood(&number(to)).unwrap();
            (of.key, of.beside.unwrap())
        };
        assert_eq!(near("+41791234567"), ("near 41791234".to_owned(), "near 41791235".to_owned()));
        assert_eq!(near("+41791234499"), ("near 41791234".to_owned(), "near 41791233".to_owned()));
        assert_eq!(Pumping::off().neighbourhood(&number("+41791234567")), None);
    }

    #[test]
    fn the_budget_is_a_third_of_what_was_entered_when_that_is_more() {
        let policy = Pumping { unverified: "3/1h".parse().unwrap(), ..Pumping::default() };
        let mut tally = Tally::default();
        for n in 0..3 {
            assert_eq!(tally.standing(&policy, minutes(n)).1.retry_at, None);
            tally.issued(&policy, minutes(n));
        }
        assert_eq!(tally.standing(&policy, minutes(3)).1.retry_at, Some(minutes(60)));
        tally.entered(minutes(1), 1, minutes(4));
        assert_eq!(
            tally.standing(&policy, minutes(4)).1,
            Standing { used: 2, retry_at: None, resets_at: minutes(60) }
        );
        for _ in 0..14 {
            tally.issued(&policy, minutes(5));
            tally.entered(minutes(5), 1, minutes(5));
        }
        let (budget, standing) = tally.standing(&policy, minutes(5));
        assert_eq!((budget.count, standing.used), (5, 2));
        let fortnight = minutes(5 + 14 * 24 * 60);
        assert_eq!(tally.standing(&policy, fortnight.minus(Duration::from_millis(1))).0.count, 5);
        assert_eq!(tally.standing(&policy, fortnight).0.count, 3, "what was entered is forgotten");
    }

    #[test]
    fn a_code_takes_back_all_its_messages_and_none_that_is_older() {
        let policy = Pumping::default();
        let mut tally = Tally::default();
        tally.issued(&policy, minutes(0));
        for n in [100, 101, 102] {
            tally.issued(&policy, minutes(n));
        }
        tally.entered(minutes(100), 3, minutes(103));
        let older = Bucket { first: START, last: START, count: 1 };
        assert_eq!(tally.unverified.buckets, [older]);
        // The code was issued before anything was counted.
        tally.entered(START.minus(Duration::from_secs(60)), 3, minutes(104));
        assert_eq!(tally.unverified.buckets, [older]);
    }

    /// The windows of all blocks, and what a number finds in them.
    #[derive(Default)]
    struct Near(std::collections::BTreeMap<String, Window>);

    impl Near {
        fn standing(&self, of: &Neighbourhood, now: Steady) -> Standing {
            let window = |key: &str| self.0.get(key).cloned().unwrap_or_default();
            of.standing(&window(&of.key), &of.beside.as_deref().map(window).unwrap_or_default(), now)
        }

        fn add(&mut self, of: &Neighbourhood, now: Steady) {
            let window = self.0.entry(of.key.clone()).or_default();
            *window = of.add(window, now);
        }
    }

    #[test]
    fn neighbours_are_counted_once_each_and_for_an_hour() {
        let policy = Pumping { adjacent: 3, ..Pumping::default() };
        // Over the border of two blocks.
        let of = |n: u64| policy.neighbourhood(&number(&format!("+{}", 41_791_234_980_u64 + n))).unwrap();
        let mut near = Near::default();
        for (n, minute) in [(0, 0), (30, 1), (0, 2), (99, 3)] {
            assert_eq!(near.standing(&of(n), minutes(minute)).retry_at, None);
            near.add(&of(n), minutes(minute));
        }
        let full = Standing { used: 3, retry_at: Some(minutes(61)), resets_at: minutes(61) };
        for n in [10, 50] {
            assert_eq!(near.standing(&of(n), minutes(4)), full);
        }
        assert_eq!(near.standing(&of(0), minutes(4)).retry_at, None, "it is one of the three");
        assert_eq!(near.standing(&of(500), minutes(4)).used, 2, "the first one is too far away");
        assert_eq!(near.standing(&of(600), minutes(4)).used, 0);
        let lower = Neighbourhood { most: 1, ..of(50) };
        assert_eq!(near.standing(&lower, minutes(4)).retry_at, Some(minutes(63)), "after a reload");
        assert_eq!(near.standing(&of(50), minutes(61)).retry_at, None);
        assert_eq!(of(50).add(&near.0["near 41791235"], minutes(200)).buckets.len(), 1);
    }

    #[test]
    fn of_a_run_of_neighbours_as_many_get_codes_as_the_policy_says() {
        let policy = Pumping::default();
        for first in [41_791_234_000_u64, 41_791_234_200, 41_791_234_499, 41_791_234_850] {
            let mut near = Near::default();
            let mut taken = 0;
            for n in first..first + 300 {
                let of = policy.neighbourhood(&number(&format!("+{n}"))).unwrap();
                if near.standing(&of, START).retry_at.is_none() {
                    near.add(&of, START);
                    taken += 1;
                }
            }
            assert_eq!(taken, policy.adjacent, "from {first} on");
        }
    }

    proptest! {
        /// Compared with a list of every code: in no span are there more that nobody entered than the budget, an entered one
        /// holds nobody back, and what is kept is bounded.
        #[test]
        fn codes_that_nobody_entered_keep_to_their_budget(
            story in prop::collection::vec((0_u64..200, 0_u8..4), 1..800),
        ) {
            let policy = Pumping { unverified: "10/1h".parse().unwrap(), ..Pumping::default() };
            let (mut tally, mut now, mut never, mut entered) = (Tally::default(), START, Vec::new(), 0_u32);
            for (gap, enters) in story {
                now = now.plus(Duration::from_secs(gap));
                let recent = never.iter().filter(|at: &&Steady| **at > now.minus(policy.unverified.per)).count();
                let budget = 10.max(entered / 3);
                let (rate, standing) = tally.standing(&policy, now);
                prop_assert_eq!(rate.count, budget);
                // A bucket is a minute: some count for that much longer.
                let with_grain = policy.unverified.per + Duration::from_secs(60);
                let longer = never.iter().filter(|at| **at > now.minus(with_grain)).count();
                prop_assert!((recent..=longer).contains(&(standing.used as usize)));
                if standing.retry_at.is_some() {
                    prop_assert!(longer >= budget as usize);
                    continue;
                }
                prop_assert!(recent < budget as usize);
                tally.issued(&policy, now);
                if enters == 0 {
                    never.push(now);
                } else {
                    tally.entered(now, 1, now);
                    entered += 1;
                }
                prop_assert!(tally.unverified.buckets.len() <= 62 && tally.verified.buckets.len() <= 62);
            }
        }

        /// However often whichever numbers ask: no more different ones than allowed get codes in an hour.
        #[test]
        fn never_more_neighbours_in_any_hour(story in prop::collection::vec((0_u64..400, 0_u64..1600), 1..400)) {
            let policy = Pumping { adjacent: 7, ..Pumping::default() };
            let (mut near, mut now, mut got) = (Near::default(), START, Vec::new());
            for (gap, n) in story {
                now = now.plus(Duration::from_secs(gap));
                let of = policy.neighbourhood(&number(&format!("+{}", 41_791_234_200 + n))).unwrap();
                let hour = |got: &[(Steady, u64)]| {
                    let recent = got.iter().filter(|(at, _)| *at > now.minus(NEIGHBOURS));
                    recent.map(|(_, n)| *n).collect::<BTreeSet<_>>()
                };
                let before: BTreeSet<_> = hour(&got).into_iter().filter(|other| other.abs_diff(n) < 500).collect();
                let standing = near.standing(&of, now);
                prop_assert_eq!(standing.used as usize, before.len());
                prop_assert_eq!(standing.retry_at.is_none(), before.len() < 7 || before.contains(&n));
                if let Some(retry_at) = standing.retry_at {
                    let then = near.standing(&of, retry_at);
                    prop_assert!(retry_at > now && then.retry_at.is_none());
                    continue;
                }
                near.add(&of, now);
                got.push((now, n));
                let after = hour(&got);
                prop_assert!(after.iter().all(|first| after.range(first..&(first + 500)).count() <= 7));
            }
        }
    }
}
