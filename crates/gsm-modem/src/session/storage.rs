//! What is known of a modem's storages between two errands, and which errand is next.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::SimNames;
use crate::at::{Charset, Kind, Usage, first_text, storage, usages};
use crate::secret::Secret;
use crate::snapshot::Place;

/// How many places may wait to be read or emptied; a listing finds again those that have no room.
pub(super) const QUEUE: usize = 256;
/// The shortest time between two listings that are caused by codes without a place.
const LISTING_GAP: Duration = Duration::from_secs(10);

/// One command about a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Errand {
    /// In text mode: sets this alphabet.
    Charset(Charset),
    /// Makes this storage mem1.
    Select(String),
    /// Asks how full the storage is.
    Usage,
    /// Lists all of mem1.
    List,
    /// Reads one place that a code named, or that was not read completely.
    Read(Place, Kind),
    /// Reads one place after the other, where there is no list or the list lacks some.
    Walk(Place),
    /// Deletes a message that the subscriber has stored.
    Delete(Place),
}

/// What is known of the storages.
#[derive(Debug, Default)]
pub(super) struct Storage {
    pub(super) memories: Memories,
    pub(super) work: Work,
    /// Messages that the subscriber holds, and since when.
    pub(super) announced: Vec<(Place, Instant)>,
    /// Messages of the modem's own, and places that hold none, which are in the way when the storage is full.
    pub(super) own: Vec<Place>,
    /// Octets that were not as many as announced, and how often such octets were read there.
    pub(super) suspects: Vec<(Place, Secret<Vec<u8>>, u8)>,
    /// The SIM whose messages are read; `None` while its names are unknown.
    pub(super) sim: Option<SimNames>,
    /// The SIM whose messages were announced.
    announced_of: Option<SimNames>,
    /// Messages that were handed over before the SIM's names were known.
    pub(super) early: VecDeque<(Kind, Secret<Vec<u8>>)>,
    pub(super) codes: Codes,
    /// How often the modem wrote text instead of PDUs.
    pub(super) texts: u8,
}

/// Which storages there are.
#[derive(Debug, Default)]
pub(super) struct Memories {
    /// All storages that are listed, the one for new messages first; empty when the modem does not name them.
    pub(super) known: Vec<String>,
    /// mem1, from which messages are read and deleted; `None` when the modem does not name it.
    pub(super) current: Option<String>,
    /// mem2 and mem3 as they are in use.
    others: Vec<String>,
    /// Storages that could not be chosen, or are not read, until the next listing.
    pub(super) barred: Vec<String>,
    /// Storages that the modem does not list.
    pub(super) unlisted: Vec<String>,
    /// The modem wants mem2 and mem3 to be given along with mem1.
    pub(super) wants_all: bool,
    /// Messages in mem1, and how many it holds.
    pub(super) usage: Option<(u32, u32)>,
    /// How many messages were counted and how many listed when the places were read one by one.
    pub(super) walked: Option<(u32, u32)>,
}

/// The work that waits.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) reads: VecDeque<(Place, Kind)>,
    pub(super) discards: VecDeque<Place>,
    listing: Option<Listing>,
    listed_at: Option<Instant>,
    /// When the next listing is due.
    pub(super) due: Option<Instant>,
    /// Nothing is done before this instant.
    pub(super) hold: Option<Instant>,
    /// How often in a row the SIM was busy.
    pub(super) busy: u8,
    /// A place that a code named could not be read.
    pub(super) missed: bool,
    /// There were more messages than the subscriber can hold.
    pub(super) more: bool,
    /// A storage is full.
    pub(super) full: bool,
}

/// How the modem reports new messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Codes {
    /// By an unsolicited code, as far as is known.
    #[default]
    Told,
    /// The modem refuses to while its storage is full.
    WaitForRoom,
    /// The modem refused every way, and is asked again some time later.
    Refused {
        /// When it refused.
        at: Instant,
    },
}

#[derive(Debug)]
struct Listing {
    left: VecDeque<String>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Usage,
    List,
    Walk(Walk),
}

/// Place after place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Walk {
    pub(super) next: u32,
    pub(super) found: u32,
}

impl Storage {
    /// The device restarted: it is unknown which SIM is in it.
    pub(super) fn sim_unknown(&mut self) {
        self.sim = None;
    }

    /// Forgets what a restart of the modem loses. Messages of another SIM are other messages.
    pub(super) fn begins(&mut self, now: Instant) {
        if self.sim != self.announced_of {
            self.announced.clear();
            self.work.discards.clear();
            self.suspects.clear();
        }
        self.announced_of.clone_from(&self.sim);
        self.own.clear();
        self.memories = Memories::default();
        let (reads, discards) =
            (std::mem::take(&mut self.work.reads), std::mem::take(&mut self.work.discards));
        self.work = Work { reads, discards, due: Some(now), ..Work::default() };
    }

    /// When there is something to do, if ever.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let work = &self.work;
        let waiting = !work.reads.is_empty() || !work.discards.is_empty() || work.listing.is_some();
        let due = if waiting { Some(now) } else { work.due };
        due.map(|due| work.hold.map_or(due, |hold| due.max(hold)))
    }

    /// Lists the storages soon: something was not where a code said.
    pub(super) fn list_soon(&mut self, wait: Duration, now: Instant) {
        let work = &mut self.work;
        let soon = now + wait;
        let soon = work.listed_at.map_or(soon, |listed| soon.max(listed + LISTING_GAP));
        work.due = Some(work.due.map_or(soon, |due| due.min(soon)));
    }

    pub(super) fn next(&mut self, now: Instant) -> Option<Errand> {
        let work = &mut self.work;
        if let Some((place, kind)) = work.reads.front().cloned() {
            if let Some(select) = self.memories.to_select(&place.0) {
                return Some(select);
            }
            work.reads.pop_front();
            return Some(Errand::Read(place, kind));
        }
        let current = self.memories.current.as_ref();
        let near = work.discards.iter().position(|place| Some(&place.0) == current);
        if let Some(at) = near.or_else(|| (!work.discards.is_empty()).then_some(0)) {
            let select = self.memories.to_select(&work.discards[at].0);
            return select.or_else(|| work.discards.remove(at).map(Errand::Delete));
        }
        if work.listing.is_none() && work.due.is_some_and(|due| due <= now) {
            work.due = None;
            work.more = false;
            // A storage that could not be chosen before may be chosen now.
            self.memories.barred.clear();
            self.memories.unlisted.clear();
            self.suspects.iter_mut().for_each(|(.., times)| *times = 0);
            let mut left: VecDeque<_> = self.memories.known.iter().cloned().collect();
            if left.is_empty() {
                // The storage is listed even when its name is unknown.
                left.push_back(self.memories.current.clone().unwrap_or_default());
            }
            work.listing = Some(Listing { left, stage: Stage::Usage });
        }
        self.next_of_listing()
    }

    fn next_of_listing(&mut self) -> Option<Errand> {
        loop {
            let listing = self.work.listing.as_ref()?;
            let Some(storage) = listing.left.front().cloned() else {
                // The next message that a code names lies most likely in the storage for new messages.
                let new = self.memories.known.first();
                let new = new.filter(|new| !self.memories.barred.contains(*new))?;
                return self.memories.to_select(new);
            };
            if self.memories.barred.contains(&storage) {
                self.storage_done();
                continue;
            }
            if let Some(select) = self.memories.to_select(&storage) {
                return Some(select);
            }
            match listing.stage {
                Stage::Usage => return Some(Errand::Usage),
                Stage::List if !self.memories.unlisted.contains(&storage) => return Some(Errand::List),
                Stage::List => self.set_stage(Stage::Walk(Walk::default())),
                Stage::Walk(walk) => match self.memories.usage {
                    Some((used, total)) if walk.next <= total && walk.found < used => {
                        return Some(Errand::Walk((storage, walk.next)));
                    }
                    _ => self.storage_done(),
                },
            }
        }
    }

    /// Ends the listing, if one was in progress. Returns whether the storage was full and gave nothing.
    pub(super) fn end_listing(&mut self, next: Duration, now: Instant) -> bool {
        if self.work.listing.take().is_none() {
            return false;
        }
        let next = now + next;
        let work = &mut self.work;
        work.listed_at = Some(now);
        work.due = Some(work.due.map_or(next, |due| due.min(next)));
        std::mem::take(&mut work.full) && work.discards.is_empty() && self.announced.is_empty()
    }

    pub(super) fn set_stage(&mut self, stage: Stage) {
        if let Some(listing) = &mut self.work.listing {
            listing.stage = stage;
        }
    }

    pub(super) fn stage_mut(&mut self) -> Option<&mut Stage> {
        self.work.listing.as_mut().map(|listing| &mut listing.stage)
    }

    /// Whether the listing is about to look at this storage.
    pub(super) fn lists(&self, name: &str) -> bool {
        self.work.listing.as_ref().is_some_and(|listing| {
            listing.stage == Stage::Usage && listing.left.front().is_some_and(|front| front == name)
        })
    }

    /// The storage that was listed without a name now has one.
    pub(super) fn name_the_listing(&mut self) {
        if let (Some(listing), Some(current)) = (&mut self.work.listing, &self.memories.current)
            && let Some(front) = listing.left.front_mut()
        {
            front.clone_from(current);
        }
    }

    /// Goes on to the next storage of the listing. The modem's own messages are deleted where room is short.
    pub(super) fn storage_done(&mut self) {
        let own = std::mem::take(&mut self.own);
        if self.work.full || self.memories.is_short() {
            self.work.discards.extend(own);
        }
        if let Some(listing) = &mut self.work.listing {
            listing.left.pop_front();
            listing.stage = Stage::Usage;
        }
    }

    /// The storage cannot be chosen now.
    pub(super) fn bar(&mut self, storage: &str) {
        self.memories.barred.push(storage.to_owned());
        let before = self.work.reads.len();
        self.work.reads.retain(|(place, _)| place.0 != storage);
        self.work.discards.retain(|place| place.0 != storage);
        self.work.missed |= self.work.reads.len() < before;
    }

    /// Nothing more is read until the next listing; messages that were read are still deleted.
    pub(super) fn bar_all(&mut self) {
        let reads = std::mem::take(&mut self.work.reads).into_iter().map(|((storage, _), _)| storage);
        let memories = &mut self.memories;
        let left = self.work.listing.iter().flat_map(|listing| listing.left.iter().cloned());
        let names = memories.known.iter().cloned().chain(memories.current.clone()).chain(reads).chain(left);
        memories.barred.extend(names.collect::<Vec<_>>());
    }

    /// Adds a place to read; when there is no room for it, a listing finds it.
    pub(super) fn read_soon(&mut self, place: Place, kind: Kind) {
        let work = &mut self.work;
        work.reads.retain(|(known, _)| *known != place);
        if work.reads.len() < QUEUE {
            work.reads.push_back((place, kind));
        } else {
            work.more = true;
        }
    }
}

impl Memories {
    pub(super) fn chosen(known: Vec<String>, current: Option<String>, others: Vec<String>) -> Self {
        Self { known, current, others, ..Self::default() }
    }

    /// mem1, mem2 and mem3, from a modem that had not named them before.
    pub(super) fn learn(&mut self, in_use: &[String]) {
        let new = in_use.get(2).or_else(|| in_use.first());
        self.known = new.into_iter().cloned().collect();
        if let Some(first) = in_use.first().filter(|first| !self.known.contains(first)) {
            self.known.push(first.clone());
        }
        self.current = in_use.first().cloned();
        self.others = in_use.iter().skip(1).cloned().collect();
    }

    /// The errand that has to come first; `None` when that storage is mem1 already.
    fn to_select(&self, storage: &str) -> Option<Errand> {
        let there = self.current.as_deref() == Some(storage);
        // A modem that has no `+CPMS` has one storage, whatever name its codes use.
        (!there && self.current.is_some()).then(|| Errand::Select(storage.to_owned()))
    }

    /// The names for `AT+CPMS` that make `name` mem1.
    pub(super) fn names(&self, name: &str) -> Vec<String> {
        let mut names = vec![name.to_owned()];
        if self.wants_all {
            names.extend(self.others.iter().cloned());
            let new = self.known.first().cloned();
            names.extend(new.into_iter().cycle().take(3_usize.saturating_sub(names.len())));
        }
        names
    }

    /// Whether the storage in use is left unread.
    pub(super) fn is_barred(&self) -> bool {
        !self.barred.is_empty() && self.current.as_ref().is_none_or(|current| self.barred.contains(current))
    }

    pub(super) fn is_full(&self) -> bool {
        self.usage.is_some_and(|(used, total)| total > 0 && used >= total)
    }

    /// Whether little room is left: three quarters are taken.
    fn is_short(&self) -> bool {
        self.usage.is_some_and(|(used, total)| used.saturating_mul(4) >= total.saturating_mul(3))
    }
}

/// mem1, mem2 and mem3 as `+CPMS:` gives them; when the modem does not say how full they are, the first one.
pub(super) fn storages_in_use(body: &str) -> Vec<String> {
    let in_use: Vec<_> = usages(body).into_iter().filter_map(|usage| usage.storage).collect();
    let first = || storage(first_text(body)).filter(|_| body.contains(','));
    if in_use.is_empty() { first().into_iter().collect() } else { in_use }
}

impl Storage {
    pub(super) fn usage_known(&mut self, usage: Option<&Usage>) {
        self.memories.usage = usage.map(|usage| (usage.used, usage.total));
        self.work.full |= self.memories.is_full();
        // Some modems count none although there are some: the list shows them.
        self.set_stage(Stage::List);
    }

    /// The list ended. If the modem counts more messages than it lists, the places are read one by one.
    pub(super) fn listed(&mut self, heads: u32) {
        let lacking = self.memories.usage.filter(|(used, _)| *used > heads);
        match lacking {
            Some((used, _)) if self.memories.walked != Some((used, heads)) => {
                self.memories.walked = Some((used, heads));
                self.set_stage(Stage::Walk(Walk::default()));
            }
            _ => self.storage_done(),
        }
    }

    /// The modem gives no list: its places are read one by one.
    pub(super) fn list_refused(&mut self) {
        self.memories.unlisted.extend(self.memories.current.clone());
        self.set_stage(Stage::Walk(Walk::default()));
    }

    pub(super) fn walked_on(&mut self, found: bool) {
        if let Some(Stage::Walk(walk)) = self.stage_mut() {
            walk.next += 1;
            walk.found += u32::from(found);
        }
    }
}
