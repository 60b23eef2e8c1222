//! The routes of `/v1/messages`.

use axum::http::{StatusCode, header};

use super::events::wait_until;
use super::fields::Fields;
use super::reply::{json, with};
use super::request::{Authorised, Reply};
use super::wire;
use crate::gateway::{EventKind, MessageFilter, MessageView, SendRequest};
use crate::id::MessageId;
use crate::outbox::MessageStatus;
use crate::secret::Secret;

/// `POST /v1/messages`.
pub(super) async fn send(mut request: Authorised) -> Reply {
    let idempotency_key = request.idempotency_key()?;
    let take = |fields: &mut Fields| SendRequest {
        text: Secret::new(fields.wanted_text("text")),
        to: fields.wanted_text("to"),
        flash: fields.flag("flash"),
        priority: fields.number("priority", 9),
        valid_for: fields.span("valid_for"),
        send_at: fields.instant("send_at"),
        report: fields.flag("report"),
        modem: fields.text("modem"),
        idempotency_key,
    };
    let wanted = request.fields(take).await?;
    let (view, replayed) = request.app.service.send(request.caller, wanted).await?;
    let status = if replayed { StatusCode::OK } else { StatusCode::ACCEPTED };
    let place = format!("/v1/messages/{}", view.id);
    Ok(with(json(status, &wire::Message::from(&view)), header::LOCATION, &place))
}

/// `GET /v1/messages`.
pub(super) async fn list(request: Authorised) -> Reply {
    let named = |word: &str| MessageStatus::ALL.into_iter().find(|status| status.as_str() == word);
    let filter = MessageFilter {
        status: request.read("status", "a status of a message", named)?,
        to: request.number("to"),
        limit: request.limit()?,
        before: request.cursor(|cursor| cursor.parse().ok())?,
    };
    let page = request.app.service.messages(request.caller, filter).await?;
    Ok(json(StatusCode::OK, &wire::Messages::from(&page)))
}

/// `GET /v1/messages/{id}`, at once or when it is over.
pub(super) async fn show(request: Authorised) -> Reply {
    let id: MessageId = request.id("message")?;
    let look = || request.app.service.message(request.caller.clone(), id);
    let over = |view: &MessageView| view.status.is_over();
    let concerns = |_: &_, kind: &EventKind| matches!(kind, EventKind::Message(m) if m.id == id);
    let view = wait_until(&request.app, request.wait()?, look, over, concerns).await?;
    Ok(json(StatusCode::OK, &wire::Message::from(&view)))
}

/// `DELETE /v1/messages/{id}`.
pub(super) async fn cancel(request: Authorised) -> Reply {
    let id = request.id("message")?;
    let view = request.app.service.cancel_message(request.caller, id).await?;
    Ok(json(StatusCode::OK, &wire::Message::from(&view)))
}
