//! A modem's worker: takes the message that the pool has for its modem, claims it and writes down how the one
//! before ended in the same commit, and lets the PDU go when that commit is on disk.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use super::moves::{self, Settlement};
use super::{GatewayError, Inner, Order, OrderPart, Outcome, Readiness, Settings, Slot, locked, reports};
use crate::clock::Timestamp;
use crate::id::MessageId;
use crate::outbox::{
    Circuit, Done, Event, FaultClass, Home, Message, MessageStatus, Periods, Recipients, Sign, Sim,
};
use crate::phone::PhoneNumber;
use crate::secret::Secret;
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
        let mut ready = Readiness::default();
        let mut ended: Option<Ended> = None;
        readiness.mark_changed();
        loop {
            if readiness.has_changed().unwrap_or(false) {
                let next = readiness.borrow_and_update().clone();
                if self.meet(index, &ready, &next).await.is_err() {
                    return;
                }
                // A SIM that is out of sight for a while is still the one whose counts are at hand.
                ready = Readiness { sim: next.sim.or(ready.sim), ..next };
            }
            let stopping = self.stopping.load(Ordering::SeqCst);
            let claim = if ready.ready && !stopping { self.next(index) } else { self.leave(index) };
            if claim.is_none() && ended.is_none() {
                if stopping {
                    return;
                }
                tokio::select! {
                    () = slot.wake.notified() => {}
                    changed = readiness.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        readiness.mark_changed();
                    }
                }
                continue;
            }
            match self.turn(index, ended.take(), claim).await {
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
        index: usize,
        ended: Option<Ended>,
        claim: Option<MessageId>,
    ) -> Result<Option<Ended>, GatewayError> {
        let slot = &self.slots[index];
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
        Ok(Some(self.end(index, m, outcome, &settings)))
    }

    /// What an outcome means for the message, the SIM and this modem.
    fn end(&self, index: usize, m: &Message, outcome: Outcome, settings: &Settings) -> Ended {
        let slot = &self.slots[index];
        let (taken, doubtful) = match &outcome {
            Outcome::Accepted { references }
            | Outcome::Rejected { references, .. }
            | Outcome::NotStarted { references, .. } => (references.len(), false),
            Outcome::Unknown { references, .. } => (references.len() + 1, true),
        };
        {
            let mut held = locked(&slot.doubtful);
            if doubtful {
                *held = Some(m.id);
            } else if *held == Some(m.id) {
                // Another message that went well meanwhile does not settle the doubt.
                *held = None;
            }
        }
        // A fault of the message says nothing of the SIM, and neither does a send that did not begin.
        let (sign, why) = match &outcome {
            Outcome::Accepted { .. } => (Some(Sign::Sent), ""),
            Outcome::Rejected { fault, .. } => match fault.class {
                FaultClass::Transient | FaultClass::Modem => (Some(Sign::Failed), fault.text.as_str()),
                FaultClass::Permanent | FaultClass::Duplicate => (None, ""),
            },
            Outcome::Unknown { reason, .. } => (Some(Sign::Failed), reason.as_str()),
            Outcome::NotStarted { .. } => (None, ""),
        };
        let parts = u32::try_from(taken).unwrap_or(u32::MAX);
        let done = Done { recipient: self.recipient(&m.to), parts, sign, why };
        let dues = locked(&self.queue).settle(index, &done, self.clock.now());
        if dues.circuit.is_some() {
            self.breaker_changed(index);
        }
        let sim = locked(&self.queue).sim(index);
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
        Ended { settlement: Settlement { id: m.id, event, dues, sim }, to, avoid }
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
        let mut submission = gsm_sms::Submission::new(m.to.as_str(), text)
            .with_status_report(m.report)
            .with_message_reference(m.reference)
            .with_concatenation_reference(m.reference)
            .with_reject_duplicates(m.uncertain);
        submission.class = m.flash.then_some(gsm_sms::MessageClass::Flash);
        submission.validity = m.deadline.map(|deadline| deadline.since(now));
        let composed = gsm_sms::compose(&submission).map_err(|e| broken(e.to_string()))?;
        let parts = composed
            .parts
            .into_iter()
            .skip(usize::from(m.parts_done))
            .map(|part| OrderPart { pdu: Secret::new(part.pdu), length: part.length })
            .collect();
        Ok(Order { parts })
    }

    /// The next message for this modem; without one it waits.
    fn next(&self, index: usize) -> Option<MessageId> {
        let (entry, look_at) = {
            let mut pool = locked(&self.queue);
            let entry = pool.next(index, self.clock.now());
            let look_at = if entry.is_none() { pool.next_wake() } else { None };
            (entry, look_at)
        };
        self.keep_by(look_at);
        entry.map(|e| e.id)
    }

    /// This modem can take nothing: what it was given goes to others.
    fn leave(&self, index: usize) -> Option<MessageId> {
        self.with_pool(|pool| pool.leave(index, self.clock.now()));
        None
    }

    /// Tells the pool of the SIM, when it is another one, and of its place.
    async fn meet(&self, index: usize, known: &Readiness, next: &Readiness) -> Result<(), GatewayError> {
        if let Some(sim) = next.sim.clone().filter(|sim| known.sim.as_ref() != Some(sim)) {
            let month = Periods::of(self.clock.now()).month;
            let wanted = sim.clone();
            let (ledger, recipients) = self
                .store
                .transact(move |tx| {
                    Ok::<_, GatewayError>((tx.ledger(&wanted)?, tx.recipients(&wanted, month)?))
                })
                .await??;
            let recipients = Recipients::new(month, recipients);
            locked(&self.queue).set_sim(index, Sim { name: Some(sim), ledger, recipients });
        }
        let home = next.imsi.as_deref().map(Home::of).unwrap_or_default();
        locked(&self.queue).set_place(index, home, next.roaming);
        Ok(())
    }

    /// A breaker opened or closed: tells it.
    fn breaker_changed(&self, index: usize) {
        let name = self.slots[index].modem.name();
        let standing = locked(&self.queue).standing(index, self.clock.now());
        if let Circuit::Open { until } = standing.circuit {
            tracing::warn!(modem = name, %until, why = standing.why,
                "messages to different numbers failed in a row: it gets none for a while");
        } else {
            tracing::info!(modem = name, "it sends again");
        }
        self.metrics.breaker(standing.circuit);
        self.publish_modem(index);
    }

    /// A code that a modem carried was entered, or nobody did.
    pub(super) fn code_ended(&self, carrier: Option<String>, sign: Sign) {
        if let Some(index) = carrier.and_then(|name| self.index(&name).ok()) {
            locked(&self.queue).observe(index, sign, self.clock.now());
        }
    }
}

impl super::Gateway {
    /// A modem told the result of its last doubtful send after all.
    pub async fn late_accepted(&self, modem: &str, reference: u8) -> Result<(), GatewayError> {
        let inner = &self.0;
        let index = inner.index(modem)?;
        let Some(id) = locked(&inner.slots[index].doubtful).take() else {
            return Ok(());
        };
        let closed = locked(&inner.queue).observe(index, Sign::Sent, inner.clock.now());
        if closed {
            inner.breaker_changed(index);
            inner.keeper.notify_one();
        }
        // Out of the queue first, so that no worker sends the twin meanwhile.
        locked(&inner.queue).remove(id);
        let sim = locked(&inner.queue).sim(index);
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
