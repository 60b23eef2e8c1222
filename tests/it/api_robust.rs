//! Clients that stall, flood or vanish, and a daemon that stops.

use std::time::{Duration, Instant};

use serde_json::Value;
use smsotpd::api::client::{Call, ClientError};
use smsotpd::api::{Access, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::api_support::{eventually, raw, read_to_end, served, served_within};

const OVER: usize = 64 * 1024 + 1;

#[tokio::test]
async fn a_body_too_large_is_refused_unread() {
    let api = served();
    // The body is announced, and never sent.
    let head = format!("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {OVER}\r\n\r\n");
    let mut stream = UnixStream::connect(&api.socket).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 13];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413 ");

    // The client asks first: there is no 100, so that nothing of the body is sent.
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {OVER}\r\n\r\n"
    );
    let answer = raw(&api.socket, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

    // The whole body is sent before the answer is read.
    let body = "x".repeat(900_000);
    let head = format!("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer = raw(&api.socket, format!("{head}{body}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"too_large\""), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");

    // The body comes in chunks, whose number is not announced.
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let head = "POST /v1/messages HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = raw(&api.socket, format!("{head}{}0\r\n\r\n", chunk.repeat(17)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

    // A body of exactly the limit is read, and is not JSON.
    let head = "POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = raw(&api.socket, format!("{head}{}0\r\n\r\n", chunk.repeat(16)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn an_answer_before_the_body_reaches_a_client_that_still_writes() {
    let api = served();
    for (request, status) in
        [("POST /v1/modems/m0/pause", 403), ("POST /v1/nothing", 404), ("PUT /v1/status", 405)]
    {
        let mut stream = UnixStream::connect(&api.socket).await.unwrap();
        for _ in 0..20 {
            stream
                .write_all(format!("{request} HTTP/1.1\r\nhost: x\r\ncontent-length: 7\r\n\r\n").as_bytes())
                .await
                .unwrap();
            let mut start = [0; 12];
            stream.read_exact(&mut start).await.unwrap();
            assert_eq!(start, *format!("HTTP/1.1 {status}").as_bytes());
            stream.write_all(b"{\"a\":1}").await.expect("the connection is still there");
            let mut rest = vec![0; 4096];
            while !String::from_utf8_lossy(&rest).contains("\"status\"") {
                let read = stream.read(&mut rest).await.unwrap();
                assert!(read > 0, "{request}");
            }
        }
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let api = served();
    let mut stream = UnixStream::connect(&api.socket).await.unwrap();
    stream
        .write_all(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let flood = async {
        let mut octets = 0;
        while stream.write_all(chunk.as_bytes()).await.is_ok() {
            octets += chunk.len();
        }
        octets
    };
    let octets = tokio::time::timeout(Duration::from_secs(20), flood).await.expect("it is cut off");
    assert!(octets < 4 * 1024 * 1024, "{octets}");
}

#[tokio::test]
async fn a_client_that_stalls_is_disconnected() {
    let short = Duration::from_millis(100);
    let limits = Limits { head: short, body: short, ..Limits::default() };
    let api = served_within(limits, Access::default());
    let begun = Instant::now();
    let head = raw(&api.socket, b"POST /v1/messages HTTP/1.1\r\nhos").await;
    assert!(head.starts_with("HTTP/1.1 408 ") && head.contains("\"timeout\""), "{head}");
    let body =
        raw(&api.socket, b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n{\"to").await;
    assert!(body.starts_with("HTTP/1.1 408 ") && body.contains("\"timeout\""), "{body}");
    assert!(begun.elapsed() >= 2 * short);
    // The second request of a connection is watched like the first.
    let mut stream = UnixStream::connect(&api.socket).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 13];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 ");
    stream.write_all(b"GET /hea").await.unwrap();
    let rest = read_to_end(&mut stream).await;
    assert!(rest.contains("HTTP/1.1 408 "), "{rest}");
}

#[tokio::test]
async fn a_client_that_goes_while_its_request_waits_leaves_nothing() {
    let mut api = served();
    api.issue().await;
    let id = *api.fake.state.lock().unwrap().messages.keys().next().unwrap();
    for path in ["/v1/events".to_owned(), format!("/v1/messages/{id}?wait=300s")] {
        for says_no_more in [false, true] {
            let mut stream = UnixStream::connect(&api.socket).await.unwrap();
            stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
            if says_no_more {
                stream.shutdown().await.unwrap();
            }
            eventually("it waits", || api.fake.followers() == 1).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(api.fake.followers(), 1, "{path}: it still listens");
            drop(stream);
            eventually("it has gone", || api.fake.followers() == 0).await;
        }
    }
    api.begin_to_stop();
    (&mut api.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head_but_not_its_own() {
    let limits =
        Limits { head: Duration::from_millis(50), idle: Duration::from_millis(400), ..Limits::default() };
    let api = served_within(limits, Access::default());
    let mut stream = UnixStream::connect(&api.socket).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let begun = Instant::now();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_disconnected() {
    let limits = Limits { blocked: Duration::from_millis(100), ..Limits::default() };
    let api = served_within(limits, Access::default());
    let mut stream = UnixStream::connect(&api.socket).await.unwrap();
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    let write = tokio::time::timeout(Duration::from_secs(20), async {
        while stream.write_all(&request).await.is_ok() {}
    });
    write.await.expect("the connection is closed");
    assert_eq!(api.call(Call::get("/healthz")).await.status, 200);
}

#[tokio::test]
async fn a_thousand_idle_connections_stop_nobody() {
    let api = served();
    let mut idle = Vec::new();
    for i in 0..1000 {
        let mut stream = UnixStream::connect(&api.socket).await.unwrap();
        if i % 2 == 0 {
            stream.write_all(b"GET /v1/status HT").await.unwrap();
        }
        idle.push(stream);
    }
    let begun = Instant::now();
    for _ in 0..50 {
        assert_eq!(api.call(Call::get("/v1/status")).await.status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // Connections that stopped half-way are still served when they go on.
    let mut last = idle.swap_remove(998);
    last.write_all(b"TP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut last).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn stopping_lets_running_requests_finish_and_removes_the_socket() {
    let mut api = served();
    api.issue().await;
    let id = *api.fake.state.lock().unwrap().messages.keys().next().unwrap();
    let _fresh = UnixStream::connect(&api.socket).await.unwrap();
    let mut kept = UnixStream::connect(&api.socket).await.unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let client = api.client.clone();
    let waiting = tokio::spawn(async move {
        client.call(Call::get(format!("/v1/messages/{id}")).wait(Duration::from_secs(60))).await
    });
    eventually("it waits", || api.fake.followers() == 1).await;
    let begun = Instant::now();
    api.begin_to_stop();
    let message: Value = waiting.await.unwrap().unwrap().parse().unwrap();
    assert_eq!(message["status"], "queued");
    assert!(read_to_end(&mut kept).await.starts_with("HTTP/1.1 200 "));
    (&mut api.server).await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(!api.socket.exists());
    assert!(matches!(api.client.call(Call::get("/healthz")).await, Err(ClientError::Unreachable { .. })));
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_up_the_stop() {
    let limits = Limits { drain: Duration::from_millis(100), ..Limits::default() };
    let mut api = served_within(limits, Access::default());
    let mut stream = UnixStream::connect(&api.socket).await.unwrap();
    stream.write_all(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n{").await.unwrap();
    assert_eq!(api.call(Call::get("/healthz")).await.status, 200);
    api.begin_to_stop();
    let stopped = tokio::time::timeout(Duration::from_secs(5), &mut api.server).await;
    stopped.expect("it stops").unwrap().unwrap();
}

#[tokio::test]
async fn noise_is_answered_or_closed() {
    let api = served();
    for noise in [&b"\x00\x01\x02\xff\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n"] {
        let answer = raw(&api.socket, noise).await;
        assert!(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 505 "), "{answer}");
    }
    let long = format!("GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    let mut stream = UnixStream::connect(&api.socket).await.unwrap();
    let _ = stream.write_all(long.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert_eq!(api.call(Call::get("/healthz")).await.status, 200);
}
