//! Octets to a message.
//!
//! 3GPP TS 23.040 clause 9.2.2; with the service centre's address before it, TS 27.005 clause 3.1.

use super::error::SmsError;
use super::field::address::Address;
use super::field::udh::Concatenation;
use super::parse::{Reading, Strictness};
use super::tpdu::{Direction, Tpdu};

/// Whether the service centre's address stands before a TPDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// It does, as in the answers of a modem (`+CMGL`, `+CMGR`, `+CMT`, `+CDS`), after the prompt of `AT+CMGS` (TS 27.005
    /// clause 3.1), and in the records of a SIM after their status octet (TS 31.102 clause 4.2.25).
    SmscFirst,
    /// The octets begin with the TPDU, as in the messages of the network (TS 24.011) and in SMPP or SIP
    /// payloads. Some modems leave the address out as well.
    TpduOnly,
}

/// A message that was read: what [`decode()`] gives. `Debug` shows no text, and of a number only its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Decoded {
    /// The service centre's number; `None` when there was no such field, or an empty one.
    pub smsc: Option<Address>,
    /// The message.
    pub tpdu: Tpdu,
    /// The octets after the message. They mean nothing and are kept as they came: a SIM fills its records up with FF,
    /// and some modems give the whole of their buffer.
    pub excess: Vec<u8>,
    /// What lenient mode overlooked, in the order in which the fields are read; empty in strict mode.
    pub leniencies: Vec<SmsError>,
}

impl Decoded {
    /// The text of the user data, as [`UserData::to_text`](crate::UserData::to_text) reads it; `None` for data, and for a
    /// message without user data.
    pub fn to_text(&self) -> Option<String> {
        self.tpdu.user_data()?.to_text()
    }

    /// Which part of which message it is, as [`Header::concatenation`](crate::Header::concatenation) reads it; `None` for
    /// a message of one part.
    pub fn concatenation(&self) -> Option<Concatenation> {
        self.tpdu.user_data()?.header().concatenation()
    }
}

/// Reads the octets of a message, which are not hexadecimal digits any more.
///
/// `direction` says which three of the six TPDUs it can be, `framing` whether the service centre's address stands before
/// it. What a strict reading takes is written back to the same octets by [`Tpdu::encode_with_smsc`] or [`Tpdu::encode`],
/// the [excess](Decoded::excess) after it. Whatever a strict reading takes, a lenient one reads the same way.
///
/// ```
/// use gsm_sms::{Direction, Framing, Strictness, Tpdu};
///
/// // What a modem answers to AT+CMGR: a message that it received.
/// let octets = b"\x07\x91\x13\x26\x04\x00\x00\xf0\x04\x0b\x91\x13\x46\x61\x00\x89\xf6\x00\x00\x20\x80\x62\
///                \x91\x73\x14\x80\x0c\xc8\xf7\x1d\x14\x96\x97\x41\xf9\x77\xfd\x07";
/// let read = gsm_sms::decode(octets, Direction::Mt, Framing::SmscFirst, Strictness::Strict)?;
/// assert_eq!(read.to_text().as_deref(), Some("How are you?"));
/// let Tpdu::Deliver(deliver) = &read.tpdu else { panic!("mobile terminated, and no report") };
/// assert_eq!(deliver.originator.to_string(), "+31641600986");
/// assert_eq!(deliver.timestamp.to_string(), "2002-08-26T19:37:41+02:00");
/// assert_eq!(read.tpdu.encode_with_smsc(read.smsc.as_ref())?, octets);
///
/// // One octet is missing. A strict reading says where, a lenient one takes what is there.
/// let cut = &octets[..octets.len() - 1];
/// let error = gsm_sms::decode(cut, Direction::Mt, Framing::SmscFirst, Strictness::Strict).unwrap_err();
/// assert_eq!(error.to_string(), "TP-UD at octet 27: needs 11 octets, 10 are left");
/// let read = gsm_sms::decode(cut, Direction::Mt, Framing::SmscFirst, Strictness::Lenient)?;
/// assert_eq!(read.to_text().as_deref(), Some("How are you"));
/// assert_eq!(read.leniencies, [error]);
/// # Ok::<(), gsm_sms::SmsError>(())
/// ```
///
/// # Errors
///
/// Any [`Reason`](crate::Reason) that a field can have, with the first octet at fault. A lenient reading
/// fails only with those whose documentation does not say what lenient mode does.
pub fn decode(
    octets: &[u8],
    direction: Direction,
    framing: Framing,
    strictness: Strictness,
) -> Result<Decoded, SmsError> {
    let mut reading = Reading::new(strictness, octets.len());
    let read = (|| {
        let (rest, smsc) = match framing {
            Framing::SmscFirst => Address::parse_smsc(octets, &mut reading)?,
            Framing::TpduOnly => (octets, None),
        };
        let (excess, tpdu) = Tpdu::parse(direction, rest, &mut reading)?;
        Ok((smsc, tpdu, excess.to_vec()))
    })();
    match read {
        Ok((smsc, tpdu, excess)) => Ok(Decoded { smsc, tpdu, excess, leniencies: reading.leniencies }),
        Err(fault) => Err(reading.error(&fault)),
    }
}
