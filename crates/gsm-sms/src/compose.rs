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

/// A text that is to be sent, to whom and how: what [`compose()`] takes.
///
/// [`Submission::new`] asks for nothing beyond the text; the `with_` functions, or the fields themselves, add the rest.
/// A later version may have more fields. `Debug` shows neither the number nor the text.
///
/// ```
/// use std::time::Duration;
/// use gsm_sms::{MessageClass, Submission};
///
/// let mut submission = Submission::new("+41791234567", "The door of room 12 is open.")
///     .with_status_report(true)
///     .with_validity(Duration::from_secs(600))
///     .with_message_reference(7);
/// // What is decided elsewhere goes into the field.
/// let urgent = true;
/// submission.class = urgent.then_some(MessageClass::Flash);
/// assert_eq!(gsm_sms::compose(&submission)?.parts.len(), 1);
/// # Ok::<(), gsm_sms::SmsError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Submission<'a> {
    /// The recipient's number, which becomes TP-DA: 1 to 20 of the characters that [`Address::number`] knows, and a `+`
    /// before them when the number is international.
    pub to: &'a str,
    /// The text, of any length up to 255 parts; an empty one is a message too.
    pub text: &'a str,
    /// The message class of TP-DCS (TS 23.038 clause 4). [`MessageClass::Flash`] is shown at once and not stored.
    /// `None`: no class.
    pub class: Option<MessageClass>,
    /// TP-SRR (TS 23.040 clause 9.2.3.5): whether a status report is asked for, one for each part.
    pub status_report: bool,
    /// TP-VP (TS 23.040 clause 9.2.3.12.1): how long the service centre keeps trying. It becomes the longest relative
    /// period that is not above this; the shortest there is lasts 5 minutes, the longest 63 weeks. `None`: the service
    /// centre decides.
    pub validity: Option<Duration>,
    /// The service centre's number, written before the TPDU, in the characters of [`Self::to`]. `None`: an empty field,
    /// by which the modem takes the number that its SIM holds.
    pub smsc: Option<&'a str>,
    /// TP-MR (TS 23.040 clause 9.2.3.6) of the first part; each further part has one more, and 0 follows 255. Many modems
    /// put a number of their own in its place and tell that one in the answer to `AT+CMGS`.
    pub message_reference: u8,
    /// The 8-bit reference that the parts of one message have in common (TS 23.040 clause 9.2.3.24.1). Two messages to
    /// one recipient should differ in it. A message of one part has none.
    pub concatenation_reference: u8,
    /// TP-RD (TS 23.040 clause 9.2.3.25): whether the service centre refuses the message when one of the same TP-MR to
    /// the same number still waits there.
    pub reject_duplicates: bool,
    /// Which codings are allowed.
    pub encoding: EncodingChoice,
    /// Which national language shift tables are allowed, where the default alphabet does not have all characters.
    pub shift: ShiftChoice,
}

/// Which codings [`compose()`] may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum EncodingChoice {
    /// GSM 7 bit where it has all characters, else UCS-2.
    #[default]
    Auto,
    /// GSM 7 bit; a text with any other character is an error.
    Gsm7,
    /// UCS-2.
    Ucs2,
}

/// Which national language shift tables [`compose()`] may use (TS 23.038 clause 6.2.1.2).
///
/// A phone that does not know the tables shows other characters, so the default is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ShiftChoice {
    /// None.
    #[default]
    Never,
    /// Those of this language, where the text then takes no more parts than in UCS-2.
    Language(Language),
    /// Those of any language, where the text then takes fewer parts than in UCS-2.
    Any,
}

impl<'a> Submission<'a> {
    /// The text `text` to the number `to`, with nothing else asked for: no class, no status report, the service centre's
    /// own validity period, the SIM's service centre, references 0, any coding, no shift tables.
    ///
    /// Neither value is looked at before [`compose()`].
    pub const fn new(to: &'a str, text: &'a str) -> Self {
        Self {
            to,
            text,
            class: None,
            status_report: false,
            validity: None,
            smsc: None,
            message_reference: 0,
            concatenation_reference: 0,
            reject_duplicates: false,
            encoding: EncodingChoice::Auto,
            shift: ShiftChoice::Never,
        }
    }

    /// The same with a [message class](Self::class).
    #[must_use]
    pub const fn with_class(mut self, class: MessageClass) -> Self {
        self.class = Some(class);
        self
    }

    /// The same with or without asking for a [status report](Self::status_report).
    #[must_use]
    pub const fn with_status_report(mut self, yes: bool) -> Self {
        self.status_report = yes;
        self
    }

    /// The same with a [validity period](Self::validity).
    #[must_use]
    pub const fn with_validity(mut self, span: Duration) -> Self {
        self.validity = Some(span);
        self
    }

    /// The same through this [service centre](Self::smsc).
    #[must_use]
    pub const fn with_smsc(mut self, number: &'a str) -> Self {
        self.smsc = Some(number);
        self
    }

    /// The same with this [TP-MR](Self::message_reference) for the first part.
    #[must_use]
    pub const fn with_message_reference(mut self, reference: u8) -> Self {
        self.message_reference = reference;
        self
    }

    /// The same with this [reference of all parts](Self::concatenation_reference).
    #[must_use]
    pub const fn with_concatenation_reference(mut self, reference: u8) -> Self {
        self.concatenation_reference = reference;
        self
    }

    /// The same with or without [TP-RD](Self::reject_duplicates).
    #[must_use]
    pub const fn with_reject_duplicates(mut self, yes: bool) -> Self {
        self.reject_duplicates = yes;
        self
    }

    /// The same with these [codings](Self::encoding) allowed.
    #[must_use]
    pub const fn with_encoding(mut self, choice: EncodingChoice) -> Self {
        self.encoding = choice;
        self
    }

    /// The same with these [shift tables](Self::shift) allowed.
    #[must_use]
    pub const fn with_shift(mut self, choice: ShiftChoice) -> Self {
        self.shift = choice;
        self
    }
}

impl fmt::Debug for Submission<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("class", &self.class)
            .field("status_report", &self.status_report)
            .field("validity", &self.validity)
            .field("message_reference", &self.message_reference)
            .field("encoding", &self.encoding)
            .field("shift", &self.shift)
            .finish_non_exhaustive()
    }
}

/// A text as PDUs: what [`compose()`] gives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Composed {
    /// The coding, which is the same in all parts.
    pub encoding: Encoding,
    /// The national language shift tables that the parts are written with; each part names them in its header.
    pub shift_tables: ShiftTables,
    /// The parts in their order, 1 to 255 of them. Each is sent with an `AT+CMGS` of its own.
    pub parts: Vec<ComposedPart>,
}

/// One PDU. `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ComposedPart {
    /// The service centre's address and the TPDU, at most 176 octets: in hexadecimal digits, what follows the prompt of
    /// `AT+CMGS`.
    pub pdu: Vec<u8>,
    /// How many octets the TPDU has, which is the N of `AT+CMGS=N`: `pdu` without the service centre's address. At most
    /// 164.
    pub length: usize,
}

impl fmt::Debug for ComposedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ComposedPart({} octets)", self.length)
    }
}

/// Writes the PDUs that carry a text: SMS-SUBMITs (TS 23.040 clause 9.2.2.2), each after the service centre's address.
///
/// The coding is the cheapest one that is allowed and has all characters: the GSM 7 bit default alphabet with its
/// extension table, then the shift tables that are allowed, then UCS-2. A text that is too long for one part is cut
/// between characters as a reader sees them, never inside an escape or a surrogate pair, and each part numbers itself in
/// a header. Nothing of the text is changed; see [`transliterate`](crate::transliterate()) for that.
///
/// ```
/// use gsm_sms::Submission;
///
/// let composed = gsm_sms::compose(&Submission::new("+27820001111", "Hello World!"))?;
/// let [part] = &composed.parts[..] else { panic!("a short text is one part") };
/// assert_eq!(part.length, 24, "AT+CMGS=24");
/// assert_eq!(part.pdu[..4], [0, 0x01, 0, 0x0b], "the SIM's service centre, SMS-SUBMIT, TP-MR 0, 11 digits");
///
/// let long = "The same text over and over. ".repeat(10);
/// let composed = gsm_sms::compose(&Submission::new("+27820001111", &long).with_concatenation_reference(5))?;
/// assert_eq!(composed.parts.len(), 2);
/// # Ok::<(), gsm_sms::SmsError>(())
/// ```
///
/// # Errors
///
/// - [`Reason::NotANumber`] or [`Reason::TooLong`] in [`Field::To`] or [`Field::Smsc`]: the number is empty, has another
///   character, or has more than 20.
/// - [`Reason::NotInAlphabet`] in [`Field::Text`]: [`EncodingChoice::Gsm7`] was asked for, and no table that
///   is allowed has all characters. [`SmsError::offset`] is the octet, in UTF-8, of the first one that is not
///   in the default alphabet.
/// - [`Reason::TooManyParts`] in [`Field::Text`]: the text takes more than 255 parts.
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
    let validity = match submission.validity {
        Some(span) => ValidityPeriod::Relative(RelativeValidity::at_most(span)),
        None => ValidityPeriod::Absent,
    };
    let mut parts = Vec::with_capacity(pieces.len());
    for (&(piece, _), sequence) in pieces.iter().zip(1..=u8::MAX) {
        let concatenation = Concatenation {
            reference: Reference::Eight(submission.concatenation_reference),
            total,
            sequence,
        };
        let submit = Submit {
            first_octet: FirstOctet::default()
                .with_reject_duplicates(submission.reject_duplicates)
                .with_status_report(submission.status_report),
            message_reference: submission.message_reference.wrapping_add(sequence - 1),
            destination,
            protocol: ProtocolIdentifier::PLAIN,
            coding: DataCodingScheme::plain(coding.alphabet(), submission.class),
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
        ShiftChoice::Any => Language::ALL,
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
        // Of equal costs the first is taken: a phone without the tables still shows most of a text with single shifts.
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
    use super::super::decode::{Framing, decode};
    use super::super::parse::Strictness;
    use super::super::tpdu::Direction;
    use super::*;

    fn submits(submission: &Submission<'_>) -> Vec<Submit> {
        let read = |part: &ComposedPart| {
            let read = decode(&part.pdu, Direction::Mo, Framing::SmscFirst, Strictness::Strict).unwrap();
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
            status_report: true,
            validity: Some(Duration::from_secs(3 * 86_400)),
            smsc: Some("+31624000000"),
            message_reference: 13,
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
            message_reference: 254,
            concatenation_reference: 77,
            reject_duplicates: true,
            class: Some(MessageClass::Flash),
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
        // With many letters of the language, its base alphabet saves their escapes.
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
