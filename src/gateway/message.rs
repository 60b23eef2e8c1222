//! Plain messages: send, list, withdraw.

use super::moves::{self, IDEMPOTENCY, Once};
use super::verify::{fingerprint, measure, number};
use super::{Caller, Gateway, GatewayError, MessageFilter, MessageView, Page, SendRequest};
use crate::id::MessageId;
use crate::outbox::{Kind, Message};
use crate::store::Records as _;

impl Gateway {
    /// Queues a plain message; answers when it is on disk. The flag tells a replay.
    pub async fn send(
        &self,
        caller: &Caller,
        request: SendRequest,
    ) -> Result<(MessageView, bool), GatewayError> {
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
        let (encoding, parts) = measure(&request.text)?;
        let now = inner.clock.now();
        let due_at = request.send_at.unwrap_or(now).max(now);
        let blank = inner.blank(inner.ids.next(now), to, caller, encoding, parts, &request.text, now);
        let m = Message {
            priority: request.priority,
            flash: request.flash,
            report: request.report,
            wanted_modem: request.modem.clone(),
            due_at,
            deadline: request.valid_for.map(|span| due_at.plus(span)),
            ..blank
        };
        let once = request.idempotency_key.as_ref().map(|key| Once {
            client: caller.client.clone().unwrap_or_default(),
            key: key.clone(),
            digest: digest(&request),
            expires_at: now.plus(IDEMPOTENCY),
        });
        let (m, replayed) = inner.store.transact(move |tx| moves::send(tx, m, once.as_ref(), now)).await??;
        if !replayed {
            inner.publish_message(&m);
            inner.enqueue(&m, vec![]);
        }
        Ok((MessageView::from(&m), replayed))
    }

    /// One message.
    pub async fn message(&self, caller: &Caller, id: MessageId) -> Result<MessageView, GatewayError> {
        let m = self.0.store.read(move |view| view.message(id)).await??;
        let m = m.filter(|m| visible(caller, m));
        m.as_ref().map(MessageView::from).ok_or(GatewayError::NotFound("message"))
    }

    /// Messages, newest first.
    pub async fn messages(
        &self,
        caller: &Caller,
        filter: MessageFilter,
    ) -> Result<Page<MessageView>, GatewayError> {
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
    pub async fn cancel_message(&self, caller: &Caller, id: MessageId) -> Result<MessageView, GatewayError> {
        let inner = &self.0;
        let now = inner.clock.now();
        let who = caller.clone();
        let (m, done) = inner
            .store
            .transact(move |tx| {
                tx.message(id)?.filter(|m| visible(&who, m)).ok_or(GatewayError::NotFound("message"))?;
                moves::cancel_message(tx, id, now)
            })
            .await??;
        super::locked(&inner.queue).remove(id);
        if done {
            inner.publish_message(&m);
        }
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
