//! What may be wrong with a short message, and where: the field's path and the octet.

use std::fmt;

/// A fault in a short message: which field, at which octet, why. It never repeats a number or a text.
///
/// In lenient mode the same value names what was overlooked, see [`Decoded::leniencies`](super::Decoded).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmsError {
    /// The field at fault.
    pub field: Field,
    /// Where it is: an octet counted from 0 of what was decoded, or of the UTF-8 text that could not be sent.
    pub offset: usize,
    /// What is wrong with it.
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

/// A field of a short message (TS 23.040 clause 9.2.3), or an input of [`compose`](super::compose()).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// The service centre's address before the TPDU (TS 27.005 clause 3.1).
    Smsc,
    /// The first octet: TP-MTI and the flags.
    FirstOctet,
    /// TP-MR, message reference.
    MessageReference,
    /// TP-DA, destination address.
    DestinationAddress,
    /// TP-OA, originating address.
    OriginatingAddress,
    /// TP-RA, recipient address.
    RecipientAddress,
    /// TP-PID, protocol identifier.
    ProtocolIdentifier,
    /// TP-DCS, data coding scheme.
    DataCodingScheme,
    /// TP-SCTS, service centre time stamp.
    ServiceCentreTimeStamp,
    /// TP-DT, discharge time.
    DischargeTime,
    /// TP-VP, validity period.
    ValidityPeriod,
    /// TP-ST, status.
    Status,
    /// TP-FCS, failure cause.
    FailureCause,
    /// TP-PI, parameter indicator.
    ParameterIndicator,
    /// TP-CT, command type.
    CommandType,
    /// TP-MN, message number.
    MessageNumber,
    /// TP-CDL and TP-CD, command data.
    CommandData,
    /// TP-UDL, user data length.
    UserDataLength,
    /// TP-UD, user data.
    UserData,
    /// The user data header's length.
    HeaderLength,
    /// An information element of the user data header, the first one being 1.
    Element(u8),
    /// The number to send to.
    To,
    /// The text to send.
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
            Self::ServiceCentreTimeStamp => "TP-SCTS",
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

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The message ends inside the field. Lenient mode takes user data as far as it goes.
    Short {
        /// Octets that the field has.
        wanted: usize,
        /// Octets that are there.
        left: usize,
    },
    /// The length is more than the field can have.
    TooLong {
        /// The length that is said.
        length: usize,
        /// The greatest one.
        most: usize,
    },
    /// A value that the standard keeps for later.
    Reserved(u8),
    /// Semi-octets that are no date and time. Lenient mode keeps the octets.
    NotATime,
    /// A filler among the digits of a number. Lenient mode ends the number there.
    Filler,
    /// No digits 0 to 9, `*`, `#`, `a`, `b`, `c`, with at most a `+` before them.
    NotANumber,
    /// No character of the GSM 7 bit default alphabet, and another coding was not allowed.
    NotInAlphabet,
    /// TP-UDHI is set, and the user data is empty. Lenient mode takes it as without a header.
    HeaderAbsent,
    /// The header is longer than the user data. Lenient mode takes the data as without a header.
    HeaderTooLong {
        /// TP-UDHL.
        length: usize,
        /// Octets that the user data has for it.
        most: usize,
    },
    /// An information element reaches beyond the header. Lenient mode keeps the elements before it.
    ElementTooLong {
        /// The element's length.
        length: usize,
        /// Octets that are left in the header.
        left: usize,
    },
    /// An odd number of octets of UCS-2. Lenient mode shows U+FFFD for the last one.
    HalfCharacter,
    /// Half of a surrogate pair. Lenient mode shows U+FFFD for it.
    LoneSurrogate,
    /// A text of more parts than 255.
    TooManyParts,
    /// The field's type and the message do not agree: the user data is measured in other units.
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
