//! Plain messages: send, list, withdraw.

use super::effects::Move;
use super::error::{GatewayError, Result};
use super::inner::Gateway;
use super::request::{Caller, MessageFilter, SendRequest};
use super::verify::{fingerprint, number, once};
use super::view::{MessageView, Page};
use crate::id::MessageId;
use crate::outbox::{Kind, Message};
use crate::store::Records as _;

impl Gateway {
    /// Queues a plain message; answers when it is on disk. The flag tells a replay.
    pub async fn send(&self, caller: &Caller, request: SendRequest) -> Result<(MessageView, bool)> {
        let inner = &self.0;
        inner.admit()?;
        let settings = inner.settings();
        let to = number(&request.to)?;
        settings.limits.permits(&to).map_err(GatewayError::DestinationBlocked)?;
        if request.text.expose().is_empty() {
            return Err(GatewayError::InvalidRequest("text is empty".to_owned()));
        }
        if request.priority > 9 {
            return Err(GatewayError::InvalidRequest("priority is 0 to 9".to_owned()));
        }
        if let Some(name) = &request.modem
            && inner.slot(name).is_err()
        {
            return Err(GatewayError::InvalidRequest("no modem of this name is configured".to_owned()));
        }
        let now = inner.clock.now();
        let due_at = request.send_at.unwrap_or(now).max(now);
        let blank = inner.blank(inner.ids.next(now), to, caller, &request.text, now)?;
        let m = Message {
            priority: request.priority,
            flash: request.flash,
            report: request.report,
            wanted_modem: request.modem.clone(),
            due_at,
            deadline: request.valid_for.map(|span| due_at.plus(span)),
            ..blank
        };
        let once = once(caller, request.idempotency_key.as_ref(), digest(&request));
        let made = inner.perform(now, move |mv| mv.send(m, once.as_ref())).await?;
        Ok((MessageView::from(&made.subject), made.replayed))
    }

    /// One message.
    pub async fn message(&self, caller: &Caller, id: MessageId) -> Result<MessageView> {
        let m = self.0.store.read(move |view| view.message(id)).await??;
        let m = m.filter(|m| visible(caller, m));
        m.as_ref().map(MessageView::from).ok_or(GatewayError::NotFound("message"))
    }

    /// Messages, newest first.
    pub async fn messages(&self, caller: &Caller, filter: MessageFilter) -> Result<Page<MessageView>> {
        let limit = filter.limit.clamp(1, 1000);
        let who = caller.clone();
        let found = self
            .0
            .store
            .read(move |view| {
                view.messages(limit + 1, filter.before, |m| {
                    visible(&who, m)
                        && filter.status.is_none_or(|status| m.status == status)
                        && filter.to.as_ref().is_none_or(|to| m.to == *to)
                })
            })
            .await??;
        let more = found.len() > limit;
        let items: Vec<_> = found.iter().take(limit).map(MessageView::from).collect();
        let next = if more { items.last().map(|m| m.id.to_string()) } else { None };
        Ok(Page { items, next })
    }

    /// Withdraws a message that no modem has yet.
    pub async fn cancel_message(&self, caller: &Caller, id: MessageId) -> Result<MessageView> {
        let who = caller.clone();
        let cancel = move |mv: &mut Move<'_, '_>| {
            let m = mv.tx.message(id)?.filter(|m| visible(&who, m));
            let m = m.ok_or(GatewayError::NotFound("message"))?;
            mv.asked(who.client.as_ref(), &m.to);
            mv.cancel_message(m)
        };
        let m = self.0.perform(self.0.clock.now(), cancel).await?;
        Ok(MessageView::from(&m))
    }
}

fn visible(caller: &Caller, m: &Message) -> bool {
    caller.may_see(matches!(m.kind, Kind::Otp(_)), m.service.as_deref())
}

/// What makes two send requests the same.
fn digest(request: &SendRequest) -> [u8; 32] {
    fingerprint(&[
        "send",
        &request.to,
        request.text.expose(),
        &format!(
            "{} {} {} {:?} {:?} {:?}",
            request.flash,
            request.priority,
            request.report,
            request.valid_for,
            request.send_at,
            request.modem
        ),
    ])
}
