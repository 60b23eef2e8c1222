//! The routes: one table of method, path, rights, query and handler. The router is built from the table, and
//! the `OpenAPI` description is tested against it.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::response::IntoResponse as _;
use axum::routing::{MethodFilter, on};
use futures_util::future::BoxFuture;

use super::access::Grant;
use super::access::Right::{self, Admin, Check, Issue, Read, Send};
use super::app::App;
use super::denials::{Denial, Denials};
use super::problem::Problem;
use super::request::{Authorised, Reply, UnreadBody};
use super::{about, events, hosts, inbox, limits, messages, modems, verifications};
use crate::gateway::Control;

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// The path, with its parameter in braces.
    pub path: &'static str,
    /// The rights of which the client needs one; when none is named, no right is needed.
    pub any_of: &'static [Right],
    /// The query parameters of the route.
    pub query: &'static [&'static str],
    filter: MethodFilter,
    answer: fn(Authorised) -> BoxFuture<'static, Reply>,
}

macro_rules! routes {
    ($($method:ident $path:literal $any_of:tt $query:tt |$request:ident| $answer:expr;)*) => {
        /// Every route.
        pub const ROUTES: &[Route] = &[$(Route {
            method: stringify!($method),
            path: $path,
            any_of: &$any_of,
            query: &$query,
            filter: MethodFilter::$method,
            answer: |$request| Box::pin(async move { $answer }),
        }),*];
    };
}

routes! {
    POST "/v1/verifications" [Issue] [] |r| verifications::issue(r).await;
    GET "/v1/verifications" [Issue, Check, Read] ["to", "service", "status", "limit", "cursor"]
        |r| verifications::list(r).await;
    GET "/v1/verifications/{id}" [Issue, Check, Read] ["wait"] |r| verifications::show(r).await;
    DELETE "/v1/verifications/{id}" [Issue] [] |r| verifications::cancel(r).await;
    POST "/v1/verifications/{id}/check" [Check] [] |r| verifications::check(r).await;
    POST "/v1/verifications/{id}/resend" [Issue] [] |r| verifications::resend(r).await;
    POST "/v1/check" [Check] [] |r| verifications::check_newest(r).await;
    // What it tells is what an issue by the same client meets: no more than the issue would.
    POST "/v1/limits" [Issue] [] |r| limits::show(r).await;
    POST "/v1/messages" [Send] [] |r| messages::send(r).await;
    GET "/v1/messages" [Send, Read] ["status", "to", "limit", "cursor"] |r| messages::list(r).await;
    GET "/v1/messages/{id}" [Send, Read] ["wait"] |r| messages::show(r).await;
    DELETE "/v1/messages/{id}" [Send] [] |r| messages::cancel(r).await;
    GET "/v1/inbox" [Read] ["limit", "cursor"] |r| inbox::list(r).await;
    // Reading the inbox includes emptying it.
    DELETE "/v1/inbox/{id}" [Read] [] |r| inbox::delete(r).await;
    GET "/v1/opt-outs" [Read, Admin] ["limit", "cursor"] |r| inbox::opt_outs(r).await;
    PUT "/v1/opt-outs/{phone}" [Admin] [] |r| inbox::add_opt_out(r).await;
    DELETE "/v1/opt-outs/{phone}" [Admin] [] |r| inbox::remove_opt_out(r).await;
    GET "/v1/modems" [Read] [] |r| Ok(modems::list(&r));
    GET "/v1/modems/{name}" [Read] [] |r| modems::show(&r);
    POST "/v1/modems/{name}/pause" [Admin] [] |r| modems::control(r, Control::Pause).await;
    POST "/v1/modems/{name}/resume" [Admin] [] |r| modems::control(r, Control::Resume).await;
    POST "/v1/modems/{name}/reset" [Admin] [] |r| modems::control(r, Control::Reset).await;
    POST "/v1/modems/{name}/ussd" [Admin] [] |r| modems::ussd(r).await;
    GET "/v1/modems/{name}/trace" [Read, Admin] [] |r| modems::trace(r).await;
    GET "/v1/hosts" [Read, Admin] [] |r| Ok(hosts::list(&r));
    POST "/v1/hosts/{name}/drain" [Admin] [] |r| hosts::drain(r, true).await;
    POST "/v1/hosts/{name}/resume" [Admin] [] |r| hosts::drain(r, false).await;
    DELETE "/v1/hosts/{name}" [Admin] [] |r| hosts::forget(r).await;
    GET "/v1/events" [Read] ["since"] |r| events::follow(r);
    GET "/v1/events/verify" [Read, Admin] ["anchor"] |r| events::verify(r).await;
    GET "/v1/key" [Admin] [] |r| Ok(about::key(&r));
    POST "/v1/key/rotate" [Admin] [] |r| about::rotate_key(r).await;
    GET "/v1/log" [Admin] [] |r| about::log(&r);
    PUT "/v1/log" [Admin] [] |r| about::set_log(r).await;
    GET "/v1/backup" [Admin] [] |r| Ok(about::back_up(&r));
    GET "/v1/status" [Read] [] |r| Ok(about::status(&r));
    GET "/healthz" [] [] |_r| Ok(about::alive());
    GET "/readyz" [] [] |r| Ok(about::ready(&r));
    GET "/metrics" [] [] |r| Ok(about::metrics(&r));
    GET "/openapi.json" [] [] |_r| Ok(about::description());
}

/// What a request counts as whose path or method is in no line of the table.
const OTHER: &str = "other";

/// The router of the table.
pub(super) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    let denials = Denials::default();
    for route in ROUTES {
        let (app, denials) = (Arc::clone(app), denials.clone());
        let handler = async move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
            let params = params.ok();
            let grant = request.extensions().get::<Arc<Grant>>().cloned();
            let shared = Arc::clone(&app);
            let admitted = Authorised::admit(app, request, params.as_ref(), route.any_of, route.query);
            let reply = match admitted {
                Ok(request) => (route.answer)(request).await,
                Err(problem) => Err(problem),
            };
            if let (Err(problem), Some(grant)) = (&reply, grant)
                && problem.is_denial()
            {
                let denial = Denial::new(&grant, route.method, route.path, problem.status.as_u16());
                shared.service.audit_refusal(denial.client, denial.audit(&problem.detail));
                denials.tell(&denial);
            }
            let response = reply.into_response();
            shared.answered(route.method, route.path, response.status());
            response
        };
        router = router.route(route.path, on(route.filter, handler));
    }
    let unknown = |app: &Arc<App>, problem: fn() -> Problem| {
        let app = Arc::clone(app);
        async move |request: Request| {
            drop(UnreadBody::of(request, app.limits.body));
            let problem = problem();
            app.answered(OTHER, OTHER, problem.status);
            problem
        }
    };
    router
        .fallback(unknown(app, || Problem::not_found("there is no such path; see /openapi.json")))
        .method_not_allowed_fallback(unknown(app, Problem::method_not_allowed))
}
