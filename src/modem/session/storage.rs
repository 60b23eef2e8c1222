//! The message storage of a modem (3GPP TS 27.005 clauses 3.2.2, 3.5 and 4): places that may be emptied.

use std::time::Instant;

use super::{Phase, Session};

/// Places that wait to be emptied; one more is announced again later.
const DISCARDS: usize = 256;

impl Session {
    /// Deletes the message at a place, between two messages to be sent.
    pub fn discard(&mut self, place: (String, u32), now: Instant) {
        if self.discards.len() < DISCARDS && !self.discards.contains(&place) {
            self.discards.push_back(place);
        }
        if matches!(self.phase, Phase::Idle) {
            self.become_idle(now);
        }
    }
}
