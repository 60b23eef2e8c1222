//! Short messages: the transport layer of 3GPP TS 23.040 and the alphabets of TS 23.038, both ways.
//!
//! The crate knows octets, characters and the standard. It knows no modem, no I/O, no clock (time is a parameter) and no
//! serialisation.
//!
//! - [`compose()`] makes the PDUs that carry a text, as `AT+CMGS` takes them; [`survey()`] says beforehand how many.
//! - [`decode()`] reads any of the six TPDUs: strictly, or leniently with a list of what was overlooked.
//! - [`Tpdu::encode`] writes what was read, or was built field by field, back to the same octets.
//! - [`Reassembler`] joins the parts of messages, in any order and in bounded memory.
//! - [`transliterate()`] writes a text with the GSM 7 bit alphabet, and says what it changed.
//!
//! A fault is an [`SmsError`]: the field, the octet, the reason. None repeats a number or a text, and no `Debug`
//! here shows one whole.
//!
//! # A message and its report
//!
//! ```
//! use std::time::Duration;
//! use gsm_sms::{Direction, Encoding, Status, Strictness, Submission, Tpdu};
//!
//! // What will it cost?
//! let text = "Ihr Code ist 482193. Er läuft in 5 Minuten ab.";
//! let survey = gsm_sms::survey(text);
//! assert_eq!((survey.encoding, survey.parts, survey.left), (Encoding::Gsm7, 1, 114));
//!
//! // The PDU for AT+CMGS=N: N is the length, the octets go behind the prompt in hex.
//! let composed = gsm_sms::compose(&Submission {
//!     report: true,
//!     valid_for: Some(Duration::from_secs(300)),
//!     reference: 171,
//!     ..Submission::new("+41791234567", text)
//! })?;
//! let [part] = &composed.parts[..] else { panic!("one part, as surveyed") };
//! assert_eq!(part.length, part.pdu.len() - 1);
//!
//! // What a phone's simulator, or a test, reads of it.
//! let read = gsm_sms::decode(&part.pdu, Direction::Mo, true, Strictness::Strict)?;
//! assert_eq!(read.text().as_deref(), Some(text));
//!
//! // The report that comes back: `+CDS`, or `+CDSI` and a record of the SIM.
//! let octets = b"\x06\xab\x0b\x91\x14\x97\x21\x43\x65\xf7\x62\x21\x12\x21\x25\x00\x80\x62\x21\x12\x21\x25\x70\x80\x00";
//! let read = gsm_sms::decode(octets, Direction::Mt, false, Strictness::Strict)?;
//! let Tpdu::StatusReport(report) = &read.tpdu else { panic!("a report") };
//! assert_eq!((report.message_reference, report.status), (171, Status(0)));
//! assert!(report.status.is_delivered());
//! assert_eq!(report.recipient.to_string(), "+41791234567");
//! assert_eq!(report.discharge_time.to_string(), "2026-12-21T12:52:07+02:00");
//!
//! // Octets that are no message: which field, which octet, why.
//! let error = gsm_sms::decode(&octets[..20], Direction::Mt, false, Strictness::Strict).unwrap_err();
//! assert_eq!(error.to_string(), "TP-DT at octet 17: needs 7 octets, 3 are left");
//! # Ok::<(), gsm_sms::SmsError>(())
//! ```

mod compose;
mod decode;
mod error;
mod field;
mod mask;
mod parse;
mod reassembly;
mod text;
mod tpdu;
pub mod ussd;

pub use compose::{Composed, ComposedPart, EncodingChoice, ShiftChoice, Submission, compose};
pub use decode::{Decoded, decode};
pub use error::{Field, Reason, SmsError};
pub use field::address::{Address, NumberingPlan, TypeOfNumber};
pub use field::ct::{CommandKind, CommandType};
pub use field::dcs::{Alphabet, CodingGroup, DataCodingScheme, MessageClass, MessageWaiting, WaitingKind};
pub use field::fcs::FailureCause;
pub use field::first_octet::{FirstOctet, ValidityFormat};
pub use field::pi::Parameters;
pub use field::pid::{Protocol, ProtocolIdentifier};
pub use field::scts::{LocalTime, TimeStamp};
pub use field::status::{Status, StatusKind};
pub use field::ud::{Fragment, UserData};
pub use field::udh::{Concatenation, Element, Header, Reference};
pub use field::vp::{EnhancedSpan, EnhancedValidity, RelativeValidity, ValidityPeriod};
pub use mask::mask;
pub use parse::Strictness;
pub use reassembly::{Arrival, Limits, Message, Pending, Reassembler};
pub use text::language::{Language, ShiftTables};
pub use text::survey::{Encoding, Forcing, Survey, survey};
pub use text::transliterate::{Change, transliterate};
pub use tpdu::command::Command;
pub use tpdu::deliver::Deliver;
pub use tpdu::deliver_report::DeliverReport;
pub use tpdu::status_report::StatusReport;
pub use tpdu::submit::Submit;
pub use tpdu::submit_report::SubmitReport;
pub use tpdu::{Direction, Tpdu};
