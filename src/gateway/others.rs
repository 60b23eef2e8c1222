//! What other hosts change is taken up here: a message that waits, waits in this pool too; one that waits no more leaves
//! it; a verification that ended has no use of a twin. Each record is read anew, so that it is taken as it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc::UnboundedReceiver;

use super::effects::{Effect, Move};
use super::error::Result;
use super::inner::Inner;
use super::limits::of_use;
use super::lock::locked;
use super::membership::Fleet;
use super::view::{Event, EventKind, MessageView, VerificationView};
use crate::id::{MessageId, VerificationId};
use crate::otp::{Verification, VerificationStatus};
use crate::outbox::{self, Message, MessageStatus};
use crate::store::{Others, Records as _, StoreError, View};

/// Messages that are read together.
const AT_ONCE: usize = 500;

/// How often a record is read again that changed meanwhile.
const AGAIN: usize = 8;

impl Inner {
    /// Takes up what other hosts change, until the store is closed.
    pub(super) async fn hear(self: &Arc<Self>, mut others: UnboundedReceiver<Others>) {
        while let Some(mut all) = others.recv().await {
            while all.messages.len() < AT_ONCE
                && let Ok(more) = others.try_recv()
            {
                all.join(more);
            }
            if all.keys {
                tracing::error!("another host replaced the secret key: restart this daemon with the new one");
            }
            if all.hosts
                && let Some(fleet) = &self.fleet
            {
                fleet.changed.notify_one();
            }
            let (messages, verifications) = (all.messages.into_iter(), all.verifications.into_iter());
            let taken = self.take_up_changed(messages.collect(), verifications.collect()).await;
            let told = if all.events { self.reach_events().await } else { Ok(()) };
            let helped = self.help_out(all.overdue).await;
            let ordered = self.take_orders(all.orders).await;
            if let Err(e) = taken.and(told).and(ordered).and(helped) {
                tracing::debug!("what other hosts changed is taken up later: {e}");
            }
        }
    }

    async fn take_up_changed(
        self: &Arc<Self>,
        messages: BTreeSet<MessageId>,
        verifications: BTreeSet<VerificationId>,
    ) -> Result<()> {
        let mut known: BTreeMap<MessageId, Option<Message>> = BTreeMap::new();
        let mut wanted = messages;
        for _ in 0..AGAIN {
            let read = self.store.read(move |view| read_all(&wanted, |id| view.message(id))).await??;
            // What stands as it was taken up stands so now.
            let news: Vec<_> =
                read.into_iter().filter(|(id, now)| known.get(id).is_none_or(|was| was != now)).collect();
            if news.is_empty() {
                break;
            }
            wanted = news.iter().map(|(id, _)| *id).collect();
            for (id, m) in &news {
                self.place(*id, m.as_ref());
            }
            known.extend(news);
        }
        let (settings, now) = (self.settings(), self.now());
        let read = move |view: &View| {
            let found = verifications.iter().filter_map(|id| view.verification(*id).transpose());
            let shown = |v: Verification| {
                let message = view.message(v.message)?.map_or(MessageStatus::Expired, |m| m.status);
                let shown = VerificationView::new(&v, message, now);
                Ok((v, of_use(view, &settings.limits, shown, now)?))
            };
            found.map(|v| v.and_then(shown)).collect::<std::result::Result<Vec<_>, StoreError>>()
        };
        for (v, shown) in self.store.read(read).await?? {
            self.take_up_verification(&v, shown);
        }
        Ok(())
    }

    /// A message stands so now: it waits in the pool, or not.
    fn place(&self, id: MessageId, m: Option<&Message>) {
        let here = self.slots.iter().any(|slot| locked(&slot.sending).is_some_and(|on_air| on_air.id == id));
        if !here {
            locked(&self.queue).remove(id);
        }
        let Some(m) = m else { return };
        if m.status == MessageStatus::Queued && !here {
            let (recipient, now) = (self.recipient(&m.to), self.now().steady());
            let avoid = self.first_word(m, now);
            self.with_pool(|pool| pool.push(m, recipient, avoid, now));
        }
        if let Some(fleet) = &self.fleet
            && m.status == MessageStatus::Sending
            && m.modem.as_deref().is_some_and(|name| self.owns(name))
            && !self.has_in_hand(id)
        {
            // A claim of this host held after all, and nobody learned of it.
            locked(&fleet.suspects).insert(id);
            fleet.doubts.store(true, Ordering::SeqCst);
            fleet.wake.notify_one();
        }
        self.tell_waiting(EventKind::Message(MessageView::from(m)));
    }

    fn take_up_verification(&self, v: &Verification, shown: VerificationView) {
        if v.status == VerificationStatus::Pending {
            self.apply_one(Effect::ExpectExpiry(v.life.place(), v.id));
        } else {
            self.apply_one(Effect::ForgetExpiry(v.life.place(), v.id));
            self.not_wanted(v.message);
        }
        self.tell_waiting(EventKind::Verification("changed", shown));
    }

    /// Who waits here for one thing hears that it changed; its event is in the trail.
    fn tell_waiting(&self, kind: EventKind) {
        self.events.publish(None, Event { id: 0, at: self.now().wall(), kind });
    }

    /// The live messages that do not wait in this pool: what is on the air anywhere, and what this host missed.
    pub(super) async fn live_beside_the_pool(&self) -> Result<Vec<Message>> {
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let (ids, last) = self.store.read(move |view| view.some_live_ids(after, AT_ONCE)).await??;
            let beside: BTreeSet<_> = {
                let pool = locked(&self.queue);
                ids.into_iter().filter(|id| !pool.waits(*id)).collect()
            };
            let read = self.store.read(move |view| read_all(&beside, |id| view.message(id)));
            found.extend(read.await??.into_values().flatten());
            after = last;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Takes up what waits and is not in the pool, and what this host has on the air by the store alone: a commit of its own
    /// may have held whose outcome it did not learn.
    pub(super) async fn resync(self: &Arc<Self>, fleet: &Fleet) -> Result<()> {
        let mut suspects = BTreeSet::new();
        for m in self.live_beside_the_pool().await? {
            match m.status {
                MessageStatus::Queued => self.place(m.id, Some(&m)),
                MessageStatus::Sending if m.modem.as_deref().is_some_and(|name| self.owns(name)) => {
                    suspects.insert(m.id);
                }
                _ => {}
            }
        }
        suspects.retain(|id| !self.has_in_hand(*id));
        // A send whose end is not written yet is none: only what was so at the last look too.
        let lost: Vec<_> = {
            let mut known = locked(&fleet.suspects);
            let lost = suspects.intersection(&known).copied().collect();
            *known = suspects;
            lost
        };
        for id in lost {
            let inner = Arc::clone(self);
            self.make_in_turn(move |mv| match mv.tx.message(id)? {
                Some(m) if !inner.has_in_hand(id) && m.twins.is_empty() => mv.sent_unknown(&m),
                _ => Ok(()),
            })
            .await?;
        }
        Ok(())
    }

    /// Whether a modem of this host has this message.
    fn has_in_hand(&self, id: MessageId) -> bool {
        self.slots.iter().any(|slot| {
            locked(&slot.sending).is_some_and(|on_air| on_air.id == id) || *locked(&slot.ended) == Some(id)
        })
    }
}

impl Move<'_, '_> {
    /// A message is on the air, and nobody has it: whether it was sent is unknown, and it goes out again.
    pub(super) fn sent_unknown(&mut self, m: &Message) -> Result<()> {
        if m.status == MessageStatus::Sending {
            self.found_on_air(m)?;
            let settled = self.settle(m.id, &outbox::Event::FoundSending, None)?;
            self.went_through(m.modem.as_deref().unwrap_or_default(), &settled.states);
        }
        Ok(())
    }
}

fn read_all<K: Ord + Copy, V>(
    ids: &BTreeSet<K>,
    read: impl Fn(K) -> std::result::Result<Option<V>, StoreError>,
) -> std::result::Result<BTreeMap<K, Option<V>>, StoreError> {
    ids.iter().map(|&id| Ok((id, read(id)?))).collect()
}
