//! The routes of `/v1/verifications` and `/v1/check`.

use axum::http::{StatusCode, header};

use super::events::wait_until;
use super::fields::Fields;
use super::reply::{json, with};
use super::request::{Authorised, Reply};
use super::wire;
use crate::gateway::{CheckRequest, EventKind, IssueRequest, Mode, VerificationFilter, VerificationView};
use crate::id::VerificationId;
use crate::otp::{BindingHash, VerificationStatus};
use crate::secret::Secret;

const MODES: &[(&str, Mode)] = &[("sms", Mode::Sms), ("inbound", Mode::Inbound)];

/// `POST /v1/verifications`.
pub(super) async fn issue(mut request: Authorised) -> Reply {
    let idempotency_key = request.idempotency_key()?;
    let take = |fields: &mut Fields| IssueRequest {
        to: fields.wanted_text("to"),
        service: fields.text("service"),
        mode: fields.word("mode", "\"sms\" or \"inbound\"", MODES).unwrap_or_default(),
        locale: fields.text("locale"),
        values: fields.texts("values"),
        binding: fields.short_text("binding", BindingHash::MOST_CHARS).map(Secret::new),
        metadata: fields.texts("metadata"),
        keys: fields.texts("keys"),
        idempotency_key,
    };
    let wanted = request.fields(take).await?;
    let (view, known) = request.app.service.issue(request.caller, wanted).await?;
    let status = if known { StatusCode::OK } else { StatusCode::CREATED };
    let place = format!("/v1/verifications/{}", view.id);
    Ok(with(json(status, &wire::Verification::from(&view)), header::LOCATION, &place))
}

/// `GET /v1/verifications`.
pub(super) async fn list(request: Authorised) -> Reply {
    let named = |word: &str| VerificationStatus::ALL.into_iter().find(|status| status.as_str() == word);
    let filter = VerificationFilter {
        service: request.query("service").map(str::to_owned),
        status: request.read("status", "a status of a verification", named)?,
        to: request.number("to"),
        limit: request.limit()?,
        before: request.cursor(|cursor| cursor.parse().ok())?,
    };
    let page = request.app.service.verifications(request.caller, filter).await?;
    Ok(json(StatusCode::OK, &wire::Verifications::from(&page)))
}

/// `GET /v1/verifications/{id}`, at once or when its message is over; of an inbound one, when that is over itself.
pub(super) async fn show(request: Authorised) -> Reply {
    let id: VerificationId = request.id("verification")?;
    let look = || request.app.service.verification(request.caller.clone(), id);
    let over = |view: &VerificationView| {
        !view.inbound && view.message.1.is_over() || view.status != VerificationStatus::Pending
    };
    let concerns = |view: &VerificationView, kind: &EventKind| match kind {
        EventKind::Message(m) => m.id == view.message.0,
        EventKind::Verification(_, v) => v.id == id,
        EventKind::Modem(_) | EventKind::Recovered(..) | EventKind::Inbox(_) | EventKind::Audit(_) => false,
    };
    let view = wait_until(&request.app, request.wait()?, look, over, concerns).await?;
    Ok(json(StatusCode::OK, &wire::Verification::from(&view)))
}

/// `POST /v1/verifications/{id}/check`.
pub(super) async fn check(mut request: Authorised) -> Reply {
    let id = request.id("verification")?;
    let idempotency_key = request.idempotency_key()?;
    let typed = request.fields(|fields| typed(fields, idempotency_key)).await?;
    let check = request.app.service.check(request.caller, id, typed).await?;
    Ok(json(StatusCode::OK, &wire::Check::from(&check)))
}

/// `POST /v1/check`.
pub(super) async fn check_newest(mut request: Authorised) -> Reply {
    let idempotency_key = request.idempotency_key()?;
    let take = |fields: &mut Fields| {
        (fields.wanted_text("to"), fields.text("service"), typed(fields, idempotency_key))
    };
    let (to, service, typed) = request.fields(take).await?;
    let check = request.app.service.check_newest(request.caller, to, service, typed).await?;
    Ok(json(StatusCode::OK, &wire::Check::from(&check)))
}

fn typed(fields: &mut Fields, idempotency_key: Option<String>) -> CheckRequest {
    CheckRequest {
        code: fields.wanted_code(),
        binding: fields.short_text("binding", BindingHash::MOST_CHARS).map(Secret::new),
        idempotency_key,
    }
}

/// `POST /v1/verifications/{id}/resend`.
pub(super) async fn resend(mut request: Authorised) -> Reply {
    let id = request.id("verification")?;
    let idempotency_key = request.idempotency_key()?;
    request.no_fields().await?;
    let view = request.app.service.resend(request.caller, id, idempotency_key).await?;
    Ok(json(StatusCode::ACCEPTED, &wire::Verification::from(&view)))
}

/// `DELETE /v1/verifications/{id}`.
pub(super) async fn cancel(request: Authorised) -> Reply {
    let id = request.id("verification")?;
    let view = request.app.service.cancel(request.caller, id).await?;
    Ok(json(StatusCode::OK, &wire::Verification::from(&view)))
}
