//! A text to the PDUs that carry it.
//!
//! 3GPP TS 23.040 clause 9.2.2.2, with the service centre's address before it as `AT+CMGS` takes it (TS 27.005
//! clauses 3.1 and 3.5.1).

use std::fmt;
use std::time::Duration;

use super::error::{Field, Reason, SmsError};
use super::field::address::Address;
use super::field::dcs::{DataCodingScheme, MessageClass};
use super::field::first_octet::FirstOctet;
use super::field::pid::ProtocolIdentifier;
use super::field::ud::UserData;
use super::field::udh::{Concatenation, Element, Reference};
use super::field::vp::{RelativeValidity, ValidityPeriod};
use super::text::language::{Language, ShiftTables};
use super::text::split::{Coding, Parts, split, split_measured};
use super::text::survey::Encoding;
use super::tpdu::Tpdu;
use super::tpdu::submit::Submit;

/// A text to be sent, and how. `Debug` shows neither the number nor the text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Submission<'a> {
    /// To whom: digits, `*`, `#`, `a`, `b`, `c`; a `+` before an international number. At most 20 of them.
    pub to: &'a str,
    /// The text.
    pub text: &'a str,
    /// Message class 0: shown at once and not stored.
    pub flash: bool,
    /// TP-SRR: a status report is asked for, for each part.
    pub report: bool,
    /// TP-VP: the longest relative period not above this; at least 5 minutes. `None`: the service centre's own.
    pub valid_for: Option<Duration>,
    /// The service centre; `None`: the SIM's own.
    pub smsc: Option<&'a str>,
    /// TP-MR of the first part; the next one has one more, 0 after 255.
    pub reference: u8,
    /// What the parts of a message of several have in common.
    pub concat_reference: u8,
    /// TP-RD: the service centre refuses a twin (same reference, same number) of a message that still waits.
    pub reject_duplicates: bool,
    /// Which codings are allowed.
    pub encoding: EncodingChoice,
    /// Which national shift tables are allowed, where the default alphabet does not have all characters.
    pub shift: ShiftChoice,
}

/// Which codings are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EncodingChoice {
    /// GSM 7 bit where it has all characters, else UCS-2.
    #[default]
    Auto,
    /// GSM 7 bit, or an error.
    Gsm7,
    /// UCS-2.
    Ucs2,
}

/// Which national language shift tables are allowed (TS 23.038 clause 6.2.1.2). Old phones show another text for
/// them, so the default is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ShiftChoice {
    /// None.
    #[default]
    Never,
    /// Those of this language, where the text then takes no more parts than UCS-2.
    Language(Language),
    /// Those of any language, where the text then takes fewer parts than UCS-2.
    Any,
}

impl<'a> Submission<'a> {
    /// A plain text, nothing asked for.
    pub const fn new(to: &'a str, text: &'a str) -> Self {
        Self {
            to,
            text,
            flash: false,
            report: false,
            valid_for: None,
            smsc: None,
            reference: 0,
            concat_reference: 0,
            reject_duplicates: false,
            encoding: EncodingChoice::Auto,
            shift: ShiftChoice::Never,
        }
    }
}

impl fmt::Debug for Submission<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("flash", &self.flash)
            .field("report", &self.report)
            .field("valid_for", &self.valid_for)
            .field("reference", &self.reference)
            .field("encoding", &self.encoding)
            .field("shift", &self.shift)
            .finish_non_exhaustive()
    }
}

/// A text as PDUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The coding of all parts.
    pub encoding: Encoding,
    /// The shift tables that they are written with.
    pub shift_tables: ShiftTables,
    /// The parts, in order; at least one, at most 255.
    pub parts: Vec<ComposedPart>,
}

/// One PDU. `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct ComposedPart {
    /// The service centre's address and the TPDU: what follows the prompt of `AT+CMGS`, in hex there.
    pub pdu: Vec<u8>,
    /// The TPDU's octets: the N of `AT+CMGS=N`.
    pub length: usize,
}

impl fmt::Debug for ComposedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ComposedPart({} octets)", self.length)
    }
}

/// Writes the PDUs of a text.
///
/// ```
/// use gsm_sms::{Submission};
///
/// let composed = gsm_sms::compose(&Submission::new("+27820001111", "Hello World!"))?;
/// assert_eq!(composed.parts[0].length, 24);
/// # Ok::<(), gsm_sms::SmsError>(())
/// ```
pub fn compose(submission: &Submission<'_>) -> Result<Composed, SmsError> {
    let destination = Address::number(submission.to)?;
    let smsc = match submission.smsc {
        Some(number) => Some(Address::number(number).map_err(|e| SmsError { field: Field::Smsc, ..e })?),
        None => None,
    };
    let (coding, units) = choose(submission)?;
    let (alone, several);
    let pieces = if units <= coding.capacity(Parts::One) {
        alone = [(submission.text, units)];
        &alone[..]
    } else {
        several = split_measured(submission.text, units, coding);
        &several[..]
    };
    let total =
        u8::try_from(pieces.len()).map_err(|_| SmsError::new(Field::Text, 0, Reason::TooManyParts))?;
    let class = submission.flash.then_some(MessageClass::Flash);
    let validity = match submission.valid_for {
        Some(span) => ValidityPeriod::Relative(RelativeValidity::at_most(span)),
        None => ValidityPeriod::Absent,
    };
    let mut parts = Vec::with_capacity(pieces.len());
    for (&(piece, _), sequence) in pieces.iter().zip(1..=u8::MAX) {
        let concatenation =
            Concatenation { reference: Reference::Eight(submission.concat_reference), total, sequence };
        let submit = Submit {
            first_octet: FirstOctet::default()
                .rejecting_duplicates(submission.reject_duplicates)
                .with_status_report(submission.report),
            message_reference: submission.reference.wrapping_add(sequence - 1),
            destination,
            protocol: ProtocolIdentifier::PLAIN,
            coding: DataCodingScheme::plain(coding.alphabet(), class),
            validity,
            user_data: user_data(piece, coding, concatenation)?,
        };
        let pdu = Tpdu::Submit(submit).encode_with_smsc(smsc.as_ref())?;
        // The SMSC field's first octet counts the others of that field.
        let length = pdu.len() - 1 - usize::from(pdu[0]);
        parts.push(ComposedPart { pdu, length });
    }
    let encoding = match coding {
        Coding::Gsm7(_) => Encoding::Gsm7,
        Coding::Ucs2 => Encoding::Ucs2,
    };
    Ok(Composed { encoding, shift_tables: coding.tables(), parts })
}

/// The user data of one part: the elements it needs, then its text.
fn user_data(piece: &str, coding: Coding, concatenation: Concatenation) -> Result<UserData, SmsError> {
    let tables = coding.tables();
    let elements = [
        (concatenation.total > 1).then_some(Element::Concatenation(concatenation)),
        tables.locking.map(|language| Element::LockingShift(language.identifier())),
        tables.single.map(|language| Element::SingleShift(language.identifier())),
    ];
    let mut header = [Element::SingleShift(0); 3];
    let mut count = 0;
    for element in elements.into_iter().flatten() {
        header[count] = element;
        count += 1;
    }
    UserData::text(piece, coding.alphabet(), tables, &header[..count])
}

/// The cheapest coding that is allowed and has all characters, and the text's units in it: plain GSM 7 bit, then by
/// parts.
fn choose(submission: &Submission<'_>) -> Result<(Coding, usize), SmsError> {
    let ucs2 = || (Coding::Ucs2, submission.text.chars().map(char::len_utf16).sum());
    if submission.encoding == EncodingChoice::Ucs2 {
        return Ok(ucs2());
    }
    let plain = Coding::Gsm7(ShiftTables::NONE);
    let offset = match plain.measure(submission.text) {
        Ok(units) => return Ok((plain, units)),
        Err(offset) => offset,
    };
    let named = match submission.shift {
        ShiftChoice::Never => &[][..],
        ShiftChoice::Language(ref language) => std::slice::from_ref(language),
        ShiftChoice::Any => &Language::ALL,
    };
    let shifted = named
        .iter()
        .flat_map(|&language| {
            [
                ShiftTables { locking: None, single: Some(language) },
                ShiftTables { locking: Some(language), single: None },
                ShiftTables { locking: Some(language), single: Some(language) },
            ]
        })
        // Spanish has no locking shift table.
        .filter(|tables| tables.locking != Some(Language::Spanish))
        .map(Coding::Gsm7)
        .filter_map(|coding| {
            let units = coding.measure(submission.text).ok()?;
            Some((split(submission.text, coding).len(), units, coding))
        })
        // The first of the least: a phone without the tables still shows most of a text with single shifts.
        .min_by_key(|(parts, ..)| *parts);
    if submission.encoding == EncodingChoice::Gsm7 {
        let no_such = SmsError::new(Field::Text, offset, Reason::NotInAlphabet);
        return shifted.map(|(_, units, coding)| (coding, units)).ok_or(no_such);
    }
    let ucs2_parts = split(submission.text, Coding::Ucs2).len();
    Ok(match (shifted, submission.shift) {
        (Some((parts, units, coding)), ShiftChoice::Language(_)) if parts <= ucs2_parts => (coding, units),
        (Some((parts, units, coding)), ShiftChoice::Any) if parts < ucs2_parts => (coding, units),
        _ => ucs2(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::decode::decode;
    use super::super::parse::Strictness;
    use super::super::tpdu::Direction;
    use super::*;

    fn submits(submission: &Submission<'_>) -> Vec<Submit> {
        let read = |part: &ComposedPart| {
            let read = decode(&part.pdu, Direction::Mo, true, Strictness::Strict).unwrap();
            match read.tpdu {
                Tpdu::Submit(submit) => submit,
                other => panic!("{other:?}"),
            }
        };
        compose(submission).unwrap().parts.iter().map(read).collect()
    }

    #[test]
    fn known_answer() {
        let submission = Submission {
            report: true,
            valid_for: Some(Duration::from_secs(3 * 86_400)),
            smsc: Some("+31624000000"),
            reference: 13,
            ..Submission::new("+31628870634", "www.diafaan.com")
        };
        let composed = compose(&submission).unwrap();
        assert_eq!(composed.encoding, Encoding::Gsm7);
        assert_eq!(composed.parts[0].length, 28);
        assert_eq!(
            composed.parts[0].pdu,
            b"\x07\x91\x13\x26\x04\x00\x00\xf0\x31\x0d\x0b\x91\x13\x26\x88\x07\x36\xf4\x00\x00\xa9\x0f\
              \xf7\xfb\xdd\x45\x4e\x87\xcd\xe1\xb0\xdb\x35\x7e\xb7\x01"
        );
    }

    #[test]
    fn references_of_several_parts() {
        let text = "a".repeat(153 * 3);
        let submission = Submission {
            reference: 254,
            concat_reference: 77,
            reject_duplicates: true,
            flash: true,
            ..Submission::new("12345", &text)
        };
        let parts = submits(&submission);
        assert_eq!(parts.iter().map(|p| p.message_reference).collect::<Vec<_>>(), [254, 255, 0]);
        for (part, sequence) in parts.iter().zip(1..) {
            let place = Concatenation { reference: Reference::Eight(77), total: 3, sequence };
            assert_eq!(part.user_data.header().concatenation(), Some(place));
            assert!(part.first_octet.rejects_duplicates() && part.first_octet.has_header());
            assert_eq!((part.coding.0, part.user_data.length()), (0x10, 160));
        }
    }

    #[test]
    fn never_more_than_255_parts() {
        let text = "a".repeat(153 * 255 + 1);
        assert_eq!(submits(&Submission::new("1", &text[1..])).len(), 255);
        let error = compose(&Submission::new("1", &text)).unwrap_err();
        assert_eq!((error.field, error.reason), (Field::Text, Reason::TooManyParts));
    }

    #[test]
    fn faults_name_their_field() {
        let error = |submission: &Submission<'_>| compose(submission).unwrap_err();
        assert_eq!(error(&Submission::new("+41 79", "a")), SmsError::new(Field::To, 3, Reason::NotANumber));
        let submission = Submission { smsc: Some("x"), ..Submission::new("1", "a") };
        assert_eq!(error(&submission), SmsError::new(Field::Smsc, 0, Reason::NotANumber));
        let submission = Submission { encoding: EncodingChoice::Gsm7, ..Submission::new("1", "aé€ł") };
        assert_eq!(error(&submission), SmsError::new(Field::Text, 6, Reason::NotInAlphabet));
    }

    #[test]
    fn shift_tables_only_when_allowed_and_of_use() {
        let chosen = |text: &str, shift| {
            let composed = compose(&Submission { shift, ..Submission::new("1", text) }).unwrap();
            (composed.encoding, composed.shift_tables, composed.parts.len())
        };
        let turkish = ShiftChoice::Language(Language::Turkish);
        let short = "Doğrulama kodu: 482193";
        assert_eq!(chosen(short, ShiftChoice::Never), (Encoding::Ucs2, ShiftTables::NONE, 1));
        assert_eq!(chosen(short, ShiftChoice::Any), (Encoding::Ucs2, ShiftTables::NONE, 1));
        let single = ShiftTables { locking: None, single: Some(Language::Turkish) };
        assert_eq!(chosen(short, turkish), (Encoding::Gsm7, single, 1));
        let long = short.repeat(5);
        assert_eq!(chosen(&long, ShiftChoice::Never).2, 2);
        assert_eq!(chosen(&long, ShiftChoice::Any), (Encoding::Gsm7, single, 1));
        // Many letters of the language: its base alphabet spares their escapes.
        let locking = ShiftTables { locking: Some(Language::Turkish), single: None };
        assert_eq!(chosen(&"ğış".repeat(40), turkish), (Encoding::Gsm7, locking, 1));
        assert_eq!(chosen("код", turkish), (Encoding::Ucs2, ShiftTables::NONE, 1));
        assert_eq!(chosen("plain", turkish), (Encoding::Gsm7, ShiftTables::NONE, 1));
    }

    #[test]
    fn debug_shows_neither_number_nor_text() {
        let submission = Submission::new("+41791234567", "code 482193");
        let shown = format!("{submission:?} {:?}", compose(&submission).unwrap());
        assert!(!shown.contains("482193") && !shown.contains("1234567"), "{shown}");
    }
}
