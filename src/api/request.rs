//! A request becomes an authorised request before anything of its body is read.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Query, RawPathParams};
use axum::http::request::Parts;
use axum::http::{Request, header};
use http_body_util::BodyExt as _;

use super::access::{Grant, Need};
use super::fields::{Fields, unknown};
use super::problem::Problem;
use super::serve::Limits;
use crate::gateway::Caller;
use crate::secret::Secret;

/// The longest that `?wait=` waits.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A request whose peer may make it.
pub(super) struct Authorised {
    /// As whom it asks.
    pub(super) caller: Caller,
    parts: Parts,
    body: Unread,
    param: Option<String>,
    limits: Limits,
}

impl Authorised {
    /// Lets a request in whose connection was granted what its route needs.
    pub(super) fn admit(
        request: Request<Body>,
        params: Option<&RawPathParams>,
        need: Need,
        limits: Limits,
    ) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = Unread::new(&parts, body, limits);
        let caller = match parts.extensions.get::<Grant>() {
            Some(grant) if need.met_by(grant) => grant.caller.clone(),
            None if need == Need::Nothing => Caller::default(),
            _ => return Err(Problem::not_allowed(format!("this client needs {need}"))),
        };
        // No path of the table has more than one.
        let param = params.and_then(|params| params.iter().next()).map(|(_, value)| value.to_owned());
        Ok(Self { caller, parts, body, param, limits })
    }

    /// The id in the path; what is no id names nothing.
    pub(super) fn id<T: std::str::FromStr>(&self, what: &str) -> Result<T, Problem> {
        let text = self.param.as_deref().unwrap_or_default();
        text.parse().map_err(|_| Problem::not_found(format!("there is no {what} of this id")))
    }

    /// The name in the path.
    pub(super) fn name(&self) -> String {
        self.param.clone().unwrap_or_default()
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
        match self.header(NAME).map(str::trim) {
            Some(key) if (1..=255).contains(&key.len()) => Ok(Some(key.to_owned())),
            _ => Err(Problem::malformed("an Idempotency-Key has 1 to 255 printable ASCII characters")),
        }
    }

    /// The query's parameters, in the order of `known`. One that is not known, or stands twice, is refused.
    pub(super) fn query<const N: usize>(&self, known: [&str; N]) -> Result<[Option<String>; N], Problem> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&self.parts.uri)
            .map_err(|_| Problem::malformed("the query cannot be decoded"))?;
        let mut values = [const { None }; N];
        for (name, value) in pairs.0 {
            let Some(i) = known.iter().position(|known| **known == *name) else {
                return Err(unknown("query parameter", &name, &known));
            };
            if values[i].replace(value).is_some() {
                return Err(Problem::malformed(format!("`{}` stands twice", known[i])));
            }
        }
        Ok(values)
    }

    /// How long `?wait=` waits: `30s` or a number of seconds, at most five minutes; no wait when left out.
    pub(super) fn wait(&self) -> Result<Option<Duration>, Problem> {
        let [wait] = self.query(["wait"])?;
        let Some(wait) = wait else {
            return Ok(None);
        };
        let span = wait.parse().map(Duration::from_secs).or_else(|_| humantime::parse_duration(&wait));
        span.map(|span| Some(span.min(LONGEST_WAIT)))
            .map_err(|_| Problem::malformed("`wait` must be a duration such as 30s"))
    }

    /// Reads the body, which must be an object without fields but the `known`.
    pub(super) async fn fields(self, known: &[&str]) -> Result<Fields, Problem> {
        let body = read(self.parts, self.body, self.limits).await?;
        Fields::parse(body.expose(), known)
    }

    /// Reads the body of a request that needs none: nothing, or an object without fields.
    pub(super) async fn no_fields(self) -> Result<(), Problem> {
        let body = read(self.parts, self.body, self.limits).await?;
        if body.expose().iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        Fields::parse(body.expose(), &[]).map(|_| ())
    }
}

/// The whole body, in time and within the limit. A body that says it is too large is refused unread.
async fn read(parts: Parts, mut unread: Unread, limits: Limits) -> Result<Secret<Vec<u8>>, Problem> {
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    if announced.is_some_and(|octets: u64| octets > limits.body_octets as u64) {
        return Err(Problem::too_large(limits.body_octets));
    }
    // Reading it asks for it.
    unread.unwanted = false;
    let mut octets = Vec::new();
    let whole = tokio::time::timeout(limits.body, async {
        while let Some(frame) = unread.body.frame().await {
            let frame = frame.map_err(|_| Problem::malformed("the body ended early"))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if octets.len() + data.len() > limits.body_octets {
                return Err(Problem::too_large(limits.body_octets));
            }
            octets.extend_from_slice(&data);
        }
        Ok(())
    })
    .await;
    match whole {
        Ok(Ok(())) => Ok(Secret::new(octets)),
        Ok(Err(problem)) => Err(problem),
        Err(_) => {
            unread.unwanted = true;
            Err(Problem::too_slow())
        }
    }
}

/// A body that nobody has read yet. What is left of it when it is dropped is thrown away, up to a mebibyte, so that a
/// client that writes before it reads sees the answer and not a broken pipe.
pub(super) struct Unread {
    body: Body,
    limit: Duration,
    /// It is left where it is: the client waits to be asked for it, or had its time.
    unwanted: bool,
}

impl Unread {
    /// Of a request that is answered without its body.
    pub(super) fn of(request: Request<Body>, limits: Limits) -> Self {
        let (parts, body) = request.into_parts();
        Self::new(&parts, body, limits)
    }

    fn new(parts: &Parts, body: Body, limits: Limits) -> Self {
        Self { body, limit: limits.body, unwanted: parts.headers.contains_key(header::EXPECT) }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let mut body = std::mem::take(&mut self.body);
        if self.unwanted || body.is_end_stream() {
            return;
        }
        tokio::spawn(tokio::time::timeout(self.limit, async move {
            let mut left = 1024 * 1024_usize;
            while let Some(Ok(frame)) = body.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, bytes_len));
                if left == 0 {
                    break;
                }
            }
        }));
    }
}

fn bytes_len(data: &impl AsRef<[u8]>) -> usize {
    data.as_ref().len()
}
