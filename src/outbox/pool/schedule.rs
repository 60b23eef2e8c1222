//! Whether the codes that wait can be met at the pace that the modems were seen to have; whether one more is let in; and
//! which are given up when they cannot all be met.
//!
//! - A code is let in when its modems are expected to begin it within `max_wait` and within its life. Once somebody had to
//!   be turned away, and until nobody was for a while, only as much waits as keeps the modems busy, and the places are
//!   kept for those whose turn it is (`schedule/turns.rs`). So who is let in is served in seconds. A modem of which no send was
//!   measured, as after a start, is taken for a slow one; while that is so of all of them, as many are let in as they can
//!   begin within their lives.
//! - The codes can be met when, sent in the order of their deadlines, each is begun before it is overdue. While that holds,
//!   this order stands.
//! - Once it does not hold (modems died, a limit of a SIM is used up), the newest code goes first, and those that would
//!   not be begun soon even so are given up at once, so that whoever waits is told. The order of deadlines stands again
//!   when all that waits would be begun within `max_wait`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use turns::Asker;
use turns::{Turn, Turns};

use super::Pool;
use crate::clock::Steady;
use crate::id::MessageId;
use crate::outbox::Message;
use crate::outbox::ledger::Periods;
use crate::outbox::load::Lane;
use crate::outbox::pace::{Supply, begins, begun};
use crate::outbox::queue::Order;

#[cfg(test)]
mod tests;
mod turns;

/// How long a code may wait for modems that are in service, unless the operator says otherwise.
pub const MAX_WAIT: Duration = Duration::from_secs(5);

/// How often the codes that wait are looked at, while they may be too many.
const REVIEWS: Duration = Duration::from_secs(1);
/// How far ahead is looked for the moment at which a modem may send again.
const FAR: Duration = Duration::from_secs(86_400);
/// So many times `max_wait` a code may wait for a modem that comes back, or for the rest of a backlog that cannot be met.
const LONG: u32 = 5;

/// A code that the modems could not carry in time, and when the next may be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// How long until then.
    pub retry_after: Duration,
}

/// How the codes that wait are looked at, and who was not let in.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    max_wait: Duration,
    /// When to look at the codes that wait.
    pub(super) review_at: Option<Steady>,
    reviewed_at: Steady,
    /// When a code of a lane was turned away last for which there was no time, whosever turn it was.
    refused_at: BTreeMap<Lane, Steady>,
    turns: Turns,
    given_up: Vec<MessageId>,
    /// How many modems of other hosts can send what waits here.
    elsewhere: usize,
}

impl Schedule {
    pub(super) fn new(max_wait: Duration) -> Self {
        Self { max_wait, ..Self::default() }
    }

    /// The codes that wait may be too many.
    fn doubt(&mut self, now: Steady) {
        let at = self.reviewed_at.plus(REVIEWS).max(now);
        self.review_at = Some(self.review_at.map_or(at, |known| known.min(at)));
    }

    /// Whether somebody was turned away lately from a lane.
    fn is_pressed(&self, lane: Lane, now: Steady) -> bool {
        self.refused_at.get(&lane).is_some_and(|&at| now.since(at) <= self.max_wait * 2)
    }
}

impl Pool {
    /// Sets how many modems of other hosts can send what waits here.
    pub fn set_elsewhere(&mut self, modems: usize) {
        self.schedule.elsewhere = modems;
    }

    /// Sets how long a code may wait for modems that are in service.
    pub fn set_max_wait(&mut self, max_wait: Duration) {
        self.schedule.max_wait = max_wait;
    }

    /// Tells how long a part took in the modem before the start.
    pub fn recall_pace(&mut self, modem: usize, part: Option<Duration>) {
        self.members[modem].pace.recall(part);
    }

    /// Lets a code in, for which a place is kept from then on, or says when to come back. `recipient` is its number as a
    /// keyed hash.
    pub fn admit(&mut self, m: &Message, asker: &Asker, recipient: u64, now: Steady) -> Result<(), Overload> {
        let refused = self.refusal(m, asker, recipient, now);
        self.schedule.turns.asks(asker, now);
        let Some(refusal) = refused else {
            self.schedule.turns.let_in(asker, recipient, now);
            self.queue.promise(m, now);
            return Ok(());
        };
        self.schedule.turns.told(asker, recipient, now.plus(refusal.retry_after));
        if !refusal.is_kept {
            let lane = self.queue.lane(&m.to);
            self.schedule.refused_at.insert(lane, now);
        }
        self.schedule.doubt(now);
        Err(Overload { retry_after: refusal.retry_after })
    }

    /// Whether a code would be let in at this moment; no place is kept for it.
    pub fn would_admit(
        &mut self,
        m: &Message,
        asker: &Asker,
        recipient: u64,
        now: Steady,
    ) -> Result<(), Overload> {
        let refused = self.refusal(m, asker, recipient, now);
        refused.map_or(Ok(()), |refusal| Err(Overload { retry_after: refusal.retry_after }))
    }

    fn refusal(&mut self, m: &Message, asker: &Asker, recipient: u64, now: Steady) -> Option<Refusal> {
        self.queue.lapse(now);
        let (t, lane) = (self.periods(now), self.queue.lane(&m.to));
        let ends_at = m.deadline.map(|deadline| deadline.instant(self.queue.ahead()));
        let latest = ends_at.map_or(now.plus(FAR), |end| end.minus(self.queue.min_life()));
        let turn = self.schedule.turns.of(asker, recipient, now);
        let refusals = self.expectations(lane, &t).into_iter().filter_map(|expected| {
            let (wait, overdue) = (expected.begins_at.since(expected.open_at), expected.begins_at > latest);
            let refusal = || Refusal {
                retry_after: expected.retry_after(recipient, latest, now),
                is_kept: !overdue && wait <= expected.room.least,
            };
            (overdue || wait > expected.room.of(turn)).then(refusal)
        });
        refusals.reduce(|a, b| Refusal {
            retry_after: a.retry_after.max(b.retry_after),
            is_kept: a.is_kept && b.is_kept,
        })
    }

    /// In which order codes go.
    pub fn order(&self) -> Order {
        self.queue.order()
    }

    /// The codes that were given up since the last call.
    pub fn take_given_up(&mut self) -> Vec<MessageId> {
        std::mem::take(&mut self.schedule.given_up)
    }

    /// What waits, or what the modems can carry, is not what it was: the codes that wait are looked at soon, when more of
    /// them wait in a lane than begin soon.
    pub(super) fn doubt(&mut self, t: &Periods) {
        if self.schedule.review_at.is_some() {
            return;
        }
        let (soon, load) = (t.now.plus(self.schedule.max_wait), self.queue.load());
        let many = load.lanes().any(|lane| {
            let group = self.supplies(load.modems(lane), t);
            !group.is_empty() && begun(&group, soon, t) < load.parts(lane)
        });
        if many {
            self.schedule.doubt(t.now);
        }
    }

    /// Looks at the codes that wait, when it is time to: chooses their order, and gives up those that cannot be met.
    pub(super) fn review(&mut self, t: &Periods) {
        if self.schedule.review_at.is_none_or(|at| at > t.now) {
            return;
        }
        (self.schedule.review_at, self.schedule.reviewed_at) = (None, t.now);
        let soon = t.now.plus(self.schedule.max_wait);
        let groups = self.groups().into_iter();
        let long: Vec<_> =
            groups.filter(|group| begun(&self.of(group, t), soon, t) < self.parts(group, t)).collect();
        if long.iter().any(|group| !self.can_be_met(group, t)) {
            self.queue.set_order(Order::Newest);
        } else if long.is_empty() {
            self.queue.set_order(Order::EarliestDeadline);
            return;
        }
        if self.queue.order() == Order::Newest {
            for group in &long {
                self.give_up(group, t);
            }
        }
        self.schedule.doubt(t.now);
    }

    /// Whether all codes that only these modems may carry are begun before they are overdue, when the one with the
    /// earliest deadline goes first.
    fn can_be_met(&self, group: &Group, t: &Periods) -> bool {
        let (modems, load) = (self.of(group, t), self.queue.load());
        let mut seconds = BTreeMap::<u64, u64>::new();
        for (second, parts) in self.lanes(group, t).flat_map(|lane| load.seconds(lane)) {
            *seconds.entry(second).or_default() += parts;
        }
        let mut all = 0_u64;
        seconds.into_iter().all(|(second, parts)| {
            all = all.saturating_add(parts);
            begun(&modems, Steady::from_millis(second.saturating_mul(1000)), t) >= all
        })
    }

    /// Gives up the codes that would not be begun soon, and before they are overdue, when the newest goes first.
    fn give_up(&mut self, group: &Group, t: &Periods) {
        let modems = self.of(group, t);
        let lanes: BTreeSet<_> = self.lanes(group, t).collect();
        let soon = t.now.plus(self.schedule.max_wait * LONG);
        let (mut parts, mut lost) = (0_u64, Vec::new());
        for entry in self.queue.newest() {
            let item = entry.item();
            if !lanes.contains(&item.lane) {
                continue;
            }
            if entry.twin_of.is_some() || begun(&modems, soon.min(item.overdue_at), t) > parts {
                parts = parts.saturating_add(item.parts);
            } else {
                lost.push(entry.id);
            }
        }
        for id in lost {
            self.queue.remove(id);
            self.schedule.given_up.push(id);
        }
    }

    /// When the next code of a lane would begin, for each group of modems that it competes for.
    fn expectations(&self, lane: Lane, t: &Periods) -> Vec<Expected> {
        let load = self.queue.load();
        let modems = load.modems(lane);
        if self.supplies(modems, t).is_empty() {
            if self.schedule.elsewhere > 0 {
                return Vec::new();
            }
            // Nobody knows when one comes back. What waits for it is kept short all the same.
            let away: Vec<_> = modems.iter().map(|&modem| self.members[modem].supply_when_back(t)).collect();
            return self.expected(lane, &away, load.parts(lane), LONG, t).into_iter().collect();
        }
        let groups = self.groups_with(modems).into_iter();
        let expected = |group| self.expected(lane, &self.of(&group, t), self.parts(&group, t), 1, t);
        groups.filter_map(expected).collect()
    }

    fn expected(
        &self,
        lane: Lane,
        modems: &[Supply<'_>],
        waits: u64,
        times: u32,
        t: &Periods,
    ) -> Option<Expected> {
        let first = modems.iter().map(|supply| supply.open_at).min()?;
        let modems: Vec<_> = modems.iter().map(|supply| supply.with_care()).collect();
        let idle: Vec<_> =
            modems.iter().map(|supply| Supply { free_at: supply.open_at, ..*supply }).collect();
        let open_at = begins(&idle, 1, first.plus(FAR), t).unwrap_or(first);
        let part = modems.iter().filter_map(|supply| supply.part).min().unwrap_or_default();
        // What keeps the modems busy: one code behind the one on the air, however slow the modem is.
        let least = part.max(self.schedule.max_wait / 4);
        let most = (self.schedule.max_wait * times).max(least);
        let begins_at = begins(&modems, waits.saturating_add(1), open_at.plus(FAR), t);
        let most = if !modems.iter().any(|supply| supply.is_measured) {
            Some(FAR)
        } else if self.schedule.is_pressed(lane, t.now) {
            None
        } else {
            Some(most)
        };
        let room = Room { most, least };
        Some(Expected { open_at, begins_at: begins_at.unwrap_or(open_at.plus(FAR)), room })
    }

    /// The groups of modems that codes compete for: each lane, and each two lanes together. A code whose lane shares
    /// modems with another one waits as long as the slower of its lane and of both together.
    fn groups(&self) -> BTreeSet<Group> {
        let load = self.queue.load();
        load.lanes().flat_map(|lane| self.groups_with(load.modems(lane))).collect()
    }

    fn groups_with(&self, lane: &[usize]) -> BTreeSet<Group> {
        let load = self.queue.load();
        let others = load.lanes().map(|other| lane.iter().chain(load.modems(other)).copied().collect());
        others.chain([lane.iter().copied().collect()]).collect()
    }

    /// The lanes with codes that only modems of this group may carry, one of which at least is in service.
    fn lanes<'a>(&'a self, group: &'a Group, t: &'a Periods) -> impl Iterator<Item = Lane> + 'a {
        let load = self.queue.load();
        load.lanes().filter(move |&lane| {
            let modems = load.modems(lane);
            modems.iter().all(|modem| group.contains(modem)) && !self.supplies(modems, t).is_empty()
        })
    }

    fn parts(&self, group: &Group, t: &Periods) -> u64 {
        self.lanes(group, t).map(|lane| self.queue.load().parts(lane)).sum()
    }

    /// The modems of a group that are in service.
    fn of(&self, group: &Group, t: &Periods) -> Vec<Supply<'_>> {
        self.with_others(group.iter().filter_map(|&modem| self.members[modem].supply(t)).collect())
    }

    fn supplies(&self, modems: &[usize], t: &Periods) -> Vec<Supply<'_>> {
        self.with_others(modems.iter().filter_map(|&modem| self.members[modem].supply(t)).collect())
    }

    /// What waits here also waits at the other hosts, whose modems are taken to be like these.
    fn with_others<'a>(&self, own: Vec<Supply<'a>>) -> Vec<Supply<'a>> {
        let others = if own.is_empty() { 0 } else { self.schedule.elsewhere };
        let copies: Vec<_> = own.iter().copied().cycle().take(others).collect();
        own.into_iter().chain(copies).collect()
    }
}

/// Modems that some codes compete for.
type Group = BTreeSet<usize>;

/// When the next code would begin.
struct Expected {
    begins_at: Steady,
    /// When the limits of the SIMs and the breakers let the first of its modems send.
    open_at: Steady,
    room: Room,
}

/// How long after its modems may send a code may begin.
struct Room {
    /// While nobody was turned away.
    most: Option<Duration>,
    /// How long it may be at least, so that the modems are busy.
    least: Duration,
}

impl Room {
    /// For whom it is. Once somebody was turned away, those whose turn it is not come only into the place that would be
    /// empty else: whoever asks most often finds each place first that is open to all.
    fn of(&self, turn: Turn) -> Duration {
        match (self.most, turn) {
            (Some(most), Turn::Any) => most,
            (Some(most), Turn::Back | Turn::Modest) => most + self.least,
            (None, Turn::Any) => self.least / 2,
            (None, Turn::Back) => self.least * 3 / 2,
            (None, Turn::Modest) => self.least * 5 / 2,
        }
    }
}

/// Why a code is not let in.
struct Refusal {
    retry_after: Duration,
    /// There is a place, which is kept for those whose turn it is.
    is_kept: bool,
}

impl Expected {
    /// How long until the next code may be let in; spread, so that not all come back at once.
    fn retry_after(&self, recipient: u64, latest: Steady, now: Steady) -> Duration {
        let queue = self.begins_at.since(self.open_at).saturating_sub(self.room.of(Turn::Back));
        let limits =
            if self.open_at > latest { self.open_at.since(now) } else { self.begins_at.since(latest) };
        let spread = u64::try_from(self.room.least.as_millis()).unwrap_or(u64::MAX).max(1);
        let place = (recipient ^ now.as_millis().wrapping_mul(0x9E37_79B9_7F4A_7C15)) % spread;
        queue.max(limits).saturating_add(Duration::from_millis(place)).max(Duration::from_secs(1))
    }
}
