//! The two clocks of the gateway, read together, over restarts and boots.
//!
//! The clock that nobody sets begins with the numbers of the wall clock. From then on it goes as the time since boot does,
//! also while the daemon is not running. Over a boot, which the time since boot does not survive, it goes on from where it
//! was when the newest record was written, and further by as much as the wall clock went on meanwhile.
//!
//! The wall clock is not plausible while it shows a time before any build of this program, or one that was over when the
//! daemon wrote its newest record before this start.

use std::sync::Mutex;
use std::time::Duration;

use super::error::Result;
use super::lock::locked;
use crate::clock::{Ahead, Clock, Now, Steady, Timestamp};
use crate::store::{EventRecords as _, Records as _, Store, View};

/// The name under which the store keeps it: the boot, what is added to the time since boot, when that was seen last, and
/// the date of that moment.
const NAME: &str = "steady";

/// No version of this program is older: 2026-01-01T00:00:00Z.
pub(super) const EARLIEST: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// The wall clock may be so far behind what it was: time servers correct it.
const CORRECTED: Duration = Duration::from_secs(60);

/// Who has had a wrong clock for so long knows of it: what it shows is believed.
const BELIEVED: Duration = Duration::from_secs(86_400);

/// Both clocks.
#[derive(Debug)]
pub(super) struct Clocks {
    clock: Clock,
    kept: Kept,
    dates: Mutex<Dates>,
}

/// What is added to the time since this boot, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    boot: String,
    ahead: i64,
}

/// What is known of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dates {
    /// What it showed when the newest record was written before this start, at the least.
    newest: Timestamp,
    /// How far it was ahead of the other clock when it was plausible last.
    ahead: Ahead,
    /// How far it was ahead at the last look, and since when.
    seen: (Ahead, Steady),
}

/// The line that the store has: where both clocks were.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    kept: Kept,
    seen: Steady,
    date: Timestamp,
}

impl Clocks {
    /// Goes on from what the store has, and writes down that it does.
    pub(super) async fn resume(store: &Store, clock: Clock) -> Result<Self> {
        let (line, newest) =
            store.read(|view| Ok::<_, crate::store::StoreError>((view.meta(NAME)?, newest(view)?))).await??;
        let line = line.as_deref().and_then(read);
        let clocks = Self::after(line, newest, clock);
        let (name, line) = clocks.seen();
        store.transact(move |tx| tx.put_meta(name, line.as_bytes())).await?;
        Ok(clocks)
    }

    /// `newest` is when the newest record was written.
    fn after(line: Option<Line>, newest: Option<Steady>, clock: Clock) -> Self {
        let (boot, since, wall) = (clock.boot(), clock.boot_time(), clock.now());
        let line = line.or_else(|| {
            let seen = newest?;
            Some(Line {
                kept: Kept { boot: "another".to_owned(), ahead: 0 },
                seen,
                date: Timestamp::from_millis(seen.as_millis()),
            })
        });
        let (kept, dates) = match line {
            None => {
                let from = wall.max(EARLIEST);
                let steady = Steady::from_millis(from.as_millis());
                let ahead = Now::agreed(from).ahead();
                (Kept::at(boot, since, steady), Dates { newest: EARLIEST, ahead, seen: (ahead, steady) })
            }
            Some(Line { kept, seen, date }) => {
                let ahead = Now::new(date, seen).ahead();
                let last = seen.max(newest.unwrap_or_default());
                let date = ahead.date(last);
                let kept = if kept.is_of(&boot, since, last) {
                    kept
                } else {
                    Kept::at(boot, since, last.plus(wall.since(date)))
                };
                let steady = kept.at_boot_time(since);
                (kept, Dates { newest: date.max(EARLIEST), ahead, seen: (ahead, steady) })
            }
        };
        Self { clock, kept, dates: Mutex::new(dates) }
    }

    /// The present.
    pub(super) fn now(&self) -> Now {
        self.read(&locked(&self.dates))
    }

    fn read(&self, dates: &Dates) -> Now {
        let (wall, steady) = (self.clock.now(), self.kept.at_boot_time(self.clock.boot_time()));
        if wall.plus(CORRECTED) >= dates.newest && wall >= EARLIEST {
            return Now::new(wall, steady);
        }
        Now::doubted(wall, steady, dates.ahead.date(steady).max(EARLIEST))
    }

    /// What is written down of both now and then, and its name there. What the wall clock has shown long enough is believed.
    pub(super) fn seen(&self) -> (&'static str, String) {
        let mut dates = locked(&self.dates);
        let mut now = self.read(&dates);
        let shown = Now::new(now.wall(), now.steady()).ahead();
        if shown.apart(dates.seen.0) > CORRECTED {
            dates.seen = (shown, now.steady());
        } else if now.wall() >= EARLIEST && now.steady().since(dates.seen.1) >= BELIEVED {
            dates.newest = dates.newest.min(now.wall());
            now = self.read(&dates);
        }
        if now.is_plausible() {
            dates.ahead = shown;
        }
        let (steady, Kept { boot, ahead }) = (now.steady(), &self.kept);
        (NAME, format!("{boot} {ahead} {} {}", steady.as_millis(), dates.ahead.date(steady).as_millis()))
    }

    /// Why the wall clock cannot be right; nothing when it may be.
    pub(super) fn doubt(&self) -> Option<String> {
        let dates = *locked(&self.dates);
        let now = self.read(&dates);
        if now.is_plausible() {
            return None;
        }
        let wall = now.wall();
        Some(if wall < EARLIEST {
            format!("the clock shows {wall}, which is before this program was written: set it right")
        } else {
            format!(
                "the clock shows {wall}, which is before the newest record, of {}: set it right; if it is right, it is \
                 believed when it has shown this for a day",
                dates.newest
            )
        })
    }

    /// Completes when the present is `at` or later.
    pub(super) async fn sleep_until(&self, at: Steady) {
        let since = millis_between(at, self.kept.ahead);
        self.clock.sleep_until(Duration::from_millis(since)).await;
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl Kept {
    /// The clock that shows `steady` when so much has passed since this boot.
    fn at(boot: String, since: Duration, steady: Steady) -> Self {
        Self { boot, ahead: signed(steady.as_millis()).saturating_sub(millis(since)) }
    }

    fn at_boot_time(&self, since: Duration) -> Steady {
        Steady::from_millis(millis(since).saturating_add(self.ahead).try_into().unwrap_or_default())
    }

    /// Whether it is of this boot. Where a boot has no name (the unit hides `/proc/sys`), it is one in which no less time
    /// has passed than when it was seen last. A machine that was booted again and started the daemon much later then
    /// loses the time that it was off: limits last longer, and nobody gets more.
    fn is_of(&self, boot: &str, since: Duration, seen: Steady) -> bool {
        if boot.is_empty() || self.boot.is_empty() {
            return self.at_boot_time(since) >= seen;
        }
        self.boot == boot
    }
}

/// When the newest event was written: nearly every record is written with one.
fn newest(view: &View) -> Result<Option<Steady>, crate::store::StoreError> {
    let Some(sealed) = view.event_ends()? else { return Ok(None) };
    let last = view.events_after(sealed.ends.last.saturating_sub(1), 1)?.pop();
    Ok(last.map(|(_, event)| event.event.since))
}

/// What was written down; nothing when it cannot be read. Older versions did not write the date: the clocks were together
/// until somebody set the wall clock.
fn read(line: &[u8]) -> Option<Line> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (boot, ahead, seen) = (words.next()?, words.next()?, words.next()?);
    let kept = Kept { boot: boot.to_owned(), ahead: ahead.parse().ok()? };
    let seen: u64 = seen.parse().ok()?;
    let date = words.next().map_or(Some(seen), |date| date.parse().ok())?;
    Some(Line { kept, seen: Steady::from_millis(seen), date: Timestamp::from_millis(date) })
}

fn millis_between(at: Steady, ahead: i64) -> u64 {
    signed(at.as_millis()).saturating_sub(ahead).try_into().unwrap_or_default()
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_780_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn wall(clocks: &Clocks) -> Option<Timestamp> {
        Some(clocks.now()).filter(Now::is_plausible).map(|now| now.wall())
    }

    /// The daemon stops, and starts again.
    fn again(clocks: &Clocks, newest: Option<Steady>) -> Clocks {
        Clocks::after(read(clocks.seen().1.as_bytes()), newest, clocks.clock.clone())
    }

    #[test]
    fn the_steady_clock_goes_on_over_restarts_whatever_the_wall_clock_shows() {
        let clock = Clock::manual(NOON);
        let first = Clocks::after(None, None, clock.clone());
        assert_eq!(first.now(), Now::agreed(NOON));
        for set in [NOON.plus(HOUR), NOON.minus(HOUR), Timestamp::default(), NOON.plus(17_520 * HOUR)] {
            clock.set(set);
            let before = first.now().steady();
            let next = again(&first, None);
            assert_eq!(next.now().steady(), before);
            clock.advance(HOUR);
            assert_eq!((next.now().steady(), first.now().steady()), (before.plus(HOUR), before.plus(HOUR)));
        }
    }

    #[test]
    fn over_a_boot_it_goes_on_by_as_much_as_the_wall_clock_did() {
        let clock = Clock::manual(NOON);
        let first = Clocks::after(None, None, clock.clone());
        clock.set(NOON.plus(24 * HOUR));
        let line = read(first.seen().1.as_bytes());
        clock.reboot(HOUR);
        let next = Clocks::after(line.clone(), None, clock.clone());
        assert_eq!(next.now(), Now::new(NOON.plus(25 * HOUR), Now::agreed(NOON).steady().plus(HOUR)));
        // A board whose clock has no battery; records were written after the line was.
        let newest = Now::agreed(NOON).steady().plus(2 * HOUR);
        clock.reboot(HOUR);
        clock.set(Timestamp::default());
        let board = Clocks::after(line, Some(newest), clock.clone());
        assert_eq!(board.now(), Now::doubted(Timestamp::default(), newest, NOON.plus(26 * HOUR)));
        assert!(board.doubt().unwrap().contains("1970-01-01"));
        clock.set(NOON.plus(30 * HOUR));
        assert_eq!(board.now(), Now::new(NOON.plus(30 * HOUR), newest));
        assert_eq!(board.doubt(), None);
    }

    #[test]
    fn a_boot_without_a_name_is_one_in_which_no_less_time_has_passed() {
        let kept = Kept { boot: String::new(), ahead: 9_600 };
        let seen = Steady::from_millis(11_000);
        assert!(!kept.is_of("", Duration::from_millis(500), seen));
        assert!(kept.is_of("", Duration::from_millis(1_500), seen));
        assert!(Kept { boot: "a".to_owned(), ..kept.clone() }.is_of("a", Duration::ZERO, seen));
        assert!(!Kept { boot: "a".to_owned(), ..kept }.is_of("b", 2 * HOUR, seen));
    }

    #[test]
    fn a_first_start_without_a_clock_begins_when_the_program_was_written() {
        let clock = Clock::manual(Timestamp::from_millis(5_000));
        let clocks = Clocks::after(None, None, clock.clone());
        let began = Now::agreed(EARLIEST).steady();
        assert_eq!(clocks.now(), Now::doubted(Timestamp::from_millis(5_000), began, EARLIEST));
        clock.set(NOON);
        assert_eq!(clocks.now(), Now::new(NOON, began));
        assert_eq!(again(&clocks, None).now(), Now::new(NOON, began));
    }

    #[test]
    fn a_clock_behind_the_newest_record_is_believed_after_a_day() {
        let clock = Clock::manual(NOON.plus(17_520 * HOUR));
        let first = Clocks::after(None, None, clock.clone());
        clock.set(NOON);
        assert_eq!(
            wall(&first),
            Some(NOON),
            "what was set while it runs is no older than the records before"
        );
        let clock = Clock::manual(NOON.plus(17_520 * HOUR));
        let line = read(Clocks::after(None, None, clock.clone()).seen().1.as_bytes());
        clock.set(NOON);
        let clocks = Clocks::after(line, None, clock.clone());
        assert_eq!(wall(&clocks), None);
        assert!(clocks.doubt().unwrap().contains("newest record, of 2028-05-27"));
        for _ in 0..24 {
            clocks.seen();
            assert_eq!(wall(&clocks), None);
            clock.advance(HOUR);
        }
        clocks.seen();
        assert_eq!(wall(&clocks), Some(NOON.plus(24 * HOUR)));
        assert_eq!(wall(&again(&clocks, None)), Some(NOON.plus(24 * HOUR)));
    }

    #[test]
    fn what_was_written_reads_back_and_what_was_not_is_nothing() {
        let kept = Kept { boot: "a-b".to_owned(), ahead: -5 };
        let line = |date| Line {
            kept: kept.clone(),
            seen: Steady::from_millis(45),
            date: Timestamp::from_millis(date),
        };
        assert_eq!(read(b"a-b -5 45 99"), Some(line(99)));
        assert_eq!(read(b"a-b -5 45"), Some(line(45)), "of an older version");
        for damaged in [&b""[..], b"a", b"a b 7", b"a 1 x", b"a 1 1 x", b"\xff 1 1"] {
            assert_eq!(read(damaged), None);
        }
    }
}
