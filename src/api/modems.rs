//! The routes of `/v1/modems`.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;

use super::fields::{Fields, missing};
use super::problem::Problem;
use super::reply::json;
use super::request::{Authorised, Reply};
use super::wire;
use crate::gateway::{Control, ModemView};

/// How long the network may take to answer a USSD request.
const USSD_TIMEOUT: Duration = Duration::from_secs(30);
/// The strings of 3GPP TS 22.030 section 6.5.2 are short; 3GPP TS 23.038 section 5 has room for 182 characters.
const LONGEST_USSD: usize = 182;

/// `GET /v1/modems`.
pub(super) fn list(request: &Authorised) -> Response {
    let service = &request.app.service;
    let own = service.modems().into_iter().map(|modem| own(request, &modem));
    let others = service.other_modems();
    let others = others.iter().filter_map(wire::Modem::of_another);
    json(StatusCode::OK, &wire::Modems { modems: own.chain(others).collect() })
}

/// `GET /v1/modems/{name}`.
pub(super) fn show(request: &Authorised) -> Reply {
    let (service, name) = (&request.app.service, request.name());
    let modem = match service.modem(&name) {
        Ok(modem) => own(request, &modem),
        Err(unknown) => {
            let others = service.other_modems();
            let mut others = others.iter().filter_map(wire::Modem::of_another);
            others.find(|modem| modem.name == name).ok_or(unknown)?
        }
    };
    Ok(json(StatusCode::OK, &modem))
}

/// A modem of this host.
fn own(request: &Authorised, modem: &ModemView) -> wire::Modem {
    wire::Modem { host: request.app.service.host(), ..wire::Modem::from(modem) }
}

/// `POST /v1/modems/{name}/pause` and similar routes: the answer is the modem as it is afterwards.
pub(super) async fn control(mut request: Authorised, control: Control) -> Reply {
    request.no_fields().await?;
    request.app.service.control(request.name(), control).await?;
    show(&request)
}

/// `GET /v1/modems/{name}/trace`.
pub(super) async fn trace(request: Authorised) -> Reply {
    let lines = request.app.service.trace(request.name()).await?;
    Ok(json(StatusCode::OK, &wire::Trace::from(&lines[..])))
}

/// `POST /v1/modems/{name}/ussd`: sends the network a request, answers it, or ends the dialogue.
pub(super) async fn ussd(mut request: Authorised) -> Reply {
    let take = |fields: &mut Fields| (fields.text("code"), fields.flag("cancel"));
    let code = match request.fields(take).await? {
        (_, true) => None,
        (None, false) => return Err(missing("code")),
        (Some(code), false) if is_ussd(&code) => Some(code),
        _ => return Err(Problem::malformed("`code` must be a USSD code such as *100#")),
    };
    let control = Control::Ussd { code, timeout: USSD_TIMEOUT };
    let answer = request.app.service.control(request.name(), control).await?.unwrap_or_default();
    Ok(json(StatusCode::OK, &wire::Ussd { text: answer.text, open: answer.open }))
}

/// A character in a quoted string of an AT command must not end the string.
fn is_ussd(code: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "*#+.,:;-/()!?".contains(c);
    (1..=LONGEST_USSD).contains(&code.len()) && code.chars().all(plain)
}
