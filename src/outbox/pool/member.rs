//! One modem of the pool: what it may send and when, and what it has.

use std::cmp::Reverse;
use std::time::Duration;

use super::{Fitness, Pool, Sim};
use crate::clock::Steady;
use crate::id::MessageId;
use crate::outbox::ledger::{Need, Periods};
use crate::outbox::pace::{LONGEST, Supply};
use crate::outbox::{Account, Circuit, Entry, Fit, Home, ModemRules, Pace};
use crate::phone::PhoneNumber;

impl Pool {
    /// Whether a message waits to be sent, or was given to a modem that has not asked for it yet. A twin is on the air.
    pub fn waits(&self, id: MessageId) -> bool {
        let is_it = |entry: &Entry| entry.id == id && entry.twin_of.is_none();
        let given = |member: &Member| matches!(&member.work, Work::Given(entry) if is_it(entry));
        self.queue.get(id).is_some_and(is_it) || self.members.iter().any(given)
    }

    /// Where the SIM of a modem is at home.
    pub fn home(&self, modem: usize) -> Home {
        self.members[modem].home
    }

    /// Whether the SIM of a modem is in a foreign network.
    pub fn is_roaming(&self, modem: usize) -> bool {
        self.members[modem].roaming
    }

    /// How well a modem fits a number; nothing when it may not serve the number.
    pub fn fit(&self, modem: usize, to: &PhoneNumber) -> Option<Fit> {
        let Member { rules, roaming, home, .. } = &self.members[modem];
        Some(Fit::new(rules.route(to)?, *roaming, *home, to.range()))
    }
}

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
    /// Since when it has what it is sending, and how many parts that is.
    pub(super) on_air: Option<(Steady, u32)>,
    pub(super) pace: Pace,
    /// When something that keeps it from a waiting message may have ended.
    pub(super) look_at: Option<Steady>,
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
    At(Steady),
    /// Not unless something other than the time changes.
    No,
}

/// When a SIM may send anything at all.
pub(super) struct Gate {
    pub(super) code: Steady,
    pub(super) text: Steady,
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
            on_air: None,
            pace: Pace::default(),
            look_at: None,
            turn: 0,
        }
    }

    /// Whether it waits for a message.
    pub(super) fn waits(&self) -> bool {
        matches!(self.work, Work::Waiting)
    }

    /// Something that keeps it from a message may have ended at this instant.
    pub(super) fn look_at(&mut self, at: Steady) {
        self.look_at = Some(self.look_at.map_or(at, |known| known.min(at)));
    }

    /// Whether it could take a message now or soon.
    pub(super) fn is_in_service(&self, now: Steady) -> bool {
        !matches!(self.work, Work::Away) && !matches!(self.account.circuit(now), Circuit::Open { .. })
    }

    /// When it can begin codes, as far as can be foreseen; `None` while it is not in service.
    pub(super) fn supply(&self, t: &Periods) -> Option<Supply<'_>> {
        let back = self.supply_when_back(t);
        let (has, since) = match (&self.work, self.on_air) {
            (Work::Away, _) => return None,
            (Work::Given(entry), _) => (u32::from(entry.parts), t.now),
            (_, Some((since, parts))) => (parts, since),
            (_, None) => (0, t.now),
        };
        let so_far = t.now.since(since);
        if so_far > LONGEST {
            // It does not answer.
            return None;
        }
        let part = back.part.or_else(|| (!so_far.is_zero()).then(|| so_far / has.max(1)));
        let whole = back.part.unwrap_or_default() * has;
        let late = so_far.saturating_sub(whole);
        // What takes longer than it should is expected to take as long again as it is late.
        let again = if late.is_zero() { Duration::ZERO } else { late + part.unwrap_or_default() / 8 };
        let rest = whole.saturating_sub(so_far) + again;
        Some(Supply { free_at: back.free_at.max(t.now.plus(rest)), has: has.into(), part, ..back })
    }

    /// The same as if it waited for a message.
    pub(super) fn supply_when_back(&self, t: &Periods) -> Supply<'_> {
        let open_at = self.gate(t).code;
        let (ledger, rules) = (&self.sim.ledger, &self.rules);
        let part = self.pace.part();
        Supply { free_at: open_at, open_at, has: 0, part, is_measured: part.is_some(), ledger, rules }
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
            fit: Fit::new(route, self.roaming, self.home, entry.range()),
            used: Reverse(used * 1000 / u64::from(ledger.health.weight(t.now))),
            turn: Reverse(self.turn),
        })
    }
}
