//! SMS-DELIVER: a message on its way from the service centre to the phone.
//!
//! 3GPP TS 23.040 clause 9.2.2.1.

use super::super::error::{Field, SmsError};
use super::super::field::address::Address;
use super::super::field::dcs::DataCodingScheme;
use super::super::field::first_octet::FirstOctet;
use super::super::field::pid::ProtocolIdentifier;
use super::super::field::scts::Timestamp;
use super::super::field::ud::UserData;
use super::super::parse::{Parsed, Reading, octet};

/// TP-MTI, mobile terminated.
pub(super) const MESSAGE_TYPE: u8 = 0;

/// An SMS-DELIVER (TS 23.040 clause 9.2.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Deliver {
    /// TP-MMS, TP-LP, TP-SRI and TP-RP; the other bits follow from the fields below.
    pub first_octet: FirstOctet,
    /// TP-OA: who sent the message (clause 9.2.3.7).
    pub originator: Address,
    /// TP-PID (clause 9.2.3.9).
    pub protocol: ProtocolIdentifier,
    /// TP-DCS (clause 9.2.3.10); it must name the alphabet of the user data.
    pub coding: DataCodingScheme,
    /// TP-SCTS: when the service centre took the message (clause 9.2.3.11).
    pub timestamp: Timestamp,
    /// TP-UDL and TP-UD (clauses 9.2.3.16 and 9.2.3.24).
    pub user_data: UserData,
}

impl Deliver {
    pub(super) fn parse<'a>(input: &'a [u8], reading: &mut Reading) -> Parsed<'a, Self> {
        let (rest, first) = octet(Field::FirstOctet)(input)?;
        let first_octet = FirstOctet(first);
        let (rest, originator) = Address::parse(Field::OriginatingAddress, rest, reading)?;
        let (rest, protocol) = octet(Field::ProtocolIdentifier)(rest)?;
        let (rest, coding) = octet(Field::DataCodingScheme)(rest)?;
        let coding = DataCodingScheme(coding);
        let (rest, timestamp) = Timestamp::parse(Field::ServiceCentreTimestamp, rest, reading)?;
        let (rest, user_data) =
            UserData::parse(coding.user_data_alphabet(), first_octet.has_header(), rest, reading)?;
        let protocol = ProtocolIdentifier(protocol);
        Ok((rest, Self { first_octet, originator, protocol, coding, timestamp, user_data }))
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), SmsError> {
        super::agree(self.coding, &self.user_data)?;
        let first = self.first_octet.with_message_type(MESSAGE_TYPE).with_header(self.user_data.has_header());
        to.push(first.0);
        self.originator.write(to);
        to.extend([self.protocol.0, self.coding.0]);
        to.extend(self.timestamp.octets());
        self.user_data.write(to);
        Ok(())
    }
}
