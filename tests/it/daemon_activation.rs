//! A daemon on a socket of the service manager, and the watchdog.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

use gsm_sim::Script;
use rustix::process::Signal;
use serde_json::json;

use crate::daemon_support::{Rig, get, post};

/// The daemon, started as systemd starts it for a socket: the socket is its descriptor 3 (`sd_listen_fds(3)`).
fn by_socket(rig: &Rig, listener: &UnixListener) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" --config \"$1\" 3<&0 </dev/null"])
        .arg(env!("CARGO_BIN_EXE_smsotpd"))
        .arg(rig.config())
        .stdin(OwnedFd::from(listener.try_clone().unwrap()));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_while_the_daemon_restarts() {
    let mut rig = Rig::prepare(1, Script::default(), "");
    let listener = UnixListener::bind(rig.socket()).unwrap();
    std::fs::set_permissions(rig.socket(), PermissionsExt::from_mode(0o666)).unwrap();
    // It connects before there is any daemon.
    let client = rig.client();
    let early = tokio::spawn(async move { get(&client, "/v1/status").await });
    rig.launch_by(by_socket(&rig, &listener));
    assert_eq!(early.await.unwrap()["version"], env!("CARGO_PKG_VERSION"));
    let mode = || std::fs::metadata(rig.socket()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600, "the configuration's mode counts");
    for _ in 0..2 {
        rig.signal(Signal::TERM);
        assert!(rig.ended().success());
        assert!(rig.socket().exists());
        let client = rig.client();
        let waiting = tokio::spawn(async move {
            post(&client, "/v1/messages", json!({"to": "+41791234567", "text": "Hello"}), 202).await
        });
        rig.launch_by(by_socket(&rig, &listener));
        let sent = rig.over(waiting.await.unwrap()["id"].as_str().unwrap()).await;
        assert_eq!(sent["status"], "sent", "{sent}");
    }
}

/// Whoever connected is answered, also when the daemon stops before the request comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_just_connected_is_answered() {
    let mut rig = Rig::start(1, Script::default(), "");
    let mut client = UnixStream::connect(rig.socket()).unwrap();
    // This one is accepted behind it.
    get(&rig.client(), "/v1/status").await;
    rig.signal(Signal::TERM);
    while !rig.logs().contains("stops") {
        tokio::task::yield_now().await;
    }
    client.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(rig.ended().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_elsewhere_is_left_and_told() {
    let mut rig = Rig::prepare(1, Script::default(), "");
    let elsewhere = UnixListener::bind(rig.dir.path().join("elsewhere")).unwrap();
    rig.launch_by(by_socket(&rig, &elsewhere));
    get(&rig.client(), "/v1/status").await;
    assert!(rig.logs().contains("set ListenStream= in a drop-in"), "{}", rig.logs());
}

#[test]
fn the_watchdog_is_notified_by_a_daemon_that_gets_on() {
    let mut rig = Rig::prepare(1, Script::default(), "");
    rig.environment.push(("WATCHDOG_USEC", "6000000".into()));
    rig.launch();
    rig.told("WATCHDOG=1");
    rig.told("WATCHDOG=1");
}
