//! The trail for those who read it: page by page, and all of it with a look at each link of the chain.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use super::error::{GatewayError, Result};
use super::inner::{Gateway, Inner};
use super::view::{Event, EventPage, Gap, TrailView};
use crate::hex;
use crate::store::{EventRecords as _, StoreError, View};
use crate::trail::{Hash, SealedEnds, Walk, WalkFault};

/// Events that are looked at in one go.
const AT_ONCE: usize = 256;
/// How often a look begins again because events were forgotten meanwhile.
const AGAIN: usize = 5;

impl Gateway {
    /// The number of the newest event on disk; changes wake.
    pub fn newest_event(&self) -> watch::Receiver<u64> {
        self.0.events.newest()
    }

    /// What happens from now on, for who waits in this process for one thing: in no certain order, and only what
    /// happens while the receiver keeps up.
    pub fn live(&self) -> broadcast::Receiver<Event> {
        self.0.events.live()
    }

    /// At most `limit` events behind `after`. When `after` is no event that ever was, nobody knows what its follower
    /// has seen: then all that is kept comes, behind a gap of unknown size.
    pub async fn events(&self, after: u64, limit: usize) -> Result<EventPage> {
        let recent = self.0.events.recent(after, limit);
        if let Some((upto, _)) = recent.last() {
            return Ok(EventPage { gap: None, upto: *upto, events: recent });
        }
        self.0.store.read(move |view| page(view, after, limit)).await?.map_err(GatewayError::from)
    }

    /// Looks at every event that is kept. `anchor` is an event and its hash, which somebody wrote down earlier.
    pub async fn verify_events(&self, anchor: Option<(u64, Hash)>) -> Result<TrailView> {
        let inner = &self.0;
        let _alone = inner.events.looking.lock().await;
        for _ in 0..AGAIN {
            let Some(ends) = inner.store.read(View::event_ends).await?? else {
                return Ok(TrailView { first: 1, last: 0, hash: hex::encode(&Hash::default()), fault: None });
            };
            let found = inner.walk(&ends, anchor).await?;
            let now = inner.store.read(View::event_ends).await??;
            // What was forgotten meanwhile is no fault.
            if found.is_err() && now.is_some_and(|now| now.ends.first != ends.ends.first) {
                continue;
            }
            let (first, last, hash) = (ends.ends.first, ends.ends.last, hex::encode(&ends.ends.hash));
            return Ok(TrailView { first, last, hash, fault: found.err().map(|fault| fault.to_string()) });
        }
        Err(GatewayError::Conflict("events are being forgotten too fast; try again later".to_owned()))
    }
}

fn page(view: &View, after: u64, limit: usize) -> std::result::Result<EventPage, StoreError> {
    let last = view.event_ends()?.map_or(0, |sealed| sealed.ends.last);
    let known = after <= last;
    let found = view.events_after(if known { after } else { 0 }, limit)?;
    let events: Vec<_> = found.into_iter().map(|(id, linked)| (id, Arc::new(linked.event))).collect();
    let upto = events.last().map_or(last, |(id, _)| *id);
    let next = events.first().map_or(last.saturating_add(1), |(id, _)| *id);
    let gap = match next.saturating_sub(after.saturating_add(1)) {
        _ if !known => Some(Gap { missed: None }),
        0 => None,
        missed => Some(Gap { missed: Some(missed) }),
    };
    Ok(EventPage { gap, events, upto })
}

impl Inner {
    async fn walk(&self, sealed: &SealedEnds, anchor: Option<(u64, Hash)>) -> Result<Result<(), WalkFault>> {
        let ends = sealed.ends;
        if !sealed.is_genuine(&self.key) {
            return Ok(Err(WalkFault::Ends));
        }
        if let Some((id, _)) = anchor.filter(|(id, _)| *id > ends.last) {
            return Ok(Err(WalkFault::Anchor(id)));
        }
        let mut walk = Walk::from(&ends);
        let mut after = 0;
        while walk.next() <= ends.last {
            let found = self.store.read(move |view| view.events_after(after, AT_ONCE)).await?;
            let found = match found {
                Ok(found) if found.is_empty() => break,
                Ok(found) => found,
                Err(StoreError::Corrupt { .. }) => return Ok(Err(WalkFault::Changed(walk.next()))),
                Err(e) => return Err(e.into()),
            };
            // Those that came after the look at the ends are not looked at.
            for (id, event) in found.iter().filter(|(id, _)| *id <= ends.last) {
                if let Err(fault) = walk.step(&self.key, *id, event) {
                    return Ok(Err(fault));
                }
                if anchor.is_some_and(|(known, hash)| known == *id && hash != event.hash) {
                    return Ok(Err(WalkFault::Anchor(*id)));
                }
            }
            after = found.last().map_or(after, |(id, _)| *id);
        }
        Ok(walk.end(&ends))
    }
}
