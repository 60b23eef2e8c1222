//! `smsotp backup` from a running daemon, `smsotp restore` into an empty folder, and a daemon on the restored state.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use gsm_sim::Script;
use serde_json::json;
use smsotpd::api::Limits;
use smsotpd::api::access::{self, Access, Matcher, Right};

use crate::api_support::served_within;
use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, get, post};

const PHONE: &str = "+41791234567";

fn smsotp(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_smsotp")).args(arguments).output().unwrap()
}

fn admin() -> String {
    format!(
        "{NO_LIMITS}[[client]]\nname = \"all\"\nuid = {}\nmay = [\"issue\", \"check\", \"send\", \"read\", \"admin\"]\n",
        rustix::process::getuid()
    )
}

#[tokio::test]
async fn a_code_issued_before_the_backup_is_right_after_the_restore() {
    let mut rig = Rig::start(1, Script::default(), &admin());
    let mut phone = rig.sim.listen();
    let made = post(&rig.client(), "/v1/verifications", json!({"to": PHONE}), 201).await;
    let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
    let code: String =
        sms.text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    let file = rig.dir.path().join("backup");
    let (socket, to) = (rig.socket(), file.clone());
    // The client blocks, and the simulator runs in this runtime.
    let done =
        tokio::task::spawn_blocking(move || smsotp(&["--socket".as_ref(), &socket, "backup".as_ref(), &to]));
    let done = done.await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!rig.dir.path().join("backup.unfinished").exists());
    let octets = std::fs::read(&file).unwrap();
    backed_up_elsewhere(&rig, &file).await;
    assert!(
        !octets.windows(code.len()).any(|w| w == code.as_bytes()),
        "the backup contains the code in the clear"
    );

    rig.kill();
    let state = rig.dir.path().join("state");
    let restore = |state: &Path| smsotp(&["restore".as_ref(), &file, "--state-dir".as_ref(), state]);
    assert_eq!(restore(&state).status.code(), Some(73), "there is a state already");
    std::fs::remove_dir_all(&state).unwrap();
    let longer = [&octets[..], b"\n"].concat();
    std::fs::write(&file, longer).unwrap();
    assert_eq!(restore(&state).status.code(), Some(70), "there are octets after the end");
    assert!(!state.join("store").exists());
    std::fs::write(&file, &octets).unwrap();
    let done = restore(&state);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    rig.launch();
    let id = made["id"].as_str().unwrap();
    assert_eq!(get(&rig.client(), &format!("/v1/verifications/{id}")).await["status"], "pending");
    let checked =
        post(&rig.client(), &format!("/v1/verifications/{id}/check"), json!({"code": code}), 200).await;
    assert_eq!(checked["approved"], true);
}

/// To stdout, through a link, and never over something that is not a file.
async fn backed_up_elsewhere(rig: &Rig, file: &Path) {
    let at = |name: &str| rig.dir.path().join(name);
    std::os::unix::fs::symlink(file, at("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::RWXU).unwrap();
    for (to, exit) in [("-".into(), 0), (at("link"), 0), (at("fifo"), 2), (rig.dir.path().to_owned(), 2)] {
        let socket = rig.socket();
        let shown = to.display().to_string();
        let done = tokio::task::spawn_blocking(move || {
            smsotp(&["--socket".as_ref(), &socket, "backup".as_ref(), &to])
        });
        let done = done.await.unwrap();
        assert_eq!(done.status.code(), Some(exit), "{shown}: {}", String::from_utf8_lossy(&done.stderr));
        if shown == "-" {
            assert_eq!(done.stdout[..8], std::fs::read(file).unwrap()[..8], "stdout has the backup itself");
        }
    }
    assert!(at("link").is_symlink() && !Path::new("-").exists());
    assert!(!at("fifo").metadata().unwrap().is_file());
}

#[tokio::test]
async fn a_backup_that_breaks_off_leaves_the_older_one() {
    let everything = access::Client {
        name: "all".to_owned(),
        matcher: Matcher::Uid(rustix::process::getuid().as_raw()),
        may: [Right::Admin].into_iter().collect(),
        services: None,
    };
    let api = served_within(Limits::default(), Access::new(vec![everything]));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup");
    std::fs::write(&file, "older").unwrap();
    let (socket, to) = (api.socket.clone(), file.clone());
    let done =
        tokio::task::spawn_blocking(move || smsotp(&["--socket".as_ref(), &socket, "backup".as_ref(), &to]));
    let done = done.await.unwrap();
    assert_eq!(done.status.code(), Some(69), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(std::fs::read(&file).unwrap(), b"older");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn what_is_no_backup_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup");
    let state = dir.path().join("state");
    let restore = || smsotp(&["restore".as_ref(), &file, "--state-dir".as_ref(), &state]);
    assert_eq!(restore().status.code(), Some(66));
    std::fs::write(&file, "something else altogether").unwrap();
    let done = restore();
    assert_eq!(done.status.code(), Some(70));
    assert!(String::from_utf8_lossy(&done.stderr).contains("it is no backup of smsotpd"));
    assert!(!state.join("store").exists() && !state.join("secret.key").exists());
}
