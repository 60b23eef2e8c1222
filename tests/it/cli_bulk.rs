//! `smsotp send --from-csv` against the real daemon on simulated modems: each row once, whatever is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use gsm_sim::Script;
use serde_json::Value;
use smsotpd::gateway::GatewayError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;
use tokio::sync::oneshot;

use crate::api_support::served;
use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, get, number};

/// `smsotp send --from-csv FILE` and more arguments.
fn command(socket: &Path, file: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsotp"));
    command.env("SMSOTP_SOCKET", socket).args(["send", "--from-csv"]).arg(file).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn run(socket: &Path, file: &Path, more: &[&str]) -> (i32, String, String) {
    let ended = command(socket, file, more).output();
    let Output { status, stdout, stderr } =
        tokio::time::timeout(PATIENCE, ended).await.expect("it ends").unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (status.code().expect("no signal"), text(stdout), text(stderr))
}

/// A file of rows with a number and a text each.
fn rows(dir: &Path, count: u32) -> PathBuf {
    let mut text = "to,text\n".to_owned();
    for n in 0..count {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{},\"Parcel, {n}\"", number(n));
    }
    let path = dir.join("rows.csv");
    std::fs::write(&path, text).unwrap();
    path
}

/// How many messages the daemon has for each number.
async fn messages(rig: &Rig) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let page = get(&rig.client(), "/v1/messages?limit=1000").await;
    for message in page["messages"].as_array().unwrap() {
        *counts.entry(message["to"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

fn once_each(count: u32) -> BTreeMap<String, usize> {
    (0..count).map(|n| (number(n), 1)).collect()
}

/// Stands between a client and the daemon: passes so many answers on, and says so when it swallows the next.
fn swallowing(at: &Path, daemon: PathBuf, answers: usize) -> oneshot::Receiver<()> {
    let listener = UnixListener::bind(at).unwrap();
    let (swallowed, told) = oneshot::channel();
    tokio::spawn(async move {
        let mut passed = 0;
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            // While the daemon is away the client finds its connection closed.
            let Ok(daemon) = UnixStream::connect(&daemon).await else { continue };
            let (mut from_daemon, mut to_daemon) = daemon.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_daemon).await });
            let mut answer = Vec::new();
            if from_daemon.read_to_end(&mut answer).await.is_err() || answer.is_empty() {
                continue;
            }
            if passed == answers {
                let _ = swallowed.send(());
                return std::future::pending().await;
            }
            // A client that is gone does not read.
            let _ = to_client.write_all(&answer).await;
            passed += 1;
        }
    });
    told
}

#[tokio::test]
async fn each_row_goes_out_once_when_client_and_daemon_are_killed() {
    const ROWS: u32 = 60;
    let mut rig = Rig::start(2, Script::default(), NO_LIMITS);
    let mut phone = rig.sim.listen();
    let file = rows(rig.dir.path(), ROWS);
    let results = rig.dir.path().join("results.csv");
    for (round, answers) in [1, 7, 3, 1, 9].into_iter().enumerate() {
        let between = rig.dir.path().join(format!("between{round}"));
        let swallowed = swallowing(&between, rig.socket(), answers);
        let mut child = command(&between, &file, &[]).spawn().unwrap();
        if round == 2 {
            rig.kill();
            rig.launch();
        }
        tokio::time::timeout(PATIENCE, swallowed).await.expect("it asks").unwrap();
        // The daemon has the row, and the client does not know.
        child.kill().await.unwrap();
    }
    assert!(messages(&rig).await.len() < ROWS as usize, "it was broken off before the end");
    let arguments = ["--wait", "--results", results.to_str().unwrap()];
    let (exit, out, err) = run(&rig.socket(), &file, &arguments).await;
    assert_eq!(exit, 0, "{out} {err}");
    assert!(out.contains("60 messages to 60 numbers: 60 parts\n"), "{out}");
    assert!(out.ends_with("60 of 60 messages accepted, 60 parts\n"), "{out}");
    assert_eq!(messages(&rig).await, once_each(ROWS));
    // What was on the air when the daemon was killed may have gone out twice.
    let mut heard = BTreeSet::new();
    while heard.len() < ROWS as usize {
        heard.insert(tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap().to);
    }
    assert_eq!(heard, once_each(ROWS).into_keys().collect());
    let told = std::fs::read_to_string(&results).unwrap();
    assert_eq!(told.lines().count(), ROWS as usize + 1);
    let row = told.lines().nth(1).unwrap();
    assert!(row.starts_with("2,msg_") && row.ends_with(",sent,1"), "{row}");
    assert!(!told.contains("+41") && !told.contains("Parcel"));

    let (exit, out, _) = run(&rig.socket(), &file, &[]).await;
    assert!(exit == 0 && out.contains("each row was asked for before"), "{out}");
    assert_eq!(messages(&rig).await, once_each(ROWS));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_under_its_key() {
    let rig = Rig::start(1, Script::default(), NO_LIMITS);
    let (file, state) = (rows(rig.dir.path(), 4), rig.dir.path().join("run"));
    let go_on = ["--state", state.to_str().unwrap(), "--yes"];
    let (exit, out, err) = run(&rig.socket(), &file, &go_on).await;
    assert_eq!(exit, 0, "{out} {err}");
    let known = std::fs::read_to_string(&state).unwrap();
    // As a kill leaves it between the request for the third row and the note of its answer.
    let begun = known.find("{\"line\":4,\"accepted\"").expect("the third row");
    std::fs::write(&state, &known[..begun]).unwrap();
    let (exit, out, err) = run(&rig.socket(), &file, &go_on).await;
    assert_eq!((exit, out.lines().last()), (0, Some("4 of 4 messages accepted, 4 parts")), "{err}");
    assert_eq!(messages(&rig).await, once_each(4));
    let line = |text: &str, line: &str| text.lines().find(|l| l.starts_with(line)).map(str::to_owned);
    let again = std::fs::read_to_string(&state).unwrap();
    for accepted in ["{\"line\":4,\"accepted\"", "{\"line\":5,\"accepted\""] {
        assert_eq!(line(&again, accepted), line(&known, accepted), "the same message");
    }

    std::fs::write(&file, "to,text\n+41790000009,x\n").unwrap();
    let (exit, _, err) = run(&rig.socket(), &file, &go_on).await;
    assert_eq!(exit, 2, "{err}");
    assert!(err.contains("another content of the file"), "{err}");
    let file = rows(rig.dir.path(), 4);
    let (exit, _, err) = run(&rig.socket(), &file, &[&go_on[..], &["--flash"]].concat()).await;
    assert!(exit == 2 && err.contains("other options"), "{err}");
    assert_eq!(messages(&rig).await, once_each(4));
}

#[tokio::test]
async fn bad_rows_are_told_and_a_dry_run_says_what_it_would_take() {
    let rig = Rig::start(1, Script::default(), &format!("max_per_day = 10\nreserve = 20\n{NO_LIMITS}"));
    rig.modems_are("ready").await;
    let file = rig.dir.path().join("rows.csv");
    let good = format!("to,name\n{},Ada\n{},\"Bob\"\n", number(0), number(1));
    std::fs::write(&file, format!("{good}+41,Confidential\n{},\n", number(2))).unwrap();
    let template = ["--template", "Dear {name}: your parcel"];
    let with = |more: &[&'static str]| [&template[..], more].concat();
    let socket = rig.socket();
    let (exit, out, err) = run(&socket, &file, &with(&[])).await;
    assert_eq!(exit, 2, "{out} {err}");
    assert!(err.contains("rows.csv: line 4: column to: ") && err.contains("line 5: column name: "), "{err}");
    assert!(err.contains("nothing is sent") && !format!("{out}{err}").contains("Confidential"), "{err}");
    assert!(!rig.dir.path().join("rows.csv.progress").exists());
    assert_eq!(run(&socket, &file, &with(&["--dry-run"])).await.0, 2);
    let (exit, out, _) = run(&socket, &file, &with(&["--dry-run", "--skip-bad"])).await;
    assert_eq!(exit, 0);
    assert!(out.ends_with("takes 2 of the 8 parts that the SIMs may send today\n"), "{out}");
    let mut command = command(&socket, &file, &with(&["--dry-run", "--skip-bad", "--json"]));
    let plan: Value = serde_json::from_slice(&command.output().await.unwrap().stdout).unwrap();
    assert_eq!(
        (&plan["messages"], &plan["parts"], &plan["bad"][0]["line"]),
        (&2.into(), &2.into(), &4.into())
    );
    assert_eq!(plan["sims"]["modems"][0]["left_today"], 8);
    assert_eq!(messages(&rig).await, BTreeMap::new(), "a dry run sends nothing");

    let results = rig.dir.path().join("results.csv");
    let more =
        [&with(&["--skip-bad", "--json", "--wait", "--results"])[..], &[results.to_str().unwrap()]].concat();
    let (exit, out, err) = run(&socket, &file, &more).await;
    assert_eq!(exit, 0, "{err}");
    let ids = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone());
    assert_eq!(ids.count(), 2, "stdout has the API's JSON and nothing else: {out}");
    let told = std::fs::read_to_string(&results).unwrap();
    let rows: Vec<_> = told.lines().map(|line| line.splitn(3, ',').collect::<Vec<_>>()).collect();
    assert_eq!((rows[1][2], rows[3][2], rows[4][2]), ("sent,1", "bad_row,0", "bad_row,0"), "{told}");
    assert!(!rig.logs().contains("parcel"));
}

#[tokio::test]
async fn it_waits_when_it_is_told_to_and_stops_when_that_is_no_use() {
    let api = served();
    let dir = tempfile::tempdir().unwrap();
    let file = rows(dir.path(), 2);
    let retry_after = Duration::from_secs(1);
    api.fake.refuse(GatewayError::RateLimited { limit: "per_client".to_owned(), retry_after });
    let (exit, out, err) = run(&api.socket, &file, &[]).await;
    assert_eq!((exit, out.lines().last()), (0, Some("2 of 2 messages accepted, 2 parts")), "{err}");

    let again = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    api.fake.refuse(GatewayError::DestinationBlocked("it opted out".to_owned()));
    let (exit, out, err) = run(&api.socket, &file, &["--state", &again("a")]).await;
    assert_eq!((exit, out.lines().last()), (73, Some("1 of 2 messages accepted, 1 part")), "{err}");
    assert!(err.contains("line 2: refused, destination_blocked: it opted out"), "{err}");
    api.fake.refuse(GatewayError::NotAllowed("no".to_owned()));
    let (exit, _, err) = run(&api.socket, &file, &["--state", &again("b")]).await;
    assert_eq!((exit, err.as_str()), (73, "smsotp: line 2: no\n"));
    assert_eq!(run(&dir.path().join("no.sock"), &file, &["--state", &again("c")]).await.0, 69);
    assert_eq!(run(&api.socket, &dir.path().join("no.csv"), &[]).await.0, 66);
    assert_eq!(run(&api.socket, &file, &["+41791234567", "x"]).await.0, 2);
    let (exit, _, err) = run(&api.socket, &file, &["--results", file.to_str().unwrap()]).await;
    assert!(exit == 2 && err.contains("would take its place"), "{err}");
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 3);
}

#[tokio::test]
async fn a_terminal_shows_how_far_it_is_and_nothing_else_does() {
    let api = served();
    let dir = tempfile::tempdir().unwrap();
    let file = rows(dir.path(), 3);
    for (state, more, shown) in [("a", &[][..], true), ("b", &["--json"][..], false)] {
        let (mut terminal, end) = terminal();
        let state = dir.path().join(state);
        let arguments = [&["--state", state.to_str().unwrap()], more].concat();
        let mut command = command(&api.socket, &file, &arguments);
        let mut child = command.env("TERM", "xterm").stderr(end).spawn().unwrap();
        drop(command);
        // A terminal nobody writes to any more is an error to its reader.
        let read = tokio::task::spawn_blocking(move || {
            let mut seen = Vec::new();
            let _ = std::io::Read::read_to_end(&mut terminal, &mut seen);
            String::from_utf8_lossy(&seen).into_owned()
        });
        assert!(child.wait().await.unwrap().success());
        let seen = read.await.unwrap();
        assert_eq!(seen.contains("sending [") && seen.contains(" of 3"), shown, "{seen:?}");
        assert_eq!(seen.is_empty(), !shown, "{seen:?}");
        assert!(!seen.contains("\x1b[3"), "no colour: {seen:?}");
    }
    let (_, _, err) = run(&api.socket, &file, &["--state", dir.path().join("c").to_str().unwrap()]).await;
    assert_eq!(err, "");
}

/// A terminal: what it shows, and its end for a program.
fn terminal() -> (std::fs::File, std::fs::File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let end = std::fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
    (ours.into(), end)
}
