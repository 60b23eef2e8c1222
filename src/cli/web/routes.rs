//! What there is behind the token: the page with its style and its script, the state of the daemon in one answer, the events,
//! and what a person does to a code or a message. The daemon judges whether this user may.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Semaphore;

use super::super::message;
use super::super::verification::{listing, number, path as path_of};
use super::masked;
use crate::api::client::{Call, Client, ClientError, Events, Reply};
use crate::api::wire;

/// How many codes and messages the page shows.
const SHOWN: &str = "25";
/// How many pages follow the events at a time.
const FOLLOWERS: usize = 32;
/// A browser that hears nothing for so long hears that the stream is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

#[derive(Debug, Clone)]
struct App {
    client: Client,
    followers: Arc<Semaphore>,
}

/// The routes.
pub(super) fn router(client: Client) -> Router {
    let file =
        |kind: &'static str, text: &'static str| get(async move || ([(header::CONTENT_TYPE, kind)], text));
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("page.html")))
        .route("/page.css", file("text/css; charset=utf-8", include_str!("page.css")))
        .route("/page.js", file("text/javascript; charset=utf-8", include_str!("page.js")))
        .route("/state", get(state))
        .route("/events", get(events))
        .route("/verifications/{id}/resend", post(resend))
        .route("/verifications/{id}/cancel", post(cancel_verification))
        .route("/messages/{id}/cancel", post(cancel_message))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "there is no such page"))
        .with_state(App { client, followers: Arc::new(Semaphore::new(FOLLOWERS)) })
}

/// Why there is no answer, as a sentence for a person.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl Refusal {
    fn new(status: StatusCode, why: &str) -> Self {
        Self(status, why.to_owned())
    }
}

impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl From<wire::Problem> for Refusal {
    fn from(problem: wire::Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_GATEWAY);
        Self(status, masked::sentence(&problem.detail))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"detail": self.1}))).into_response()
    }
}

type Answer<T> = Result<Json<T>, Refusal>;

async fn ask<T: DeserializeOwned>(app: &App, call: Call) -> Result<T, Refusal> {
    let reply: Reply = app.client.call(call).await?;
    match reply.problem() {
        Some(problem) => Err(problem.into()),
        None => Ok(reply.parse()?),
    }
}

/// What the page searches for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    /// As a person types it; empty or left out: no number in particular.
    #[serde(default)]
    to: String,
}

/// Everything that the page shows but the events.
#[derive(Debug, Serialize)]
struct Shown {
    status: wire::Status,
    modems: Vec<wire::Modem>,
    verifications: Vec<wire::Verification>,
    messages: Vec<wire::Message>,
}

async fn state(State(app): State<App>, Query(search): Query<Search>) -> Answer<Shown> {
    let to = Some(number(&search.to)).filter(|to| !to.is_empty());
    let list = |path| listing(path, [("to", to.clone()), ("limit", Some(SHOWN.to_owned()))]);
    let (status, modems, verifications, messages) = tokio::try_join!(
        ask::<wire::Status>(&app, Call::get("/v1/status")),
        ask::<wire::Modems>(&app, Call::get("/v1/modems")),
        ask::<wire::Verifications>(&app, list("/v1/verifications")),
        ask::<wire::Messages>(&app, list("/v1/messages")),
    )?;
    Ok(Json(Shown {
        status,
        modems: modems.modems.into_iter().map(masked::modem).collect(),
        verifications: verifications.verifications.into_iter().map(masked::verification).collect(),
        messages: messages.messages.into_iter().map(masked::message).collect(),
    }))
}

/// The events from now on, or behind the one that the browser had last.
async fn events(State(app): State<App>, headers: HeaderMap) -> Result<Response, Refusal> {
    let full =
        |_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many pages follow the events: close some");
    let seat = Arc::clone(&app.followers).try_acquire_owned().map_err(full)?;
    let after = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let events = app.client.events(after).await?.map_err(|reply| match reply.problem() {
        Some(problem) => problem.into(),
        None => Refusal::new(StatusCode::BAD_GATEWAY, "the daemon gave no events"),
    })?;
    let told = stream::unfold((events, seat), |(mut events, seat)| async move {
        let event = told(&mut events).await?;
        Some((Ok::<_, Infallible>(event), (events, seat)))
    });
    let alive = KeepAlive::new().interval(HEARTBEAT).text("alive");
    Ok(Sse::new(told).keep_alive(alive).into_response())
}

/// The next event that is understood; `None` at the end of the daemon's stream, after which the browser asks again.
async fn told(events: &mut Events) -> Option<sse::Event> {
    loop {
        let event = events.next().await.ok()??;
        if let Some(data) = masked::event(&event) {
            let told = sse::Event::default().data(data);
            return Some(match event.id {
                Some(id) => told.id(id.to_string()),
                None => told,
            });
        }
    }
}

async fn resend(State(app): State<App>, Path(id): Path<String>) -> Answer<wire::Verification> {
    verification(&app, Call::post(path_of(&id) + "/resend")).await
}

async fn cancel_verification(State(app): State<App>, Path(id): Path<String>) -> Answer<wire::Verification> {
    verification(&app, Call::delete(path_of(&id))).await
}

async fn verification(app: &App, call: Call) -> Answer<wire::Verification> {
    Ok(Json(masked::verification(ask(app, call).await?)))
}

async fn cancel_message(State(app): State<App>, Path(id): Path<String>) -> Answer<wire::Message> {
    Ok(Json(masked::message(ask(&app, Call::delete(message::path(&id))).await?)))
}
