//! USSD dialogues with the network (3GPP TS 27.007 clause 7.15): whether one is open, and which request is possible.

use std::time::{Duration, Instant};

use crate::at::ussd;
use crate::profiles::UssdCoding;
use crate::secret::Secret;

/// 3GPP TS 23.038 clause 5: 160 octets hold this many characters.
const LONGEST: usize = 182;
/// A dialogue in which nobody answers the network is ended, so that it does not block calls and the next
/// dialogue.
const DIALOGUE: Duration = Duration::from_secs(120);

/// A request; without a code it ends the dialogue.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) code: Option<Secret<String>>,
    pub(super) timeout: Duration,
}

/// What is known of USSD dialogues.
#[derive(Debug, Default)]
pub(super) struct UssdDialogue {
    /// The network waits for an answer until this instant.
    until: Option<Instant>,
    /// The coding that this modem accepted, and its family at that time.
    pub(super) worked: Option<(String, UssdCoding)>,
}

impl UssdDialogue {
    /// Whether the network waits for an answer.
    pub(super) fn is_open(&self) -> bool {
        self.until.is_some()
    }

    /// Sets whether the network waits for an answer.
    pub(super) fn set_open(&mut self, open: bool, now: Instant) {
        self.until = open.then(|| now + DIALOGUE);
    }

    /// No dialogue is open any more.
    pub(super) fn close(&mut self) {
        self.until = None;
    }

    /// Whether nobody answered the network in time.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Takes a reply of the network that no request awaits: the network ended a dialogue itself, or confirms
    /// the end of one.
    pub(super) fn network_said(&mut self, body: &str) {
        if ussd(body).is_some_and(|reply| reply.status != 1) {
            self.close();
        }
    }

    /// Whether this request is possible now.
    pub(super) fn may_ask(&self, code: &str) -> Result<(), String> {
        let dialable = |c: char| c.is_ascii_digit() || "*#+".contains(c);
        let simple = |c: char| c.is_ascii_alphanumeric() || "*#+.,:;-/()!?".contains(c);
        let good = !code.is_empty() && code.len() <= LONGEST;
        if good && (code.chars().all(dialable) || self.is_open() && code.chars().all(simple)) {
            return Ok(());
        }
        Err(String::from(if good && code.chars().all(simple) {
            "no dialogue with the network is open: begin one with a code such as *100#"
        } else {
            "a USSD code has only digits, * and #, such as *100#"
        }))
    }
}
