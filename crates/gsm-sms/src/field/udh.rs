//! The user data header: information elements before the text.
//!
//! 3GPP TS 23.040 clause 9.2.3.24: TP-UDHL, then for each element an identifier, a length and its octets.

use super::super::error::{Field, Reason};
use super::super::text::language::{Language, ShiftTables};
use super::dcs::WaitingKind;

/// Which message a part belongs to, and which part it is (TS 23.040 clauses 9.2.3.24.1 and 9.2.3.24.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Concatenation {
    /// The reference that the parts share.
    pub reference: Reference,
    /// How many parts there are, 1 to 255.
    pub total: u8,
    /// Which part this is, 1 to `total`.
    pub sequence: u8,
}

/// The reference of a concatenated message, in one of its two widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// The 8 bits of element 00.
    Eight(u8),
    /// The 16 bits of element 08.
    Sixteen(u16),
}

impl Reference {
    /// The number, of either width.
    pub const fn number(self) -> u16 {
        match self {
            Self::Eight(number) => number as u16,
            Self::Sixteen(number) => number,
        }
    }
}

/// An information element of a [`Header`] (TS 23.040 clause 9.2.3.24): its meaning, or its octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Element<'a> {
    /// 00 and 08: one part of several (clauses 9.2.3.24.1 and 9.2.3.24.8).
    Concatenation(Concatenation),
    /// 01: something waits for the subscriber (clause 9.2.3.24.2).
    MessageWaiting {
        /// Bit 7: whether the message that carries the element is to be kept.
        store: bool,
        /// What waits.
        kind: WaitingKind,
        /// How many wait; 255 stands for more than that too.
        count: u8,
    },
    /// 04: application ports of 8 bits (clause 9.2.3.24.3).
    Ports8 {
        /// The port to which the data goes.
        destination: u8,
        /// The port from which the data comes.
        source: u8,
    },
    /// 05: application ports of 16 bits (clause 9.2.3.24.4).
    Ports16 {
        /// The port to which the data goes.
        destination: u16,
        /// The port from which the data comes.
        source: u16,
    },
    /// 24 hex: the single shift table of a language (clause 9.2.3.24.15), by its National Language Identifier, which may be
    /// a reserved one; see [`Language::from_identifier`].
    SingleShift(u8),
    /// 25 hex: the locking shift table of a language (clause 9.2.3.24.16), by the same identifier.
    LockingShift(u8),
    /// Another element, or one of the above with a wrong length: a receiver ignores it. A later version may
    /// have a variant for it.
    Other {
        /// The element's identifier.
        identifier: u8,
        /// The element's octets, at most 255; more are not written.
        data: &'a [u8],
    },
}

impl<'a> Element<'a> {
    fn of(identifier: u8, data: &'a [u8]) -> Self {
        match (identifier, data) {
            (0x00, &[reference, total, sequence]) => {
                Self::Concatenation(Concatenation { reference: Reference::Eight(reference), total, sequence })
            }
            (0x08, &[high, low, total, sequence]) => Self::Concatenation(Concatenation {
                reference: Reference::Sixteen(u16::from_be_bytes([high, low])),
                total,
                sequence,
            }),
            (0x01, &[indication, count]) if indication & 0x7c == 0 => Self::MessageWaiting {
                store: indication & 0x80 != 0,
                kind: WaitingKind::of(indication),
                count,
            },
            (0x04, &[destination, source]) => Self::Ports8 { destination, source },
            (0x05, &[d1, d0, s1, s0]) => Self::Ports16 {
                destination: u16::from_be_bytes([d1, d0]),
                source: u16::from_be_bytes([s1, s0]),
            },
            (0x24, &[language]) => Self::SingleShift(language),
            (0x25, &[language]) => Self::LockingShift(language),
            (identifier, data) => Self::Other { identifier, data },
        }
    }

    /// Writes identifier, length and octets. An element of more than 255 octets cannot come from a header and is
    /// cut there.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        match *self {
            Self::Concatenation(Concatenation {
                reference: Reference::Eight(reference),
                total,
                sequence,
            }) => {
                to.extend([0x00, 3, reference, total, sequence]);
            }
            Self::Concatenation(Concatenation {
                reference: Reference::Sixteen(reference),
                total,
                sequence,
            }) => {
                let [high, low] = reference.to_be_bytes();
                to.extend([0x08, 4, high, low, total, sequence]);
            }
            Self::MessageWaiting { store, kind, count } => {
                to.extend([0x01, 2, u8::from(store) << 7 | kind as u8, count]);
            }
            Self::Ports8 { destination, source } => to.extend([0x04, 2, destination, source]),
            Self::Ports16 { destination, source } => {
                let ([d1, d0], [s1, s0]) = (destination.to_be_bytes(), source.to_be_bytes());
                to.extend([0x05, 4, d1, d0, s1, s0]);
            }
            Self::SingleShift(language) => to.extend([0x24, 1, language]),
            Self::LockingShift(language) => to.extend([0x25, 1, language]),
            Self::Other { identifier, data } => {
                let length = u8::try_from(data.len()).unwrap_or(u8::MAX);
                to.extend([identifier, length]);
                to.extend(&data[..usize::from(length)]);
            }
        }
    }
}

/// The user data header of a message: its information elements in their order (TS 23.040 clause 9.2.3.24).
///
/// It borrows from the [`UserData`](crate::UserData); the default has no element. Where elements contradict each other, the
/// last one counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Header<'a> {
    octets: &'a [u8],
}

impl<'a> Header<'a> {
    /// The header of these octets, which do not include TP-UDHL.
    pub(crate) const fn new(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// The elements one after the other, up to one that reaches beyond the header, which only a lenient reading lets pass.
    pub fn elements(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        Walk { rest: self.octets }.map_while(Result::ok)
    }

    /// The header's octets, without TP-UDHL.
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Which part of which message this is; `None` when no element says so. An element that numbers a part 0
    /// or beyond the total is ignored (clause 9.2.3.24.1).
    pub fn concatenation(&self) -> Option<Concatenation> {
        self.elements()
            .filter_map(|element| match element {
                Element::Concatenation(c) if c.sequence > 0 && c.sequence <= c.total => Some(c),
                _ => None,
            })
            .last()
    }

    /// The destination port and the source port, of 8 or 16 bits; `None` when no element names them.
    pub fn ports(&self) -> Option<(u16, u16)> {
        self.elements()
            .filter_map(|element| match element {
                Element::Ports8 { destination, source } => Some((destination.into(), source.into())),
                Element::Ports16 { destination, source } => Some((destination, source)),
                _ => None,
            })
            .last()
    }

    /// The national language shift tables that the text is read with; a reserved language has none.
    pub fn shift_tables(&self) -> ShiftTables {
        let mut tables = ShiftTables::NONE;
        for element in self.elements() {
            match element {
                Element::SingleShift(identifier) => tables.single = Language::from_identifier(identifier),
                Element::LockingShift(identifier) => tables.locking = Language::from_identifier(identifier),
                _ => {}
            }
        }
        tables
    }

    /// Where the elements do not fill the header exactly: how many octets in, and the fault.
    pub(crate) fn fault(&self) -> Option<(usize, Field, Reason)> {
        let mut number = 0_u8;
        let mut walk = Walk { rest: self.octets };
        loop {
            let at = self.octets.len() - walk.rest.len();
            number = number.saturating_add(1);
            match walk.next()? {
                Ok(_) => {}
                Err(reason) => return Some((at, Field::Element(number), reason)),
            }
        }
    }
}

impl std::fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.elements()).finish()
    }
}

struct Walk<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<Element<'a>, Reason>;

    fn next(&mut self) -> Option<Self::Item> {
        let (identifier, rest) = match *self.rest {
            [] => return None,
            [_] => {
                self.rest = &[];
                return Some(Err(Reason::Short { wanted: 2, left: 1 }));
            }
            [identifier, length, ref rest @ ..] => {
                let length = usize::from(length);
                if length > rest.len() {
                    self.rest = &[];
                    return Some(Err(Reason::ElementTooLong { length, left: rest.len() }));
                }
                (identifier, rest.split_at(length))
            }
        };
        self.rest = rest.1;
        Some(Ok(Element::of(identifier, rest.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(octets: &[u8]) -> Vec<Element<'_>> {
        let header = Header::new(octets);
        assert_eq!(header.fault(), None);
        let elements: Vec<_> = header.elements().collect();
        let mut written = Vec::new();
        for element in &elements {
            element.write(&mut written);
        }
        assert_eq!(written, octets);
        elements
    }

    #[test]
    fn known_answers() {
        let concatenation = Concatenation { reference: Reference::Eight(23), total: 3, sequence: 1 };
        assert_eq!(elements(b"\x00\x03\x17\x03\x01"), [Element::Concatenation(concatenation)]);
        assert_eq!(
            elements(b"\x05\x04\x04\xd2\x14\x66"),
            [Element::Ports16 { destination: 1234, source: 5222 }]
        );
        assert_eq!(elements(b"\x04\x02\x01\x02"), [Element::Ports8 { destination: 1, source: 2 }]);
        assert_eq!(
            elements(b"\x01\x02\x81\x05\x24\x01\x01\x25\x01\x03\x70\x00"),
            [
                Element::MessageWaiting { store: true, kind: WaitingKind::Fax, count: 5 },
                Element::SingleShift(1),
                Element::LockingShift(3),
                Element::Other { identifier: 0x70, data: &[] }
            ]
        );
        assert_eq!(elements(&[]), []);
        // The element has a wrong length that stays within the header: it is kept, and not understood.
        assert_eq!(elements(b"\x00\x02\x17\x03"), [Element::Other { identifier: 0, data: &[0x17, 3] }]);
    }

    #[test]
    fn the_last_valid_concatenation_counts() {
        let header = Header::new(b"\x00\x03\x01\x02\x01\x08\x04\x12\x34\x03\x02\x00\x03\x01\x02\x00");
        assert_eq!(
            header.concatenation(),
            Some(Concatenation { reference: Reference::Sixteen(0x1234), total: 3, sequence: 2 })
        );
        assert_eq!(Header::new(b"\x00\x03\x01\x02\x03").concatenation(), None);
        assert_eq!(Header::new(b"\x00\x03\x01\x00\x00").concatenation(), None);
    }

    #[test]
    fn elements_with_a_wrong_length() {
        assert_eq!(
            Header::new(b"\x24\x01\x01\x00\x03\x17").fault(),
            Some((3, Field::Element(2), Reason::ElementTooLong { length: 3, left: 1 }))
        );
        assert_eq!(
            Header::new(b"\x24").fault(),
            Some((0, Field::Element(1), Reason::Short { wanted: 2, left: 1 }))
        );
    }
}
