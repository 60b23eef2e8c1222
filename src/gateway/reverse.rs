//! Inbound verifications: nothing is sent to the number; the person sends a token from it. What a modem receives is
//! compared with what is pending for its sender, in the transaction that keeps the message.

use gsm_modem::State as ModemState;

use super::effects::Move;
use super::error::{GatewayError, Result};
use super::inner::Inner;
use super::moves::Tracked;
use super::request::{Caller, IssueRequest};
use super::settings::Settings;
use crate::clock::Now;
use crate::id::MessageId;
use crate::inbox::Sender;
use crate::otp::{self, Code, Service, Verification, VerificationStatus};
use crate::outbox::{Kind, Message, MessageStatus};
use crate::phone::PhoneNumber;
use crate::secret::Secret;
use crate::store::Records as _;

/// Why the message of such a verification is withdrawn.
const NOT_SENT: &str = "an inbound verification: nothing is sent, the person sends the token";

/// Verifications of one number that one text is compared with, the newest.
const COMPARED: usize = 32;

impl Inner {
    /// To which number the person sends the token. Refuses what makes no sense, what the service does not allow, and
    /// what no modem can receive.
    pub(super) fn dialled(
        &self,
        settings: &Settings,
        name: &str,
        service: &Service,
        request: &IssueRequest,
    ) -> Result<PhoneNumber> {
        if !service.inbound {
            return Err(GatewayError::SwitchedOff(format!(
                "mode inbound is off for this service; service.{name}.inbound = true in the configuration allows it"
            )));
        }
        if request.locale.is_some() || !request.values.is_empty() || request.binding.is_some() {
            return Err(GatewayError::InvalidRequest(
                "mode inbound has no text and no check: leave out locale, values and binding".to_owned(),
            ));
        }
        let with_number =
            || self.slots.iter().filter_map(|slot| Some((slot, settings.numbers.get(slot.modem.name())?)));
        let in_service = with_number()
            .find(|(slot, _)| matches!(slot.modem.facts().state, ModemState::Ready | ModemState::Busy));
        let (_, number) = in_service.or_else(|| with_number().next()).ok_or_else(|| {
            GatewayError::Conflict(
                "no modem has a number that the person could send to; enter the number of a modem's SIM as `number` of \
                 its [[modem]] in the configuration"
                    .to_owned(),
            )
        })?;
        Ok(number.clone())
    }

    /// In the place of the message that would carry a code: it is over, and has no text.
    pub(super) fn unsent(
        &self,
        id: MessageId,
        v: &Verification,
        caller: &Caller,
        now: Now,
    ) -> Result<Message> {
        Ok(Message {
            client: v.client.clone(),
            kind: Kind::Otp(v.id),
            service: Some(v.service.clone()),
            status: MessageStatus::Cancelled,
            error: Some(NOT_SENT.to_owned()),
            body: None,
            ..self.blank(id, v.to.clone(), caller, &Secret::new(String::new()), now)?
        })
    }
}

impl Move<'_, '_> {
    /// Compares what a text says with the inbound verifications that are pending for its sender: the right token approves
    /// one of them. A text with tokens of which none is right is an attempt for each, and any other text is none.
    pub(super) fn prove(&mut self, from: &Sender, text: &str) -> Result<()> {
        let tokens = otp::tokens_in(text);
        if tokens.is_empty() {
            return Ok(());
        }
        let Some(to) = self.settings.sender(from) else { return Ok(()) };
        let mut pending = Vec::new();
        for id in self.tx.inbound_verifications(&to, COMPARED)? {
            let tracked = self.settled(id)?;
            if tracked.v.status == VerificationStatus::Pending {
                pending.push(tracked);
            }
        }
        let right = pending.iter().position(|tracked| self.has_token(&tracked.v, &tokens));
        let meant = match right {
            Some(place) => vec![pending.swap_remove(place)],
            None => pending,
        };
        for Tracked { v, message } in meant {
            if let Ok(v) = otp::step(v, otp::Event::Entered { right: right.is_some() }, self.now) {
                self.entered(Tracked { v, message })?;
            }
        }
        Ok(())
    }

    fn has_token(&self, v: &Verification, tokens: &[Code]) -> bool {
        tokens.iter().any(|token| token.has(&v.hash, self.key, v.id, &v.service, &v.to))
    }
}

impl Settings {
    /// Whose number a sender is, when it is a whole one, or one of the country whose national forms are read. Nothing
    /// is guessed here: an SMS that approves has to come from the number itself.
    fn sender(&self, from: &Sender) -> Option<PhoneNumber> {
        self.number(from.as_str()).ok().or_else(|| from.as_str().parse().ok())
    }
}
