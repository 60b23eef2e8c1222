//! What may be wrong with a short message, and where: the field's path and the octet.

use std::fmt;

/// A fault in a short message: which field, at which octet, why. It never repeats a number or a text, so that its
/// sentence is fit for a log.
///
/// In lenient mode the same value names what was overlooked, see [`Decoded::leniencies`](super::Decoded::leniencies).
///
/// ```
/// use gsm_sms::{Direction, Field, Framing, Reason, Strictness};
///
/// // A SUBMIT whose recipient has ten digits, and three octets of them.
/// let octets = b"\x01\x00\x0a\x91\x14\x97\x21";
/// let error = gsm_sms::decode(octets, Direction::Mo, Framing::TpduOnly, Strictness::Strict).unwrap_err();
/// assert_eq!((error.field, error.offset), (Field::DestinationAddress, 4));
/// assert_eq!(error.reason, Reason::Short { wanted: 5, left: 3 });
/// assert_eq!(error.to_string(), "TP-DA at octet 4: needs 5 octets, 3 are left");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SmsError {
    /// The field at fault.
    pub field: Field,
    /// Where the fault is, in octets counted from 0: of what was decoded, or, in [`Field::To`], [`Field::Smsc`] and
    /// [`Field::Text`] of what was to be sent, of the string in UTF-8. At most as many as there are. 0 where a value that
    /// was built does not fit the others.
    pub offset: usize,
    /// What is wrong with the field.
    pub reason: Reason,
}

impl SmsError {
    pub(crate) const fn new(field: Field, offset: usize, reason: Reason) -> Self {
        Self { field, offset, reason }
    }
}

impl fmt::Display for SmsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at octet {}: {}", self.field, self.offset, self.reason)
    }
}

impl std::error::Error for SmsError {}

/// A field of a short message (TS 23.040 clause 9.2.3), or an input of [`compose`](super::compose()). `Display` gives the
/// standard's mnemonic, such as `TP-DA`, and the path of a field within another, such as `TP-UD/TP-UDHL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The service centre's address before the TPDU (TS 27.005 clause 3.1).
    Smsc,
    /// The first octet: TP-MTI and the flags (clauses 9.2.3.1 to 9.2.3.5 and others).
    FirstOctet,
    /// TP-MR, message reference (clause 9.2.3.6).
    MessageReference,
    /// TP-DA, destination address (clause 9.2.3.8).
    DestinationAddress,
    /// TP-OA, originating address (clause 9.2.3.7).
    OriginatingAddress,
    /// TP-RA, recipient address (clause 9.2.3.14).
    RecipientAddress,
    /// TP-PID, protocol identifier (clause 9.2.3.9).
    ProtocolIdentifier,
    /// TP-DCS, data coding scheme (clause 9.2.3.10).
    DataCodingScheme,
    /// TP-SCTS, service centre time stamp (clause 9.2.3.11).
    ServiceCentreTimestamp,
    /// TP-DT, discharge time (clause 9.2.3.13).
    DischargeTime,
    /// TP-VP, validity period (clause 9.2.3.12).
    ValidityPeriod,
    /// TP-ST, status (clause 9.2.3.15).
    Status,
    /// TP-FCS, failure cause (clause 9.2.3.22).
    FailureCause,
    /// TP-PI, parameter indicator (clause 9.2.3.27).
    ParameterIndicator,
    /// TP-CT, command type (clause 9.2.3.19).
    CommandType,
    /// TP-MN, message number (clause 9.2.3.18).
    MessageNumber,
    /// TP-CDL and TP-CD, command data length and command data (clauses 9.2.3.20 and 9.2.3.21).
    CommandData,
    /// TP-UDL, user data length (clause 9.2.3.16).
    UserDataLength,
    /// TP-UD, user data (clause 9.2.3.24).
    UserData,
    /// TP-UDHL, the user data header's length (clause 9.2.3.24).
    HeaderLength,
    /// An information element of the user data header (clause 9.2.3.24), the first one being 1.
    Element(u8),
    /// The number that was to be sent to, or that was to become an address.
    To,
    /// The text that was to be sent.
    Text,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smsc => "SMSC",
            Self::FirstOctet => "first octet",
            Self::MessageReference => "TP-MR",
            Self::DestinationAddress => "TP-DA",
            Self::OriginatingAddress => "TP-OA",
            Self::RecipientAddress => "TP-RA",
            Self::ProtocolIdentifier => "TP-PID",
            Self::DataCodingScheme => "TP-DCS",
            Self::ServiceCentreTimestamp => "TP-SCTS",
            Self::DischargeTime => "TP-DT",
            Self::ValidityPeriod => "TP-VP",
            Self::Status => "TP-ST",
            Self::FailureCause => "TP-FCS",
            Self::ParameterIndicator => "TP-PI",
            Self::CommandType => "TP-CT",
            Self::MessageNumber => "TP-MN",
            Self::CommandData => "TP-CD",
            Self::UserDataLength => "TP-UDL",
            Self::UserData => "TP-UD",
            Self::HeaderLength => "TP-UD/TP-UDHL",
            Self::Element(number) => return write!(f, "TP-UD/TP-UDH/IE {number}"),
            Self::To => "to",
            Self::Text => "text",
        })
    }
}

/// What is wrong with a field. `Display` gives the end of a sentence that begins with the field.
///
/// Where the documentation of a reason says what lenient mode does, a lenient reading goes on and notes the fault;
/// otherwise the fault ends a lenient reading as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The message ends inside the field. In TP-UDL and TP-UD lenient mode takes the user data as far as it goes.
    Short {
        /// How many octets the field has.
        wanted: usize,
        /// How many octets are there.
        left: usize,
    },
    /// The length is more than the field can have. In TP-UDL lenient mode takes as much as is there.
    TooLong {
        /// The length that is said, in the field's own units: semi-octets of an address, octets of a service centre's
        /// address, septets of a name or of a GSM 7 bit text, octets of other data.
        length: usize,
        /// The greatest length, in the same units.
        most: usize,
    },
    /// A value that the standard reserves for later: TP-MTI 3 to or from a phone.
    Reserved(u8),
    /// Semi-octets that are not a date and time. Lenient mode keeps the octets.
    NotATime,
    /// A filler among the digits of a number. Lenient mode ends the number there.
    Filler,
    /// The string is not a number: it is empty, or has a character other than the digits 0 to 9, `*`, `#`,
    /// `a`, `b`, `c`, and one `+` before them.
    NotANumber,
    /// A character that is in no GSM 7 bit table that may be used, where another coding was not allowed.
    NotInAlphabet,
    /// TP-UDHI is set, and the user data is empty. Lenient mode takes it as without a header.
    HeaderAbsent,
    /// The header is longer than the user data. Lenient mode takes the data as without a header.
    HeaderTooLong {
        /// TP-UDHL, in octets.
        length: usize,
        /// How many octets the user data has for it.
        most: usize,
    },
    /// An information element reaches beyond the header. Lenient mode keeps the elements before it.
    ElementTooLong {
        /// The element's length, in octets.
        length: usize,
        /// How many octets are left in the header.
        left: usize,
    },
    /// An odd number of octets of UCS-2. Lenient mode shows U+FFFD for the last one.
    HalfCharacter,
    /// Half of a surrogate pair. Lenient mode shows U+FFFD for it.
    LoneSurrogate,
    /// A text that takes more than 255 parts.
    TooManyParts,
    /// Only for a message that is written: the field and the others do not agree. TP-DCS names another
    /// alphabet than that of the user data, TP-FCS is below 80 hex, or TP-PI is missing where it must stand.
    Mismatch,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { wanted, left } => write!(f, "needs {wanted} octets, {left} are left"),
            Self::TooLong { length, most } => write!(f, "is {length} long, at most {most} are possible"),
            Self::Reserved(value) => write!(f, "has the reserved value {value:02X}"),
            Self::NotATime => f.write_str("is no date and time"),
            Self::Filler => f.write_str("has a filler among its digits"),
            Self::NotANumber => f.write_str("is no number of digits, *, # or a to c after at most one +"),
            Self::NotInAlphabet => f.write_str("has a character that the alphabet has not"),
            Self::HeaderAbsent => f.write_str("has no header, though TP-UDHI is set"),
            Self::HeaderTooLong { length, most } => {
                write!(f, "says {length} octets, the user data has {most} for it")
            }
            Self::ElementTooLong { length, left } => {
                write!(f, "says {length} octets, the header has {left} left")
            }
            Self::HalfCharacter => f.write_str("ends in half a UCS-2 character"),
            Self::LoneSurrogate => f.write_str("has half of a surrogate pair"),
            Self::TooManyParts => f.write_str("needs more than 255 parts"),
            Self::Mismatch => f.write_str("does not fit the data coding scheme or the flags"),
        }
    }
}
