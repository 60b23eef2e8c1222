//! SMS-SUBMIT: a message on its way from the phone to the service centre.
//!
//! 3GPP TS 23.040 clause 9.2.2.2.

use super::super::error::{Field, SmsError};
use super::super::field::address::Address;
use super::super::field::dcs::DataCodingScheme;
use super::super::field::first_octet::FirstOctet;
use super::super::field::pid::ProtocolIdentifier;
use super::super::field::ud::UserData;
use super::super::field::vp::ValidityPeriod;
use super::super::parse::{Parsed, Reading, octet};

/// TP-MTI, mobile originated.
pub(super) const MESSAGE_TYPE: u8 = 1;

/// An SMS-SUBMIT (TS 23.040 clause 9.2.2.2). [`compose`](crate::compose()) makes those of a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Submit {
    /// TP-RD, TP-SRR and TP-RP; the other bits follow from the fields below.
    pub first_octet: FirstOctet,
    /// TP-MR: the number by which a status report names the message (clause 9.2.3.6).
    pub message_reference: u8,
    /// TP-DA: to whom the message goes (clause 9.2.3.8).
    pub destination: Address,
    /// TP-PID (clause 9.2.3.9).
    pub protocol: ProtocolIdentifier,
    /// TP-DCS (clause 9.2.3.10); it must name the alphabet of the user data.
    pub coding: DataCodingScheme,
    /// TP-VP: how long the service centre keeps trying (clause 9.2.3.12).
    pub validity: ValidityPeriod,
    /// TP-UDL and TP-UD (clauses 9.2.3.16 and 9.2.3.24).
    pub user_data: UserData,
}

impl Submit {
    pub(super) fn parse<'a>(input: &'a [u8], reading: &mut Reading) -> Parsed<'a, Self> {
        let (rest, first) = octet(Field::FirstOctet)(input)?;
        let first_octet = FirstOctet(first);
        let (rest, message_reference) = octet(Field::MessageReference)(rest)?;
        let (rest, destination) = Address::parse(Field::DestinationAddress, rest, reading)?;
        let (rest, protocol) = octet(Field::ProtocolIdentifier)(rest)?;
        let (rest, coding) = octet(Field::DataCodingScheme)(rest)?;
        let coding = DataCodingScheme(coding);
        let (rest, validity) = ValidityPeriod::parse(first_octet.validity_format(), rest, reading)?;
        let (rest, user_data) =
            UserData::parse(coding.user_data_alphabet(), first_octet.has_header(), rest, reading)?;
        let protocol = ProtocolIdentifier(protocol);
        let submit =
            Self { first_octet, message_reference, destination, protocol, coding, validity, user_data };
        Ok((rest, submit))
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), SmsError> {
        super::agree(self.coding, &self.user_data)?;
        let first = self
            .first_octet
            .with_message_type(MESSAGE_TYPE)
            .with_validity_format(self.validity.format())
            .with_header(self.user_data.has_header());
        to.extend([first.0, self.message_reference]);
        self.destination.write(to);
        to.extend([self.protocol.0, self.coding.0]);
        self.validity.write(to);
        self.user_data.write(to);
        Ok(())
    }
}
