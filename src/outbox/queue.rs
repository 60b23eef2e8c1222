//! Which message a free modem takes next, in memory; rebuilt from the store at start-up.
//!
//! Codes before plain text; within a priority the earliest deadline that can still be met, then the oldest. A
//! message that waits, for its time or for a modem, holds up nobody behind it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::{Kind, Message};
use crate::clock::Timestamp;
use crate::id::MessageId;
use crate::phone::PhoneNumber;

/// What the queue knows of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The message.
    pub id: MessageId,
    /// The recipient, for routes.
    pub to: PhoneNumber,
    /// Short messages it still takes.
    pub parts: u8,
    /// The only modem that may send it.
    pub pinned: Option<String>,
    /// A modem that just failed with it, and until when that one leaves it alone.
    pub avoid: Option<(String, Timestamp)>,
    rank: Rank,
    due_at: Timestamp,
    /// The first moment at which it can no longer be sent in time.
    overdue_at: Option<Timestamp>,
}

type Rank = (u8, u8, Timestamp, MessageId);

/// The messages that wait.
#[derive(Debug, Default)]
pub struct Queue {
    min_life: Duration,
    ready: BTreeMap<Rank, Entry>,
    delayed: HashMap<MessageId, Entry>,
    ranks: HashMap<MessageId, Rank>,
    /// Every moment at which something changes by itself.
    wakes: BTreeSet<(Timestamp, MessageId)>,
    otp: usize,
}

impl Queue {
    /// An empty queue in which a code needs `min_life` to be worth sending.
    pub fn new(min_life: Duration) -> Self {
        Self { min_life, ..Self::default() }
    }

    /// Adds a queued message. `avoid`: a modem that failed with it leaves it alone until then.
    pub fn push(&mut self, m: &Message, avoid: Option<(String, Timestamp)>, now: Timestamp) {
        let otp = matches!(m.kind, Kind::Otp(_));
        let life = if otp { self.min_life } else { Duration::ZERO };
        let entry = Entry {
            id: m.id,
            to: m.to.clone(),
            parts: m.parts.saturating_sub(m.parts_done),
            pinned: if m.parts_done > 0 { m.modem.clone() } else { m.wanted_modem.clone() },
            avoid,
            rank: (
                u8::from(!otp),
                u8::MAX - m.priority,
                m.deadline.unwrap_or(Timestamp::from_millis(u64::MAX)),
                m.id,
            ),
            due_at: m.due_at,
            overdue_at: m.deadline.map(|d| d.minus(life)),
        };
        self.remove(m.id);
        self.otp += usize::from(otp);
        self.ranks.insert(entry.id, entry.rank);
        for at in entry.wakes() {
            self.wakes.insert((at, entry.id));
        }
        if entry.due_at <= now {
            self.ready.insert(entry.rank, entry);
        } else {
            self.delayed.insert(entry.id, entry);
        }
    }

    /// Takes out the message that `modem` should send now: the first it `may` serve.
    pub fn take(&mut self, modem: &str, now: Timestamp, may: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let rank = self.ready.values().find(|e| e.fits(modem, now) && may(e))?.rank;
        self.remove(rank.3)
    }

    /// Takes out a message wherever it waits.
    pub fn remove(&mut self, id: MessageId) -> Option<Entry> {
        let rank = self.ranks.remove(&id)?;
        let entry = self.ready.remove(&rank).or_else(|| self.delayed.remove(&id))?;
        for at in entry.wakes() {
            self.wakes.remove(&(at, id));
        }
        self.otp -= usize::from(rank.0 == 0);
        Some(entry)
    }

    /// Lets time pass: what came due is ready; what can no longer be sent in time is taken out and given back.
    pub fn advance(&mut self, now: Timestamp) -> Vec<MessageId> {
        let mut overdue = Vec::new();
        while let Some(&(at, id)) = self.wakes.first().filter(|&&(at, _)| at <= now) {
            self.wakes.remove(&(at, id));
            let rank = self.ranks.get(&id).copied();
            if let Some(entry) = self.delayed.remove(&id) {
                if entry.due_at <= now {
                    self.ready.insert(entry.rank, entry);
                } else {
                    self.delayed.insert(id, entry);
                }
            }
            let late = |e: &Entry| e.overdue_at.is_some_and(|at| at <= now);
            if rank.and_then(|r| self.ready.get(&r)).is_some_and(late)
                || self.delayed.get(&id).is_some_and(late)
            {
                self.remove(id);
                overdue.push(id);
            }
        }
        overdue
    }

    /// When [`advance`](Queue::advance) has something to do next.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.first().map(|&(at, _)| at)
    }

    /// Messages that wait.
    pub fn len(&self) -> usize {
        self.ranks.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }

    /// How many wait: codes, plain texts, and those among both whose time has not come.
    pub fn depths(&self) -> (usize, usize, usize) {
        (self.otp, self.ranks.len() - self.otp, self.delayed.len())
    }
}

impl Entry {
    fn fits(&self, modem: &str, now: Timestamp) -> bool {
        self.pinned.as_deref().is_none_or(|name| name == modem)
            && self.avoid.as_ref().is_none_or(|(name, until)| name != modem || now >= *until)
            && self.overdue_at.is_none_or(|at| now < at)
    }

    fn wakes(&self) -> impl Iterator<Item = Timestamp> + use<> {
        let avoid = self.avoid.as_ref().map(|&(_, until)| until);
        [Some(self.due_at), avoid, self.overdue_at].into_iter().flatten()
    }
}
