//! TP-VP: how long the service centre keeps trying.
//!
//! 3GPP TS 23.040 clauses 9.2.3.12.1 (relative), 9.2.3.12.2 (absolute), 9.2.3.12.3 (enhanced).

use std::time::Duration;

use super::super::error::{Field, Reason};
use super::super::parse::{Parsed, Reading, octet, seven, swapped_bcd, to_swapped_bcd};
use super::first_octet::ValidityFormat;
use super::scts::Timestamp;

/// TP-VP, a validity period, in one of its forms (TS 23.040 clause 9.2.3.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ValidityPeriod {
    /// None: the service centre decides.
    #[default]
    Absent,
    /// A span from when the service centre takes the message, in one octet.
    Relative(RelativeValidity),
    /// An instant, in seven octets.
    Absolute(Timestamp),
    /// A span in finer steps, or other requests without a span, in seven octets.
    Enhanced(EnhancedValidity),
}

/// A span in one octet, 5 minutes to 63 weeks (TS 23.040 clause 9.2.3.12.1): in steps of 5 minutes up to 12 hours, of 30
/// minutes up to a day, of a day up to 30 days, of a week from 5 weeks on.
///
/// ```
/// use std::time::Duration;
/// use gsm_sms::RelativeValidity;
///
/// let six_minutes = RelativeValidity::at_most(Duration::from_secs(360));
/// assert_eq!(six_minutes, RelativeValidity(0));
/// assert_eq!(six_minutes.span(), Duration::from_secs(300));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RelativeValidity(pub u8);

/// The seven octets of the enhanced form, exactly as they came (TS 23.040 clause 9.2.3.12.3): a functionality indicator, a
/// span as [`Self::span`] reads it, zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnhancedValidity(pub [u8; 7]);

/// What an [`EnhancedValidity`] says of time: its validity period format, bits 2 to 0 of the functionality indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EnhancedSpan {
    /// Format 0: no span.
    None,
    /// Format 1: a span as the relative form has it.
    Relative(RelativeValidity),
    /// Format 2: seconds, 1 to 255; 0 is reserved.
    Seconds(u8),
    /// Format 3: hours, minutes and seconds, each 0 to 99.
    HoursMinutesSeconds(u8, u8, u8),
    /// A reserved format, with its number, 4 to 7; or 3 with semi-octets that are not decimal digits.
    Reserved(u8),
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

impl RelativeValidity {
    /// The longest span that is not above `span`; 5 minutes, the shortest there is, for anything less.
    pub fn at_most(span: Duration) -> Self {
        let seconds = span.as_secs();
        let steps = if seconds <= 12 * HOUR {
            (seconds / (5 * MINUTE)).max(1) - 1
        } else if seconds <= DAY {
            143 + (seconds - 12 * HOUR) / (30 * MINUTE)
        } else if seconds < 5 * WEEK {
            166 + (seconds / DAY).min(30)
        } else {
            192 + (seconds / WEEK).min(63)
        };
        // 255 at most: 192 and 63.
        Self(u8::try_from(steps).unwrap_or(u8::MAX))
    }

    /// How long the span is.
    pub const fn span(self) -> Duration {
        let steps = self.0 as u64;
        Duration::from_secs(match self.0 {
            0..=143 => (steps + 1) * 5 * MINUTE,
            144..=167 => 12 * HOUR + (steps - 143) * 30 * MINUTE,
            168..=196 => (steps - 166) * DAY,
            197..=255 => (steps - 192) * WEEK,
        })
    }
}

impl EnhancedValidity {
    /// A span of 1 to 255 seconds.
    pub const fn seconds(seconds: u8) -> Self {
        Self([0x02, seconds, 0, 0, 0, 0, 0])
    }

    /// A span as the relative form has it.
    pub const fn relative(span: RelativeValidity) -> Self {
        Self([0x01, span.0, 0, 0, 0, 0, 0])
    }

    /// A span of hours, minutes and seconds, each 0 to 99. The hundreds of a greater number are lost.
    pub const fn hours_minutes_seconds(hours: u8, minutes: u8, seconds: u8) -> Self {
        Self([0x03, to_swapped_bcd(hours), to_swapped_bcd(minutes), to_swapped_bcd(seconds), 0, 0, 0])
    }

    /// No span: the service centre decides.
    pub const fn none() -> Self {
        Self([0; 7])
    }

    /// The same, asking the service centre to try once only.
    #[must_use]
    pub const fn with_single_shot(mut self) -> Self {
        self.0[0] |= 0x40;
        self
    }

    /// Whether the service centre is to try once only.
    pub const fn is_single_shot(self) -> bool {
        self.0[0] & 0x40 != 0
    }

    /// What the period says of time. Each further functionality indicator octet moves the span by one octet.
    pub fn span(self) -> EnhancedSpan {
        let [first, ..] = self.0;
        let extensions = self.0.iter().take_while(|octet| **octet & 0x80 != 0).count();
        let value = |at: usize| self.0.get(1 + extensions + at).copied().unwrap_or(0);
        match first & 0x07 {
            0 => EnhancedSpan::None,
            1 => EnhancedSpan::Relative(RelativeValidity(value(0))),
            2 => EnhancedSpan::Seconds(value(0)),
            3 => match (swapped_bcd(value(0)), swapped_bcd(value(1)), swapped_bcd(value(2))) {
                (Some(hours), Some(minutes), Some(seconds)) => {
                    EnhancedSpan::HoursMinutesSeconds(hours, minutes, seconds)
                }
                _ => EnhancedSpan::Reserved(3),
            },
            format => EnhancedSpan::Reserved(format),
        }
    }
}

impl ValidityPeriod {
    /// The form, as TP-VPF names it in the first octet.
    pub const fn format(self) -> ValidityFormat {
        match self {
            Self::Absent => ValidityFormat::Absent,
            Self::Relative(_) => ValidityFormat::Relative,
            Self::Absolute(_) => ValidityFormat::Absolute,
            Self::Enhanced(_) => ValidityFormat::Enhanced,
        }
    }

    /// How long the service centre keeps trying after it took the message; `None` for the absolute form, and
    /// where no span is given.
    pub fn span(self) -> Option<Duration> {
        match self {
            Self::Absent | Self::Absolute(_) => None,
            Self::Relative(relative) => Some(relative.span()),
            Self::Enhanced(enhanced) => match enhanced.span() {
                EnhancedSpan::None | EnhancedSpan::Reserved(_) => None,
                EnhancedSpan::Relative(relative) => Some(relative.span()),
                EnhancedSpan::Seconds(seconds) => Some(Duration::from_secs(seconds.into())),
                EnhancedSpan::HoursMinutesSeconds(hours, minutes, seconds) => Some(Duration::from_secs(
                    u64::from(hours) * HOUR + u64::from(minutes) * MINUTE + u64::from(seconds),
                )),
            },
        }
    }

    /// Reads the form that TP-VPF names.
    pub(crate) fn parse<'a>(
        format: ValidityFormat,
        input: &'a [u8],
        reading: &mut Reading,
    ) -> Parsed<'a, Self> {
        let field = Field::ValidityPeriod;
        match format {
            ValidityFormat::Absent => Ok((input, Self::Absent)),
            ValidityFormat::Relative => {
                let (rest, octet) = octet(field)(input)?;
                Ok((rest, Self::Relative(RelativeValidity(octet))))
            }
            ValidityFormat::Absolute => {
                let (rest, stamp) = Timestamp::parse(field, input, reading)?;
                Ok((rest, Self::Absolute(stamp)))
            }
            ValidityFormat::Enhanced => {
                let (rest, octets) = seven(field)(input)?;
                let enhanced = EnhancedValidity(octets);
                if enhanced.span() == EnhancedSpan::Reserved(3) {
                    reading.overlook(field, input, Reason::NotATime)?;
                }
                Ok((rest, Self::Enhanced(enhanced)))
            }
        }
    }

    /// Writes the period.
    pub(crate) fn write(self, to: &mut Vec<u8>) {
        match self {
            Self::Absent => {}
            Self::Relative(relative) => to.push(relative.0),
            Self::Absolute(stamp) => to.extend(stamp.octets()),
            Self::Enhanced(enhanced) => to.extend(enhanced.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for (octet, minutes) in [
            (0x05, 30),
            (0x97, 960),
            (0xa9, 4320),
            (0xc5, 50_400),
            (0x00, 5),
            (0x01, 10),
            (0x8f, 720),
            (0xa7, 1440),
            (0xa8, 2880),
            (0xff, 635_040),
        ] {
            assert_eq!(RelativeValidity(octet).span(), Duration::from_secs(minutes * 60), "{octet:02X}");
        }
    }

    #[test]
    fn never_above_what_was_asked_and_never_far_below() {
        for octet in 0..=u8::MAX {
            let this = RelativeValidity(octet);
            assert_eq!(RelativeValidity::at_most(this.span()), this);
            if let Some(next) = octet.checked_add(1).map(RelativeValidity) {
                assert!(next.span() > this.span());
                assert_eq!(
                    RelativeValidity::at_most(next.span().saturating_sub(Duration::from_secs(1))),
                    this
                );
            }
        }
        assert_eq!(RelativeValidity::at_most(Duration::ZERO), RelativeValidity(0));
        assert_eq!(RelativeValidity::at_most(Duration::MAX), RelativeValidity(255));
    }

    #[test]
    fn enhanced_forms() {
        let span = |v: EnhancedValidity| ValidityPeriod::Enhanced(v).span().map(|d| d.as_secs());
        assert_eq!(span(EnhancedValidity::seconds(120)), Some(120));
        assert_eq!(EnhancedValidity::seconds(120).0, [0x02, 0x78, 0, 0, 0, 0, 0]);
        assert_eq!(span(EnhancedValidity::hours_minutes_seconds(12, 34, 56)), Some(45_296));
        assert_eq!(EnhancedValidity::hours_minutes_seconds(12, 34, 56).0[..4], [0x03, 0x21, 0x43, 0x65]);
        assert_eq!(span(EnhancedValidity::relative(RelativeValidity(0)).with_single_shot()), Some(300));
        assert!(EnhancedValidity::none().with_single_shot().is_single_shot());
        assert_eq!(span(EnhancedValidity::none()), None);
        assert_eq!(span(EnhancedValidity([0x82, 0x00, 9, 0, 0, 0, 0])), Some(9));
        assert_eq!(EnhancedValidity([0x04, 0, 0, 0, 0, 0, 0]).span(), EnhancedSpan::Reserved(4));
    }
}
