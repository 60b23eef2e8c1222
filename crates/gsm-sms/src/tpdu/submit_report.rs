//! SMS-SUBMIT-REPORT: the service centre's answer to a SUBMIT or a COMMAND.
//!
//! 3GPP TS 23.040 clause 9.2.2.2a: (i) for RP-ERROR, with TP-FCS; (ii) for RP-ACK, without. A cause is 80 hex
//! or more, which TP-PI is not as long as nothing extends it, so the second octet tells the two apart.

use super::super::error::{Field, SmsError};
use super::super::field::fcs::FailureCause;
use super::super::field::first_octet::FirstOctet;
use super::super::field::pi::Parameters;
use super::super::field::scts::Timestamp;
use super::super::parse::{Parsed, Reading, octet};

/// TP-MTI, mobile terminated.
pub(super) const MESSAGE_TYPE: u8 = 1;

/// An SMS-SUBMIT-REPORT (TS 23.040 clause 9.2.2.2a).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubmitReport {
    /// TP-UDHI and TP-MTI, which follow from the fields below, and unused bits.
    pub first_octet: FirstOctet,
    /// TP-FCS: why the message was refused (clause 9.2.3.22); `None` when it was taken.
    pub failure: Option<FailureCause>,
    /// TP-SCTS: when the service centre took the message (clause 9.2.3.11).
    pub timestamp: Timestamp,
    /// TP-PI, which this report must have, and what it announces (clause 9.2.3.27).
    pub parameters: Parameters,
}

impl SubmitReport {
    pub(super) fn parse<'a>(input: &'a [u8], reading: &mut Reading) -> Parsed<'a, Self> {
        let (rest, first) = octet(Field::FirstOctet)(input)?;
        let first_octet = FirstOctet(first);
        let (rest, failure) = super::failure(rest);
        let (rest, indicator) = Parameters::parse_indicator(rest)?;
        let (rest, timestamp) = Timestamp::parse(Field::ServiceCentreTimestamp, rest, reading)?;
        let (rest, parameters) =
            Parameters::parse_fields(indicator, first_octet.has_header(), rest, reading)?;
        Ok((rest, Self { first_octet, failure, timestamp, parameters }))
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), SmsError> {
        super::write_report_head(self.first_octet, MESSAGE_TYPE, self.failure, &self.parameters, to)?;
        to.extend(self.timestamp.octets());
        self.parameters.write_fields(to)
    }
}
