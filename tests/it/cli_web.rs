//! `smsotp web` beside the real daemon, asked as a browser and as others would ask it.

use std::path::Path;
use std::process::Stdio;

use gsm_sim::Script;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use smsotpd::api::Limits;
use smsotpd::api::access::{Access, Client, Matcher, Right};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::api_support::served_within;
use crate::daemon_support::{PATIENCE, Rig, get, number, post};

fn command(socket: &Path, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsotp"));
    command
        .env("SMSOTP_SOCKET", socket)
        .args(["web", "--listen", listen])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// A page that is served.
struct Page {
    child: Child,
    address: String,
    /// The path of the page, with the token.
    path: String,
}

/// An answer: its status, its head and its body.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl Page {
    async fn of(socket: &Path) -> Self {
        let mut child =
            command(socket, "127.0.0.1:0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let link = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("a link").unwrap().unwrap();
        let bare = link.strip_prefix("http://").expect("a link");
        let slash = bare.find('/').unwrap();
        assert!(bare.starts_with("127.0.0.1:") && bare.len() > slash + 32, "{link}");
        Self { child, address: bare[..slash].to_owned(), path: bare[slash..].to_owned() }
    }

    /// Sends a request with these lines in its head.
    async fn send(&self, method: &str, path: &str, lines: &[&str]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let lines = lines.iter().map(|line| (*line).to_owned() + "\r\n").collect::<String>();
        let request =
            format!("{method} {path} HTTP/1.1\r\n{lines}Connection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn ask(&self, method: &str, path: &str, lines: &[&str]) -> Answer {
        let mut stream = self.send(method, path, lines).await;
        let mut octets = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut octets)).await.expect("an answer").unwrap();
        let text = String::from_utf8(octets).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    /// As the page itself asks.
    async fn own(&self, method: &str, path: &str) -> Answer {
        let origin = format!("Origin: http://{}", self.address);
        let host = format!("Host: {}", self.address);
        let lines = [&host, &origin, "Sec-Fetch-Site: same-origin"];
        self.ask(method, &format!("{}{path}", self.path), &lines).await
    }
}

#[tokio::test]
async fn only_the_link_opens_the_page_and_only_by_a_name_of_this_machine() {
    let rig = Rig::start(1, Script::default(), "");
    let page = Page::of(&rig.socket()).await;
    let host = format!("Host: {}", page.address);
    let files = [("", "text/html"), ("page.css", "text/css"), ("page.js", "text/javascript")];
    for (file, kind) in files {
        let answer = page.own("GET", file).await;
        assert_eq!(answer.status, 200);
        for line in [
            &format!("content-type: {kind}; charset=utf-8"),
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; ",
            "x-frame-options: deny",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(answer.head.contains(line), "{line}: {}", answer.head);
        }
        assert!(
            !answer.body.contains("http://") && !answer.body.contains("https://"),
            "nothing from elsewhere"
        );
    }
    let html = page.own("GET", "").await.body;
    assert!(!html.contains("style=") && !html.contains("<script>") && !html.contains(" onclick"), "{html}");
    let other = format!("/{}/", "0".repeat(32));
    for path in ["/", "/state", "/page.js", "/events", "/favicon.ico", &other, &page.path[..20], "//"] {
        let answer = page.ask("GET", path, &[&host]).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.head.contains("referrer-policy: no-referrer"));
    }
    for foreign in ["Host: example.com", "Host: localhost.example.com:8025", "Host: 192.168.1.2", "X: y"] {
        assert_eq!(page.ask("GET", &page.path, &[foreign]).await.status, 403, "{foreign}");
    }
    for name in ["Host: localhost:9000", "Host: LOCALHOST", "Host: [::1]:8025"] {
        assert_eq!(page.ask("GET", &page.path, &[name]).await.status, 200, "{name}");
    }
    let absolute = format!("http://example.com{}", page.path);
    assert_eq!(page.ask("GET", &absolute, &[&host]).await.status, 403);
    assert_eq!(page.own("GET", "nothing").await.status, 404);
    assert_eq!(page.own("DELETE", "state").await.status, 405);
    assert_eq!(page.own("GET", "messages/msg_1/cancel").await.status, 405);
}

#[tokio::test]
async fn the_page_shows_the_daemon_and_cancels_with_every_number_masked() {
    let rig = Rig::start(2, Script::default(), "");
    rig.modems_are("ready").await;
    let page = Page::of(&rig.socket()).await;
    let host = format!("Host: {}", page.address);
    let mut stream = page.send("GET", &format!("{}events", page.path), &[&host]).await;
    let mut told = String::new();
    read_until(&mut stream, &mut told, "text/event-stream").await;
    for modem in ["m0", "m1"] {
        post(&rig.client(), &format!("/v1/modems/{modem}/pause"), json!({}), 200).await;
    }
    let texts = rig.send(1_234_567, 2).await;
    let issued = post(&rig.client(), "/v1/verifications", json!({"to": number(7_654_321)}), 201).await;
    let code = issued["id"].as_str().unwrap();
    read_until(&mut stream, &mut told, code).await;
    assert!(
        told.contains("modem.paused") && told.contains("message.queued") && told.contains("+4179*****67"),
        "{told}"
    );

    let state = page.own("GET", "state").await;
    assert_eq!(state.status, 200, "{state:?}");
    let shown = state.json();
    let states = [&shown["modems"][0]["state"], &shown["modems"][1]["state"]];
    assert_eq!(states, ["paused", "paused"]);
    assert_eq!(shown["status"]["queue"]["text"], 2);
    assert_eq!(shown["status"]["may"], json!(["issue", "check", "send", "read", "admin"]));
    assert_eq!(
        (&shown["messages"][1]["id"], &shown["messages"][1]["to"]),
        (&json!(texts[1]), &json!("+4179*****68"))
    );
    let found = page.own("GET", "state?to=%2B41+79-123+45+67").await;
    let ids: Vec<_> = found.json()["messages"].as_array().unwrap().iter().map(|m| m["id"].clone()).collect();
    assert_eq!((ids, &found.json()["verifications"]), (vec![json!(texts[0])], &json!([])));

    // Not by another page, and not without the token.
    let cancel = format!("messages/{}/cancel", texts[0]);
    let foreign = [&host, "Origin: http://example.com", "Sec-Fetch-Site: cross-site"];
    assert_eq!(page.ask("POST", &format!("{}{cancel}", page.path), &foreign).await.status, 403);
    assert_eq!(page.ask("POST", &format!("/{cancel}"), &[&host]).await.status, 403);
    let path = format!("/v1/messages/{}", texts[0]);
    assert_eq!(get(&rig.client(), &path).await["status"], "queued");
    let cancelled = page.own("POST", &cancel).await;
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelled")));
    assert_eq!(get(&rig.client(), &path).await["status"], "cancelled");
    let resent = page.own("POST", &format!("verifications/{code}/resend")).await;
    assert_eq!(resent.status, 429, "inside the cool-down: {resent:?}");
    let ended = page.own("POST", &format!("verifications/{code}/cancel")).await;
    assert_eq!((ended.status, &ended.json()["status"]), (200, &json!("cancelled")));
    let wrong = page.own("GET", "state?to=%2B41791234").await;
    let none = page.own("POST", "messages/..%2F..%2Fmodems/cancel").await;
    assert_eq!((wrong.status, none.status), (422, 404), "{wrong:?} {none:?}");
    read_until(&mut stream, &mut told, "verification.cancelled").await;

    // The IMEI of a simulated modem begins with 49015.
    let answers = [&state, &found, &cancelled, &resent, &ended, &wrong, &none].map(|a| a.body.as_str());
    for text in answers.into_iter().chain([told.as_str()]) {
        for whole in ["1234567", "1234568", "7654321", "+4179123", "49015", "22801"] {
            assert!(!text.contains(whole), "{whole} in {text}");
        }
    }
}

async fn read_until(stream: &mut TcpStream, told: &mut String, what: &str) {
    let read = async {
        while !told.contains(what) {
            let mut octets = [0; 4096];
            let n = stream.read(&mut octets).await.unwrap();
            assert!(n > 0, "the stream goes on: {told}");
            told.push_str(&String::from_utf8_lossy(&octets[..n]));
        }
    };
    let read = tokio::time::timeout(PATIENCE, read).await;
    assert!(read.is_ok(), "{what} does not come: {told}");
}

#[tokio::test]
async fn the_daemon_judges_what_this_user_may() {
    let only = |may: &[Right]| {
        let matcher = Matcher::Uid(rustix::process::geteuid().as_raw());
        let client = Client { name: "desk".to_owned(), matcher, may: may.to_vec(), services: None };
        served_within(Limits::default(), Access::new(vec![client]))
    };
    let api = only(&[Right::Read]);
    let page = Page::of(&api.socket).await;
    let shown = page.own("GET", "state").await;
    assert_eq!(shown.json()["status"]["may"], json!(["read"]), "{shown:?}");
    let refused = page.own("POST", "messages/msg_01h455vb4pex5vsknk084sn02q/cancel").await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.json()["detail"].as_str().unwrap().contains("`send`"), "{refused:?}");
    let blind = only(&[Right::Issue]);
    assert_eq!(command(&blind.socket, "127.0.0.1:0").output().await.unwrap().status.code(), Some(73));
}

#[tokio::test]
async fn it_listens_on_loopback_alone_and_ends_when_told() {
    let mut rig = Rig::start(1, Script::default(), "");
    for other in ["0.0.0.0:8025", "192.0.2.1:8025", "[::]:8025", "example.com:8025", "8025"] {
        let output = command(&rig.socket(), other).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{other}: {said}");
        assert!(said.contains("loopback") && output.stdout.is_empty(), "{other}: {said}");
    }
    let mut page = Page::of(&rig.socket()).await;
    let taken = command(&rig.socket(), &page.address).output().await.unwrap();
    assert_eq!(taken.status.code(), Some(2));
    // The page outlives the daemon, and says so.
    rig.signal(Signal::TERM);
    rig.ended();
    let away = page.own("GET", "state").await;
    assert_eq!(away.status, 503);
    assert!(away.json()["detail"].as_str().unwrap().contains("is smsotpd running?"), "{away:?}");
    rig.launch();
    assert_eq!(page.own("GET", "state").await.status, 200);
    let pid = Pid::from_raw(page.child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert!(tokio::time::timeout(PATIENCE, page.child.wait()).await.expect("it ends").unwrap().success());
    let nobody = command(Path::new("/nonexistent/s.sock"), "127.0.0.1:0").output().await.unwrap();
    assert_eq!(nobody.status.code(), Some(69));
}
