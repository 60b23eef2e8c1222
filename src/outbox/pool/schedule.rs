//! Whether the codes that wait can be met at the pace that the modems were seen to have; whether one more is let in; and
//! which are given up when they cannot all be met.
//!
//! - A code is let in when its modems are expected to begin it within `max_wait` and within its life. Once somebody had to
//!   be turned away, and until nobody was for a while, only as much waits as keeps the modems busy. So who is let in is
//!   served in seconds.
//! - The codes can be met when, sent in the order of their deadlines, each is begun before it is overdue. While that holds,
//!   this order stands.
//! - Once it does not hold (modems died, a limit of a SIM is used up), the newest code goes first, and those that would
//!   not be begun soon even so are given up at once, so that whoever waits is told. The order of deadlines stands again
//!   when all that waits would be begun within `max_wait`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Pool;
use super::member::Member;
use crate::clock::Timestamp;
use crate::id::MessageId;
use crate::outbox::Message;
use crate::outbox::ledger::Periods;
use crate::outbox::load::Lane;
use crate::outbox::pace::{Supply, begins, begun};
use crate::outbox::queue::Order;

/// How often the codes that wait are looked at, while they may be too many.
const REVIEWS: Duration = Duration::from_secs(1);
/// How far ahead is looked for the moment at which a modem may send again.
const FAR: Duration = Duration::from_secs(86_400);
/// How long a recipient who was told to come back has a better chance.
const BACK: Duration = Duration::from_secs(30);
/// Recipients that are remembered as told to come back.
const TOLD: usize = 4096;
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
    pub(super) review_at: Option<Timestamp>,
    reviewed_at: Timestamp,
    /// When a code was turned away last.
    refused_at: Option<Timestamp>,
    /// The recipients that were told to come back, and when.
    told: BTreeMap<u64, Timestamp>,
    given_up: Vec<MessageId>,
}

impl Schedule {
    pub(super) fn new(max_wait: Duration) -> Self {
        Self { max_wait, ..Self::default() }
    }

    /// The codes that wait may be too many.
    fn doubt(&mut self, now: Timestamp) {
        let next = self.reviewed_at.plus(REVIEWS);
        // After the clock was set back the last look is in the future.
        let at = if self.reviewed_at > now { now } else { next.max(now) };
        self.review_at = Some(self.review_at.map_or(at, |known| known.min(at)));
    }

    /// Whether somebody was turned away lately.
    fn is_pressed(&self, now: Timestamp) -> bool {
        self.refused_at.is_some_and(|at| at <= now && now.since(at) <= self.max_wait * 2)
    }

    /// Whether this recipient does what it was told.
    fn comes_back(&self, recipient: u64, now: Timestamp) -> bool {
        self.told.get(&recipient).is_some_and(|&at| at <= now && now.since(at) <= BACK)
    }

    fn tell(&mut self, recipient: u64, back_at: Timestamp, now: Timestamp) {
        if self.told.len() >= TOLD {
            self.told.retain(|_, at| *at > now || now.since(*at) <= BACK);
        }
        if self.told.len() < TOLD {
            self.told.insert(recipient, back_at);
        }
    }
}

impl Pool {
    /// Sets how long a code may wait for modems that are in service.
    pub fn set_max_wait(&mut self, max_wait: Duration) {
        self.schedule.max_wait = max_wait;
    }

    /// Lets a code in, for which a place is kept from then on, or says when to come back. `recipient` is its number as a
    /// keyed hash.
    ///
    /// A client that has no more than its share of what waits, and a recipient that comes back when it was told to, may
    /// wait longer by a part: so a client that floods leaves places for the others.
    pub fn admit(&mut self, m: &Message, recipient: u64, now: Timestamp) -> Result<(), Overload> {
        self.queue.lapse(now);
        let (t, lane) = (Periods::of(now), self.queue.lane(&m.to));
        let latest = m.deadline.map_or(now.plus(FAR), |deadline| deadline.minus(self.queue.min_life()));
        match self.expect(lane, &t) {
            Some(expected) => {
                let client = m.client.as_deref().map(std::sync::Arc::from);
                let (own, all, clients) = self.queue.load().share(client.as_ref());
                let favoured =
                    clients > 1 && own * clients <= all || self.schedule.comes_back(recipient, now);
                let room = if favoured { expected.room + expected.least } else { expected.room };
                let wait = expected.begins_at.since(expected.open_at);
                if wait > room || expected.begins_at > latest {
                    let retry_after = expected.retry_after(recipient, latest, now);
                    self.schedule.tell(recipient, now.plus(retry_after), now);
                    self.schedule.refused_at = Some(now);
                    self.schedule.doubt(now);
                    return Err(Overload { retry_after });
                }
            }
            // Nobody knows how long it takes.
            None => {}
        }
        self.schedule.told.remove(&recipient);
        self.queue.promise(m, now);
        Ok(())
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
            let waits = load.work(lane).map(|(_, parts)| parts).sum::<u64>();
            let group = self.supplies(load.modems(lane), t);
            !group.is_empty() && begun(&group, soon, t) < waits
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
        let groups = self.groups();
        let waits_too_long = |group: &BTreeSet<usize>| {
            let (modems, work) = self.group(group, t);
            let all = work.values().sum::<u64>();
            all > 0 && begun(&modems, t.now.plus(self.schedule.max_wait), t) < all
        };
        let long: Vec<_> = groups.into_iter().filter(waits_too_long).collect();
        if long.iter().any(|group| !self.can_be_met(group, t)) {
            self.queue.set_order(Order::Newest);
        } else if long.is_empty() {
            self.queue.set_order(Order::EarliestDeadline);
        }
        if self.queue.order() == Order::Newest {
            for group in &long {
                self.give_up(group, t);
            }
        }
        if !long.is_empty() || self.queue.order() == Order::Newest {
            self.schedule.doubt(t.now);
        }
    }

    /// Whether all codes that only these modems may carry are begun before they are overdue, when the one with the
    /// earliest deadline goes first.
    fn can_be_met(&self, group: &BTreeSet<usize>, t: &Periods) -> bool {
        let (modems, work) = self.group(group, t);
        let mut parts = 0_u64;
        work.into_iter().all(|(second, more)| {
            parts = parts.saturating_add(more);
            begun(&modems, Timestamp::from_millis(second.saturating_mul(1000)), t) >= parts
        })
    }

    /// Gives up the codes that would not be begun soon, and before they are overdue, when the newest goes first.
    fn give_up(&mut self, group: &BTreeSet<usize>, t: &Periods) {
        let (modems, _) = self.group(group, t);
        let soon = t.now.plus(self.schedule.max_wait * LONG);
        let (mut parts, mut lost) = (0_u64, Vec::new());
        for entry in self.queue.newest() {
            let item = entry.item();
            if !self.queue.load().modems(item.lane).iter().all(|modem| group.contains(modem)) {
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

    /// When the next code of a lane would begin; `None` when no modem of the lane is known well enough to tell.
    fn expect(&self, lane: Lane, t: &Periods) -> Option<Expected> {
        let modems = self.queue.load().modems(lane);
        let waits = |lane| self.queue.load().work(lane).map(|(_, parts)| parts).sum::<u64>();
        let here = self.supplies(modems, t);
        if here.is_empty() {
            // Nobody knows when one comes back. What waits for it is kept short all the same.
            let away: Vec<_> = modems.iter().map(|&modem| self.members[modem].supply_when_back(t)).collect();
            let known = !away.is_empty() && away.iter().all(|supply| supply.part.is_some());
            return known.then(|| self.expected(&away, waits(lane), LONG, t)).flatten();
        }
        let own: BTreeSet<_> = modems.iter().copied().collect();
        let groups = self.groups_with(&own);
        let expected = groups.iter().filter_map(|group| {
            let (modems, work) = self.group(group, t);
            self.expected(&modems, work.values().sum(), 1, t)
        });
        expected.max_by_key(|expected| expected.begins_at.since(expected.open_at))
    }

    fn expected(&self, group: &[Supply<'_>], waits: u64, times: u32, t: &Periods) -> Option<Expected> {
        let open_at = group.iter().map(|supply| supply.open_at).min()?;
        let part = group.iter().filter_map(|supply| supply.part).min().unwrap_or_default();
        // What keeps the modems busy: one code behind the one on the air, however slow the modem is.
        let least = part.max(self.schedule.max_wait / 4);
        let most = (self.schedule.max_wait * times).max(least);
        let begins_at = begins(group, waits.saturating_add(1), open_at.plus(FAR), t);
        Some(Expected {
            open_at,
            begins_at: begins_at.unwrap_or(open_at.plus(FAR)),
            room: if self.schedule.is_pressed(t.now) { least } else { most },
            least,
        })
    }

    /// The groups of modems that codes compete for: each lane, and each two lanes together. A lane whose codes may go
    /// through modems of another lane as well waits no longer than the group of both.
    fn groups(&self) -> BTreeSet<BTreeSet<usize>> {
        let load = self.queue.load();
        let lanes = load.lanes().map(|lane| load.modems(lane).iter().copied().collect::<BTreeSet<_>>());
        lanes.flat_map(|lane| self.groups_with(&lane)).collect()
    }

    fn groups_with(&self, lane: &BTreeSet<usize>) -> BTreeSet<BTreeSet<usize>> {
        let load = self.queue.load();
        let others = load.lanes().map(|other| lane.iter().chain(load.modems(other)).copied().collect());
        others.chain([lane.clone()]).collect()
    }

    /// The modems of a group that are in service, and the codes that only these may carry, by the second in which they are
    /// overdue.
    fn group(&self, group: &BTreeSet<usize>, t: &Periods) -> (Vec<Supply<'_>>, BTreeMap<u64, u64>) {
        let load = self.queue.load();
        let mut work = BTreeMap::new();
        for lane in load.lanes() {
            let modems = load.modems(lane);
            let within = modems.iter().all(|modem| group.contains(modem));
            if within && modems.iter().any(|&modem| self.members[modem].supply(t).is_some()) {
                for (second, parts) in load.work(lane) {
                    *work.entry(second).or_default() += parts;
                }
            }
        }
        let modems: Vec<_> = group.iter().copied().collect();
        (self.supplies(&modems, t), work)
    }

    fn supplies(&self, modems: &[usize], t: &Periods) -> Vec<Supply<'_>> {
        modems
            .iter()
            .filter_map(|&modem| self.members.get(modem).and_then(|m: &Member| m.supply(t)))
            .collect()
    }
}

/// When the next code would begin.
struct Expected {
    begins_at: Timestamp,
    /// When the limits of the SIMs and the breakers let the first of its modems send.
    open_at: Timestamp,
    /// How long after that it may begin.
    room: Duration,
    /// How long it may be at least, so that the modems are busy.
    least: Duration,
}

impl Expected {
    /// How long until the next code may be let in; spread, so that not all come back at once.
    fn retry_after(&self, recipient: u64, latest: Timestamp, now: Timestamp) -> Duration {
        let queue = self.begins_at.since(self.open_at).saturating_sub(self.room);
        let limits =
            if self.open_at > latest { self.open_at.since(now) } else { self.begins_at.since(latest) };
        let spread = u64::try_from(self.room.as_millis()).unwrap_or(u64::MAX).max(1);
        let place = (recipient ^ now.as_millis().wrapping_mul(0x9E37_79B9_7F4A_7C15)) % spread;
        queue.max(limits).saturating_add(Duration::from_millis(place)).max(Duration::from_secs(1))
    }
}
