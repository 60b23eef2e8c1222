//! The messages that are not over, oldest first: those that were listed, and what the events tell of them since.

use std::collections::{BTreeMap, BTreeSet};

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

/// How far the list of those that waited before is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Listed {
    #[default]
    No,
    /// It was asked for, and events have told more since.
    Asked,
    /// As far back as the newest of them.
    Newest,
    /// All of it.
    Whole,
}

/// The messages that are not over, by their ids, which sort by time.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    messages: BTreeMap<String, Waits>,
    listed: Listed,
    /// Those that were over since the list was asked for, which may have them still.
    over: BTreeSet<String>,
}

impl Waiting {
    /// Whether they have to be listed, as is done now.
    pub(super) fn ask(&mut self) -> bool {
        let wanted = self.listed == Listed::No;
        if wanted {
            self.listed = Listed::Asked;
        }
        wanted
    }

    /// Takes in a list that was asked for: all of them, or only the newest.
    pub(super) fn are_listed(&mut self, messages: &[wire::Message], whole: bool) {
        // Events were missed meanwhile: the next list counts.
        if self.listed != Listed::Asked {
            return;
        }
        for message in messages {
            if !self.over.contains(&message.id) && !self.messages.contains_key(&message.id) {
                self.hear(message);
            }
        }
        self.over.clear();
        self.listed = if whole { Listed::Whole } else { Listed::Newest };
    }

    /// Whether older ones wait that were never seen.
    pub(super) fn lacks_some(&self) -> bool {
        self.listed == Listed::Newest
    }

    /// Events were missed.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// A message as it is now.
    pub(super) fn hear(&mut self, message: &wire::Message) {
        if !matches!(message.status.as_str(), "queued" | "sending") {
            self.messages.remove(&message.id);
            if self.listed == Listed::Asked {
                self.over.insert(message.id.clone());
            }
            return;
        }
        let waits = Waits {
            since: message.created_at.parse().ok(),
            status: clean(&message.status),
            to: mask(&clean(&message.to)),
            kind: clean(&message.kind),
            modem: clean(message.modem.as_deref().unwrap_or_default()),
        };
        self.messages.insert(message.id.clone(), waits);
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
