//! The routes of `/v1/verifications` and `/v1/check`.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::events::{Until, wait_until};
use super::problem::Problem;
use super::request::Authorised;
use super::routes::App;
use super::wire;
use crate::gateway::{Caller, EventKind, GatewayError, IssueRequest, VerificationView};
use crate::id::VerificationId;
use crate::otp::VerificationStatus;
use crate::secret::Secret;

/// `POST /v1/verifications`.
pub(super) async fn issue(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let caller = request.caller.clone();
    let idempotency_key = request.idempotency_key()?;
    let mut fields = request.fields(&["to", "service", "locale", "values"]).await?;
    let request = IssueRequest {
        to: fields.wanted_text("to")?,
        service: fields.text("service")?,
        locale: fields.text("locale")?,
        values: fields.texts("values")?,
        idempotency_key,
    };
    let issued = app.service.issue(caller, request).await?;
    let status = if issued.replayed { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = wire::json(status, &wire::Verification::from(&issued.view));
    locate(&mut response, &format!("/v1/verifications/{}", issued.view.id));
    Ok(response)
}

/// `GET /v1/verifications/{id}`, at once or when its message is over.
pub(super) async fn show(app: &App, request: Authorised) -> Result<Response, Problem> {
    let id: VerificationId = request.id("verification")?;
    let view = match request.wait()? {
        None => app.service.verification(request.caller, id).await?,
        Some(span) => settled(app, request.caller, id, span).await?,
    };
    Ok(wire::json(StatusCode::OK, &wire::Verification::from(&view)))
}

/// `POST /v1/verifications/{id}/check`.
pub(super) async fn check(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let id = request.id("verification")?;
    let caller = request.caller.clone();
    let mut fields = request.fields(&["code"]).await?;
    let code = Secret::new(fields.wanted_text("code")?);
    let check = app.service.check(caller, id, code).await?;
    Ok(wire::json(StatusCode::OK, &wire::Check::from(&check)))
}

/// `POST /v1/check`.
pub(super) async fn check_newest(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let caller = request.caller.clone();
    let mut fields = request.fields(&["to", "code", "service"]).await?;
    let to = fields.wanted_text("to")?;
    let code = Secret::new(fields.wanted_text("code")?);
    let service = fields.text("service")?;
    let check = app.service.check_newest(caller, to, service, code).await?;
    Ok(wire::json(StatusCode::OK, &wire::Check::from(&check)))
}

/// `POST /v1/verifications/{id}/resend`.
pub(super) async fn resend(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let id = request.id("verification")?;
    let caller = request.caller.clone();
    request.no_fields().await?;
    let view = app.service.resend(caller, id).await?;
    Ok(wire::json(StatusCode::ACCEPTED, &wire::Verification::from(&view)))
}

/// `DELETE /v1/verifications/{id}`.
pub(super) async fn cancel(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let id = request.id("verification")?;
    let view = app.service.cancel(request.caller, id).await?;
    Ok(wire::json(StatusCode::OK, &wire::Verification::from(&view)))
}

/// Names the thing that a request made.
pub(super) fn locate(response: &mut Response, path: &str) {
    // Ids are letters, digits and `_`: always a header's text.
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
}

async fn settled(
    app: &App,
    caller: Caller,
    id: VerificationId,
    span: Duration,
) -> Result<VerificationView, GatewayError> {
    wait_until(
        app,
        span,
        || app.service.verification(caller.clone(), id),
        |view: &VerificationView| {
            let message = view.message.0;
            if view.message.1.is_over() || view.status != VerificationStatus::Pending {
                return Until::Over;
            }
            Until::Changed(Box::new(move |kind| match kind {
                EventKind::Message(m) => m.id == message,
                EventKind::Verification(_, v) => v.id == id,
                EventKind::Modem(_) | EventKind::Recovered(..) | EventKind::Inbox(_) => false,
            }))
        },
    )
    .await
}
