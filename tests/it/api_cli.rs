//! The `smsotp` program against a daemon's socket: what it prints, and how it ends.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use smsotpd::api::access::{Access, Client, Matcher, Right};
use smsotpd::api::{Limits, client::Call};
use smsotpd::clock::{Now, Timestamp};
use smsotpd::gateway::{EventKind, GatewayError, InboxView, ModemState};
use smsotpd::id::VerificationId;
use smsotpd::inbox::{Content, Sender};
use smsotpd::otp::VerificationStatus;
use smsotpd::outbox::MessageStatus;
use smsotpd::secret::Secret;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::api_shown::modem;
use crate::api_support::{CODE, IDS, NUMBER, Served, eventually, served, served_within};

fn smsotp(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsotp"));
    command.env("SMSOTP_SOCKET", socket).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

pub(crate) async fn run(api: &Served, arguments: &[&str]) -> (i32, String, String) {
    ended(smsotp(&api.socket, arguments).output()).await
}

async fn ended(output: impl Future<Output = std::io::Result<Output>>) -> (i32, String, String) {
    let output = tokio::time::timeout(Duration::from_secs(30), output).await.expect("it ends").unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_code_is_issued_and_checked() {
    let api = served();
    let (exit, out, err) =
        run(&api, &["issue", "+41 (0)79-123 45 67", "--service", "login", "--locale", "de"]).await;
    assert_eq!((exit, err.as_str()), (0, ""));
    assert!(out.starts_with("ver_") && out.contains(NUMBER) && !out.contains('\x1b'), "{out}");
    let id = out.split_whitespace().next().unwrap();
    let (exit, shown, _) = run(&api, &["--json", "show", id]).await;
    assert_eq!(exit, 0);
    let raw = api.call(Call::get(format!("/v1/verifications/{id}"))).await;
    assert_eq!(shown.trim_end().as_bytes(), &raw.body[..], "the output is exactly the API's JSON");
    let (exit, out, _) = run(&api, &["check", id, "000000"]).await;
    assert_eq!(exit, 1);
    assert!(out.starts_with("not approved: pending, 4 attempts left"), "{out}");
    assert_eq!(run(&api, &["check", "+41 79 123 45 67", CODE]).await.0, 66, "another service");
    let (exit, out, _) = run(&api, &["check", "+41 79 123 45 67", CODE, "--service", "login"]).await;
    assert_eq!((exit, out.split_whitespace().next()), (0, Some("approved")));
    assert_eq!(
        run(&api, &["check", id, CODE, "--service", "default"]).await.0,
        66,
        "asked before it is tried"
    );
    assert_eq!(run(&api, &["check", id, CODE, "--service", "login"]).await.0, 1);
    assert_eq!(run(&api, &["resend", id]).await.0, 0);
    let (exit, out, _) = run(&api, &["cancel", id]).await;
    assert!(exit == 0 && out.contains("cancelled"), "{out}");
    let state = api.fake.state.lock().unwrap();
    assert_eq!((state.issued[0].to.as_str(), state.issued[0].locale.as_deref()), (NUMBER, Some("de")));
}

#[tokio::test]
async fn number_and_code_may_come_on_stdin() {
    let api = served();
    let says = async |arguments: &[&str], typed: &str| {
        let mut child = smsotp(&api.socket, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).await.unwrap();
        ended(child.wait_with_output()).await
    };
    assert_eq!(says(&["issue", "-"], &format!("{NUMBER}\n")).await.0, 0);
    assert_eq!(says(&["check", NUMBER, "-"], "000000\0").await.0, 1);
    let (exit, out, err) = says(&["check", "-", "-"], &format!("{NUMBER}\n{CODE}\n")).await;
    assert!(exit == 0 && out.starts_with("approved"), "{out} {err}");
    assert_eq!(says(&["check", "-", "-"], NUMBER).await.0, 2, "no code");
}

#[tokio::test]
async fn limits_are_told_and_a_refusal_is_73() {
    let api = served();
    let (exit, out, err) =
        run(&api, &["limits", "+41 79 123 45 67", "--key", "ip=::1", "--key", "x=a=b"]).await;
    assert_eq!((exit, err.as_str()), (0, ""));
    assert_eq!(
        out,
        "a code would be issued\n\
         LIMIT             STATE  USED  OF    RESETS\n\
         per_number 3/10m  full   3     3     2027-01-15T08:01:00.000Z\n\
         total 5000/1h     open   7     5000  2027-01-15T08:01:00.000Z\n"
    );
    let limit = "limits.per_number = \"3/10m\"".to_owned();
    api.fake.refuse(GatewayError::RateLimited { limit, retry_after: Duration::from_secs(60) });
    let (exit, out, err) = run(&api, &["limits", NUMBER, "--service", "login"]).await;
    assert_eq!((exit, err.as_str()), (73, ""));
    let verdict = "a code would be refused, rate_limited: the limit limits.per_number = \"3/10m\" is used up; try \
                   again in 60 s";
    assert_eq!(out.lines().next(), Some(verdict));
    let (exit, out, _) = run(&api, &["--json", "limits", "+4"]).await;
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((exit, &told["would"], &told["code"]), (73, &"refuse".into(), &"invalid_number".into()));
    assert_eq!(told["windows"], serde_json::json!([]));
    assert_eq!(run(&api, &["limits", NUMBER, "--key", "ip"]).await.0, 2);
    let state = api.fake.state.lock().unwrap();
    let keys = [("ip", "::1"), ("x", "a=b")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!((state.judged[0].to.as_str(), &state.judged[0].keys), (NUMBER, &keys.into()));
    assert_eq!(state.judged[1].service.as_deref(), Some("login"));
}

#[tokio::test]
async fn every_refusal_has_its_exit_code() {
    let api = served();
    let span = Duration::from_secs(30);
    for (error, wanted) in [
        (GatewayError::InvalidRequest("`minutes` is missing".to_owned()), 2),
        (GatewayError::NotAllowed("no".to_owned()), 73),
        (GatewayError::NotFound("such verification"), 66),
        (GatewayError::Conflict("it ended".to_owned()), 73),
        (GatewayError::UnknownService, 73),
        (GatewayError::Cooldown { retry_after: span, verification: VerificationId::from_bytes([7; 16]) }, 73),
        (GatewayError::ShuttingDown, 69),
        (GatewayError::Internal("oops".to_owned()), 70),
    ] {
        let said = error.to_string();
        api.fake.refuse(error.clone());
        let (exit, out, err) = run(&api, &["issue", NUMBER]).await;
        assert_eq!((exit, out.as_str(), err.trim_end()), (wanted, "", format!("smsotp: {said}").as_str()));
        api.fake.refuse(error);
        let (exit, out, _) = run(&api, &["--json", "issue", NUMBER]).await;
        let problem: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((exit, problem["detail"].as_str()), (wanted, Some(said.as_str())));
    }
    assert_eq!(run(&api, &["show", "nonsense"]).await.0, 66);
    assert_eq!(run(&api, &["modem", "stick1", "pause"]).await.0, 73);
    for usage in [
        &["isue"][..],
        &[],
        &["check", NUMBER],
        &["send", NUMBER, "x", "--priority", "10"],
        &["modem", "a", "eat"],
    ] {
        let (exit, out, err) = run(&api, usage).await;
        assert_eq!((exit, out.as_str()), (2, ""), "{usage:?}");
        assert!(!err.is_empty());
    }
    assert_eq!(run(&api, &["check", "ver_1", "1", "--service", "x"]).await.0, 66);
    for usage in [&["sim", "--dir", "/nowhere", "--modems", "0"][..], &["sim", "--dir"]] {
        assert_eq!(run(&api, usage).await.0, 2, "{usage:?}");
    }
    assert_eq!(run(&api, &["sim", "--dir", "/nowhere", "--script", "/nowhere/x.toml"]).await.0, 66);
    let (exit, help, _) = run(&api, &["--help"]).await;
    assert!(exit == 0 && help.contains("issue") && help.contains("completions"));
}

#[tokio::test]
async fn without_a_daemon_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none.sock");
    for command in ["status", "events", "modems"] {
        let (exit, out, err) = ended(smsotp(&socket, &[command]).output()).await;
        assert_eq!((exit, out.as_str()), (69, ""));
        assert!(err.contains("none.sock") && err.contains("is smsotpd running?"), "{err}");
    }
    let (exit, _, err) = ended(smsotp(Path::new(""), &["status"]).output()).await;
    assert!(
        exit == 69 && err.contains("/run/smsotpd/smsotpd.sock"),
        "an empty variable counts as none: {err}"
    );
    // The option takes precedence over the environment.
    let api = served();
    let (exit, ..) =
        ended(smsotp(&socket, &["--socket", api.socket.to_str().unwrap(), "status"]).output()).await;
    assert_eq!(exit, 0);
}

#[tokio::test]
async fn messages_are_sent_listed_and_shown() {
    let api = served();
    let (exit, out, _) = run(
        &api,
        &[
            "send",
            NUMBER,
            "hello",
            "--flash",
            "--report",
            "--priority",
            "3",
            "--at",
            "2027-01-15T09:00:00Z",
            "--valid-for",
            "2h",
        ],
    )
    .await;
    assert!(exit == 0 && out.starts_with("msg_") && out.contains("queued"), "{out}");
    let mut command = smsotp(&api.socket, &["send", NUMBER, "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all("two\nlines\n".as_bytes()).await.unwrap();
    assert!(child.wait().await.unwrap().success());
    {
        let state = api.fake.state.lock().unwrap();
        assert!(state.sent[0].flash && state.sent[0].report && state.sent[0].priority == 3);
        assert_eq!(state.sent[0].valid_for, Some(Duration::from_secs(7200)));
        assert_eq!(state.sent[1].text.expose(), "two\nlines");
    }
    let (exit, out, _) =
        run(&api, &["messages", "--status", "queued", "--to", "+41 79 123 45 67", "--limit", "5"]).await;
    assert_eq!((exit, out.lines().count()), (0, 3), "{out}");
    let id = out.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    assert_eq!(run(&api, &["message", id]).await.0, 0);
    let (_, first, err) = run(&api, &["messages", "--limit", "1"]).await;
    let cursor = err.trim_end().rsplit(' ').next().unwrap();
    assert!(first.lines().count() == 2 && err.contains("there are more"), "{err}");
    assert_eq!(run(&api, &["messages", "--limit", "1", "--cursor", cursor]).await.0, 0);
    let before = api.fake.state.lock().unwrap().filters.last().unwrap().before;
    assert_eq!(before.map(|id| id.to_string()).as_deref(), Some(cursor));
    assert_eq!(api.fake.state.lock().unwrap().filters[0].limit, 5);
    assert_eq!(run(&api, &["messages", "--status", "lost"]).await.0, 2);
}

#[tokio::test]
async fn verifications_are_listed() {
    let api = served();
    for _ in 0..2 {
        api.issue().await;
    }
    let filters = ["--status", "pending", "--to", "+41 79 123 45 67", "--service", "login", "--limit", "5"];
    let (exit, out, err) = run(&api, &[&["verifications"], &filters[..]].concat()).await;
    assert_eq!((exit, out.lines().count(), err.as_str()), (0, 3, ""), "{out}");
    assert!(out.lines().skip(1).all(|line| line.starts_with("ver_") && line.contains("pending")), "{out}");
    let (_, first, err) = run(&api, &["verifications", "--limit", "1"]).await;
    let cursor = err.trim_end().rsplit(' ').next().unwrap();
    assert!(first.lines().count() == 2 && err.contains("there are more"), "{err}");
    assert_eq!(run(&api, &["verifications", "--limit", "1", "--cursor", cursor]).await.0, 0);
    let state = api.fake.state.lock().unwrap();
    let filter = &state.verification_filters[0];
    assert_eq!((filter.limit, filter.status), (5, Some(VerificationStatus::Pending)));
    assert_eq!((filter.to.as_ref().unwrap().as_str(), filter.service.as_deref()), (NUMBER, Some("login")));
    let before = state.verification_filters.last().unwrap().before;
    assert_eq!(before.map(|id| id.to_string()).as_deref(), Some(cursor));
}

#[tokio::test]
async fn wait_tells_whether_the_message_was_sent() {
    let api = served();
    for (command, status, wanted) in [
        (&["issue", NUMBER, "--wait"][..], MessageStatus::Sent, 0),
        (&["issue", NUMBER, "--wait"], MessageStatus::Failed, 1),
        (&["send", NUMBER, "x", "--wait"], MessageStatus::Delivered, 0),
        (&["--json", "send", NUMBER, "x", "--wait"], MessageStatus::Expired, 1),
    ] {
        api.fake.state.lock().unwrap().messages.clear();
        let socket = api.socket.clone();
        let waiting = tokio::spawn(async move { ended(smsotp(&socket, command).output()).await });
        eventually("it waits", || api.fake.followers() == 1).await;
        let id = *api.fake.state.lock().unwrap().messages.keys().next().unwrap();
        api.fake.move_message(id, status);
        let (exit, out, err) = waiting.await.unwrap();
        assert_eq!(exit, wanted, "{out}{err}");
        eventually("nobody waits", || api.fake.followers() == 0).await;
    }
    api.fake.state.lock().unwrap().born = Some(MessageStatus::Failed);
    assert_eq!(run(&api, &["issue", NUMBER, "--wait"]).await.0, 1);
}

#[tokio::test]
async fn the_operator_sees_and_controls_modems() {
    let operator = Client {
        name: "operator".to_owned(),
        matcher: Matcher::Uid(rustix::process::geteuid().as_raw()),
        may: vec![Right::Read, Right::Admin],
        services: None,
    };
    let api = served_within(Limits::default(), Access::new(vec![operator]));
    let (exit, out, _) = run(&api, &["status"]).await;
    assert!(exit == 0 && out.contains("up 1m 1s") && out.contains("2: 1 blocked, 1 ready"), "{out}");
    let (exit, out, _) = run(&api, &["modems"]).await;
    assert!(exit == 0 && out.contains("stick1") && out.contains("-71 dBm"), "{out}");
    assert_eq!(
        run(&api, &["modem", "stick1", "ussd", "*100#"]).await,
        (0, "Balance: 5.00\n".to_owned(), String::new())
    );
    let (exit, out, _) = run(&api, &["modem", "stick1", "pause"]).await;
    assert!(exit == 0 && out.starts_with("stick1 paused\n"), "{out}");
    assert_eq!(run(&api, &["modem", "stick1", "reset"]).await.0, 0);
    assert_eq!(run(&api, &["modem", "stick1"]).await.0, 0);
    assert_eq!(run(&api, &["modem", "stick2", "resume"]).await.0, 66);
    assert_eq!(run(&api, &["top"]).await.0, 2, "no terminal");
    assert_eq!(run(&api, &["issue", NUMBER]).await.0, 73);
}

#[tokio::test]
async fn events_come_a_line_each_and_a_closed_pipe_is_no_fault() {
    let mut api = served();
    let mut child = smsotp(&api.socket, &["events"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    eventually("it follows", || api.fake.followers() == 1).await;
    api.fake.happen(EventKind::Modem(modem(ModemState::Recovering)));
    let line = lines.next_line().await.unwrap().unwrap();
    assert_eq!(line, "2027-01-15T08:00:00.000Z modem.recovering stick1 the modem looks for a network");
    drop(lines);
    // A child that another test is starting may have the pipe open for a moment, so that one line more goes into it.
    let ends = async {
        loop {
            api.fake.happen(EventKind::Modem(modem(ModemState::Ready)));
            if let Ok(exit) = tokio::time::timeout(Duration::from_millis(100), child.wait()).await {
                return exit.unwrap();
            }
        }
    };
    let exit = tokio::time::timeout(Duration::from_secs(20), ends).await.expect("it ends");
    assert_eq!(exit.code(), Some(0));

    eventually("the first has gone", || api.fake.followers() == 0).await;
    let mut json = smsotp(&api.socket, &["--json", "events", "--since", "0"]);
    let mut child = json.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    for wanted in ["modem.recovering", "modem.ready"] {
        let line = lines.next_line().await.unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["type"], wanted);
    }
    api.begin_to_stop();
    let note = notes.next_line().await.unwrap().unwrap();
    assert!(note.contains("waiting for it"), "{note}");
    assert_eq!(child.try_wait().unwrap(), None, "it goes on over the end of a daemon");
    child.kill().await.unwrap();
    let (exit, ..) = run(&api, &["events"]).await;
    assert_eq!(exit, 69, "nothing to wait for was ever there");
}

#[tokio::test]
async fn a_look_at_the_trail_says_whether_it_is_whole() {
    let api = served();
    assert_eq!(run(&api, &["events", "--verify"]).await.1, "no event is kept\n");
    api.fake.happen(EventKind::Modem(modem(ModemState::Ready)));
    let (exit, out, _) = run(&api, &["events", "--verify"]).await;
    assert_eq!((exit, out), (0, format!("events 1 to 1 are whole\nanchor  1:{}\n", "0".repeat(32))));
    api.fake.state.lock().unwrap().fault = Some("event 1 is missing".to_owned());
    let anchor = format!("1:{}", "0F".repeat(16));
    let (exit, out, _) = run(&api, &["events", "--verify", "--anchor", &anchor]).await;
    assert_eq!((exit, out.lines().next()), (1, Some("not whole: event 1 is missing")));
    assert_eq!(api.fake.state.lock().unwrap().anchors.last(), Some(&Some((1, [0x0f; 16]))));
    let (exit, _, err) = run(&api, &["events", "--verify", "--anchor", "1:0F"]).await;
    assert!(exit == 2 && err.contains("anchor"), "{err}");
    assert_eq!(run(&api, &["events", "--verify", "--exec", "true"]).await.0, 2);
}

#[tokio::test]
async fn the_key_is_told_of_and_replaced() {
    let matcher = Matcher::Uid(rustix::process::geteuid().as_raw());
    let ops = Client { name: "ops".to_owned(), matcher, may: vec![Right::Admin], services: None };
    let api = served_within(Limits::default(), Access::new(vec![ops]));
    let (exit, out, _) = run(&api, &["key", "rotate"]).await;
    assert!(exit == 0 && out.starts_with("kept    in the state folder, replaced 1 times\n"), "{out}");
    let (exit, out, _) = run(&api, &["--json", "key", "status"]).await;
    assert_eq!((exit, serde_json::from_str::<Value>(&out).unwrap()["rotations"].clone()), (0, 1.into()));
    let reader = served();
    let (exit, _, err) = run(&reader, &["key", "rotate"]).await;
    assert!(exit == 73 && err.contains("admin"), "{err}");
}

#[tokio::test]
async fn completions_know_the_commands() {
    let api = served();
    for shell in ["bash", "zsh", "fish"] {
        let (exit, out, _) = run(&api, &["completions", shell]).await;
        assert!(exit == 0 && out.contains("resend"), "{shell}");
    }
}

#[tokio::test]
async fn the_inbox_and_the_opt_outs_are_listed() {
    let admin = vec![Right::Read, Right::Admin];
    let matcher = Matcher::Uid(rustix::process::geteuid().as_raw());
    let ops = Client { name: "ops".to_owned(), matcher, may: admin, services: None };
    let api = served_within(Limits::default(), Access::new(vec![ops]));
    let at = Timestamp::from_millis(1_800_000_000_000);
    let view = InboxView {
        id: IDS.next(Now::agreed(at).steady()),
        from: Sender::new("ACME".to_owned()),
        modem: "stick1".to_owned(),
        received_at: at,
        sent_at: None,
        parts: 2,
        missing: vec![2],
        content: Content::Text,
        class: None,
        ports: None,
        text: Some(Secret::new("one\nline \u{1b}[31m two[…]".to_owned())),
        data: None,
    };
    let id = view.id.to_string();
    api.fake.state.lock().unwrap().inbox.insert(view.id, view.clone());
    let (exit, out, err) = run(&api, &["inbox", "--limit", "5"]).await;
    assert_eq!((exit, err.as_str()), (0, ""));
    assert!(out.starts_with(&id) && out.contains("ACME") && out.contains("2 of 2 parts"), "{out}");
    assert!(out.contains("line  [31m two[…]") && !out.contains('\x1b'), "{out}");
    assert_eq!(api.fake.state.lock().unwrap().inbox_filters[0].limit, 5);
    api.fake.happen(EventKind::Inbox(InboxView { text: None, ..view }));
    let (exit, out, _) = run(&api, &["--json", "inbox", "delete", &id]).await;
    assert_eq!((exit, serde_json::from_str::<Value>(&out).unwrap()["from"].as_str()), (0, Some("ACME")));
    assert_eq!(run(&api, &["inbox", "delete", &id]).await.0, 66);
    let (exit, out, _) = run(&api, &["opt-out", "add", "+41 79 123 45 67"]).await;
    assert!(exit == 0 && out.contains(NUMBER), "{out}");
    let (exit, out, _) = run(&api, &["opt-out", "list"]).await;
    assert!(exit == 0 && out.contains(NUMBER) && out.contains("an operator"), "{out}");
    assert_eq!(run(&api, &["opt-out", "remove", NUMBER]).await.0, 0);
    assert_eq!(run(&api, &["opt-out", "remove", NUMBER]).await.0, 66);
}
