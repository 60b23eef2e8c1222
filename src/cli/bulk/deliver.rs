//! Asks the daemon for each row in turn, and waits where the daemon says so or is away.

use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::Value;

use super::record::{Record, State};
use super::results::Became;
use super::rows::Row;
use crate::api::client::{Call, ClientError, Reply};
use crate::api::wire;
use crate::cli::exit::{Exit, Failure};
use crate::cli::message::path;
use crate::cli::output::{Session, note, print_json};
use crate::cli::progress::{Unit, progress};
use crate::cli::verification::{WAIT, is_over};
use crate::clock::Clock;

/// The pause before a daemon that is away is asked again, and the longest.
const AWAY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// How long a daemon that answered before may be away.
const PATIENCE: Duration = Duration::from_secs(300);
/// A request to wait is told to a person when it is as long as this.
const WORTH_TELLING: Duration = Duration::from_secs(5);

/// What is sent, and how far it came.
pub(super) struct Run<'a> {
    session: &'a Session,
    /// How far it came.
    pub(super) record: Record,
    rows: &'a [Row],
    /// The members that all messages have.
    body: Value,
    bar: ProgressBar,
    /// Whether the daemon has answered before.
    answered: bool,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl<'a> Run<'a> {
    /// A run whose rows are not asked for yet, or some of them.
    pub(super) fn new(session: &'a Session, record: Record, rows: &'a [Row], body: Value) -> Self {
        Self { session, record, rows, body, bar: ProgressBar::hidden(), answered: false }
    }

    /// Has the daemon take each row that it has not taken yet.
    pub(super) async fn deliver(&mut self) -> Result<(), Failure> {
        let clock = Clock::system();
        self.show("sending");
        for row in self.rows {
            if !self.record.is_settled(row.line) {
                self.record.begin(row.line, clock.now())?;
                let state = self.offer(row).await?;
                self.record.end(row.line, state)?;
            }
            self.bar.inc(1);
        }
        self.record.sync()
    }

    async fn offer(&mut self, row: &Row) -> Result<State, Failure> {
        let mut body = self.body.clone();
        body["to"] = row.to.as_str().into();
        body["text"] = row.text.expose().as_str().into();
        let call = Call::post("/v1/messages").header("idempotency-key", self.record.key(row.line)).json(body);
        let reply = self.ask(call).await?;
        let Some(problem) = reply.problem() else {
            let message: wire::Message = reply.parse()?;
            if !self.session.is_for_people() {
                print_json(&reply)?;
            }
            return Ok(State::Accepted { id: message.id, parts: message.parts });
        };
        match problem.code.as_str() {
            "invalid_number" | "destination_blocked" | "text_too_long" | "too_large" => {
                Ok(State::Refused { code: problem.code, detail: problem.detail })
            }
            // It speaks of all rows.
            _ => {
                let failure = Failure::from(problem);
                Err(Failure::new(failure.exit, format!("line {}: {}", row.line, failure.message)))
            }
        }
    }

    /// What became of each message that was accepted, at once or when it is over.
    pub(super) async fn became(&mut self, wait: bool) -> Result<Became, Failure> {
        self.show(if wait { "waiting" } else { "looking" });
        let mut became = Became::new();
        for row in self.rows {
            if let Some(State::Accepted { id, .. }) = self.record.of(row.line) {
                let id = id.clone();
                became.insert(row.line, self.look(&id, wait).await?);
            }
            self.bar.inc(1);
        }
        Ok(became)
    }

    async fn look(&mut self, id: &str, wait: bool) -> Result<String, Failure> {
        loop {
            let asked = Clock::system().monotonic();
            let call = Call::get(path(id));
            let reply = self.ask(if wait { call.wait(WAIT) } else { call }).await?;
            match reply.problem() {
                Some(problem) if problem.status == 404 => return Ok("forgotten".to_owned()),
                Some(problem) => return Err(problem.into()),
                None => {}
            }
            let message: wire::Message = reply.parse()?;
            if !wait || is_over(&message.status) {
                return Ok(message.status);
            }
            // A daemon that answers early is not asked more than once a second.
            tokio::time::sleep(Duration::from_secs(1).saturating_sub(asked.elapsed())).await;
        }
    }

    /// Sends a request until it is answered for good: after the pause that the daemon asks for, and again while the daemon
    /// is away, as long as it may be.
    async fn ask(&mut self, call: Call) -> Result<Reply, Failure> {
        let clock = Clock::system();
        let (began, mut pause, mut told) = (clock.monotonic(), AWAY.0, false);
        loop {
            let why = match self.session.client.call(call.clone()).await {
                Ok(reply) => match (reply.status.as_u16(), reply.retry_after) {
                    (429 | 503, Some(after)) => {
                        self.answered = true;
                        self.wait(after, &reply).await;
                        continue;
                    }
                    (503, None) => reply.problem().map(|problem| problem.detail).unwrap_or_default(),
                    _ => {
                        self.answered = true;
                        self.bar.set_message("");
                        return Ok(reply);
                    }
                },
                Err(e) if self.answered || !matches!(e, ClientError::Unreachable { .. }) => e.to_string(),
                Err(e) => return Err(e.into()),
            };
            if clock.monotonic().duration_since(began) > PATIENCE {
                let what = format!("{why}. The same command goes on from here");
                return Err(Failure::new(Exit::Unavailable, what));
            }
            if !told {
                self.bar.suspend(|| note(&format!("{why}; waiting for the daemon")));
                told = true;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AWAY.1);
        }
    }

    async fn wait(&self, after: Duration, reply: &Reply) {
        let code = reply.problem().map(|problem| problem.code).unwrap_or_default();
        let text = format!("waiting {} s: {code}", after.as_secs());
        self.bar.set_message(text.clone());
        if after >= WORTH_TELLING && self.bar.is_hidden() {
            note(&text);
        }
        tokio::time::sleep(after.max(AWAY.0)).await;
        self.bar.set_message("");
    }

    fn show(&mut self, what: &'static str) {
        self.bar.finish_and_clear();
        self.bar = progress(self.session.is_for_people(), what, Unit::Things, Some(self.rows.len() as u64));
    }
}
