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

/// Which way a message goes; TP-MTI names another TPDU in each (TS 23.040 clause 9.2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Mobile originated, from the phone to the service centre: SUBMIT, COMMAND, DELIVER-REPORT. What `AT+CMGS` sends.
    Mo,
    /// Mobile terminated, from the service centre to the phone: DELIVER, STATUS-REPORT, SUBMIT-REPORT. What a modem receives.
    Mt,
}

/// A transport protocol data unit: one of the six of TS 23.040 clause 9.2.2.
///
/// [`decode`](crate::decode()) reads one; one can also be built field by field.
///
/// ```
/// use gsm_sms::{Address, Alphabet, DataCodingScheme, Deliver, FirstOctet, ProtocolIdentifier};
/// use gsm_sms::{ShiftTables, Timestamp, Tpdu, UserData};
///
/// // What a service centre sends, for a test of what receives it.
/// let deliver = Tpdu::Deliver(Deliver {
///     first_octet: FirstOctet::default(),
///     originator: Address::number("+41791234567")?,
///     protocol: ProtocolIdentifier::PLAIN,
///     coding: DataCodingScheme::plain(Alphabet::Gsm7, None),
///     timestamp: Timestamp::from_unix(1_797_850_320, 8).expect("a date before 2070"),
///     user_data: UserData::text("Grüezi", Alphabet::Gsm7, ShiftTables::NONE, &[])?,
/// });
/// assert_eq!(deliver.encode()?.len(), 25);
/// # Ok::<(), gsm_sms::SmsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tpdu {
    /// A message on its way from the phone to the service centre (clause 9.2.2.2).
    Submit(Submit),
    /// A message on its way from the service centre to the phone (clause 9.2.2.1).
    Deliver(Deliver),
    /// What became of a message, from the service centre to the phone (clause 9.2.2.3).
    StatusReport(StatusReport),
    /// A request about an earlier message, from the phone to the service centre (clause 9.2.2.4).
    Command(Command),
    /// The service centre's answer to a SUBMIT or COMMAND (clause 9.2.2.2a).
    SubmitReport(SubmitReport),
    /// The phone's answer to a DELIVER or STATUS-REPORT (clause 9.2.2.1a).
    DeliverReport(DeliverReport),
}

impl Tpdu {
    /// The TPDU's name in small letters, such as `status-report`.
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

    /// The user data; `None` for a COMMAND, and for a report without any.
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

    /// Writes the TPDU's octets after what `to` already has. On an error `to` is as it was.
    ///
    /// The bits of the first octet and of TP-PI that follow from other fields are written as these say, whatever they are
    /// in the value.
    ///
    /// # Errors
    ///
    /// [`Reason::Mismatch`] when fields contradict each other: in [`Field::DataCodingScheme`], when TP-DCS names another
    /// alphabet than that of the user data; in [`Field::FailureCause`], when TP-FCS is below 80 hex; in
    /// [`Field::ParameterIndicator`], when a report that needs TP-PI has none. [`Reason::TooLong`] in
    /// [`Field::CommandData`], when the data of a COMMAND is longer than 157 octets. The offset is 0.
    pub fn write(&self, to: &mut Vec<u8>) -> Result<(), SmsError> {
        let begin = to.len();
        let written = match self {
            Self::Submit(tpdu) => tpdu.write(to),
            Self::Deliver(tpdu) => tpdu.write(to),
            Self::StatusReport(tpdu) => tpdu.write(to),
            Self::Command(tpdu) => tpdu.write(to),
            Self::SubmitReport(tpdu) => tpdu.write(to),
            Self::DeliverReport(tpdu) => tpdu.write(to),
        };
        if written.is_err() {
            to.truncate(begin);
        }
        written
    }

    /// The TPDU's octets, without the service centre's address.
    ///
    /// # Errors
    ///
    /// Those of [`Self::write`].
    pub fn encode(&self) -> Result<Vec<u8>, SmsError> {
        let mut octets = Vec::with_capacity(176);
        self.write(&mut octets)?;
        Ok(octets)
    }

    /// The octets of the service centre's address and of the TPDU after it, as `AT+CMGS` takes them (TS 27.005 clause 3.1).
    /// `None` writes an empty address, by which a modem takes the one that its SIM holds.
    ///
    /// # Errors
    ///
    /// Those of [`Self::write`].
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

/// TP-FCS, where there is one: a TP-PI that is not extended never looks like it.
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

/// Fails when TP-DCS names another alphabet than that of the user data.
fn agree(scheme: DataCodingScheme, user_data: &UserData) -> Result<(), SmsError> {
    if scheme.user_data_alphabet() == user_data.alphabet() {
        Ok(())
    } else {
        Err(SmsError::new(Field::DataCodingScheme, 0, Reason::Mismatch))
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::{Framing, decode};
    use super::super::field::ct::CommandKind;
    use super::super::parse::Strictness;
    use super::*;

    fn read(direction: Direction, octets: &[u8]) -> Tpdu {
        let read = decode(octets, direction, Framing::TpduOnly, Strictness::Strict).unwrap();
        assert!(read.excess.is_empty());
        assert_eq!(read.tpdu.encode().unwrap(), octets);
        read.tpdu
    }

    #[test]
    fn answers_of_the_service_centre() {
        let Tpdu::SubmitReport(taken) = read(Direction::Mt, b"\x01\x00\x62\x21\x12\x21\x25\x00\x80") else {
            panic!()
        };
        assert_eq!(
            (taken.failure, taken.timestamp.to_string().as_str()),
            (None, "2026-12-21T12:52:00+02:00")
        );
        let Tpdu::SubmitReport(refused) =
            read(Direction::Mt, b"\x01\xc5\x01\x62\x21\x12\x21\x25\x00\x80\x41")
        else {
            panic!()
        };
        assert_eq!(refused.failure.map(FailureCause::meaning), Some("rejected: duplicate message"));
        assert_eq!(refused.parameters.protocol.map(|protocol| protocol.0), Some(0x41));
    }

    #[test]
    fn answers_of_the_phone() {
        let Tpdu::DeliverReport(taken) = read(Direction::Mo, b"\x00\x00") else { panic!() };
        assert_eq!(taken.failure, None);
        let refused = read(Direction::Mo, b"\x00\xd3\x07\x00\x00\x02\xc8\x34");
        assert_eq!(refused.user_data().and_then(UserData::to_text).as_deref(), Some("Hi"));
        // An extended indicator after a cause: its second octet says nothing yet, and is kept.
        let Tpdu::DeliverReport(longer) = read(Direction::Mo, b"\x00\xff\x81\x00\x40") else { panic!() };
        assert_eq!(longer.parameters.indicator, [0x81, 0x00]);
        assert_eq!(longer.parameters.protocol.map(|protocol| protocol.0), Some(0x40));
    }

    #[test]
    fn a_command() {
        let octets = b"\x22\x05\x00\x02\x2a\x0b\x91\x14\x97\x21\x43\x65\xf7\x01\xaa";
        let Tpdu::Command(command) = read(Direction::Mo, octets) else { panic!() };
        assert_eq!((command.command.kind(), command.message_number), (CommandKind::Delete, 42));
        assert!(command.first_octet.status_report());
        assert_eq!(
            (command.destination.to_string().as_str(), &command.data[..]),
            ("+41791234567", &[0xaa][..])
        );
    }

    #[test]
    fn a_report_with_a_text_and_one_of_a_full_record() {
        let head = b"\x06\xab\x02\x91\x21\x62\x21\x12\x21\x25\x00\x80\x62\x21\x12\x21\x25\x70\x80\x00";
        let with_text = read(Direction::Mt, &[&head[..], b"\x04\x02\xc8\x34"].concat());
        assert_eq!(with_text.user_data().and_then(UserData::to_text).as_deref(), Some("Hi"));
        let record = [&head[..], &[0xff; 50]].concat();
        let read = decode(&record, Direction::Mt, Framing::TpduOnly, Strictness::Strict).unwrap();
        assert_eq!(read.excess, [0xff; 50]);
        assert_eq!(read.tpdu.encode().unwrap(), head);
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let Tpdu::DeliverReport(mut report) = read(Direction::Mo, b"\x00\xd3\x07\x00\x00\x02\xc8\x34") else {
            panic!()
        };
        report.parameters.coding = Some(DataCodingScheme(8));
        let error = Tpdu::DeliverReport(report.clone()).encode().unwrap_err();
        assert_eq!((error.field, error.reason), (Field::DataCodingScheme, Reason::Mismatch));
        report.parameters.coding = Some(DataCodingScheme(0));
        report.failure = Some(FailureCause(0x7f));
        let error = Tpdu::DeliverReport(report.clone()).encode().unwrap_err();
        assert_eq!((error.field, error.reason), (Field::FailureCause, Reason::Mismatch));
        report.failure = None;
        report.parameters.coding = Some(DataCodingScheme(8));
        let mut octets = vec![1, 2];
        assert!(Tpdu::DeliverReport(report.clone()).write(&mut octets).is_err());
        assert_eq!(octets, [1, 2], "a message is written as a whole or not at all");
        report.parameters.coding = Some(DataCodingScheme(0));
        report.parameters.indicator.clear();
        let error = Tpdu::DeliverReport(report).encode().unwrap_err();
        assert_eq!((error.field, error.reason), (Field::ParameterIndicator, Reason::Mismatch));
    }
}
