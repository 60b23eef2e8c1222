//! Issues a code for a number, reads the code that the person typed from stdin, and checks it:
//! `cargo run --example check -- +41791234567`. Prints `approved` or `not approved`, and ends with 0 or 1.
//!
//! The standard library and `serde_json` are enough: one request for each connection, in HTTP/1.0.

use std::error::Error;
use std::io::{Read as _, Write as _, stdin};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

/// The answer to a request; a refusal is an error with the daemon's sentence.
fn post(path: &str, headers: &str, body: &Value) -> Result<Value, Box<dyn Error>> {
    let socket = std::env::var("SMSOTP_SOCKET").unwrap_or_else(|_| "/run/smsotpd/smsotpd.sock".into());
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let body = body.to_string();
    write!(
        stream,
        "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer has no end")?;
    let answer: Value = serde_json::from_str(body)?;
    if head.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
        return Ok(answer);
    }
    Err(format!("{}: {}", answer["code"], answer["detail"]).into())
}

fn run() -> Result<bool, Box<dyn Error>> {
    let phone = std::env::args().nth(1).ok_or("usage: check PHONE")?;
    // With the same key, a request that is repeated after a lost answer sends nothing again.
    let key = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let key = format!("Idempotency-Key: {}\r\n", key.trim());
    let issued = post("/v1/verifications", &key, &json!({"to": phone}))?;
    let id = issued["id"].as_str().ok_or("the verification has no id")?;
    let mut code = String::new();
    stdin().read_line(&mut code)?;
    let checked = post(&format!("/v1/verifications/{id}/check"), "", &json!({"code": code.trim()}))?;
    Ok(checked["approved"] == true)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => {
            println!("approved");
            ExitCode::SUCCESS
        }
        Ok(false) => {
            println!("not approved");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}
