//! The routes of `/v1/modems`.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;

use super::problem::Problem;
use super::request::Authorised;
use super::routes::App;
use super::wire;
use crate::gateway::Control;

/// How long the network may take to answer a USSD code.
const USSD_TIMEOUT: Duration = Duration::from_secs(30);
/// 3GPP TS 22.030 section 6.5.2 strings are short; 3GPP TS 23.038 section 5 has room for 182 characters.
const LONGEST_USSD: usize = 182;

/// `GET /v1/modems`.
pub(super) fn list(app: &App, request: &Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let modems = app.service.modems().iter().map(wire::Modem::from).collect();
    Ok(wire::json(StatusCode::OK, &wire::Modems { modems }))
}

/// `GET /v1/modems/{name}`.
pub(super) fn show(app: &App, request: &Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let modem = app.service.modem(&request.name())?;
    Ok(wire::json(StatusCode::OK, &wire::Modem::from(&modem)))
}

/// `POST /v1/modems/{name}/pause` and its like: answers the modem as it is after it.
pub(super) async fn control(app: &App, request: Authorised, control: Control) -> Result<Response, Problem> {
    request.query([])?;
    let name = request.name();
    request.no_fields().await?;
    app.service.control(name.clone(), control).await?;
    Ok(wire::json(StatusCode::OK, &wire::Modem::from(&app.service.modem(&name)?)))
}

/// `GET /v1/modems/{name}/trace`.
pub(super) async fn trace(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let lines = app.service.trace(request.name()).await?;
    Ok(wire::json(StatusCode::OK, &wire::Trace::from(&lines[..])))
}

/// `POST /v1/modems/{name}/ussd`: asks the network, answers it, or ends the dialogue.
pub(super) async fn ussd(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let name = request.name();
    let mut fields = request.fields(&["code", "cancel"]).await?;
    let code = if fields.flag("cancel")? { None } else { Some(fields.wanted_text("code")?) };
    // What goes into a quoted string of an AT command must not end it.
    let text = |c: char| c.is_ascii_alphanumeric() || "*#+.,:;-/()!?".contains(c);
    if code
        .as_ref()
        .is_some_and(|code| code.is_empty() || code.len() > LONGEST_USSD || !code.chars().all(text))
    {
        return Err(Problem::malformed("`code` must be a USSD code such as *100#"));
    }
    let control = Control::Ussd { code, timeout: USSD_TIMEOUT };
    let answer = app.service.control(name, control).await?.unwrap_or_default();
    Ok(wire::json(StatusCode::OK, &wire::Ussd { text: answer.text, open: answer.open }))
}
