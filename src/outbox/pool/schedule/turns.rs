//! Whose turn it is when more codes are asked for than the modems can carry. Who asks most often has no better chance:
//!
//! - A client that asks for no more than its share goes first. The share is what was let in lately by the number of clients
//!   that asked; a client that floods asks for more than that.
//! - A number that was told to come back, and comes back then, goes before those that never asked or come too early. One
//!   that had a code lately is not served before others, however often it comes back.
//! - All others go last.
//!
//! What is remembered is bounded, and none of it is on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use crate::clock::Steady;

/// Who asks for a code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Asker {
    /// The client, when it is known by a name.
    pub client: Option<String>,
    /// The user of a process that is no client of a name.
    pub user: Option<u32>,
}

/// Whose turn it is, the last first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// Nobody in particular.
    Any,
    /// A number that does what it was told.
    Back,
    /// A client that asks for no more than its share.
    Modest,
}

/// Who asked lately.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Which span `clients` is about, and what each client asked for in that and in the one before.
    span: u64,
    clients: BTreeMap<Asker, [Count; 2]>,
    /// When numbers of clients were told to come back.
    told: Memory,
    /// When numbers had codes.
    had: Memory,
}

/// The codes of one client in one span.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    asked: u32,
    let_in: u32,
}

/// Lately is this span and the one before.
const SPAN: Duration = Duration::from_secs(30);
/// How long after the time that it was told a number is there in time.
const IN_TIME: Duration = Duration::from_secs(5);
/// How long a number that had a code is served before nobody.
const HAD: Duration = Duration::from_secs(600);
/// Clients that are told apart.
const CLIENTS: usize = 256;

impl Turns {
    /// Whose turn it is when this client asks for a code to a number, which is a keyed hash.
    pub(super) fn of(&self, asker: &Asker, recipient: u64, now: Steady) -> Turn {
        if self.is_modest(asker, now) {
            return Turn::Modest;
        }
        let told = self.told.at(both(asker, recipient));
        let back = told.is_some_and(|at| at <= now && now.since(at) <= IN_TIME);
        let had = self.had.at(recipient).is_some_and(|at| now.since(at) <= HAD);
        if back && !had { Turn::Back } else { Turn::Any }
    }

    /// A client asks for a code.
    pub(super) fn asks(&mut self, asker: &Asker, now: Steady) {
        let count = self.count(asker, now);
        count.asked = count.asked.saturating_add(1);
    }

    /// It was let in.
    pub(super) fn let_in(&mut self, asker: &Asker, recipient: u64, now: Steady) {
        let count = self.count(asker, now);
        count.let_in = count.let_in.saturating_add(1);
        self.told.forget(both(asker, recipient));
        self.had.note(recipient, now);
    }

    /// It was told to come back then.
    pub(super) fn told(&mut self, asker: &Asker, recipient: u64, back_at: Steady) {
        self.told.note(both(asker, recipient), back_at);
    }

    /// Whether there are several clients, and this one asked for no more than its share.
    fn is_modest(&self, asker: &Asker, now: Steady) -> bool {
        let known = self
            .clients
            .iter()
            .map(|(client, counts)| (client, lately(*counts, span(now).saturating_sub(self.span))));
        let known: Vec<_> = known.filter(|(_, count)| count.asked > 0).collect();
        let own = known.iter().find(|(client, _)| *client == asker).map_or(0, |(_, count)| count.asked);
        let clients = known.len() + usize::from(own == 0);
        let let_in: u64 = known.iter().map(|(_, count)| u64::from(count.let_in)).sum();
        clients > 1 && u64::from(own).saturating_mul(clients as u64) <= let_in
    }

    fn count(&mut self, asker: &Asker, now: Steady) -> &mut Count {
        let passed = span(now).saturating_sub(self.span);
        if passed > 0 {
            self.clients.retain(|_, counts| {
                *counts = [Count::default(), if passed == 1 { counts[0] } else { Count::default() }];
                counts[1].asked > 0
            });
            self.span = span(now);
        }
        let is_known = self.clients.len() < CLIENTS || self.clients.contains_key(asker);
        // Whoever comes when there are so many is one of the rest.
        let asker = if is_known { asker.clone() } else { Asker::default() };
        &mut self.clients.entry(asker).or_default()[0]
    }
}

/// The number of the span of an instant.
fn span(at: Steady) -> u64 {
    at.as_millis() / 1000 / SPAN.as_secs()
}

/// What counts of two spans when so many have passed since.
fn lately([this, before]: [Count; 2], passed: u64) -> Count {
    match passed {
        0 => Count {
            asked: this.asked.saturating_add(before.asked),
            let_in: this.let_in.saturating_add(before.let_in),
        },
        1 => this,
        _ => Count::default(),
    }
}

/// A number of a client.
fn both(asker: &Asker, recipient: u64) -> u64 {
    let mut hash = DefaultHasher::new();
    (asker, recipient).hash(&mut hash);
    hash.finish()
}

/// Keyed hashes, each with its time; when there are too many, the one with the earliest is forgotten.
#[derive(Debug, Default)]
struct Memory {
    times: BTreeMap<u64, Steady>,
    order: BTreeSet<(Steady, u64)>,
}

/// So many are remembered.
const REMEMBERED: usize = 4096;

impl Memory {
    fn at(&self, of: u64) -> Option<Steady> {
        self.times.get(&of).copied()
    }

    fn note(&mut self, of: u64, at: Steady) {
        self.forget(of);
        self.times.insert(of, at);
        self.order.insert((at, of));
        if self.times.len() > REMEMBERED
            && let Some((_, earliest)) = self.order.pop_first()
        {
            self.times.remove(&earliest);
        }
    }

    fn forget(&mut self, of: u64) {
        if let Some(at) = self.times.remove(&of) {
            self.order.remove(&(at, of));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Steady = Steady::from_millis(1_780_000_020_000);

    fn after(seconds: u64) -> Steady {
        START.plus(Duration::from_secs(seconds))
    }

    fn named(client: &str) -> Asker {
        Asker { client: Some(client.to_owned()), user: None }
    }

    #[test]
    fn a_number_is_back_when_it_was_told_to_be_and_not_before_or_long_after() {
        let (mut turns, web) = (Turns::default(), named("web"));
        turns.told(&web, 1, after(3));
        let at = |turns: &Turns, seconds| turns.of(&web, 1, after(seconds));
        assert_eq!(
            [0, 2, 3, 8, 9].map(|s| at(&turns, s)),
            [Turn::Any, Turn::Any, Turn::Back, Turn::Back, Turn::Any]
        );
        assert_eq!(turns.of(&web, 2, after(3)), Turn::Any, "another number");
        assert_eq!(turns.of(&named("shop"), 1, after(3)), Turn::Any, "another client was told nothing");
        turns.told(&web, 1, after(5));
        assert_eq!(at(&turns, 3), Turn::Any, "who comes too early is told anew");
        turns.let_in(&web, 1, after(5));
        turns.told(&web, 1, after(6));
        assert_eq!((at(&turns, 6), at(&turns, 606)), (Turn::Any, Turn::Any), "it had a code");
        turns.told(&web, 1, after(606));
        assert_eq!(at(&turns, 606), Turn::Back);
    }

    #[test]
    fn a_client_that_asks_for_its_share_goes_first_and_one_that_floods_does_not() {
        let (mut turns, web, form) = (Turns::default(), named("web"), named("form"));
        for n in 0..30 {
            turns.asks(&form, START);
            if n < 6 {
                turns.let_in(&form, n, START);
            }
        }
        assert_eq!(turns.of(&form, 99, START), Turn::Any, "alone it has no share");
        for _ in 0..3 {
            assert_eq!(turns.of(&web, 99, START), Turn::Modest);
            turns.asks(&web, START);
        }
        assert_eq!((turns.of(&web, 99, START), turns.of(&form, 99, START)), (Turn::Modest, Turn::Any));
        turns.asks(&web, START);
        assert_eq!(turns.of(&web, 99, START), Turn::Any, "of six for two it asked for the fourth");
        let nobody = Asker { client: None, user: Some(7) };
        assert_eq!(turns.of(&nobody, 99, START), Turn::Modest, "a user of no name is one as well");
        turns.asks(&nobody, after(31));
        assert_eq!(turns.of(&form, 99, after(31)), Turn::Any, "what was in the span before counts");
        assert_eq!(turns.of(&form, 99, after(100)), Turn::Any, "long ago nobody asked");
        turns.asks(&nobody, after(100));
        assert_eq!(turns.clients.len(), 1);
    }

    #[test]
    fn whatever_asks_little_is_remembered() {
        let mut turns = Turns::default();
        for n in 0..10_000_u32 {
            let asker = Asker { client: None, user: Some(n) };
            turns.asks(&asker, START);
            turns.told(&asker, u64::from(n), after(u64::from(n)));
            turns.let_in(&asker, u64::from(n), START);
        }
        assert!(turns.clients.len() <= CLIENTS + 1);
        for memory in [&turns.told, &turns.had] {
            assert!(memory.times.len() <= REMEMBERED && memory.times.len() == memory.order.len());
        }
        for n in 0..10_000 {
            turns.told(&named("web"), n, after(n));
        }
        assert_eq!(turns.told.times.len(), REMEMBERED);
        assert_eq!(
            (turns.told.at(both(&named("web"), 0)), turns.told.at(both(&named("web"), 9999))),
            (None, Some(after(9999)))
        );
    }
}
