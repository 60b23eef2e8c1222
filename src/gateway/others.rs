//! What other hosts change is taken up here: a message that waits, waits in this pool too; one that waits no more leaves
//! it; a verification that ended has no use of a twin. Each record is read anew, so that it is taken as it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc::UnboundedReceiver;

use super::effects::Effect;
use super::error::Result;
use super::inner::Inner;
use super::lock::locked;
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
        while let Some(first) = others.recv().await {
            let (mut messages, mut verifications) = (BTreeSet::new(), BTreeSet::new());
            let (mut events, mut hosts, mut orders) = (false, false, Vec::new());
            let mut overdue = Vec::new();
            let mut next = Some(first);
            while let Some(some) = next {
                messages.extend(some.messages);
                verifications.extend(some.verifications);
                (events, hosts) = (events | some.events, hosts | some.hosts);
                orders.extend(some.orders);
                overdue.extend(some.overdue);
                if some.keys {
                    tracing::error!(
                        "another host replaced the secret key: restart this daemon with the new one"
                    );
                }
                next = if messages.len() < AT_ONCE { others.try_recv().ok() } else { None };
            }
            if hosts && let Some(fleet) = &self.fleet {
                fleet.changed.notify_one();
            }
            let taken = self.take_up_changed(messages, verifications).await;
            let told = if events { self.reach_events().await } else { Ok(()) };
            let helped = self.help_out(overdue).await;
            let ordered = self.take_orders(orders).await;
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
        let read = self.store.read(move |view| read_all(&verifications, |id| view.verification(id)));
        let ended = |m: Option<&Message>| m.map_or(MessageStatus::Expired, |m| m.status);
        for v in read.await??.into_values().flatten() {
            let m = known.get(&v.message).and_then(Option::as_ref);
            self.take_up_verification(&v, ended(m));
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
            locked(&self.suspects).insert(id);
            fleet.doubts.store(true, Ordering::SeqCst);
            fleet.wake.notify_one();
        }
        self.tell_waiting(EventKind::Message(MessageView::from(m)));
    }

    fn take_up_verification(&self, v: &Verification, message: MessageStatus) {
        if v.status == VerificationStatus::Pending {
            self.apply_one(Effect::ExpectExpiry(v.life.place(), v.id));
        } else {
            self.apply_one(Effect::ForgetExpiry(v.life.place(), v.id));
            self.not_wanted(v.message);
        }
        self.tell_waiting(EventKind::Verification("changed", VerificationView::new(v, message, self.now())));
    }

    /// Who waits here for one thing hears that it changed; its event is in the trail.
    fn tell_waiting(&self, kind: EventKind) {
        self.events.publish(None, Event { id: 0, at: self.now().wall(), kind });
    }

    /// Takes up what waits and is not in the pool, and what this host has on the air by the store alone: a commit of its own
    /// may have held whose outcome it did not learn.
    pub(super) async fn resync(self: &Arc<Self>) -> Result<()> {
        let mut after: Option<MessageId> = None;
        let mut suspects = BTreeSet::new();
        loop {
            let (live, last) =
                self.store.read(move |view: &View| view.some_live_messages(after, AT_ONCE)).await??;
            for m in live {
                match m.status {
                    MessageStatus::Queued if !locked(&self.queue).has(m.id) => self.place(m.id, Some(&m)),
                    MessageStatus::Sending if m.modem.as_deref().is_some_and(|name| self.owns(name)) => {
                        suspects.insert(m.id);
                    }
                    _ => {}
                }
            }
            after = last;
            if after.is_none() || self.stopping.load(Ordering::SeqCst) {
                break;
            }
        }
        suspects.retain(|id| !self.has_in_hand(*id));
        // A send whose end is not written yet is none: only what was so at the last look too.
        let lost: Vec<_> = {
            let mut known = locked(&self.suspects);
            let lost = suspects.intersection(&known).copied().collect();
            *known = suspects;
            lost
        };
        for id in lost {
            let inner = Arc::clone(self);
            self.make_in_turn(move |mv| {
                let Some(m) = mv.tx.message(id)?.filter(|m| m.status == MessageStatus::Sending) else {
                    return Ok(());
                };
                if !inner.has_in_hand(id) && m.twins.is_empty() {
                    mv.found_on_air(&m)?;
                    let settled = mv.settle(id, &outbox::Event::FoundSending, None)?;
                    mv.went_through(m.modem.as_deref().unwrap_or_default(), &settled.states);
                }
                Ok(())
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

fn read_all<K: Ord + Copy, V>(
    ids: &BTreeSet<K>,
    read: impl Fn(K) -> std::result::Result<Option<V>, StoreError>,
) -> std::result::Result<BTreeMap<K, Option<V>>, StoreError> {
    ids.iter().map(|&id| Ok((id, read(id)?))).collect()
}
