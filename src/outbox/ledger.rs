//! What a SIM has sent: parts in this minute, day and month (UTC) and the numbers that received them this
//! month, stored under the SIM's identity; and when it may send more.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::time::Duration;

use super::{Health, Home, ModemRules};
use crate::clock::{Ahead, Now, Steady, Timestamp};

/// The counts of one SIM. A count belongs to the period in which it was made, and is zero in any other period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Minutes since the epoch, and the parts sent in that minute.
    pub minute: (u64, u32),
    /// Days since the epoch, and the parts sent on that day.
    pub day: (u64, u32),
    /// Months since 1970-01, and the parts sent in that month.
    pub month: (u64, u32),
    /// The health of the SIM.
    pub health: Health,
    /// Where the SIM is at home, once its IMSI was told.
    pub home: Home,
    /// How long a part took lately, air time included, in the modem that had the SIM last.
    pub part: Option<Duration>,
}

/// The periods that an instant lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    /// The instant.
    pub now: Steady,
    /// How far dates are ahead of it.
    ahead: Ahead,
    /// Minutes since the epoch.
    pub minute: u64,
    /// Days since the epoch.
    pub day: u64,
    /// Months since 1970-01.
    pub month: u64,
    next_month: Steady,
}

/// What a message requires of a SIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// How many short messages it takes.
    pub parts: u32,
    /// Whether it carries a code.
    pub otp: bool,
    /// Whether its recipient is new to the SIM in this month.
    pub new_recipient: bool,
}

/// The numbers that received messages of a SIM in one month, as keyed hashes.
#[derive(Debug, Clone, Default)]
pub struct Recipients {
    month: u64,
    known: HashSet<u64>,
}

impl Periods {
    /// The periods of the present.
    pub fn of(now: Now) -> Self {
        Self::at(now.steady(), now.ahead())
    }

    /// The periods of an instant, when dates are so far ahead.
    pub(super) fn at(now: Steady, ahead: Ahead) -> Self {
        let date_ms = ahead.date(now).as_millis();
        let millis = i64::try_from(date_ms).unwrap_or(i64::MAX);
        let date = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
        let date = date.to_zoned(jiff::tz::TimeZone::UTC).date();
        let month =
            u64::try_from((i64::from(date.year()) - 1970) * 12 + i64::from(date.month()) - 1).unwrap_or(0);
        let day = date_ms / DAY;
        let left = u64::try_from(date.days_in_month() - date.day()).unwrap_or(0);
        let next_month = ahead.instant(Timestamp::from_millis((day + left + 1).saturating_mul(DAY)));
        Self { now, ahead, minute: date_ms / MINUTE, day, month, next_month }
    }

    /// When the period with this number begins.
    fn begins(&self, number: u64, length: u64) -> Steady {
        self.ahead.instant(Timestamp::from_millis(number.saturating_mul(length)))
    }
}

/// In milliseconds.
const MINUTE: u64 = 60_000;
const DAY: u64 = 86_400_000;

impl Ledger {
    /// Counts `parts`.
    pub fn record(&mut self, parts: u32, t: &Periods) {
        for (slot, period) in
            [(&mut self.minute, t.minute), (&mut self.day, t.day), (&mut self.month, t.month)]
        {
            if slot.0 != period {
                *slot = (period, 0);
            }
            slot.1 = slot.1.saturating_add(parts);
        }
    }

    /// Joins the counts of two names that turn out to be one SIM: parts of the same period are added; of two
    /// periods the later one counts.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        let both = |a: (u64, u32), b: (u64, u32)| match a.0.cmp(&b.0) {
            Ordering::Less => b,
            Ordering::Equal => (a.0, a.1.saturating_add(b.1)),
            Ordering::Greater => a,
        };
        Self {
            minute: both(self.minute, other.minute),
            day: both(self.day, other.day),
            month: both(self.month, other.month),
            health: self.health.joined(other.health),
            // One of them at most was told with its IMSI; else the IMSI is told with the next look at the SIM.
            home: self.home.max(other.home),
            // Of two the slower one: less is promised.
            part: self.part.max(other.part),
        }
    }

    /// The ledger in the store, with the health of the one in memory when that was observed later:
    /// observations are written down with the next send.
    #[must_use]
    pub fn after(self, at_hand: &Self) -> Self {
        let part = at_hand.part.or(self.part);
        let health = if at_hand.health.at >= self.health.at { at_hand.health } else { self.health };
        Self { health, part, ..self }
    }

    /// Parts sent today and this month.
    pub fn sent(&self, t: &Periods) -> (u32, u32) {
        (of(self.day, t.day), of(self.month, t.month))
    }

    /// Parts of plain texts that may still be sent today and this month under `rules`; `None` without a limit.
    pub fn left_for_texts(&self, rules: &ModemRules, t: &Periods) -> (Option<u32>, Option<u32>) {
        let (day, month) = self.sent(t);
        let left =
            |limit: Option<u32>, sent| limit.map(|limit| rules.open_to(limit, false).saturating_sub(sent));
        (left(rules.max_per_day, day), left(rules.max_per_month, month))
    }

    /// When a message may be sent under `rules`, with `recipients_served` numbers served this month already;
    /// the present when it may be sent at once.
    pub fn admits_at(&self, need: Need, rules: &ModemRules, recipients_served: usize, t: &Periods) -> Steady {
        let mut at = t.now;
        // A message larger than the whole limit may be sent alone.
        let full = |sent: u32, limit: u32| limit == 0 || sent > 0 && sent.saturating_add(need.parts) > limit;
        if rules.max_per_minute.is_some_and(|limit| full(of(self.minute, t.minute), limit)) {
            at = at.max(t.begins(t.minute + 1, MINUTE));
        }
        let open = |limit| rules.open_to(limit, need.otp);
        if rules.max_per_day.is_some_and(|limit| full(of(self.day, t.day), open(limit))) {
            at = at.max(t.begins(t.day + 1, DAY));
        }
        let recipients_served = u32::try_from(recipients_served).unwrap_or(u32::MAX);
        if rules.max_per_month.is_some_and(|limit| full(of(self.month, t.month), open(limit)))
            || need.new_recipient
                && rules.max_recipients_per_month.is_some_and(|limit| recipients_served >= open(limit))
        {
            at = at.max(t.next_month);
        }
        at
    }

    /// How many parts with codes may have been sent by `at` under `rules`, from now on.
    pub(super) fn codes_by(&self, at: Steady, rules: &ModemRules, t: &Periods) -> u64 {
        let left = |limit: u32, sent| u64::from(limit.saturating_sub(sent));
        let later = |limit: u32, period: u64, now: u64| {
            u64::from(limit).saturating_mul((t.ahead.date(at).as_millis() / period).saturating_sub(now))
        };
        let minute = rules.max_per_minute.map(|limit| {
            left(limit, of(self.minute, t.minute)).saturating_add(later(limit, MINUTE, t.minute))
        });
        let day = rules
            .max_per_day
            .map(|limit| left(limit, of(self.day, t.day)).saturating_add(later(limit, DAY, t.day)));
        let month = rules.max_per_month.filter(|_| at < t.next_month);
        let month = month.map(|limit| left(limit, of(self.month, t.month)));
        [minute, day, month].into_iter().flatten().min().unwrap_or(u64::MAX)
    }

    /// How much of its allowance in a day or month is used up, in thousandths: the highest value of its limits.
    pub fn used(&self, rules: &ModemRules, recipients_served: usize, t: &Periods) -> u64 {
        let (day, month) = self.sent(t);
        let part =
            |used: u64, limit: Option<u32>| limit.map_or(0, |limit| used * 1000 / u64::from(limit.max(1)));
        part(day.into(), rules.max_per_day)
            .max(part(month.into(), rules.max_per_month))
            .max(part(recipients_served as u64, rules.max_recipients_per_month))
    }
}

fn of(slot: (u64, u32), period: u64) -> u32 {
    if slot.0 == period { slot.1 } else { 0 }
}

impl Recipients {
    /// More numbers than these are not distinguished in a month.
    pub const MOST: u32 = 100_000;

    /// The recipients of a month that are known already.
    pub fn new(month: u64, known: impl IntoIterator<Item = u64>) -> Self {
        Self { month, known: known.into_iter().take(Self::MOST as usize).collect() }
    }

    /// Whether this number was served this month.
    pub fn knows(&self, recipient: u64, t: &Periods) -> bool {
        self.month == t.month && self.known.contains(&recipient)
    }

    /// How many were served this month.
    pub fn count(&self, t: &Periods) -> usize {
        if self.month == t.month { self.known.len() } else { 0 }
    }

    /// Notes a number that is served. Returns whether it is a new one.
    pub fn note(&mut self, recipient: u64, t: &Periods) -> bool {
        if self.month != t.month {
            *self = Self { month: t.month, known: HashSet::new() };
        }
        self.known.len() < Self::MOST as usize && self.known.insert(recipient)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Periods {
        Periods::of(Now::agreed(text.parse().unwrap()))
    }

    const TEXT: Need = Need { parts: 1, otp: false, new_recipient: false };
    const CODE: Need = Need { otp: true, ..TEXT };

    #[test]
    fn counts_belong_to_their_period() {
        let mut ledger = Ledger::default();
        ledger.record(2, &at("2026-11-30T23:59:50Z"));
        ledger.record(1, &at("2026-11-30T23:59:59Z"));
        assert_eq!((ledger.minute.1, ledger.day.1, ledger.month.1), (3, 3, 3));
        assert_eq!(ledger.sent(&at("2026-12-01T00:00:00Z")), (0, 0));
        ledger.record(1, &at("2026-12-01T00:00:00Z"));
        assert_eq!((ledger.minute.1, ledger.day.1, ledger.month.1), (1, 1, 1));
    }

    #[test]
    fn a_full_period_waits_for_the_next() {
        let mut ledger = Ledger::default();
        let t = at("2026-11-22T10:00:30Z");
        let rules = |minute, day, month| ModemRules {
            max_per_minute: minute,
            max_per_day: day,
            max_per_month: month,
            ..ModemRules::default()
        };
        let admits = |ledger: &Ledger, need, rules: ModemRules| ledger.admits_at(need, &rules, 0, &t);
        let large = Need { parts: 5, ..TEXT };
        assert_eq!(
            admits(&ledger, large, rules(Some(3), None, None)),
            t.now,
            "a message larger than the limit is sent alone"
        );
        ledger.record(3, &t);
        assert_eq!(admits(&ledger, TEXT, rules(Some(3), None, None)), at("2026-11-22T10:01:00Z").now);
        assert_eq!(admits(&ledger, TEXT, rules(Some(4), Some(3), None)), at("2026-11-23T00:00:00Z").now);
        assert_eq!(admits(&ledger, TEXT, rules(Some(4), Some(3), Some(3))), at("2026-12-01T00:00:00Z").now);
        assert_eq!(admits(&ledger, TEXT, rules(Some(4), None, Some(4))), t.now);
    }

    #[test]
    fn the_reserve_waits_for_codes() {
        let mut ledger = Ledger::default();
        let t = at("2026-12-31T23:59:30Z");
        let rules = ModemRules { max_per_month: Some(10), reserve: 20, ..ModemRules::default() };
        ledger.record(7, &t);
        assert_eq!(ledger.left_for_texts(&rules, &t), (None, Some(1)));
        ledger.record(1, &t);
        assert_eq!(ledger.left_for_texts(&rules, &t), (None, Some(0)));
        assert_eq!(ledger.admits_at(TEXT, &rules, 0, &t), at("2027-01-01T00:00:00Z").now);
        assert_eq!(ledger.admits_at(CODE, &rules, 0, &t), t.now);
        ledger.record(2, &t);
        assert_eq!(ledger.admits_at(CODE, &rules, 0, &t), at("2027-01-01T00:00:00Z").now);
        assert_eq!(ledger.used(&rules, 0, &t), 1000);
    }

    #[test]
    fn a_new_recipient_needs_room_among_the_recipients() {
        let ledger = Ledger::default();
        let t = at("2026-02-10T10:00:00Z");
        let rules = ModemRules { max_recipients_per_month: Some(2), ..ModemRules::default() };
        let mut recipients = Recipients::default();
        assert!(recipients.note(1, &t) && recipients.note(2, &t) && !recipients.note(1, &t));
        let new_recipient = Need { new_recipient: !recipients.knows(3, &t), ..CODE };
        let known = Need { new_recipient: !recipients.knows(2, &t), ..CODE };
        assert_eq!(
            ledger.admits_at(new_recipient, &rules, recipients.count(&t), &t),
            at("2026-03-01T00:00:00Z").now
        );
        assert_eq!(ledger.admits_at(known, &rules, recipients.count(&t), &t), t.now);
        let march = at("2026-03-01T00:00:00Z");
        assert_eq!((recipients.count(&march), recipients.knows(1, &march)), (0, false));
        assert!(recipients.note(1, &march));
    }

    fn ledger() -> impl Strategy<Value = Ledger> {
        let slot = || (0_u64..3, prop_oneof![0_u32..5, Just(u32::MAX)]);
        let health = (0_u32..=1_000_000, 0_u32..=1_000_000, 0_u64..10_000_000);
        let part = prop::option::of((1_u64..9_000).prop_map(Duration::from_millis));
        let all = (slot(), slot(), slot(), health, 0_u32..3, part);
        all.prop_map(|(minute, day, month, (sends, codes, at), network, part)| Ledger {
            minute,
            day,
            month,
            health: Health { sends, codes, at: Steady::from_millis(at) },
            home: Home::of_network(network),
            part,
        })
    }

    #[test]
    fn the_counts_of_two_names_are_added_in_the_same_period_alone() {
        let a = Ledger { minute: (7, 1), day: (3, 4), month: (2, 9), ..Ledger::default() };
        let b = Ledger { minute: (6, 5), day: (3, 2), month: (3, 1), ..Ledger::default() };
        let both = Ledger { minute: (7, 1), day: (3, 6), month: (3, 1), ..Ledger::default() };
        assert_eq!((a.joined(b), b.joined(a)), (both, both));
        assert_eq!(a.joined(Ledger::default()), a);
    }

    proptest! {
        /// In whatever order names are joined, no count is lost and none is added twice.
        #[test]
        fn names_may_be_joined_in_any_order(a in ledger(), b in ledger(), c in ledger()) {
            prop_assert_eq!(a.joined(b), b.joined(a));
            let counts = |l: Ledger| (l.minute, l.day, l.month, l.home, l.part);
            prop_assert_eq!(counts(a.joined(b).joined(c)), counts(a.joined(b.joined(c))));
            let t = Periods::of(Now::agreed(Timestamp::from_millis(10_000_000)));
            let weight = |l: Ledger| l.health.weight(t.now);
            prop_assert!(weight(a.joined(b)) <= weight(a).min(weight(b)) + 1);
        }

        /// If messages are sent whenever they are admitted, no period holds more than its limit.
        #[test]
        fn no_limit_is_passed(
            sends in prop::collection::vec((0_u64..200_000, 1_u32..4, any::<bool>(), 0_u64..12), 1..200),
            day in 4_u32..20, month in 4_u32..60, recipients_served in 1_u32..10, reserve in 0_u8..=90,
        ) {
            let rules = ModemRules {
                max_per_minute: Some(6),
                max_per_day: Some(day),
                max_per_month: Some(month),
                max_recipients_per_month: Some(recipients_served),
                reserve,
                ..ModemRules::default()
            };
            let (mut ledger, mut recipients) = (Ledger::default(), Recipients::default());
            let mut now: Timestamp = "2026-11-28T23:00:00Z".parse().unwrap();
            for (seconds, parts, otp, to) in sends {
                now = now.plus(std::time::Duration::from_secs(seconds));
                let t = Periods::of(Now::agreed(now));
                let need = Need { parts, otp, new_recipient: !recipients.knows(to, &t) };
                let at = ledger.admits_at(need, &rules, recipients.count(&t), &t);
                prop_assert!(at >= t.now);
                if at > t.now {
                    prop_assert!(ledger.minute.0 == t.minute || ledger.day.0 == t.day
                        || ledger.month.0 == t.month || rules.open_to(1, otp) == 0
                        || recipients.count(&t) > 0 || rules.open_to(recipients_served, otp) == 0);
                    continue;
                }
                ledger.record(parts, &t);
                recipients.note(to, &t);
                prop_assert!(ledger.minute.1 <= 6 && ledger.day.1 <= day && ledger.month.1 <= month);
                prop_assert!(recipients.count(&t) <= recipients_served as usize);
                if !otp {
                    prop_assert!(ledger.day.1 <= rules.open_to(day, false).max(parts));
                }
            }
        }
    }
}
