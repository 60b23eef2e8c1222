//! The accounting of a modem and its SIM: each end of a send is entered here once, and decides what the
//! breaker lets through, how much traffic the SIM deserves, and whose a fault is.
//!
//! A modem or SIM that fails everything is at fault itself: a refusal that comes whatever the number is the
//! SIM's, and a modem that has sent nothing since cannot show that nobody can send a message.

use super::{Attempt, Breaker, BreakerRules, Circuit, FaultClass, Health, Judgement, Observation, Weight};
use crate::clock::Steady;

/// How a send ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendEnd {
    /// The network accepted it.
    Sent,
    /// The modem or the network refused it.
    Failed(FaultClass),
    /// It is unknown whether the network accepted it.
    Unknown,
    /// The modem did not begin.
    NotBegun,
}

/// The end of a send, for the modem and its SIM.
#[derive(Debug, Clone, Copy)]
pub struct EndedSend<'a> {
    /// The recipient as a keyed hash.
    pub recipient: u64,
    /// How many parts count as sent.
    pub parts: u32,
    /// How it ended.
    pub end: SendEnd,
    /// Since when the message was due.
    pub due_at: Steady,
    /// The fault, for a person.
    pub why: &'a str,
}

/// The account of a modem and its SIM.
#[derive(Debug, Clone, Default)]
pub struct Account {
    breaker: Breaker,
    /// When the network last accepted a message.
    sent_at: Option<Steady>,
}

impl Account {
    /// Enters the end of a send. Returns whose the fault is, if there is one, and whether the breaker opened or closed.
    pub fn enter(
        &mut self,
        sent: &EndedSend<'_>,
        health: &mut Health,
        rules: &BreakerRules,
        now: Steady,
    ) -> (Option<Judgement>, bool) {
        let weight = match sent.end {
            SendEnd::Sent => {
                health.observe(Observation::Sent, now);
                return (None, self.sent(now));
            }
            SendEnd::Failed(FaultClass::Transient | FaultClass::Refused) => {
                Some(Weight::OfNumber(sent.recipient))
            }
            SendEnd::Failed(FaultClass::Modem | FaultClass::Sim) => Some(Weight::Once),
            SendEnd::Unknown => Some(Weight::Twice),
            // The network's answer is about the recipient, or about a message that it has already: the modem works.
            SendEnd::Failed(FaultClass::Recipient | FaultClass::Duplicate) | SendEnd::NotBegun => None,
        };
        let changed = weight.is_some_and(|weight| {
            health.observe(Observation::Failed, now);
            self.breaker.failed(weight, sent.why, rules, now)
        });
        let SendEnd::Failed(class) = sent.end else { return (None, changed) };
        (Some(self.judge(class, sent, now)), changed)
    }

    /// A message was sent. Returns whether that closed the breaker.
    pub fn sent(&mut self, now: Steady) -> bool {
        self.sent_at = Some(now);
        self.breaker.succeeded()
    }

    /// Another modem sent a message that failed here. Returns whether that opened the breaker.
    pub fn sent_elsewhere(&mut self, rules: &BreakerRules, now: Steady) -> bool {
        self.breaker.sent_elsewhere(rules, now)
    }

    /// What the breaker lets through.
    pub fn circuit(&self, now: Steady) -> Circuit {
        self.breaker.circuit(now)
    }

    /// The failure that opened the breaker, or the last failure while it is closed.
    pub fn why(&self) -> &str {
        self.breaker.why()
    }

    /// When that failure happened; `None` while the breaker is closed.
    pub fn failed_at(&self) -> Option<Steady> {
        self.breaker.failed_at()
    }

    /// A person attended to the modem: a breaker that is open tries the next message.
    pub fn try_now(&mut self, now: Steady) {
        self.breaker.try_now(now);
    }

    fn judge(&self, class: FaultClass, sent: &EndedSend<'_>, now: Steady) -> Judgement {
        let works = sent.parts > 0 || self.sent_at.is_some_and(|at| at > sent.due_at);
        let class = match class {
            FaultClass::Refused if self.breaker.circuit(now) != Circuit::Closed => FaultClass::Sim,
            class => class,
        };
        let attempt = match class {
            FaultClass::Sim => Attempt::Free,
            FaultClass::Modem if !works => Attempt::Free,
            _ => Attempt::Counted,
        };
        Judgement { class, attempt }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Steady = Steady::from_millis(1_780_000_000_000);

    fn after(seconds: u64) -> Steady {
        START.plus(Duration::from_secs(seconds))
    }

    /// An account, its SIM's health, and the number of the next send.
    struct TestAccount(Account, Health, u64);

    impl TestAccount {
        fn new() -> Self {
            Self(Account::default(), Health::default(), 0)
        }

        /// Enters a send to a number that was not used before.
        fn enter(&mut self, end: SendEnd, due: u64, now: u64) -> (Option<Judgement>, bool) {
            self.2 += 1;
            let sent =
                EndedSend { recipient: self.2, parts: 0, end, due_at: after(due), why: "refused (21)" };
            self.0.enter(&sent, &mut self.1, &BreakerRules::default(), after(now))
        }

        fn failed(&mut self, class: FaultClass, due: u64, now: u64) -> Judgement {
            self.enter(SendEnd::Failed(class), due, now).0.unwrap()
        }
    }

    #[test]
    fn a_refusal_of_everything_is_the_sims() {
        let mut account = TestAccount::new();
        for _ in 0..4 {
            let said = account.failed(FaultClass::Refused, 0, 1);
            assert_eq!(said, Judgement { class: FaultClass::Refused, attempt: Attempt::Counted });
        }
        let (said, changed) = account.enter(SendEnd::Failed(FaultClass::Refused), 0, 1);
        assert!(changed && account.0.circuit(after(1)) == Circuit::Open { until: after(61) });
        let of_the_sim = Judgement { class: FaultClass::Sim, attempt: Attempt::Free };
        assert_eq!((said, account.0.why()), (Some(of_the_sim), "refused (21)"));
        assert_eq!(account.failed(FaultClass::Refused, 0, 70), of_the_sim, "the trial is refused as well");
        assert!(account.enter(SendEnd::Sent, 0, 200).1);
        assert_eq!(
            account.failed(FaultClass::Refused, 0, 201).class,
            FaultClass::Refused,
            "the modem works again"
        );
    }

    #[test]
    fn what_another_modem_sent_counts_against_the_one_that_failed_with_it() {
        for class in [FaultClass::Refused, FaultClass::Modem, FaultClass::Sim] {
            let (mut account, rules) = (TestAccount::new(), BreakerRules::default());
            account.failed(class, 0, 1);
            assert!(!account.0.sent_elsewhere(&rules, after(1)), "one failure is not a row");
            account.failed(class, 0, 1);
            assert!(
                account.0.sent_elsewhere(&rules, after(1)),
                "{class:?}: two failures, and another modem sent both"
            );
            assert_eq!(account.0.circuit(after(1)), Circuit::Open { until: after(61) });
            assert_eq!(account.0.why(), "refused (21)");
            assert!(!account.0.sent_elsewhere(&rules, after(1)), "the breaker is open");
            assert_eq!(account.0.circuit(after(70)), Circuit::HalfOpen);
            assert!(!account.0.sent_elsewhere(&rules, after(70)), "only its own trial counts now");
            assert_eq!(account.0.circuit(after(70)), Circuit::HalfOpen);
        }
        let (mut account, rules) = (TestAccount::new(), BreakerRules::default());
        for _ in 0..50 {
            account.failed(FaultClass::Modem, 0, 1);
            account.enter(SendEnd::Sent, 0, 1);
            assert!(!account.0.sent_elsewhere(&rules, after(1)), "this modem has sent one since");
        }
    }

    #[test]
    fn a_modem_that_sends_nothing_proves_nothing_about_a_message() {
        let mut account = TestAccount::new();
        assert_eq!(account.failed(FaultClass::Modem, 0, 1).attempt, Attempt::Free);
        account.enter(SendEnd::Sent, 0, 5);
        assert_eq!(
            account.failed(FaultClass::Modem, 2, 6).attempt,
            Attempt::Counted,
            "this modem has sent another since"
        );
        assert_eq!(account.failed(FaultClass::Modem, 6, 7).attempt, Attempt::Free);
        assert_eq!(
            account.failed(FaultClass::Sim, 2, 7).attempt,
            Attempt::Free,
            "a fault of the SIM never counts"
        );
        assert_eq!(account.failed(FaultClass::Transient, 6, 8).attempt, Attempt::Counted);
    }

    #[test]
    fn an_error_about_the_recipient_is_not_about_the_modem() {
        let mut account = TestAccount::new();
        for _ in 0..50 {
            assert!(!account.enter(SendEnd::Failed(FaultClass::Recipient), 0, 1).1);
            assert!(!account.enter(SendEnd::Failed(FaultClass::Duplicate), 0, 1).1);
            assert_eq!(account.enter(SendEnd::NotBegun, 0, 1), (None, false));
        }
        assert_eq!((account.0.circuit(after(1)), account.1.weight(after(1))), (Circuit::Closed, 1000));
        assert!(!account.enter(SendEnd::Unknown, 0, 1).1 && !account.enter(SendEnd::Unknown, 0, 1).1);
        assert!(account.enter(SendEnd::Unknown, 0, 1).1, "each silence counts twice");
        assert!(account.1.weight(after(1)) < 750);
    }
}
