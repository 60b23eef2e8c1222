//! How many connections there may be: in all, and of one user, so that a user who opens thousands keeps no other user
//! waiting. Who comes when all seats are taken is refused at once, and a few such clients at a time are told so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many refused clients are told why at a time, of one user and in all. Further ones are closed without a word: a
/// flood that costs an answer for each connection would be a better flood.
const TOLD_OF_ONE_USER: usize = 8;
const TOLD_IN_ALL: usize = 64;

/// The seats of all connections; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Seats {
    /// How many there are, and how many of them one user may have.
    most: usize,
    most_of_one_user: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: Counts,
    users: HashMap<u32, Counts>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    served: usize,
    told: usize,
}

/// What becomes of a new connection.
#[derive(Debug)]
pub(super) enum Admission {
    /// It is served.
    Served(Seat),
    /// It is told that there are too many, and closed.
    Refused(Seat),
    /// It is closed.
    Dropped,
}

/// A place that is free again when this value is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    user: u32,
    served: bool,
    seats: Seats,
}

impl Seats {
    /// So many in all and for one user. A quarter of them is always left for other users.
    pub(super) fn new(most: usize, of_one_user: usize) -> Self {
        Self { most, most_of_one_user: of_one_user.min(most - most / 4), taken: Arc::default() }
    }

    /// A connection of this user came.
    pub(super) fn admit(&self, user: u32) -> Admission {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = taken.users.get(&user).copied().unwrap_or_default();
        let served = taken.all.served < self.most && of_user.served < self.most_of_one_user;
        if !served && (taken.all.told >= TOLD_IN_ALL || of_user.told >= TOLD_OF_ONE_USER) {
            return Admission::Dropped;
        }
        let first = !served && of_user.told == 0;
        taken.change(user, served, |count| *count += 1);
        drop(taken);
        if first {
            tracing::debug!(uid = user, served = of_user.served, "a client has too many connections");
        }
        let seat = Seat { user, served, seats: self.clone() };
        if served { Admission::Served(seat) } else { Admission::Refused(seat) }
    }
}

impl Taken {
    fn change(&mut self, user: u32, served: bool, by: impl Fn(&mut usize)) {
        let of_user = self.users.entry(user).or_default();
        for counts in [&mut self.all, of_user] {
            by(if served { &mut counts.served } else { &mut counts.told });
        }
        if (of_user.served, of_user.told) == (0, 0) {
            self.users.remove(&user);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.change(self.user, self.served, |count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(seats: &Seats, user: u32, most: usize) -> Vec<Seat> {
        let admitted = (0..most).map_while(|_| match seats.admit(user) {
            Admission::Served(seat) => Some(seat),
            Admission::Refused(_) | Admission::Dropped => None,
        });
        admitted.collect()
    }

    #[test]
    fn one_user_never_has_them_all() {
        let seats = Seats::new(100, 60);
        let first = served(&seats, 1, 1000);
        assert_eq!(first.len(), 60);
        let second = served(&seats, 2, 1000);
        assert_eq!(second.len(), 40);
        assert!(served(&seats, 3, 1).is_empty());
        drop(first);
        assert_eq!(served(&seats, 3, 1000).len(), 60);
        // The setting of a careless operator leaves seats to others as well.
        assert_eq!(served(&Seats::new(100, 1000), 1, 1000).len(), 75);
    }

    #[test]
    fn a_few_are_told_and_the_others_are_dropped() {
        let seats = Seats::new(1, 1);
        let _served = served(&seats, 1, 1);
        let told: Vec<_> = (0..100).map(|_| seats.admit(1)).collect();
        let count = |of: fn(&Admission) -> bool| told.iter().filter(|admission| of(admission)).count();
        assert_eq!(count(|a| matches!(a, Admission::Refused(_))), TOLD_OF_ONE_USER);
        assert_eq!(count(|a| matches!(a, Admission::Dropped)), 100 - TOLD_OF_ONE_USER);
        assert!(matches!(seats.admit(2), Admission::Refused(_)), "another user is told nonetheless");
        drop(told);
        assert!(matches!(seats.admit(1), Admission::Refused(_)));
    }

    #[test]
    fn what_is_free_is_forgotten() {
        let seats = Seats::new(10, 5);
        drop((0..1000).map(|user| seats.admit(user)).collect::<Vec<_>>());
        let taken = seats.taken.lock().unwrap();
        assert!(taken.users.is_empty());
        assert_eq!((taken.all.served, taken.all.told), (0, 0));
    }
}
