//! TP-PI: which of the optional fields at a report's end are there, and those fields.
//!
//! 3GPP TS 23.040 clause 9.2.3.27. Reserved bits are passed over and kept.

use super::super::error::{Field, Reason, SmsError};
use super::super::parse::{Parsed, Reading, octet};
use super::dcs::DataCodingScheme;
use super::pid::ProtocolIdentifier;
use super::ud::UserData;

const PROTOCOL: u8 = 0x01;
const CODING: u8 = 0x02;
const USER_DATA: u8 = 0x04;
const EXTENSION: u8 = 0x80;

/// The optional fields of a report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    /// TP-PI as it came, with the octets that extend it; empty when the message ends before it. The three bits
    /// that announce the fields below are set from them when it is written.
    pub indicator: Vec<u8>,
    /// TP-PID
    pub protocol: Option<ProtocolIdentifier>,
    /// TP-DCS
    pub coding: Option<DataCodingScheme>,
    /// TP-UDL and TP-UD
    pub user_data: Option<UserData>,
}

impl Parameters {
    /// These fields, announced in one octet.
    pub fn new(
        protocol: Option<ProtocolIdentifier>,
        coding: Option<DataCodingScheme>,
        user_data: Option<UserData>,
    ) -> Self {
        Self { indicator: vec![0], protocol, coding, user_data }
    }

    /// Reads what is left of a report. A report may end here; and a SIM's record (TS 31.102 clause 4.2.25) is
    /// filled up with FF, which is no indicator.
    pub(crate) fn parse<'a>(has_header: bool, input: &'a [u8], reading: &mut Reading) -> Parsed<'a, Self> {
        if input.iter().all(|octet| *octet == 0xff) {
            return Ok((input, Self::default()));
        }
        Self::parse_present(has_header, input, reading)
    }

    /// Reads the fields of a report that must have TP-PI.
    pub(crate) fn parse_present<'a>(
        has_header: bool,
        input: &'a [u8],
        reading: &mut Reading,
    ) -> Parsed<'a, Self> {
        let (mut rest, first) = octet(Field::ParameterIndicator)(input)?;
        let mut indicator = vec![first];
        let mut last = first;
        while last & EXTENSION != 0 {
            (rest, last) = octet(Field::ParameterIndicator)(rest)?;
            indicator.push(last);
        }
        let mut parameters = Self { indicator, ..Self::default() };
        let has = |bit: u8| first & bit != 0;
        if has(PROTOCOL) {
            let (after, protocol) = octet(Field::ProtocolIdentifier)(rest)?;
            (rest, parameters.protocol) = (after, Some(ProtocolIdentifier(protocol)));
        }
        if has(CODING) {
            let (after, coding) = octet(Field::DataCodingScheme)(rest)?;
            (rest, parameters.coding) = (after, Some(DataCodingScheme(coding)));
        }
        if has(USER_DATA) {
            // Without TP-DCS the default alphabet is meant (clause 9.2.3.27).
            let alphabet = parameters.coding.unwrap_or_default().carried();
            let (after, user_data) = UserData::parse(alphabet, has_header, rest, reading)?;
            (rest, parameters.user_data) = (after, Some(user_data));
        }
        Ok((rest, parameters))
    }

    /// Writes TP-PI and the fields.
    pub(crate) fn write(&self, to: &mut Vec<u8>) -> Result<(), SmsError> {
        let announced = (u8::from(self.protocol.is_some()) * PROTOCOL)
            | (u8::from(self.coding.is_some()) * CODING)
            | (u8::from(self.user_data.is_some()) * USER_DATA);
        let Some((first, more)) = self.indicator.split_first() else {
            return if announced == 0 {
                Ok(())
            } else {
                Err(SmsError::new(Field::ParameterIndicator, 0, Reason::Mismatch))
            };
        };
        to.push(first & !(PROTOCOL | CODING | USER_DATA) | announced);
        to.extend(more);
        to.extend(self.protocol.map(|protocol| protocol.0));
        to.extend(self.coding.map(|coding| coding.0));
        if let Some(user_data) = &self.user_data {
            if self.coding.unwrap_or_default().carried() != user_data.alphabet() {
                return Err(SmsError::new(Field::DataCodingScheme, 0, Reason::Mismatch));
            }
            user_data.write(to);
        }
        Ok(())
    }
}
