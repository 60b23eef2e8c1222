//! SMS-DELIVER-REPORT: the phone's answer to a DELIVER or a STATUS-REPORT.
//!
//! 3GPP TS 23.040 clause 9.2.2.1a: (i) for RP-ERROR, with TP-FCS; (ii) for RP-ACK, without. The second octet tells
//! the two apart, as in a SUBMIT-REPORT.

use super::super::error::{Field, SmsError};
use super::super::field::fcs::FailureCause;
use super::super::field::first_octet::FirstOctet;
use super::super::field::pi::Parameters;
use super::super::parse::{Parsed, Reading, octet};

/// TP-MTI, mobile originated.
pub(super) const MESSAGE_TYPE: u8 = 0;

/// An SMS-DELIVER-REPORT (TS 23.040 clause 9.2.2.1a).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliverReport {
    /// TP-UDHI and TP-MTI, which follow from the fields below, and unused bits.
    pub first_octet: FirstOctet,
    /// TP-FCS: why the message was refused (clause 9.2.3.22); `None` when it was taken.
    pub failure: Option<FailureCause>,
    /// TP-PI, which this report must have, and what it announces (clause 9.2.3.27).
    pub parameters: Parameters,
}

impl DeliverReport {
    pub(super) fn parse<'a>(input: &'a [u8], reading: &mut Reading) -> Parsed<'a, Self> {
        let (rest, first) = octet(Field::FirstOctet)(input)?;
        let first_octet = FirstOctet(first);
        let (rest, failure) = super::failure(rest);
        let (rest, indicator) = Parameters::parse_indicator(rest)?;
        let (rest, parameters) =
            Parameters::parse_fields(indicator, first_octet.has_header(), rest, reading)?;
        Ok((rest, Self { first_octet, failure, parameters }))
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), SmsError> {
        super::write_report_head(self.first_octet, MESSAGE_TYPE, self.failure, &self.parameters, to)?;
        self.parameters.write_fields(to)
    }
}
