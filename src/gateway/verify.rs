//! Verifications: issue, check, resend, cancel.

use std::sync::Arc;

use super::effects::{Move, to_its_end};
use super::error::{GatewayError, Result};
use super::inner::{Gateway, Inner};
use super::moves::{Attempt, Once, Tracked};
use super::request::{Caller, IssueRequest};
use super::source::{Source, check_values};
use super::view::{CheckView, VerificationView};
use crate::clock::Timestamp;
use crate::id::{MessageId, VerificationId};
use crate::otp::{Code, Service, Verification, VerificationStatus};
use crate::outbox::{Encoding, Kind, Message, MessageStatus};
use crate::phone::PhoneNumber;
use crate::secret::{Sealed, Secret};

/// Parts of one message: 1530 characters of the default alphabet.
const MAX_PARTS: usize = 10;

impl Gateway {
    /// Makes a code and queues its message; answers when both are on disk. The flag tells that an
    /// `Idempotency-Key` gave back an earlier verification.
    pub async fn issue(&self, caller: &Caller, request: IssueRequest) -> Result<(VerificationView, bool)> {
        let inner = &self.0;
        inner.admit()?;
        let settings = inner.settings();
        let to = number(&request.to)?;
        let name = request.service.clone().unwrap_or_else(|| Service::DEFAULT.to_owned());
        let service = settings.services.get(&name).ok_or(GatewayError::UnknownService)?;
        allowed(caller, &name)?;
        settings.limits.permits(&to).map_err(GatewayError::DestinationBlocked)?;
        check_values(service, request.locale.as_deref(), &request.values)?;

        let now = inner.clock.now();
        let (id, message) = (inner.ids.next(now), inner.ids.next(now));
        let code = Code::draw(&service.policy, inner.key.random());
        let source = Source { code, locale: request.locale.clone(), values: request.values.clone() };
        let text = source.render(&name, service, service.policy.ttl)?;
        let hash = source.code.hash(&inner.key, id, &name, &to);
        let sealed = inner.key.seal(&id.to_bytes(), source.pack().expose().as_bytes());
        let v = Verification::new(
            id,
            name,
            to.clone(),
            caller.client.clone(),
            &service.policy,
            now,
            hash,
            sealed,
            message,
        );
        let m = inner.carry(message, &v, service, caller, &text, now)?;
        let windows = settings.limits.windows(&to, caller.client.as_deref());
        let once = once(caller, request.idempotency_key.as_ref(), digest(&request));
        let made = inner.perform(now, move |mv| mv.issue(v, &m, &windows, once.as_ref())).await?;
        Ok((made.subject, made.replayed))
    }

    /// One verification.
    pub async fn verification(&self, caller: &Caller, id: VerificationId) -> Result<VerificationView> {
        let now = self.0.clock.now();
        let tracked = self.0.perform(now, move |mv| mv.tracked(id)).await?;
        Ok(visible(caller, tracked)?.view(now))
    }

    /// Checks a code: the attempt is on disk before it is compared, and an approval before it is told.
    pub async fn check(
        &self,
        caller: &Caller,
        id: VerificationId,
        code: &Secret<String>,
    ) -> Result<CheckView> {
        let (inner, caller, code) = (Arc::clone(&self.0), caller.clone(), code.clone());
        to_its_end(async move {
            let answer = inner.check(caller, id, &code).await?;
            inner.metrics.check(answer.approved);
            Ok(answer)
        })
        .await
    }

    /// Checks a code against the newest verification of a number and service.
    pub async fn check_newest(
        &self,
        caller: &Caller,
        to: &str,
        service: Option<&str>,
        code: &Secret<String>,
    ) -> Result<CheckView> {
        let to = number(to)?;
        let service = service.unwrap_or(Service::DEFAULT).to_owned();
        allowed(caller, &service)?;
        if !self.0.settings().services.contains_key(&service) {
            return Err(GatewayError::UnknownService);
        }
        let id = self.0.perform(self.0.clock.now(), move |mv| mv.newest(&to, &service)).await?;
        self.check(caller, id, code).await
    }

    /// Sends the same code again.
    pub async fn resend(&self, caller: &Caller, id: VerificationId) -> Result<VerificationView> {
        let inner = &self.0;
        inner.admit()?;
        let settings = inner.settings();
        let now = inner.clock.now();
        let tracked = inner.perform(now, move |mv| mv.tracked(id)).await?;
        let Tracked { v, .. } = visible(caller, tracked)?;
        let ended = || GatewayError::Conflict("the verification has ended".to_owned());
        let sealed = v.sealed.as_ref().filter(|_| v.status_at(now) == VerificationStatus::Pending);
        let sealed = sealed.ok_or_else(ended)?;
        let life = v.expires_at.since(now);
        if life < settings.min_life {
            return Err(GatewayError::Conflict(
                "too little of its life is left for another message; issue a new verification".to_owned(),
            ));
        }
        let service = settings.services.get(&v.service).ok_or(GatewayError::UnknownService)?;
        settings.limits.permits(&v.to).map_err(GatewayError::DestinationBlocked)?;
        let source = inner.unpack(&id.to_bytes(), sealed)?;
        let text = source.render(&v.service, service, life)?;
        let m = inner.carry(inner.ids.next(now), &v, service, caller, &text, now)?;
        let windows = settings.limits.windows(&v.to, caller.client.as_deref());
        inner.perform(now, move |mv| mv.resend(id, &m, &windows)).await
    }

    /// Withdraws a verification and its queued message.
    pub async fn cancel(&self, caller: &Caller, id: VerificationId) -> Result<VerificationView> {
        let who = caller.clone();
        let cancel = move |mv: &mut Move<'_, '_>| {
            let tracked = visible(&who, mv.tracked(id)?)?;
            mv.asked(who.client.as_ref(), &tracked.v.to);
            mv.cancel(tracked)
        };
        self.0.perform(self.0.clock.now(), cancel).await
    }
}

impl Inner {
    async fn check(
        self: &Arc<Self>,
        caller: Caller,
        id: VerificationId,
        code: &Secret<String>,
    ) -> Result<CheckView> {
        let now = self.clock.now();
        let by = caller.client.clone();
        let attempt = move |mv: &mut Move<'_, '_>| {
            let tracked = visible(&caller, mv.tracked(id)?)?;
            mv.asked(caller.client.as_ref(), &tracked.v.to);
            mv.attempt(tracked)
        };
        let tracked = match self.make(now, attempt).await? {
            Attempt::Counted(tracked) => tracked,
            Attempt::Refused(tracked) => {
                return Ok(CheckView { approved: false, verification: tracked.view(now) });
            }
        };
        let (v, settings) = (&tracked.v, self.settings());
        // A service that is gone from the configuration leaves its codes as they were drawn.
        let alphabet = settings.services.get(&v.service).map_or("", |service| &service.policy.alphabet);
        let typed = Code::typed(code.expose(), alphabet);
        let right = typed.hash(&self.key, v.id, &v.service, &v.to) == v.hash;
        if right || v.attempts_left() == 0 {
            let compare = move |mv: &mut Move<'_, '_>| {
                mv.by = by;
                mv.compared(id, right)
            };
            return self.make(now, compare).await;
        }
        Ok(CheckView { approved: false, verification: tracked.view(now) })
    }

    /// The message that carries the code of `v`.
    fn carry(
        &self,
        id: MessageId,
        v: &Verification,
        service: &Service,
        caller: &Caller,
        text: &Secret<String>,
        now: Timestamp,
    ) -> Result<Message> {
        Ok(Message {
            kind: Kind::Otp(v.id),
            service: Some(v.service.clone()),
            deadline: Some(v.expires_at),
            report: service.report,
            ..self.blank(id, v.to.clone(), caller, text, now)?
        })
    }

    /// A queued plain message; the caller fills in what is special.
    pub(super) fn blank(
        &self,
        id: MessageId,
        to: PhoneNumber,
        caller: &Caller,
        text: &Secret<String>,
        now: Timestamp,
    ) -> Result<Message> {
        let (encoding, parts) = measure(text)?;
        Ok(Message {
            id,
            to,
            client: caller.client.clone(),
            kind: Kind::Text,
            service: None,
            status: MessageStatus::Queued,
            priority: 0,
            parts,
            encoding,
            flash: false,
            report: false,
            wanted_modem: None,
            modem: None,
            twins: Vec::new(),
            attempts: 0,
            held: 0,
            refused: None,
            created_at: now,
            due_at: now,
            deadline: None,
            sent_at: None,
            delivered_at: None,
            error: None,
            body: Some(self.key.seal(&id.to_bytes(), text.expose().as_bytes())),
            // Any octet that differs between neighbours serves as TP-MR; the id's last is random.
            reference: id.to_bytes()[15],
            parts_done: 0,
            uncertain: false,
            modem_references: Vec::new(),
        })
    }

    fn unpack(&self, owner: &[u8], sealed: &Sealed) -> Result<Source> {
        let plain = self.key.unseal(owner, sealed).map_err(|e| GatewayError::Internal(e.to_string()))?;
        Source::unpack(plain.expose())
            .ok_or_else(|| GatewayError::Internal("sealed code is damaged".to_owned()))
    }
}

/// The coding and the parts of a text, or why it does not fit.
fn measure(text: &Secret<String>) -> Result<(Encoding, u8)> {
    let survey = gsm_sms::survey(text.expose());
    if survey.parts > MAX_PARTS {
        return Err(GatewayError::TextTooLong(format!(
            "the text takes {} short messages; at most {MAX_PARTS} are sent",
            survey.parts
        )));
    }
    Ok((survey.encoding, u8::try_from(survey.parts).unwrap_or(u8::MAX)))
}

/// A number as a client wrote it.
pub(super) fn number(text: &str) -> Result<PhoneNumber> {
    text.parse().map_err(|e: crate::phone::PhoneError| GatewayError::InvalidNumber(e.to_string()))
}

fn allowed(caller: &Caller, service: &str) -> Result<()> {
    if caller.may_use(service) {
        return Ok(());
    }
    Err(GatewayError::NotAllowed("this client may not use this service".to_owned()))
}

/// A verification of a service that the client may not use does not exist for it.
fn visible(caller: &Caller, tracked: Tracked) -> Result<Tracked> {
    if caller.may_use(&tracked.v.service) { Ok(tracked) } else { Err(GatewayError::NotFound("verification")) }
}

/// What makes two issue requests the same.
fn digest(request: &IssueRequest) -> [u8; 32] {
    let mut fields: Vec<&str> = vec![
        "issue",
        &request.to,
        request.service.as_deref().unwrap_or_default(),
        request.locale.as_deref().unwrap_or_default(),
    ];
    fields.extend(request.values.iter().flat_map(|(k, v)| [k.as_str(), v.as_str()]));
    fingerprint(&fields)
}

/// Under which key a client makes something once, if it gave one.
pub(super) fn once(caller: &Caller, key: Option<&String>, digest: [u8; 32]) -> Option<Once> {
    Some(Once { client: caller.client.clone().unwrap_or_default(), key: key?.clone(), digest })
}

/// SHA-256 over fields, each preceded by its length.
pub(super) fn fingerprint(fields: &[&str]) -> [u8; 32] {
    use sha2::Digest as _;
    let mut hash = sha2::Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hash.finalize().into()
}
