//! A hang and what ends it, and a plug that is pulled at a given octet of a dialogue.

use std::time::Instant;

use super::dialogue::ESCAPE;
use super::modem::{Event, Modem};

/// What ends a hang. Plugging the modem in again ends every hang but that of [`Cure::Nothing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cure {
    /// ESC, as at a prompt that the program does not see.
    Escape,
    /// The program closes the port.
    Reopen,
    /// The radio switched off and on. Until then the modem answers commands, and refuses every message with
    /// `+CMS ERROR: 500`.
    Radio,
    /// `AT+CFUN=1,1`, or `AT^RESET`; neither is answered.
    Restart,
    /// Only plugging the modem in again.
    Plug,
    /// Nothing at all.
    Nothing,
}

/// A hang.
#[derive(Debug)]
pub(super) struct Hang {
    pub(super) cure: Cure,
    /// What the modem has read of a command line.
    line: Vec<u8>,
}

impl Hang {
    pub(super) const fn new(cure: Cure) -> Self {
        Self { cure, line: Vec::new() }
    }
}

/// A point in a dialogue, exact to the octet.
///
/// ```
/// use gsm_sim::Cut;
/// let in_the_middle_of_the_pdu = Cut::after_reading("AT+CMGS=", 20);
/// let before_the_blank_of_the_prompt = Cut::after_writing(">", 0);
/// # let _ = (in_the_middle_of_the_pdu, before_the_blank_of_the_prompt);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    reading: bool,
    after: Vec<u8>,
    more: usize,
    /// The last octets that passed, at most as many as `after` has.
    last: Vec<u8>,
    matched: bool,
}

impl Cut {
    /// The plug is pulled once the modem has read `after` and `more` further octets. The modem does not act
    /// on the last octet.
    pub fn after_reading(after: impl AsRef<[u8]>, more: usize) -> Self {
        Self { reading: true, after: after.as_ref().to_vec(), more, last: Vec::new(), matched: false }
    }

    /// The plug is pulled once the modem has written `after` and `more` further octets.
    pub fn after_writing(after: impl AsRef<[u8]>, more: usize) -> Self {
        Self { reading: false, ..Self::after_reading(after, more) }
    }

    /// Whether this octet is the last one before the plug is pulled.
    fn passes(&mut self, octet: u8) -> bool {
        if self.matched {
            self.more -= 1;
        } else {
            if self.last.len() == self.after.len() && !self.last.is_empty() {
                self.last.remove(0);
            }
            self.last.push(octet);
            self.matched = self.last == self.after;
        }
        self.matched && self.more == 0
    }
}

impl Modem {
    /// Takes what is read during a hang.
    pub(super) fn receive_while_hanging(&mut self, octets: &[u8], now: Instant) {
        let Some(hang) = &mut self.hung else { return };
        match hang.cure {
            Cure::Escape => {
                if let Some(at) = octets.iter().position(|octet| *octet == ESCAPE) {
                    self.unhang();
                    self.receive(&octets[at..], now);
                }
            }
            Cure::Restart => {
                for octet in octets {
                    if *octet != b'\r' {
                        hang.line.push(*octet);
                        continue;
                    }
                    let line = String::from_utf8_lossy(&hang.line).to_ascii_uppercase();
                    hang.line.clear();
                    if line.ends_with("AT+CFUN=1,1") || line.ends_with("AT^RESET") {
                        self.timers.push((now, Event::Restart));
                        return;
                    }
                }
            }
            Cure::Reopen | Cure::Radio | Cure::Plug | Cure::Nothing => {}
        }
    }

    /// Whether the modem hangs until the program closes the port.
    pub(super) fn waits_for_close(&self) -> bool {
        self.hung.as_ref().is_some_and(|hang| hang.cure == Cure::Reopen)
    }

    /// Whether the plug is pulled before this octet is read.
    pub(super) fn cut_before_reading(&mut self, octet: u8) -> bool {
        let cuts = self.cut.as_mut().is_some_and(|cut| cut.reading && cut.passes(octet));
        self.plug_pulled |= cuts;
        cuts
    }

    /// Removes from the output what is not written because the plug is pulled.
    pub(super) fn cut_output(&mut self, out: &mut Vec<u8>) {
        if self.plug_pulled {
            return out.clear();
        }
        let Some(cut) = self.cut.as_mut().filter(|cut| !cut.reading) else { return };
        if let Some(at) = out.iter().position(|octet| cut.passes(*octet)) {
            out.truncate(at + 1);
            self.plug_pulled = true;
        }
    }
}
