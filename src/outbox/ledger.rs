//! What a SIM has sent: parts in this minute, day and month (UTC), kept durably by ICCID or IMSI.

use crate::clock::Timestamp;

/// The counts of one SIM. A count belongs to the period it was made in and is zero in any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Minutes since the epoch, and the parts sent in that minute.
    pub minute: (u64, u32),
    /// Days since the epoch, and the parts sent on that day.
    pub day: (u64, u32),
    /// Months since 1970-01, and the parts sent in that month.
    pub month: (u64, u32),
}

impl Ledger {
    /// Counts `parts` sent at `now`.
    pub fn record(&mut self, parts: u32, now: Timestamp) {
        for (slot, period) in
            [(&mut self.minute, minute(now)), (&mut self.day, day(now)), (&mut self.month, month(now))]
        {
            if slot.0 != period {
                *slot = (period, 0);
            }
            slot.1 = slot.1.saturating_add(parts);
        }
    }

    /// When a message of `parts` may go out, given at most so many parts a minute and a day; `now` when it may
    /// at once.
    pub fn admits_at(
        &self,
        parts: u32,
        per_minute: Option<u32>,
        per_day: Option<u32>,
        now: Timestamp,
    ) -> Timestamp {
        let mut at = now;
        // A message larger than the whole limit may go out alone.
        let full = |slot: (u64, u32), period: u64, limit: Option<u32>| {
            limit.is_some_and(|limit| slot.0 == period && slot.1 > 0 && slot.1.saturating_add(parts) > limit)
        };
        if full(self.minute, minute(now), per_minute) {
            at = at.max(Timestamp::from_millis((minute(now) + 1) * 60_000));
        }
        if full(self.day, day(now), per_day) {
            at = at.max(Timestamp::from_millis((day(now) + 1) * 86_400_000));
        }
        at
    }
}

fn minute(now: Timestamp) -> u64 {
    now.as_millis() / 60_000
}

fn day(now: Timestamp) -> u64 {
    now.as_millis() / 86_400_000
}

fn month(now: Timestamp) -> u64 {
    let millis = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let date = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    let date = date.to_zoned(jiff::tz::TimeZone::UTC).date();
    u64::try_from((i64::from(date.year()) - 1970) * 12 + i64::from(date.month()) - 1).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn counts_belong_to_their_period() {
        let mut ledger = Ledger::default();
        ledger.record(2, at("2026-11-30T23:59:50Z"));
        ledger.record(1, at("2026-11-30T23:59:59Z"));
        assert_eq!((ledger.minute.1, ledger.day.1, ledger.month.1), (3, 3, 3));
        ledger.record(1, at("2026-12-01T00:00:00Z"));
        assert_eq!((ledger.minute.1, ledger.day.1, ledger.month.1), (1, 1, 1));
    }

    #[test]
    fn a_full_period_waits_for_the_next() {
        let mut ledger = Ledger::default();
        let now = at("2026-11-22T10:00:30Z");
        assert_eq!(ledger.admits_at(5, Some(3), None, now), now, "larger than the limit: alone");
        ledger.record(3, now);
        assert_eq!(ledger.admits_at(1, Some(3), None, now), at("2026-11-22T10:01:00Z"));
        assert_eq!(ledger.admits_at(1, Some(4), Some(3), now), at("2026-11-23T00:00:00Z"));
        assert_eq!(ledger.admits_at(1, Some(4), None, now), now);
    }
}
