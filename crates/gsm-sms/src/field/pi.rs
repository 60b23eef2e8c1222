//! TP-PI: which of the optional fields at a report's end are there, and those fields.
//!
//! 3GPP TS 23.040 clause 9.2.3.27. Reserved bits are ignored and kept.

use super::super::error::{Field, Reason, SmsError};
use super::super::parse::{Parsed, Reading, octet};
use super::dcs::DataCodingScheme;
use super::pid::ProtocolIdentifier;
use super::ud::UserData;

const PROTOCOL: u8 = 0x01;
const CODING: u8 = 0x02;
const USER_DATA: u8 = 0x04;
const EXTENSION: u8 = 0x80;

/// The optional fields of a report, and TP-PI that announces them (TS 23.040 clause 9.2.3.27). The default is none of them,
/// and no TP-PI, as a STATUS-REPORT may have it; the other two reports must have a TP-PI, as [`Self::new`] makes one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Parameters {
    /// TP-PI as it came, with the octets that extend it; empty when the message ends before it. When a report is written,
    /// the three bits that announce the fields below follow from them.
    pub indicator: Vec<u8>,
    /// TP-PID (clause 9.2.3.9).
    pub protocol: Option<ProtocolIdentifier>,
    /// TP-DCS (clause 9.2.3.10). Without it the user data is in the GSM 7 bit default alphabet.
    pub coding: Option<DataCodingScheme>,
    /// TP-UDL and TP-UD (clauses 9.2.3.16 and 9.2.3.24).
    pub user_data: Option<UserData>,
}

impl Parameters {
    /// These fields, announced by a TP-PI of one octet.
    pub fn new(
        protocol: Option<ProtocolIdentifier>,
        coding: Option<DataCodingScheme>,
        user_data: Option<UserData>,
    ) -> Self {
        Self { indicator: vec![0], protocol, coding, user_data }
    }

    /// Reads what is left of a STATUS-REPORT. It may end here; and a SIM's record (TS 31.102 clause 4.2.25) is
    /// filled up with FF, which is no indicator.
    pub(crate) fn parse<'a>(has_header: bool, input: &'a [u8], reading: &mut Reading) -> Parsed<'a, Self> {
        if input.iter().all(|octet| *octet == 0xff) {
            return Ok((input, Self::default()));
        }
        let (rest, indicator) = Self::parse_indicator(input)?;
        Self::parse_fields(indicator, has_header, rest, reading)
    }

    /// Reads TP-PI and the octets that extend it.
    pub(crate) fn parse_indicator(input: &[u8]) -> Parsed<'_, Vec<u8>> {
        let (mut rest, mut last) = octet(Field::ParameterIndicator)(input)?;
        let mut indicator = vec![last];
        while last & EXTENSION != 0 {
            (rest, last) = octet(Field::ParameterIndicator)(rest)?;
            indicator.push(last);
        }
        Ok((rest, indicator))
    }

    /// Reads the fields that `indicator` announces.
    pub(crate) fn parse_fields<'a>(
        indicator: Vec<u8>,
        has_header: bool,
        input: &'a [u8],
        reading: &mut Reading,
    ) -> Parsed<'a, Self> {
        let first = indicator.first().copied().unwrap_or(0);
        let has = |bit: u8| first & bit != 0;
        let mut rest = input;
        let mut parameters = Self { indicator, ..Self::default() };
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
            let alphabet = parameters.coding.unwrap_or_default().user_data_alphabet();
            let (after, user_data) = UserData::parse(alphabet, has_header, rest, reading)?;
            (rest, parameters.user_data) = (after, Some(user_data));
        }
        Ok((rest, parameters))
    }

    /// Whether the user data, if there is any, begins with a header; `None` without user data.
    pub(crate) fn has_header(&self) -> Option<bool> {
        self.user_data.as_ref().map(UserData::has_header)
    }

    /// Writes TP-PI, which may be left out when it announces nothing.
    pub(crate) fn write_indicator(&self, to: &mut Vec<u8>) -> Result<(), SmsError> {
        let announced = (u8::from(self.protocol.is_some()) * PROTOCOL)
            | (u8::from(self.coding.is_some()) * CODING)
            | (u8::from(self.user_data.is_some()) * USER_DATA);
        match self.indicator.split_first() {
            Some((first, more)) => {
                to.push(first & !(PROTOCOL | CODING | USER_DATA) | announced);
                to.extend(more);
                Ok(())
            }
            None if announced == 0 => Ok(()),
            None => Err(SmsError::new(Field::ParameterIndicator, 0, Reason::Mismatch)),
        }
    }

    /// Writes the fields.
    pub(crate) fn write_fields(&self, to: &mut Vec<u8>) -> Result<(), SmsError> {
        to.extend(self.protocol.map(|protocol| protocol.0));
        to.extend(self.coding.map(|coding| coding.0));
        if let Some(user_data) = &self.user_data {
            if self.coding.unwrap_or_default().user_data_alphabet() != user_data.alphabet() {
                return Err(SmsError::new(Field::DataCodingScheme, 0, Reason::Mismatch));
            }
            user_data.write(to);
        }
        Ok(())
    }
}
