//! Which key the daemon takes: that of its store, from a file that nobody else can read or replace, and no other one.

use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gsm_sim::Script;
use serde_json::json;
use smsotpd::clock::Clock;
use smsotpd::daemon::Core;
use smsotpd::gateway::{Caller, Settings};
use smsotpd::secret::Key;
use smsotpd::store::{Options, Store};

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, get, post};

const PHONE: &str = "+41791234567";

impl Rig {
    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.state().join("secret.key")
    }

    /// A code that arrived: its verification, and the code.
    pub(crate) async fn issued(&self, to: &str) -> (String, String) {
        let mut phone = self.sim.listen();
        let made = post(&self.client(), "/v1/verifications", json!({"to": to}), 201).await;
        let sms = loop {
            let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
            if sms.to == to && sms.text.contains("code") {
                break sms;
            }
        };
        let code =
            sms.text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        (made["id"].as_str().unwrap().to_owned(), code)
    }

    pub(crate) async fn is_approved(&self, (id, code): &(String, String)) -> bool {
        let path = format!("/v1/verifications/{id}/check");
        post(&self.client(), &path, json!({"code": code}), 200).await["approved"] == true
    }

    /// Starts a daemon that does not come up, and gives its exit code and what it says.
    pub(crate) fn refused(&self, environment: &[(&str, &Path)]) -> (Option<i32>, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_smsotpd"))
            .arg("--config")
            .arg(self.config())
            .envs(environment.iter().copied())
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let until = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > until {
                child.kill().unwrap();
                panic!("the daemon came up");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[tokio::test]
async fn no_other_key_is_taken_and_none_is_made_beside_records() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    let code = rig.issued(PHONE).await;
    rig.kill();
    let (file, kept) = (rig.key_file(), rig.dir.path().join("kept"));
    std::fs::copy(&file, &kept).unwrap();
    let key = std::fs::read(&kept).unwrap();
    let mut turned = key.clone();
    turned[17] ^= 4;
    let set = |octets: &[u8], mode: u32| {
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, octets).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let refused = |what: &str, words: [&str; 2]| {
        let (exit, said) = rig.refused(&[]);
        assert_eq!(exit, Some(78), "{what}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{what}: {said}");
        assert!(!said.contains("panicked"), "{what}: {said}");
    };
    set(&turned, 0o600);
    refused("one bit turned", ["is not the key of this store", "put the right key there"]);
    set(&[9; 31].iter().chain(&[1]).copied().collect::<Vec<u8>>(), 0o600);
    refused("another key", ["is not the key of this store", "restore the state"]);
    set(&[0; 32], 0o600);
    refused("all zeros", ["all of its octets are the same", "put the right one there"]);
    set(&key[..31], 0o600);
    refused("cut off", ["has to be 32 octets", "head -c 32"]);
    set(&key, 0o640);
    refused("the group reads it", ["can be read by others", "chmod 600"]);
    set(&key, 0o620);
    refused("the group writes it", ["can be changed by others", "chmod 600"]);
    std::fs::remove_file(&file).unwrap();
    symlink(&kept, &file).unwrap();
    refused("a link to the right one", ["is a link", "put the file itself there"]);
    std::fs::remove_file(&file).unwrap();
    refused("it is missing", ["is missing", "put that key back"]);
    assert!(!file.exists(), "no new key beside records");
    if rustix::process::geteuid().is_root() {
        set(&key, 0o600);
        chown(&file, Some(12345), None).unwrap();
        refused("somebody else's", ["belongs to user 12345", "chown 0"]);
    } else {
        eprintln!("not tried: only root can give a file away");
    }
    set(&key, 0o600);
    std::fs::set_permissions(rig.state(), std::fs::Permissions::from_mode(0o777)).unwrap();
    refused("a folder for everybody", ["can be changed by others", "chmod go-w"]);
    std::fs::set_permissions(rig.state(), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::set_permissions(rig.dir.path(), std::fs::Permissions::from_mode(0o775)).unwrap();
    refused("the group may exchange that folder", ["on the way to the secret key", "chmod go-w"]);
    std::fs::set_permissions(rig.dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    rig.launch();
    assert!(rig.is_approved(&code).await, "no attempt was counted");
    let verified = get(&rig.client(), "/v1/events/verify").await;
    assert_eq!(verified["whole"], true, "{verified}");
}

/// A store of a version that wrote no check value.
#[tokio::test]
async fn a_store_of_before_gets_the_check_value_of_its_own_key() {
    let mut rig = Rig::prepare(0, Script::default(), NO_LIMITS);
    let key: Vec<u8> = (1..33).collect();
    {
        std::fs::create_dir(rig.state()).unwrap();
        let store = Store::open(&rig.state().join("store"), &Options::default()).unwrap();
        let keys = Key::from_bytes(key.clone().try_into().unwrap());
        let core = Core::start(store, keys, Clock::system(), Settings::default(), vec![]).await.unwrap();
        core.gateway().add_opt_out(&Caller::default(), PHONE).await.unwrap();
        core.stop().await.close().await;
    }
    let (exit, said) = rig.refused(&[]);
    assert!(exit == Some(78) && said.contains("is missing"), "{said}");
    let put = |octets: &[u8]| {
        std::fs::write(rig.key_file(), octets).unwrap();
        std::fs::set_permissions(rig.key_file(), std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    put(&[&[7], &key[1..]].concat());
    let (exit, said) = rig.refused(&[]);
    assert!(exit == Some(78) && said.contains("is not the key of this store"), "{said}");
    put(&key);
    rig.launch();
    let listed = get(&rig.client(), "/v1/opt-outs").await;
    assert_eq!(listed["opt_outs"][0]["phone"], PHONE, "{listed}");
    assert_eq!(get(&rig.client(), "/v1/key").await["rotations"], 0);
    rig.kill();
    let state = rig.state();
    std::fs::write(state.join("secret.key"), [3, 4].repeat(16)).unwrap();
    let (exit, said) = rig.refused(&[]);
    assert!(exit == Some(78) && said.contains("is not the key of this store"), "{said}");
}

#[tokio::test]
async fn a_key_that_is_given_is_looked_at_as_one_that_is_made() {
    let mut rig = Rig::prepare(0, Script::default(), NO_LIMITS);
    let given = rig.dir.path().join("given");
    std::fs::create_dir(&given).unwrap();
    let credential = given.join("smsotpd.key");
    std::fs::write(&credential, [5, 6].repeat(16)).unwrap();
    let environment = [("CREDENTIALS_DIRECTORY", given.as_path())];
    std::fs::set_permissions(&credential, std::fs::Permissions::from_mode(0o444)).unwrap();
    let (exit, said) = rig.refused(&environment);
    assert!(exit == Some(78) && said.contains("can be read by others"), "{said}");
    // As systemd gives it: readable by a group that is the mask of an access list.
    std::fs::set_permissions(&credential, std::fs::Permissions::from_mode(0o440)).unwrap();
    rig.environment = vec![("CREDENTIALS_DIRECTORY", given.clone())];
    rig.launch();
    assert_eq!(get(&rig.client(), "/v1/key").await["kept"], "credential");
    assert!(!rig.key_file().exists());
    rig.kill();
    // Without it, another place is looked at, and no key is made beside records.
    rig.environment.clear();
    let (exit, said) = rig.refused(&[]);
    assert!(exit == Some(78) && said.contains("is missing"), "{said}");
    // The right one, but named by the configuration.
    let file = rig.dir.path().join("k");
    rig.head = format!("secret_key_file = \"{}\"\n", file.display());
    let (exit, said) = rig.refused(&[]);
    assert!(exit == Some(78) && said.contains("No such file"), "{said}");
    std::fs::copy(&credential, &file).unwrap();
    let (exit, said) = rig.refused(&[]);
    assert!(exit == Some(78) && said.contains("can be read by others"), "{said}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    rig.launch();
    assert_eq!(get(&rig.client(), "/v1/key").await["kept"], "file");
}
