//! The events of the dialogue kernel.

use crate::at::{Command, Kind, ResultCode};
use crate::secret::Secret;

/// A command that ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// The command.
    pub command: Command,
    /// Its information lines, without their heads.
    pub lines: Vec<String>,
    /// The final result; `None` when none came in time.
    pub result: Option<ResultCode>,
}

impl Ended {
    /// The last information line; empty when there is none.
    pub fn answer(&self) -> &str {
        self.lines.last().map_or("", String::as_str)
    }

    /// Whether it ended with `OK`.
    pub fn is_ok(&self) -> bool {
        self.result.as_ref().is_some_and(ResultCode::is_ok)
    }

    /// The final result. One that never came counts as `OK` when information lines came (Wavecom leaves out
    /// the `OK` of some answers), else as `ERROR`.
    pub fn code(&self) -> ResultCode {
        match &self.result {
            Some(code) => code.clone(),
            None if self.lines.is_empty() => ResultCode::Error,
            None => ResultCode::Ok,
        }
    }
}

/// An event of the kernel. Its `Debug` may show lines of the modem: it is for tests, never for a log.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// An information line of the outstanding command, without its head.
    Answer(String),
    /// The outstanding command ended, or its time limit passed.
    Ended(Ended),
    /// The prompt that the outstanding command asked for.
    Prompt,
    /// The modem echoed the outstanding command.
    Echo,
    /// An unsolicited code, to be read by [`Line::of`](crate::at::Line::of); never one that hands over a message.
    Code(String),
    /// A message that the modem handed over.
    Message {
        /// What sort of message it is.
        kind: Kind,
        /// The TPDU's octets, according to the line before it.
        length: usize,
        /// SMSC field and TPDU.
        pdu: Secret<Vec<u8>>,
    },
    /// The modem hands over a message in text mode. Its text is not read.
    TextMode,
    /// The modem hands over a status report in text mode: what stands after the head.
    TextReport(String),
    /// The caller claimed a line.
    Claimed,
    /// A line that is neither an answer nor a code. It was counted.
    Stray(String),
    /// A final result that belongs to no command. It was counted.
    Late(ResultCode),
    /// The dialogue is in step again.
    Found,
    /// The modem does not answer.
    Silent,
}
