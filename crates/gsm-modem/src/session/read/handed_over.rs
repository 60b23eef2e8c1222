//! Messages that the modem hands over (3GPP TS 27.005 clause 3.4.1). They are not stored in the modem and do
//! not come again: they are kept until the SIM's names are known, so that each is delivered under the name of
//! the SIM that received it.

use gsm_sms::{Direction, Framing, Strictness, decode};

use crate::SimNames;
use crate::at::{Kind, fits};
use crate::secret::Secret;
use crate::session::input::Output;
use crate::session::known::Known;
use crate::session::procedure::Cx;
use crate::snapshot::Notice;

/// How many messages may wait for the SIM's names.
const MOST_EARLY: usize = 64;

impl Known {
    /// Returns whether the message was accepted: fewer octets than announced are not a message, unless they read as
    /// one.
    pub(in crate::session) fn handed_over(
        &mut self,
        kind: Kind,
        length: Option<usize>,
        pdu: Secret<Vec<u8>>,
    ) -> bool {
        if kind == Kind::Broadcast {
            return true;
        }
        if length.is_some_and(|length| !fits(pdu.expose(), length)) && !reads(pdu.expose()) {
            return false;
        }
        if self.format.acknowledges {
            self.pending.acknowledge += 1;
        }
        self.storage.early.push_back((kind, pdu));
        if self.storage.sim.is_some() || self.storage.early.len() >= MOST_EARLY {
            self.hand_on();
        }
        true
    }

    /// The names of the SIM were asked for: a name that is not known now will not be known later.
    pub(in crate::session) fn sim_is_known(&mut self, sim: SimNames) {
        self.storage.sim = Some(sim);
        self.hand_on();
    }

    fn hand_on(&mut self) {
        let sim = self.storage.sim.clone().unwrap_or_default();
        for (kind, pdu) in std::mem::take(&mut self.storage.early) {
            let (sim, storage) = (sim.clone(), None);
            self.push(Output::Notice(match kind {
                Kind::Report => Notice::Report { pdu, storage, sim },
                Kind::Deliver | Kind::Broadcast => Notice::Delivered { pdu, storage, sim },
            }));
        }
    }
}

/// Whether the octets read as a complete TPDU: some modems count wrongly (python-gsmmodem, `test_modem.py`: ZTE).
fn reads(pdu: &[u8]) -> bool {
    decode(pdu, Direction::Mt, Framing::SmscFirst, Strictness::Strict).is_ok()
}

impl Cx<'_> {
    /// Takes a text or a report that a modem in text mode writes on one line.
    pub(in crate::session) fn text_report(&mut self, body: &str) {
        let report = crate::at::TextReport::parse(body);
        match report.as_ref().and_then(crate::session::translate::status_report) {
            Some(pdu) => {
                self.known.handed_over(Kind::Report, None, pdu);
            }
            None => self.dialogue.count_dropped(),
        }
    }
}
