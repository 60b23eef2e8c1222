//! The few nom parsers that all fields share, and how a fault finds its octet and its leniency.

use nom::bytes::complete::take;
use nom::error::{ErrorKind, ParseError};
use nom::{IResult, Parser};

use super::error::{Field, Reason, SmsError};

/// What a field's parser gives.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Fault>;

/// A fault, placed by how many octets were still unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) field: Field,
    pub(crate) left: usize,
    pub(crate) reason: Reason,
}

impl Fault {
    pub(crate) const fn failure(field: Field, input: &[u8], reason: Reason) -> nom::Err<Self> {
        nom::Err::Failure(Self { field, left: input.len(), reason })
    }
}

impl ParseError<&[u8]> for Fault {
    fn from_error_kind(input: &[u8], _: ErrorKind) -> Self {
        Self {
            field: Field::UserData,
            left: input.len(),
            reason: Reason::Short { wanted: 0, left: input.len() },
        }
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Whether a fault that leaves the message readable ends the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Strictness {
    /// Every fault is an error: for tests, and for octets that the program wrote itself.
    #[default]
    Strict,
    /// A fault that real modems and networks make is noted and overlooked, as its [`Reason`] says: for octets
    /// that come from outside.
    Lenient,
}

/// One reading: how strict it is, how many octets it has, and what it has overlooked so far.
#[derive(Debug)]
pub(crate) struct Reading {
    strictness: Strictness,
    total: usize,
    pub(crate) leniencies: Vec<SmsError>,
}

impl Reading {
    pub(crate) const fn new(strictness: Strictness, total: usize) -> Self {
        Self { strictness, total, leniencies: Vec::new() }
    }

    /// Notes a fault at the head of `input`, or fails with it.
    pub(crate) fn overlook(
        &mut self,
        field: Field,
        input: &[u8],
        reason: Reason,
    ) -> Result<(), nom::Err<Fault>> {
        match self.strictness {
            Strictness::Strict => Err(Fault::failure(field, input, reason)),
            Strictness::Lenient => {
                self.leniencies.push(SmsError::new(field, self.total - input.len().min(self.total), reason));
                Ok(())
            }
        }
    }

    /// A fault with its octet.
    pub(crate) fn error(&self, fault: &nom::Err<Fault>) -> SmsError {
        match fault {
            nom::Err::Error(f) | nom::Err::Failure(f) => {
                SmsError::new(f.field, self.total - f.left.min(self.total), f.reason)
            }
            // Only nom's streaming parsers ask for more, and none is used here.
            nom::Err::Incomplete(_) => {
                SmsError::new(Field::UserData, self.total, Reason::Short { wanted: 1, left: 0 })
            }
        }
    }
}

/// One octet.
#[inline]
pub(crate) fn octet(field: Field) -> impl FnOnce(&[u8]) -> Parsed<'_, u8> {
    move |input| match input {
        [octet, rest @ ..] => Ok((rest, *octet)),
        [] => Err(Fault::failure(field, input, Reason::Short { wanted: 1, left: 0 })),
    }
}

/// `count` octets.
pub(crate) fn octets(field: Field, count: usize) -> impl FnOnce(&[u8]) -> Parsed<'_, &[u8]> {
    move |input| {
        take::<_, _, Fault>(count).parse(input).map_err(|_: nom::Err<Fault>| {
            Fault::failure(field, input, Reason::Short { wanted: count, left: input.len() })
        })
    }
}

/// Seven octets: a time stamp or a long validity period.
pub(crate) fn seven(field: Field) -> impl FnOnce(&[u8]) -> Parsed<'_, [u8; 7]> {
    move |input| match input.split_first_chunk::<7>() {
        Some((seven, rest)) => Ok((rest, *seven)),
        None => Err(Fault::failure(field, input, Reason::Short { wanted: 7, left: input.len() })),
    }
}

/// The decimal number of a swapped pair of semi-octets, `None` when one is not a digit.
pub(crate) const fn swapped_bcd(octet: u8) -> Option<u8> {
    let (tens, ones) = (octet & 0x0f, octet >> 4);
    if tens > 9 || ones > 9 { None } else { Some(tens * 10 + ones) }
}

/// A number below 100 as a swapped pair of semi-octets.
pub(crate) const fn to_swapped_bcd(number: u8) -> u8 {
    ((number % 10) << 4) | (number / 10 % 10)
}
