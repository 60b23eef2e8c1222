//! The six TPDUs, one file each, and which of them a first octet announces.
//!
//! 3GPP TS 23.040 clause 9.2.2; TP-MTI in clause 9.2.3.1.

pub(crate) mod deliver;
pub(crate) mod status_report;
pub(crate) mod submit;

use super::error::{Field, Reason, SmsError};
use super::field::address::Address;
use super::field::first_octet::FirstOctet;
use super::field::ud::UserData;
use super::parse::{Fault, Parsed, Reading};

use deliver::Deliver;
use status_report::StatusReport;
use submit::Submit;

/// Which way a message goes: TP-MTI means another TPDU in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Mobile originated: from the phone to the service centre.
    Mo,
    /// Mobile terminated: from the service centre to the phone.
    Mt,
}

/// A transport protocol data unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tpdu {
    /// A message on its way to the service centre.
    Submit(Submit),
    /// A message on its way to the phone.
    Deliver(Deliver),
    /// What became of a message.
    StatusReport(StatusReport),
}

impl Tpdu {
    /// Its name in lower case, such as `status-report`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Submit(_) => "submit",
            Self::Deliver(_) => "deliver",
            Self::StatusReport(_) => "status-report",
        }
    }

    /// The user data, of a TPDU that has any.
    pub const fn user_data(&self) -> Option<&UserData> {
        match self {
            Self::Submit(tpdu) => Some(&tpdu.user_data),
            Self::Deliver(tpdu) => Some(&tpdu.user_data),
            Self::StatusReport(tpdu) => tpdu.parameters.user_data.as_ref(),
        }
    }

    /// Writes the TPDU behind what `to` already has.
    pub fn write(&self, to: &mut Vec<u8>) -> Result<(), SmsError> {
        match self {
            Self::Submit(tpdu) => tpdu.write(to),
            Self::Deliver(tpdu) => tpdu.write(to),
            Self::StatusReport(tpdu) => tpdu.write(to),
        }
    }

    /// The TPDU's octets.
    pub fn encode(&self) -> Result<Vec<u8>, SmsError> {
        let mut octets = Vec::with_capacity(176);
        self.write(&mut octets)?;
        Ok(octets)
    }

    /// The octets of the service centre's address and the TPDU, as `AT+CMGS` takes them.
    pub fn encode_with_smsc(&self, smsc: Option<&Address>) -> Result<Vec<u8>, SmsError> {
        let mut octets = Vec::with_capacity(176);
        Address::write_smsc(smsc, &mut octets);
        self.write(&mut octets)?;
        Ok(octets)
    }

    pub(crate) fn parse<'a>(
        direction: Direction,
        input: &'a [u8],
        reading: &mut Reading,
    ) -> Parsed<'a, Self> {
        let Some(&first) = input.first() else {
            return Err(Fault::failure(Field::FirstOctet, input, Reason::Short { wanted: 1, left: 0 }));
        };
        match (direction, FirstOctet(first).message_type()) {
            (Direction::Mt, deliver::MESSAGE_TYPE) => {
                Deliver::parse(input, reading).map(|(rest, tpdu)| (rest, Self::Deliver(tpdu)))
            }
            (Direction::Mo, submit::MESSAGE_TYPE) => {
                Submit::parse(input, reading).map(|(rest, tpdu)| (rest, Self::Submit(tpdu)))
            }
            (Direction::Mt, status_report::MESSAGE_TYPE) => {
                StatusReport::parse(input, reading).map(|(rest, tpdu)| (rest, Self::StatusReport(tpdu)))
            }
            _ => Err(Fault::failure(Field::FirstOctet, input, Reason::Reserved(first & 0x03))),
        }
    }
}

/// Fails when user data is not measured as the data coding scheme says.
fn agree(scheme: super::field::dcs::DataCodingScheme, user_data: &UserData) -> Result<(), SmsError> {
    if scheme.carried() == user_data.alphabet() {
        Ok(())
    } else {
        Err(SmsError::new(Field::DataCodingScheme, 0, Reason::Mismatch))
    }
}
