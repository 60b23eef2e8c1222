//! Short messages: the 3GPP TS 23.040 transport layer and the TS 23.038 alphabets, both ways.

mod compose;
mod decode;
mod error;
mod field;
mod parse;
mod reassembly;
mod text;
mod tpdu;

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
