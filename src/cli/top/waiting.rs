//! The messages that are not over, oldest first: those that were listed, and what the events tell of them since.

use std::collections::BTreeMap;

use gsm_sms::mask;

use super::super::output::clean;
use crate::api::wire;
use crate::clock::Timestamp;

/// A message that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waits {
    /// Since when; not known when the daemon's text is not a time.
    pub(super) since: Option<Timestamp>,
    /// `queued` or `sending`.
    pub(super) status: String,
    /// Masked.
    pub(super) to: String,
    /// `otp` or `text`.
    pub(super) kind: String,
    /// The modem that has it or had it last; empty when none had.
    pub(super) modem: String,
}

/// The messages that are not over, by their ids, which sort by time.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    messages: BTreeMap<String, Waits>,
    known: bool,
    whole: bool,
}

impl Waiting {
    /// Whether they have to be listed.
    pub(super) const fn is_unknown(&self) -> bool {
        !self.known
    }

    /// They were listed: all of them, or only the newest.
    pub(super) const fn is_known(&mut self, whole: bool) {
        (self.known, self.whole) = (true, whole);
    }

    /// Whether older ones wait that were never seen.
    pub(super) const fn lacks_some(&self) -> bool {
        self.known && !self.whole
    }

    /// Events were missed.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// A message as it is now.
    pub(super) fn hear(&mut self, message: &wire::Message) {
        if !matches!(message.status.as_str(), "queued" | "sending") {
            self.messages.remove(&message.id);
            return;
        }
        let waits = Waits {
            since: message.created_at.parse().ok(),
            status: clean(&message.status),
            to: mask(&clean(&message.to)),
            kind: clean(&message.kind),
            modem: clean(message.modem.as_deref().unwrap_or_default()),
        };
        self.messages.insert(clean(&message.id), waits);
    }

    /// All of them with their ids, oldest first.
    pub(super) fn oldest(&self) -> impl Iterator<Item = (&String, &Waits)> {
        self.messages.iter()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.messages.len()
    }
}
