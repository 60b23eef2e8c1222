//! The daemon with its records in a PostgreSQL database, which goes away and comes back.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use gsm_sim::Script;
use serde_json::{Value, json};
use smsotpd::api::client::Call;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, call, expect, get, post};
use crate::postgres_server::Server;

const PHONE: &str = "+41791234567";

fn store(url: &str) -> String {
    let admin = format!(
        "[[client]]\nname = \"all\"\nuid = {}\nmay = [\"issue\", \"check\", \"send\", \"read\", \"admin\"]\n",
        rustix::process::getuid()
    );
    format!("[store]\nengine = \"postgres\"\nurl = \"{url}\"\nhost = \"attic\"\n{NO_LIMITS}{admin}")
}

/// The code of the next message that a phone gets.
async fn code(phone: &mut UnboundedReceiver<gsm_sim::Received>) -> String {
    let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
    sms.text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect()
}

async fn approved(rig: &Rig, verification: &Value, code: &str) -> bool {
    let path = format!("/v1/verifications/{}/check", verification["id"].as_str().unwrap());
    post(&rig.client(), &path, json!({"code": code}), 200).await["approved"] == true
}

#[tokio::test]
async fn codes_are_issued_and_checked_over_restarts_and_outages_of_the_database() {
    let Some(server) = Server::new() else { return };
    let mut rig = Rig::start(1, Script::default(), &store(&server.database()));
    let mut phone = rig.sim.listen();
    let client = rig.client();
    let first = post(&client, "/v1/verifications", json!({"to": PHONE}), 201).await;
    let sent = code(&mut phone).await;
    assert!(
        rig.dir.path().join("state/secret.key").exists(),
        "the first host of an empty database makes a key"
    );
    assert!(!rig.dir.path().join("state/store").exists());

    rig.kill();
    rig.launch();
    assert!(approved(&rig, &first, &sent).await, "a restart keeps it");
    assert!(!approved(&rig, &first, &sent).await, "once");

    server.stop();
    let began = Instant::now();
    let refused = call(&client, Call::post("/v1/verifications").json(json!({"to": "+41791234568"}))).await;
    assert_eq!(expect(&refused, 503)["code"], "storage");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(call(&client, Call::get("/healthz")).await.status, 200);
    assert_eq!(call(&client, Call::get("/readyz")).await.status, 503);
    let path = format!("/v1/verifications/{}", first["id"].as_str().unwrap());
    assert_eq!(expect(&call(&client, Call::get(&path)).await, 503)["code"], "storage");
    server.start();
    let until = Instant::now() + PATIENCE;
    let second = loop {
        let made = call(&client, Call::post("/v1/verifications").json(json!({"to": "+41791234568"}))).await;
        if made.status != 503 {
            break expect(&made, 201);
        }
        assert!(Instant::now() < until, "it does not go on: {}", rig.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let sent = code(&mut phone).await;
    assert!(approved(&rig, &second, &sent).await);

    rig.kill();
    std::fs::write(rig.dir.path().join("state/secret.key"), (0..32).collect::<Vec<u8>>()).unwrap();
    rig.spawn();
    assert_eq!(rig.ended().code(), Some(78), "a wrong key");
    std::fs::remove_file(rig.dir.path().join("state/secret.key")).unwrap();
    rig.spawn();
    assert_eq!(rig.ended().code(), Some(78), "no key is made beside records");
    assert!(!rig.dir.path().join("state/secret.key").exists());
}

#[tokio::test]
async fn a_start_waits_for_the_database_and_for_nothing_else() {
    let Some(server) = Server::new() else { return };
    let url = server.database();
    server.stop();
    let mut rig = Rig::prepare(0, Script::default(), &store(&url));
    rig.spawn();
    rig.told("STATUS=the database cannot be reached: the start waits until it is back");
    server.start();
    rig.told("READY=1");
    // Another one of the same name.
    let mut twin = Rig::prepare(0, Script::default(), &store(&url));
    std::fs::create_dir(twin.dir.path().join("state")).unwrap();
    std::fs::copy(rig.dir.path().join("state/secret.key"), twin.dir.path().join("state/secret.key")).unwrap();
    twin.spawn();
    assert_eq!(twin.ended().code(), Some(78));
    assert!(twin.logs().contains("host attic is up already"), "{}", twin.logs());
    rig.kill();
    server.let_in("local all smsotpd reject\n");
    server.stop();
    // Whoever starts it asks as somebody who is not let in, which is an answer as well.
    server.start();
    rig.spawn();
    assert_eq!(rig.ended().code(), Some(78), "a refused log-in");
    assert!(rig.logs().contains("pg_hba.conf"), "{}", rig.logs());
}

#[tokio::test]
async fn a_host_that_missed_what_others_did_starts_anew_by_itself() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let mut rig = Rig::start(0, Script::default(), &store(&url));
    // As another host does, of whose commits nothing is kept.
    server.sql(&url, "UPDATE smsotp_turn SET number = number + 2");
    rig.told("READY=1");
    assert!(rig.logs().contains("the daemon starts anew"), "{}", rig.logs());
    let made = post(&rig.client(), "/v1/messages", json!({"to": PHONE, "text": "Hello"}), 202).await;
    assert_eq!(made["status"], "queued");
}

fn smsotp(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_smsotp")).args(arguments).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_goes_from_one_engine_to_the_other_and_back() {
    let Some(server) = Server::shared() else { return };
    let rig = Rig::start(1, Script::default(), &store(&server.database()));
    let mut phone = rig.sim.listen();
    let made = post(&rig.client(), "/v1/verifications", json!({"to": PHONE}), 201).await;
    let sent = code(&mut phone).await;
    let backup = |rig: &Rig| -> PathBuf {
        let file = rig.dir.path().join("backup");
        let done = smsotp(&["--socket".as_ref(), &rig.socket(), "backup".as_ref(), &file]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        file
    };
    let restore =
        |rig: &Rig, file: &Path| smsotp(&["restore".as_ref(), file, "--config".as_ref(), &rig.config()]);
    let file = backup(&rig);
    assert_eq!(restore(&rig, &file).status.code(), Some(73), "the database has records");
    // Into files.
    let admin = store("").split_once(NO_LIMITS).unwrap().1.to_owned();
    let mut on_disk = Rig::prepare(0, Script::default(), &admin);
    let done = restore(&on_disk, &file);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    on_disk.launch();
    let path = format!("/v1/verifications/{}", made["id"].as_str().unwrap());
    assert_eq!(get(&on_disk.client(), &path).await["status"], "pending");
    // And into another database; a backup that breaks off leaves nothing in it.
    let file = backup(&on_disk);
    let mut again = Rig::prepare(0, Script::default(), &store(&server.database()));
    let octets = std::fs::read(&file).unwrap();
    let broken = again.dir.path().join("broken");
    std::fs::write(&broken, &octets[..octets.len() - 3]).unwrap();
    assert_eq!(restore(&again, &broken).status.code(), Some(70));
    let done = restore(&again, &file);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    again.launch();
    assert!(approved(&again, &made, &sent).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_looks_at_the_database() {
    let Some(server) = Server::new() else { return };
    let url = server.database();
    let rig = Rig::start(0, Script::default(), &store(&url));
    let look = |config: &Path| {
        let done = smsotp(&["doctor".as_ref(), "--config".as_ref(), config]);
        String::from_utf8(done.stdout)
            .unwrap()
            .lines()
            .find(|line| line[6..].starts_with("database"))
            .unwrap()
            .to_owned()
    };
    let config = rig.dir.path().join("smsotpd.toml");
    let said = look(&config);
    assert!(said.starts_with("ok ") && said.contains("answers, PostgreSQL 1"), "{said}");
    server.sql(&url, "UPDATE smsotp_turn SET layout = 99");
    let said = look(&config);
    assert!(said.starts_with("fail ") && said.contains("99"), "{said}");
    server.stop();
    let said = look(&config);
    assert!(said.starts_with("fail ") && said.contains("cannot be reached"), "{said}");
}
