//! How long a modem takes from the end of a message to its result, and what follows from that: when an answer
//! is overdue, and when it is given up.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many results are remembered.
const REMEMBERED: usize = 20;
/// An answer is overdue after this many times the slowest remembered one …
const OVERDUE: u32 = 4;
/// … and not before this time …
const OVERDUE_LEAST: Duration = Duration::from_secs(8);
/// … or after this time, when none is remembered.
const OVERDUE_UNKNOWN: Duration = Duration::from_secs(30);
/// When a result may belong to another message, the message's own result is awaited until this many times the
/// slowest one.
const AWAITED: u32 = 2;
/// An answer is given up after this many times the slowest one …
const GIVEN_UP: u32 = 8;
/// … and not before this time.
const GIVEN_UP_LEAST: Duration = Duration::from_secs(30);

/// The last results, and the messages whose results were given up.
#[derive(Debug, Default)]
pub(super) struct Pace {
    took: VecDeque<Duration>,
    late: Option<Late>,
    /// The newest reference of a message that was accepted.
    newest: Option<u8>,
}

/// Messages whose results were given up and may still come.
#[derive(Debug, Clone, Copy)]
struct Late {
    /// When the newest of them was written, until its result comes.
    written: Option<Instant>,
    until: Instant,
    /// A message was accepted since, one of them or a newer one.
    accepted: bool,
}

impl Pace {
    /// Records how long a result took.
    pub(super) fn record(&mut self, took: Duration) {
        if self.took.len() >= REMEMBERED {
            self.took.pop_front();
        }
        self.took.push_back(took);
    }

    fn slowest(&self) -> Option<Duration> {
        self.took.iter().max().copied()
    }

    /// How long an answer may take before it is overdue, where the maker or the operator allows `limit`.
    /// `configured` is used instead, if it is given.
    pub(super) fn patience(&self, configured: Option<Duration>, limit: Duration) -> Duration {
        let learned = || {
            self.slowest()
                .map_or(OVERDUE_UNKNOWN, |slowest| slowest.saturating_mul(OVERDUE).max(OVERDUE_LEAST))
        };
        configured.unwrap_or_else(learned).min(limit)
    }

    /// Until when the result of a message that was written at `written` may be expected in most cases.
    pub(super) fn expected_until(&self, written: Instant) -> Instant {
        written + self.slowest().unwrap_or_default().saturating_mul(AWAITED)
    }

    /// How long an answer is awaited at all.
    pub(super) fn give_up(&self, limit: Duration) -> Duration {
        let learned = self.slowest().map(|slowest| slowest.saturating_mul(GIVEN_UP).max(GIVEN_UP_LEAST));
        learned.map_or(limit, |learned| learned.min(limit))
    }

    /// The result of a message that was written at `written` was given up, and may still come before `until`.
    pub(super) fn gave_up(&mut self, written: Instant, until: Instant) {
        self.late = Some(Late { written: Some(written), until, accepted: false });
    }

    /// Takes a reference that no message awaits. Returns whether it may belong to a message that was given up. Others may
    /// have been given up as well, so that old references are doubted still.
    pub(super) fn take_late(&mut self, reference: u8, now: Instant) -> bool {
        let Some(late) = self.late.as_mut().filter(|late| now < late.until) else { return false };
        late.accepted = true;
        if let Some(written) = late.written.take() {
            self.record(now.saturating_duration_since(written));
        }
        self.accepted(reference);
        true
    }

    /// Whether a result that was given up may still come.
    pub(super) fn awaits_late(&self, now: Instant) -> bool {
        self.late.is_some_and(|late| now < late.until)
    }

    /// Whether a result that comes for another message may belong to a message that was given up. That holds until the
    /// first acceptance, and behind it for a reference that is not newer than those of the messages accepted since.
    pub(super) fn doubts(&mut self, reference: Option<u8>, now: Instant) -> bool {
        let order = reference.and_then(|reference| self.compare(reference));
        let late = self.late.as_mut().filter(|late| now < late.until);
        let doubts = late.is_some_and(|late| {
            let first = !late.accepted;
            late.accepted |= reference.is_some();
            first || order.is_some_and(Ordering::is_le)
        });
        if let Some(reference) = reference {
            self.accepted(reference);
        }
        doubts
    }

    /// Whether this reference is older than one that was accepted: while messages that were given up may be answered, it is
    /// hardly that of a newer message.
    pub(super) fn is_old(&self, reference: u8) -> bool {
        self.compare(reference) == Some(Ordering::Less)
    }

    fn accepted(&mut self, reference: u8) {
        if self.compare(reference).is_none_or(Ordering::is_gt) {
            self.newest = Some(reference);
        }
    }

    /// How this reference stands to the newest that was accepted: `<mr>` goes up by one with each message (3GPP TS 23.040
    /// clause 9.2.3.6), and wraps.
    fn compare(&self, reference: u8) -> Option<Ordering> {
        self.newest.map(|newest| reference.wrapping_sub(newest).cast_signed().cmp(&0))
    }

    /// The modem restarted: it will not answer for earlier messages, and may count anew.
    pub(super) fn forget_late(&mut self) {
        (self.late, self.newest) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(180);

    #[test]
    fn patience_is_learned_from_the_slowest_of_twenty() {
        let mut pace = Pace::default();
        assert_eq!((pace.patience(None, LIMIT), pace.give_up(LIMIT)), (OVERDUE_UNKNOWN, LIMIT));
        pace.record(Duration::from_millis(5));
        assert_eq!((pace.patience(None, LIMIT), pace.give_up(LIMIT)), (OVERDUE_LEAST, GIVEN_UP_LEAST));
        pace.record(Duration::from_secs(10));
        for _ in 0..REMEMBERED - 1 {
            pace.record(Duration::from_secs(1));
        }
        assert_eq!(pace.patience(None, LIMIT), Duration::from_secs(40));
        assert_eq!(pace.give_up(LIMIT), Duration::from_secs(80));
        assert_eq!(pace.give_up(Duration::from_secs(60)), Duration::from_secs(60), "the maker's limit");
        pace.record(Duration::from_secs(1));
        assert_eq!(pace.patience(None, LIMIT), OVERDUE_LEAST, "the slow one is forgotten");
        let configured = Some(Duration::from_secs(2));
        assert_eq!(pace.patience(configured, LIMIT), Duration::from_secs(2));
        assert_eq!(pace.patience(configured, Duration::from_secs(1)), Duration::from_secs(1));
    }
}
