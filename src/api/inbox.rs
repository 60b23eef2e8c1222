//! The routes of `/v1/inbox` and `/v1/opt-outs`, and their wire types.

use std::fmt;

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::request::Authorised;
use super::routes::App;
use super::wire;
use crate::gateway::{self, InboxFilter};
use crate::inbox::{Content, Tag};

/// Entries on a page when no `limit` is given, and the most that one may have.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 1000;

/// A received message. `Debug` shows no text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxMessage {
    /// `in_…`.
    pub id: String,
    /// `text`, `data` or `unreadable`.
    pub kind: String,
    /// A number, a short code or a name; empty when it could not be read.
    pub from: String,
    /// The text of a `text`; left out of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The octets of a `data`, or those that could not be read, in hexadecimal; left out of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// When its last part came, RFC 3339.
    pub received_at: String,
    /// When the service centre took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<String>,
    /// The modem that received it.
    pub modem: String,
    /// Short messages it was sent in.
    pub parts: u8,
    /// Those of them that never came, counted from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u8>,
    /// Its class; 0 is a flash message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<u8>,
    /// The ports of a message for a program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Ports>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Where a message for a program goes (3GPP TS 23.040 clauses 9.2.3.24.3 and 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Of the receiver.
    pub destination: u16,
    /// Of the sender.
    pub source: u16,
}

/// A page of received messages, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbox {
    /// The messages.
    pub messages: Vec<InboxMessage>,
    /// The `cursor` of the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A number that opted out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOut {
    /// E.164.
    pub phone: String,
    /// Since when, RFC 3339.
    pub since: String,
    /// The received message that asked for it; left out when an operator did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A page of numbers that opted out, in no particular order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOuts {
    /// The numbers.
    pub opt_outs: Vec<OptOut>,
    /// The `cursor` of the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl fmt::Debug for InboxMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InboxMessage({} {})", self.id, self.kind)
    }
}

/// `GET /v1/inbox`.
pub(super) async fn list(app: &App, request: Authorised) -> Result<Response, Problem> {
    let [limit, cursor] = request.query(["limit", "cursor"])?;
    let before = cursor.map(|cursor| cursor.parse().map_err(|_| no_cursor())).transpose()?;
    let page = app.service.inbox(InboxFilter { limit: page_limit(limit)?, before }).await?;
    Ok(wire::json(StatusCode::OK, &Inbox::from(&page)))
}

/// `DELETE /v1/inbox/{id}`: answers the message for the last time.
pub(super) async fn delete(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let view = app.service.delete_inbox(request.id("received message")?).await?;
    Ok(wire::json(StatusCode::OK, &InboxMessage::from(&view)))
}

/// `GET /v1/opt-outs`.
pub(super) async fn opt_outs(app: &App, request: Authorised) -> Result<Response, Problem> {
    let [limit, cursor] = request.query(["limit", "cursor"])?;
    let after = cursor.map(|cursor| tag(&cursor).ok_or_else(no_cursor)).transpose()?;
    let page = app.service.opt_outs(page_limit(limit)?, after).await?;
    let opt_outs = page.items.iter().map(OptOut::from).collect();
    Ok(wire::json(StatusCode::OK, &OptOuts { opt_outs, next_cursor: page.next }))
}

/// `PUT /v1/opt-outs/{phone}`.
pub(super) async fn add_opt_out(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let phone = request.name();
    request.no_fields().await?;
    let view = app.service.add_opt_out(phone).await?;
    Ok(wire::json(StatusCode::OK, &OptOut::from(&view)))
}

/// `DELETE /v1/opt-outs/{phone}`.
pub(super) async fn remove_opt_out(app: &App, request: Authorised) -> Result<Response, Problem> {
    request.query([])?;
    let view = app.service.remove_opt_out(request.name()).await?;
    Ok(wire::json(StatusCode::OK, &OptOut::from(&view)))
}

fn page_limit(limit: Option<String>) -> Result<usize, Problem> {
    let Some(limit) = limit else { return Ok(PAGE) };
    limit
        .parse()
        .ok()
        .filter(|limit| (1..=LONGEST_PAGE).contains(limit))
        .ok_or_else(|| wrong("`limit` must be a whole number from 1 to 1000"))
}

fn no_cursor() -> Problem {
    wrong("`cursor` must be the next_cursor of another page")
}

fn wrong(what: &str) -> Problem {
    Problem::malformed(what)
}

fn tag(hex: &str) -> Option<Tag> {
    let mut tag = Tag::default();
    if hex.len() != 2 * tag.len() || !hex.is_ascii() {
        return None;
    }
    for (octet, pair) in tag.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(tag)
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        // Into a String nothing fails.
        let _ = write!(text, "{octet:02X}");
        text
    })
}

impl From<&gateway::InboxView> for InboxMessage {
    fn from(v: &gateway::InboxView) -> Self {
        let (kind, error) = match &v.content {
            Content::Text => ("text", None),
            Content::Data => ("data", None),
            Content::Unreadable(why) => ("unreadable", Some(why.clone())),
        };
        Self {
            id: v.id.to_string(),
            kind: kind.to_owned(),
            from: v.from.as_str().to_owned(),
            // This is the answer to a client that may read it.
            text: v.text.as_ref().map(|text| text.expose().clone()),
            data: v.data.as_ref().map(|data| hex(data.expose())),
            received_at: v.received_at.to_string(),
            sent_at: v.sent_at.map(|at| at.to_string()),
            modem: v.modem.clone(),
            parts: v.parts,
            missing: v.missing.clone(),
            class: v.class,
            ports: v.ports.map(|(destination, source)| Ports { destination, source }),
            error,
        }
    }
}

impl From<&gateway::Page<gateway::InboxView>> for Inbox {
    fn from(page: &gateway::Page<gateway::InboxView>) -> Self {
        Self { messages: page.items.iter().map(InboxMessage::from).collect(), next_cursor: page.next.clone() }
    }
}

impl From<&gateway::OptOutView> for OptOut {
    fn from(v: &gateway::OptOutView) -> Self {
        Self {
            phone: v.phone.as_str().to_owned(),
            since: v.since.to_string(),
            message: v.message.map(|id| id.to_string()),
        }
    }
}
