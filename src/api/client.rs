//! The client: one request for each connection, over the daemon's Unix socket, never longer than its time-out.
//!
//! ```no_run
//! use smsotpd::api::client::{Call, Client};
//! use smsotpd::api::wire;
//!
//! # async fn run() -> Result<(), smsotpd::api::client::ClientError> {
//! let client = Client::new("/run/smsotpd/smsotpd.sock".into());
//! let reply = client.call(Call::get("/v1/status")).await?;
//! let status: wire::Status = reply.parse()?;
//! # Ok(())
//! # }
//! ```

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use super::wire;

/// How long a request may take, in addition to the time that it asks the daemon to wait.
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer of the API.
const LARGEST_REPLY: usize = 64 * 1024 * 1024;
/// An event stream has a comment every 30 s; after this long without an octet the daemon hangs.
const SILENCE: Duration = Duration::from_secs(75);
/// The longest line of an event stream.
const LONGEST_LINE: usize = 1024 * 1024;

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No daemon listens, or this user may not connect.
    #[error("cannot reach the daemon at {}: {source}{}", .socket.display(), hint(.source))]
    Unreachable {
        /// The socket that was tried.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The daemon accepted the request and did not answer it.
    #[error("the daemon did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The connection ended before the whole answer came, as when the daemon stops or is killed. Whether the request
    /// was carried out is not known.
    #[error("the daemon closed the connection before it had answered: {0}")]
    Lost(String),
    /// The answer is not one of the API.
    #[error("the daemon's answer is not understood: {0}")]
    Protocol(String),
}

impl From<hyper::Error> for ClientError {
    /// What hyper cannot read is no answer of the API; every other of its faults is that of a connection.
    fn from(error: hyper::Error) -> Self {
        let is_protocol = error.is_user() || (error.is_parse() && !error.is_incomplete_message());
        if is_protocol { Self::Protocol(error.to_string()) } else { Self::Lost(error.to_string()) }
    }
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => "; is smsotpd running?",
        io::ErrorKind::PermissionDenied => "; is this user in the socket's group?",
        _ => "",
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    method: Method,
    path: String,
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
    wait: Duration,
}

impl Call {
    /// `GET path`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path.into())
    }

    /// `POST path`.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path.into())
    }

    /// `PUT path`.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path.into())
    }

    /// `DELETE path`.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path.into())
    }

    fn new(method: Method, path: String) -> Self {
        Self { method, path, body: None, headers: Vec::new(), wait: Duration::ZERO }
    }

    /// The same call with this body.
    #[must_use]
    pub fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// The same call with this header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Asks the daemon to wait this long for the verification or message to be over.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{joint}wait={}s", self.path, wait.as_secs());
        self.wait = wait;
        self
    }

    fn request(self) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .header(header::HOST, "localhost")
            .header(header::CONNECTION, "close");
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let body = match self.body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        request.body(Full::new(body)).map_err(|e| ClientError::Protocol(format!("no such request: {e}")))
    }
}

/// What the daemon answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// `Retry-After`: when to ask again.
    pub retry_after: Option<Duration>,
    /// The body as received.
    pub body: Bytes,
}

impl Reply {
    async fn read(response: Response<Incoming>) -> Result<Self, ClientError> {
        let status = response.status();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let retry_after = retry_after.map(Duration::from_secs);
        let body = Limited::new(response.into_body(), LARGEST_REPLY).collect().await;
        let body = body.map_err(|e| match e.downcast::<hyper::Error>() {
            Ok(e) => ClientError::from(*e),
            Err(e) => ClientError::Protocol(e.to_string()),
        })?;
        Ok(Self { status, retry_after, body: body.to_bytes() })
    }

    /// The body as a wire type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|e| ClientError::Protocol(format!("status {}, {e}", self.status.as_u16())))
    }

    /// The problem, when the request was refused.
    pub fn problem(&self) -> Option<wire::Problem> {
        if self.status.is_success() {
            return None;
        }
        Some(self.parse().unwrap_or_else(|_| wire::Problem {
            verification: None,
            r#type: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("not done").to_owned(),
            status: self.status.as_u16(),
            detail: format!("the daemon answered {}", self.status),
            code: String::new(),
        }))
    }
}

/// A client of one daemon.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    timeout: Duration,
}

impl Client {
    /// A client of the daemon at this socket. Nothing is opened yet.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket, timeout: TIMEOUT }
    }

    /// The same client with another time-out.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sends a request, and reads the whole reply.
    pub async fn call(&self, call: Call) -> Result<Reply, ClientError> {
        let limit = self.timeout + call.wait;
        let request = call.request()?;
        let reply = async { Reply::read(self.exchange(request).await?).await };
        within(limit, reply).await
    }

    /// Follows the events: those after `after` that the daemon remembers, and those to come. A refusal is
    /// returned as its reply.
    pub async fn events(&self, after: Option<u64>) -> Result<Result<Events, Reply>, ClientError> {
        let mut call = Call::get("/v1/events").header("accept", "text/event-stream");
        if let Some(after) = after {
            call = call.header("last-event-id", after.to_string());
        }
        let pieces = self.download(call).await?;
        let event = ServerEvent::default();
        Ok(pieces.map(|pieces| Events { pieces, buffer: Vec::new(), event, ahead: None }))
    }

    /// Asks for an answer that may be large or endless, to be read piece by piece. A refusal is returned as
    /// its reply.
    pub async fn download(&self, call: Call) -> Result<Result<Pieces, Reply>, ClientError> {
        let request = call.request()?;
        let begun = async {
            let response = self.exchange(request).await?;
            if response.status() == StatusCode::OK {
                return Ok(Ok(Pieces { body: response.into_body() }));
            }
            Reply::read(response).await.map(Err)
        };
        within(self.timeout, begun).await
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| ClientError::Unreachable { socket: self.socket.clone(), source })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // The task ends by itself when the reply was read or is dropped.
        tokio::spawn(async move {
            if let Err(e) = connection.await {
                tracing::debug!("a connection to the daemon ended: {e}");
            }
        });
        Ok(sender.send_request(request).await?)
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(ClientError::TimedOut(limit)))
}

/// A reply that is read piece by piece.
#[derive(Debug)]
pub struct Pieces {
    body: Incoming,
}

impl Pieces {
    /// The next piece; `None` at the proper end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let frame = within(SILENCE, async { Ok(self.body.frame().await) }).await?;
            let Some(frame) = frame.transpose()? else { return Ok(None) };
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerEvent {
    /// Its id, from which the stream can be resumed.
    pub id: Option<u64>,
    /// Its name, such as `message.sent`.
    pub name: String,
    /// Its data: a [`wire::Event`] in JSON.
    pub data: String,
}

/// A stream of events.
#[derive(Debug)]
pub struct Events {
    pieces: Pieces,
    /// Octets that came and were not read yet.
    buffer: Vec<u8>,
    /// The event whose lines are being read.
    event: ServerEvent,
    /// An event that was read and not given yet.
    ahead: Option<ServerEvent>,
}

impl Events {
    /// The event behind which the stream begins, as the daemon says before it gives any; `None` when it did not say so.
    pub async fn begin(&mut self) -> Result<Option<u64>, ClientError> {
        match self.read().await? {
            Some(greeting) if greeting.data.is_empty() => Ok(greeting.id),
            event => {
                self.ahead = event;
                Ok(None)
            }
        }
    }

    /// The next event; `None` when the daemon ended the stream.
    pub async fn next(&mut self) -> Result<Option<ServerEvent>, ClientError> {
        if let Some(event) = self.ahead.take() {
            return Ok(Some(event));
        }
        loop {
            match self.read().await? {
                Some(greeting) if greeting.data.is_empty() => {}
                event => return Ok(event),
            }
        }
    }

    /// The next event, or an id without one.
    async fn read(&mut self) -> Result<Option<ServerEvent>, ClientError> {
        loop {
            while let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                if let Some(event) = self.event.take_line(line.trim_end_matches(['\r', '\n'])) {
                    return Ok(Some(event));
                }
            }
            if self.buffer.len() > LONGEST_LINE {
                return Err(ClientError::Protocol("a line without end".to_owned()));
            }
            let Some(data) = self.pieces.next().await? else { return Ok(None) };
            self.buffer.extend_from_slice(&data);
        }
    }
}

impl ServerEvent {
    /// WHATWG HTML section 9.2.6; an empty line ends an event. An id without data is no event, and counts all the same.
    fn take_line(&mut self, line: &str) -> Option<Self> {
        if line.is_empty() {
            return Some(std::mem::take(self)).filter(|event| event.id.is_some() || !event.data.is_empty());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = value.parse().ok(),
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

/// A text as one segment of a path, or as one value of a query (RFC 3986 section 2.1).
pub fn escape(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let escaped = |byte: u8| if is_plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") };
    text.bytes().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_line_by_line() {
        let mut draft = ServerEvent::default();
        let lines =
            [": alive", "", "id: 7", "event: message.sent", "data: {\"a\":", "data: 1}", "retry: 2000"];
        assert!(lines.iter().all(|line| draft.take_line(line).is_none()));
        let event = draft.take_line("").unwrap();
        assert_eq!(
            (event.id, event.name.as_str(), event.data.as_str()),
            (Some(7), "message.sent", "{\"a\":\n1}")
        );
        assert_eq!(draft.take_line(""), None);
        assert_eq!(draft.take_line("id: 8"), None);
        let greeting = ServerEvent { id: Some(8), ..ServerEvent::default() };
        assert_eq!(draft.take_line(""), Some(greeting));
    }

    /// A daemon that is stopped or killed while somebody waits for it is not one that answers in another language.
    #[tokio::test]
    async fn a_connection_that_ends_is_not_an_answer_that_is_not_understood() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let client = Client::new(socket);
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{";
        for (answer, is_lost) in
            [("", true), ("HTTP/1.1 2", true), (half, true), ("220 mail ESMTP\r\n\r\n", false)]
        {
            let daemon = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            };
            let (outcome, ()) = tokio::join!(client.call(Call::get("/v1/status")), daemon);
            match outcome {
                Err(ClientError::Lost(_)) => assert!(is_lost, "{answer:?}"),
                Err(ClientError::Protocol(_)) => assert!(!is_lost, "{answer:?}"),
                other => panic!("{answer:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(escape("+41 79/x"), "%2B41%2079%2Fx");
        assert_eq!(escape("ver_01-~."), "ver_01-~.");
    }
}
