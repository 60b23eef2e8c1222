//! The moves of a message on its way: a modem claims it, a send of it ends, its time runs out.

use std::time::Duration;

use super::effects::{Effect, Move};
use super::error::Result;
use super::log::Line;
use super::opt_out;
use super::reports::Settled;
use super::settings::TEST_NUMBER;
use crate::clock::Now;
use crate::id::MessageId;
use crate::otp::{Verification, VerificationStatus};
use crate::outbox::{self, Accounting, Avoid, End, Event, FaultClass, Message, MessageStatus};
use crate::secret::Sealed;
use crate::store::{Records as _, ReportRecords as _};

/// Why a message whose code is of no use is withdrawn.
const ENDED: &str = "its code was used, withdrawn or sent in a newer message";

/// How long a message waits whose text does not open.
const DAMAGED: Duration = Duration::from_secs(600);

/// A message for a modem.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) id: MessageId,
    pub(super) modem: String,
    /// The SIM in that modem, when it is known.
    pub(super) sim: Option<String>,
    /// The modem that has it on the air and is silent.
    pub(super) twin_of: Option<String>,
    /// The modems that left it alone.
    pub(super) avoid: Avoid,
}

/// How a send ended, and what it costs the SIM.
#[derive(Clone)]
pub(super) struct Ended {
    pub(super) id: MessageId,
    pub(super) modem: String,
    pub(super) end: End,
    pub(super) accounting: Accounting,
    /// The SIM that it was sent with, when it is known.
    pub(super) sim: Option<String>,
    /// The modems that leave the message alone when it waits again.
    pub(super) avoid: Avoid,
    /// The same when another modem has it still.
    pub(super) avoid_with_twin: Avoid,
}

impl Move<'_, '_> {
    /// The heart of the queue: the outcome of one message and the claim of the next, in one commit. Answers the next.
    pub(super) fn settle_and_claim(
        &mut self,
        ended: Option<Ended>,
        wanted: Option<Claim>,
    ) -> Result<Option<Message>> {
        if let Some(ended) = ended {
            self.ended(ended)?;
        }
        match wanted {
            Some(wanted) => self.claim(wanted),
            None => Ok(None),
        }
    }

    /// A send ended: writes down what it cost, and puts the message back when it is to go out again.
    fn ended(&mut self, ended: Ended) -> Result<()> {
        let Ended { id, modem, end, accounting, sim, avoid, avoid_with_twin } = ended;
        if let Some((sim, ledger)) = &accounting.ledger {
            self.tx.put_ledger(sim, ledger)?;
            if let Some((month, recipient)) = accounting.new_recipient {
                self.tx.put_recipient(sim, month, recipient);
            }
        }
        if let End::Unknown { references, .. } = &end {
            let first = self.tx.message(id)?.map_or(0, |m| m.first_part(&modem));
            let taken = u8::try_from(references.len()).unwrap_or(u8::MAX);
            self.answers_late(&modem, id, first.saturating_add(taken))?;
        }
        self.forget_overdue(id)?;
        let event = Event::Ended { modem: modem.clone(), end: end.clone() };
        let Settled { was, states } = self.settle(id, &event, sim.as_deref())?;
        let [m, later @ ..] = states.as_slice() else {
            return self.ended_after_all(id, &modem, &end, sim.as_deref());
        };
        match end {
            End::Accepted { .. } => self.then(Effect::Sent(modem.clone())),
            // The service centre had it already.
            End::Rejected { .. } if m.status == MessageStatus::Sent && was != m.status => {
                self.then(Effect::Sent(modem.clone()));
            }
            End::Rejected { .. } | End::Unknown { .. } => self.then(Effect::Failed(modem.clone())),
            End::NotStarted { .. } => {}
        }
        if m.status == was {
            self.then(Effect::Log(Line::OneOfTwoEnded(m.clone(), modem.clone())));
            // The other one may be silent as well.
            if m.status == MessageStatus::Sending && goes_elsewhere(&end) {
                self.then(Effect::OfferTwin(m.clone(), avoid_with_twin));
            }
        } else {
            self.then(Effect::Message(m.clone()));
            if m.status == MessageStatus::Queued && later.is_empty() {
                self.then(Effect::Log(Line::GoesOutAgain(m.clone(), modem.clone())));
                self.then(Effect::Enqueue(m.clone(), avoid));
            }
        }
        self.went_through(&modem, later);
        Ok(())
    }

    /// A send ended that others had taken for lost: what they did since stands, and that it was accepted is credited.
    fn ended_after_all(&mut self, id: MessageId, modem: &str, end: &End, sim: Option<&str>) -> Result<()> {
        let (End::Accepted { references }, Some(m)) = (end, self.tx.message(id)?) else { return Ok(()) };
        let Some(&reference) = references.last().filter(|_| m.uncertain) else { return Ok(()) };
        self.late_accepted(id, modem, m.parts.saturating_sub(1), reference, sim)
    }

    /// A modem takes a message that waits, or sends one as well that another modem has.
    fn claim(&mut self, claim: Claim) -> Result<Option<Message>> {
        let Claim { id, modem, sim, twin_of, avoid } = claim;
        let Some(m) = self.tx.message(id)? else { return Ok(None) };
        // It may have become one since the message was queued.
        if self.settings.testing.has(&m.to) {
            if let Some(m) = self.withdraw_for(m, Some(TEST_NUMBER))? {
                self.withdrawn(m);
            }
            return Ok(None);
        }
        // The pool counts by the clock that nobody sets. The wall clock may have ended the life of its code before.
        if m.deadline.is_some_and(|life| life.is_over(self.now)) {
            self.run_out(id)?;
            return Ok(None);
        }
        if let Some(m) = self.damaged(&m)? {
            if twin_of.is_none() {
                self.then(Effect::Log(Line::Damaged(m.id)));
                self.then(Effect::Message(m.clone()));
                self.then(Effect::Enqueue(m, avoid));
            }
            return Ok(None);
        }
        let twin = twin_of.is_some();
        let event = match twin_of {
            None if !self.began(&m, &modem, sim.as_deref())? => {
                // All of it goes out again, through whatever modem may send as much.
                if let Some(m) = self.happened_to(m, Event::SenderGone, self.now)? {
                    self.then(Effect::Enqueue(m, avoid));
                }
                return Ok(None);
            }
            None => Event::Claimed { modem },
            Some(_) if self.unwanted(&m)?.is_some() => return Ok(None),
            Some(of) => {
                // The message is over when one of the two is accepted, and then nothing but this says what the other owes.
                self.answers_late(&of, id, m.first_part(&of))?;
                self.answers_late(&modem, id, 0)?;
                Event::TwinClaimed { modem, of }
            }
        };
        let claimed = self.happened_to(m, event, self.now)?;
        if let Some(m) = &claimed {
            if twin {
                self.then(Effect::TwinClaimed);
            }
            self.then(Effect::Message(m.clone()));
        }
        Ok(claimed)
    }

    /// A message whose text does not open: nobody can send it, and nothing ends it but its own deadline, since a backup
    /// may have its record. It waits for a while.
    fn damaged(&mut self, m: &Message) -> Result<Option<Message>> {
        let opens = |body: &Sealed| self.key.unseal(&m.id.to_bytes(), body);
        let Some(Err(error)) = m.body.as_ref().map(opens) else { return Ok(None) };
        let mut m = m.clone();
        if m.status == MessageStatus::Queued {
            (m.error, m.due_at) = (Some(format!("its text: {error}")), self.now.steady().plus(DAMAGED));
            self.tx.put_message(&m)?;
        }
        Ok(Some(m))
    }

    /// Whether the parts of a message that went out did so through this SIM: a phone joins the parts of one sender alone,
    /// and another SIM may be in the modem by now.
    fn began(&self, m: &Message, modem: &str, sim: Option<&str>) -> Result<bool> {
        let Some(&last) = m.modem_references.last().filter(|_| m.parts_done > 0) else { return Ok(true) };
        let sent = match sim {
            Some(sim) => self.tx.expected_of_sim(sim, last)?,
            None => self.tx.expected(modem, Some(last))?,
        };
        Ok(sent.contains(&m.id))
    }

    /// Time passed for a message that waits.
    pub(super) fn run_out(&mut self, id: MessageId) -> Result<()> {
        let event = Event::Tick { min_life: self.settings.min_life };
        let Some(m) = self.tx.message(id)? else { return Ok(()) };
        if let Some(m) = self.happened_to(m, event, self.now)? {
            // By the wall clock it may have some time left still, when that was set back.
            self.then(if m.status.is_over() { Effect::Message(m) } else { Effect::Enqueue(m, vec![]) });
        }
        Ok(())
    }

    /// The pool gave this message up, which waited there.
    pub(super) fn give_up_code(&mut self, id: MessageId) -> Result<()> {
        let Some(m) = self.tx.message(id)? else { return Ok(()) };
        if let Some(m) = self.happened_to(m, Event::GivenUp, self.now)? {
            self.then(Effect::GivenUp);
            self.then(Effect::Message(m));
        }
        Ok(())
    }

    /// One event of a message as it is in the store, written down; nothing when its state does not take the event.
    pub(super) fn happened_to(&mut self, m: Message, event: Event, at: Now) -> Result<Option<Message>> {
        let was = m.status;
        let Ok(m) = outbox::step(m, event, at, &self.settings.retry) else { return Ok(None) };
        self.tx.put_message(&m)?;
        if was != MessageStatus::Sending || m.status != MessageStatus::Queued {
            return Ok(Some(m));
        }
        // Much may have changed while the message was on the air.
        match self.unwanted(&m)? {
            Some(why) => self.withdraw_for(m, Some(why)),
            None => Ok(Some(m)),
        }
    }

    /// Withdraws a message that waits, and says why where that is news; nothing when it does not wait.
    pub(super) fn withdraw_for(&mut self, m: Message, why: Option<&str>) -> Result<Option<Message>> {
        let Ok(mut m) = outbox::step(m, Event::Cancel, self.now, &self.settings.retry) else {
            return Ok(None);
        };
        m.error = why.map(str::to_owned).or(m.error);
        self.tx.put_message(&m)?;
        Ok(Some(m))
    }

    /// Why a message is not to go out once more, if it is not: its recipient is none or opted out, or its code is of no
    /// use.
    fn unwanted(&self, m: &Message) -> Result<Option<&'static str>> {
        if self.settings.testing.has(&m.to) {
            return Ok(Some(TEST_NUMBER));
        }
        if self.stopped(&m.to, matches!(m.kind, outbox::Kind::Otp(_)))? {
            return Ok(Some(opt_out::OPTED_OUT));
        }
        let outbox::Kind::Otp(id) = m.kind else { return Ok(None) };
        // One that ran out ends its message by the message's own deadline.
        let ended = |v: &Verification| {
            use VerificationStatus::{Approved, Cancelled, Exhausted};
            matches!(v.status, Approved | Cancelled | Exhausted) || v.message != m.id
        };
        Ok(self.tx.verification(id)?.as_ref().is_some_and(ended).then_some(ENDED))
    }
}

/// Whether another modem may do better with a message than the one whose send ended so.
fn goes_elsewhere(end: &End) -> bool {
    match end {
        End::Rejected { fault, .. } => {
            matches!(fault.class, FaultClass::Modem | FaultClass::Sim | FaultClass::Transient)
        }
        End::Unknown { .. } | End::NotStarted { .. } => true,
        End::Accepted { .. } => false,
    }
}
