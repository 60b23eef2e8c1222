//! Octets to a message.
//!
//! 3GPP TS 23.040 clause 9.2.2; with the service centre's address before it, TS 27.005 clause 3.1.

use super::error::SmsError;
use super::field::address::Address;
use super::field::udh::Concatenation;
use super::parse::{Reading, Strictness};
use super::tpdu::{Direction, Tpdu};

/// A message that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The service centre; `None` when there was no such field, or an empty one.
    pub smsc: Option<Address>,
    /// The message.
    pub tpdu: Tpdu,
    /// Octets behind the message. They mean nothing, and are kept: a SIM's record is filled up with FF, and some
    /// modems give the whole of their buffer.
    pub excess: Vec<u8>,
    /// What lenient mode overlooked, in the order of the octets; empty in strict mode.
    pub leniencies: Vec<SmsError>,
}

impl Decoded {
    /// The text; `None` for data, and for a message without user data.
    pub fn text(&self) -> Option<String> {
        self.tpdu.user_data()?.to_text()
    }

    /// Which part of which message it is.
    pub fn concatenation(&self) -> Option<Concatenation> {
        self.tpdu.user_data()?.header().concatenation()
    }
}

/// Reads a message that goes in `direction`, behind the service centre's address when `with_smsc`.
///
/// ```
/// use gsm_sms::{Direction, Strictness, Tpdu};
///
/// let octets = b"\0\x01\0\x0b\x91\x72\x28\0\x10\x11\xf1\0\0\x0c\xc8\x32\x9b\xfd\x06\x5d\xdf\x72\x36\x39\x04";
/// let read = gsm_sms::decode(octets, Direction::Mo, true, Strictness::Strict)?;
/// assert_eq!(read.text().as_deref(), Some("Hello World!"));
/// let Tpdu::Submit(submit) = &read.tpdu else { panic!() };
/// assert_eq!(submit.destination.to_string(), "+27820001111");
/// assert_eq!(read.tpdu.encode_with_smsc(None)?, octets);
/// # Ok::<(), gsm_sms::SmsError>(())
/// ```
pub fn decode(
    octets: &[u8],
    direction: Direction,
    with_smsc: bool,
    strictness: Strictness,
) -> Result<Decoded, SmsError> {
    let mut reading = Reading::new(strictness, octets.len());
    let read = (|| {
        let (rest, smsc) =
            if with_smsc { Address::parse_smsc(octets, &mut reading)? } else { (octets, None) };
        let (excess, tpdu) = Tpdu::parse(direction, rest, &mut reading)?;
        Ok((smsc, tpdu, excess.to_vec()))
    })();
    match read {
        Ok((smsc, tpdu, excess)) => Ok(Decoded { smsc, tpdu, excess, leniencies: reading.leniencies }),
        Err(fault) => Err(reading.error(&fault)),
    }
}
