//! The routes of `/v1/messages`.

use axum::http::StatusCode;
use axum::response::Response;

use super::events::{Until, wait_until};
use super::problem::Problem;
use super::request::Authorised;
use super::routes::App;
use super::verifications::locate;
use super::wire;
use crate::gateway::{EventKind, GatewayError, MessageFilter, MessageView, SendRequest};
use crate::id::MessageId;
use crate::phone::PhoneNumber;
use crate::secret::Secret;

/// Messages on a page when no `limit` is given, and the most that one may have.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 1000;

/// `POST /v1/messages`.
pub(super) async fn send(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let caller = request.caller.clone();
    let idempotency_key = request.idempotency_key()?;
    let known = ["to", "text", "flash", "priority", "valid_for", "send_at", "report", "modem"];
    let mut fields = request.fields(&known).await?;
    let request = SendRequest {
        text: Secret::new(fields.wanted_text("text")?),
        to: fields.wanted_text("to")?,
        flash: fields.flag("flash")?,
        priority: fields.number("priority", 0..=9)?.unwrap_or(0),
        valid_for: fields.span("valid_for")?,
        send_at: fields.instant("send_at")?,
        report: fields.flag("report")?,
        modem: fields.text("modem")?,
        idempotency_key,
    };
    let accepted = app.service.send(caller, request).await?;
    let status = if accepted.replayed { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = wire::json(status, &wire::Message::from(&accepted.view));
    locate(&mut response, &format!("/v1/messages/{}", accepted.view.id));
    Ok(response)
}

/// `GET /v1/messages`.
pub(super) async fn list(app: &App, request: Authorised) -> Result<Response, Problem> {
    let [status, to, limit, cursor] = request.query(["status", "to", "limit", "cursor"])?;
    let wrong = |name: &str, what: &str| Problem::malformed(format!("`{name}` must be {what}"));
    let filter = MessageFilter {
        status: status
            .map(|word| {
                wire::message_status_named(&word).ok_or_else(|| wrong("status", "a status of a message"))
            })
            .transpose()?,
        to: to
            .map(|number| {
                // In a query an unescaped + is a blank.
                number.replacen(' ', "+", 1).parse::<PhoneNumber>()
            })
            .transpose()
            .map_err(|e| GatewayError::InvalidNumber(e.to_string()))?,
        limit: match limit {
            None => PAGE,
            Some(limit) => limit
                .parse()
                .ok()
                .filter(|limit| (1..=LONGEST_PAGE).contains(limit))
                .ok_or_else(|| wrong("limit", "a whole number from 1 to 1000"))?,
        },
        before: cursor
            .map(|cursor| cursor.parse().map_err(|_| wrong("cursor", "the next_cursor of another page")))
            .transpose()?,
    };
    let page = app.service.messages(request.caller, filter).await?;
    Ok(wire::json(StatusCode::OK, &wire::Messages::from(&page)))
}

/// `GET /v1/messages/{id}`, at once or when it is over.
pub(super) async fn show(app: &App, request: Authorised) -> Result<Response, Problem> {
    let id: MessageId = request.id("message")?;
    let caller = &request.caller;
    let view = match request.wait()? {
        None => app.service.message(caller.clone(), id).await?,
        Some(span) => {
            wait_until(
                app,
                span,
                || app.service.message(caller.clone(), id),
                |view: &MessageView| {
                    if view.status.is_over() {
                        return Until::Over;
                    }
                    Until::Changed(Box::new(move |kind| matches!(kind, EventKind::Message(m) if m.id == id)))
                },
            )
            .await?
        }
    };
    Ok(wire::json(StatusCode::OK, &wire::Message::from(&view)))
}

/// `DELETE /v1/messages/{id}`.
pub(super) async fn cancel(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let id = request.id("message")?;
    let view = app.service.cancel_message(request.caller, id).await?;
    Ok(wire::json(StatusCode::OK, &wire::Message::from(&view)))
}
