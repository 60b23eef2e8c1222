//! The SIM's PIN (3GPP TS 27.007 clauses 8.3 and 8.65). The PIN is tried only while a wrong one would not
//! lock the SIM, as far as the modem can tell. The try is noted on disk before the PIN is written, and a PIN
//! that was not accepted is never tried again, under whatever name the SIM or the device is known.

use super::script::{Answer, TRIES, Turn};
use super::sim::{Sim, Step};
use crate::Owners;
use crate::at::{Failure, number_at};
use crate::profiles::PinTries;
use crate::session::fault::{Fault, TriesLeft};
use crate::session::input::Output;
use crate::session::known::PinState;
use crate::session::procedure::Cx;

/// A SIM that has fewer tries left is not put at risk.
const TRIES_LEFT: u8 = 2;

impl Sim {
    pub(super) fn pin_wanted(&mut self, tries: u32, cx: &mut Cx<'_>) -> Turn<Step> {
        let left = cx.known.view.snapshot.pin_tries;
        let Some(pin) = &cx.known.settings.pin else {
            return self.blocked(Fault::PinWanted { tries: TriesLeft(left) });
        };
        let digits = pin.expose();
        if !(4..=8).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return self.blocked(Fault::PinShape);
        }
        match cx.known.pin {
            // The SIM accepted the PIN a moment ago, and needs a while to say so.
            PinState::Accepted if tries < TRIES => {
                Turn::After(cx.known.settings.timing.busy_retry, Step::Pin)
            }
            PinState::Accepted | PinState::Spent => self.pin_spent(cx),
            PinState::Untried | PinState::AcceptedBefore if left.is_some_and(|left| left < TRIES_LEFT) => {
                self.blocked(Fault::PinAtRisk { tries: TriesLeft(left) })
            }
            PinState::Untried | PinState::AcceptedBefore => Turn::Go(Step::LockedIccid(0)),
        }
    }

    pub(super) fn pin_spent(&mut self, cx: &Cx<'_>) -> Turn<Step> {
        self.blocked(Fault::PinSpent { tries: TriesLeft(cx.known.view.snapshot.pin_tries) })
    }

    /// How the modem is asked for the tries that are left: with its family's command, then with the standard's.
    pub(super) fn ways_of_tries(cx: &Cx<'_>) -> impl Iterator<Item = PinTries> + use<> {
        let standard = PinTries { command: String::from("AT+CPINR=\"SIM PIN\""), value: 2 };
        let own = cx.known.profile.pin_tries.clone().filter(|own| *own != standard);
        own.into_iter().chain([standard])
    }

    pub(super) fn pin_tries(&mut self, at: usize, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Step> {
        let mut ways = Self::ways_of_tries(cx).skip(at);
        let left =
            ways.next().and_then(|way| answer.lines.iter().find_map(|line| number_at(line, way.value)));
        if left.is_none() {
            if Failure::is_busy(&answer.code) && answer.tries < TRIES {
                return Turn::Again;
            }
            if ways.next().is_some() {
                return Turn::Go(Step::PinTries(at + 1));
            }
        }
        cx.known.view.snapshot.pin_tries = left.and_then(|left| u8::try_from(left).ok());
        cx.known.changed();
        // Whatever is known about the tries, `AT+CPIN?` said that the PIN is wanted.
        self.pin_wanted(0, cx)
    }

    /// Has the try of the PIN noted; [`Script::pin_noted`](super::script::Script::pin_noted) goes on.
    pub(super) fn remember_pin(&mut self, cx: &mut Cx<'_>) -> Turn<Step> {
        let Some(pin) = cx.known.settings.pin.clone() else { return Turn::Go(Step::Pin) };
        let owners = self.owners(cx);
        cx.known.push(Output::TryPin { owners, pin });
        Turn::Hold
    }

    pub(super) fn pin_entered(&mut self, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Step> {
        if !answer.is_ok() {
            // The PIN has one try less.
            self.asked_tries = false;
            return Turn::Go(Step::Pin);
        }
        cx.known.pin = PinState::Accepted;
        if let Some(pin) = cx.known.settings.pin.clone() {
            let owners = self.owners(cx);
            cx.known.push(Output::PinAccepted { owners, pin });
        }
        // Before the PIN a modem may have refused everything else: it is greeted again.
        Turn::Later(Step::Settled, cx.known.profile.settle)
    }

    /// Every name that the SIM or the device may have. The names of the SIM count only if it gave them after
    /// the port was opened or the device restarted, since another SIM may be in the modem.
    fn owners(&self, cx: &Cx<'_>) -> Owners {
        let seen = &cx.known.view.snapshot;
        Owners {
            iccid: self.iccid.clone(),
            imsi: None,
            imei: Some(seen.equipment.imei.clone()).filter(|imei| !imei.is_empty()),
            modem: cx.known.settings.name.clone(),
            port: seen.port.clone(),
        }
    }
}
