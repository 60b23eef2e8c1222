//! TP-SCTS, TP-DT and the absolute TP-VP: a date, a time and the zone, in swapped semi-octets.
//!
//! 3GPP TS 23.040 clause 9.2.3.11. The zone is in quarters of an hour; the bit above its tens is its sign.

use std::fmt;

use super::super::error::{Field, Reason};
use super::super::parse::{Parsed, Reading, seven, swapped_bcd, to_swapped_bcd};

/// A time stamp's seven octets, exactly as they came (TS 23.040 clause 9.2.3.11). `Display` is RFC 3339 with the stamp's own
/// zone.
///
/// ```
/// use gsm_sms::Timestamp;
///
/// // 2026-12-21 at 12:52:00, two hours ahead of UTC.
/// let stamp = Timestamp::from_octets([0x62, 0x21, 0x12, 0x21, 0x25, 0x00, 0x80]);
/// assert_eq!(stamp.to_string(), "2026-12-21T12:52:00+02:00");
/// assert_eq!(stamp.unix_seconds(), Some(1_797_850_320));
/// assert_eq!(Timestamp::from_unix(1_797_850_320, 8), Some(stamp));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timestamp {
    octets: [u8; 7],
}

/// What a [`Timestamp`] says: a date and time in a zone, and the zone's distance from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocalTime {
    /// The year, 1970 to 2069: the standard has two digits, and no short message is older than 1992.
    pub year: u16,
    /// The month, 1 to 12.
    pub month: u8,
    /// The day of the month, 1 to 31.
    pub day: u8,
    /// The hour, 0 to 23.
    pub hour: u8,
    /// The minute, 0 to 59.
    pub minute: u8,
    /// The second, 0 to 59.
    pub second: u8,
    /// How many quarters of an hour the zone is ahead of UTC, -85 to 85.
    pub offset_quarters: i8,
}

impl Timestamp {
    /// The stamp of these octets, whether they are a date and time or not.
    pub const fn from_octets(octets: [u8; 7]) -> Self {
        Self { octets }
    }

    /// The octets as they stand.
    pub const fn octets(&self) -> [u8; 7] {
        self.octets
    }

    /// The stamp of an instant, given in seconds since 1970-01-01T00:00:00Z, as a clock shows it in a zone that is that many
    /// quarters of an hour ahead of UTC. `None` when the zone's date is before 1970 or after 2069, or the zone is more than
    /// 79 quarters away.
    pub fn from_unix(seconds: i64, offset_quarters: i8) -> Option<Self> {
        let local = seconds.checked_add(i64::from(offset_quarters) * 900)?;
        let (year, month, day) = civil_from_days(local.div_euclid(86_400));
        let in_day = local.rem_euclid(86_400);
        if !(1970..2070).contains(&year) || offset_quarters.unsigned_abs() > 79 {
            return None;
        }
        let small = |n: i64| u8::try_from(n).ok().map(to_swapped_bcd);
        let sign = if offset_quarters < 0 { 0x08 } else { 0 };
        Some(Self {
            octets: [
                small(year % 100)?,
                small(month)?,
                small(day)?,
                small(in_day / 3600)?,
                small(in_day / 60 % 60)?,
                small(in_day % 60)?,
                to_swapped_bcd(offset_quarters.unsigned_abs()) | sign,
            ],
        })
    }

    /// What the stamp says; `None` when its semi-octets are not a date and time.
    pub fn local_time(&self) -> Option<LocalTime> {
        let [year, month, day, hour, minute, second, zone] = self.octets;
        let year = u16::from(swapped_bcd(year)?);
        let year = if year < 70 { 2000 + year } else { 1900 + year };
        // A service centre was seen to write ten quarters as one semi-octet, so the ones may go to 15.
        let quarters = i8::try_from((zone & 0x07) * 10 + (zone >> 4)).ok()?;
        let time = LocalTime {
            year,
            month: swapped_bcd(month)?,
            day: swapped_bcd(day)?,
            hour: swapped_bcd(hour)?,
            minute: swapped_bcd(minute)?,
            second: swapped_bcd(second)?,
            offset_quarters: if zone & 0x08 == 0 { quarters } else { -quarters },
        };
        time.is_valid().then_some(time)
    }

    /// The instant in seconds since 1970-01-01T00:00:00Z; `None` when the semi-octets are not a date and time.
    pub fn unix_seconds(&self) -> Option<i64> {
        let time = self.local_time()?;
        let days = days_from_civil(i64::from(time.year), i64::from(time.month), i64::from(time.day));
        let in_day = i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second);
        Some(days * 86_400 + in_day - i64::from(time.offset_quarters) * 900)
    }

    /// Reads a time stamp; strict mode wants a date and a time.
    pub(crate) fn parse<'a>(field: Field, input: &'a [u8], reading: &mut Reading) -> Parsed<'a, Self> {
        let (rest, octets) = seven(field)(input)?;
        let stamp = Self { octets };
        if stamp.local_time().is_none() {
            reading.overlook(field, input, Reason::NotATime)?;
        }
        Ok((rest, stamp))
    }
}

impl LocalTime {
    fn is_valid(self) -> bool {
        let leap =
            self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let days = match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return false,
        };
        (1..=days).contains(&self.day) && self.hour < 24 && self.minute < 60 && self.second < 60
    }
}

/// RFC 3339 with the stamp's zone, such as `2026-12-21T12:52:00+02:00`; the octets in hexadecimal digits when
/// they are not a date and time.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(t) = self.local_time() else {
            return self.octets.iter().try_for_each(|octet| write!(f, "{octet:02X}"));
        };
        let sign = if t.offset_quarters < 0 { '-' } else { '+' };
        let minutes = u16::from(t.offset_quarters.unsigned_abs()) * 15;
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{sign}{:02}:{:02}",
            t.year,
            t.month,
            t.day,
            t.hour,
            t.minute,
            t.second,
            minutes / 60,
            minutes % 60
        )
    }
}

/// Days from 1970-01-01 of a date of the proleptic Gregorian calendar.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date of a day counted from 1970-01-01.
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for (octets, text) in [
            ([0x31, 0x30, 0x80, 0x51, 0x20, 0x61, 0x80], "2013-03-08T15:02:16+02:00"),
            ([0x52, 0x40, 0x71, 0x31, 0x04, 0x73, 0x8a], "2025-04-17T13:40:37-07:00"),
            ([0x51, 0x11, 0x72, 0, 0, 0, 0x80], "2015-11-27T00:00:00+02:00"),
            ([0x71, 0x80, 0x13, 0x11, 0x12, 0x45, 0x23], "2017-08-31T11:21:54+08:00"),
            ([0x01, 0x90, 0x12, 0x41, 0x30, 0x45, 0xa0], "2010-09-21T14:03:54+02:30"),
            ([0x00; 7], "00000000000000"),
            ([0x31, 0x20, 0x03, 0, 0, 0, 0], "31200300000000"),
        ] {
            assert_eq!(Timestamp::from_octets(octets).to_string(), text);
        }
    }

    #[test]
    fn instants_both_ways() {
        let stamp = Timestamp::from_octets([0x31, 0x30, 0x80, 0x51, 0x20, 0x61, 0x80]);
        assert_eq!(stamp.unix_seconds(), Some(1_362_747_736));
        assert_eq!(Timestamp::from_unix(1_362_747_736, 8), Some(stamp));
        assert_eq!(Timestamp::from_unix(0, -28).map(|s| s.to_string()), None);
        assert_eq!(Timestamp::from_unix(0, 0).unwrap().to_string(), "1970-01-01T00:00:00+00:00");
        assert_eq!(Timestamp::from_unix(951_782_400, -1).unwrap().to_string(), "2000-02-28T23:45:00-00:15");
        for day in (0..36_000).step_by(7) {
            let seconds = day * 86_400 + day;
            assert_eq!(Timestamp::from_unix(seconds, 22).unwrap().unix_seconds(), Some(seconds));
        }
    }
}
