//! A modem's worker: takes the message that the pool has for its modem, claims it and writes down how the one
//! before ended in the same commit, and lets the PDU go when that commit is on disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gsm_modem::Part;
use tokio::sync::oneshot;

use super::air::{Answer, OnAir, Role};
use super::error::{GatewayError, Result};
use super::inner::Inner;
use super::lock::locked;
use super::sends::{Claim, Ended};
use super::settings::Settings;
use super::submit::{Control, Outcome, Readiness};
use crate::clock::Now;
use crate::outbox::{
    Attempt, Avoid, Circuit, End, EndedSend, Fault, FaultClass, Home, Judgement, Message, SendEnd, Sim,
};
use crate::secret::Secret;

/// How long a worker waits when the store is away.
const WAIT: Duration = Duration::from_millis(500);

impl Inner {
    pub(super) async fn work(self: &Arc<Self>, index: usize) {
        let slot = &self.slots[index];
        let mut readiness = slot.modem.readiness();
        let mut ready = Readiness::default();
        let mut ended: Option<Ended> = None;
        readiness.mark_changed();
        loop {
            if readiness.has_changed().unwrap_or(false) {
                let next = readiness.borrow_and_update().clone();
                match self.meet(index, &ready, &next, &mut ended).await {
                    Ok(()) => ready = next,
                    Err(e) if e.is_away() => {
                        readiness.mark_changed();
                        self.wait_for_store(index, &e).await;
                        continue;
                    }
                    Err(_) => return,
                }
            }
            let stopping = self.stopping.load(Ordering::SeqCst);
            let drains = self.fleet.as_ref().is_some_and(|fleet| fleet.draining.load(Ordering::SeqCst));
            let takes = ready.ready && !stopping && !drains;
            let claim = if takes { self.next(index) } else { self.leave(index) };
            if claim.is_none() && ended.is_none() {
                if stopping {
                    return;
                }
                tokio::select! {
                    biased;
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
            match self.turn(index, ended.clone(), claim).await {
                Ok(next) => ended = next,
                Err(e) if e.is_away() => self.wait_for_store(index, &e).await,
                Err(e) => {
                    // The store told the daemon already; what is claimed is found again at the next start.
                    tracing::error!(
                        modem = slot.modem.name(),
                        "the worker of {} stops: {e}",
                        slot.modem.name()
                    );
                    return;
                }
            }
        }
    }

    /// The database is away for a while: what ended is written down when it is back, and what was claimed is looked for.
    async fn wait_for_store(&self, index: usize, why: &GatewayError) {
        let slot = &self.slots[index];
        *locked(&slot.sending) = None;
        if let Some(fleet) = &self.fleet {
            fleet.doubts.store(true, Ordering::SeqCst);
        }
        tracing::debug!(modem = slot.modem.name(), "{} waits: {why}", slot.modem.name());
        self.clocks.sleep_until(self.now().steady().plus(WAIT)).await;
    }

    /// One commit, and the send that it allows.
    async fn turn(
        self: &Arc<Self>,
        index: usize,
        ended: Option<Ended>,
        claim: Option<Claim>,
    ) -> Result<Option<Ended>> {
        let slot = &self.slots[index];
        let now = self.now();
        let settings = self.settings();
        let role = if claim.as_ref().is_some_and(|c| c.twin_of.is_some()) { Role::Twin } else { Role::First };
        let avoided = claim.as_ref().map(|c| c.avoid.clone()).unwrap_or_default();
        // Before the claim, so that nobody who recalls the message misses it.
        *locked(&slot.sending) = claim.as_ref().map(|c| OnAir::new(c.id, role));
        let ticket = self.store.begin_in_turn(self.noting(move |mv| mv.settle_and_claim(ended, claim))).await;
        let (executed, durable) = ticket.split();
        let (claimed, effects) = executed.await?.both()?;
        if claimed.is_none() {
            *locked(&slot.sending) = None;
        }

        let order = claimed.as_ref().map(|m| self.compose(m, slot.modem.name(), now));
        let (open, gate) = oneshot::channel();
        let on_disk = async {
            durable.await?;
            if slot.let_go() {
                // The modem may have given up; then nobody holds the gate.
                let _ = open.send(());
            } else {
                drop(open);
            }
            self.apply(effects);
            Ok::<(), GatewayError>(())
        };
        let Some(m) = &claimed else {
            on_disk.await?;
            *locked(&slot.ended) = None;
            return Ok(None);
        };
        let outcome = match order.expect("a claimed message was composed just above") {
            Ok(order) => {
                let submitted = slot.modem.submit(order, gate);
                let (written, outcome) = tokio::join!(on_disk, submitted);
                written?;
                *locked(&slot.ended) = None;
                outcome
            }
            Err(fault) => {
                on_disk.await?;
                *locked(&slot.ended) = None;
                Outcome::Rejected { references: Vec::new(), error: fault }
            }
        };
        Ok(Some(self.end(index, m, outcome, avoided, &settings)))
    }

    /// What an outcome means for the message, the SIM and this modem.
    fn end(
        self: &Arc<Self>,
        index: usize,
        m: &Message,
        outcome: Outcome,
        mut avoid: Avoid,
        settings: &Settings,
    ) -> Ended {
        let slot = &self.slots[index];
        let name = slot.modem.name();
        let now = self.now().steady();
        *locked(&slot.ended) = Some(m.id);
        let was = locked(&slot.sending).take();
        if was.is_some_and(|on_air| on_air.answer == Answer::Overdue) {
            // A twin of it that waits still is of no use any more.
            locked(&self.queue).remove(m.id);
        }
        let (parts, end, why) = match &outcome {
            Outcome::Accepted { references } => (references.len(), SendEnd::Sent, ""),
            Outcome::Rejected { references, error } => {
                (references.len(), SendEnd::Failed(error.class), error.text.as_str())
            }
            Outcome::Unknown { references, reason } => {
                (references.len() + 1, SendEnd::Unknown, reason.as_str())
            }
            Outcome::NotStarted { references, .. } => (references.len(), SendEnd::NotBegun, ""),
        };
        {
            let mut doubt = locked(&slot.doubt);
            match &outcome {
                Outcome::Accepted { .. } | Outcome::Rejected { .. } => doubt.answered(m.id),
                Outcome::Unknown { references, .. } => {
                    let taken = u8::try_from(references.len()).unwrap_or(u8::MAX);
                    doubt.arises(m.id, m.first_part(name).saturating_add(taken));
                }
                Outcome::NotStarted { .. } => {}
            }
        }
        if end == SendEnd::Sent {
            self.recall(m.id, |_| true);
            let failed_by = avoid.iter().map(|(modem, _)| modem).chain(m.refused.iter().map(|r| &r.modem));
            for other in failed_by.filter(|other| *other != name) {
                let opened = locked(&self.queue).sent_elsewhere(other, now);
                if let Some(other) = opened {
                    self.breaker_changed(other);
                }
            }
        }
        let done = EndedSend {
            recipient: self.recipient(&m.to),
            parts: u32::try_from(parts).unwrap_or(u32::MAX),
            end,
            due_at: m.due_at,
            why,
        };
        let (accounting, sim) = {
            let mut pool = locked(&self.queue);
            (pool.settle(index, &done, now), pool.sim(index))
        };
        if accounting.circuit.is_some() {
            self.breaker_changed(index);
        }
        let wait = settings.retry.wait(m.attempts.saturating_add(m.held));
        let (end, alone) = match outcome {
            Outcome::Accepted { references } => (End::Accepted { references }, None),
            Outcome::Rejected { references, error: fault } => {
                let judged = Judgement { class: fault.class, attempt: Attempt::Counted };
                let Judgement { class, attempt } = accounting.judgement.unwrap_or(judged);
                let alone = matches!(class, FaultClass::Modem | FaultClass::Sim).then_some(wait);
                let (fault, others) = (Fault { class, ..fault }, self.other_modems_for(m, index, now));
                (End::Rejected { references, fault, attempt, others }, alone)
            }
            Outcome::Unknown { references, reason } => (End::Unknown { references, reason }, None),
            Outcome::NotStarted { references, reason } => {
                // Another modem takes it at once; this one when it had a moment to recover.
                (End::NotStarted { references, reason }, Some(settings.retry.first))
            }
        };
        // Others that failed with it keep their time, or two that fail would have it in turn without a pause.
        avoid.retain(|(modem, until)| modem != name && *until > now);
        let with = |wait| avoid.iter().cloned().chain([(name.to_owned(), now.plus(wait))]).collect();
        let (avoid, avoid_with_twin) = (alone.map_or_else(|| avoid.clone(), with), with(wait));
        Ended { id: m.id, modem: name.to_owned(), end, accounting, sim, avoid, avoid_with_twin }
    }

    /// The PDUs of the parts that are still to go through this modem.
    fn compose(&self, m: &Message, modem: &str, now: Now) -> Result<Vec<Part>, Fault> {
        // What cannot be read can be sent by nobody. The claim looked whether it opens.
        let broken = |text: String| Fault { class: FaultClass::Recipient, text };
        let body = m.body.as_ref().ok_or_else(|| broken("its text is gone".to_owned()))?;
        let plain = self.key.unseal(&m.id.to_bytes(), body).map_err(|e| broken(e.to_string()))?;
        let text = std::str::from_utf8(plain.expose()).map_err(|e| broken(e.to_string()))?;
        let mut submission = gsm_sms::Submission::new(m.to.as_str(), text)
            .with_status_report(m.report)
            .with_message_reference(m.reference)
            .with_concatenation_reference(m.reference)
            .with_reject_duplicates(m.uncertain || m.twin(modem).is_some());
        submission.class = m.flash.then_some(gsm_sms::MessageClass::Flash);
        submission.validity = m.deadline.map(|deadline| deadline.left(now));
        let composed = gsm_sms::compose(&submission).map_err(|e| broken(e.to_string()))?;
        Ok(composed
            .parts
            .into_iter()
            .skip(usize::from(m.first_part(modem)))
            .map(|part| Part { pdu: Secret::new(part.pdu), length: part.length })
            .collect())
    }

    /// The next message for this modem; without one it waits.
    fn next(&self, index: usize) -> Option<Claim> {
        let (entry, look_at) = {
            let mut pool = locked(&self.queue);
            let entry = pool.next(index, self.now().steady());
            (entry, pool.next_wake())
        };
        self.keep_by(look_at);
        entry.map(|e| Claim {
            id: e.id,
            modem: self.slots[index].modem.name().to_owned(),
            sim: locked(&self.queue).sim(index),
            twin_of: e.twin_of,
            avoid: e.avoid,
        })
    }

    /// This modem can take nothing: what it was given goes to others.
    fn leave(&self, index: usize) -> Option<Claim> {
        self.with_pool(|pool| pool.leave(index, self.now().steady()));
        None
    }

    /// Tells the pool of the SIM, when it came into sight or told another name, and of its place. A SIM that is out
    /// of sight for a while is still the one whose counts are at hand.
    async fn meet(
        self: &Arc<Self>,
        index: usize,
        known: &Readiness,
        next: &Readiness,
        ended: &mut Option<Ended>,
    ) -> Result<()> {
        let nameless = next.ready && next.sim.is_empty() && locked(&self.queue).sim(index).is_none();
        if nameless || !next.sim.is_empty() && next.sim != known.sim {
            if ended.is_some() {
                // The counts that the store tells have to hold this send.
                self.turn(index, ended.clone(), None).await?;
                *ended = None;
            }
            let source = self.source(self.slots[index].modem.name(), &next.sim);
            let (sim, ledger, recipients) = self.counts(source).await?;
            // What it was given was given to other counts.
            self.leave(index);
            let mut pool = locked(&self.queue);
            let same = pool.sim(index).is_some_and(|name| sim.names().any(|known| known == name));
            // A SIM that holds back its IMSI for a while, or for ever, is at home where it was before.
            if !same || ledger.home != Home::default() {
                pool.set_home(index, ledger.home);
            }
            let sim = Sim { name: Some(sim.identity), ledger, recipients };
            if same { pool.renew_sim(index, sim) } else { pool.set_sim(index, sim) }
        }
        locked(&self.queue).set_roaming(index, next.roaming);
        Ok(())
    }

    /// A breaker opened or closed: tells it, and has a modem cured whose messages fail.
    pub(super) fn breaker_changed(self: &Arc<Self>, index: usize) {
        let name = self.slots[index].modem.name();
        let now = self.now();
        let condition = locked(&self.queue).condition(index, now.steady());
        if let Circuit::Open { until } = condition.circuit {
            let until = now.told(until);
            let why = &condition.why;
            tracing::warn!(
                modem = name,
                "messages failed in a row through {name}, which gets none until {until}: {why}"
            );
            let cure = self.slots[index].modem.control(Control::Cure { why: condition.why.clone() });
            let name = name.to_owned();
            // It takes its time, and nothing waits for it.
            tokio::spawn(async move {
                if let Err(e) = cure.await {
                    tracing::warn!(modem = name, "{name} cannot be cured now: {e}");
                }
            });
        } else {
            tracing::info!(modem = name, "{name} sends again");
        }
        self.metrics.breaker(condition.circuit);
        self.publish_modem(index);
    }
}
