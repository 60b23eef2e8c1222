//! Time that no setting of the wall clock moves, for limits: nobody gets more codes because a clock was set ahead, or
//! none because it was set back.
//!
//! It begins as the wall clock's time. From then on it goes as the time since boot does, also while the daemon is not
//! running. Over a boot, which the time since boot does not survive, it goes on from the wall clock, or from where it
//! was seen last when the wall clock shows less.

use std::time::Duration;

use super::error::Result;
use crate::clock::{Clock, Timestamp};
use crate::store::{Records as _, Store};

/// The name under which the store keeps it: the boot, what is added to the time since boot, and when it was seen last.
const NAME: &str = "steady";

/// What is added to the time since this boot, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Steady {
    boot: String,
    ahead: i64,
}

impl Steady {
    /// Goes on from what the store has, and writes down that it does.
    pub(super) async fn resume(store: &Store, clock: &Clock) -> Result<Self> {
        let known = store.read(|view| view.meta(NAME)).await??;
        let known = known.as_deref().and_then(read);
        let steady = Self::after(known, clock.boot(), clock.boot_time(), clock.now());
        let (name, line) = steady.seen(clock);
        store.transact(move |tx| tx.put_meta(name, line.as_bytes())).await?;
        Ok(steady)
    }

    fn after(known: Option<(Self, Timestamp)>, boot: String, since: Duration, wall: Timestamp) -> Self {
        match known {
            Some((known, seen)) if known.is_of(&boot, since, seen) => known,
            known => {
                let from = known.map_or(wall, |(_, seen)| seen.max(wall));
                let ahead = i64::try_from(from.as_millis()).unwrap_or(i64::MAX).saturating_sub(millis(since));
                Self { boot, ahead }
            }
        }
    }

    /// Whether it is of this boot. Where a boot has no name (the unit hides `/proc/sys`), it is one in which no less time
    /// has passed than when it was seen last. A machine that was booted again and started the daemon much later then
    /// loses the time that it was off: limits last longer, and nobody gets more.
    fn is_of(&self, boot: &str, since: Duration, seen: Timestamp) -> bool {
        if boot.is_empty() || self.boot.is_empty() {
            let then = i64::try_from(seen.as_millis()).unwrap_or(i64::MAX).saturating_sub(self.ahead);
            return millis(since) >= then;
        }
        self.boot == boot
    }

    /// The present.
    pub(super) fn now(&self, clock: &Clock) -> Timestamp {
        let now = millis(clock.boot_time()).saturating_add(self.ahead);
        Timestamp::from_millis(u64::try_from(now).unwrap_or_default())
    }

    /// What is written down of it now and then, and its name there.
    pub(super) fn seen(&self, clock: &Clock) -> (&'static str, String) {
        (NAME, format!("{} {} {}", self.boot, self.ahead, self.now(clock).as_millis()))
    }
}

/// What was written down, and when it was seen last; nothing when it cannot be read.
fn read(line: &[u8]) -> Option<(Steady, Timestamp)> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (boot, ahead, seen) = (words.next()?, words.next()?, words.next()?);
    let steady = Steady { boot: boot.to_owned(), ahead: ahead.parse().ok()? };
    Some((steady, Timestamp::from_millis(seen.parse().ok()?)))
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_over_restarts_and_boots_and_never_back() {
        let (at, span) = (Timestamp::from_millis, Duration::from_millis);
        let first = Steady::after(None, "a".to_owned(), span(400), at(10_000));
        assert_eq!(first, Steady { boot: "a".to_owned(), ahead: 9_600 });
        let after = |boot: &str, wall| {
            let known = Some((first.clone(), at(11_000)));
            Steady::after(known, boot.to_owned(), span(500), at(wall))
        };
        assert_eq!(after("a", 1), first, "the same boot, whatever the wall clock shows");
        assert_eq!(after("b", 90_000).ahead, 89_500, "another boot, long after");
        assert_eq!(after("b", 1).ahead, 10_500, "another boot, and the wall clock has no battery");
        // It was seen 1,400 ms after that boot.
        assert_eq!(after("", 1).ahead, 10_500, "a boot without a name, in which less time has passed");
        let later = Steady::after(Some((first.clone(), at(11_000))), String::new(), span(1_500), at(1));
        assert_eq!(later, first, "a boot without a name, in which no less time has passed");
    }

    #[test]
    fn what_was_written_reads_back_and_what_was_not_is_nothing() {
        let clock = Clock::manual(Timestamp::from_millis(50));
        let steady = Steady { boot: "a-b".to_owned(), ahead: -5 };
        assert_eq!(read(steady.seen(&clock).1.as_bytes()), Some((steady, Timestamp::from_millis(45))));
        for damaged in [&b""[..], b"a", b"a b 7", b"a 1 x", b"\xff 1 1"] {
            assert_eq!(read(damaged), None);
        }
    }
}
