//! SMS-STATUS-REPORT: what became of a message, from the service centre to the phone.
//!
//! 3GPP TS 23.040 clause 9.2.2.3.

use super::super::error::{Field, SmsError};
use super::super::field::address::Address;
use super::super::field::first_octet::FirstOctet;
use super::super::field::pi::Parameters;
use super::super::field::scts::Timestamp;
use super::super::field::status::Status;
use super::super::parse::{Parsed, Reading, octet};

/// TP-MTI, mobile terminated.
pub(super) const MESSAGE_TYPE: u8 = 2;

/// An SMS-STATUS-REPORT (TS 23.040 clause 9.2.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatusReport {
    /// TP-MMS, TP-LP and TP-SRQ; the other bits follow from the fields below.
    pub first_octet: FirstOctet,
    /// TP-MR of the message that the report is about (clause 9.2.3.6).
    pub message_reference: u8,
    /// TP-RA: to whom the message was sent (clause 9.2.3.14).
    pub recipient: Address,
    /// TP-SCTS: when the service centre took the message (clause 9.2.3.11).
    pub timestamp: Timestamp,
    /// TP-DT: when the message arrived, or was last tried (clause 9.2.3.13).
    pub discharge_time: Timestamp,
    /// TP-ST: what became of the message (clause 9.2.3.15).
    pub status: Status,
    /// TP-PI and what it announces (clause 9.2.3.27); a report may end before it.
    pub parameters: Parameters,
}

impl StatusReport {
    pub(super) fn parse<'a>(input: &'a [u8], reading: &mut Reading) -> Parsed<'a, Self> {
        let (rest, first) = octet(Field::FirstOctet)(input)?;
        let first_octet = FirstOctet(first);
        let (rest, message_reference) = octet(Field::MessageReference)(rest)?;
        let (rest, recipient) = Address::parse(Field::RecipientAddress, rest, reading)?;
        let (rest, timestamp) = Timestamp::parse(Field::ServiceCentreTimestamp, rest, reading)?;
        let (rest, discharge_time) = Timestamp::parse(Field::DischargeTime, rest, reading)?;
        let (rest, status) = octet(Field::Status)(rest)?;
        let (rest, parameters) = Parameters::parse(first_octet.has_header(), rest, reading)?;
        let status = Status(status);
        let report =
            Self { first_octet, message_reference, recipient, timestamp, discharge_time, status, parameters };
        Ok((rest, report))
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), SmsError> {
        let first = self.first_octet.with_message_type(MESSAGE_TYPE);
        let first = self.parameters.has_header().map_or(first, |yes| first.with_header(yes));
        to.extend([first.0, self.message_reference]);
        self.recipient.write(to);
        to.extend(self.timestamp.octets());
        to.extend(self.discharge_time.octets());
        to.push(self.status.0);
        self.parameters.write_indicator(to)?;
        self.parameters.write_fields(to)
    }
}
