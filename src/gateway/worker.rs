//! A modem's worker: takes the next message that its modem may send, claims it and writes down how the one
//! before ended in the same commit, and lets the PDU go when that commit is on disk.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use super::moves::{self, Settlement};
use super::{GatewayError, Inner, Order, OrderPart, Outcome, Settings, Slot, locked, reports};
use crate::clock::Timestamp;
use crate::id::MessageId;
use crate::outbox::{Event, FaultClass, Ledger, Message, MessageStatus};
use crate::phone::PhoneNumber;
use crate::secret::Secret;
use crate::sms;
use crate::store::Records as _;

/// A send that ended, until it is on disk.
struct Ended {
    settlement: Settlement,
    to: PhoneNumber,
    /// How long this modem leaves the message alone.
    avoid: Option<Duration>,
}

impl Inner {
    pub(super) async fn work(&self, index: usize) {
        let slot = &self.slots[index];
        let mut readiness = slot.modem.readiness();
        let mut ended: Option<Ended> = None;
        loop {
            let ready = readiness.borrow_and_update().clone();
            let stopping = self.stopping.load(Ordering::SeqCst);
            if let Some(sim) = ready.sim.as_deref()
                && self.load_ledger(slot, sim).await.is_err()
            {
                return;
            }
            let (claim, retry_at) = if ready.ready && !stopping { self.reserve(slot) } else { (None, None) };
            if claim.is_none() && ended.is_none() {
                if stopping {
                    return;
                }
                if ready.ready && retry_at.is_none() {
                    slot.idle.store(true, Ordering::SeqCst);
                    // Work that came before the flag was up woke nobody: look once more.
                    if self.has_work(slot) && slot.idle.swap(false, Ordering::SeqCst) {
                        continue;
                    }
                }
                tokio::select! {
                    () = slot.wake.notified() => {}
                    changed = readiness.changed() => if changed.is_err() { return },
                    () = self.sleep_until(retry_at) => {}
                }
                slot.idle.store(false, Ordering::SeqCst);
                continue;
            }
            match self.turn(slot, ended.take(), claim).await {
                Ok(next) => ended = next,
                Err(e) => {
                    // The store told the daemon already; what is claimed is found again at the next start.
                    tracing::error!(modem = slot.modem.name(), error = %e, "the worker stops");
                    return;
                }
            }
        }
    }

    /// One commit, and the send that it allows.
    async fn turn(
        &self,
        slot: &Slot,
        ended: Option<Ended>,
        claim: Option<MessageId>,
    ) -> Result<Option<Ended>, GatewayError> {
        let name = slot.modem.name().to_owned();
        let now = self.clock.now();
        let settings = self.settings();
        let (retry, settlement) = (settings.retry, ended.as_ref().map(|e| e.settlement.clone()));
        let wanted = claim.map(|id| (id, name));
        let ticket = self.store.begin(move |tx| moves::settle_and_claim(tx, settlement, wanted, &retry, now));
        let (executed, durable) = ticket.split();
        let (settled, claimed) = executed.await??;
        *locked(&slot.sending) = claimed.as_ref().map(|m| m.id);

        let order = claimed.as_ref().map(|m| self.compose(m, now));
        let (open, gate) = oneshot::channel();
        let on_disk = async {
            durable.await?;
            // The modem may have given up; then nobody holds the gate.
            let _ = open.send(());
            if let (Some(ended), [m, later @ ..]) = (&ended, settled.as_slice()) {
                self.settled(slot, ended, m, later);
            }
            if let Some(m) = &claimed {
                self.publish_message(m);
            }
            Ok::<(), GatewayError>(())
        };
        let Some(m) = &claimed else {
            on_disk.await?;
            return Ok(None);
        };
        let outcome = match order.expect("a claimed message was composed just above") {
            Ok(order) => {
                let submitted = slot.modem.submit(order, gate);
                let (written, outcome) = tokio::join!(on_disk, submitted);
                written?;
                outcome
            }
            Err(fault) => {
                on_disk.await?;
                Outcome::Rejected { references: Vec::new(), fault }
            }
        };
        *locked(&slot.sending) = None;
        Ok(Some(self.end(slot, m, outcome, &settings)))
    }

    /// What an outcome means for the message, the ledger and this modem.
    fn end(&self, slot: &Slot, m: &Message, outcome: Outcome, settings: &Settings) -> Ended {
        let (taken, doubtful) = match &outcome {
            Outcome::Accepted { references }
            | Outcome::Rejected { references, .. }
            | Outcome::NotStarted { references, .. } => (references.len(), false),
            Outcome::Unknown { references, .. } => (references.len() + 1, true),
        };
        *locked(&slot.doubtful) = doubtful.then_some(m.id);
        let parts = u32::try_from(taken).unwrap_or(u32::MAX);
        let mut ledger = locked(&slot.ledger);
        if let Some((_, counts)) = ledger.as_mut().filter(|_| parts > 0) {
            counts.record(parts, self.clock.now());
        }
        let sim = ledger.as_ref().map(|(sim, _)| sim.clone());
        let ledger = ledger.clone().filter(|_| parts > 0);
        let wait = settings.retry.after(m.attempts);
        let (event, avoid) = match outcome {
            Outcome::Accepted { references } => (Event::Accepted { references }, None),
            Outcome::Rejected { references, fault } => {
                let avoid = wait.filter(|_| fault.class == FaultClass::Modem);
                (Event::Rejected { references, fault }, avoid)
            }
            Outcome::Unknown { references, reason } => (Event::Unknown { references, reason }, None),
            Outcome::NotStarted { references, reason } => {
                // Another modem takes it at once; this one when it had a moment to recover.
                (Event::NotStarted { references, reason }, Some(settings.retry.first))
            }
        };
        let to = m.to.clone();
        Ended { settlement: Settlement { id: m.id, event, ledger, sim }, to, avoid }
    }

    /// The end of a send is on disk: tells it, and puts the message back when it is to go out again.
    /// `later`: what reports that came before made of it.
    fn settled(&self, slot: &Slot, ended: &Ended, m: &Message, later: &[Message]) {
        let name = slot.modem.name();
        match m.status {
            MessageStatus::Sent => {
                slot.sent.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(message = %m.id, to = m.to.masked(), modem = name, "sent");
            }
            MessageStatus::Failed => {
                slot.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(message = %m.id, to = m.to.masked(), modem = name, attempts = m.attempts,
                    error = m.error.as_deref().unwrap_or_default(), "failed for good");
            }
            MessageStatus::Queued => {
                if !matches!(ended.settlement.event, Event::NotStarted { .. }) {
                    slot.failed.fetch_add(1, Ordering::Relaxed);
                }
                tracing::info!(message = %m.id, to = ended.to.masked(), modem = name, attempts = m.attempts,
                    error = m.error.as_deref().unwrap_or_default(), "goes out again");
                if later.is_empty() {
                    self.enqueue(m, ended.avoid.map(|wait| (name.to_owned(), wait)));
                }
            }
            _ => {}
        }
        self.publish_message(m);
        self.reported_on(name, later);
    }

    /// The PDUs of the parts that are still to go.
    fn compose(&self, m: &Message, now: Timestamp) -> Result<Order, crate::outbox::Fault> {
        let broken = |text: String| crate::outbox::Fault { class: FaultClass::Permanent, text };
        let body = m.body.as_ref().ok_or_else(|| broken("its text is gone".to_owned()))?;
        let plain = self.key.unseal(&m.id.to_bytes(), body).map_err(|e| broken(e.to_string()))?;
        let text = std::str::from_utf8(plain.expose()).map_err(|e| broken(e.to_string()))?;
        let submission = sms::Submission {
            flash: m.flash,
            report: m.report,
            valid_for: m.deadline.map(|deadline| deadline.since(now)),
            reference: m.reference,
            concat_reference: m.reference,
            reject_duplicates: m.uncertain,
            ..sms::Submission::new(m.to.as_str(), text)
        };
        let composed = sms::compose(&submission).map_err(|e| broken(e.to_string()))?;
        let parts = composed
            .parts
            .into_iter()
            .skip(usize::from(m.parts_done))
            .map(|part| OrderPart { pdu: Secret::new(part.pdu), length: part.length })
            .collect();
        Ok(Order { parts })
    }

    /// Takes the next message for this modem out of the queue; when only the SIM's limits forbid one, the
    /// moment to look again.
    fn reserve(&self, slot: &Slot) -> (Option<MessageId>, Option<Timestamp>) {
        let now = self.clock.now();
        let settings = self.settings();
        let rules = settings.modems.get(slot.modem.name());
        let ledger = locked(&slot.ledger).as_ref().map(|(_, counts)| *counts).unwrap_or_default();
        let mut retry_at: Option<Timestamp> = None;
        let entry = locked(&self.queue).take(slot.modem.name(), now, |e| {
            let Some(rules) = rules else { return true };
            if !rules.serves(&e.to) {
                return false;
            }
            let at = ledger.admits_at(u32::from(e.parts), rules.max_per_minute, rules.max_per_day, now);
            if at > now {
                retry_at = Some(retry_at.map_or(at, |known| known.min(at)));
            }
            at <= now
        });
        (entry.map(|e| e.id), retry_at)
    }

    fn has_work(&self, slot: &Slot) -> bool {
        let settings = self.settings();
        let rules = settings.modems.get(slot.modem.name());
        locked(&self.queue)
            .offers(slot.modem.name(), self.clock.now(), |e| rules.is_none_or(|rules| rules.serves(&e.to)))
    }

    async fn load_ledger(&self, slot: &Slot, sim: &str) -> Result<(), GatewayError> {
        if locked(&slot.ledger).as_ref().is_some_and(|(known, _)| known == sim) {
            return Ok(());
        }
        let wanted = sim.to_owned();
        let counts: Ledger = self.store.transact(move |tx| tx.ledger(&wanted)).await??;
        *locked(&slot.ledger) = Some((sim.to_owned(), counts));
        Ok(())
    }

    async fn sleep_until(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => self.clock.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

impl super::Gateway {
    /// A modem told the result of its last doubtful send after all.
    pub async fn late_accepted(&self, modem: &str, reference: u8) -> Result<(), GatewayError> {
        let inner = &self.0;
        let Some(id) = locked(&inner.slot(modem)?.doubtful).take() else {
            return Ok(());
        };
        // Out of the queue first, so that no worker sends the twin meanwhile.
        locked(&inner.queue).remove(id);
        let sim = locked(&inner.slot(modem)?.ledger).as_ref().map(|(sim, _)| sim.clone());
        let (now, retry, event) =
            (inner.clock.now(), inner.settings().retry, Event::LateAccepted { reference });
        let states = inner
            .store
            .transact(move |tx| reports::settle(tx, id, &event, sim.as_deref(), &retry, now))
            .await??;
        if states.is_empty() {
            let m = inner.store.transact(move |tx| tx.message(id)).await??;
            if let Some(m) = m.filter(|m| m.status == MessageStatus::Queued) {
                inner.enqueue(&m, None);
            }
        }
        inner.reported_on(modem, &states);
        Ok(())
    }
}
