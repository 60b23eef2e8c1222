//! The simulated network and the phones behind it: it takes the messages that modems submit, puts their parts
//! together and collects them in one inbox.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use gsm_sms::mask;
use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::script::Identity;
use crate::clock::{WallClock, monotonic};

/// A whole message that reached its phone.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// The modem that sent it, from 0.
    pub modem: usize,
    /// The number it was sent to.
    pub to: String,
    /// Its text, joined from all parts.
    pub text: String,
    /// TP-MR of its first part, as the PDU had it.
    pub reference: u8,
    /// TP-RD of its first part.
    pub reject_duplicates: bool,
    /// When its last part arrived.
    pub at: Instant,
    /// Its parts, in the order of the text.
    pub parts: Vec<Part>,
}

/// A part of a message, as the modem gave it to the network.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// SMSC field and TPDU.
    pub pdu: Vec<u8>,
    /// TP-MR, as the PDU had it.
    pub reference: u8,
    /// The reference that the modem answered with: `+CMGS: n`.
    pub answered: u8,
    /// When it arrived.
    pub at: Instant,
}

/// A submission that reached the network: a whole message, or a part of one that may never become whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The place of the modem that sent it, from 0.
    pub modem: usize,
    /// That modem's SIM.
    pub iccid: String,
    /// The IMSI of that SIM.
    pub imsi: String,
    /// The number it was sent to.
    pub to: String,
    /// TP-MR, as the PDU had it.
    pub reference: u8,
    /// The reference that the modem answered with: `+CMGS: n`.
    pub answered: u8,
    /// TP-RD.
    pub reject_duplicates: bool,
    /// TP-SRR.
    pub wants_report: bool,
    /// Whether the network dropped the submission: TP-RD was set, and this SIM had just sent another one with
    /// the same number and TP-MR.
    pub dropped: bool,
    /// When it arrived.
    pub at: Instant,
    /// Reference, number of parts, and place of a part.
    pub concat: Option<(u16, u8, u8)>,
    /// The text of this part.
    pub text: String,
    /// The text of the whole message, when this part completed it.
    pub whole: Option<String>,
}

impl fmt::Debug for Submitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitted")
            .field("modem", &self.modem)
            .field("to", &mask(&self.to))
            .field("reference", &self.reference)
            .field("answered", &self.answered)
            .field("reject_duplicates", &self.reject_duplicates)
            .field("dropped", &self.dropped)
            .field("at", &self.at)
            .field("concat", &self.concat)
            .field("whole", &self.whole.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("modem", &self.modem)
            .field("to", &mask(&self.to))
            .field("reference", &self.reference)
            .field("reject_duplicates", &self.reject_duplicates)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("reference", &self.reference)
            .field("answered", &self.answered)
            .finish_non_exhaustive()
    }
}

/// What the network answers to a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Submitted,
    /// TP-FCS C5, which the modem reports as `+CMS ERROR: 197`.
    Duplicate,
}

/// A submission as the network reads it.
pub(super) struct Submission {
    pub(super) pdu: Vec<u8>,
    pub(super) reference: u8,
    pub(super) reject_duplicates: bool,
    pub(super) wants_report: bool,
    /// TP-DA as it stands in the PDU.
    pub(super) recipient: Vec<u8>,
    pub(super) to: String,
    pub(super) text: String,
    /// Reference, number of parts, and place of a part.
    pub(super) concat: Option<(u16, u8, u8)>,
}

/// The network that all modems of a simulation share.
#[derive(Default)]
pub(super) struct Network {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    inbox: Vec<Received>,
    /// The key is subscriber, number, reference and number of parts.
    unfinished: BTreeMap<(String, String, u16, u8), Pieces>,
    /// Subscriber, TP-DA and TP-MR of the last submissions.
    recent: VecDeque<(String, Vec<u8>, u8)>,
    listeners: Vec<UnboundedSender<Received>>,
    /// Numbers whose phones are off.
    unreachable: BTreeSet<String>,
    /// Every submission, if a simulation wants them recorded.
    submitted: Option<Vec<Submitted>>,
    wall: WallClock,
}

/// TP-ST of a report for a phone that stayed off: the validity period expired (3GPP TS 23.040 clause 9.2.3.15).
const VALIDITY_EXPIRED: u8 = 0x46;

/// Parts by place.
type Pieces = BTreeMap<u8, Piece>;

struct Piece {
    part: Part,
    text: String,
    reject_duplicates: bool,
}

/// How many submissions the network remembers when it looks for a duplicate. TP-MR counts to 256: a longer
/// memory would take a new message for an old one.
const REMEMBERED: usize = 32;

/// How many messages with a missing part are kept, since the memory of a phone is finite too.
const UNFINISHED: usize = 1024;

impl State {
    fn note(
        &mut self,
        modem: usize,
        from: &Identity,
        sent: &Submission,
        answered: u8,
        dropped: bool,
        at: Instant,
    ) {
        let Some(submitted) = &mut self.submitted else { return };
        submitted.push(Submitted {
            modem,
            iccid: from.iccid.clone(),
            imsi: from.imsi.clone(),
            to: sent.to.clone(),
            reference: sent.reference,
            answered,
            reject_duplicates: sent.reject_duplicates,
            wants_report: sent.wants_report,
            dropped,
            at,
            concat: sent.concat,
            text: sent.text.clone(),
            whole: None,
        });
    }
}

impl Network {
    /// A network that records its submissions and whose wall clock shows `now`.
    pub(super) fn observed(now: SystemTime) -> Self {
        let state = State { submitted: Some(Vec::new()), wall: WallClock::set(now), ..State::default() };
        Self { state: Mutex::new(state), arrived: Condvar::new() }
    }

    /// Takes a message from the modem at place `modem`, which answers with the reference `answered`.
    pub(super) fn submit(
        &self,
        modem: usize,
        from: &Identity,
        sent: Submission,
        answered: u8,
        rejects: bool,
    ) -> Verdict {
        let at = monotonic();
        let mut state = self.state();
        let key = (from.imsi.clone(), sent.recipient.clone(), sent.reference);
        let dropped = rejects && sent.reject_duplicates && state.recent.contains(&key);
        state.note(modem, from, &sent, answered, dropped, at);
        if dropped {
            return Verdict::Duplicate;
        }
        if state.recent.len() == REMEMBERED {
            state.recent.pop_front();
        }
        state.recent.push_back(key);
        if state.unreachable.contains(&sent.to) {
            return Verdict::Submitted;
        }
        let part = Part { pdu: sent.pdu, reference: sent.reference, answered, at };
        let piece = Piece { part, text: sent.text, reject_duplicates: sent.reject_duplicates };
        let Some((reference, total, place)) = sent.concat.filter(|(_, total, _)| *total > 1) else {
            self.show(state, modem, sent.to, Pieces::from([(1, piece)]), at);
            return Verdict::Submitted;
        };
        if state.unfinished.len() >= UNFINISHED {
            state.unfinished.clear();
        }
        let key = (from.imsi.clone(), sent.to, reference, total);
        let pieces = state.unfinished.entry(key.clone()).or_default();
        pieces.insert(place, piece);
        if pieces.len() == usize::from(total) {
            let pieces = state.unfinished.remove(&key).unwrap_or_default();
            self.show(state, modem, key.1, pieces, at);
        }
        Verdict::Submitted
    }

    fn show(&self, mut state: MutexGuard<'_, State>, modem: usize, to: String, pieces: Pieces, at: Instant) {
        let (reference, reject_duplicates) = pieces
            .values()
            .next()
            .map_or((0, false), |piece| (piece.part.reference, piece.reject_duplicates));
        let mut text = String::new();
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces.into_values() {
            text.push_str(&piece.text);
            parts.push(piece.part);
        }
        if let Some(last) = state.submitted.as_mut().and_then(|submitted| submitted.last_mut()) {
            last.whole = Some(text.clone());
        }
        let received = Received { modem, to, text, reference, reject_duplicates, at, parts };
        state.listeners.retain(|listener| listener.send(received.clone()).is_ok());
        state.inbox.push(received);
        drop(state);
        self.arrived.notify_all();
    }

    /// The phone of this number is switched off, or on again: what the network takes for it meanwhile never arrives.
    pub(super) fn set_unreachable(&self, number: &str, unreachable: bool) {
        let mut state = self.state();
        if unreachable {
            state.unreachable.insert(number.to_owned());
        } else {
            state.unreachable.remove(number);
        }
    }

    /// TP-ST of the report for a message to this number, where its phone does not have it.
    pub(super) fn undelivered(&self, number: &str) -> Option<u8> {
        self.state().unreachable.contains(number).then_some(VALIDITY_EXPIRED)
    }

    /// The time that the wall clock shows.
    pub(super) fn wall(&self) -> Timestamp {
        self.state().wall.now()
    }

    pub(super) fn set_wall(&self, now: SystemTime) {
        self.state().wall = WallClock::set(now);
    }

    pub(super) fn submitted(&self) -> Vec<Submitted> {
        self.state().submitted.clone().unwrap_or_default()
    }

    pub(super) fn take_submitted(&self) -> Vec<Submitted> {
        self.state().submitted.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn inbox(&self) -> Vec<Received> {
        self.state().inbox.clone()
    }

    pub(super) fn take_inbox(&self) -> Vec<Received> {
        std::mem::take(&mut self.state().inbox)
    }

    pub(super) fn count(&self) -> usize {
        self.state().inbox.len()
    }

    pub(super) fn wait_for(&self, count: usize, timeout: Duration) -> bool {
        let state = self.state();
        let (state, _) = self
            .arrived
            .wait_timeout_while(state, timeout, |state| state.inbox.len() < count)
            .unwrap_or_else(PoisonError::into_inner);
        state.inbox.len() >= count
    }

    pub(super) fn listen(&self) -> UnboundedReceiver<Received> {
        let (listener, receiver) = unbounded_channel();
        self.state().listeners.push(listener);
        receiver
    }

    /// No code that runs under this lock could leave the state half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
