//! The circuit breaker of a modem and its SIM: after failures in a row it lets no message through for a
//! while, then one at a time as a trial. A failure that may be the number's fault counts once for each
//! number, so that one bad number never opens the breaker.

use std::time::Duration;

use crate::clock::Steady;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRules {
    /// The number of failures in a row; a failure that may be the number's fault counts once for each number.
    pub failures: u32,
    /// How long the breaker stays open at first; each trial that fails doubles this.
    pub first: Duration,
    /// The longest time that the breaker stays open.
    pub max: Duration,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self { failures: 5, first: Duration::from_secs(60), max: Duration::from_secs(1800) }
    }
}

/// How much a failure counts against a modem and its SIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It may be the fault of this number, given as a hash: another failure with this number does not count.
    OfNumber(u64),
    /// It is the fault of the modem or the SIM, whatever the number.
    Once,
    /// It is the fault of the modem or the SIM with more certainty: another modem could send, or the outcome
    /// is unknown.
    Twice,
}

/// The breaker of one modem and its SIM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Breaker {
    /// The numbers that failed since the last success, as hashes.
    numbers: Vec<u64>,
    /// The other failures since then.
    others: u32,
    open: Option<Open>,
    /// The sentence of the last failure in a row, and in the end of the one that opened the breaker.
    why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    until: Steady,
    span: Duration,
    /// When the failure happened that opened it.
    failed_at: Steady,
}

/// What a breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Circuit {
    /// Everything.
    #[default]
    Closed,
    /// Nothing.
    Open {
        /// When the next trial is made.
        until: Steady,
    },
    /// One message, on which the rest depends.
    HalfOpen,
}

impl Circuit {
    /// The word for this state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

impl Breaker {
    /// What the breaker lets through now.
    pub fn circuit(&self, now: Steady) -> Circuit {
        match self.open {
            None => Circuit::Closed,
            Some(Open { until, .. }) if now < until => Circuit::Open { until },
            Some(_) => Circuit::HalfOpen,
        }
    }

    /// The failure that opened the breaker, or the last failure while it is closed.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// When that failure happened; `None` while the breaker is closed.
    pub fn failed_at(&self) -> Option<Steady> {
        self.open.map(|open| open.failed_at)
    }

    /// A message was sent. Returns whether that closed the breaker.
    pub fn succeeded(&mut self) -> bool {
        self.forget_row();
        self.open.take().is_some()
    }

    /// Another modem sent a message that failed here: the message was not at fault, so this counts more than
    /// a failure alone. Returns whether that opened the breaker.
    pub fn sent_elsewhere(&mut self, rules: &BreakerRules, now: Steady) -> bool {
        if self.open.is_some() || self.row() == 0 {
            return false;
        }
        let why = self.why.clone();
        self.failed(Weight::Twice, &why, rules, now)
    }

    /// A message failed, and was not at fault itself. Returns whether that opened the breaker.
    pub fn failed(&mut self, weight: Weight, why: &str, rules: &BreakerRules, now: Steady) -> bool {
        let span = match self.open {
            // The message was on its way when the breaker opened.
            Some(Open { until, .. }) if now < until => return false,
            Some(Open { span, .. }) => span.saturating_mul(2).min(rules.max),
            None => {
                match weight {
                    Weight::OfNumber(number) if self.numbers.contains(&number) => {}
                    Weight::OfNumber(number) => self.numbers.push(number),
                    Weight::Once => self.others = self.others.saturating_add(1),
                    Weight::Twice => self.others = self.others.saturating_add(2),
                }
                why.clone_into(&mut self.why);
                if self.row() < rules.failures {
                    return false;
                }
                rules.first
            }
        };
        self.forget_row();
        self.open = Some(Open { until: now.plus(span), span, failed_at: now });
        why.clone_into(&mut self.why);
        true
    }

    /// How much the failures since the last success count.
    fn row(&self) -> u32 {
        u32::try_from(self.numbers.len()).unwrap_or(u32::MAX).saturating_add(self.others)
    }

    fn forget_row(&mut self) {
        self.numbers.clear();
        self.others = 0;
    }

    /// The next message is a trial, even if the breaker was to stay open longer: a person attended to the modem.
    pub fn try_now(&mut self, now: Steady) {
        if let Some(open) = &mut self.open {
            open.until = open.until.min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Steady = Steady::from_millis(1_780_000_000_000);
    const RULES: BreakerRules =
        BreakerRules { failures: 3, first: Duration::from_secs(60), max: Duration::from_secs(200) };

    fn after(seconds: u64) -> Steady {
        START.plus(Duration::from_secs(seconds))
    }

    fn fails(breaker: &mut Breaker, number: u64) -> bool {
        breaker.failed(Weight::OfNumber(number), "x", &RULES, START)
    }

    #[test]
    fn a_modems_own_faults_count_whatever_the_number_and_silence_twice() {
        let mut breaker = Breaker::default();
        assert!(!breaker.failed(Weight::Once, "x", &RULES, START));
        assert!(!breaker.failed(Weight::Once, "x", &RULES, START));
        assert!(breaker.failed(Weight::Once, "x", &RULES, START));
        let mut breaker = Breaker::default();
        assert!(!breaker.failed(Weight::Twice, "x", &RULES, START));
        assert!(!breaker.succeeded());
        assert!(!breaker.failed(Weight::Twice, "x", &RULES, START), "a success ends the row of failures");
        assert!(breaker.failed(Weight::Twice, "x", &RULES, START));
        let mut breaker = Breaker::default();
        assert!(!fails(&mut breaker, 7) && !fails(&mut breaker, 7));
        assert!(breaker.failed(Weight::Twice, "x", &RULES, START), "all failures form one row");
    }

    #[test]
    fn numbers_that_fail_in_a_row_open_it() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            assert!(!fails(&mut breaker, 7), "one bad number");
        }
        assert!(!fails(&mut breaker, 8));
        assert!(!breaker.succeeded());
        assert!(!fails(&mut breaker, 1) && !fails(&mut breaker, 2));
        assert_eq!(breaker.circuit(START), Circuit::Closed);
        assert!(breaker.failed(Weight::OfNumber(3), "no network (38)", &RULES, START));
        assert_eq!(breaker.circuit(START), Circuit::Open { until: after(60) });
        assert_eq!(breaker.why(), "no network (38)");
    }

    #[test]
    fn each_failed_trial_doubles_the_wait_up_to_the_longest() {
        let mut breaker = Breaker::default();
        assert!((1..=3).any(|n| fails(&mut breaker, n)));
        let mut now = START;
        for wait in [60, 120, 200, 200] {
            assert!(matches!(breaker.circuit(now), Circuit::Open { .. }));
            assert!(!breaker.failed(Weight::Twice, "late", &RULES, now), "a message that was on its way");
            now = now.plus(Duration::from_secs(wait));
            assert_eq!(breaker.circuit(now), Circuit::HalfOpen);
            assert!(breaker.failed(Weight::OfNumber(1), "x", &RULES, now));
        }
        breaker.try_now(now);
        assert_eq!(breaker.circuit(now), Circuit::HalfOpen);
        assert!(breaker.succeeded());
        assert_eq!(breaker.circuit(now), Circuit::Closed);
        for n in 1..=3 {
            breaker.failed(Weight::OfNumber(n), "x", &RULES, now);
        }
        assert_eq!(breaker.circuit(now), Circuit::Open { until: now.plus(Duration::from_secs(60)) });
    }

    proptest! {
        /// The breaker opens only after that many different numbers without a success between them, and never
        /// for longer than the rules say.
        #[test]
        fn it_opens_for_a_reason(
            events in prop::collection::vec((prop::option::weighted(0.8, 0_u64..6), 0_u64..90), 0..200),
        ) {
            let mut breaker = Breaker::default();
            let mut now = START;
            let mut row = std::collections::BTreeSet::new();
            for (event, pause) in events {
                now = now.plus(Duration::from_secs(pause));
                let before = breaker.circuit(now);
                if let Some(number) = event {
                    row.insert(number);
                    if breaker.failed(Weight::OfNumber(number), "x", &RULES, now) {
                        prop_assert!(before == Circuit::HalfOpen || row.len() >= 3);
                    }
                } else {
                    row.clear();
                    breaker.succeeded();
                    prop_assert_eq!(breaker.circuit(now), Circuit::Closed);
                }
                if let Circuit::Open { until } = breaker.circuit(now) {
                    prop_assert!(until > now && until.since(now) <= RULES.max);
                }
            }
        }
    }
}
