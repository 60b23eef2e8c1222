//! A code goes out: with a new verification, or once more while its verification is pending. For a number, a service and
//! a client no more than one verification is pending.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::effects::{Effect, Move};
use super::error::{GatewayError, Result};
use super::inner::{Gateway, Inner};
use super::limits::{Asked, Judged};
use super::moves::Tracked;
use super::once::{Made, Once};
use super::request::{Caller, IssueRequest, Mode};
use super::settings::Settings;
use super::source::{Source, check_values};
use super::verify::{allowed, is_for, own, visible};
use super::view::{CheckView, Invitation, VerificationView};
use crate::clock::{Life, Now};
use crate::id::{MessageId, VerificationId};
use crate::otp::{self, BindingHash, Code, OnReissue, Service, Verification, VerificationStatus};
use crate::outbox::{Kind, Message};
use crate::phone::PhoneNumber;
use crate::secret::{Ring, Secret};
use crate::store::Records as _;

/// The most notes of a client on one verification, and the most octets of their names and values together.
const MOST_NOTES: (usize, usize) = (16, 1024);

/// What an issue makes, unless a verification is pending.
struct New {
    v: Verification,
    m: Message,
    source: Source,
    binding: Option<Secret<String>>,
    on_reissue: OnReissue,
    ttl: Duration,
    /// Of an inbound one.
    invitation: Option<Invitation>,
    /// The keys that it was made with, until it is written.
    _drawn: Arc<Ring>,
}

impl New {
    /// The same, made now: it was drawn before its turn came, and a clock may have been set in between.
    fn issued(self, now: Now) -> Self {
        let v = self.v.issued(self.ttl, now);
        let deadline = self.m.deadline.map(|_| v.life);
        let m = Message { created_at: now.wall(), due_at: now.steady(), deadline, ..self.m };
        Self { v, m, ..self }
    }
}

impl Gateway {
    /// Makes a code and queues its message, or queues the pending one's code again; answers when all of that is on disk.
    /// The flag tells that the verification was there before, pending or under its `Idempotency-Key`.
    pub async fn issue(&self, caller: &Caller, request: IssueRequest) -> Result<(VerificationView, bool)> {
        self.0.metrics.told(self.issue_if_it_may(caller, request).await)
    }

    async fn issue_if_it_may(
        &self,
        caller: &Caller,
        request: IssueRequest,
    ) -> Result<(VerificationView, bool)> {
        let inner = &self.0;
        let settings = inner.settings();
        let name = request.service.clone().unwrap_or_else(|| Service::DEFAULT.to_owned());
        let to = settings.number(&request.to)?;
        let fields = || fields(&request, to.as_str(), &name);
        let once =
            Once::of(&inner.key, caller, "POST /v1/verifications", request.idempotency_key.as_ref(), fields);
        let (who, now) = (caller.clone(), inner.now());
        let look = move |mv: &mut Move<'_, '_>, id| mv.made_again(&who, id);
        if let Some(view) = inner.replay(once.clone(), look).await? {
            return Ok((view, true));
        }
        let service = allowed(caller, &settings, &name)?;
        let asked = inner.weigh(caller, &settings, to, request.mode, &request.keys)?;
        check_notes(&request.metadata)?;
        let drawn = inner.draw(caller, &settings, (&name, service), asked.to.clone(), request, now);
        let new = drawn.inspect_err(|e| inner.tell_refusal(caller, &asked.to, e))?;
        let invitation = new.invitation.clone();
        let who = caller.clone();
        let ahead = inner.rehearse(|mv| mv.rehearse_issue(&asked, &new, once.as_ref()));
        let Made { subject, known } =
            inner.perform_ahead(ahead, move |mv| mv.issue(&who, &asked, new, once.as_ref())).await?;
        let invitation = if known { subject.invitation.clone() } else { invitation };
        Ok((VerificationView { invitation, ..subject }, known))
    }

    /// Sends the same code again.
    pub async fn resend(
        &self,
        caller: &Caller,
        id: VerificationId,
        idempotency_key: Option<String>,
    ) -> Result<VerificationView> {
        let inner = &self.0;
        let route = format!("POST /v1/verifications/{id}/resend");
        let once = Once::of(&inner.key, caller, &route, idempotency_key.as_ref(), Vec::<&str>::new);
        let now = inner.now();
        let (who, message) = (caller.clone(), inner.ids.next(now.steady()));
        inner.metrics.told(inner.perform(move |mv| mv.resend(&who, id, message, once.as_ref())).await)
    }
}

impl Inner {
    /// A new code, or a token, and what its issue makes.
    fn draw(
        &self,
        caller: &Caller,
        settings: &Settings,
        (name, service): (&str, &Service),
        to: PhoneNumber,
        request: IssueRequest,
        now: Now,
    ) -> Result<New> {
        let policy = &service.policy;
        let drawn = self.key.ring();
        let (id, message) = (self.ids.next(now.steady()), self.ids.next(now.steady()));
        let source = match request.mode {
            Mode::Sms => {
                check_values(service, request.locale.as_deref(), &request.values)?;
                let fixed = settings.testing.code(&to, &policy.alphabet);
                let code = fixed.unwrap_or_else(|| Code::draw(policy, self.key.random()));
                Source { code, locale: request.locale, values: request.values }
            }
            Mode::Inbound => {
                let number = self.dialled(settings, name, service, &request)?;
                Source::of_token(otp::draw_token(self.key.random()), &number)
            }
        };
        let hash = source.code.hash(&self.key, id, name, &to);
        let sealed = self.key.seal(&id.to_bytes(), source.pack().expose());
        let client = caller.client.clone();
        let v = Verification {
            binding: request.binding.as_ref().map(|b| BindingHash::of(b.expose(), &self.key, id)),
            metadata: request.metadata,
            inbound: request.mode == Mode::Inbound,
            ..Verification::new(id, name.to_owned(), to, client, policy, now, hash, sealed, message)
        };
        let m = if v.inbound {
            self.unsent(message, &v, caller, now)?
        } else {
            let text = source.render(name, service, policy.ttl)?;
            self.carry(message, &v, service, caller, &text, now)?
        };
        let invitation = source.invitation().filter(|_| v.inbound);
        Ok(New {
            v,
            m,
            source,
            binding: request.binding,
            on_reissue: policy.on_reissue,
            ttl: policy.ttl,
            invitation,
            _drawn: drawn,
        })
    }
}

impl Move<'_, '_> {
    fn issue(
        &mut self,
        caller: &Caller,
        asked: &Asked,
        new: New,
        once: Option<&Once>,
    ) -> Result<Made<VerificationView>> {
        if let Some(id) = self.made_before(once)? {
            return Ok(Made { subject: self.made_again(caller, id)?, known: true });
        }
        self.asked(caller.client.as_ref(), &asked.to);
        let new = new.issued(self.now);
        let pending = self.pending(&asked.to, &new.v.service, asked.client.as_deref())?;
        let judged = self.judge(asked, pending.as_ref())?;
        self.admit(&judged)?;
        match pending {
            Some(v) if !new.v.inbound && self.goes_on(&v, new.on_reissue, new.binding.as_ref()) => {
                let code = self.kept_source(&v)?.code;
                let source = Source { code, ..new.source };
                let sealed = self.key.seal(&v.id.to_bytes(), source.pack().expose());
                // One that names no keys is for whom the one before was for.
                let keys = if asked.keys.is_empty() { v.keys } else { asked.keys.clone() };
                let v = Verification { sealed: Some(sealed), keys, ..v };
                let id = v.id;
                let subject = self.send_again(caller, v, &source, new.m.id, judged)?;
                self.remember(once, &id)?;
                Ok(Made { subject, known: true })
            }
            older => {
                // A code has no more attempts than its number may have wrong codes: so attempts_left is true. Whoever
                // forges a number must not use those up, and tokens that are wrong do not count there.
                let guesses_left = if new.v.inbound { u32::MAX } else { judged.guesses_left() };
                let max_attempts = new.v.max_attempts.min(guesses_left);
                self.count(judged, &new.m)?;
                if let Some(older) = older {
                    let older = self.tracked(older.id)?;
                    self.cancel(older)?;
                }
                self.remember(once, &new.v.id)?;
                let v = Verification { max_attempts, keys: asked.keys.clone(), ..new.v };
                Ok(Made { subject: self.begin(v, &new.m)?, known: false })
            }
        }
    }

    /// All that an issue asks of the store for a number that nobody knows. What it writes beside, it read before.
    fn rehearse_issue(&mut self, asked: &Asked, new: &New, once: Option<&Once>) -> Result<()> {
        let New { v, m, .. } = new;
        self.made_before::<VerificationId>(once)?;
        self.pending(&asked.to, &v.service, asked.client.as_deref())?;
        self.judge(asked, None)?;
        self.begin(v.clone(), m)?;
        Ok(())
    }

    /// What was made under a key before, as it is now. A client whose answer was lost has not seen the token: while the
    /// verification is pending that client, and no other, is given it again.
    fn made_again(&mut self, caller: &Caller, id: VerificationId) -> Result<VerificationView> {
        let tracked = visible(caller, self.settled(id)?)?;
        let view = self.shown(&tracked)?;
        let v = &tracked.v;
        let sealed = v.sealed.as_ref().filter(|_| v.inbound && v.client == caller.client);
        // An older version kept no token.
        let source = sealed.and_then(|sealed| self.inner.unpack(&v.id.to_bytes(), sealed).ok());
        Ok(VerificationView { invitation: source.and_then(|source| source.invitation()), ..view })
    }

    /// The verification of a number, a service and a client that is pending.
    pub(super) fn pending(
        &mut self,
        to: &PhoneNumber,
        service: &str,
        client: Option<&str>,
    ) -> Result<Option<Verification>> {
        let newest = self.tx.newest_verification(to, service, client)?;
        let Some(id) = newest else { return Ok(None) };
        self.expire(id)?;
        let v = self.tx.verification(id)?;
        Ok(v.filter(|v| v.status == VerificationStatus::Pending))
    }

    /// Whether a pending verification is what is asked for now: its service says so, it lives long enough for another
    /// message, and it is for the same thing. A token is given to whoever made it, so that no inbound one goes on.
    fn goes_on(&self, v: &Verification, on_reissue: OnReissue, binding: Option<&Secret<String>>) -> bool {
        on_reissue == OnReissue::Same
            && !v.inbound
            && v.life.left(self.now) >= self.settings.min_life
            && is_for(v, binding, self.key)
    }

    /// What an issue without a binding meets behind its judgement: a pending verification that may have no more messages,
    /// and modems that have no time. Nothing is written and no place is kept.
    pub(super) fn foresee(&self, asked: &Asked, service: &str, pending: Option<Verification>) -> Result<()> {
        let service = self.settings.services.get(service).ok_or(GatewayError::UnknownService)?;
        let message = self.inner.ids.next(self.now.steady());
        let pending = pending.filter(|v| self.goes_on(v, service.policy.on_reissue, None));
        let life = pending.as_ref().map_or_else(|| Life::of(service.policy.ttl, self.now), |v| v.life);
        if let Some(v) = pending {
            resent(v, message, self.now)?;
        }
        if !asked.sends {
            return Ok(());
        }
        let kind = Kind::Otp(self.inner.ids.next(self.now.steady()));
        let m = Message {
            client: asked.client.clone(),
            deadline: Some(life),
            ..Message::queued(message, asked.to.clone(), kind, self.now)
        };
        self.inner.would_admit_code(&m, &asked.asker, self.now)
    }

    /// A new verification and its message, which are counted already.
    fn begin(&mut self, v: Verification, m: &Message) -> Result<VerificationView> {
        self.tx.put_message(m)?;
        self.tx.put_verification(&v)?;
        self.then(Effect::ExpectExpiry(v.life.place(), v.id));
        let view = self.tell("pending", &Tracked { v, message: m.status });
        self.queued(m);
        Ok(view)
    }

    fn resend(
        &mut self,
        caller: &Caller,
        id: VerificationId,
        message: MessageId,
        once: Option<&Once>,
    ) -> Result<VerificationView> {
        let Tracked { v, .. } = own(caller, self.settled(id)?)?;
        if let Some(answer) = self.answered_before(once)? {
            return Ok(answer.verification);
        }
        self.asked(caller.client.as_ref(), &v.to);
        if v.status != VerificationStatus::Pending {
            return Err(GatewayError::Conflict("the verification has ended".to_owned()));
        }
        if v.inbound {
            return Err(GatewayError::Conflict(
                "nothing is sent for an inbound verification; issue a new one for another token".to_owned(),
            ));
        }
        if v.life.left(self.now) < self.settings.min_life {
            return Err(GatewayError::Conflict(
                "too little of its life is left for another message; issue a new verification".to_owned(),
            ));
        }
        let asked = self.inner.weigh(caller, self.settings, v.to.clone(), Mode::Sms, &BTreeMap::new())?;
        // It is for whom the code was issued for.
        let asked = Asked { keys: v.keys.clone(), ..asked };
        let judged = self.judge(&asked, Some(&v))?;
        self.admit(&judged)?;
        let source = self.kept_source(&v)?;
        let view = self.send_again(caller, v, &source, message, judged)?;
        self.remember_answer(once, &CheckView { approved: false, verification: view.clone() })?;
        Ok(view)
    }

    /// Sends the code of a pending verification in one more message; an older message of it that still waits is
    /// withdrawn.
    fn send_again(
        &mut self,
        caller: &Caller,
        v: Verification,
        source: &Source,
        message: MessageId,
        judged: Judged,
    ) -> Result<VerificationView> {
        let service = self.settings.services.get(&v.service).ok_or(GatewayError::UnknownService)?;
        let older = v.message;
        let v = resent(v, message, self.now)?;
        let text = source.render(&v.service, service, v.life.left(self.now))?;
        let m = self.inner.carry(message, &v, service, caller, &text, self.now)?;
        self.count(judged, &m)?;
        self.withdraw(older)?;
        self.tx.put_message(&m)?;
        self.tx.put_verification(&v)?;
        self.inner.not_wanted(older);
        let view = self.tell("resent", &Tracked { v, message: m.status });
        self.queued(&m);
        Ok(view)
    }

    /// What the text of a pending verification was rendered from.
    fn kept_source(&self, v: &Verification) -> Result<Source> {
        let ended = || GatewayError::Conflict("the verification has ended".to_owned());
        self.inner.unpack(&v.id.to_bytes(), v.sealed.as_ref().ok_or_else(ended)?)
    }
}

/// The verification with one more message.
fn resent(v: Verification, message: MessageId, now: Now) -> Result<Verification> {
    let refused = |refusal: otp::Refusal| GatewayError::Conflict(refusal.to_string());
    otp::step(v, otp::Event::Resend { message }, now).map_err(refused)
}

fn check_notes(notes: &BTreeMap<String, String>) -> Result<()> {
    let (most, octets) = MOST_NOTES;
    let size: usize = notes.iter().map(|(name, note)| name.len() + note.len()).sum();
    if notes.len() <= most && size <= octets {
        return Ok(());
    }
    Err(GatewayError::InvalidRequest(format!(
        "metadata has at most {most} strings, and their names and values together at most {octets} octets"
    )))
}

/// What makes two issue requests the same. A list is preceded by its length.
fn fields(request: &IssueRequest, to: &str, service: &str) -> Vec<String> {
    let mut fields = vec![to.to_owned(), service.to_owned(), request.locale.clone().unwrap_or_default()];
    for list in [&request.values, &request.metadata, &request.keys] {
        fields.push(list.len().to_string());
        fields.extend(list.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
    }
    fields.extend(request.binding.as_ref().map(|binding| binding.expose().clone()));
    if request.mode == Mode::Inbound {
        // Two fields: no binding looks like them.
        fields.extend(["mode", "inbound"].map(str::to_owned));
    }
    fields
}
