//! `smsotp key rotate` on the real daemon, broken off anywhere: each code that was issued before is approved once after
//! it, each message that waited is sent, and the trail is whole.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use gsm_sim::Script;
use serde_json::{Value, json};
use smsotpd::api::client::Call;

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, call, expect, files, get, number, post};

async fn rotate(rig: &Rig) -> Value {
    expect(&call(&rig.client(), Call::post("/v1/key/rotate")).await, 200)
}

/// Waits until all is sealed with the newest key.
async fn resealed(rig: &Rig) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let key = get(&rig.client(), "/v1/key").await;
        if key["done"] == true {
            return key;
        }
        assert!(Instant::now() < until, "{key} {}", rig.logs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn is_whole(rig: &Rig) {
    let trail = get(&rig.client(), "/v1/events/verify").await;
    assert_eq!(trail["whole"], true, "{trail}");
}

/// Texts that wait for their time, which a test does not await.
async fn waiting(rig: &Rig, first: u32, count: u32) {
    for n in first..first + count {
        let body = json!({"to": number(n), "text": format!("later {n}"), "send_at": "2099-01-01T00:00:00Z"});
        post(&rig.client(), "/v1/messages", body, 202).await;
    }
}

fn smsotp(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_smsotp")).args(arguments).output().unwrap()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |hex, b| hex + &format!("{b:02x}"))
}

#[tokio::test]
async fn codes_and_messages_of_before_are_good_after_it() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    let mut codes = Vec::new();
    for n in 0..5 {
        codes.push(rig.issued(&number(n)).await);
    }
    post(&rig.client(), "/v1/modems/m0/pause", json!({}), 200).await;
    let queued = rig.send(100, 5).await;
    let mut keys = vec![std::fs::read(rig.key_file()).unwrap()];
    for rotations in 1..=2 {
        let (socket, expected) = (rig.socket(), format!("replaced {rotations} times"));
        let done = tokio::task::spawn_blocking(move || {
            smsotp(&["--socket".as_ref(), &socket, "key".as_ref(), "rotate".as_ref()])
        });
        let done = done.await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(said.contains(&expected), "{said}");
        keys.push(std::fs::read(rig.key_file()).unwrap());
    }
    assert!(keys[0] != keys[1] && keys[1] != keys[2]);
    assert_eq!(rig.key_file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!rig.state().join("secret.key.new").exists());
    let key = resealed(&rig).await;
    assert_eq!((&key["rotations"], &key["former"]["sealing"]), (&2.into(), &0.into()), "{key}");
    is_whole(&rig).await;
    assert!(rig.is_approved(&codes[0]).await);
    assert!(!rig.is_approved(&codes[0]).await, "once");
    rig.kill();
    rig.launch();
    assert_eq!(get(&rig.client(), "/v1/key").await["rotations"], 2);
    for code in &codes[1..] {
        assert!(rig.is_approved(code).await);
    }
    post(&rig.client(), "/v1/modems/m0/resume", json!({}), 200).await;
    for id in &queued {
        assert_eq!(rig.over(id).await["status"], "sent");
    }
    is_whole(&rig).await;
    // Neither key is anywhere but in its own file.
    let mut told = vec![("the log".to_owned(), rig.logs().into_bytes())];
    rig.kill();
    for (path, octets) in files(&rig.state()) {
        if path != rig.key_file() {
            told.push((path.display().to_string(), octets));
        }
    }
    for (name, octets) in &told {
        for key in &keys {
            let (small, large) = (hex(key), hex(key).to_uppercase());
            for form in [&key[..], small.as_bytes(), large.as_bytes()] {
                assert!(!octets.windows(form.len()).any(|w| w == form), "{name} has a key");
            }
        }
    }
    // The key of before opens nothing any more.
    std::fs::write(rig.key_file(), &keys[0]).unwrap();
    let (exit, said) = rig.refused(&[]);
    assert!(exit == Some(78) && said.contains("is not the key of this store"), "{said}");
}

/// What a stop leaves between each two steps of a rotation.
#[tokio::test]
async fn a_stop_at_any_step_is_made_good_by_the_next_start() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    let codes = [rig.issued(&number(1)).await, rig.issued(&number(2)).await, rig.issued(&number(3)).await];
    let beside = rig.state().join("secret.key.new");
    let old = std::fs::read(rig.key_file()).unwrap();
    let put = |path: &Path, octets: &[u8]| {
        let _ = std::fs::remove_file(path);
        std::fs::write(path, octets).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    rig.kill();
    // While the new key was written, or before it counted.
    for octets in [&[7; 10][..], &[7, 8].repeat(16)] {
        put(&beside, octets);
        rig.launch();
        assert_eq!(get(&rig.client(), "/v1/key").await["rotations"], 0);
        assert!(!beside.exists(), "it never counted");
        rig.kill();
    }
    rig.launch();
    rotate(&rig).await;
    rig.kill();
    // Before the new key took the old one's place, and while it did.
    let new = std::fs::read(rig.key_file()).unwrap();
    for left in [Some(&old), None] {
        std::fs::rename(rig.key_file(), &beside).unwrap();
        if let Some(old) = left {
            put(&rig.key_file(), old);
        }
        rig.launch();
        assert_eq!(get(&rig.client(), "/v1/key").await["rotations"], 1);
        assert_eq!(std::fs::read(rig.key_file()).unwrap(), new);
        assert!(!beside.exists());
        rig.kill();
    }
    rig.launch();
    resealed(&rig).await;
    for code in &codes {
        assert!(rig.is_approved(code).await);
    }
    is_whole(&rig).await;
}

#[tokio::test]
async fn kill_9_at_any_moment_of_it_loses_nothing() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    waiting(&rig, 1000, 200).await;
    let mut codes = Vec::new();
    for n in 0..12_u64 {
        codes.push(rig.issued(&number(u32::try_from(n).unwrap())).await);
        let client = rig.client();
        let begun = tokio::spawn(async move { client.call(Call::post("/v1/key/rotate")).await.is_ok() });
        tokio::time::sleep(Duration::from_millis(n * n / 2)).await;
        rig.kill();
        begun.await.unwrap();
        rig.launch();
    }
    let key = resealed(&rig).await;
    assert_eq!(key["damaged"], 0, "{key}");
    rig.modems_are("ready").await;
    is_whole(&rig).await;
    for code in &codes {
        assert!(rig.is_approved(code).await, "{}", rig.logs());
    }
    let page = get(&rig.client(), "/v1/messages?status=queued&limit=1000").await;
    assert_eq!(page["messages"].as_array().unwrap().len(), 200);
    assert!(key["rotations"].as_u64().unwrap() > 0, "{key}");
}

#[tokio::test]
async fn backups_during_and_after_it_restore() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    waiting(&rig, 1000, 300).await;
    let code = rig.issued(&number(1)).await;
    let backup = async |name: &str| {
        let (socket, to) = (rig.socket(), rig.dir.path().join(name));
        let done = tokio::task::spawn_blocking(move || {
            smsotp(&["--socket".as_ref(), &socket, "backup".as_ref(), &to])
        });
        assert!(done.await.unwrap().status.success());
    };
    rotate(&rig).await;
    backup("during").await;
    resealed(&rig).await;
    backup("after").await;
    rig.kill();
    for name in ["during", "after"] {
        std::fs::remove_dir_all(rig.state()).unwrap();
        let (file, state) = (rig.dir.path().join(name), rig.state());
        let done = smsotp(&["restore".as_ref(), &file, "--state-dir".as_ref(), &state]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        rig.launch();
        resealed(&rig).await;
        is_whole(&rig).await;
        assert!(rig.is_approved(&code).await, "{name}");
        rig.kill();
    }
}

/// The operator replaces a key that is given.
#[tokio::test]
async fn a_key_of_an_operator_is_replaced_by_both_beside_each_other() {
    for credential in [false, true] {
        let mut rig = Rig::prepare(1, Script::default(), NO_LIMITS);
        let given = rig.dir.path().join("given");
        std::fs::create_dir(&given).unwrap();
        let file = given.join("smsotpd.key");
        let old = given.join("smsotpd.key.old");
        if credential {
            rig.environment = vec![("CREDENTIALS_DIRECTORY", given.clone())];
        } else {
            rig.head = format!("secret_key_file = \"{}\"\n", file.display());
        }
        let put = |path: &Path, octets: &[u8]| {
            std::fs::write(path, octets).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        put(&file, &[1, 2].repeat(16));
        rig.launch();
        rig.modems_are("ready").await;
        let code = rig.issued(&number(1)).await;
        let refused = expect(&call(&rig.client(), Call::post("/v1/key/rotate")).await, 409);
        assert_eq!(refused["code"], "conflict");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("smsotpd.key.old") && detail.contains("smsotp key status"), "{detail}");
        rig.kill();
        // A new one alone is another one.
        put(&file, &[3, 4].repeat(16));
        let refused = |rig: &Rig| {
            let environment: Vec<_> = rig.environment.iter().map(|(n, v)| (*n, v.as_path())).collect();
            rig.refused(&environment)
        };
        let (exit, said) = refused(&rig);
        assert!(exit == Some(78) && said.contains("is not the key of this store"), "{said}");
        put(&old, &[1, 2].repeat(16));
        rig.launch();
        resealed(&rig).await;
        assert_eq!(get(&rig.client(), "/v1/key").await["rotations"], 1);
        rig.kill();
        rig.launch();
        assert_eq!(get(&rig.client(), "/v1/key").await["rotations"], 1, "the former one is of no use");
        assert!(rig.logs().contains("remove it"));
        assert!(rig.is_approved(&code).await);
        is_whole(&rig).await;
        rig.kill();
        std::fs::remove_file(&old).unwrap();
        rig.launch();
        put(&file, &[1, 2].repeat(16));
        rig.kill();
        assert_eq!(refused(&rig).0, Some(78), "the former one is another one now");
    }
}
