//! The routes of `/v1/hosts`.

use axum::http::StatusCode;
use axum::response::Response;

use super::reply::json;
use super::request::{Authorised, Reply};
use super::wire;

/// `GET /v1/hosts`.
pub(super) fn list(request: &Authorised) -> Response {
    json(StatusCode::OK, &wire::Hosts::from(&request.app.service.hosts()[..]))
}

/// `POST /v1/hosts/{name}/drain` and `/resume`: the answer is the host as it is afterwards.
pub(super) async fn drain(mut request: Authorised, draining: bool) -> Reply {
    request.no_fields().await?;
    let host = request.app.service.drain_host(request.caller.clone(), request.name(), draining).await?;
    Ok(json(StatusCode::OK, &wire::Host::from(&host)))
}

/// `DELETE /v1/hosts/{name}`: the answer is the host as it was.
pub(super) async fn forget(request: Authorised) -> Reply {
    let host = request.app.service.forget_host(request.caller.clone(), request.name()).await?;
    Ok(json(StatusCode::OK, &wire::Host::from(&host)))
}
