//! One modem of the pool: what it may send and when, and what it has.

use std::cmp::Reverse;

use super::{Fitness, Sim};
use crate::clock::Timestamp;
use crate::outbox::ledger::{Need, Periods};
use crate::outbox::{Account, Circuit, Entry, Home, ModemRules};

/// A modem of the configuration.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) rules: ModemRules,
    pub(super) home: Home,
    pub(super) roaming: bool,
    pub(super) sim: Sim,
    pub(super) account: Account,
    pub(super) work: Work,
    /// When something that keeps it from a waiting message may have ended.
    pub(super) look_at: Option<Timestamp>,
    pub(super) turn: u64,
}

/// What a modem does at the moment.
#[derive(Debug)]
pub(super) enum Work {
    /// It can take no message.
    Away,
    /// It waits for a message.
    Waiting,
    /// A message is reserved for it.
    Given(Box<Entry>),
    /// It has a message.
    Busy,
}

/// Whether a modem may send a message.
pub(super) enum Verdict {
    Yes(Fitness),
    /// Not before this instant.
    At(Timestamp),
    /// Not unless something other than the time changes.
    No,
}

/// When a SIM may send anything at all.
pub(super) struct Gate {
    pub(super) code: Timestamp,
    pub(super) text: Timestamp,
}

impl Member {
    /// A modem that is away.
    pub(super) fn new(name: String, rules: ModemRules) -> Self {
        Self {
            name,
            rules,
            home: Home::default(),
            roaming: false,
            sim: Sim::default(),
            account: Account::default(),
            work: Work::Away,
            look_at: None,
            turn: 0,
        }
    }

    /// Whether it waits for a message.
    pub(super) fn waits(&self) -> bool {
        matches!(self.work, Work::Waiting)
    }

    /// Something that keeps it from a message may have ended at this instant.
    pub(super) fn look_at(&mut self, at: Timestamp) {
        self.look_at = Some(self.look_at.map_or(at, |known| known.min(at)));
    }

    /// Whether it could take a message now or soon.
    pub(super) fn is_in_service(&self, now: Timestamp) -> bool {
        !matches!(self.work, Work::Away) && !matches!(self.account.circuit(now), Circuit::Open { .. })
    }

    /// When it may send anything at all.
    pub(super) fn gate(&self, t: &Periods) -> Gate {
        if let Circuit::Open { until } = self.account.circuit(t.now) {
            return Gate { code: until, text: until };
        }
        let least = |otp| {
            let need = Need { parts: 1, otp, new_recipient: false };
            self.sim.ledger.admits_at(need, &self.rules, 0, t)
        };
        Gate { code: least(true), text: least(false) }
    }

    /// Whether it may send this message, and how well it fits.
    pub(super) fn verdict(&self, entry: &Entry, gate: &Gate, t: &Periods) -> Verdict {
        if !entry.fits(&self.name, t.now) {
            return Verdict::No;
        }
        let Some(route) = self.rules.route(&entry.to) else { return Verdict::No };
        let at = if entry.otp { gate.code } else { gate.text };
        if at > t.now {
            return Verdict::At(at);
        }
        let Sim { ledger, recipients, .. } = &self.sim;
        let new_recipient =
            self.rules.max_recipients_per_month.is_some() && !recipients.knows(entry.recipient, t);
        let need = Need { parts: entry.parts.into(), otp: entry.otp, new_recipient };
        let at = ledger.admits_at(need, &self.rules, recipients.count(t), t);
        if at > t.now {
            return Verdict::At(at);
        }
        let used = ledger.used(&self.rules, recipients.count(t), t);
        Verdict::Yes(Fitness {
            fresh: entry.last.as_deref() != Some(self.name.as_str()),
            route,
            at_home: !self.roaming,
            nearness: self.home.nearness(entry.range()),
            used: Reverse(used * 1000 / u64::from(ledger.health.weight(t.now))),
            turn: Reverse(self.turn),
        })
    }
}
