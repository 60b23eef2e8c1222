//! A request is authorised before anything of its body is read.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Query, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Request, Version, header};
use axum::response::Response;
use http_body_util::BodyExt as _;

use super::access::{Grant, Right, named};
use super::app::App;
use super::fields::{Fields, must_be, unknown};
use super::problem::Problem;
use crate::gateway::Caller;
use crate::secret::Secret;

/// The longest time that `?wait=` waits.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The number of entries on a page when no `limit` is given, and the largest `limit`.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 1000;
/// Up to how many octets the rest of an unread body is discarded.
const MOST_DISCARDED: usize = 1024 * 1024;

/// The answer of a route to a request.
pub(super) type Reply = Result<Response, Problem>;

/// A request whose peer may make it.
pub(super) struct Authorised {
    /// The shared state of all routes.
    pub(super) app: Arc<App>,
    /// The caller in whose name the peer asks.
    pub(super) caller: Caller,
    /// The peer's rights.
    pub(super) may: Vec<Right>,
    parts: Parts,
    body: UnreadBody,
    param: String,
    query: Vec<(String, String)>,
}

impl Authorised {
    /// Accepts a request whose connection was granted one of the rights that its route needs, and that has
    /// only `known` query parameters, none twice. A route that needs no right ignores its query.
    pub(super) fn admit(
        app: Arc<App>,
        request: Request<Body>,
        params: Option<&RawPathParams>,
        any_of: &[Right],
        known: &[&str],
    ) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = UnreadBody::new(&parts, body, app.limits.body);
        let (caller, may) = match parts.extensions.get::<Arc<Grant>>() {
            Some(grant) if grant.meets(any_of) => (grant.caller.clone(), grant.may.clone()),
            _ => return Err(Problem::not_allowed(format!("this client needs {}", named(any_of)))),
        };
        // No path of the table has more than one parameter.
        let param = params.and_then(|params| params.iter().next()).map(|(_, value)| value.to_owned());
        let query = if any_of.is_empty() { Vec::new() } else { query(&parts, known)? };
        Ok(Self { app, caller, may, parts, body, param: param.unwrap_or_default(), query })
    }

    /// The id in the path; a text that is not an id is not found.
    pub(super) fn id<T: FromStr>(&self, what: &str) -> Result<T, Problem> {
        self.param.parse().map_err(|_| Problem::not_found(format!("there is no {what} of this id")))
    }

    /// The name in the path.
    pub(super) fn name(&self) -> String {
        self.param.clone()
    }

    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// The `Idempotency-Key` header.
    pub(super) fn idempotency_key(&self) -> Result<Option<String>, Problem> {
        const NAME: &str = "idempotency-key";
        match self.parts.headers.get_all(NAME).iter().count() {
            0 => return Ok(None),
            1 => {}
            _ => return Err(Problem::malformed("a request has no more than one Idempotency-Key")),
        }
        // Blanks around the value are not part of it (RFC 9110, 5.5).
        match self.header(NAME).map(str::trim) {
            Some(key) if (1..=255).contains(&key.len()) && !key.contains('\t') => Ok(Some(key.to_owned())),
            _ => Err(Problem::malformed("an Idempotency-Key has 1 to 255 printable ASCII characters")),
        }
    }

    /// A parameter of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter of the query, which must be `what` and is parsed by `read`.
    pub(super) fn read<T>(
        &self,
        name: &str,
        what: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        self.query(name).map(|value| read(value).ok_or_else(|| must_be(name, what))).transpose()
    }

    /// A number in the query, in which an unescaped + is a blank.
    pub(super) fn number(&self, name: &str) -> Option<String> {
        self.query(name).map(|to| to.strip_prefix(' ').map_or(to.to_owned(), |rest| format!("+{rest}")))
    }

    /// How long `?wait=` waits: `30s` or a number of seconds, at most five minutes; `None` without the parameter.
    pub(super) fn wait(&self) -> Result<Option<Duration>, Problem> {
        let span = |text: &str| {
            let span = text.parse().map(Duration::from_secs).or_else(|_| humantime::parse_duration(text));
            span.ok().map(|span| span.min(LONGEST_WAIT))
        };
        self.read("wait", "a duration such as 30s", span)
    }

    /// How many entries a page has.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let what = format!("a whole number from 1 to {LONGEST_PAGE}");
        let limit = |text: &str| text.parse().ok().filter(|limit| (1..=LONGEST_PAGE).contains(limit));
        Ok(self.read("limit", &what, limit)?.unwrap_or(PAGE))
    }

    /// Where a page continues.
    pub(super) fn cursor<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        self.read("cursor", "the next_cursor of another page", read)
    }

    /// Reads the body, which must be an object. `take` asks for every field that the object may have.
    pub(super) async fn fields<T>(&mut self, take: impl FnOnce(&mut Fields) -> T) -> Result<T, Problem> {
        Fields::read(self.json().await?.expose(), take)
    }

    /// Reads the body of a request that needs none: nothing, or an object without fields.
    pub(super) async fn no_fields(&mut self) -> Result<(), Problem> {
        let body = self.json().await?;
        if body.expose().iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        Fields::read(body.expose(), |_| ())
    }

    /// The whole body, which is JSON by its announcement, or empty.
    async fn json(&mut self) -> Result<Secret<Vec<u8>>, Problem> {
        let body = self.whole_body().await?;
        if !body.expose().is_empty() {
            announced_as_json(&self.parts.headers)?;
        }
        Ok(body)
    }

    /// The whole body, in time and within the limit. A body that announces a larger size is refused unread.
    async fn whole_body(&mut self) -> Result<Secret<Vec<u8>>, Problem> {
        let limits = self.app.limits;
        let too_large = || Problem::too_large(limits.body_octets);
        if self.body.body.size_hint().lower() > limits.body_octets as u64 {
            return Err(too_large());
        }
        // Reading the body asks the client to send it.
        self.body.kept_unread = false;
        let mut octets = Vec::new();
        let reading = async {
            while let Some(frame) = self.body.body.frame().await {
                let frame = frame.map_err(|_| Problem::malformed("the body ended early"))?;
                let data = frame.into_data().unwrap_or_default();
                if octets.len() + data.len() > limits.body_octets {
                    return Err(too_large());
                }
                octets.extend_from_slice(&data);
            }
            Ok(())
        };
        if let Ok(whole) = tokio::time::timeout(limits.body, reading).await {
            return whole.map(|()| Secret::new(octets));
        }
        self.body.kept_unread = true;
        Err(Problem::too_slow())
    }
}

/// Refuses a body that is announced as something else than JSON, or as nothing. Parameters of the type are without
/// meaning (RFC 8259 section 11), except that none may name another charset than the one that JSON has.
fn announced_as_json(headers: &HeaderMap) -> Result<(), Problem> {
    let texts = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    let mut types = texts(header::CONTENT_TYPE);
    let (text, other) = (types.next().unwrap_or_default(), types.next());
    let mut pieces = text.split(';').map(str::trim);
    let is_json = pieces.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_utf8 = |piece: &str| match piece.split_once('=') {
        Some((name, charset)) if name.eq_ignore_ascii_case("charset") => {
            ["utf-8", "utf8"].iter().any(|utf8| charset.trim_matches('"').eq_ignore_ascii_case(utf8))
        }
        _ => true,
    };
    if !is_json || other.is_some() || !pieces.all(is_utf8) {
        return Err(Problem::media_type("a body needs the header Content-Type: application/json"));
    }
    if texts(header::CONTENT_ENCODING).any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Problem::media_type("a body is taken without a Content-Encoding only"));
    }
    Ok(())
}

/// The longest target of a request: that of the longest query that the API knows has some hundred octets.
pub(super) const LONGEST_TARGET: usize = 8 * 1024;

/// What HTTP forbids in the head of a request, and hyper takes nonetheless (RFC 9112 sections 3, 3.2 and 6.1).
pub(super) fn head_fault(request: &Request<Body>) -> Option<Problem> {
    let headers = request.headers();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > LONGEST_TARGET {
        return Some(Problem::uri_too_long());
    }
    match headers.get_all(header::HOST).iter().count() {
        0 if request.version() == Version::HTTP_11 => {
            return Some(Problem::malformed("a request has a Host header, such as Host: localhost"));
        }
        0 | 1 => {}
        _ => return Some(Problem::malformed("a request has no more than one Host header")),
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let known = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    (!codings.all(known)).then(Problem::transfer_coding)
}

/// The parameters of a query.
fn query(parts: &Parts, known: &[&str]) -> Result<Vec<(String, String)>, Problem> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
        .map_err(|_| Problem::malformed("the query cannot be decoded"))?;
    for (i, (name, _)) in pairs.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            return Err(unknown("query parameter", name, known));
        }
        if pairs[..i].iter().any(|(before, _)| before == name) {
            return Err(Problem::malformed(format!("`{name}` stands twice")));
        }
    }
    Ok(pairs)
}

/// A body that was not read yet. What is left of it when it is dropped is discarded, up to a limit, so that a
/// client that writes before it reads sees the answer and not a broken pipe.
pub(super) struct UnreadBody {
    body: Body,
    limit: Duration,
    /// The body is not discarded, since the client waits to be asked for it or has used up its time.
    kept_unread: bool,
}

impl UnreadBody {
    /// The body of a request that is answered without it.
    pub(super) fn of(request: Request<Body>, limit: Duration) -> Self {
        let (parts, body) = request.into_parts();
        Self::new(&parts, body, limit)
    }

    fn new(parts: &Parts, body: Body, limit: Duration) -> Self {
        Self { body, limit, kept_unread: parts.headers.contains_key(header::EXPECT) }
    }
}

impl Drop for UnreadBody {
    fn drop(&mut self) {
        let mut body = std::mem::take(&mut self.body);
        if self.kept_unread || body.is_end_stream() {
            return;
        }
        tokio::spawn(tokio::time::timeout(self.limit, async move {
            let mut left = MOST_DISCARDED;
            while let Some(Ok(frame)) = body.frame().await
                && left > 0
            {
                left = left.saturating_sub(frame.into_data().unwrap_or_default().len());
            }
        }));
    }
}
