//! The SIM's PIN (3GPP TS 27.007 clauses 8.3 and 8.65). It is tried only while a wrong one would not lock the SIM, as
//! far as the modem can tell; that it is being tried is on disk before it leaves; and one that was not accepted is
//! never tried again.

use std::time::Instant;

use super::bring_up::{Step, TRIES, Turn};
use super::{Action, Phase, Session};
use crate::at::{Failure, Pin, ResultCode, iccid, number_at, pin};
use crate::profiles::PinTries;
use crate::{Owners, Secret};

/// A SIM with fewer tries left is not put at risk.
const TRIES_LEFT: u8 = 2;

/// What became of the configured PIN since the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum PinState {
    #[default]
    Untried,
    /// Given and accepted; may be given again after the device began anew.
    Accepted,
    /// Accepted before, and the device began anew since.
    AcceptedBefore,
    /// Refused, or given without an answer. Never again.
    Spent,
}

impl PinState {
    pub(super) fn device_began_anew(&mut self) {
        if *self == Self::Accepted {
            *self = Self::AcceptedBefore;
        }
    }
}

impl Session {
    pub(super) fn pin_turn(&mut self, answer: &[String], code: &ResultCode, tries: u32) -> Turn {
        let timing = self.settings.timing;
        let block = |reason: &str| Turn::Block(reason.to_owned(), timing.blocked_retry);
        let state = match answer.last() {
            Some(body) => Some(pin(body)),
            None => match (code, Failure::number(code)) {
                (ResultCode::Cme(_), Some(11)) | (ResultCode::Cms(_), Some(311)) => Some(Pin::SimPin),
                (ResultCode::Cme(_), Some(12)) | (ResultCode::Cms(_), Some(316)) => Some(Pin::SimPuk),
                (ResultCode::Cme(_), Some(5..=7)) | (ResultCode::Cms(_), Some(312)) => Some(Pin::Device),
                (ResultCode::Cme(_), Some(10 | 13 | 15)) | (ResultCode::Cms(_), Some(310 | 313 | 315)) => {
                    Some(Pin::Absent)
                }
                _ => None,
            },
        };
        match state {
            Some(Pin::SimPin) if !self.progress.asked_tries => {
                self.progress.asked_tries = true;
                Turn::Go(Step::PinTries(0))
            }
            Some(Pin::SimPin) => self.pin_wanted(tries),
            Some(Pin::SimPuk) => {
                block("the SIM asks for its PUK: unlock it in a telephone, then reset the modem")
            }
            Some(Pin::Device) => {
                block("the modem is locked to another SIM or network: it needs its unlocking code")
            }
            Some(Pin::Absent) => block("no usable SIM in the modem: insert one, or seat it anew"),
            None if Failure::is_busy(code) => {
                if tries >= TRIES {
                    self.set_fault("the SIM stays busy: seat it anew, or reset the modem");
                }
                Turn::Again(timing.busy_retry)
            }
            Some(Pin::Ready | Pin::Second | Pin::Other) | None => {
                self.snapshot.pin_tries = None;
                // What the SIM does not tell now is not known: it may be another one.
                self.snapshot.imsi = None;
                if !self.progress.locked_iccid {
                    self.snapshot.iccid = None;
                }
                Turn::Go(self.after(Step::Pin))
            }
        }
    }

    fn pin_wanted(&mut self, tries: u32) -> Turn {
        let timing = self.settings.timing;
        let left = self.tries_left();
        let block = |reason: String| Turn::Block(reason, timing.blocked_retry);
        let Some(pin) = &self.settings.pin else {
            return block(format!(
                "the SIM asks for its PIN{left}: set pin_file in this modem's configuration"
            ));
        };
        let digits = pin.expose();
        if !(4..=8).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return block(String::from("the configured PIN is not 4 to 8 digits and was not tried"));
        }
        match self.pin {
            // It was accepted a moment ago: the SIM needs a while to say so.
            PinState::Accepted if tries < TRIES => Turn::Again(timing.busy_retry),
            PinState::Accepted | PinState::Spent => self.pin_spent(),
            PinState::Untried | PinState::AcceptedBefore
                if self.snapshot.pin_tries.is_some_and(|left| left < TRIES_LEFT) =>
            {
                block(format!(
                    "the configured PIN was not tried, since a wrong one would lock the SIM{left}: enter the right one in \
                     a telephone, which gives back all tries, then reset the modem"
                ))
            }
            PinState::Untried | PinState::AcceptedBefore => Turn::Go(Step::LockedIccid(0)),
        }
    }

    fn pin_spent(&self) -> Turn {
        let left = self.tries_left();
        let reason = format!(
            "the SIM did not accept the configured PIN{left}, which is not tried again, since the SIM would lock itself: \
             put the right one in pin_file and restart the daemon"
        );
        Turn::Block(reason, self.settings.timing.blocked_retry)
    }

    fn tries_left(&self) -> String {
        match self.snapshot.pin_tries {
            Some(1) => String::from(" (1 try left)"),
            Some(left) => format!(" ({left} tries left)"),
            None => String::new(),
        }
    }

    /// How the modem is asked for the tries that are left: as its family is, then as the standard has it.
    pub(super) fn pin_tries(&self, at: usize) -> Option<PinTries> {
        let standard = PinTries { command: String::from("AT+CPINR=\"SIM PIN\""), value: 2 };
        let own = self.profile.pin_tries.clone().filter(|own| *own != standard);
        own.into_iter().chain([standard]).nth(at)
    }

    pub(super) fn pin_tries_turn(
        &mut self,
        at: usize,
        answer: &[String],
        code: &ResultCode,
        tries: u32,
    ) -> Turn {
        let left =
            self.pin_tries(at).and_then(|way| answer.iter().find_map(|line| number_at(line, way.value)));
        if left.is_none() {
            if Failure::is_busy(code) {
                return Turn::Busy(Step::Pin);
            }
            if self.pin_tries(at + 1).is_some() {
                return Turn::Go(Step::PinTries(at + 1));
            }
        }
        self.snapshot.pin_tries = left.and_then(|left| u8::try_from(left).ok());
        self.dirty = true;
        // Whatever is known of its tries, `AT+CPIN?` said that the PIN is wanted.
        self.progress.begin(Step::Pin);
        self.pin_wanted(tries)
    }

    /// The SIM's number before its PIN: most SIMs and modems give it.
    pub(super) fn locked_iccid_turn(&mut self, at: usize, answer: &[String]) -> Turn {
        let Some(number) = answer.iter().find_map(|line| iccid(line)) else {
            return Turn::Go(Step::LockedIccid(at + 1));
        };
        self.snapshot.iccid = Some(number);
        self.dirty = true;
        self.progress.locked_iccid = true;
        Turn::Go(Step::RememberPin)
    }

    /// Whose PIN it is. Before the PIN the SIM tells no IMSI, and its ICCID not always: what is known of one that was
    /// here before does not count.
    fn pin_owners(&self) -> Owners {
        Owners {
            iccid: self.snapshot.iccid.clone().filter(|_| self.progress.locked_iccid),
            imsi: None,
            imei: Some(self.snapshot.imei.clone()).filter(|imei| !imei.is_empty()),
            modem: self.settings.name.clone(),
            port: self.snapshot.port.clone(),
        }
    }

    /// Has the PIN's try noted down; [`Session::pin_noted`] goes on.
    pub(super) fn remember_pin(&mut self) {
        if let Some(pin) = self.settings.pin.clone() {
            self.actions.push_back(Action::TryPin { owners: self.pin_owners(), pin });
        }
    }

    /// Whether the PIN may be tried: it is noted on disk that it is, and it was not noted before.
    pub fn pin_noted(&mut self, noted: Result<bool, String>, now: Instant) {
        if !matches!(self.phase, Phase::BringUp) || self.progress.step() != Step::RememberPin {
            return;
        }
        let turn = match noted {
            Ok(true) => Turn::Go(Step::EnterPin),
            Ok(false) => {
                self.pin = PinState::Spent;
                self.pin_spent()
            }
            Err(reason) => Turn::Block(
                format!("the PIN was not tried, since that cannot be noted down first: {reason}"),
                self.settings.timing.blocked_retry,
            ),
        };
        self.take(turn, now);
    }

    /// The SIM opened: the try needs no remembering.
    pub(super) fn pin_accepted(&mut self) {
        self.pin = PinState::Accepted;
        self.snapshot.pin_tries = None;
        let pin = self.settings.pin.clone().unwrap_or_else(|| Secret::new(String::new()));
        self.actions.push_back(Action::PinAccepted { owners: self.pin_owners(), pin });
    }
}
