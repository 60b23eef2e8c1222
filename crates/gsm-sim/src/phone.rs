//! The simulated network and the phones behind it: takes the messages that modems submit, puts their parts
//! together and shows them in one inbox.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gsm_sms::mask;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::clock::monotonic;

/// A message that reached its phone, whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// The modem that sent it, from 0.
    pub modem: usize,
    /// The number it was sent to.
    pub to: String,
    /// Its text, put together of all parts.
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

/// What the network says to a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Taken,
    /// TP-FCS C5, seen as `+CMS ERROR: 197`.
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
    /// Reference, total and place of a part.
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
    /// By modem, number, reference and total.
    unfinished: HashMap<(usize, String, u16, u8), Pieces>,
    /// Modem, TP-DA and TP-MR of the last submissions.
    recent: VecDeque<(usize, Vec<u8>, u8)>,
    listeners: Vec<UnboundedSender<Received>>,
}

/// Parts by place.
type Pieces = BTreeMap<u8, Piece>;

struct Piece {
    part: Part,
    text: String,
    reject_duplicates: bool,
}

/// How many submissions the network remembers when it looks for a twin. TP-MR counts to 256: remembering more
/// would take a new message for an old one.
const REMEMBERED: usize = 32;

/// Messages of which a part is missing: the oldest memory of a phone is not endless either.
const UNFINISHED: usize = 1024;

impl Network {
    /// Takes a message from modem `modem`, which answers with the reference `answered`.
    pub(super) fn submit(&self, modem: usize, sent: Submission, answered: u8, rejects: bool) -> Verdict {
        let at = monotonic();
        let mut state = self.state();
        let key = (modem, sent.recipient, sent.reference);
        if rejects && sent.reject_duplicates && state.recent.contains(&key) {
            return Verdict::Duplicate;
        }
        if state.recent.len() == REMEMBERED {
            state.recent.pop_front();
        }
        state.recent.push_back(key);
        let part = Part { pdu: sent.pdu, reference: sent.reference, answered, at };
        let piece = Piece { part, text: sent.text, reject_duplicates: sent.reject_duplicates };
        let Some((reference, total, place)) = sent.concat.filter(|(_, total, _)| *total > 1) else {
            self.show(state, modem, sent.to, Pieces::from([(1, piece)]), at);
            return Verdict::Taken;
        };
        if state.unfinished.len() >= UNFINISHED {
            state.unfinished.clear();
        }
        let key = (modem, sent.to, reference, total);
        let pieces = state.unfinished.entry(key.clone()).or_default();
        pieces.insert(place, piece);
        if pieces.len() == usize::from(total) {
            let pieces = state.unfinished.remove(&key).unwrap_or_default();
            self.show(state, modem, key.1, pieces, at);
        }
        Verdict::Taken
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
        let received = Received { modem, to, text, reference, reject_duplicates, at, parts };
        state.listeners.retain(|listener| listener.send(received.clone()).is_ok());
        state.inbox.push(received);
        drop(state);
        self.arrived.notify_all();
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

    /// No code runs under this lock that could leave the state half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
