//! Bodies that lie, at the socket of the real daemon: about their length, in their chunks, with numbers, depth, keys and
//! octets that no honest client sends. Each is answered with a problem that repeats nothing of it, or cut off; none of them
//! makes anything, and the daemon goes on.

use gsm_sim::Script;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use crate::api_support::read_to_end;
use crate::daemon_support::{NO_LIMITS, Rig, get, post};

/// A word of each body, which no answer may repeat.
const MARK: &str = "zanzibar";

/// Writes octets, says that no more come, and reads all answers.
async fn answers(rig: &Rig, octets: &[u8]) -> Vec<(u16, String)> {
    let mut stream = UnixStream::connect(rig.socket()).await.unwrap();
    // A refused one may be closed before it is written.
    let _ = stream.write_all(octets).await;
    let _ = stream.shutdown().await;
    let all = read_to_end(&mut stream).await;
    let statuses = all.split("HTTP/1.1 ").skip(1);
    statuses.map(|answer| (answer[..3].parse().unwrap(), answer.to_owned())).collect()
}

fn head(more: &str) -> String {
    format!("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{more}\r\n\r\n")
}

/// A message whose body is exactly this.
fn with(body: &[u8]) -> Vec<u8> {
    [head(&format!("connection: close\r\ncontent-length: {}", body.len())).as_bytes(), body].concat()
}

fn good() -> String {
    json!({"to": "+41791234567", "text": MARK, "send_at": "2100-01-01T00:00:00Z"}).to_string()
}

async fn made(rig: &Rig) -> usize {
    get(&rig.client(), "/v1/messages?limit=1000").await["messages"].as_array().unwrap().len()
}

/// Each answer is one of these, a problem, and repeats nothing.
fn judge(what: &str, answers: &[(u16, String)], allowed: &[u16]) {
    for (status, answer) in answers {
        assert!(allowed.contains(status), "{what}: {answer}");
        assert!(!answer.contains(MARK), "{what}: {answer}");
        if *status >= 400 && answer.contains("application/problem+json") {
            let body = answer.split_once("\r\n\r\n").unwrap().1;
            let problem: Value = serde_json::from_str(body).unwrap();
            assert_eq!(problem["status"], *status, "{what}: {problem}");
        }
    }
}

#[tokio::test]
async fn a_body_that_lies_about_its_length_makes_nothing() {
    let rig = Rig::start(1, Script::default(), NO_LIMITS);
    let (pid, body) = (rig.pid(), good());
    let length = body.len();
    let chunked = |chunks: &str| format!("{}{chunks}", head("transfer-encoding: chunked"));
    let hex = format!("{length:x}");
    let half = &body[..length / 2];
    for (what, request) in [
        ("longer than it is", format!("{}{body}", head(&format!("content-length: {}", length + 1)))),
        ("much longer", format!("{}{body}", head("content-length: 65536"))),
        ("shorter than it is", format!("{}{body}", head(&format!("content-length: {}", length - 1)))),
        ("of no length", format!("{}{body}", head("content-length: 0"))),
        ("of no length at all", format!("{}{body}", head("x: y"))),
        ("beyond every number", format!("{}{body}", head("content-length: 18446744073709551616"))),
        ("below zero", format!("{}{body}", head("content-length: -1"))),
        ("with a sign", format!("{}{body}", head(&format!("content-length: +{length}")))),
        ("in hexadecimal", format!("{}{body}", head(&format!("content-length: 0x{hex}")))),
        (
            "of two lengths",
            format!("{}{body}", head(&format!("content-length: {length}\r\ncontent-length: 5"))),
        ),
        ("of two lengths in one", format!("{}{body}", head(&format!("content-length: {length}, 5")))),
        ("a chunk too short", chunked(&format!("{hex}\r\n{half}\r\n0\r\n\r\n"))),
        ("a chunk too long", chunked(&format!("5\r\n{body}\r\n0\r\n\r\n"))),
        ("a chunk beyond every number", chunked(&format!("fffffffffffffffff\r\n{body}\r\n0\r\n\r\n"))),
        ("the largest chunk", chunked(&format!("ffffffffffffffff\r\n{body}\r\n0\r\n\r\n"))),
        ("a chunk below zero", chunked(&format!("-1\r\n{body}\r\n0\r\n\r\n"))),
        ("a chunk that says 0x", chunked(&format!("0x{hex}\r\n{body}\r\n0\r\n\r\n"))),
        ("a chunk without its end", chunked(&format!("{hex}\r\n{body}0\r\n\r\n"))),
        ("chunks without the last", chunked(&format!("{hex}\r\n{body}\r\n"))),
        ("an endless extension", chunked(&format!("{hex};{}\r\n{body}\r\n0\r\n\r\n", "x".repeat(100_000)))),
        (
            "an endless trailer",
            chunked(&format!("{hex}\r\n{body}\r\n0\r\nx: {}\r\n\r\n", "y".repeat(500_000))),
        ),
    ] {
        let answers = answers(&rig, request.as_bytes()).await;
        judge(what, &answers, &[400, 408, 413, 415, 431]);
        assert_eq!((made(&rig).await, rig.pid()), (0, pid), "{what}");
    }
    // Of chunks and a length the chunks count (RFC 9112 section 6.3), and what follows them is no second request.
    let both = head(&format!("content-length: {}\r\ntransfer-encoding: chunked", length + 10));
    let answers = answers(&rig, format!("{both}{hex}\r\n{body}\r\n0\r\n\r\n").as_bytes()).await;
    assert!(answers.len() == 1 && [202, 400].contains(&answers[0].0), "{answers:?}");
    assert_eq!(made(&rig).await, usize::from(answers[0].0 == 202));
    post(&rig.client(), "/v1/verifications", json!({"to": "+41791234567"}), 201).await;
}

#[tokio::test]
async fn a_body_of_strange_json_makes_nothing() {
    let rig = Rig::start(1, Script::default(), NO_LIMITS);
    let pid = rig.pid();
    let field = |name: &str, value: &str| {
        format!("{{\"to\":\"+41791234567\",\"text\":\"{MARK}\",\"{name}\":{value}}}").into_bytes()
    };
    let text = |octets: &[u8]| {
        [format!("{{\"to\":\"+41791234567\",\"text\":\"{MARK}").as_bytes(), octets, b"\"}"].concat()
    };
    let digits = "9".repeat(30_000);
    let mut bodies = vec![
        ("a huge exponent", field("priority", "1e999999999")),
        ("thirty thousand digits", field("priority", &digits)),
        ("a fraction of thirty thousand digits", field("priority", &format!("0.5{digits}"))),
        ("more than 64 bits", field("valid_for", "18446744073709551616")),
        ("a word for a span beyond all time", field("valid_for", "\"99999999999999999999 years\"")),
        ("below zero", field("priority", "-1")),
        ("no number", field("priority", "NaN")),
        ("a time beyond all time", field("send_at", "\"9999-12-31T23:59:60Z\"")),
        ("arrays in arrays", field("priority", &"[".repeat(60_000))),
        (
            "closed arrays in arrays",
            field("priority", &format!("{}{}", "[".repeat(30_000), "]".repeat(30_000))),
        ),
        ("objects in objects", field("priority", &"{\"a\":".repeat(12_000))),
        ("a key twice", field("to", "\"+41791234568\"")),
        ("a key twice, once escaped", field("\\u0074o", "\"+41791234568\"")),
        ("a comment", [good().as_bytes(), b"/* */"].concat()),
        ("two objects", [good().as_bytes(), good().as_bytes()].concat()),
        ("a byte order mark", [b"\xef\xbb\xbf", good().as_bytes()].concat()),
        ("UTF-16", good().encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a NUL behind it", [good().as_bytes(), b"\0"].concat()),
        ("nothing but NUL", vec![0; 1000]),
        ("a NUL in a number", br#"{"to":"+4179\u00001234567","text":"x"}"#.to_vec()),
        ("a NUL octet in a text", text(b"\0")),
        ("half a surrogate pair", text(b"\\ud800")),
        ("the other half", text(b"\\udc00 x")),
        ("an octet of no character", text(b"\xff")),
        ("half a character", text(b"\xe2\x82")),
        ("a NUL in two octets", text(b"\xc0\x80")),
        ("a surrogate in UTF-8", text(b"\xed\xa0\x80")),
        ("beyond the last character", text(b"\xf4\x90\x80\x80")),
        ("a line end", text(b"\r\n")),
    ];
    bodies.push(("an array", b"[]".to_vec()));
    bodies.push(("nothing", Vec::new()));
    for (what, body) in bodies {
        assert!(body.len() <= 64 * 1024, "{what}");
        let answers = answers(&rig, &with(&body)).await;
        assert_eq!(answers.len(), 1, "{what}: {answers:?}");
        judge(what, &answers, &[400, 415, 422]);
        assert_eq!((made(&rig).await, rig.pid()), (0, pid), "{what}");
    }
    assert!(!rig.logs().contains(MARK), "it is in the log");
    // The longest span there is means as long as possible.
    let body = json!({"to": "+41791234567", "text": "x", "valid_for": (1_u64 << 53) - 1});
    let sent = post(&rig.client(), "/v1/messages", body, 202).await;
    assert_eq!(rig.over(sent["id"].as_str().unwrap()).await["status"], "sent");
    post(&rig.client(), "/v1/verifications", json!({"to": "+41791234567"}), 201).await;
}
