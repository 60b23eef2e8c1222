//! A user who opens thousands of connections at the socket of the real daemon, which has one thread, and others who want
//! codes meanwhile.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use gsm_sim::Script;
use serde_json::json;
use smsotpd::api::client::Call;

use crate::attack_wire::{become_nobody, open_to_all};
use crate::daemon_support::{NO_LIMITS, Rig, call, number};

const CONNECTIONS: usize = 4096;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_of_one_user_keep_nobody_from_codes() {
    let rig = Rig::start(1, Script::default(), NO_LIMITS);
    if !open_to_all(&rig) {
        eprintln!("SKIPPED: only root can connect as another user");
        return;
    }
    rig.modems_are("ready").await;
    let (socket, (go_on, until)) = (rig.socket(), std::sync::mpsc::channel::<()>());
    // Each connection gets a further octet of its head now and then, so that it never falls idle.
    let flood = std::thread::spawn(move || {
        become_nobody();
        let open = |_| {
            let mut stream = UnixStream::connect(&socket).unwrap();
            let _ = stream.write_all(b"GET /v1/status HTTP/1.1\r\nho");
            stream
        };
        let mut held: Vec<_> = (0..CONNECTIONS).map(open).collect();
        let begun = Instant::now();
        while until.recv_timeout(Duration::from_millis(1)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            for stream in held.iter_mut().step_by(16) {
                // One that was refused is closed by now.
                let _ = stream.write_all(b"s");
            }
        }
        (held.len(), begun.elapsed())
    });
    let (mut looks, mut issues) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    for n in 0.. {
        if issues.len() >= 60 && begun.elapsed() > Duration::from_secs(2) {
            break;
        }
        for (waits, request, status) in [
            (&mut looks, Call::get("/v1/status"), 200),
            (&mut issues, Call::post("/v1/verifications").json(json!({"to": number(n)})), 201),
        ] {
            let asked = Instant::now();
            assert_eq!(call(&rig.client(), request).await.status, status);
            waits.push(asked.elapsed());
        }
    }
    go_on.send(()).unwrap();
    let (held, lasted) = flood.join().unwrap();
    assert_eq!(held, CONNECTIONS);
    for (what, mut waits) in [("status", looks), ("issue", issues)] {
        waits.sort();
        let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
        eprintln!("{what}: {} in {lasted:?}, median {median:?}, longest {longest:?}", waits.len());
        // This machine may be busy with other tests: one request in the middle of them may wait for its turn.
        assert!(median < Duration::from_millis(100), "{what}: {median:?}");
        assert!(longest < Duration::from_secs(2), "{what}: {longest:?}");
    }
}
