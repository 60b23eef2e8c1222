//! Patience, and answers that come late. A code whose modem is silent also goes out through another modem: a twin
//! harms nobody, and a person waits for the code. Whichever is accepted first makes the message sent; the other is
//! credited when it ends, or withdrawn while it has not left.

use super::air::{Answer, Leave, Role};
use super::effects::{Effect, Move};
use super::error::Result;
use super::inner::{Gateway, Inner, Slot};
use super::lock::locked;
use super::reports::Settled;
use crate::id::MessageId;
use crate::outbox::{self, Avoid, Event, Message, MessageStatus, Observation};
use crate::store::Records as _;

impl Gateway {
    /// The answer to what this modem has on the air is later than a code waits for it.
    pub async fn overdue(&self, modem: &str) -> Result<()> {
        let inner = &self.0;
        let slot = inner.slot(modem)?;
        let id = {
            let mut sending = locked(&slot.sending);
            let Some(on_air) = sending.as_mut() else { return Ok(()) };
            on_air.answer = Answer::Overdue;
            on_air.id
        };
        let offer = move |mv: &mut Move<'_, '_>| {
            if let Some(m) = mv.tx.message(id)? {
                mv.note_overdue(id)?;
                mv.then(Effect::OfferTwin(m, vec![]));
            }
            Ok(())
        };
        inner.perform(offer).await
    }

    /// A modem told the result of its last doubtful send after all.
    pub async fn late_accepted(&self, modem: &str, reference: u8) -> Result<()> {
        let inner = &self.0;
        let index = inner.index(modem)?;
        let Some((id, part)) = locked(&inner.slots[index].doubt).settle() else {
            return Ok(());
        };
        tracing::debug!(message_id = %id, modem, "a send of unknown outcome was accepted after all");
        let closed = locked(&inner.queue).observe(index, Observation::Sent, inner.now().steady());
        if closed {
            inner.breaker_changed(index);
            inner.keeper.notify_one();
        }
        // Out of the queue first, so that no worker sends it once more meanwhile.
        locked(&inner.queue).remove(id);
        let sim = locked(&inner.queue).sim(index);
        let modem = modem.to_owned();
        inner.perform(move |mv| mv.late_accepted(id, &modem, part, reference, sim.as_deref())).await
    }
}

impl Move<'_, '_> {
    /// A part of unknown outcome had gone out through `modem` after all.
    pub(super) fn late_accepted(
        &mut self,
        id: MessageId,
        modem: &str,
        part: u8,
        reference: u8,
        sim: Option<&str>,
    ) -> Result<()> {
        let event = Event::LateAccepted { modem: modem.to_owned(), part, reference };
        let Settled { was, states } = self.settle(id, &event, sim)?;
        if states.first().is_some_and(|m| m.status != was) {
            self.then(Effect::Recall(id));
            self.went_through(modem, &states);
            return Ok(());
        }
        self.then(Effect::Sent(modem.to_owned()));
        self.went_through(modem, states.get(1..).unwrap_or_default());
        match self.tx.message(id)? {
            Some(m) if m.status == MessageStatus::Queued => self.then(Effect::Enqueue(m, vec![])),
            Some(m) => self.then(Effect::OfferTwin(m, vec![])),
            None => {}
        }
        Ok(())
    }
}

impl Inner {
    /// Has another modem send a code as well, when the only one that has it is silent.
    pub(super) fn offer_twin(&self, m: &Message, avoid: Avoid) {
        if !outbox::wants_twin(m, &self.settings().retry) {
            return;
        }
        let Some(silent) = m.modem.as_deref().and_then(|name| self.slot(name).ok()) else { return };
        let sending = locked(&silent.sending);
        // Held until the twin waits: whoever ends this send takes the twin out again.
        if sending.is_some_and(|on_air| on_air.id == m.id && on_air.answer == Answer::Overdue) {
            let (to, modem) = (m.to.masked(), silent.modem.name());
            tracing::info!(message_id = %m.id, modem,
                "no answer of {modem} yet: the code to {to} also goes out through another modem, as soon as one is free");
            let now = self.now().steady();
            let recipient = self.recipient(&m.to);
            self.with_pool(|pool| pool.push_twin(m, recipient, avoid, now));
        }
    }

    /// A message is not to go out any more: what has not left its gate does not leave it.
    pub(super) fn recall(&self, id: MessageId, which: impl Fn(Role) -> bool) {
        for slot in &self.slots {
            if let Some(on_air) = locked(&slot.sending).as_mut()
                && on_air.id == id
                && on_air.leave == Leave::Awaited
                && which(on_air.role)
            {
                on_air.leave = Leave::Refused;
            }
        }
    }

    /// The verification of this message ended, or has a newer one: what waits is withdrawn, and a twin that has not
    /// left. Called within the move that says so, before a claim beside it is on disk.
    pub(super) fn not_wanted(&self, id: MessageId) {
        locked(&self.queue).remove(id);
        self.recall(id, |role| role == Role::Twin);
    }
}

impl Slot {
    /// Whether the PDU of what this modem has may leave, now that its claim is on disk.
    pub(super) fn let_go(&self) -> bool {
        let mut sending = locked(&self.sending);
        match sending.as_mut() {
            Some(on_air) if on_air.leave == Leave::Refused => false,
            Some(on_air) => {
                on_air.leave = Leave::Given;
                true
            }
            None => true,
        }
    }
}
