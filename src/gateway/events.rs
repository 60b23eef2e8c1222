//! Who follows what happens: the number of the newest event on disk, the newest events themselves, and a broadcast for
//! those who wait in this process.
//!
//! A follower reads the trail page by page behind the last event that it has, and sleeps while that is the newest one.
//! So nothing is missing or there twice between what was and what comes, however slowly the follower reads, and a slow
//! one holds up nobody and costs one page. The newest events are at hand here, so that those who follow closely do not
//! ask the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{broadcast, watch};

use super::lock::locked;
use super::view::{Event, Numbered};
use crate::trail;

/// Events at hand.
const RECENT: usize = 1024;

/// The stream of events.
#[derive(Debug)]
pub(super) struct Events {
    /// The newest event that is on disk.
    newest: watch::Sender<u64>,
    /// Moves tell of their events in any order: some may be missing here for a moment.
    recent: Mutex<BTreeMap<u64, Arc<trail::Event>>>,
    live: broadcast::Sender<Event>,
    /// Who looks at all of the trail.
    pub(super) looking: tokio::sync::Mutex<()>,
}

impl Events {
    pub(super) fn new() -> Self {
        Self {
            newest: watch::Sender::new(0),
            recent: Mutex::default(),
            live: broadcast::Sender::new(RECENT),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// All events up to this one are on disk.
    pub(super) fn reached(&self, id: u64) {
        self.newest.send_if_modified(|newest| {
            let more = id > *newest;
            *newest = id.max(*newest);
            more
        });
    }

    /// Whether anybody reads the trail: then the newest events are kept at hand.
    pub(super) fn followed(&self) -> bool {
        self.newest.receiver_count() > 0
    }

    /// This event is on disk, or will be as soon as [`Events::reached`] says so.
    pub(super) fn publish(&self, kept: Option<Arc<trail::Event>>, event: Event) {
        if let Some(kept) = kept {
            let mut recent = locked(&self.recent);
            recent.insert(event.id, kept);
            if recent.len() > RECENT {
                recent.pop_first();
            }
        }
        // Nobody waits: that is no fault.
        let _ = self.live.send(event);
    }

    /// The number of the newest event; changes wake.
    pub(super) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// What happens from now on, in whatever order it is told.
    pub(super) fn live(&self) -> broadcast::Receiver<Event> {
        self.live.subscribe()
    }

    /// At most `limit` events right behind this one, as far as they are at hand.
    pub(super) fn recent(&self, after: u64, limit: usize) -> Vec<Numbered> {
        let recent = locked(&self.recent);
        let ids = std::iter::successors(after.checked_add(1), |id| id.checked_add(1));
        ids.map_while(|id| Some((id, Arc::clone(recent.get(&id)?)))).take(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::gateway::EventKind;
    use crate::trail::{About, Audit};

    fn publish(events: &Events, id: u64) {
        let at = Timestamp::from_millis(id);
        let audit = Audit { action: "refused".to_owned(), to: None, detail: String::new(), count: 1 };
        let kept = trail::Event { at, since: at.steady(), by: None, about: About::Audit(audit.clone()) };
        events.publish(Some(Arc::new(kept)), Event { id, at, kind: EventKind::Audit(audit) });
        events.reached(id);
    }

    fn ids(events: &Events, after: u64, limit: usize) -> Vec<u64> {
        events.recent(after, limit).into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn what_is_told_out_of_order_is_given_in_order_and_without_holes() {
        let events = Events::new();
        for id in [3, 1] {
            publish(&events, id);
        }
        assert_eq!(*events.newest().borrow(), 3);
        assert_eq!(ids(&events, 0, 9), [1]);
        publish(&events, 2);
        assert_eq!(*events.newest().borrow(), 3, "the newest is never an older one");
        assert_eq!(ids(&events, 0, 9), [1, 2, 3]);
        assert_eq!(ids(&events, 1, 1), [2]);
        assert_eq!(ids(&events, 3, 9), [] as [u64; 0]);
        assert_eq!(ids(&events, u64::MAX, 9), [] as [u64; 0]);
    }

    #[test]
    fn only_the_newest_are_at_hand() {
        let events = Events::new();
        for id in 1..=2000 {
            publish(&events, id);
        }
        assert_eq!(ids(&events, 0, 9), [] as [u64; 0]);
        assert_eq!(ids(&events, 2000 - RECENT as u64, RECENT).len(), RECENT);
    }
}
