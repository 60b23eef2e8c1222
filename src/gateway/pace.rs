//! How much is written of what anybody can cause at will: refusals, denials, changes of a modem's state. A flood of them
//! fills no disk, and is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Steady;
use crate::trail::Audit;

/// How long what happens again is only counted.
const SPAN: Duration = Duration::from_secs(60);
/// Kinds that are told apart; all others are one.
const KINDS: usize = 64;
/// Events of one modem in a span.
const OF_A_MODEM: u32 = 20;

/// One kind: what happened, who did it, and what exactly it was.
type Kind = (String, Option<String>, String);

/// Refusals and denials. The first of a kind is written at once; those that follow within a minute are written together
/// when the minute is over.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<Kind, Held>);

#[derive(Debug)]
struct Held {
    until: Steady,
    more: u32,
}

impl Refusals {
    /// One more; answers what to write now.
    pub(super) fn note(&mut self, by: Option<&str>, audit: Audit, now: Steady) -> Option<Audit> {
        let mut kind = (audit.action.clone(), by.map(str::to_owned), audit.detail.clone());
        if self.0.len() >= KINDS && !self.0.contains_key(&kind) {
            kind = (audit.action.clone(), None, "of several kinds".to_owned());
        }
        if let Some(held) = self.0.get_mut(&kind) {
            held.more = held.more.saturating_add(audit.count);
            return None;
        }
        self.0.insert(kind, Held { until: now.plus(SPAN), more: 0 });
        Some(audit)
    }

    /// What is to be written because its minute is over, each with who did it.
    pub(super) fn due(&mut self, now: Steady) -> Vec<(Option<String>, Audit)> {
        let mut due = Vec::new();
        self.0.retain(|(action, by, detail), held| {
            if held.until > now {
                return true;
            }
            if held.more == 0 {
                return false;
            }
            let (action, detail, count) = (action.clone(), detail.clone(), std::mem::take(&mut held.more));
            due.push((by.clone(), Audit { action, to: None, detail, count }));
            held.until = now.plus(SPAN);
            true
        });
        due
    }

    /// When something is due at the earliest.
    pub(super) fn next(&self) -> Option<Steady> {
        self.0.values().map(|held| held.until).min()
    }
}

/// The events of one modem.
#[derive(Debug, Default)]
pub(super) struct Pace {
    until: Steady,
    count: u32,
    /// Something happened that was not written: the modem's state is to be written when the span is over.
    held: bool,
}

impl Pace {
    /// Whether one more event may be written.
    pub(super) fn may(&mut self, now: Steady) -> bool {
        if now >= self.until {
            *self = Self { until: now.plus(SPAN), count: 0, held: false };
        }
        self.count += 1;
        self.held |= self.count > OF_A_MODEM;
        self.count <= OF_A_MODEM
    }

    /// Whether the state is to be written now.
    pub(super) fn is_due(&self, now: Steady) -> bool {
        self.held && now >= self.until
    }

    /// When the state is to be written.
    pub(super) fn next(&self) -> Option<Steady> {
        self.held.then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Steady {
        Steady::from_millis(seconds * 1000)
    }

    fn refusal(detail: &str) -> Audit {
        let to = Some("+4179*****67".to_owned());
        Audit { action: "refused".to_owned(), to, detail: detail.to_owned(), count: 1 }
    }

    #[test]
    fn the_first_is_written_and_the_others_are_counted() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.note(Some("web"), refusal("a"), at(0)), Some(refusal("a")));
        for _ in 0..5 {
            assert_eq!(refusals.note(Some("web"), refusal("a"), at(1)), None);
        }
        assert!(refusals.note(None, refusal("a"), at(1)).is_some(), "of another client");
        assert_eq!(refusals.next(), Some(at(60)));
        assert_eq!(refusals.due(at(59)), []);
        let five = Audit { to: None, count: 5, ..refusal("a") };
        assert_eq!(refusals.due(at(61)), [(Some("web".to_owned()), five)]);
        assert!(refusals.note(Some("web"), refusal("a"), at(70)).is_none(), "still a flood");
        assert_eq!(refusals.due(at(121)).len(), 1);
        assert_eq!((refusals.due(at(200)), refusals.next()), (vec![], None), "it is over");
        assert!(refusals.note(Some("web"), refusal("a"), at(201)).is_some());
    }

    #[test]
    fn whatever_is_refused_the_kinds_are_bounded() {
        let mut refusals = Refusals::default();
        let written = (0..1000).filter(|n| refusals.note(None, refusal(&n.to_string()), at(0)).is_some());
        assert_eq!(written.count(), KINDS + 1);
        let due = refusals.due(at(60));
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].1.count as usize, 1000 - KINDS - 1);
    }

    #[test]
    fn a_modem_that_flaps_is_told_of_now_and_then_and_of_its_last_state() {
        let mut pace = Pace::default();
        let written = (0..100).filter(|_| pace.may(at(1))).count();
        assert_eq!((written, pace.next()), (20, Some(at(61))));
        assert!(!pace.is_due(at(60)) && pace.is_due(at(61)));
        assert!(pace.may(at(61)));
        assert_eq!(pace.next(), None);
    }
}
