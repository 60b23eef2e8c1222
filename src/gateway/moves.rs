//! The moves that a client asks for: a code or a text is made, checked, sent again, withdrawn. Each is one transaction
//! and decides nothing that a pure step could decide.

use std::str::FromStr;
use std::time::Duration;

use super::effects::{Effect, Move};
use super::error::{GatewayError, Result};
use super::view::{CheckView, VerificationView};
use crate::clock::Timestamp;
use crate::id::{MessageId, VerificationId};
use crate::otp::{self, Rate, Verification, VerificationStatus, Window};
use crate::outbox::{Message, MessageStatus, Observation};
use crate::phone::PhoneNumber;
use crate::store::{Idempotency, Records as _};

/// How long an `Idempotency-Key` is honoured.
pub(super) const IDEMPOTENCY: Duration = Duration::from_secs(24 * 3600);

/// Under which idempotency key something is made, and from which request.
#[derive(Debug, Clone)]
pub(super) struct Once {
    pub(super) client: String,
    pub(super) key: String,
    pub(super) digest: [u8; 32],
}

/// What a request made.
pub(super) struct Made<T> {
    pub(super) subject: T,
    /// An earlier request with the same key had made it.
    pub(super) replayed: bool,
}

/// The windows that a new code counts in.
pub(super) type Windows = Vec<(String, Rate, &'static str)>;

/// A verification, and where its newest message stands.
pub(super) struct Tracked {
    pub(super) v: Verification,
    pub(super) message: MessageStatus,
}

impl Tracked {
    pub(super) fn view(&self, now: Timestamp) -> VerificationView {
        VerificationView::new(&self.v, self.message, now)
    }
}

/// A check, before anything is compared.
pub(super) enum Attempt {
    /// It is counted.
    Counted(Tracked),
    /// None was left.
    Refused(Tracked),
}

impl Move<'_, '_> {
    /// A new verification with its message, counted in its windows.
    pub(super) fn issue(
        &mut self,
        v: Verification,
        m: &Message,
        windows: &Windows,
        once: Option<&Once>,
    ) -> Result<Made<VerificationView>> {
        if let Some(id) = self.made_before(once)? {
            return Ok(Made { subject: self.tracked(id)?.view(self.now), replayed: true });
        }
        self.asked(v.client.as_ref(), &v.to);
        self.permits(&v.to)?;
        self.count(windows)?;
        self.remember(once, &v.id)?;
        self.tx.put_message(m)?;
        self.tx.put_verification(&v)?;
        self.then(Effect::ExpectExpiry(v.expires_at, v.id));
        let view = self.tell("pending", &Tracked { v, message: m.status });
        self.queued(m);
        Ok(Made { subject: view, replayed: false })
    }

    /// A new plain message.
    pub(super) fn send(&mut self, m: Message, once: Option<&Once>) -> Result<Made<Message>> {
        if let Some(id) = self.made_before(once)? {
            let subject = self.tx.message(id)?.ok_or(GatewayError::NotFound("message"))?;
            return Ok(Made { subject, replayed: true });
        }
        self.asked(m.client.as_ref(), &m.to);
        self.permits(&m.to)?;
        self.remember(once, &m.id)?;
        self.tx.put_message(&m)?;
        self.queued(&m);
        Ok(Made { subject: m, replayed: false })
    }

    /// What `once` made before, if its body was the same.
    fn made_before<I: FromStr>(&self, once: Option<&Once>) -> Result<Option<I>> {
        let Some(once) = once else { return Ok(None) };
        match self.tx.idempotency(&once.client, &once.key)? {
            Some(known) if known.expires_at <= self.now => Ok(None),
            Some(known) if known.digest != once.digest => Err(GatewayError::IdempotencyMismatch),
            Some(known) => {
                let damaged = |_| GatewayError::Internal("idempotency record".to_owned());
                known.subject.parse().map(Some).map_err(damaged)
            }
            None => Ok(None),
        }
    }

    fn remember(&mut self, once: Option<&Once>, subject: &impl ToString) -> Result<()> {
        if let Some(once) = once {
            let expires_at = self.now.plus(IDEMPOTENCY);
            let record = Idempotency { digest: once.digest, subject: subject.to_string(), expires_at };
            self.tx.put_idempotency(&once.client, &once.key, &record)?;
        }
        Ok(())
    }

    /// Counts one more code in its windows.
    fn count(&mut self, windows: &Windows) -> Result<()> {
        for (name, window, expires_at) in self.counted(windows)? {
            self.tx.put_window(name, &window, expires_at)?;
        }
        Ok(())
    }

    /// The windows with one more code, which none of them has until it is written. When any is full the refusal is
    /// that of the one that stays full the longest: who comes back then is let in.
    fn counted<'w>(&self, windows: &'w Windows) -> Result<Vec<(&'w str, Window, Timestamp)>> {
        let mut counted = Vec::with_capacity(windows.len());
        let mut full: Option<(Timestamp, String)> = None;
        for (name, rate, limit) in windows {
            let mut window = self.tx.window(name)?;
            match window.count(*rate, self.steady) {
                Ok(()) => counted.push((name.as_str(), window, self.steady.plus(rate.per))),
                Err(e) if full.as_ref().is_none_or(|(until, _)| e.retry_at > *until) => {
                    full = Some((e.retry_at, format!("{limit} = \"{rate}\"")));
                }
                Err(_) => {}
            }
        }
        match full {
            Some((until, limit)) => {
                Err(GatewayError::RateLimited { limit, retry_after: until.since(self.steady) })
            }
            None => Ok(counted),
        }
    }

    /// A verification and where its newest message stands.
    pub(super) fn tracked(&self, id: VerificationId) -> Result<Tracked> {
        let v = self.tx.verification(id)?.ok_or(GatewayError::NotFound("verification"))?;
        // A message may be forgotten before its verification; it is over then.
        let message = self.tx.message(v.message)?.map_or(MessageStatus::Expired, |m| m.status);
        Ok(Tracked { v, message })
    }

    /// The newest verification of a number and service.
    pub(super) fn newest(&self, to: &PhoneNumber, service: &str) -> Result<VerificationId> {
        let newest = self.tx.newest_verification(to, service)?;
        newest.ok_or(GatewayError::NotFound("verification of this number and service"))
    }

    /// Counts an attempt, if one is left.
    pub(super) fn attempt(&mut self, Tracked { v, message }: Tracked) -> Result<Attempt> {
        match otp::step(v.clone(), otp::Event::Attempt, self.now) {
            Ok(v) => {
                self.tx.put_verification(&v)?;
                let tracked = Tracked { v, message };
                self.tell("attempted", &tracked);
                Ok(Attempt::Counted(tracked))
            }
            Err(_) => Ok(Attempt::Refused(Tracked { v, message })),
        }
    }

    /// Writes down what the comparison of a counted attempt gave; when that ends the verification, its queued message
    /// is withdrawn.
    pub(super) fn compared(&mut self, id: VerificationId, right: bool) -> Result<CheckView> {
        let mut tracked = self.tracked(id)?;
        let mut end = None;
        if let Ok(v) = otp::step(tracked.v.clone(), otp::Event::Compared { right }, self.now) {
            self.tx.put_verification(&v)?;
            end = match v.status {
                VerificationStatus::Approved => Some("approved"),
                VerificationStatus::Exhausted => Some("exhausted"),
                _ => None,
            };
            tracked.v = v;
        }
        if end.is_some() {
            tracked.message = self.withdraw(tracked.v.message)?;
        }
        if tracked.v.status != VerificationStatus::Pending {
            self.inner.not_wanted(tracked.v.message);
            self.then(Effect::ForgetExpiry(tracked.v.expires_at, id));
        }
        let approved = right && end.is_some();
        if approved {
            self.code_ended(tracked.v.message, Observation::CodeUsed)?;
        }
        let verification = match end {
            Some(end) => self.tell(end, &tracked),
            None => tracked.view(self.now),
        };
        Ok(CheckView { approved, verification })
    }

    /// Sends the same code again in `m`; an older message of it that still waits is withdrawn.
    pub(super) fn resend(
        &mut self,
        id: VerificationId,
        m: &Message,
        windows: &Windows,
    ) -> Result<VerificationView> {
        let Tracked { v, .. } = self.tracked(id)?;
        self.asked(m.client.as_ref(), &v.to);
        self.permits(&v.to)?;
        let older = v.message;
        let v = match otp::step(v, otp::Event::Resend { message: m.id }, self.now) {
            Ok(v) => v,
            Err(otp::Refusal::Cooldown { until }) => return Err(self.cooling(windows, until)),
            Err(refusal) => return Err(GatewayError::Conflict(refusal.to_string())),
        };
        self.count(windows)?;
        self.withdraw(older)?;
        self.tx.put_message(m)?;
        self.tx.put_verification(&v)?;
        self.inner.not_wanted(older);
        let view = self.tell("resent", &Tracked { v, message: m.status });
        self.queued(m);
        Ok(view)
    }

    /// The refusal of a resend inside its cool-down: a full window may outlast that.
    fn cooling(&self, windows: &Windows, until: Timestamp) -> GatewayError {
        let cooldown = until.since(self.now);
        match self.counted(windows) {
            Err(GatewayError::RateLimited { limit, retry_after }) if retry_after > cooldown => {
                GatewayError::RateLimited { limit, retry_after }
            }
            _ => GatewayError::Cooldown { retry_after: cooldown },
        }
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
        self.then(Effect::ForgetExpiry(tracked.v.expires_at, tracked.v.id));
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

    /// The code that a message carried was entered, or nobody did: an observation of how good the modem is that sent it.
    fn code_ended(&mut self, id: MessageId, observation: Observation) -> Result<()> {
        let carried = |m: &Message| matches!(m.status, MessageStatus::Sent | MessageStatus::Delivered);
        if let Some(modem) = self.tx.message(id)?.filter(carried).and_then(|m| m.modem) {
            self.then(Effect::CodeEnded(modem, observation));
        }
        Ok(())
    }

    /// A verification changed.
    fn tell(&mut self, what: &'static str, tracked: &Tracked) -> VerificationView {
        let view = tracked.view(self.now);
        self.then(Effect::Verification(what, view.clone()));
        view
    }

    /// Withdraws the message of a verification if it waits; answers its status.
    fn withdraw(&mut self, id: MessageId) -> Result<MessageStatus> {
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
