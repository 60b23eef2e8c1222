//! The moves that a client asks for: a code or a text is made, checked, sent again, withdrawn. Each is one transaction
//! and decides nothing that a pure step could decide.

use super::effects::{Effect, Move};
use super::error::{GatewayError, Result};
use super::once::{Made, Once};
use super::request::{Caller, Reach};
use super::view::VerificationView;
use crate::clock::Now;
use crate::id::{MessageId, VerificationId};
use crate::otp::{self, Verification, VerificationStatus};
use crate::outbox::{Message, MessageStatus, Observation};
use crate::phone::PhoneNumber;
use crate::store::Records as _;

/// A verification, and where its newest message stands.
pub(super) struct Tracked {
    pub(super) v: Verification,
    pub(super) message: MessageStatus,
}

impl Tracked {
    pub(super) fn view(&self, now: Now) -> VerificationView {
        VerificationView::new(&self.v, self.message, now)
    }
}

impl Move<'_, '_> {
    /// A new plain message.
    pub(super) fn send(&mut self, m: Message, once: Option<&Once>) -> Result<Made<Message>> {
        if let Some(id) = self.made_before(once)? {
            let subject = self.tx.message(id)?.ok_or(GatewayError::NotFound("message"))?;
            return Ok(Made { subject, known: true });
        }
        self.asked(m.client.as_ref(), &m.to);
        self.inner.admit()?;
        self.permits(&m.to, false)?;
        self.remember(once, &m.id)?;
        self.tx.put_message(&m)?;
        self.queued(&m);
        Ok(Made { subject: m, known: false })
    }

    /// A verification and where its newest message stands.
    pub(super) fn tracked(&self, id: VerificationId) -> Result<Tracked> {
        let v = self.tx.verification(id)?.ok_or(GatewayError::NotFound("verification"))?;
        // A message may be forgotten before its verification; it is over then.
        let message = self.tx.message(v.message)?.map_or(MessageStatus::Expired, |m| m.status);
        Ok(Tracked { v, message })
    }

    /// The same, for an answer: an end by time that is told is on disk, so that no clock that is set takes it back.
    pub(super) fn settled(&mut self, id: VerificationId) -> Result<Tracked> {
        self.expire(id)?;
        self.tracked(id)
    }

    /// The newest verification that a client made for a number and service. When others alone made one, that is hidden in
    /// the words for what there is not; all of them are asked for, whoever has one, so that it takes the same time.
    pub(super) fn newest(&self, to: &PhoneNumber, service: &str, caller: &Caller) -> Result<VerificationId> {
        let newest = |client| self.tx.newest_verification(to, service, client);
        if let Some(id) = newest(caller.client.as_deref())? {
            return Ok(id);
        }
        let mut hidden = newest(None)?.is_some();
        for client in &self.settings.clients {
            hidden |= newest(Some(client))?.is_some();
        }
        let what = "verification of this number and service";
        let may_change = caller.reach >= Reach::Changes;
        Err(if hidden && !may_change { GatewayError::Hidden(what) } else { GatewayError::NotFound(what) })
    }

    /// Cancels a verification and withdraws its queued message.
    pub(super) fn cancel(&mut self, mut tracked: Tracked) -> Result<VerificationView> {
        let message = tracked.v.message;
        let view = match otp::step(tracked.v.clone(), otp::Event::Cancel, self.now) {
            Ok(v) => {
                self.tx.put_verification(&v)?;
                tracked = Tracked { v, message: self.withdraw(message)? };
                self.tell("cancelled", &tracked)
            }
            // Cancelling twice is no conflict: it is what was asked for.
            Err(_) if tracked.v.status == VerificationStatus::Cancelled => tracked.view(self.now),
            Err(_) => return Err(GatewayError::Conflict("the verification has ended".to_owned())),
        };
        self.inner.not_wanted(message);
        self.then(Effect::ForgetExpiry(tracked.v.life.place(), tracked.v.id));
        Ok(view)
    }

    /// Time passed for one verification.
    pub(super) fn expire(&mut self, id: VerificationId) -> Result<()> {
        let Some(v) = self.tx.verification(id)? else { return Ok(()) };
        if let Ok(v) = otp::step(v, otp::Event::Tick, self.now)
            && v.status == VerificationStatus::Expired
        {
            self.tx.put_verification(&v)?;
            self.code_ended(v.message, Observation::CodeUnused)?;
            let tracked = self.tracked(id)?;
            self.tell("expired", &tracked);
        }
        Ok(())
    }

    /// The code that a message carried was entered, or nobody did.
    pub(super) fn code_ended(&mut self, id: MessageId, observation: Observation) -> Result<()> {
        let carried = |m: &Message| matches!(m.status, MessageStatus::Sent | MessageStatus::Delivered);
        if let Some(m) = self.tx.message(id)?.filter(carried) {
            self.then(Effect::CodeEnded(m, observation));
        }
        Ok(())
    }

    /// A verification changed.
    pub(super) fn tell(&mut self, what: &'static str, tracked: &Tracked) -> VerificationView {
        let view = tracked.view(self.now);
        self.then(Effect::Verification(what, view.clone()));
        view
    }

    /// Withdraws the message of a verification if it waits; answers its status.
    pub(super) fn withdraw(&mut self, id: MessageId) -> Result<MessageStatus> {
        let Some(m) = self.tx.message(id)? else { return Ok(MessageStatus::Expired) };
        let status = m.status;
        let Some(m) = self.withdraw_for(m, None)? else { return Ok(status) };
        self.withdrawn(m);
        Ok(MessageStatus::Cancelled)
    }

    /// Withdraws a message that no modem has yet.
    pub(super) fn cancel_message(&mut self, m: Message) -> Result<Message> {
        if m.status == MessageStatus::Cancelled {
            return Ok(m);
        }
        let conflict = GatewayError::Conflict(format!("the message is {} already", m.status.as_str()));
        let m = self.withdraw_for(m, None)?.ok_or(conflict)?;
        self.withdrawn(m.clone());
        Ok(m)
    }
}
