//! TP-UDL and TP-UD: the text or data, and the header before it.
//!
//! 3GPP TS 23.040 clauses 9.2.3.16 and 9.2.3.24. The length counts septets of a GSM 7 bit text and octets of
//! everything else, header and fill bits included.

use std::fmt;

use super::super::error::{Field, Reason, SmsError};
use super::super::parse::{Fault, Parsed, Reading, octet};
use super::super::text::language::ShiftTables;
use super::super::text::septets::{self, Packer};
use super::super::text::{alphabet, utf16};
use super::dcs::Alphabet;
use super::udh::{Element, Header};

/// The most octets of user data.
pub(crate) const MOST_OCTETS: usize = 140;

/// User data exactly as a message has it: TP-UDL and at most 140 octets of TP-UD (TS 23.040 clauses 9.2.3.16 and 9.2.3.24), a
/// header before the text or data included. `Debug` shows its measures, never the text.
///
/// ```
/// use gsm_sms::{Alphabet, Element, ShiftTables, UserData};
///
/// let text = UserData::text("Grüße", Alphabet::Gsm7, ShiftTables::NONE, &[])?;
/// assert_eq!((text.length(), text.octets().len()), (5, 5), "septets, and the octets that hold them");
///
/// let ports = [Element::Ports16 { destination: 2948, source: 9200 }];
/// let data = UserData::data(&[1, 2, 3], &ports)?;
/// assert_eq!((data.length(), data.body()), (10, &[1, 2, 3][..]));
/// assert_eq!(data.header().ports(), Some((2948, 9200)));
/// assert_eq!(data.to_text(), None);
/// # Ok::<(), gsm_sms::SmsError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserData {
    alphabet: Alphabet,
    has_header: bool,
    length: u8,
    octets: Vec<u8>,
}

/// The text or data of one part before it is characters, so that an escape or a surrogate pair that the border of two parts
/// cuts can be joined again. `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Fragment {
    /// Septets, one in each octet, and the tables to read them with.
    Septets(Vec<u8>, ShiftTables),
    /// UTF-16 units of UCS-2.
    Units(Vec<u16>),
    /// Octets that are not text.
    Octets(Vec<u8>),
}

impl Fragment {
    /// How many septets, units or octets the part has.
    pub const fn len(&self) -> usize {
        match self {
            Self::Septets(septets, _) => septets.len(),
            Self::Units(units) => units.len(),
            Self::Octets(octets) => octets.len(),
        }
    }

    /// Whether the part has none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Septets(..) => "septets",
            Self::Units(_) => "units",
            Self::Octets(_) => "octets",
        };
        write!(f, "Fragment({} {kind})", self.len())
    }
}

impl UserData {
    /// The text `text` after the header `header`: in septets with `tables`, in UCS-2, or as octets of UTF-8 for
    /// [`Alphabet::Data`]. The elements that name the tables are the caller's to put into `header`.
    ///
    /// # Errors
    ///
    /// [`Reason::NotInAlphabet`] in [`Field::Text`], with the character's octet in `text`: the tables have no such
    /// character. [`Reason::TooLong`] in [`Field::UserData`]: header and text take more than 140 octets.
    pub fn text(
        text: &str,
        alphabet: Alphabet,
        tables: ShiftTables,
        header: &[Element<'_>],
    ) -> Result<Self, SmsError> {
        let mut octets = Vec::with_capacity(MOST_OCTETS);
        write_header(header, &mut octets);
        let length = match alphabet {
            Alphabet::Gsm7 => {
                let begin = septets::after(octets.len());
                let fill_bits = begin * 7 - octets.len() * 8;
                // There are fewer than seven fill bits, as `after` is defined.
                let mut packer = Packer::new(&mut octets, u32::try_from(fill_bits).unwrap_or(0));
                let mut count = begin;
                for (offset, character) in text.char_indices() {
                    let septets = alphabet::encode(character, tables).ok_or(SmsError::new(
                        Field::Text,
                        offset,
                        Reason::NotInAlphabet,
                    ))?;
                    packer.push_character(septets);
                    count += septets.count();
                }
                packer.finish();
                count
            }
            Alphabet::Ucs2 => {
                octets.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
                octets.len()
            }
            Alphabet::Data => {
                octets.extend(text.as_bytes());
                octets.len()
            }
        };
        Self::checked(alphabet, !header.is_empty(), length, octets)
    }

    /// The octets `data` after the header `header`.
    ///
    /// # Errors
    ///
    /// [`Reason::TooLong`] in [`Field::UserData`]: header and data take more than 140 octets.
    pub fn data(data: &[u8], header: &[Element<'_>]) -> Result<Self, SmsError> {
        let mut octets = Vec::with_capacity(MOST_OCTETS);
        write_header(header, &mut octets);
        octets.extend(data);
        Self::checked(Alphabet::Data, !header.is_empty(), octets.len(), octets)
    }

    fn checked(
        alphabet: Alphabet,
        has_header: bool,
        length: usize,
        octets: Vec<u8>,
    ) -> Result<Self, SmsError> {
        if octets.len() > MOST_OCTETS {
            let reason = Reason::TooLong { length: octets.len(), most: MOST_OCTETS };
            return Err(SmsError::new(Field::UserData, 0, reason));
        }
        // At most 160: 140 octets hold no more septets.
        let length = u8::try_from(length).unwrap_or(u8::MAX);
        Ok(Self { alphabet, has_header, length, octets })
    }

    /// In what the user data is written, which is also what [`Self::length`] counts.
    pub const fn alphabet(&self) -> Alphabet {
        self.alphabet
    }

    /// TP-UDHI: whether the user data begins with a header.
    pub const fn has_header(&self) -> bool {
        self.has_header
    }

    /// TP-UDL as it stands: septets of [`Alphabet::Gsm7`], else octets; a header and its fill bits are counted. After a
    /// lenient reading it may be more than there is.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// TP-UD as it stands: TP-UDHL and the header, the text or data.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The header; one without elements when there is none.
    pub fn header(&self) -> Header<'_> {
        match self.octets.split_first() {
            Some((length, rest)) if self.has_header => {
                Header::new(rest.get(..usize::from(*length)).unwrap_or_default())
            }
            _ => Header::default(),
        }
    }

    /// The octets of the header, TP-UDHL included.
    fn header_octets(&self) -> usize {
        if self.has_header { 1 + self.header().octets().len() } else { 0 }
    }

    /// The octets after the header: the data of an 8-bit message. A GSM 7 bit text does not begin with an octet; see
    /// [`Self::to_text`].
    pub fn body(&self) -> &[u8] {
        self.octets.get(self.header_octets()..).unwrap_or_default()
    }

    /// The text, read with the tables that the header names; `None` for data. What a lenient reading let pass is shown as
    /// U+FFFD.
    pub fn to_text(&self) -> Option<String> {
        self.to_text_with(self.header().shift_tables())
    }

    /// The text, read with tables that were agreed on elsewhere; `None` for data.
    pub fn to_text_with(&self, tables: ShiftTables) -> Option<String> {
        match self.alphabet {
            Alphabet::Gsm7 => {
                let (from, to) = self.septet_range();
                Some(septets::text(&self.octets, from, to, tables))
            }
            Alphabet::Ucs2 => Some(utf16::text(self.body())),
            Alphabet::Data => None,
        }
    }

    /// The text or data in the form in which it is joined with that of other parts.
    pub fn to_fragment(&self) -> Fragment {
        match self.alphabet {
            Alphabet::Gsm7 => {
                let (from, to) = self.septet_range();
                let septets = (from..to).map(|index| septets::at(&self.octets, index)).collect();
                Fragment::Septets(septets, self.header().shift_tables())
            }
            Alphabet::Ucs2 => Fragment::Units(utf16::units(self.body()).collect()),
            Alphabet::Data => Fragment::Octets(self.body().to_vec()),
        }
    }

    /// Which septets are text: from after the header to the length, or as far as there are octets.
    fn septet_range(&self) -> (usize, usize) {
        let from = septets::after(self.header_octets());
        let to = usize::from(self.length).min(septets::whole_in(self.octets.len()));
        (from, to.max(from))
    }

    /// Reads TP-UDL and TP-UD.
    pub(crate) fn parse<'a>(
        alphabet: Alphabet,
        has_header: bool,
        input: &'a [u8],
        reading: &mut Reading,
    ) -> Parsed<'a, Self> {
        let (data, length) = if let Ok(read) = octet(Field::UserDataLength)(input) {
            read
        } else {
            reading.overlook(Field::UserDataLength, input, Reason::Short { wanted: 1, left: 0 })?;
            (input, 0)
        };
        let count = usize::from(length);
        let (most, wanted) = match alphabet {
            Alphabet::Gsm7 => (160, septets::octets_for(count)),
            Alphabet::Data | Alphabet::Ucs2 => (MOST_OCTETS, count),
        };
        if count > most {
            let reason = Reason::TooLong { length: count, most };
            reading.overlook(Field::UserDataLength, input, reason)?;
        }
        if wanted > data.len() {
            reading.overlook(Field::UserData, data, Reason::Short { wanted, left: data.len() })?;
        }
        let (octets, rest) = data.split_at(wanted.min(data.len()));
        let mut user_data = Self { alphabet, has_header, length, octets: octets.to_vec() };
        if has_header {
            user_data.check_header(input, data, reading)?;
        }
        if alphabet == Alphabet::Ucs2 {
            let body_at = user_data.header_octets();
            if let Some((at, reason)) = utf16::fault(user_data.body()) {
                reading.overlook(Field::UserData, &data[(body_at + at).min(data.len())..], reason)?;
            }
        }
        Ok((rest, user_data))
    }

    /// Checks that the header keeps to its own length and to that of the user data.
    fn check_header(
        &mut self,
        input: &[u8],
        data: &[u8],
        reading: &mut Reading,
    ) -> Result<(), nom::Err<Fault>> {
        let Some(&header_length) = self.octets.first() else {
            self.has_header = false;
            return reading.overlook(Field::UserDataLength, input, Reason::HeaderAbsent);
        };
        let length = usize::from(header_length);
        let room = match self.alphabet {
            Alphabet::Gsm7 => usize::from(self.length) * 7 / 8,
            Alphabet::Data | Alphabet::Ucs2 => usize::from(self.length),
        };
        let most = room.min(self.octets.len()).saturating_sub(1);
        if length > most {
            self.has_header = false;
            return reading.overlook(Field::HeaderLength, data, Reason::HeaderTooLong { length, most });
        }
        if let Some((at, field, reason)) = self.header().fault() {
            return reading.overlook(field, &data[1 + at..], reason);
        }
        Ok(())
    }

    /// Writes TP-UDL and TP-UD.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        to.push(self.length);
        to.extend(&self.octets);
    }
}

impl fmt::Debug for UserData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserData")
            .field("alphabet", &self.alphabet)
            .field("length", &self.length)
            .field("header", &self.header())
            .finish_non_exhaustive()
    }
}

/// Writes TP-UDHL and the elements; nothing when there are none.
fn write_header(elements: &[Element<'_>], to: &mut Vec<u8>) {
    if elements.is_empty() {
        return;
    }
    to.push(0);
    for element in elements {
        element.write(to);
    }
    // A header that is too long for an octet is too long for a message, and is refused by its length.
    to[0] = u8::try_from(to.len() - 1).unwrap_or(u8::MAX);
}

#[cfg(test)]
mod tests {
    use super::super::super::parse::Strictness;
    use super::super::udh::{Concatenation, Reference};
    use super::*;

    fn read(alphabet: Alphabet, has_header: bool, octets: &[u8]) -> Result<UserData, SmsError> {
        let mut reading = Reading::new(Strictness::Strict, octets.len());
        match UserData::parse(alphabet, has_header, octets, &mut reading) {
            Ok((_, user_data)) => Ok(user_data),
            Err(fault) => Err(reading.error(&fault)),
        }
    }

    #[test]
    fn fill_bits_behind_a_header() {
        let concatenation =
            Element::Concatenation(Concatenation { reference: Reference::Eight(1), total: 2, sequence: 1 });
        let user_data = UserData::text("A", Alphabet::Gsm7, ShiftTables::NONE, &[concatenation]).unwrap();
        assert_eq!(user_data.octets(), b"\x05\x00\x03\x01\x02\x01\x82");
        assert_eq!(user_data.length(), 8);
        let mut written = Vec::new();
        user_data.write(&mut written);
        assert_eq!(read(Alphabet::Gsm7, true, &written), Ok(user_data.clone()));
        assert_eq!(user_data.to_text().as_deref(), Some("A"));
        let empty = UserData::text("", Alphabet::Gsm7, ShiftTables::NONE, &[concatenation]).unwrap();
        assert_eq!((empty.length(), empty.to_text().as_deref()), (7, Some("")));
        let mut written = Vec::new();
        empty.write(&mut written);
        assert_eq!(read(Alphabet::Gsm7, true, &written), Ok(empty));
    }

    #[test]
    fn faults_have_their_octet() {
        let fault = |octets: &[u8]| read(Alphabet::Gsm7, true, octets).unwrap_err();
        assert_eq!(fault(b"\x00"), SmsError::new(Field::UserDataLength, 0, Reason::HeaderAbsent));
        assert_eq!(
            fault(b"\x05\x05\x00\x03\x01\x02"),
            SmsError::new(Field::HeaderLength, 1, Reason::HeaderTooLong { length: 5, most: 3 })
        );
        assert_eq!(
            fault(b"\x08\x05\x00\x04\x01\x02\x01\x82"),
            SmsError::new(Field::Element(1), 2, Reason::ElementTooLong { length: 4, left: 3 })
        );
        assert_eq!(
            read(Alphabet::Ucs2, false, b"\x03\x00\x41\x00").unwrap_err(),
            SmsError::new(Field::UserData, 3, Reason::HalfCharacter)
        );
        assert_eq!(
            read(Alphabet::Ucs2, false, b"\x04\x00\x41\xd8\x3d").unwrap_err(),
            SmsError::new(Field::UserData, 3, Reason::LoneSurrogate)
        );
        assert_eq!(
            read(Alphabet::Data, false, b"\x8d").unwrap_err(),
            SmsError::new(Field::UserDataLength, 0, Reason::TooLong { length: 141, most: 140 })
        );
    }

    #[test]
    fn too_much_is_refused() {
        let long = "a".repeat(161);
        assert!(UserData::text(&long, Alphabet::Gsm7, ShiftTables::NONE, &[]).is_err());
        assert!(UserData::text(&long[1..], Alphabet::Gsm7, ShiftTables::NONE, &[]).is_ok());
        assert!(UserData::data(&[0; 141], &[]).is_err());
    }

    #[test]
    fn debug_shows_no_text() {
        let user_data = UserData::text("123456", Alphabet::Gsm7, ShiftTables::NONE, &[]).unwrap();
        let shown = format!("{user_data:?} {:?}", user_data.to_fragment());
        assert!(!shown.contains("123456") && !shown.contains("0x31"), "{shown}");
    }
}
