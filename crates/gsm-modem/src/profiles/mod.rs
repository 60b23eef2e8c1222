//! What families of modems need beyond the standard, as values. The families themselves are the TOML files
//! beside this one; the program that starts a modem reads them and those of an operator, which come first,
//! and gives the result to the session.
//!
//! A family is chosen by what the modem says of itself and by its USB id: of all rules that fit, the most
//! exact one wins. A modem that no rule names is driven by the standard alone.

use std::sync::Arc;
use std::time::Duration;

use crate::at::{Failure, ResultCode};
pub use crate::at::{LineEnd, MakerError, Means, Service, Subject, Verdict};

/// The families that come with the program: file name without its ending, and text.
pub const BUILT_IN: &[(&str, &str)] = &[
    (GENERIC, include_str!("generic.toml")),
    ("altair", include_str!("altair.toml")),
    ("cinterion", include_str!("cinterion.toml")),
    ("huawei", include_str!("huawei.toml")),
    ("huawei-e1752", include_str!("huawei-e1752.toml")),
    ("motorola", include_str!("motorola.toml")),
    ("option", include_str!("option.toml")),
    ("qualcomm", include_str!("qualcomm.toml")),
    ("quectel", include_str!("quectel.toml")),
    ("sierra", include_str!("sierra.toml")),
    ("sim800", include_str!("sim800.toml")),
    ("simcom", include_str!("simcom.toml")),
    ("telit", include_str!("telit.toml")),
    ("text-mode-only", include_str!("text-mode-only.toml")),
    ("u-blox", include_str!("u-blox.toml")),
    ("wavecom", include_str!("wavecom.toml")),
    ("zte", include_str!("zte.toml")),
];

/// The family of a modem that no rule names, and the source of keys that other families leave out.
pub const GENERIC: &str = "generic";

/// One family. Its `Default` sends no command beyond the standard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// Its name, which is the file's.
    pub name: String,
    /// Which modems belong to it.
    pub rules: Vec<Rule>,
    /// Commands that are sent once the SIM is ready. One that is refused is sent again, and in the end told to a person.
    pub init: Vec<String>,
    /// Commands that are sent after those, and that only some modems of the family know: each may be refused.
    pub init_optional: Vec<String>,
    /// Commands for the number of the SIM card, in the order in which they are tried.
    pub iccid: Vec<String>,
    /// How messages come in.
    pub receiving: Receiving,
    /// Commands that restart the device, in the order in which they are tried.
    pub reset: Vec<String>,
    /// How the remaining tries of the SIM's PIN are asked for.
    pub pin_tries: Option<PinTries>,
    /// How USSD texts are written on the wire.
    pub ussd: UssdCoding,
    /// The longest wait for the result of a message that the maker documents.
    pub send_timeout: Option<Duration>,
    /// How long the device needs after its OK to `AT+CFUN=1` or to the PIN.
    pub settle: Duration,
    /// How lines to it are written.
    pub line: LineKeys,
    /// The errors that its maker defines.
    pub errors: Vec<MakerError>,
    /// Its unsolicited codes beyond the common table.
    pub unsolicited: Vec<Unsolicited>,
    /// Where it deviates from the standard.
    pub quirks: Vec<Quirk>,
}

/// How messages come in (3GPP TS 27.005 clauses 3.2.2 and 3.4.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receiving {
    /// Values of `AT+CNMI`; the first one that the modem accepts stays. Messages are always stored (mt=1).
    pub new_messages: Vec<[u8; 5]>,
    /// Memories for received messages, the best first.
    pub storage: Vec<String>,
    /// Where status reports lie, whatever memory `+CDSI:` names.
    pub report_storage: Option<String>,
}

/// How lines are to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineKeys {
    /// The pause between a final result and the next command.
    pub command_pause: Duration,
    /// The pause between the prompt and the PDU.
    pub prompt_pause: Duration,
    /// What ends a command.
    pub line_end: LineEnd,
}

/// What identifies a modem: everything that is given must fit. Texts are parts of what the modem says, in
/// small letters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Of `AT+CGMI`.
    pub maker: Option<String>,
    /// Of `AT+CGMM`.
    pub model: Option<String>,
    /// Of `AT+CGMR`.
    pub firmware: Option<String>,
    /// The USB vendor, and the product if it matters.
    pub usb: Option<(u16, Option<u16>)>,
}

/// What a modem is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity<'a> {
    /// `AT+CGMI`.
    pub maker: &'a str,
    /// `AT+CGMM`.
    pub model: &'a str,
    /// `AT+CGMR`.
    pub firmware: &'a str,
    /// Its USB vendor and product.
    pub usb: Option<(u16, u16)>,
}

/// A question whose answer holds the number of tries that the SIM's PIN has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinTries {
    /// The question.
    pub command: String,
    /// Which of the answer's values it is, counted from 1.
    pub value: usize,
}

/// How the text of a USSD request or answer is written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum UssdCoding {
    /// In the form that the modem seems to want.
    #[default]
    Auto,
    /// As characters.
    Plain,
    /// Seven-bit septets, packed, in hexadecimal digits.
    PackedHex,
    /// UCS-2 in hexadecimal digits.
    Ucs2Hex,
}

/// An unsolicited code of this family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsolicited {
    /// How its first line begins.
    pub head: String,
    /// Its lines in all.
    pub lines: usize,
    /// What it tells.
    pub means: Means,
}

/// A deviation that the session takes into account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quirk {
    /// `AT+CPIN?` is answered without `OK`: the information line ends the command.
    PinWithoutOk,
    /// `AT+CMMS` is refused or does harm: it is not used.
    NoMoreMessages,
    /// The family has no PDU mode. A modem that says so itself does not need this quirk.
    TextModeOnly,
}

impl Quirk {
    /// The words that profile files use.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("pin-without-ok", Self::PinWithoutOk),
        ("no-more-messages", Self::NoMoreMessages),
        ("text-mode-only", Self::TextModeOnly),
    ];
}

impl Profile {
    /// Whether the family has a quirk.
    pub fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    /// Explains a final result that is not `OK`: by this family's meaning, else by the standards.
    pub fn failure(&self, result: &ResultCode) -> Failure {
        Failure::by(result, &self.errors)
    }

    /// How many lines the unsolicited code has that `line` begins, and what it tells; `None` when this family has no such
    /// code.
    pub fn own_code(&self, line: &str) -> Option<(usize, Means)> {
        let begins = |code: &&Unsolicited| {
            line.get(..code.head.len()).is_some_and(|start| start.eq_ignore_ascii_case(&code.head))
        };
        self.unsolicited.iter().find(begins).map(|code| (code.lines, code.means))
    }
}

impl Rule {
    /// How exactly the rule fits; `None` when it does not. A model counts for more than a USB id, and that for
    /// more than a maker.
    fn fits(&self, modem: &Identity<'_>) -> Option<u32> {
        let mut exact = 0;
        let texts = [
            (&self.firmware, modem.firmware, 8),
            (&self.model, modem.model, 4),
            (&self.maker, modem.maker, 2),
        ];
        for (wanted, said, weight) in texts {
            let Some(wanted) = wanted else { continue };
            if !said.to_lowercase().contains(wanted.as_str()) {
                return None;
            }
            exact += weight;
        }
        if let Some((vendor, product)) = self.usb {
            let (v, p) = modem.usb?;
            if v != vendor || product.is_some_and(|product| product != p) {
                return None;
            }
            exact += if product.is_some() { 3 } else { 1 };
        }
        (exact > 0).then_some(exact)
    }
}

/// The families from which a session chooses. Its `Default` knows the standard alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profiles {
    families: Arc<[Arc<Profile>]>,
    fallback: Arc<Profile>,
}

impl Default for Profiles {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Profiles {
    /// Chooses among `families`; the one named [`GENERIC`] is for modems that no rule names.
    pub fn new(families: Vec<Profile>) -> Self {
        let families: Arc<[_]> = families.into_iter().map(Arc::new).collect();
        let generic = families.iter().find(|profile| profile.name == GENERIC).cloned();
        let bare = || Arc::new(Profile { name: String::from(GENERIC), ..Profile::default() });
        Self { fallback: generic.unwrap_or_else(bare), families }
    }

    /// Always uses the family of this name.
    pub fn only(&self, name: &str) -> Option<Self> {
        let forced = self.families.iter().find(|profile| profile.name == name)?;
        Some(Self { families: Arc::new([]), fallback: Arc::clone(forced) })
    }

    /// The same families, with one limit for the result of a message.
    #[must_use]
    pub fn with_send_timeout(&self, limit: Duration) -> Self {
        let set = |profile: &Arc<Profile>| {
            Arc::new(Profile { send_timeout: Some(limit), ..Profile::clone(profile) })
        };
        Self { families: self.families.iter().map(set).collect(), fallback: set(&self.fallback) }
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.families.iter().map(|profile| profile.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Every family.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.families.iter().map(AsRef::as_ref)
    }

    /// The family that a modem belongs to.
    pub fn of(&self, modem: &Identity<'_>) -> Arc<Profile> {
        let exactness = |profile: &&Arc<Profile>| profile.rules.iter().filter_map(|r| r.fits(modem)).max();
        // Of equal rules the first wins, so that the order of the files decides and not chance.
        let best = self.families.iter().rev().filter(|p| exactness(p).is_some()).max_by_key(exactness);
        Arc::clone(best.unwrap_or(&self.fallback))
    }
}

#[cfg(test)]
pub(crate) mod tests;
