//! The six TPDUs, one file each, and which of them a first octet announces.
//!
//! 3GPP TS 23.040 clause 9.2.2; TP-MTI in clause 9.2.3.1.

pub(crate) mod command;
pub(crate) mod deliver;
pub(crate) mod deliver_report;
pub(crate) mod status_report;
pub(crate) mod submit;
pub(crate) mod submit_report;

use super::error::{Field, Reason, SmsError};
use super::field::address::Address;
use super::field::dcs::DataCodingScheme;
use super::field::fcs::FailureCause;
use super::field::first_octet::FirstOctet;
use super::field::pi::Parameters;
use super::field::ud::UserData;
use super::parse::{Fault, Parsed, Reading};

use command::Command;
use deliver::Deliver;
use deliver_report::DeliverReport;
use status_report::StatusReport;
use submit::Submit;
use submit_report::SubmitReport;

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
    /// A wish about an earlier message.
    Command(Command),
    /// The service centre's answer to a SUBMIT or COMMAND.
    SubmitReport(SubmitReport),
    /// The phone's answer to a DELIVER or STATUS-REPORT.
    DeliverReport(DeliverReport),
}

impl Tpdu {
    /// Its name in lower case, such as `status-report`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Submit(_) => "submit",
            Self::Deliver(_) => "deliver",
            Self::StatusReport(_) => "status-report",
            Self::Command(_) => "command",
            Self::SubmitReport(_) => "submit-report",
            Self::DeliverReport(_) => "deliver-report",
        }
    }

    /// The user data, of a TPDU that has any.
    pub const fn user_data(&self) -> Option<&UserData> {
        match self {
            Self::Submit(tpdu) => Some(&tpdu.user_data),
            Self::Deliver(tpdu) => Some(&tpdu.user_data),
            Self::StatusReport(tpdu) => tpdu.parameters.user_data.as_ref(),
            Self::SubmitReport(tpdu) => tpdu.parameters.user_data.as_ref(),
            Self::DeliverReport(tpdu) => tpdu.parameters.user_data.as_ref(),
            Self::Command(_) => None,
        }
    }

    /// Writes the TPDU behind what `to` already has.
    pub fn write(&self, to: &mut Vec<u8>) -> Result<(), SmsError> {
        match self {
            Self::Submit(tpdu) => tpdu.write(to),
            Self::Deliver(tpdu) => tpdu.write(to),
            Self::StatusReport(tpdu) => tpdu.write(to),
            Self::Command(tpdu) => tpdu.write(to),
            Self::SubmitReport(tpdu) => tpdu.write(to),
            Self::DeliverReport(tpdu) => tpdu.write(to),
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
            (Direction::Mt, deliver::MESSAGE_TYPE) => wrap(Deliver::parse(input, reading), Self::Deliver),
            (Direction::Mt, submit_report::MESSAGE_TYPE) => {
                wrap(SubmitReport::parse(input, reading), Self::SubmitReport)
            }
            (Direction::Mt, status_report::MESSAGE_TYPE) => {
                wrap(StatusReport::parse(input, reading), Self::StatusReport)
            }
            (Direction::Mo, deliver_report::MESSAGE_TYPE) => {
                wrap(DeliverReport::parse(input, reading), Self::DeliverReport)
            }
            (Direction::Mo, submit::MESSAGE_TYPE) => wrap(Submit::parse(input, reading), Self::Submit),
            (Direction::Mo, command::MESSAGE_TYPE) => wrap(Command::parse(input, reading), Self::Command),
            _ => Err(Fault::failure(Field::FirstOctet, input, Reason::Reserved(first & 0x03))),
        }
    }
}

fn wrap<T>(parsed: Parsed<'_, T>, tpdu: impl FnOnce(T) -> Tpdu) -> Parsed<'_, Tpdu> {
    parsed.map(|(rest, value)| (rest, tpdu(value)))
}

/// TP-FCS where it stands: no TP-PI that is not extended looks like one.
fn failure(input: &[u8]) -> (&[u8], Option<FailureCause>) {
    match input {
        [cause, rest @ ..] if *cause >= 0x80 => (rest, Some(FailureCause(*cause))),
        _ => (input, None),
    }
}

/// Writes a report as far as TP-PI.
fn write_report_head(
    first_octet: FirstOctet,
    message_type: u8,
    failure: Option<FailureCause>,
    parameters: &Parameters,
    to: &mut Vec<u8>,
) -> Result<(), SmsError> {
    let mismatch = |field| Err(SmsError::new(field, 0, Reason::Mismatch));
    if failure.is_some_and(|cause| cause.0 < 0x80) {
        return mismatch(Field::FailureCause);
    }
    if parameters.indicator.is_empty() {
        return mismatch(Field::ParameterIndicator);
    }
    let first = first_octet.with_message_type(message_type);
    to.push(parameters.has_header().map_or(first, |yes| first.with_header(yes)).0);
    to.extend(failure.map(|cause| cause.0));
    parameters.write_indicator(to)
}

/// Fails when user data is not measured as the data coding scheme says.
fn agree(scheme: DataCodingScheme, user_data: &UserData) -> Result<(), SmsError> {
    if scheme.carried() == user_data.alphabet() {
        Ok(())
    } else {
        Err(SmsError::new(Field::DataCodingScheme, 0, Reason::Mismatch))
    }
}
