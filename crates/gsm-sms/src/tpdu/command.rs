//! SMS-COMMAND: a request about an earlier message, from the phone to the service centre.
//!
//! 3GPP TS 23.040 clause 9.2.2.4.

use super::super::error::{Field, Reason, SmsError};
use super::super::field::address::Address;
use super::super::field::ct::CommandType;
use super::super::field::first_octet::FirstOctet;
use super::super::field::pid::ProtocolIdentifier;
use super::super::parse::{Fault, Parsed, Reading, octet, octets};

/// TP-MTI, mobile originated.
pub(super) const MESSAGE_TYPE: u8 = 2;

/// The most octets of TP-CD.
const MOST_OCTETS: usize = 157;

/// An SMS-COMMAND (TS 23.040 clause 9.2.2.4). `Debug` does not show its data.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Command {
    /// TP-SRR and TP-UDHI; TP-MTI follows when the command is written.
    pub first_octet: FirstOctet,
    /// TP-MR of the command itself.
    pub message_reference: u8,
    /// TP-PID (clause 9.2.3.9).
    pub protocol: ProtocolIdentifier,
    /// TP-CT: what is asked (clause 9.2.3.19).
    pub command: CommandType,
    /// TP-MN: TP-MR of the message that the command is about (clause 9.2.3.18).
    pub message_number: u8,
    /// TP-DA of that message (clause 9.2.3.8).
    pub destination: Address,
    /// TP-CD, at most 157 octets (clause 9.2.3.21). With TP-UDHI they begin with a header, which is not read here.
    pub data: Vec<u8>,
}

impl Command {
    pub(super) fn parse<'a>(input: &'a [u8], reading: &mut Reading) -> Parsed<'a, Self> {
        let (rest, first) = octet(Field::FirstOctet)(input)?;
        let (rest, message_reference) = octet(Field::MessageReference)(rest)?;
        let (rest, protocol) = octet(Field::ProtocolIdentifier)(rest)?;
        let (rest, command) = octet(Field::CommandType)(rest)?;
        let (rest, message_number) = octet(Field::MessageNumber)(rest)?;
        let (rest, destination) = Address::parse(Field::DestinationAddress, rest, reading)?;
        let (after, length) = octet(Field::CommandData)(rest)?;
        let length = usize::from(length);
        if length > MOST_OCTETS {
            let reason = Reason::TooLong { length, most: MOST_OCTETS };
            return Err(Fault::failure(Field::CommandData, rest, reason));
        }
        let (rest, data) = octets(Field::CommandData, length)(after)?;
        let command = Self {
            first_octet: FirstOctet(first),
            message_reference,
            protocol: ProtocolIdentifier(protocol),
            command: CommandType(command),
            message_number,
            destination,
            data: data.to_vec(),
        };
        Ok((rest, command))
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), SmsError> {
        let length = self.data.len();
        let too_long = SmsError::new(Field::CommandData, 0, Reason::TooLong { length, most: MOST_OCTETS });
        let octets = u8::try_from(length).ok().filter(|_| length <= MOST_OCTETS).ok_or(too_long)?;
        let first = self.first_octet.with_message_type(MESSAGE_TYPE);
        to.extend([first.0, self.message_reference, self.protocol.0, self.command.0, self.message_number]);
        self.destination.write(to);
        to.push(octets);
        to.extend(&self.data);
        Ok(())
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command")
            .field("message_reference", &self.message_reference)
            .field("command", &self.command)
            .field("message_number", &self.message_number)
            .field("destination", &self.destination)
            .finish_non_exhaustive()
    }
}
