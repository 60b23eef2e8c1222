//! `smsotp demo`: the whole way of a code on simulated modems: the real daemon in a temporary folder, its
//! real socket, a code on the simulated phone's screen, a wrong guess, the right code, and the same code
//! refused. The demo succeeds only if every step really happened.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use gsm_sim::Sim;
use serde_json::{Value, json};

use crate::api::client::{Call, Client, ClientError, Reply};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::Daemon;

/// The number that is verified.
const PHONE: &str = "+41791234567";
/// The longest time for a step, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Prints a line of the demo; fails when the output is closed.
pub type Say<'a> = dyn FnMut(&str) -> std::io::Result<()> + 'a;

/// A step that did not happen, for a person.
#[derive(Debug, thiserror::Error)]
#[error("the demo failed: {0}")]
pub struct DemoError(String);

impl From<std::io::Error> for DemoError {
    fn from(e: std::io::Error) -> Self {
        Self(e.to_string())
    }
}

impl From<ClientError> for DemoError {
    fn from(e: ClientError) -> Self {
        Self(e.to_string())
    }
}

fn failed(what: impl std::fmt::Display) -> DemoError {
    DemoError(what.to_string())
}

/// Runs the demo, printing each step through `say`.
pub async fn run(say: &mut Say<'_>) -> Result<(), DemoError> {
    let dir = Folder::new().map_err(failed)?;
    let started = Clock::system().monotonic();
    let options = gsm_sim::Options { dir: Some(dir.0.clone()), modems: 2, ..gsm_sim::Options::default() };
    let sim = Sim::start(options).map_err(failed)?;
    say("Two simulated modems answer AT on their ports; the daemon starts in a temporary folder.")?;
    let config = Config::parse(&configuration(&dir.0), Path::new("demo.toml")).map_err(failed)?;
    let daemon = Daemon::start(&config).await.map_err(failed)?;
    let story = story(&dir.0, &sim, say).await;
    daemon.stop().await;
    story?;
    say(&format!("\nAll of it really happened, in {:.1} s.", started.elapsed().as_secs_f64()))?;
    Ok(())
}

async fn story(dir: &Path, sim: &Sim, say: &mut Say<'_>) -> Result<(), DemoError> {
    let client = Client::new(dir.join("smsotpd.sock"));
    let mut phone = sim.listen();
    for modem in until_ready(&client).await? {
        say(&modem)?;
    }
    say(&format!("\n1. An application asks for a code:  POST /v1/verifications {{\"to\": \"{PHONE}\"}}"))?;
    let made = expect(&client.call(Call::post("/v1/verifications").json(json!({"to": PHONE}))).await?, 201)?;
    let id = text(&made, "id")?;
    say(&format!("   201: {id}, {}, {} attempts left", text(&made, "status")?, made["attempts_left"]))?;

    let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.ok().flatten();
    let sms = sms.ok_or_else(|| failed("no SMS reached the simulated phone"))?;
    if sms.to != PHONE {
        return Err(failed("the SMS went to another number"));
    }
    say(&format!("\n2. The phone of {PHONE} rings:\n{}", screen(&sms.text)))?;
    let code: String =
        sms.text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    if made.to_string().contains(&code) {
        return Err(failed("the API's answer contained the code"));
    }

    let first = if code.starts_with('7') { '3' } else { '7' };
    let wrong: String = std::iter::once(first).chain(code.chars().skip(1)).collect();
    say("\n3. Somebody guesses:  a wrong code is refused")?;
    check(&client, &id, &wrong, false, say).await?;
    say("4. The person types the code:  approved")?;
    check(&client, &id, &code, true, say).await?;
    say("5. The same code once more:  refused, for it is used up")?;
    check(&client, &id, &code, false, say).await?;

    let message = text(&made["message"], "id")?;
    let sent = expect(&client.call(Call::get(format!("/v1/messages/{message}"))).await?, 200)?;
    if sent["status"] != "sent" && sent["status"] != "delivered" {
        return Err(failed(format!("the message ended {}", sent["status"])));
    }
    if sim.inbox().len() != 1 {
        return Err(failed("more than one SMS went out"));
    }
    Ok(())
}

/// Waits, woken by the daemon's events, until both modems can send. Returns a line for each.
async fn until_ready(client: &Client) -> Result<Vec<String>, DemoError> {
    let wait = async {
        let mut events = client.events(None).await?.map_err(|reply| failed(reply.status))?;
        loop {
            let modems = expect(&client.call(Call::get("/v1/modems")).await?, 200)?;
            let modems = modems["modems"].as_array().cloned().unwrap_or_default();
            if !modems.is_empty() && modems.iter().all(|m| m["state"] == "ready") {
                return modems.iter().map(describe).collect();
            }
            if events.next().await?.is_none() {
                return Err(failed("the daemon closed the stream of events"));
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| Err(failed("the modems did not get ready")))
}

fn describe(modem: &Value) -> Result<String, DemoError> {
    let word = |name| text(modem, name);
    Ok(format!(
        "   {}: {} {}, IMEI {}, {} on {}",
        word("name")?,
        word("manufacturer")?,
        word("model")?,
        word("imei")?,
        word("registration")?,
        word("port")?
    ))
}

async fn check(
    client: &Client,
    id: &str,
    code: &str,
    approved: bool,
    say: &mut Say<'_>,
) -> Result<(), DemoError> {
    let path = format!("/v1/verifications/{id}/check");
    let answer = expect(&client.call(Call::post(path).json(json!({"code": code}))).await?, 200)?;
    if answer["approved"] != approved {
        return Err(failed(format!("approved is {}", answer["approved"])));
    }
    say(&format!(
        "   {{\"approved\": {}, \"status\": {}, \"attempts_left\": {}}}",
        answer["approved"], answer["status"], answer["attempts_left"]
    ))?;
    Ok(())
}

fn expect(reply: &Reply, status: u16) -> Result<Value, DemoError> {
    if reply.status.as_u16() == status {
        return Ok(reply.parse()?);
    }
    let detail = reply.problem().map(|p| p.detail).unwrap_or_default();
    Err(failed(format!("the API answered {} where {status} was due: {detail}", reply.status)))
}

fn text(value: &Value, name: &str) -> Result<String, DemoError> {
    value[name].as_str().map(str::to_owned).ok_or_else(|| failed(format!("the answer has no {name}")))
}

fn configuration(dir: &Path) -> String {
    // A path that this program makes contains nothing that TOML would have to escape.
    let dir = dir.display();
    let mut text =
        format!("state_dir = \"{dir}/state\"\n[api]\nsocket = \"{dir}/smsotpd.sock\"\nmode = \"0600\"\n");
    for i in 0..2 {
        let _ = writeln!(text, "[[modem]]\nname = \"stick{}\"\nport = \"{dir}/modem{i}\"", i + 1);
    }
    text
}

/// A telephone's screen around a text.
fn screen(text: &str) -> String {
    const WIDTH: usize = 32;
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    let bar = "─".repeat(WIDTH + 2);
    let mut screen = format!("   ╭{bar}╮\n   │ {:<WIDTH$} │\n   ├{bar}┤\n", "Message              now");
    for line in lines {
        let _ = writeln!(screen, "   │ {line:<WIDTH$} │");
    }
    screen + &format!("   ╰{bar}╯")
}

/// A folder of this process alone, which is removed when the value is dropped.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let name = format!("smsotp-demo-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that cannot be removed is only a temporary one.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
