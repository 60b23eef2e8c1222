//! What HTTP itself refuses: every such answer is a problem like those of the API, and says what is wrong.

use std::time::Duration;

use serde_json::Value;
use smsotpd::api::{Access, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::api_support::{NUMBER, Served, raw, read_to_end, served, served_within};

/// The problem that an answer consists of.
fn problem(answer: &str, status: u16, code: &str) -> Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(head.contains("\r\ncontent-type: application/problem+json"), "{answer}");
    assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())), "{answer}");
    assert!(head.contains("\r\ndate: "), "{answer}");
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &code.into()), "{answer}");
    for member in ["type", "title", "detail"] {
        assert!(!problem[member].as_str().unwrap().is_empty(), "{answer}");
    }
    problem
}

/// The answer to the last of some requests on one connection.
async fn last(api: &Served, requests: &str) -> String {
    let answers = raw(&api.socket, requests.as_bytes()).await;
    answers.rfind("HTTP/1.1 ").map_or(String::new(), |at| answers[at..].to_owned())
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_answered_with_a_problem() {
    let api = served();
    let long = "y".repeat(70_000);
    let many = "x: y\r\n".repeat(120);
    for (head, status, code) in [
        ("GET\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("\0\u{1}\u{2}\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("GET /healthz HTTP/1.1\r\nho st: x\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("GET /healthz HTTP/1.1\r\nhost: x\r\nbroken\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("GET /a b HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), 400, "invalid_request"),
        (
            "POST /v1/check HTTP/1.1\r\nhost: x\r\ncontent-length: ten\r\n\r\n".to_owned(),
            400,
            "invalid_request",
        ),
        (
            "POST /v1/check HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}"
                .to_owned(),
            400,
            "invalid_request",
        ),
        (
            "POST /v1/check HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n".to_owned(),
            400,
            "invalid_request",
        ),
        (
            "POST /v1/check HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
                .to_owned(),
            501,
            "not_implemented",
        ),
        ("GET /healthz HTTP/2.1\r\nhost: x\r\n\r\n".to_owned(), 505, "version_not_supported"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505, "version_not_supported"),
        (format!("GET /healthz?{long} HTTP/1.1\r\nhost: x\r\n\r\n"), 414, "uri_too_long"),
        (format!("GET /healthz?{} HTTP/1.1\r\nhost: x\r\n\r\n", &long[..20_000]), 414, "uri_too_long"),
        (format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n"), 431, "head_too_large"),
        (format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many}\r\n"), 431, "head_too_large"),
    ] {
        let head = head.replace("\r\nhost", "\r\nconnection: close\r\nhost");
        problem(&last(&api, &head).await, status, code);
        // A request before it on the same connection is answered for itself, also one with a body that nobody reads.
        for before in [
            "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
            "POST /v1/nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody",
        ] {
            let answers = raw(&api.socket, format!("{before}{head}").as_bytes()).await;
            let last = &answers[answers.rfind("HTTP/1.1 ").unwrap()..];
            assert_eq!(answers.matches("HTTP/1.1 ").count(), 2, "{answers}");
            match status {
                // Its head is sound, so that the connection goes on until it is closed for the body.
                501 => assert!(last.starts_with("HTTP/1.1 501 "), "{last}"),
                505 if !head.starts_with("PRI") => drop(problem(last, 400, "invalid_request")),
                431 if last.starts_with("HTTP/1.1 414 ") => drop(problem(last, 414, "uri_too_long")),
                _ => drop(problem(last, status, code)),
            }
        }
    }
}

#[tokio::test]
async fn a_request_names_one_host() {
    let api = served();
    problem(&last(&api, "GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n").await, 400, "invalid_request");
    let two = "GET /healthz HTTP/1.1\r\nhost: a\r\nhost: a\r\nconnection: close\r\n\r\n";
    problem(&last(&api, two).await, 400, "invalid_request");
    let one = "GET /healthz HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n";
    assert!(last(&api, one).await.starts_with("HTTP/1.1 200 "));
    let old = raw(&api.socket, b"GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 "), "{old}");
}

#[tokio::test]
async fn a_head_that_stalls_or_breaks_off_is_told_so() {
    let limits =
        Limits { head: Duration::from_millis(100), idle: Duration::from_millis(300), ..Limits::default() };
    let api = served_within(limits, Access::default());
    problem(&raw(&api.socket, b"POST /v1/messages HTTP/1.1\r\nhos").await, 408, "timeout");
    // Nothing was asked, so nothing is answered.
    assert_eq!(raw(&api.socket, b"").await, "");
    let mut stream = UnixStream::connect(&api.socket).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let answers = read_to_end(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");

    let mut stream = UnixStream::connect(&api.socket).await.unwrap();
    stream.write_all(b"GET /healthz HT").await.unwrap();
    stream.shutdown().await.unwrap();
    problem(&read_to_end(&mut stream).await, 400, "invalid_request");
}

#[tokio::test]
async fn a_client_that_still_writes_its_head_reads_the_answer() {
    let api = served();
    let mut stream = UnixStream::connect(&api.socket).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: ").await.unwrap();
    for _ in 0..50 {
        stream.write_all(&[b'y'; 8192]).await.expect("the connection is still there");
    }
    let mut answer = vec![0; 13];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 431 ");
}

#[tokio::test]
async fn a_body_is_announced_as_json() {
    let api = served();
    let body = format!(r#"{{"to": "{NUMBER}"}}"#);
    let post = async |announced: &str| {
        let length = body.len();
        let head = "POST /v1/verifications HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
        last(&api, &format!("{head}{announced}content-length: {length}\r\n\r\n{body}")).await
    };
    for kind in
        ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\"; v=1"]
    {
        let answer = post(&format!("content-type: {kind}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 201 "), "{kind}: {answer}");
    }
    for announced in [
        "",
        "content-type: application/x-www-form-urlencoded\r\n",
        "content-type: text/plain\r\n",
        "content-type: application/jsonp\r\n",
        "content-type: application/json; charset=iso-8859-1\r\n",
        "content-type: application/json, text/plain\r\n",
        "content-type: application/json\r\ncontent-type: text/plain\r\n",
        "content-type: application/json\r\ncontent-encoding: gzip\r\n",
    ] {
        problem(&post(announced).await, 415, "unsupported_media_type");
    }
    // A request that needs no body has none to announce; what it has nonetheless is announced.
    let v = api.issue().await;
    let path = format!("/v1/verifications/{}/resend", v["id"].as_str().unwrap());
    let resend = |rest: &str| format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{rest}");
    let bare = last(&api, &resend("content-type: text/plain\r\n\r\n")).await;
    assert!(bare.starts_with("HTTP/1.1 202 "), "{bare}");
    problem(&last(&api, &resend("content-length: 2\r\n\r\n{}")).await, 415, "unsupported_media_type");
}
