//! The numbering plans of the world, as libphonenumber's metadata has them: the canonical form of a number that a
//! client gives, and the range that a number lies in.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType, Region};

use super::{PhoneError, PhoneNumber};

/// A longer text is not a number: fifteen digits with an ornament around each are shorter.
const LONGEST: usize = 40;

/// A country or territory with a numbering plan, by its two letters (ISO 3166-1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(Region);

/// A text is not the two letters of a country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a country; write its two letters of ISO 3166 as capitals, such as \"CH\"")]
pub struct NotACountry;

/// What the numbers of a range are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Mobile phones.
    Mobile,
    /// Mobile phones or landlines: the country does not tell them apart, as in North America.
    FixedOrMobile,
    /// Personal numbers, which follow a person.
    Personal,
    /// Landlines.
    FixedLine,
    /// Telephones on the Internet.
    Voip,
    /// Pagers.
    Pager,
    /// Companies, under one number for a whole country.
    Uan,
    /// Free for the caller.
    TollFree,
    /// The caller pays a part.
    SharedCost,
    /// The caller pays the owner.
    Premium,
    /// Satellites, ships and aircraft: the networks that belong to no country.
    Satellite,
    /// Voice mail.
    Voicemail,
    /// The metadata does not know.
    Unknown,
}

/// The range of a numbering plan that a number lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Where it is; `None` when it belongs to no country, or when it cannot be told to which of those that share a
    /// calling code.
    pub country: Option<Country>,
    /// The calling code (ITU-T E.164 annex), zero for one that does not exist.
    pub calling_code: u16,
    /// What its numbers are for.
    pub kind: Kind,
    /// Whether the metadata knows the range to be in use.
    pub in_use: bool,
}

impl Range {
    /// The country; of those that share a calling code the main one, when nothing tells more.
    pub fn place(self) -> Option<Country> {
        let main = || PHONE_NUMBER_UTIL.get_region_for_country_code(self.calling_code.into());
        self.country.or_else(|| main().filter(|region| *region != Region::World).map(Country))
    }
}

impl Country {
    /// The two letters.
    pub fn letters(self) -> String {
        self.0.to_string()
    }

    /// The calling code, which it may share with others.
    pub fn calling_code(self) -> Option<u16> {
        PHONE_NUMBER_UTIL.get_country_code_for_region(self.0).and_then(|code| u16::try_from(code).ok())
    }
}

impl FromStr for Country {
    type Err = NotACountry;

    fn from_str(text: &str) -> Result<Self, NotACountry> {
        let capitals = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
        let country = Region::try_from(text).ok().filter(|_| capitals).map(Self);
        country.filter(|country| country.calling_code().is_some()).ok_or(NotACountry)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Kind {
    /// The kinds that a configuration may name, each with its word.
    pub const NAMES: [(&'static str, Self); 12] = [
        ("mobile", Self::Mobile),
        ("fixed_or_mobile", Self::FixedOrMobile),
        ("personal", Self::Personal),
        ("fixed_line", Self::FixedLine),
        ("voip", Self::Voip),
        ("pager", Self::Pager),
        ("uan", Self::Uan),
        ("toll_free", Self::TollFree),
        ("shared_cost", Self::SharedCost),
        ("premium", Self::Premium),
        ("satellite", Self::Satellite),
        ("voicemail", Self::Voicemail),
    ];

    /// Its word in a configuration.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("unknown", |(name, _)| name)
    }

    /// The kind of the whole of a calling code that belongs to no country (ITU-T E.164.1), whatever the metadata says
    /// of its ranges.
    fn of_code(calling_code: u16) -> Option<Self> {
        match calling_code {
            800 => Some(Self::TollFree),
            808 => Some(Self::SharedCost),
            870 | 881..=883 => Some(Self::Satellite),
            979 => Some(Self::Premium),
            _ => None,
        }
    }
}

impl From<PhoneNumberType> for Kind {
    fn from(kind: PhoneNumberType) -> Self {
        match kind {
            PhoneNumberType::FixedLine => Self::FixedLine,
            PhoneNumberType::Mobile => Self::Mobile,
            PhoneNumberType::FixedLineOrMobile => Self::FixedOrMobile,
            PhoneNumberType::TollFree => Self::TollFree,
            PhoneNumberType::PremiumRate => Self::Premium,
            PhoneNumberType::SharedCost => Self::SharedCost,
            PhoneNumberType::VoIP => Self::Voip,
            PhoneNumberType::PersonalNumber => Self::Personal,
            PhoneNumberType::Pager => Self::Pager,
            PhoneNumberType::UAN => Self::Uan,
            PhoneNumberType::VoiceMail => Self::Voicemail,
            PhoneNumberType::Unknown => Self::Unknown,
        }
    }
}

impl PhoneNumber {
    /// The number that a client means. Without a country only `+` and digits are taken; the national prefix behind the
    /// country code, as in `+49 0 151…`, is no part of the number. With a country its national forms are read too, and
    /// blanks, dashes, dots, slashes and brackets are passed over.
    ///
    /// All spellings of a number give the same number, and that one gives itself.
    pub fn read(text: &str, country: Option<Country>) -> Result<Self, PhoneError> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        if country.is_none() && digits.len() == text.len() {
            return Err(PhoneError::National);
        }
        let ornament = |c: char| country.is_some() && matches!(c, ' ' | '-' | '.' | '/' | '(' | ')');
        if !digits.chars().all(|c| c.is_ascii_digit() || ornament(c)) {
            return Err(PhoneError::NotADigit);
        }
        if digits.len() < text.len() && digits.starts_with('0') {
            return Err(PhoneError::LeadingZero);
        }
        if text.len() > LONGEST {
            return Err(PhoneError::Length);
        }
        let number = canonical(text, country)?;
        // A form that changed may be a spelling of yet another one: then nobody can tell what was meant.
        if number.text != text && canonical(&number.text, None)? != number {
            return Err(PhoneError::Impossible);
        }
        Ok(number)
    }

    /// The range that the number lies in.
    pub fn range(&self) -> Range {
        *self
            .range
            .get_or_init(|| PHONE_NUMBER_UTIL.parse(&self.text, None).map_or(NOWHERE, |n| range_of(&n)))
    }
}

/// Where a number lies that cannot exist.
const NOWHERE: Range = Range { country: None, calling_code: 0, kind: Kind::Unknown, in_use: false };

fn range_of(number: &rlibphonenumber::PhoneNumber) -> Range {
    let calling_code = u16::try_from(number.country_code).unwrap_or(0);
    let kind = PHONE_NUMBER_UTIL.get_number_type(number);
    let region = PHONE_NUMBER_UTIL.get_region_for_number(number);
    Range {
        country: region.filter(|region| *region != Region::World).map(Country),
        calling_code,
        kind: Kind::of_code(calling_code).unwrap_or(kind.into()),
        in_use: kind != PhoneNumberType::Unknown && is_whole(number),
    }
}

/// Whether it can be dialled from everywhere: one that can be within an area alone lacks its area code.
fn is_whole(number: &rlibphonenumber::PhoneNumber) -> bool {
    PHONE_NUMBER_UTIL.is_possible_number_with_reason(number) == Ok(NumberLengthType::IsPossible)
}

fn canonical(text: &str, country: Option<Country>) -> Result<PhoneNumber, PhoneError> {
    let region = country.map(|country| country.0);
    let number = PHONE_NUMBER_UTIL.parse(text, region).map_err(|_| PhoneError::Impossible)?;
    if !is_whole(&number) || keeps_its_prefix(&number) {
        return Err(PhoneError::Impossible);
    }
    let read: PhoneNumber = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).parse()?;
    // Every code asks for it, and here the number is taken apart already.
    Ok(PhoneNumber { range: range_of(&number).into(), ..read })
}

/// Whether the zero at the start is the national prefix, which stays where too few digits would be left without it. In
/// some countries, such as Italy, the zero is a part of the number.
fn keeps_its_prefix(number: &rlibphonenumber::PhoneNumber) -> bool {
    if !number.italian_leading_zero() || PHONE_NUMBER_UTIL.is_valid_number(number) {
        return false;
    }
    let region = PHONE_NUMBER_UTIL.get_region_for_country_code(number.country_code);
    let begins_with_zero = |kind| {
        let example = region
            .and_then(|region| PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, kind).ok());
        example.is_some_and(|example| example.italian_leading_zero())
    };
    ![PhoneNumberType::FixedLine, PhoneNumberType::Mobile].into_iter().any(begins_with_zero)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn country(letters: &str) -> Country {
        letters.parse().unwrap()
    }

    fn read(text: &str) -> Result<String, PhoneError> {
        PhoneNumber::read(text, None).map(|number| number.as_str().to_owned())
    }

    #[test]
    fn spellings_of_a_number_are_one_number() {
        for (text, number) in [
            ("+4915122334455", "+4915122334455"),
            ("+49015122334455", "+4915122334455"),
            ("+410791234567", "+41791234567"),
            ("+4407400123456", "+447400123456"),
            ("+390612345678", "+390612345678"),
            ("+74951234567", "+74951234567"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(number), "{text}");
        }
        let german = Some(country("DE"));
        for text in
            ["0151 22334455", "015122334455", "+49 (0)151-2233.44/55", "0049 151 22334455", "+4915122334455"]
        {
            assert_eq!(PhoneNumber::read(text, german).unwrap().as_str(), "+4915122334455", "{text}");
        }
        assert_eq!(PhoneNumber::read("+41 79 123 45 67", german).unwrap().as_str(), "+41791234567");
    }

    #[test]
    fn what_is_no_number_is_told_apart() {
        for (text, why) in [
            ("0791234567", PhoneError::National),
            ("", PhoneError::National),
            ("+", PhoneError::Impossible),
            ("+41 79 123 45 67", PhoneError::NotADigit),
            ("+4179123456٧", PhoneError::NotADigit),
            ("++41791234567", PhoneError::NotADigit),
            ("+41791234567;ext=1", PhoneError::NotADigit),
            ("+0791234567", PhoneError::LeadingZero),
            ("+417912345678", PhoneError::Impossible),
            ("+41791234", PhoneError::Impossible),
            ("+41079123456", PhoneError::Impossible),
            ("+2101234567", PhoneError::Impossible),
            ("+12530000", PhoneError::Impossible),
            ("+1234567890123456", PhoneError::Impossible),
        ] {
            assert_eq!(read(text), Err(why), "{text}");
        }
        let swiss = Some(country("CH"));
        for text in ["117", "0800 FLOWERS", "+41 79 123 45 67 x 8", "tel:+41791234567", "079 123 45 6"] {
            assert!(PhoneNumber::read(text, swiss).is_err(), "{text}");
        }
        assert_eq!(PhoneNumber::read(&"1".repeat(70_000), swiss), Err(PhoneError::Length));
    }

    #[test]
    fn ranges() {
        for (number, place, kind) in [
            ("+41791234567", "CH", Kind::Mobile),
            ("+41446681800", "CH", Kind::FixedLine),
            ("+41800123456", "CH", Kind::TollFree),
            ("+41900123456", "CH", Kind::Premium),
            ("+41840123456", "CH", Kind::SharedCost),
            ("+41740123456", "CH", Kind::Pager),
            ("+41581234567", "CH", Kind::Uan),
            ("+41878123456", "CH", Kind::Personal),
            ("+41860123456789", "CH", Kind::Voicemail),
            ("+12015550123", "US", Kind::FixedOrMobile),
            ("+15062345678", "CA", Kind::FixedOrMobile),
            ("+18762101234", "JM", Kind::Mobile),
            ("+447400123456", "GB", Kind::Mobile),
            ("+447797712345", "JE", Kind::Mobile),
            ("+445612345678", "GB", Kind::Voip),
            ("+77710009998", "KZ", Kind::Mobile),
            ("+870773123456", "", Kind::Satellite),
            ("+881612345678", "", Kind::Satellite),
            ("+8821612345678", "", Kind::Satellite),
            ("+979123456789", "", Kind::Premium),
            ("+80012345678", "", Kind::TollFree),
        ] {
            let range = number.parse::<PhoneNumber>().unwrap().range();
            let letters = range.country.map(Country::letters).unwrap_or_default();
            assert_eq!((letters.as_str(), range.kind, range.in_use), (place, kind, true), "{number}");
        }
        for unassigned in ["+41701234567", "+49123456789", "+8819999999", "+2101234567", "+13100000"] {
            assert!(!unassigned.parse::<PhoneNumber>().unwrap().range().in_use, "{unassigned}");
        }
    }

    #[test]
    fn countries_by_their_letters() {
        assert_eq!((country("CH").to_string(), country("CH").calling_code()), ("CH".to_owned(), Some(41)));
        assert_eq!((country("XK").calling_code(), country("JM").calling_code()), (Some(383), Some(1)));
        for text in ["", "C", "ch", "CHE", "ZZ", "001", "Ü", "41", "UK"] {
            assert_eq!(text.parse::<Country>(), Err(NotACountry), "{text}");
        }
    }

    proptest! {
        /// Whatever a client gives is read or refused, and what is read gives itself.
        #[test]
        fn reading_is_idempotent(
            text in prop_oneof![any::<String>(), "\\+?[0-9 ().-]{0,24}", "\\+[1-9][0-9]{5,16}"],
            letters in prop_oneof![Just(None), "(CH|DE|US|GB|IT|BR|AR|MX|RU|KZ|HU|JM)".prop_map(Some)],
        ) {
            let place = letters.map(|letters| country(&letters));
            if let Ok(number) = PhoneNumber::read(&text, place) {
                for place in [None, place] {
                    prop_assert_eq!(PhoneNumber::read(number.as_str(), place), Ok(number.clone()));
                }
                let again: PhoneNumber = number.as_str().parse().unwrap();
                prop_assert_eq!(number.range(), again.range());
            }
        }

        /// A number of any country that is in use is its own canonical form, with its national prefix or without.
        #[test]
        fn a_number_in_use_stays_as_it_is(digits in "[1-9][0-9]{6,13}") {
            let number: PhoneNumber = format!("+{digits}").parse().unwrap();
            if number.range().in_use {
                let read = PhoneNumber::read(number.as_str(), None).unwrap();
                prop_assert!(PhoneNumber::read(read.as_str(), None).unwrap() == read);
            }
        }

        /// A number from the network or an old store has a range, whatever it is.
        #[test]
        fn every_number_has_a_range(digits in "[1-9][0-9]{6,14}") {
            format!("+{digits}").parse::<PhoneNumber>().unwrap().range();
        }
    }
}
