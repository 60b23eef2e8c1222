//! The routes: one table of method, path, need and what is done; the router is built from it, the `OpenAPI`
//! description is tested against it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use tokio::sync::watch;

use super::access::Need;
use super::access::Right::{Admin, Check, Issue, Read, Send};
use super::problem::Problem;
use super::request::{Authorised, Unread};
use super::serve::Limits;
use super::service::Service;
use super::{backup, events, inbox, messages, modems, verifications, wire};
use crate::gateway::Control;

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// With its parameter in braces.
    pub path: &'static str,
    /// What the client must have been granted.
    pub need: Need,
    endpoint: Endpoint,
}

#[derive(Debug, Clone, Copy)]
enum Endpoint {
    Issue,
    Verification,
    CheckOne,
    CheckNewest,
    Resend,
    Cancel,
    Send,
    Messages,
    Message,
    CancelMessage,
    Inbox,
    DeleteInbox,
    OptOuts,
    AddOptOut,
    RemoveOptOut,
    Modems,
    Modem,
    Pause,
    Resume,
    Reset,
    Ussd,
    Trace,
    Events,
    Backup,
    Status,
    Alive,
    Ready,
    Metrics,
    OpenApi,
}

const fn route(method: &'static str, path: &'static str, need: Need, endpoint: Endpoint) -> Route {
    Route { method, path, need, endpoint }
}

const ISSUE: Need = Need::AnyOf(&[Issue]);
const CHECK: Need = Need::AnyOf(&[Check]);
const SEND: Need = Need::AnyOf(&[Send]);
const READ: Need = Need::AnyOf(&[Read]);
const ADMIN: Need = Need::AnyOf(&[Admin]);

/// Every route, and what it needs.
pub const ROUTES: &[Route] = &[
    route("POST", "/v1/verifications", ISSUE, Endpoint::Issue),
    route("GET", "/v1/verifications/{id}", Need::AnyOf(&[Issue, Check, Read]), Endpoint::Verification),
    route("DELETE", "/v1/verifications/{id}", ISSUE, Endpoint::Cancel),
    route("POST", "/v1/verifications/{id}/check", CHECK, Endpoint::CheckOne),
    route("POST", "/v1/verifications/{id}/resend", ISSUE, Endpoint::Resend),
    route("POST", "/v1/check", CHECK, Endpoint::CheckNewest),
    route("POST", "/v1/messages", SEND, Endpoint::Send),
    route("GET", "/v1/messages", READ, Endpoint::Messages),
    route("GET", "/v1/messages/{id}", Need::AnyOf(&[Send, Read]), Endpoint::Message),
    route("DELETE", "/v1/messages/{id}", SEND, Endpoint::CancelMessage),
    route("GET", "/v1/inbox", READ, Endpoint::Inbox),
    // Whoever reads the inbox empties it.
    route("DELETE", "/v1/inbox/{id}", READ, Endpoint::DeleteInbox),
    route("GET", "/v1/opt-outs", Need::AnyOf(&[Read, Admin]), Endpoint::OptOuts),
    route("PUT", "/v1/opt-outs/{phone}", ADMIN, Endpoint::AddOptOut),
    route("DELETE", "/v1/opt-outs/{phone}", ADMIN, Endpoint::RemoveOptOut),
    route("GET", "/v1/modems", READ, Endpoint::Modems),
    route("GET", "/v1/modems/{name}", READ, Endpoint::Modem),
    route("POST", "/v1/modems/{name}/pause", ADMIN, Endpoint::Pause),
    route("POST", "/v1/modems/{name}/resume", ADMIN, Endpoint::Resume),
    route("POST", "/v1/modems/{name}/reset", ADMIN, Endpoint::Reset),
    route("POST", "/v1/modems/{name}/ussd", ADMIN, Endpoint::Ussd),
    route("GET", "/v1/modems/{name}/trace", Need::AnyOf(&[Read, Admin]), Endpoint::Trace),
    route("GET", "/v1/events", READ, Endpoint::Events),
    route("GET", "/v1/backup", ADMIN, Endpoint::Backup),
    route("GET", "/v1/status", READ, Endpoint::Status),
    route("GET", "/healthz", Need::Nothing, Endpoint::Alive),
    route("GET", "/readyz", Need::Nothing, Endpoint::Ready),
    route("GET", "/metrics", Need::Nothing, Endpoint::Metrics),
    route("GET", "/openapi.json", Need::Nothing, Endpoint::OpenApi),
];

/// What every route has at hand.
pub(super) struct App {
    /// The house behind the API.
    pub(super) service: Arc<dyn Service>,
    /// Times and sizes.
    pub(super) limits: Limits,
    /// Turns true when the daemon stops: what waits, or streams, ends.
    pub(super) stopping: watch::Receiver<bool>,
}

impl App {
    /// Returns when the daemon stops.
    pub(super) async fn stopped(&self) {
        // An error: the server itself is gone.
        let _ = self.stopping.clone().wait_for(|stopping| *stopping).await;
    }
}

/// The router of the table.
pub(super) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    let limits = app.limits;
    for &route in ROUTES {
        let method = match route.method {
            "POST" => MethodFilter::POST,
            "PUT" => MethodFilter::PUT,
            "DELETE" => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        };
        let app = Arc::clone(app);
        let handler = move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
            let app = Arc::clone(&app);
            async move { answer(route, app, params.ok(), request).await }
        };
        router = router.route(route.path, on(method, handler));
    }
    router
        .fallback(async move |request: Request| {
            drop(Unread::of(request, limits));
            Problem::not_found("there is no such path; see /openapi.json")
        })
        .method_not_allowed_fallback(async move |request: Request| {
            drop(Unread::of(request, limits));
            Problem::method_not_allowed()
        })
}

async fn answer(
    route: Route,
    app: Arc<App>,
    params: Option<RawPathParams>,
    request: Request<Body>,
) -> Response {
    let done = match Authorised::admit(request, params.as_ref(), route.need, app.limits) {
        Ok(request) => dispatch(route.endpoint, app, request).await,
        Err(problem) => Err(problem),
    };
    done.unwrap_or_else(IntoResponse::into_response)
}

async fn dispatch(endpoint: Endpoint, app: Arc<App>, request: Authorised) -> Result<Response, Problem> {
    match endpoint {
        Endpoint::Issue => verifications::issue(&app, request).await,
        Endpoint::Verification => verifications::show(&app, request).await,
        Endpoint::CheckOne => verifications::check(&app, request).await,
        Endpoint::CheckNewest => verifications::check_newest(&app, request).await,
        Endpoint::Resend => verifications::resend(&app, request).await,
        Endpoint::Cancel => verifications::cancel(&app, request).await,
        Endpoint::Send => messages::send(&app, request).await,
        Endpoint::Messages => messages::list(&app, request).await,
        Endpoint::Message => messages::show(&app, request).await,
        Endpoint::CancelMessage => messages::cancel(&app, request).await,
        Endpoint::Inbox => inbox::list(&app, request).await,
        Endpoint::DeleteInbox => inbox::delete(&app, request).await,
        Endpoint::OptOuts => inbox::opt_outs(&app, request).await,
        Endpoint::AddOptOut => inbox::add_opt_out(&app, request).await,
        Endpoint::RemoveOptOut => inbox::remove_opt_out(&app, request).await,
        Endpoint::Modems => modems::list(&app, &request),
        Endpoint::Modem => modems::show(&app, &request),
        Endpoint::Pause => modems::control(&app, request, Control::Pause).await,
        Endpoint::Resume => modems::control(&app, request, Control::Resume).await,
        Endpoint::Reset => modems::control(&app, request, Control::Reset).await,
        Endpoint::Ussd => modems::ussd(&app, request).await,
        Endpoint::Trace => modems::trace(&app, request).await,
        Endpoint::Events => events::follow(app, &request),
        Endpoint::Backup => backup::stream(&app, &request),
        Endpoint::Status => {
            request.query([])?;
            Ok(wire::json(StatusCode::OK, &wire::Status::from(&app.service.status())))
        }
        Endpoint::Alive => Ok(wire::json(StatusCode::OK, &serde_json::json!({"status": "ok"}))),
        Endpoint::Ready => Ok(readiness(app.service.ready())),
        Endpoint::Metrics => Ok(plain(app.service.metrics(), "text/plain; version=0.0.4; charset=utf-8")),
        Endpoint::OpenApi => Ok(plain(openapi(), "application/json")),
    }
}

fn readiness(ready: bool) -> Response {
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    wire::json(status, &serde_json::json!({"ready": ready}))
}

fn plain(body: String, content_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The description of this API, `OpenAPI` 3.1, with the version of this build.
pub fn openapi() -> String {
    include_str!("openapi.json").replace("{version}", env!("CARGO_PKG_VERSION"))
}
