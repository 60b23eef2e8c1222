//! `events`: follows what happens over restarts of the daemon, for a person, or has a command run for each event.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use super::exit::{Exit, Failure};
use super::files::{beside, replace};
use super::output::{Format, Session, clean, note, print};
use crate::api::client::{Call, ClientError, Events, ServerEvent, escape};
use crate::api::wire;

/// The pause before a daemon that is away is asked again, and the longest.
const AWAY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// The pause before a command that failed is run again, and the longest.
const FAILED: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// How long a look at all events may take.
const LOOK: Duration = Duration::from_secs(600);

/// What `smsotp events` does.
#[derive(Debug, clap::Args)]
pub(super) struct Follow {
    /// Begin behind this event; 0: with the oldest that is kept.
    #[arg(long, value_name = "ID")]
    since: Option<u64>,
    /// Run this for each event, in order, with the event's JSON on stdin. When it fails it is run again for the same
    /// event after a pause that grows.
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// Write down here how far CMD came, and go on behind that.
    #[arg(long, value_name = "FILE", requires = "exec")]
    state: Option<PathBuf>,
    /// Pass over an event for which CMD fails.
    #[arg(long, requires = "exec")]
    skip_failed: bool,
    /// Look at every event that is kept: exit 0 when each is what was written and none is missing, 1 when not.
    #[arg(long, conflicts_with_all = ["since", "exec"])]
    verify: bool,
    /// An event and its hash, as an earlier look gave them: that event must have that hash still.
    #[arg(long, value_name = "ID:HASH", requires = "verify")]
    anchor: Option<String>,
}

/// `smsotp events`.
pub(super) async fn events(session: &Session, follow: Follow) -> Result<Exit, Failure> {
    if follow.verify {
        return verify(session, follow.anchor.as_deref()).await;
    }
    let state = follow.state.as_deref().map(State::open).transpose()?;
    let after = state.as_ref().and_then(|state| state.known).or(follow.since);
    let mut follower = Follower { session, exec: follow.exec, skip_failed: follow.skip_failed, state, after };
    let (mut pause, mut connected) = (AWAY.0, false);
    loop {
        match session.client.events(follower.after).await {
            Ok(Ok(events)) => {
                (connected, pause) = (true, AWAY.0);
                follower.follow(events).await?;
                note("the daemon ended the stream; waiting for it");
            }
            Ok(Err(reply)) if !connected || reply.status != 503 => {
                session.accept(reply)?;
                return Err(Failure::new(Exit::Internal, "the daemon gave no events"));
            }
            Err(e) if !connected => return Err(e.into()),
            Ok(Err(_)) | Err(_) => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(AWAY.1);
    }
}

struct Follower<'s> {
    session: &'s Session,
    exec: Option<String>,
    skip_failed: bool,
    state: Option<State>,
    /// The last event that was dealt with.
    after: Option<u64>,
}

impl Follower<'_> {
    /// Deals with the events of one connection, until it ends.
    async fn follow(&mut self, mut events: Events) -> Result<(), Failure> {
        if self.after.is_none() {
            // From here on nothing is passed over, whatever happens before the first event is dealt with.
            match events.begin().await {
                Ok(Some(id)) => self.passed(id)?,
                Ok(None) => {}
                Err(e) => return lost(&e),
            }
        }
        loop {
            match events.next().await {
                Ok(Some(event)) => {
                    self.deal_with(&event).await?;
                    if let Some(id) = event.id {
                        self.passed(id)?;
                    }
                }
                Ok(None) => return Ok(()),
                Err(e) => return lost(&e),
            }
        }
    }

    fn passed(&mut self, id: u64) -> Result<(), Failure> {
        self.after = Some(id);
        self.state.as_mut().map_or(Ok(()), |state| state.write(id))
    }

    async fn deal_with(&self, event: &ServerEvent) -> Result<(), Failure> {
        let Some(command) = &self.exec else {
            return match self.session.format {
                Format::Json => print(&format!("{}\n", event.data)),
                format => print(&event_line(event, format)),
            };
        };
        let name = event.id.map_or_else(|| event.name.clone(), |id| format!("event {id}"));
        let mut pause = FAILED.0;
        loop {
            let why = match run(command, &event.data).await {
                Ok(status) if status.success() => return Ok(()),
                Ok(status) => status.to_string(),
                Err(e) => e.to_string(),
            };
            if self.skip_failed {
                note(&format!("{name}: the command failed ({why}); the event is passed over"));
                return Ok(());
            }
            note(&format!("{name}: the command failed ({why}); again in {} s", pause.as_secs_f32()));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(FAILED.1);
        }
    }
}

/// The connection broke: it is made again.
#[allow(clippy::unnecessary_wraps, reason = "the end of a connection is no failure")]
fn lost(error: &ClientError) -> Result<(), Failure> {
    note(&error.to_string());
    Ok(())
}

async fn run(command: &str, json: &str) -> io::Result<std::process::ExitStatus> {
    let mut child =
        tokio::process::Command::new("sh").arg("-c").arg(command).stdin(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(format!("{json}\n").as_bytes()).await {
            // It need not read.
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => return Err(e),
            _ => {}
        }
    }
    child.wait().await
}

/// How far a command came, in a file.
struct State {
    path: PathBuf,
    known: Option<u64>,
    /// Nobody else goes on from the same file.
    _lock: File,
}

impl State {
    fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |e: io::Error| Failure::new(Exit::Usage, format!("{}: {e}", path.display()));
        let lock = File::create(beside(path, ".lock")).map_err(failed)?;
        lock.try_lock().map_err(|_| {
            let text = format!("{}: another smsotp goes on from it; give each its own file", path.display());
            Failure::new(Exit::Usage, text)
        })?;
        let known = match std::fs::read_to_string(path) {
            Ok(text) => Some(text.trim().parse().map_err(|_| {
                let text = format!(
                    "{}: is not the id of an event; remove the file, and name an event by --since",
                    path.display()
                );
                Failure::new(Exit::Usage, text)
            })?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(failed(e)),
        };
        Ok(Self { path: path.to_owned(), known, _lock: lock })
    }

    /// Writes the whole file or leaves it as it was.
    fn write(&mut self, id: u64) -> Result<(), Failure> {
        replace(&self.path, format!("{id}\n").as_bytes())
            .map_err(|e| Failure::new(Exit::Internal, format!("{}: {e}", self.path.display())))?;
        self.known = Some(id);
        Ok(())
    }
}

async fn verify(session: &Session, anchor: Option<&str>) -> Result<Exit, Failure> {
    let query = anchor.map(|anchor| format!("?anchor={}", escape(anchor))).unwrap_or_default();
    let client = session.client.clone().with_timeout(LOOK);
    let reply = session.accept(client.call(Call::get(format!("/v1/events/verify{query}"))).await?)?;
    let found = session.show(&reply, |trail: &wire::Trail, format| trail_lines(trail, format))?;
    Ok(if found.whole { Exit::Done } else { Exit::No })
}

fn trail_lines(trail: &wire::Trail, format: Format) -> String {
    let wire::Trail { first, last, hash, fault, .. } = trail;
    let mut text = match fault {
        Some(fault) => format.warning(&format!("not whole: {fault}\n")),
        None if first > last => "no event is kept\n".to_owned(),
        None => format!("events {first} to {last} are whole\n"),
    };
    if *last > 0 {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "anchor  {last}:{}", clean(hash));
    }
    text
}

fn event_line(event: &ServerEvent, format: Format) -> String {
    let (at, what) = told(event, format);
    format!("{at} {what}").trim().to_owned() + "\n"
}

/// When an event happened, as far as the event says so, and what it tells, in one line.
pub(super) fn told(event: &ServerEvent, format: Format) -> (String, String) {
    if let Some(gap) = serde_json::from_str::<wire::Gap>(&event.data).ok().filter(|gap| gap.r#type == "gap") {
        let line = match gap.missed {
            Some(missed) => format!("gap: {missed} events were missed"),
            None => "gap: events were missed".to_owned(),
        };
        return (String::new(), format.warning(&line).trim_end().to_owned());
    }
    let Ok(data) = serde_json::from_str::<wire::Event>(&event.data) else {
        return (String::new(), clean(&event.name));
    };
    let at = clean(&data.at);
    if let Some(m) = &data.inbox {
        let what = [&data.r#type, &m.id, &m.from, &m.modem].map(|text| clean(text)).join(" ");
        return (at, what);
    }
    let (thing, detail) = match (&data.verification, &data.message, &data.modem) {
        (Some(v), _, _) => (v.id.clone(), format!("{} {}", v.to, v.service)),
        (_, Some(m), _) => {
            let told = [&m.modem, &m.error].into_iter().flatten().map(|text| format!(" {text}"));
            (m.id.clone(), m.to.clone() + &told.collect::<String>())
        }
        (_, _, Some(m)) => (m.name.clone(), m.last_error.clone().unwrap_or_default()),
        _ => data.audit.as_ref().map(audit).unwrap_or_default(),
    };
    let who = data.client.as_ref().map(|client| format!(" by {client}")).unwrap_or_default();
    let (kind, word) = data.r#type.split_once('.').unwrap_or((&data.r#type, ""));
    let what = format!(
        "{}.{} {} {}{}",
        clean(kind),
        format.status(word),
        clean(&thing),
        clean(detail.trim_end()),
        clean(&who)
    );
    (at, what.trim_end().to_owned())
}

/// Whom it was about, and what it was.
fn audit(a: &wire::Audit) -> (String, String) {
    let count = if a.count > 1 { format!(", {} times", a.count) } else { String::new() };
    (a.to.clone().unwrap_or_default(), a.detail.clone() + &count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_who_and_how_often() {
        let data = r#"{"id":7,"type":"audit.refused","at":"2026-06-01T00:00:00.000Z","client":"web",
            "audit":{"to":"+4179*****67","detail":"cooldown","count":3}}"#;
        let event = ServerEvent { id: Some(7), name: "audit.refused".to_owned(), data: data.to_owned() };
        assert_eq!(
            event_line(&event, Format::Plain),
            "2026-06-01T00:00:00.000Z audit.refused +4179*****67 cooldown, 3 times by web\n"
        );
    }

    #[test]
    fn a_state_is_one_follower_s_and_must_be_an_id() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let mut state = State::open(&path).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(state.known, None);
        assert_eq!(State::open(&path).err().unwrap().exit, Exit::Usage);
        state.write(41).unwrap();
        drop(state);
        assert_eq!(State::open(&path).unwrap_or_else(|e| panic!("{e:?}")).known, Some(41));
        std::fs::write(&path, "41x").unwrap();
        let told = State::open(&path).err().unwrap();
        assert!(told.message.contains("--since"), "{}", told.message);
    }

    #[test]
    fn a_gap_is_a_line_of_its_own() {
        let line = |data: &str| {
            let event = ServerEvent { id: None, name: "gap".to_owned(), data: data.to_owned() };
            event_line(&event, Format::Plain)
        };
        assert_eq!(line(r#"{"type":"gap","missed":12}"#), "gap: 12 events were missed\n");
        assert_eq!(line(r#"{"type":"gap"}"#), "gap: events were missed\n");
    }
}
