//! Addresses: TP-OA, TP-DA, TP-RA, and the service centre's address before a TPDU.
//!
//! 3GPP TS 23.040 clause 9.1.2.5: length in useful semi-octets, type of address, semi-octets swapped in pairs, or
//! packed septets for an alphanumeric one. The SMSC's (TS 27.005 clause 3.1, TS 24.011 clause 8.2.5.2) counts
//! octets, type included.

use std::fmt;

use super::super::error::{Field, Reason, SmsError};
use super::super::parse::{Fault, Parsed, Reading, octet, octets};
use super::super::text::alphabet::{self, Septets};
use super::super::text::language::ShiftTables;
use super::super::text::septets::{self, Packer};

/// The most semi-octets of an address: ten octets.
const MOST_SEMI_OCTETS: u8 = 20;

/// What kind of number an address holds (TS 23.040 clause 9.1.2.5, bits 6 to 4 of the type of address).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeOfNumber {
    /// 000: nothing is said, and the network reads the digits by its own plan; the number may have a prefix.
    Unknown,
    /// 001: the number begins with its country code.
    International,
    /// 010: the number has no prefix and no country code.
    National,
    /// 011: a number of the network's own, such as that of an operator.
    NetworkSpecific,
    /// 100: a short number that the service centre stores for a subscriber.
    Subscriber,
    /// 101: a name, in septets of the GSM 7 bit default alphabet.
    Alphanumeric,
    /// 110: an abbreviated number.
    Abbreviated,
    /// 111: reserved for extension.
    Reserved,
}

impl TypeOfNumber {
    const ALL: [Self; 8] = [
        Self::Unknown,
        Self::International,
        Self::National,
        Self::NetworkSpecific,
        Self::Subscriber,
        Self::Alphanumeric,
        Self::Abbreviated,
        Self::Reserved,
    ];
}

/// By whose plan a number is read (TS 23.040 clause 9.1.2.5, bits 3 to 0 of the type of address).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NumberingPlan {
    /// 0000: nothing is said.
    Unknown,
    /// 0001: telephone numbers, ITU-T E.164.
    Isdn,
    /// 0011: numbers of data networks, ITU-T X.121.
    Data,
    /// 0100: telex numbers.
    Telex,
    /// 0101 and 0110: a plan of the service centre's own; the four bits.
    ServiceCentre(u8),
    /// 1000: a national plan.
    National,
    /// 1001: a private plan.
    Private,
    /// 1010: pagers, ETSI DE/PS 3 01-3.
    Ermes,
    /// The others; the four bits.
    Reserved(u8),
}

/// An address as a message has it: the type of address and at most 20 semi-octets, exactly (TS 23.040 clause 9.1.2.5).
///
/// `Display` gives the number or the name in full, with a `+` before an international number; `Debug` masks it.
///
/// ```
/// use gsm_sms::{Address, NumberingPlan, TypeOfNumber};
///
/// let number = Address::number("+41791234567")?;
/// assert_eq!(number.type_of_number(), TypeOfNumber::International);
/// assert_eq!(number.numbering_plan(), NumberingPlan::Isdn);
/// assert_eq!(number.to_string(), "+41791234567");
/// assert_eq!(format!("{number:?}"), "Address(91 +4179… of 11)");
///
/// let name = Address::alphanumeric("Example")?;
/// assert_eq!((name.type_of_number(), name.to_string().as_str()), (TypeOfNumber::Alphanumeric, "Example"));
/// # Ok::<(), gsm_sms::SmsError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    semi_octets: u8,
    type_octet: u8,
    octets: [u8; 10],
}

impl Address {
    /// The number `text`: 1 to 20 of the digits 0 to 9, `*`, `#`, `a`, `b` and `c` (TS 23.040 clause 9.1.2.3). With a `+`
    /// before them the type of address is 91 hex, international, else 81 hex, unknown; both in the telephone plan.
    ///
    /// # Errors
    ///
    /// In [`Field::To`]: [`Reason::NotANumber`] for no character or any other one, with its octet in `text`;
    /// [`Reason::TooLong`] for more than 20.
    pub fn number(text: &str) -> Result<Self, SmsError> {
        let (type_octet, digits, sign) = match text.strip_prefix('+') {
            Some(digits) => (0x91, digits, 1),
            None => (0x81, text, 0),
        };
        let fault = |offset, reason| SmsError::new(Field::To, offset, reason);
        let length = digits.len();
        let semi_octets = u8::try_from(length)
            .ok()
            .filter(|n| *n <= MOST_SEMI_OCTETS)
            .ok_or(fault(0, Reason::TooLong { length, most: usize::from(MOST_SEMI_OCTETS) }))?;
        if length == 0 {
            return Err(fault(0, Reason::NotANumber));
        }
        let mut octets = [0; 10];
        for (at, digit) in digits.bytes().enumerate() {
            let semi_octet = to_semi_octet(digit).ok_or(fault(sign + at, Reason::NotANumber))?;
            octets[at / 2] |= semi_octet << (at % 2 * 4);
        }
        if length % 2 == 1 {
            octets[length / 2] |= 0xf0;
        }
        Ok(Self { semi_octets, type_octet, octets })
    }

    /// The name `text` in septets of the GSM 7 bit default alphabet and its extension table; the type of address is D0
    /// hex. At most 11 septets: a character of the extension table takes two.
    ///
    /// # Errors
    ///
    /// In [`Field::To`], with the octet of the character in `text`: [`Reason::NotInAlphabet`] for one that is
    /// not in the alphabet; [`Reason::TooLong`] for the first one that has no room.
    pub fn alphanumeric(text: &str) -> Result<Self, SmsError> {
        let mut value = Vec::with_capacity(16);
        let mut packer = Packer::new(&mut value, 0);
        let mut count = 0;
        for (offset, character) in text.char_indices() {
            let septets = alphabet::encode(character, ShiftTables::NONE).ok_or(SmsError::new(
                Field::To,
                offset,
                Reason::NotInAlphabet,
            ))?;
            count += Septets::count(septets);
            if count > 11 {
                return Err(SmsError::new(Field::To, offset, Reason::TooLong { length: count, most: 11 }));
            }
            packer.push_character(septets);
        }
        packer.finish();
        let mut octets = [0; 10];
        octets[..value.len()].copy_from_slice(&value);
        // At most 11 septets are 20 semi-octets.
        let semi_octets = u8::try_from((count * 7).div_ceil(4)).unwrap_or(MOST_SEMI_OCTETS);
        Ok(Self { semi_octets, type_octet: 0xd0, octets })
    }

    /// The same semi-octets with another type of address: bit 7 is 1, bits 6 to 4 are the type of number, bits 3 to 0 the
    /// numbering plan.
    #[must_use]
    pub const fn with_type_octet(mut self, type_octet: u8) -> Self {
        self.type_octet = type_octet;
        self
    }

    /// The type of address as it stands, which is also `<toda>` and `<tosca>` of TS 27.005.
    pub const fn type_octet(&self) -> u8 {
        self.type_octet
    }

    /// What kind of number the address holds.
    pub const fn type_of_number(&self) -> TypeOfNumber {
        TypeOfNumber::ALL[(self.type_octet >> 4 & 7) as usize]
    }

    /// By whose plan the number is read.
    pub const fn numbering_plan(&self) -> NumberingPlan {
        match self.type_octet & 0x0f {
            0 => NumberingPlan::Unknown,
            1 => NumberingPlan::Isdn,
            3 => NumberingPlan::Data,
            4 => NumberingPlan::Telex,
            bits @ 5..=6 => NumberingPlan::ServiceCentre(bits),
            8 => NumberingPlan::National,
            9 => NumberingPlan::Private,
            10 => NumberingPlan::Ermes,
            bits => NumberingPlan::Reserved(bits),
        }
    }

    /// Whether nothing follows the type of address.
    pub const fn is_empty(&self) -> bool {
        self.semi_octets == 0
    }

    /// The octets that carry the semi-octets.
    fn value(&self) -> &[u8] {
        &self.octets[..usize::from(self.semi_octets.div_ceil(2)).min(10)]
    }

    fn digits(&self) -> impl Iterator<Item = char> + '_ {
        (0..usize::from(self.semi_octets))
            .map(|at| self.octets[at / 2] >> (at % 2 * 4) & 0x0f)
            .map_while(|semi_octet| DIGITS.get(usize::from(semi_octet)).map(|d| char::from(*d)))
    }

    /// The septets of a name. Seven of them leave seven bits of their last octet empty, and a sender that
    /// counts octets, as two semi-octets each, gives eight: a last septet of zeros that needs no octet of its
    /// own is not an `@`. A name of eight that does end in `@` looks the same.
    fn septets(&self) -> usize {
        let count = usize::from(self.semi_octets) * 4 / 7;
        match count.checked_sub(1) {
            Some(last)
                if septets::octets_for(last) == self.value().len()
                    && septets::at(&self.octets, last) == 0 =>
            {
                last
            }
            _ => count,
        }
    }

    /// Reads an address of a TPDU.
    pub(crate) fn parse<'a>(field: Field, input: &'a [u8], reading: &mut Reading) -> Parsed<'a, Self> {
        let (rest, semi_octets) = octet(field)(input)?;
        if semi_octets > MOST_SEMI_OCTETS {
            let reason =
                Reason::TooLong { length: usize::from(semi_octets), most: usize::from(MOST_SEMI_OCTETS) };
            return Err(Fault::failure(field, input, reason));
        }
        let (rest, type_octet) = octet(field)(rest)?;
        Self::parse_value(field, semi_octets, type_octet, rest, reading)
    }

    /// Reads the SMSC field before a TPDU; length 0 stands for the SIM's own service centre.
    pub(crate) fn parse_smsc<'a>(input: &'a [u8], reading: &mut Reading) -> Parsed<'a, Option<Self>> {
        let field = Field::Smsc;
        let (rest, length) = octet(field)(input)?;
        let Some(digits) = length.checked_sub(1) else { return Ok((rest, None)) };
        if digits > MOST_SEMI_OCTETS / 2 {
            let reason = Reason::TooLong { length: usize::from(length), most: 11 };
            return Err(Fault::failure(field, input, reason));
        }
        let (rest, type_octet) = octet(field)(rest)?;
        let filled = digits > 0 && rest.get(usize::from(digits) - 1).is_some_and(|last| *last >= 0xf0);
        let (rest, address) =
            Self::parse_value(field, digits * 2 - u8::from(filled), type_octet, rest, reading)?;
        Ok((rest, Some(address)))
    }

    fn parse_value<'a>(
        field: Field,
        semi_octets: u8,
        type_octet: u8,
        input: &'a [u8],
        reading: &mut Reading,
    ) -> Parsed<'a, Self> {
        let (rest, value) = octets(field, usize::from(semi_octets.div_ceil(2)))(input)?;
        let mut octets = [0; 10];
        octets[..value.len()].copy_from_slice(value);
        let address = Self { semi_octets, type_octet, octets };
        if address.type_of_number() != TypeOfNumber::Alphanumeric {
            let digits = address.digits().count();
            if digits < usize::from(semi_octets) {
                reading.overlook(field, &input[digits / 2..], Reason::Filler)?;
            }
        }
        Ok((rest, address))
    }

    /// Writes the address as a TPDU has it.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        to.extend([self.semi_octets, self.type_octet]);
        to.extend(self.value());
    }

    /// Writes the address as the SMSC field.
    pub(crate) fn write_smsc(smsc: Option<&Self>, to: &mut Vec<u8>) {
        let Some(address) = smsc else {
            to.push(0);
            return;
        };
        let value = address.value();
        // At most ten octets of digits.
        to.extend([u8::try_from(value.len() + 1).unwrap_or(11), address.type_octet]);
        to.extend(value);
    }
}

/// The number or the name, in full. A number ends at a filler among its digits, which only a lenient reading lets pass.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.type_of_number() == TypeOfNumber::Alphanumeric {
            return f.write_str(&septets::text(&self.octets, 0, self.septets(), ShiftTables::NONE));
        }
        if self.type_of_number() == TypeOfNumber::International && !self.is_empty() {
            f.write_str("+")?;
        }
        self.digits().try_for_each(|digit| fmt::Write::write_char(f, digit))
    }
}

/// The type and the first characters: four digits of a long number, two of a short one, never the whole.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = if self.semi_octets >= 10 { 5 } else { 2 };
        let shown: String = self.to_string().chars().take(head).collect();
        write!(f, "Address({:02X} {shown}… of {})", self.type_octet, self.semi_octets)
    }
}

/// TS 23.040 clause 9.1.2.3: semi-octets 0 to 14.
const DIGITS: &[u8; 15] = b"0123456789*#abc";

fn to_semi_octet(digit: u8) -> Option<u8> {
    let at = DIGITS.iter().position(|d| *d == digit.to_ascii_lowercase())?;
    u8::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::parse::Strictness;
    use super::*;

    fn read(octets: &[u8]) -> Address {
        let mut reading = Reading::new(Strictness::Strict, octets.len());
        let (rest, address) = Address::parse(Field::OriginatingAddress, octets, &mut reading).unwrap();
        assert!(rest.is_empty());
        let mut written = Vec::new();
        address.write(&mut written);
        assert_eq!(written, octets);
        address
    }

    #[test]
    fn known_answers() {
        assert_eq!(read(b"\x0b\x91\x72\x28\x19\x53\x39\xf4").to_string(), "+27829135934");
        assert_eq!(read(b"\x0e\xd0\x46\x69\xd0\x39\x7c\x26\xa7").to_string(), "FRANCOIS");
        assert_eq!(read(b"\x06\xd0\x61\xf1\x18").to_string(), "abc");
        assert_eq!(read(b"\x01\x00\x0b").to_string(), "#");
        assert_eq!(read(b"\x00\x91").to_string(), "");
        let name = Address::alphanumeric("FRANCOIS").unwrap();
        assert_eq!(name, read(b"\x0e\xd0\x46\x69\xd0\x39\x7c\x26\xa7"));
        assert_eq!(name.type_of_number(), TypeOfNumber::Alphanumeric);
        let number = Address::number("+27829135934").unwrap();
        assert_eq!(number, read(b"\x0b\x91\x72\x28\x19\x53\x39\xf4"));
        assert_eq!(number.numbering_plan(), NumberingPlan::Isdn);
        assert_eq!(Address::number("*100#aBc").unwrap().to_string(), "*100#abc");
    }

    #[test]
    fn seven_bits_that_fill_an_octet_are_no_character() {
        // libosmocore, tests/sms: seven septets, for which the sender counted the octets.
        assert_eq!(read(b"\x0e\xd0\x4f\x78\xd9\x2d\x9c\x0e\x01").to_string(), "OpenBSC");
        // The same name, counted as the standard says.
        assert_eq!(read(b"\x0d\xd0\x4f\x78\xd9\x2d\x9c\x0e\x01").to_string(), "OpenBSC");
        assert_eq!(Address::alphanumeric("OpenBSC").unwrap().to_string(), "OpenBSC");
        // A character that has its own octet stays.
        for name in ["abc@", "abcdef@", "abcdefgh@", "abcdefghij@", "@", "OpenBSCs"] {
            assert_eq!(Address::alphanumeric(name).unwrap().to_string(), name);
        }
    }

    /// Every way to count the semi-octets of a name that its octets allow gives the name.
    #[test]
    fn a_name_however_its_length_is_counted() {
        for name in
            ["A", "AB", "ABC", "ABCD", "ABCDE", "ABCDEF", "ABCDEFG", "ABCDEFGH", "ABCDEFGHI", "ABCDEFGHIJ"]
        {
            let exact = Address::alphanumeric(name).unwrap();
            let by_octets = Address { semi_octets: exact.semi_octets.div_ceil(2) * 2, ..exact };
            assert_eq!((exact.to_string(), by_octets.to_string()), (name.to_owned(), name.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn names_read_back(name in "[A-Za-z0-9 _$ñüÄé@]{0,10}[A-Za-z0-9 ü]") {
            let written = Address::alphanumeric(&name).unwrap();
            prop_assert_eq!(written.to_string(), name);
            let by_octets = Address { semi_octets: written.semi_octets.div_ceil(2) * 2, ..written };
            prop_assert_eq!(by_octets.to_string(), written.to_string());
        }

        #[test]
        fn numbers_read_back(number in "\\+?[0-9]{1,20}") {
            prop_assert_eq!(Address::number(&number).unwrap().to_string(), number);
        }

        #[test]
        fn no_address_panics(octets in proptest::collection::vec(any::<u8>(), 0..14)) {
            let mut reading = Reading::new(Strictness::Lenient, octets.len());
            if let Ok((_, address)) = Address::parse(Field::OriginatingAddress, &octets, &mut reading) {
                let _ = format!("{address} {address:?}");
            }
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in ["", "+", "++1", "1 2", "12d", "٣"] {
            assert_eq!(Address::number(text).unwrap_err().reason, Reason::NotANumber, "{text}");
        }
        assert!(matches!(
            Address::number("123456789012345678901").unwrap_err().reason,
            Reason::TooLong { length: 21, most: 20 }
        ));
        assert!(Address::alphanumeric("12345678901").is_ok());
        assert!(Address::alphanumeric("123456789012").is_err());
        assert_eq!(Address::alphanumeric("Żabka").unwrap_err().reason, Reason::NotInAlphabet);
    }

    #[test]
    fn a_filler_among_digits() {
        let octets = b"\x04\x91\x2f\x13";
        let mut strict = Reading::new(Strictness::Strict, octets.len());
        let fault = Address::parse(Field::OriginatingAddress, octets, &mut strict).unwrap_err();
        assert_eq!(strict.error(&fault), SmsError::new(Field::OriginatingAddress, 2, Reason::Filler));
        let mut lenient = Reading::new(Strictness::Lenient, octets.len());
        let (_, address) = Address::parse(Field::OriginatingAddress, octets, &mut lenient).unwrap();
        assert_eq!(lenient.leniencies.len(), 1);
        assert_eq!(address.to_string(), "+");
    }

    #[test]
    fn debug_masks() {
        let shown = format!("{:?}", Address::number("+41791234567").unwrap());
        assert!(!shown.contains("1234567"), "{shown}");
    }
}
