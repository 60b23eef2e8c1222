//! A modem's dialogue as data: a TOML file that says who the modem is, how it frames its lines, what it answers and
//! what goes wrong. The fields below are the format; `scripts/default.toml` spells every default out.
//!
//! Lines may contain the modem's own data: `{manufacturer}`, `{model}`, `{firmware}`, `{imei}`, `{imsi}`,
//! `{iccid}`, `{number}`, `{smsc}`, `{operator}`, `{csq}`.

use std::path::Path;

use serde::Deserialize;

use super::faults::Fault;

mod events;
mod sections;
#[cfg(test)]
mod tests;

pub use events::{Answer, Change, Moment, Unsolicited};
pub use sections::{
    Card, CardState, Delay, Hex, Identity, Line, Network, Registration, Sending, Storage, StoredMessage,
    Timing, WhileSending,
};

/// A modem's whole behaviour.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// A name for people.
    pub name: String,
    /// Who the modem and its SIM are.
    pub identity: Identity,
    /// How lines are framed on the wire.
    pub line: Line,
    /// How long things take.
    pub timing: Timing,
    /// The SIM's lock.
    pub card: Card,
    /// Registration and signal.
    pub network: Network,
    /// Memories for messages.
    pub storage: Storage,
    /// What the modem does with messages.
    pub sending: Sending,
    /// The final result for a command that the modem does not know.
    pub unknown: String,
    /// Commands (without `AT`, as `+CEREG`) that the modem does not know although the built-in modem does.
    pub refused: Vec<String>,
    /// Answers that are tried before the built-in ones.
    #[serde(rename = "answer")]
    pub answers: Vec<Answer>,
    /// Unsolicited lines.
    pub unsolicited: Vec<Unsolicited>,
    /// What goes wrong.
    #[serde(rename = "fault")]
    pub faults: Vec<Fault>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            identity: Identity::default(),
            line: Line::default(),
            timing: Timing::default(),
            card: Card::default(),
            network: Network::default(),
            storage: Storage::default(),
            sending: Sending::default(),
            unknown: "ERROR".to_owned(),
            refused: Vec::new(),
            answers: Vec::new(),
            unsolicited: Vec::new(),
            faults: Vec::new(),
        }
    }
}

/// A script that cannot be used: where the fault is, and what to put right.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("{file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// The text is not a script.
    #[error("{file}:{line}:{column}: {reason}")]
    Invalid {
        /// The file.
        file: String,
        /// Its line, from 1.
        line: usize,
        /// Its column in characters, from 1.
        column: usize,
        /// What to put right.
        reason: String,
    },
}

impl Script {
    /// The scripts that are built in, by name.
    pub const BUILT_IN: [(&'static str, &'static str); 6] = [
        ("default", include_str!("../scripts/default.toml")),
        ("huawei", include_str!("../scripts/huawei.toml")),
        ("quectel", include_str!("../scripts/quectel.toml")),
        ("simcom", include_str!("../scripts/simcom.toml")),
        ("text-mode-only", include_str!("../scripts/text-mode-only.toml")),
        ("zte", include_str!("../scripts/zte.toml")),
    ];

    /// A built-in script.
    pub fn built_in(name: &str) -> Option<Self> {
        let (name, text) = Self::BUILT_IN.iter().find(|(known, _)| *known == name)?;
        // Each is parsed by a test of this file.
        Some(Self::parse(name, text).expect("a built-in script is valid"))
    }

    /// Reads a script file.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| ScriptError::Unreadable { file: file.clone(), reason: e.to_string() })?;
        Self::parse(&file, &text)
    }

    /// Parses a script; `file` is named in errors.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScriptError> {
        let script: Self = toml::from_str(text).map_err(|e| {
            let start = e.span().map_or(0, |span| span.start.min(text.len()));
            let before = text.get(..start).unwrap_or_default();
            ScriptError::Invalid {
                file: file.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
                reason: e.message().to_owned(),
            }
        })?;
        script.checked(file)
    }

    /// Checks what the types cannot express. These faults belong to no single line.
    fn checked(self, file: &str) -> Result<Self, ScriptError> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let identity = &self.identity;
        let reason = if !digits(&identity.imei) || !digits(&identity.imsi) || !digits(&identity.iccid) {
            "[identity]: imei, imsi and iccid are digits only"
        } else if self.storage.memories.is_empty() {
            "[storage]: memories needs at least one, as [\"SM\"]"
        } else if self.storage.messages.iter().any(|m| !self.storage.memories.contains(&m.memory)) {
            "[[storage.message]]: memory is none of those in memories"
        } else if self.line.pieces.is_some_and(|[least, most]| least == 0 || least > most) {
            "[line]: pieces is [least, most], least being 1 or more"
        } else if self.sending.cnmi.iter().any(Vec::is_empty) {
            "[sending]: cnmi needs at least one value in each of its five places"
        } else if self.line.prompt.is_empty() || self.line.after.is_empty() {
            "[line]: prompt and after cannot be empty"
        } else {
            return Ok(self);
        };
        Err(ScriptError::Invalid { file: file.to_owned(), line: 1, column: 1, reason: reason.to_owned() })
    }
}

/// Octets from hexadecimal digits.
pub(super) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
