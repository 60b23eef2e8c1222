//! What stretches of a table hold, in memory, so that a listing passes over those that have nothing of what it looks for.
//! Of some 64 records each stretch has an outline: the statuses that occur among them, and a filter of their numbers.
//!
//! Nothing of it is on disk, and nothing is lost with it: a stretch without an outline is read, and has one from then on.
//! A change takes the outline from its stretch. A thread (`store`) reads those that have none.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use super::StoreError;
use super::engine::Order;
use super::keys::Key;
use super::records::Records;
use super::table::Table;
use crate::clock::{Life, Now, Steady, Timestamp};
use crate::phone::PhoneNumber;

/// Records of a stretch, or up to twice as many.
const LENGTH: usize = 64;
/// Octets of a filter of numbers, and bits for each of them: of a thousand stretches of this length two are read for nothing.
const FILTER: usize = 128;
const BITS: u64 = 5;

/// Octets of an id.
type Id = [u8; 16];

/// A record as far as outlines tell of it.
pub(super) struct Shape<'a> {
    /// Its status, below 8.
    pub(super) status: u8,
    pub(super) to: &'a PhoneNumber,
    /// The life that ends by itself.
    pub(super) life: Option<Life>,
}

/// What is looked for.
pub(super) struct Like {
    /// The statuses on disk that it may have, a bit for each.
    pub(super) statuses: u8,
    /// Only what lives no more by this time has it as well.
    pub(super) over: Option<Now>,
    /// The number.
    pub(super) to: Option<PhoneNumber>,
}

/// What some records hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outline {
    statuses: u8,
    numbers: [u8; FILTER],
    /// The first end of a life among them, by either clock.
    ends: Option<(Timestamp, Steady)>,
}

impl Like {
    /// No record is like this: whoever looks for it reads what has no outline.
    pub(super) fn nothing() -> Self {
        Self { statuses: 0, over: None, to: None }
    }
}

impl Outline {
    const EMPTY: Self = Self { statuses: 0, numbers: [0; FILTER], ends: None };

    fn add(&mut self, shape: &Shape<'_>) {
        self.statuses |= 1 << shape.status;
        for (octet, bit) in bits(shape.to) {
            self.numbers[octet] |= bit;
        }
        if let Some(life) = shape.life {
            let (wall, steady) = (life.stored().0, life.place());
            let (first, soonest) = self.ends.unwrap_or((wall, steady));
            self.ends = Some((first.min(wall), soonest.min(steady)));
        }
    }

    /// Whether one of them may be like this.
    fn may_have(&self, like: &Like) -> bool {
        let over = |now: &Now| {
            self.ends
                .is_some_and(|(wall, steady)| wall <= now.wall().max(now.date()) || steady <= now.steady())
        };
        let known = |to: &PhoneNumber| bits(to).all(|(octet, bit)| self.numbers[octet] & bit != 0);
        (self.statuses & like.statuses != 0 || like.over.as_ref().is_some_and(over))
            && like.to.as_ref().is_none_or(known)
    }
}

/// The places of a number in a filter: an octet, and its bit.
fn bits(to: &PhoneNumber) -> impl Iterator<Item = (usize, u8)> {
    let mut hasher = DefaultHasher::new();
    to.as_str().hash(&mut hasher);
    let hash = hasher.finish();
    let (first, step) = (hash >> 32, hash | 1);
    (0..BITS).map(move |n| {
        let place = first.wrapping_add(n.wrapping_mul(step)) % (FILTER as u64 * 8);
        (usize::try_from(place / 8).unwrap_or(0), 1 << (place % 8))
    })
}

/// The records from one id up to where the next stretch begins.
#[derive(Debug)]
struct Stretch {
    /// The number of its last change.
    changed: u64,
    outline: Option<Outline>,
}

/// The outlines of one table.
#[derive(Debug)]
pub(super) struct Outlines(RwLock<Stretches>);

#[derive(Debug)]
struct Stretches {
    by_first: BTreeMap<Id, Stretch>,
    changes: u64,
}

/// A stretch that has to be read: its ends, and its last change.
struct Unread {
    first: Id,
    end: Option<Id>,
    /// It is read from its end on, or only from where a listing begins.
    from_end: bool,
    changed: u64,
}

impl Default for Outlines {
    fn default() -> Self {
        let all = Stretch { changed: 0, outline: None };
        Self(RwLock::new(Stretches { by_first: BTreeMap::from([([0; 16], all)]), changes: 0 }))
    }
}

impl Outlines {
    /// Records with these ids were changed.
    pub(super) fn change(&self, ids: Vec<Id>) {
        let mut stretches = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            stretches.changes += 1;
            let changes = stretches.changes;
            if let Some((_, stretch)) = stretches.by_first.range_mut(..=id).next_back() {
                *stretch = Stretch { changed: changes, outline: None };
            }
        }
    }

    /// Of what is older than `before`, the newest stretch that may have something like this.
    fn next(&self, before: Option<Id>, like: &Like) -> Option<Unread> {
        let stretches = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut end = match before {
            Some(before) => stretches.by_first.range(before..).next().map(|(first, _)| *first),
            None => None,
        };
        let upto = before.map_or(Bound::Unbounded, Bound::Excluded);
        for (first, stretch) in stretches.by_first.range((Bound::Unbounded, upto)).rev() {
            if stretch.outline.as_ref().is_none_or(|outline| outline.may_have(like)) {
                let begins = before.filter(|before| end.is_none_or(|end| *before < end));
                let from_end = begins.is_none();
                return Some(Unread {
                    first: *first,
                    end: begins.or(end),
                    from_end,
                    changed: stretch.changed,
                });
            }
            end = Some(*first);
        }
        None
    }

    /// What was read of the end of a stretch, down to this id; all of it when that is its first.
    fn learn(&self, read: &Unread, down_to: Id, outline: Outline, is_empty: bool) {
        let mut stretches = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let next = stretches.by_first.range((Bound::Excluded(read.first), Bound::Unbounded)).next();
        let same_end = next.map(|(first, _)| *first) == read.end;
        let Some(stretch) = stretches.by_first.get_mut(&read.first) else { return };
        if !read.from_end || !same_end || stretch.changed != read.changed {
            return;
        }
        if down_to > read.first {
            let changed = stretch.changed;
            stretches.by_first.insert(down_to, Stretch { changed, outline: Some(outline) });
        } else if is_empty && read.first > [0; 16] && read.end.is_some() {
            // What lies before it reaches over it.
            stretches.by_first.remove(&read.first);
        } else {
            stretch.outline = Some(outline);
        }
    }

    /// How many stretches there are, and how many of them have no outline.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        let stretches = self.0.read().unwrap();
        let unknown = stretches.by_first.values().filter(|stretch| stretch.outline.is_none()).count();
        (stretches.by_first.len(), unknown)
    }
}

/// At most `limit` records that are like this and that `wanted` takes, newest first, older than `before`. After each
/// stretch that was read `pause` is asked whether to go on.
pub(super) fn list<K: Key, V>(
    (table, outlines): (&Table<K, V>, &Outlines),
    from: &impl Records,
    shape: impl Fn(&V) -> Shape<'_>,
    (limit, before): (usize, Option<Id>),
    like: &Like,
    wanted: impl Fn(&V) -> bool,
    mut pause: impl FnMut() -> bool,
) -> Result<Vec<V>, StoreError> {
    let (mut found, mut before) = (Vec::new(), before);
    let key = |id: Id| [&table.all().start[..], &id].concat();
    while found.len() < limit
        && let Some(mut unread) = outlines.next(before, like)
    {
        let end = unread.end.map_or_else(|| table.all().end, key);
        let pairs = from.chunk(&key(unread.first)..&end, Order::Descending, 2 * LENGTH)?;
        // So a stretch that grows has as many records as it should when it is cut.
        let long = pairs.len() == 2 * LENGTH;
        let (newer, older) = pairs.split_at(if long { LENGTH } else { 0 });
        for piece in [newer, older].into_iter().skip(usize::from(!long)) {
            let mut outline = Outline::EMPTY;
            for (at, octets) in piece {
                let value = table.value(from.key(), at, octets)?;
                outline.add(&shape(&value));
                if found.len() < limit && wanted(&value) {
                    found.push(value);
                }
            }
            let last = piece.last().filter(|_| long).and_then(|(at, _)| at.get(1..)?.try_into().ok());
            let down_to = last.unwrap_or(unread.first);
            outlines.learn(&unread, down_to, outline, piece.is_empty());
            (unread.end, before) = (Some(down_to), Some(down_to));
        }
        if !pause() {
            break;
        }
    }
    Ok(found)
}
