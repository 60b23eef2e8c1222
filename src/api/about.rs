//! The routes about the daemon itself: its status, its health checks, a backup of its whole state, and the
//! description of this API.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::stream;
use serde_json::json as value;

use super::fields::Fields;
use super::problem::Problem;
use super::reply::{json, plain};
use super::request::{Authorised, Reply};
use super::wire;

/// The characters of a filter of the log, at most.
const LONGEST_FILTER: usize = 200;

/// `GET /v1/status`.
pub(super) fn status(request: &Authorised) -> Response {
    let may = request.may.iter().map(|right| right.as_str().to_owned()).collect();
    let service = &request.app.service;
    let mut status = wire::Status { may, ..wire::Status::from(&service.status()) };
    for modem in service.other_modems().iter().filter_map(wire::Modem::of_another) {
        for of in ["total", &modem.state] {
            *status.modems.entry(of.to_owned()).or_default() += 1;
        }
    }
    json(StatusCode::OK, &status)
}

/// `GET /v1/key`.
pub(super) fn key(request: &Authorised) -> Response {
    json(StatusCode::OK, &wire::Key::from(&request.app.service.key()))
}

/// `POST /v1/key/rotate`: the answer comes when the new key counts, before all is sealed with it.
pub(super) async fn rotate_key(mut request: Authorised) -> Reply {
    request.no_fields().await?;
    let key = request.app.service.rotate_key(request.caller.clone()).await?;
    Ok(json(StatusCode::OK, &wire::Key::from(&key)))
}

/// `GET /v1/log`.
pub(super) fn log(request: &Authorised) -> Reply {
    let filter = request.app.service.log_filter()?;
    Ok(json(StatusCode::OK, &wire::Log { filter }))
}

/// `PUT /v1/log`.
pub(super) async fn set_log(mut request: Authorised) -> Reply {
    let take = |fields: &mut Fields| {
        let filter = fields.wanted_text("filter");
        (!filter.is_empty() && filter.chars().count() <= LONGEST_FILTER).then_some(filter)
    };
    let what = || Problem::malformed(format!("`filter` has 1 to {LONGEST_FILTER} characters"));
    let filter = request.fields(take).await?.ok_or_else(what)?;
    let filter = request.app.service.set_log_filter(&request.caller, &filter)?;
    Ok(json(StatusCode::OK, &wire::Log { filter }))
}

/// `GET /v1/backup`: the backup is sent while the daemon goes on. An error ends the stream before its last
/// chunk, which the client notices.
pub(super) fn back_up(request: &Authorised) -> Response {
    let pieces = stream::unfold(request.app.service.back_up(), |mut pieces| async move {
        let piece = pieces.recv().await?;
        if let Err(error) = &piece {
            tracing::error!(%error, "a backup ends unfinished");
        }
        Some((piece, pieces))
    });
    plain("application/octet-stream", Body::from_stream(pieces))
}

/// `GET /healthz`.
pub(super) fn alive() -> Response {
    json(StatusCode::OK, &value!({"status": "ok"}))
}

/// `GET /readyz`.
pub(super) fn ready(request: &Authorised) -> Response {
    let ready = request.app.service.ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = if request.app.service.status().disk_full {
        value!({"ready": ready, "disk_full": true})
    } else {
        value!({"ready": ready})
    };
    json(status, &body)
}

/// `GET /metrics`.
pub(super) fn metrics(request: &Authorised) -> Response {
    let mut text = request.app.service.metrics();
    let help = "Requests that were answered, by route as the table of routes has it; other: no such route.";
    request.app.requests.render(&mut text, "api_requests_total", help, ["method", "route", "status"]);
    plain("text/plain; version=0.0.4; charset=utf-8", text)
}

/// `GET /openapi.json`.
pub(super) fn description() -> Response {
    plain("application/json", openapi())
}

/// The description of this API, `OpenAPI` 3.1, with the version of this build.
pub fn openapi() -> String {
    include_str!("openapi.json").replace("{version}", env!("CARGO_PKG_VERSION"))
}
