//! Plain messages: send, list, withdraw.

use super::effects::Move;
use super::error::{GatewayError, Result};
use super::inner::Gateway;
use super::once::Once;
use super::request::{Caller, MessageFilter, SendRequest};
use super::view::{MessageView, Page};
use crate::clock::Life;
use crate::id::MessageId;
use crate::outbox::Message;
use crate::store::Records as _;

impl Gateway {
    /// Queues a plain message; answers when it is on disk. The flag tells a replay.
    pub async fn send(&self, caller: &Caller, request: SendRequest) -> Result<(MessageView, bool)> {
        self.0.metrics.told(self.send_if_it_may(caller, request).await)
    }

    async fn send_if_it_may(&self, caller: &Caller, request: SendRequest) -> Result<(MessageView, bool)> {
        let inner = &self.0;
        let settings = inner.settings();
        let to = settings.number(&request.to)?;
        let fields = || fields(&request, to.as_str());
        let once =
            Once::of(&inner.key, caller, "POST /v1/messages", request.idempotency_key.as_ref(), fields);
        let now = inner.now();
        let look = |mv: &mut Move<'_, '_>, id| mv.tx.message(id)?.ok_or(GatewayError::NotFound("message"));
        if let Some(m) = inner.replay(once.clone(), look).await? {
            return Ok((MessageView::from(&m), true));
        }
        settings.permits(&to).inspect_err(|e| inner.tell_refusal(caller, &to, e))?;
        if request.text.expose().is_empty() {
            return Err(GatewayError::InvalidRequest("text is empty".to_owned()));
        }
        if request.priority > 9 {
            return Err(GatewayError::InvalidRequest("priority is 0 to 9".to_owned()));
        }
        if let Some(name) = &request.modem
            && inner.slot(name).is_err()
            && inner.fleet.as_ref().and_then(|fleet| fleet.host_of(name)).is_none()
        {
            return Err(GatewayError::InvalidRequest("no modem of this name is configured".to_owned()));
        }
        let send_at = request.send_at.filter(|date| *date > now.date());
        // What is made with these keys is written before they may go.
        let drawn = inner.key.ring();
        let blank = inner.blank(inner.ids.next(now.steady()), to, caller, &request.text, now)?;
        let m = Message {
            priority: request.priority,
            flash: request.flash,
            report: request.report,
            wanted_modem: request.modem.clone(),
            send_at,
            deadline: request.valid_for.map(|span| match send_at {
                Some(date) => Life::from(date, span),
                None => Life::of(span, now),
            }),
            ..blank
        };
        let made = inner
            .perform(move |mv| {
                let made = mv.send(m, once.as_ref());
                drop(drawn);
                made
            })
            .await?;
        Ok((MessageView::from(&made.subject), made.known))
    }

    /// One message.
    pub async fn message(&self, caller: &Caller, id: MessageId) -> Result<MessageView> {
        let m = self.0.store.read(move |view| view.message(id)).await??;
        let m = m.ok_or(GatewayError::NotFound("message"))?;
        caller.see("message", &m)?;
        Ok(MessageView::from(&m))
    }

    /// Messages, newest first.
    pub async fn messages(&self, caller: &Caller, filter: MessageFilter) -> Result<Page<MessageView>> {
        let limit = filter.limit.clamp(1, 1000);
        let to = filter.to.as_deref().map(|to| self.0.settings().number(to)).transpose()?;
        let who = caller.clone();
        let found = self
            .0
            .store
            .read(move |view| {
                let page = (limit + 1, filter.before);
                view.list_messages(page, filter.status, to.as_ref(), |m| who.may_see(m))
            })
            .await??;
        Ok(Page::cut(found.iter().map(MessageView::from).collect(), limit, |m| m.id.to_string()))
    }

    /// Withdraws a message that no modem has yet.
    pub async fn cancel_message(&self, caller: &Caller, id: MessageId) -> Result<MessageView> {
        let who = caller.clone();
        let cancel = move |mv: &mut Move<'_, '_>| {
            let m = mv.tx.message(id)?.ok_or(GatewayError::NotFound("message"))?;
            who.change("message", &m)?;
            mv.asked(who.client.as_ref(), &m.to);
            mv.cancel_message(m)
        };
        let m = self.0.perform(cancel).await?;
        Ok(MessageView::from(&m))
    }
}

/// What makes two send requests the same.
fn fields(request: &SendRequest, to: &str) -> Vec<String> {
    let SendRequest { flash, priority, report, valid_for, send_at, modem, .. } = request;
    vec![
        to.to_owned(),
        request.text.expose().clone(),
        format!("{flash} {priority} {report} {valid_for:?} {send_at:?} {modem:?}"),
    ]
}
