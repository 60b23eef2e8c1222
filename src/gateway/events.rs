//! What happened, for those who follow: a ring of the newest events and a broadcast.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::broadcast;

use super::{Event, EventKind};
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
    next: u64,
    kept: VecDeque<Event>,
}

impl Events {
    /// Numbers events from the present, in milliseconds times 1000, so that they rise over a restart too.
    pub(super) fn new(now: Timestamp) -> Self {
        let next = now.as_millis().saturating_mul(1000);
        Self { ring: Mutex::new(Ring { next, kept: VecDeque::new() }), live: broadcast::Sender::new(KEPT) }
    }

    pub(super) fn publish(&self, at: Timestamp, kind: EventKind) {
        let mut ring = self.ring.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let event = Event { id: ring.next, at, kind };
        ring.next += 1;
        if ring.kept.len() == KEPT {
            ring.kept.pop_front();
        }
        ring.kept.push_back(event.clone());
        // Nobody listens: that is no fault.
        let _ = self.live.send(event);
    }

    /// The kept events after `after`, and every later one.
    pub(super) fn subscribe(&self, after: Option<u64>) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let ring = self.ring.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let missed = after.map(|after| ring.kept.iter().filter(|e| e.id > after).cloned().collect());
        (missed.unwrap_or_default(), self.live.subscribe())
    }
}
