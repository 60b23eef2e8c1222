//! Answers to what never became a request: a head that cannot be read, and a connection too many. hyper closes such a
//! connection without a word, or with a status alone; a client gets a problem like any other.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::IntoResponse as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

use super::connection::Head;
use super::problem::Problem;
use super::request::LONGEST_TARGET;

/// How long a refused client has to take its answer.
const LINGER: Duration = Duration::from_secs(1);
/// How long a client that is refused before it asked may take to begin its request: some clients take an answer that
/// comes before the question for a fault.
const QUESTION: Duration = Duration::from_millis(250);
/// The request that hyper is given in place of the client's, so that it writes the answer with all the headers that every
/// answer has.
const ANY_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// What is wrong with the head that ended a connection in this way; `None` when nobody waits for an answer. Of a head that
/// came in one piece with the request before it, less is known: 400 may stand for 505, and 414 for 431.
pub(super) fn of_head(head: &Head, ended: &hyper::Error) -> Option<Problem> {
    if !head.is_awaited() {
        return None;
    }
    if ended.is_timeout() {
        // A client that only kept its connection is not answered: it has asked for nothing.
        return head.has_begun().then(Problem::slow_head);
    }
    if ended.is_parse_too_large() {
        let is_line = head.line_octets() > LONGEST_TARGET;
        return Some(if is_line { Problem::uri_too_long() } else { Problem::head_too_large() });
    }
    if ended.is_parse_version_h2() || (ended.is_parse() && head.has_other_version()) {
        return Some(Problem::version());
    }
    if ended.is_parse() {
        return Some(Problem::malformed("the head of the request is not HTTP/1.1"));
    }
    let cut = ended.is_incomplete_message() && head.has_begun();
    cut.then(|| Problem::malformed("the request ended within its head"))
}

/// Answers with a problem as soon as a client asks for something, and closes.
pub(super) async fn answer_when_asked(stream: UnixStream, problem: Problem) {
    let _ = tokio::time::timeout(QUESTION, stream.readable()).await;
    answer(stream, problem).await;
}

/// Answers with a problem, and closes.
pub(super) async fn answer(mut stream: UnixStream, problem: Problem) {
    let told = async {
        let service = service_fn(|_| {
            let problem = problem.clone();
            async move { Ok::<_, Infallible>(problem.into_response()) }
        });
        let both = TokioIo::new(tokio::io::join(ANY_REQUEST, &mut stream));
        // Nothing follows the request, and that is not the end of the connection.
        http1::Builder::new().half_close(true).serve_connection(both, service).await?;
        // A client that is still writing would see a broken pipe, and not the answer.
        let mut octets = [0; 4096];
        while stream.read(&mut octets).await.is_ok_and(|read| read > 0) {}
        Ok::<_, hyper::Error>(())
    };
    if let Ok(Err(e)) = tokio::time::timeout(LINGER, told).await {
        tracing::debug!("a client did not take its refusal: {e}");
    }
}
