//! What happened, for those who follow: a ring of the newest events and a broadcast.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::broadcast;

use super::lock::locked;
use super::view::{Event, EventKind, Gap, Subscription};
use crate::clock::Timestamp;

/// Events kept for a follower who comes back.
const KEPT: usize = 1024;

/// The stream of events.
#[derive(Debug)]
pub(super) struct Events {
    ring: Mutex<Ring>,
    live: broadcast::Sender<Event>,
}

#[derive(Debug)]
struct Ring {
    /// The id of the first event of this run.
    first: u64,
    next: u64,
    kept: VecDeque<Event>,
}

impl Events {
    /// Numbers events from the present, in milliseconds times 1000, so that they rise over a restart too.
    pub(super) fn new(now: Timestamp) -> Self {
        let next = now.as_millis().saturating_mul(1000).max(1);
        let ring = Ring { first: next, next, kept: VecDeque::new() };
        Self { ring: Mutex::new(ring), live: broadcast::Sender::new(KEPT) }
    }

    pub(super) fn publish(&self, at: Timestamp, kind: EventKind) {
        let mut ring = locked(&self.ring);
        let event = Event { id: ring.next, at, kind };
        ring.next += 1;
        if ring.kept.len() == KEPT {
            ring.kept.pop_front();
        }
        ring.kept.push_back(event.clone());
        // Nobody listens: that is no fault.
        let _ = self.live.send(event);
    }

    /// The kept events after `after`, and every later one. Of an event that is not of this run nobody knows what
    /// came behind it: all that is kept does.
    pub(super) fn subscribe(&self, after: Option<u64>) -> Subscription {
        let ring = locked(&self.ring);
        let (mut gap, mut backlog) = (None, Vec::new());
        if let Some(after) = after {
            // Who follows since before the first event stands just before it.
            let known = (ring.first - 1..ring.next).contains(&after);
            backlog.extend(ring.kept.iter().filter(|e| !known || e.id > after).cloned());
            let oldest = ring.kept.front().map_or(ring.next, |e| e.id);
            gap = match oldest.saturating_sub(after.saturating_add(1)) {
                _ if !known => Some(Gap { missed: None }),
                0 => None,
                missed => Some(Gap { missed: Some(missed) }),
            };
        }
        Subscription { gap, backlog, newest: ring.next - 1, live: self.live.subscribe() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::ModemView;

    const START: Timestamp = Timestamp::from_millis(1_780_000_000_000);
    const FIRST: u64 = 1_780_000_000_000_000;

    fn after(events: u64) -> Events {
        let ring = Events::new(START);
        for _ in 0..events {
            let modem = ModemView {
                name: String::new(),
                facts: crate::gateway::Snapshot::default(),
                last_error_at: None,
                queue: 0,
                sent_total: 0,
                failed_total: 0,
                condition: crate::outbox::Condition::default(),
            };
            ring.publish(START, EventKind::Modem(modem));
        }
        ring
    }

    /// The gap, the first and how many of the backlog, and the newest.
    fn resumed(ring: &Events, at: Option<u64>) -> (Option<Gap>, Option<u64>, usize, u64) {
        let s = ring.subscribe(at);
        (s.gap, s.backlog.first().map(|e| e.id), s.backlog.len(), s.newest)
    }

    #[test]
    fn what_is_forgotten_is_counted() {
        let ring = after(1034);
        let newest = FIRST + 1033;
        assert_eq!(resumed(&ring, None), (None, None, 0, newest));
        assert_eq!(resumed(&ring, Some(newest)), (None, None, 0, newest));
        assert_eq!(resumed(&ring, Some(FIRST + 9)), (None, Some(FIRST + 10), KEPT, newest));
        let gap = Some(Gap { missed: Some(1) });
        assert_eq!(resumed(&ring, Some(FIRST + 8)), (gap, Some(FIRST + 10), KEPT, newest));
        let gap = Some(Gap { missed: Some(10) });
        assert_eq!(resumed(&ring, Some(FIRST - 1)), (gap, Some(FIRST + 10), KEPT, newest));
    }

    #[test]
    fn what_is_of_another_run_is_a_gap_of_unknown_size() {
        let gap = Some(Gap { missed: None });
        let ring = after(2);
        for other in [0, 7, FIRST - 2, FIRST + 2, u64::MAX] {
            assert_eq!(resumed(&ring, Some(other)), (gap, Some(FIRST), 2, FIRST + 1), "{other}");
        }
        assert_eq!(resumed(&after(0), Some(7)), (gap, None, 0, FIRST - 1));
    }
}
