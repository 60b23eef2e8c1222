//! Clients that are different users of the system, at the socket of the real daemon; and what its log says of what it
//! denied them. Only root can be several users: run as anybody else, these tests have nothing to do.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gsm_sim::Script;
use serde_json::{Value, json};

use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, get, post};

const PHONE: &str = "+41791234567";
/// Users that need no entry in the user database.
const WEB: u32 = 61_001;
const SHOP: u32 = 61_002;
const STRANGER: u32 = 61_003;

fn clients() -> String {
    let client = |name: &str, uid: u32| {
        format!("[[client]]\nname = \"{name}\"\nuid = {uid}\nmay = [\"issue\", \"check\", \"send\"]\n")
    };
    format!("{NO_LIMITS}{}{}", client("web", WEB), client("shop", SHOP))
}

/// A running daemon whose socket and client every user may open.
struct Open {
    rig: Rig,
    smsotp: PathBuf,
}

impl Open {
    fn start() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let rig = Rig::start(1, Script::default(), &clients());
        let smsotp = rig.dir.path().join("smsotp");
        std::fs::copy(env!("CARGO_BIN_EXE_smsotp"), &smsotp).unwrap();
        let open = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
        open(&smsotp, 0o755);
        open(rig.dir.path(), 0o755);
        open(&rig.socket(), 0o666);
        Some(Self { rig, smsotp })
    }

    /// `smsotp --json` as another user. The simulator runs in this runtime, so the wait for it is elsewhere.
    async fn asked_by(&self, user: u32, arguments: &[&str]) -> (i32, Value) {
        let mut command = Command::new(&self.smsotp);
        command.arg("--socket").arg(self.rig.socket()).arg("--json").args(arguments).uid(user).gid(user);
        let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
        let Output { status, stdout, .. } = tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap();
        (status.code().unwrap(), serde_json::from_slice(&stdout).unwrap_or_default())
    }
}

#[tokio::test]
async fn the_right_code_is_of_no_use_to_another_client() {
    let Some(daemon) = Open::start() else { return };
    let mut phone = daemon.rig.sim.listen();
    let (exit, issued) = daemon.asked_by(WEB, &["issue", PHONE]).await;
    assert_eq!(exit, 0, "{issued}");
    let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
    let code: String =
        sms.text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    let id = issued["id"].as_str().unwrap();
    for attack in
        [&["show", id][..], &["check", id, &code], &["check", PHONE, &code], &["resend", id], &["cancel", id]]
    {
        assert_eq!(daemon.asked_by(SHOP, attack).await.0, 66, "{attack:?}");
        assert_eq!(daemon.asked_by(STRANGER, attack).await.0, 73, "{attack:?}");
    }
    let (_, listed) = daemon.asked_by(SHOP, &["verifications"]).await;
    assert_eq!(listed, json!({"verifications": []}));
    let (exit, checked) = daemon.asked_by(WEB, &["check", PHONE, &code]).await;
    assert_eq!((exit, &checked["attempts_left"]), (0, &json!(4)), "no guess of another client counted");

    // Each denial is in the log: who, and what, but nothing that the request said.
    let logs = daemon.rig.logs();
    let lines: Vec<_> = logs.lines().filter(|line| line.contains("a request was denied")).collect();
    let route = "route=\"/v1/verifications/{id}/check\"";
    let says = |line: &str, words: &[&str]| words.iter().all(|word| line.contains(word));
    let program = format!("program={}", daemon.smsotp.display());
    for words in [
        ["uid=61002", "client=\"shop\"", route, "status=404"],
        ["uid=61002", "client=\"shop\"", "route=\"/v1/check\"", "status=404"],
        ["uid=61003", "method=\"POST\"", route, "status=403"],
    ] {
        let found = lines.iter().find(|line| says(line, &words) && line.contains("WARN"));
        assert!(found.is_some_and(|line| says(line, &[&program, "pid="])), "{words:?} {lines:?}");
    }
    for secret in [id, &code, PHONE, &PHONE[1..]] {
        assert!(!lines.iter().any(|line| line.contains(secret)), "{lines:?}");
    }
}

#[tokio::test]
async fn root_may_everything_beside_clients_that_do_not_name_it() {
    let Some(daemon) = Open::start() else { return };
    let (exit, sent) = daemon.asked_by(WEB, &["send", PHONE, "hello", "--at", "2099-01-01T00:00:00Z"]).await;
    assert_eq!(exit, 0, "{sent}");
    let client = daemon.rig.client();
    assert_eq!(post(&client, "/v1/modems/m0/pause", json!({}), 200).await["paused"], true);
    let path = format!("/v1/messages/{}", sent["id"].as_str().unwrap());
    assert_eq!(get(&client, &path).await["status"], "queued");
    let withdrawn = client.call(smsotpd::api::client::Call::delete(path)).await.unwrap();
    assert_eq!(withdrawn.status, 200);
    assert_eq!(daemon.asked_by(WEB, &["modems"]).await.0, 73);
}
