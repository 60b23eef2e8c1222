//! When pending verifications end: the soonest of them, in memory. The others stand in the store by the same order, and
//! are read when these are used up, some thousand at once.

use std::collections::BTreeSet;

use crate::clock::Steady;
use crate::id::VerificationId;

/// Its end at the latest, and the verification.
type Place = (Steady, VerificationId);

/// The verifications that end soonest.
#[derive(Debug)]
pub(super) struct Expiries {
    soonest: BTreeSet<Place>,
    reading: Reading,
}

/// How far the store was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It is being read from behind this place on: whatever comes meanwhile is kept.
    Reads,
    /// Up to this place: what ends later stands in the store alone.
    CameTo(Place),
    /// To its end.
    Ended,
}

impl Default for Expiries {
    fn default() -> Self {
        let before_all = (Steady::default(), VerificationId::first_at(Steady::default()));
        Self { soonest: BTreeSet::new(), reading: Reading::CameTo(before_all) }
    }
}

impl Expiries {
    /// A verification will end then.
    pub(super) fn insert(&mut self, at: Steady, id: VerificationId) {
        let known = match self.reading {
            Reading::CameTo((to, _)) => at <= to,
            Reading::Reads | Reading::Ended => true,
        };
        if known {
            self.soonest.insert((at, id));
        }
    }

    /// It ended before.
    pub(super) fn remove(&mut self, at: Steady, id: VerificationId) {
        self.soonest.remove(&(at, id));
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Option<Steady> {
        let read = match self.reading {
            Reading::Ended | Reading::Reads => None,
            Reading::CameTo(_) => Some(Steady::default()),
        };
        self.soonest.first().map(|&(at, _)| at).or(read)
    }

    /// At most `limit` that are over.
    pub(super) fn take_due(&mut self, now: Steady, limit: usize) -> Vec<VerificationId> {
        let mut due = Vec::new();
        while due.len() < limit
            && let Some(&(at, id)) = self.soonest.first().filter(|&&(at, _)| at <= now)
        {
            self.soonest.remove(&(at, id));
            due.push(id);
        }
        due
    }

    /// Whether the store has to be read, and from behind which place on.
    pub(super) fn begin(&mut self) -> Option<Place> {
        match self.reading {
            Reading::CameTo(place) if self.soonest.is_empty() => {
                self.reading = Reading::Reads;
                Some(place)
            }
            _ => None,
        }
    }

    /// This was read, of which there was to be as much.
    pub(super) fn end(&mut self, some: Vec<Place>, limit: usize) {
        let last = some.last().filter(|_| some.len() >= limit);
        self.reading = last.map_or(Reading::Ended, |&last| Reading::CameTo(last));
        self.soonest.extend(some);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(at: u64) -> Place {
        (Steady::from_millis(at), VerificationId::first_at(Steady::from_millis(at)))
    }

    #[test]
    fn what_ends_later_than_what_was_read_is_left_to_the_store() {
        let mut expiries = Expiries::default();
        let (now, insert) = (Steady::from_millis(20), |of: &mut Expiries, at| {
            let (at, id) = place(at);
            of.insert(at, id);
        });
        insert(&mut expiries, 5);
        assert_eq!(expiries.next(), Some(Steady::default()), "the store has it");
        assert_eq!(expiries.begin(), Some(place(0)));
        insert(&mut expiries, 99);
        expiries.end(vec![place(5), place(10)], 2);
        assert_eq!(expiries.begin(), None, "there are some");
        insert(&mut expiries, 9);
        insert(&mut expiries, 11);
        expiries.remove(place(5).0, place(5).1);
        assert_eq!(expiries.take_due(now, 1), [place(9).1]);
        assert_eq!(expiries.take_due(now, 9), [place(10).1]);
        assert_eq!(expiries.next(), Some(place(99).0), "it came while the store was read");
        expiries.remove(place(99).0, place(99).1);
        assert_eq!(expiries.begin(), Some(place(10)));
        expiries.end(vec![place(11)], 2);
        insert(&mut expiries, 1000);
        assert_eq!(expiries.take_due(now, 9), [place(11).1]);
        assert_eq!(expiries.next(), Some(place(1000).0), "all are here");
    }
}
