//! A user of the socket who opens thousands of connections, and others who want to be served meanwhile.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::thread::set_thread_res_uid;
use smsotpd::api::client::Call;
use smsotpd::api::{Access, Limits};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use crate::api_support::{raw, read_to_end, served, served_within};

#[tokio::test]
async fn connections_beyond_the_limit_are_told_and_closed() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let api = served_within(limits, Access::default());
    let first = UnixStream::connect(&api.socket).await.unwrap();
    let _second = UnixStream::connect(&api.socket).await.unwrap();
    let answer = raw(&api.socket, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    for part in ["\r\nretry-after: 1\r\n", "\r\nconnection: close\r\n", "\"code\":\"too_many_connections\""] {
        assert!(answer.contains(part), "{answer}");
    }
    // The client of this project reads the answer as well.
    assert_eq!(api.call(Call::get("/healthz")).await.status, 503);
    drop(first);
    let begun = Instant::now();
    while api.call(Call::get("/healthz")).await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(10), "a place that became free is given");
    }
}

/// Connects as another user and sends each time half a head, as fast as it can; leaves the connections open.
fn half_sent_heads(socket: &Path, count: usize) -> Vec<std::os::unix::net::UnixStream> {
    use std::io::Write as _;

    let nobody = rustix::thread::Uid::from_raw(65534);
    // The credentials of a thread are its own; this one ends with its task.
    set_thread_res_uid(nobody, nobody, nobody).unwrap();
    (0..count)
        .map(|_| {
            let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
            // A connection that was refused may be closed by now.
            let _ = stream.write_all(b"GET /v1/status HTTP/1.1\r\nho");
            stream
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_thousand_half_sent_heads_of_one_user_keep_no_other_waiting() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can connect as another user");
        return;
    }
    let api = served();
    let open = |path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    open(api.socket.parent().unwrap(), 0o755);
    open(&*api.socket, 0o666);
    assert_eq!(api.call(Call::get("/healthz")).await.status, 200);
    let socket = api.socket.clone();
    let flood = std::thread::spawn(move || half_sent_heads(&socket, 4096));
    let mut waits = Vec::new();
    let mut after = 0;
    while after < 20 {
        after += usize::from(flood.is_finished());
        let begun = Instant::now();
        assert_eq!(api.call(Call::get("/v1/status")).await.status, 200);
        waits.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    waits.sort();
    let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    eprintln!("{} requests: median {median:?}, longest {longest:?}", waits.len());
    // This machine may be busy with other tests: one request in the middle of them may wait for its turn.
    assert!(median < Duration::from_millis(100), "{median:?}");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    // Those that were served are served still when they go on.
    let mut held = flood.join().unwrap();
    let mut first = held.swap_remove(0);
    std::io::Write::write_all(&mut first, b"st: x\r\nconnection: close\r\n\r\n").unwrap();
    first.set_nonblocking(true).unwrap();
    let answer = read_to_end(&mut UnixStream::from_std(first).unwrap()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_refused_client_that_asks_nothing_is_closed_soon() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let api = served_within(limits, Access::default());
    let _only = UnixStream::connect(&api.socket).await.unwrap();
    let mut silent = UnixStream::connect(&api.socket).await.unwrap();
    let begun = Instant::now();
    let answer = read_to_end(&mut silent).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    // A second one of many is served no worse while it writes a body that nobody reads.
    let mut writes = UnixStream::connect(&api.socket).await.unwrap();
    let head = "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n";
    writes.write_all(head.as_bytes()).await.unwrap();
    writes.write_all(&vec![b' '; 60_000]).await.unwrap();
    writes.shutdown().await.unwrap();
    assert!(read_to_end(&mut writes).await.starts_with("HTTP/1.1 503 "));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
