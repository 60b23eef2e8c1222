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
//! - [`ussd`] has the text of USSD strings, and [`mask()`] a number as a log may show it.
//!
//! A fault is an [`SmsError`]: the field, the octet, the reason. No error and no `Debug` of this crate shows a text, or a
//! number as a whole; `Display` of an [`Address`] does.
//!
//! # Sending a text
//!
//! ```
//! use std::time::Duration;
//! use gsm_sms::{Encoding, Submission};
//!
//! // What will it cost?
//! let text = "Ihr Code ist 482193. Er läuft in 5 Minuten ab.";
//! let survey = gsm_sms::survey(text);
//! assert_eq!((survey.encoding, survey.parts, survey.left), (Encoding::Gsm7, 1, 114));
//!
//! // The PDU for AT+CMGS=N: N is the length, and the octets go after the prompt in hexadecimal digits.
//! let submission = Submission::new("+41791234567", text)
//!     .with_status_report(true)
//!     .with_validity(Duration::from_secs(300))
//!     .with_message_reference(171);
//! let composed = gsm_sms::compose(&submission)?;
//! let [part] = &composed.parts[..] else { panic!("one part, as surveyed") };
//! assert_eq!(part.length, part.pdu.len() - 1);
//! # Ok::<(), gsm_sms::SmsError>(())
//! ```
//!
//! # Reading what comes
//!
//! ```
//! use gsm_sms::{Direction, Framing, Status, Strictness, Tpdu};
//!
//! // The report on that message: the line after `+CDS`, without the service centre's address here.
//! let octets = b"\x06\xab\x0b\x91\x14\x97\x21\x43\x65\xf7\x62\x21\x12\x21\x25\x00\x80\x62\x21\x12\x21\x25\x70\x80\x00";
//! let read = gsm_sms::decode(octets, Direction::Mt, Framing::TpduOnly, Strictness::Strict)?;
//! let Tpdu::StatusReport(report) = &read.tpdu else { panic!("a report") };
//! assert_eq!((report.message_reference, report.status), (171, Status(0)));
//! assert!(report.status.is_delivered());
//! assert_eq!(report.recipient.to_string(), "+41791234567");
//! assert_eq!(report.discharge_time.to_string(), "2026-12-21T12:52:07+02:00");
//!
//! // Octets that are no message: which field, which octet, why.
//! let error = gsm_sms::decode(&octets[..20], Direction::Mt, Framing::TpduOnly, Strictness::Strict).unwrap_err();
//! assert_eq!(error.to_string(), "TP-DT at octet 17: needs 7 octets, 3 are left");
//! # Ok::<(), gsm_sms::SmsError>(())
//! ```
//!
//! # Joining parts
//!
//! ```
//! use std::time::Duration;
//! use gsm_sms::{Arrival, Limits, Reassembler};
//! # use gsm_sms::{Direction, Framing, Strictness, Submission};
//! # let text = "Two parts need one another. ".repeat(7);
//! # let composed = gsm_sms::compose(&Submission::new("+41791234567", &text))?;
//! # let [first, second] = &composed.parts[..] else { panic!("two parts") };
//! # let read = |pdu: &[u8]| gsm_sms::decode(pdu, Direction::Mo, Framing::SmscFirst, Strictness::Strict);
//! # let (first, second) = (read(&first.pdu)?, read(&second.pdu)?);
//!
//! // Two messages that were read; how long the program runs is the time.
//! let mut parts = Reassembler::new(Limits::default());
//! let user_data = second.tpdu.user_data().expect("a text");
//! let (arrival, _) = parts.accept(Duration::from_secs(10), "+41790000000", user_data);
//! assert_eq!(arrival, Arrival::Waiting { have: 1, total: 2 });
//!
//! let user_data = first.tpdu.user_data().expect("a text");
//! let (arrival, _) = parts.accept(Duration::from_secs(12), "+41790000000", user_data);
//! let Arrival::Complete(message) = arrival else { panic!("both are here") };
//! assert_eq!(message.to_text(), Some(text));
//! # Ok::<(), gsm_sms::SmsError>(())
//! ```
//!
//! # What a later version may change
//!
//! Enums and structs marked non-exhaustive may grow: errors, values that the standard reserves, options and
//! results. The others are complete by the standard, such as the fields of a TPDU, or by their meaning. The
//! sentences of `Display` are for people and not a promise; the mnemonics of [`Field`] and the names in
//! [`Encoding::as_str`], [`Tpdu::name`] and [`Language::code`] are.

// Which errors there are, and when, is part of what this crate promises.
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

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
pub use decode::{Decoded, Framing, decode};
pub use error::{Field, Reason, SmsError};
pub use field::address::{Address, NumberingPlan, TypeOfNumber};
pub use field::ct::{CommandKind, CommandType};
pub use field::dcs::{Alphabet, CodingGroup, DataCodingScheme, MessageClass, MessageWaiting, WaitingKind};
pub use field::fcs::FailureCause;
pub use field::first_octet::{FirstOctet, ValidityFormat};
pub use field::pi::Parameters;
pub use field::pid::{Protocol, ProtocolIdentifier};
pub use field::scts::{LocalTime, Timestamp};
pub use field::status::{Status, StatusKind};
pub use field::ud::{Fragment, UserData};
pub use field::udh::{Concatenation, Element, Header, Reference};
pub use field::vp::{EnhancedSpan, EnhancedValidity, RelativeValidity, ValidityPeriod};
pub use mask::mask;
pub use parse::Strictness;
pub use reassembly::{Arrival, Limits, Message, Pending, Reassembler};
pub use text::language::{Language, ShiftTables};
pub use text::survey::{Encoding, ForcingCharacter, Survey, survey};
pub use text::transliterate::{Substitution, transliterate};
pub use tpdu::command::Command;
pub use tpdu::deliver::Deliver;
pub use tpdu::deliver_report::DeliverReport;
pub use tpdu::status_report::StatusReport;
pub use tpdu::submit::Submit;
pub use tpdu::submit_report::SubmitReport;
pub use tpdu::{Direction, Tpdu};

/// The examples of the README, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
