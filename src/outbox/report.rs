//! Delivery reports for a message's parts, and what they mean for the whole message.
//!
//! A report names a part by the TP-MR under which the part was sent. For a part whose send ended unknown the
//! TP-MR is only assumed: a modem may choose its own.

use crate::clock::{Steady, Timestamp};
use crate::id::MessageId;

/// The state of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartState {
    /// Nothing is known, or the service centre is still trying.
    Open,
    /// The recipient received it.
    Delivered,
    /// The recipient will never receive it: TP-ST.
    Failed(u8),
}

/// One send of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartReport {
    /// Which part, from 0.
    pub part: u8,
    /// Its TP-MR.
    pub reference: u8,
    /// Whether the service centre accepted it for certain, under this TP-MR.
    pub certain: bool,
    /// Its state.
    pub state: PartState,
}

/// The reports that a message waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// The message.
    pub message: MessageId,
    /// Every send of every part.
    pub parts: Vec<PartReport>,
}

/// A delivery report. `Debug` shows no number.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    /// The modem that received it.
    pub modem: String,
    /// Its SIM; the modem's name when the SIM is not known.
    pub sim: String,
    /// TP-MR of the part.
    pub reference: u8,
    /// TP-RA as the network wrote it.
    pub recipient: String,
    /// When the service centre accepted the part (TP-SCTS).
    pub sent_at: Option<Timestamp>,
    /// When the part reached the recipient or was given up (TP-DT).
    pub ended_at: Option<Timestamp>,
    /// When the modem handed it over, by the daemon's clock.
    pub came_at: Steady,
    /// The state of the part.
    pub state: PartState,
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Report({} {:?})", self.reference, self.state)
    }
}

/// The part to which a report was assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// A part that was sent for certain.
    Certain,
    /// A part that was in doubt until now.
    Doubtful {
        /// Which part, from 0.
        part: u8,
    },
}

impl Awaited {
    /// No part was sent yet.
    pub const fn new(message: MessageId) -> Self {
        Self { message, parts: Vec::new() }
    }

    /// A part was accepted under this TP-MR.
    pub fn sent(&mut self, part: u8, reference: u8) {
        let doubtful = |p: &&mut PartReport| p.part == part && !p.certain && p.reference == reference;
        match self.parts.iter_mut().find(doubtful) {
            Some(known) => known.certain = true,
            None => {
                self.parts.push(PartReport { part, reference, certain: true, state: PartState::Open });
            }
        }
    }

    /// A part may have been sent, under this TP-MR if the modem did not choose another.
    pub fn perhaps_sent(&mut self, part: u8, reference: u8) {
        self.parts.push(PartReport { part, reference, certain: false, state: PartState::Open });
    }

    /// A part in doubt was accepted under this TP-MR.
    pub fn sent_after_all(&mut self, part: u8, reference: u8) {
        let doubtful = |p: &PartReport| p.part == part && !p.certain;
        let named = self.parts.iter().position(|p| doubtful(p) && p.reference == reference);
        match named.or_else(|| self.parts.iter().position(doubtful)) {
            Some(place) => {
                let known = &mut self.parts[place];
                *known = PartReport { reference, certain: true, ..*known };
            }
            None => self.sent(part, reference),
        }
    }

    /// Whether any part is in doubt, and whether one is under this very TP-MR.
    pub fn doubts(&self, reference: u8) -> (bool, bool) {
        let mut open = self.parts.iter().filter(|p| !p.certain && p.state == PartState::Open).peekable();
        (open.peek().is_some(), open.any(|p| p.reference == reference))
    }

    /// Notes the state of a part; `None` when there is no part for which this is new.
    pub fn note(&mut self, reference: u8, state: PartState) -> Option<Noted> {
        let open = |p: &PartReport| p.state == PartState::Open;
        let named = |p: &PartReport| p.reference == reference;
        let find = |wanted: &dyn Fn(&PartReport) -> bool| self.parts.iter().position(wanted);
        let place = find(&|p| p.certain && named(p) && open(p))
            // A service centre that gave up too early.
            .or_else(|| {
                let failed = |p: &PartReport| matches!(p.state, PartState::Failed(_));
                find(&|p| p.certain && named(p) && failed(p) && state == PartState::Delivered)
            })
            .or_else(|| {
                let settled = find(&|p| p.certain && named(p)).is_some();
                let doubtful = find(&|p| !p.certain && named(p) && open(p));
                doubtful.or_else(|| find(&|p| !p.certain && open(p))).filter(|_| !settled)
            })?;
        let part = &mut self.parts[place];
        let noted = if part.certain { Noted::Certain } else { Noted::Doubtful { part: part.part } };
        *part = PartReport { reference, certain: true, state, ..*part };
        Some(noted)
    }

    /// What the reports mean for a message of so many parts: it is delivered when each part is, and failed
    /// when a part is and no other send of that part can still arrive.
    pub fn overall(&self, parts: u8) -> PartState {
        let sends = |part: u8| self.parts.iter().filter(move |p| p.part == part);
        let delivered = |part: u8| sends(part).any(|p| p.state == PartState::Delivered);
        if parts > 0 && (0..parts).all(delivered) {
            return PartState::Delivered;
        }
        let open = |part: u8| sends(part).any(|p| p.certain && p.state == PartState::Open);
        let failed = (0..parts).filter(|&part| !delivered(part) && !open(part)).find_map(|part| {
            sends(part).map(|p| p.state).find(|state| matches!(state, PartState::Failed(_)))
        });
        failed.unwrap_or(PartState::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awaited() -> Awaited {
        Awaited::new(MessageId::first_at(Steady::from_millis(1)))
    }

    #[test]
    fn delivered_when_every_part_is() {
        let mut a = awaited();
        a.sent(0, 7);
        a.sent(1, 8);
        assert_eq!(a.note(8, PartState::Delivered), Some(Noted::Certain));
        assert_eq!(a.overall(2), PartState::Open);
        assert_eq!(a.note(8, PartState::Delivered), None, "the second report is not new");
        assert_eq!(a.note(9, PartState::Delivered), None, "no part has this TP-MR");
        assert_eq!(a.note(7, PartState::Open), Some(Noted::Certain), "the service centre is still trying");
        assert_eq!(a.note(7, PartState::Delivered), Some(Noted::Certain));
        assert_eq!(a.overall(2), PartState::Delivered);
        assert_eq!(a.overall(3), PartState::Open, "a third part is not sent yet");
    }

    #[test]
    fn a_failed_part_fails_the_message_and_a_late_delivery_cures_it() {
        let mut a = awaited();
        a.sent(0, 7);
        a.sent(1, 8);
        a.note(7, PartState::Delivered);
        a.note(8, PartState::Failed(0x46));
        assert_eq!(a.overall(2), PartState::Failed(0x46));
        assert_eq!(a.note(8, PartState::Failed(0x40)), None);
        assert_eq!(a.note(8, PartState::Delivered), Some(Noted::Certain));
        assert_eq!(a.overall(2), PartState::Delivered);
    }

    #[test]
    fn a_modem_that_numbers_every_part_alike() {
        let mut a = awaited();
        a.sent(0, 0);
        a.sent(1, 0);
        a.note(0, PartState::Delivered);
        assert_eq!(a.overall(2), PartState::Open);
        a.note(0, PartState::Delivered);
        assert_eq!(a.overall(2), PartState::Delivered);
    }

    #[test]
    fn a_part_in_doubt_and_its_twin() {
        let mut a = awaited();
        a.perhaps_sent(0, 7);
        assert_eq!((a.doubts(7), a.doubts(9)), ((true, true), (true, false)));
        let mut renumbered = a.clone();
        assert_eq!(renumbered.note(9, PartState::Open), Some(Noted::Doubtful { part: 0 }));
        assert_eq!(renumbered.note(9, PartState::Delivered), Some(Noted::Certain), "its TP-MR is known now");
        let mut answered = a.clone();
        answered.sent_after_all(0, 12);
        assert_eq!((answered.parts.len(), answered.doubts(7)), (1, (false, false)), "no doubt is left");
        assert_eq!(answered.note(12, PartState::Delivered), Some(Noted::Certain));
        answered.sent_after_all(0, 13);
        assert_eq!(
            answered.note(13, PartState::Open),
            Some(Noted::Certain),
            "a report had already decided it"
        );
        // The twin was sent too, and failed as a duplicate: the first may still arrive.
        a.sent(0, 20);
        assert_eq!(a.note(20, PartState::Failed(0x48)), Some(Noted::Certain));
        assert_eq!(a.overall(1), PartState::Failed(0x48));
        assert_eq!(a.note(7, PartState::Delivered), Some(Noted::Doubtful { part: 0 }));
        assert_eq!(a.overall(1), PartState::Delivered);
    }
}
