//! Verifications: looked at and cancelled; and what an issue and a check have in common.

use super::effects::Move;
use super::error::{GatewayError, Result};
use super::inner::{Gateway, Inner};
use super::moves::Tracked;
use super::request::Caller;
use super::settings::{Settings, TEST_NUMBER};
use super::source::Source;
use super::view::VerificationView;
use crate::clock::Now;
use crate::id::{MessageId, VerificationId};
use crate::otp::{Service, Verification};
use crate::outbox::{Encoding, Kind, Message, MessageStatus};
use crate::phone::PhoneNumber;
use crate::secret::{Key, Sealed, Secret};

/// Parts of one message: 1530 characters of the default alphabet.
pub const MAX_PARTS: usize = 10;

impl Gateway {
    /// One verification.
    pub async fn verification(&self, caller: &Caller, id: VerificationId) -> Result<VerificationView> {
        let who = caller.clone();
        let look = move |mv: &mut Move<'_, '_>| {
            let tracked = visible(&who, mv.settled(id)?)?;
            mv.shown(&tracked)
        };
        self.0.perform(look).await
    }

    /// Withdraws a verification and its queued message.
    pub async fn cancel(&self, caller: &Caller, id: VerificationId) -> Result<VerificationView> {
        let who = caller.clone();
        let cancel = move |mv: &mut Move<'_, '_>| {
            let tracked = own(&who, mv.settled(id)?)?;
            mv.asked(who.client.as_ref(), &tracked.v.to);
            mv.cancel(tracked)
        };
        self.0.perform(cancel).await
    }
}

impl Inner {
    /// The message that carries the code of `v`: it belongs to the client that made `v`, whoever sends it again.
    pub(super) fn carry(
        &self,
        id: MessageId,
        v: &Verification,
        service: &Service,
        caller: &Caller,
        text: &Secret<String>,
        now: Now,
    ) -> Result<Message> {
        Ok(Message {
            client: v.client.clone(),
            kind: Kind::Otp(v.id),
            service: Some(v.service.clone()),
            deadline: Some(v.life),
            report: service.report,
            flash: service.flash,
            ..self.blank(id, v.to.clone(), caller, text, now)?
        })
    }

    /// A queued plain message; the caller fills in what is special. One to a test number is over at once.
    pub(super) fn blank(
        &self,
        id: MessageId,
        to: PhoneNumber,
        caller: &Caller,
        text: &Secret<String>,
        now: Now,
    ) -> Result<Message> {
        let (encoding, parts) = measure(text)?;
        let withheld = self.settings().testing.has(&to);
        Ok(Message {
            client: caller.client.clone(),
            status: if withheld { MessageStatus::Cancelled } else { MessageStatus::Queued },
            parts,
            encoding,
            error: withheld.then(|| TEST_NUMBER.to_owned()),
            body: (!withheld).then(|| self.key.seal(&id.to_bytes(), text.expose().as_bytes())),
            ..Message::queued(id, to, Kind::Text, now)
        })
    }

    pub(super) fn unpack(&self, owner: &[u8], sealed: &Sealed) -> Result<Source> {
        let plain = self.key.unseal(owner, sealed).map_err(|e| GatewayError::Internal(e.to_string()))?;
        Source::unpack(plain.expose()).ok_or_else(|| {
            GatewayError::Conflict("the code cannot be sent again; issue a new verification".to_owned())
        })
    }
}

/// Whether a verification is for what a client says that it is for.
pub(super) fn is_for(v: &Verification, said: Option<&Secret<String>>, key: &Key) -> bool {
    match (v.binding, said) {
        (Some(binding), Some(said)) => binding.is_of(said.expose(), key, v.id),
        (binding, said) => binding.is_none() && said.is_none(),
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

/// A service that this client may use.
pub(super) fn allowed<'s>(caller: &Caller, settings: &'s Settings, name: &str) -> Result<&'s Service> {
    let service = settings.services.get(name).ok_or(GatewayError::UnknownService)?;
    if caller.may_use(name) {
        return Ok(service);
    }
    Err(GatewayError::NotAllowed("this client may not use this service".to_owned()))
}

/// A verification, when it exists for this client.
pub(super) fn visible(caller: &Caller, tracked: Tracked) -> Result<Tracked> {
    caller.see("verification", &tracked.v)?;
    Ok(tracked)
}

/// A verification, when this client may change it: check its code, send it again, withdraw it.
pub(super) fn own(caller: &Caller, tracked: Tracked) -> Result<Tracked> {
    caller.change("verification", &tracked.v)?;
    Ok(tracked)
}
