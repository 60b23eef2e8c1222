//! The AT codec, pure: octets to lines and prompts, parsers for results, information lines and unsolicited
//! codes, commands to octets, error numbers as data (ITU-T V.250, 3GPP TS 27.007 and TS 27.005).
//!
//! This room knows no port, no clock and no state of a session: it reads what a modem wrote and writes what a
//! modem reads.
//!
//! ```
//! use gsm_modem::at::{Command, Frame, Framer, Line, Prompt, ResultCode};
//! let mut framer = Framer::new();
//! framer.push(b"AT+CMGS=23\r\r\n+CMGS: 7\r\n\r\nOK\r\n");
//! let command = Command::Send { length: 23 };
//! let mut seen = Vec::new();
//! while let Some(frame) = framer.next(Prompt::Ignored) {
//!     let Frame::Line(text) = frame else { continue };
//!     seen.push(match Line::of(&text, Some(&command.expects())) {
//!         Line::Echo => String::from("echo"),
//!         Line::Answer(body) => format!("answer {body}"),
//!         Line::Final(ResultCode::Ok) => String::from("done"),
//!         _ => String::from("other"),
//!     });
//! }
//! assert_eq!(seen, ["echo", "answer 7", "done"]);
//! ```

mod command;
mod errors;
mod framer;
mod line;
mod registration;
mod reply;
mod result;
mod stored;
mod text;
mod unsolicited;

pub use command::{Charset, Command, Domain, Expects, LineEnd};
pub use errors::{Failure, MakerError, Service, Subject, Verdict, names_the_sim};
pub use framer::{Frame, Framer, LINE_LIMIT, Prompt};
pub use line::Line;
pub use registration::{Registration, registration};
pub use reply::{
    Pin, Selection, UssdReply, first_number, first_text, iccid, index, number_at, operator, pin, pin_refused,
    selection, send_reference, signal, unquoted, ussd,
};
pub use result::{ErrorValue, ResultCode};
pub use stored::{Entry, Header, Usage, fits, storage, storages, usages};
pub use text::{TextEntry, TextReport};
pub use unsolicited::{Kind, Means, Routed, Unsolicited};
