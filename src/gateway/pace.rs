//! How much is written of what anybody can cause at will: refusals, denials, changes of a modem's state. A flood of them
//! fills no disk, and is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Steady;
use crate::trail::Audit;

/// How long what happens again is only counted.
const SPAN: Duration = Duration::from_secs(60);
/// Kinds of what somebody causes that are told apart exactly. Beyond them as many again are roughly; beyond those all are
/// one.
pub const APART: usize = 32;
/// Events of one modem in a span.
const OF_A_MODEM: u32 = 20;

/// What a kind counts as among those that are counted already: the most exact of the three for which there is room.
///
/// ```
/// use std::collections::BTreeMap;
/// use smsotpd::gateway::{APART, most_exact};
/// let full: BTreeMap<_, _> = (0..APART).map(|n| (n.to_string(), ())).collect();
/// assert_eq!(most_exact(&full, ["7", "few", "any"].map(str::to_owned)), "7");
/// assert_eq!(most_exact(&full, ["99", "few", "any"].map(str::to_owned)), "few");
/// ```
pub fn most_exact<K: Ord, V>(counted: &BTreeMap<K, V>, [exact, rough, any]: [K; 3]) -> K {
    if counted.len() < APART || counted.contains_key(&exact) {
        exact
    } else if counted.len() < 2 * APART || counted.contains_key(&rough) {
        rough
    } else {
        any
    }
}

/// Refusals and denials, by client and action. The first of a kind is written at once; those that follow within a minute
/// are written together when the minute is over. What one client causes takes no place from another.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<(Option<String>, String), Kinds>);

type Kinds = BTreeMap<Kind, Held>;

/// What is one and the same, as exactly as there is room for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// This reason, about this masked number if it is about one.
    Exact(String, Option<String>),
    /// This reason, about whatever number.
    Reason(String),
    /// Any reason.
    Any,
}

impl Kind {
    fn of(reason: &str, audit: &Audit, kinds: &Kinds) -> Self {
        let exact = Self::Exact(reason.to_owned(), audit.to.clone());
        most_exact(kinds, [exact, Self::Reason(reason.to_owned()), Self::Any])
    }
}

#[derive(Debug)]
struct Held {
    until: Steady,
    more: u32,
    /// The last one.
    last: Audit,
}

impl Held {
    /// Those that were only counted, as one: the last of them, and how many they are.
    fn take(&mut self, kind: &Kind) -> Option<Audit> {
        let of = match kind {
            Kind::Exact(..) => "",
            Kind::Reason(_) => ", the last of several",
            Kind::Any => ", the last of several kinds",
        };
        let count = std::mem::take(&mut self.more);
        let detail = format!("{}{of}", self.last.detail);
        (count > 0).then(|| Audit { detail, count, ..self.last.clone() })
    }
}

impl Refusals {
    /// One more, for this reason; answers what to write now.
    pub(super) fn note(
        &mut self,
        by: Option<&str>,
        reason: &str,
        audit: Audit,
        now: Steady,
    ) -> Option<Audit> {
        let kinds = self.0.entry((by.map(str::to_owned), audit.action.clone())).or_default();
        let kind = Kind::of(reason, &audit, kinds);
        if let Some(held) = kinds.get_mut(&kind) {
            held.more = held.more.saturating_add(audit.count);
            held.last = audit;
            return None;
        }
        kinds.insert(kind, Held { until: now.plus(SPAN), more: 0, last: audit.clone() });
        Some(audit)
    }

    /// What is to be written because its minute is over, each with who did it.
    pub(super) fn due(&mut self, now: Steady) -> Vec<(Option<String>, Audit)> {
        let mut due = Vec::new();
        for ((by, _), kinds) in &mut self.0 {
            kinds.retain(|kind, held| {
                if held.until > now {
                    return true;
                }
                held.until = now.plus(SPAN);
                let told = held.take(kind).map(|audit| (by.clone(), audit));
                let goes_on = told.is_some();
                due.extend(told);
                goes_on
            });
        }
        self.0.retain(|_, kinds| !kinds.is_empty());
        due
    }

    /// What was only counted so far, when nothing is to be counted any more.
    pub(super) fn end(&mut self) -> Vec<(Option<String>, Audit)> {
        let each = std::mem::take(&mut self.0).into_iter();
        let of_one = |((by, _), kinds): ((Option<String>, String), Kinds)| {
            kinds.into_iter().filter_map(move |(kind, mut held)| Some((by.clone(), held.take(&kind)?)))
        };
        each.flat_map(of_one).collect()
    }

    /// When something is due at the earliest.
    pub(super) fn next(&self) -> Option<Steady> {
        self.0.values().flat_map(BTreeMap::values).map(|held| held.until).min()
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

    impl Refusals {
        /// One for this reason is written at once.
        fn writes(&mut self, by: Option<&str>, reason: &str, audit: Audit, seconds: u64) -> bool {
            let written = self.note(by, reason, audit.clone(), at(seconds));
            assert!(written.is_none() || written == Some(audit));
            written.is_some()
        }
    }

    #[test]
    fn the_first_is_written_and_the_others_are_counted() {
        let mut refusals = Refusals::default();
        assert!(refusals.writes(Some("web"), "a", refusal("a"), 0));
        for _ in 0..5 {
            assert!(!refusals.writes(Some("web"), "a", refusal("a"), 1));
        }
        assert!(refusals.writes(None, "a", refusal("a"), 1), "of another client");
        let other = Audit { to: None, ..refusal("a") };
        assert!(refusals.writes(Some("web"), "a", other, 1), "about another number");
        assert_eq!(refusals.next(), Some(at(60)));
        assert_eq!(refusals.due(at(59)), []);
        let of_web = |count| (Some("web".to_owned()), Audit { count, ..refusal("a") });
        assert_eq!(refusals.due(at(61)), [of_web(5)]);
        assert!(!refusals.writes(Some("web"), "a", refusal("a"), 70), "still a flood");
        assert_eq!(refusals.due(at(121)).len(), 1);
        assert_eq!((refusals.due(at(200)), refusals.next()), (vec![], None), "it is over");
        for _ in 0..4 {
            refusals.note(Some("web"), "a", refusal("a"), at(201));
        }
        assert_eq!((refusals.end(), refusals.next()), (vec![of_web(3)], None), "the daemon ends");
    }

    #[test]
    fn who_fills_its_places_takes_none_of_another() {
        let mut refusals = Refusals::default();
        let mut written = 0;
        for n in 0..1000 {
            let audit = Audit { to: Some(n.to_string()), ..refusal("why") };
            written += usize::from(refusals.writes(Some("web"), "why", audit, 0));
        }
        assert_eq!(written, APART + 1);
        for n in 0..1000 {
            written += usize::from(refusals.writes(Some("web"), &n.to_string(), refusal("why"), 1));
        }
        assert_eq!(written, 2 * APART + 1);
        let denied = Audit { action: "denied".to_owned(), ..refusal("a") };
        assert!(refusals.writes(Some("web"), "a", denied, 1), "another action");
        assert!(refusals.writes(Some("shop"), "why", refusal("why"), 1), "another client");
        assert!(refusals.writes(None, "why", refusal("why"), 1), "no client");
        let due = refusals.due(at(61));
        let told: Vec<_> =
            due.iter().map(|(by, a)| (by.as_deref(), a.to.as_deref(), a.detail.as_str())).collect();
        let numbered = (Some("web"), Some("999"), "why, the last of several");
        let any = (Some("web"), Some("+4179*****67"), "why, the last of several kinds");
        assert_eq!(told, [numbered, any]);
        assert_eq!(due.iter().map(|(_, audit)| audit.count as usize).sum::<usize>(), 2000 - written);
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
