//! `top`: a live view of the daemon, from its events, its status and its modems, with keys for what an operator does about
//! a modem. `view` holds what is known and what a key means, `screen` draws it.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as Input};
use serde::de::DeserializeOwned;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::daemon::modem_path;
use super::exit::{Exit, Failure};
use super::output::{Format, Session};
use super::verification::{MOST, listing};
use crate::api::client::{Call, Client, Events, ServerEvent};
use crate::api::wire;
use crate::clock::Clock;

mod rates;
mod screen;
#[cfg(test)]
mod tests;
mod view;
mod waiting;

use view::{Deed, Done, Seen, Step, View};

/// What happens within this time is drawn together.
const TOGETHER: Duration = Duration::from_millis(250);
/// The daemon is looked at and drawn after so many of these spans, even when nothing happens.
const REDRAW: u32 = 8;
/// While the daemon is slow to answer, that is told after each of so many spans.
const ABOUT_A_SECOND: u32 = 4;
/// How many pages of messages of each status are read at the start.
const PAGES: usize = 5;

/// `smsotp top`: until `q`, Ctrl-C or the daemon's end.
pub(super) async fn run(session: &Session) -> Result<Exit, Failure> {
    if session.format == Format::Json || !io::stdout().is_terminal() {
        return Err(Failure::new(Exit::Usage, "top draws on a terminal; see status and modems for programs"));
    }
    let events = match session.client.events(None).await? {
        Ok(events) => events,
        Err(reply) => return session.accept(reply).map(|_| Exit::Done),
    };
    let mut view = View::new(session.format, Clock::system().monotonic());
    let seen = look(&session.client, view.waiting.ask()).await?;
    view.is_seen(seen);
    let mut screen = Screen::enter()?;
    follow(&session.client, events, &mut view, &mut screen.0).await
}

/// Draws until the end. Whatever asks the daemon does so beside this, so that keys and signals are heard while it is slow.
async fn follow(
    client: &Client,
    mut events: Events,
    view: &mut View,
    terminal: &mut DefaultTerminal,
) -> Result<Exit, Failure> {
    let mut inputs = inputs();
    let (done, mut deeds_done) = mpsc::channel(8);
    let (looked, mut looks) = mpsc::channel(1);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut ticks = tokio::time::interval(TOGETHER);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut stale, mut idle, mut looking) = (true, 0, false);
    loop {
        let (now, wall) = (Clock::system().monotonic(), Clock::system().now());
        if stale {
            terminal.draw(|frame| screen::draw(frame, view, now, wall))?;
        }
        stale = true;
        tokio::select! {
            event = next(&mut events) => {
                view.happened(&event?, Clock::system().monotonic());
                // The next tick draws all that happened until then.
                (stale, idle) = (false, REDRAW);
            }
            _ = ticks.tick() => {
                idle += 1;
                stale = false;
                if looking {
                    view.silent += TOGETHER;
                    stale = idle % ABOUT_A_SECOND == 0;
                } else if idle >= REDRAW {
                    (idle, looking) = (0, true);
                    let (client, looked, wanted) = (client.clone(), looked.clone(), view.waiting.ask());
                    // Nobody waits for it when the program ends.
                    tokio::spawn(async move { looked.send(look(&client, wanted).await).await });
                }
            }
            Some(seen) = looks.recv() => {
                (looking, view.silent) = (false, Duration::ZERO);
                view.is_seen(seen?);
            }
            Some(input) = inputs.recv() => {
                if let Input::Key(key) = input {
                    match view.key(key) {
                        Step::Stay => {}
                        Step::End => return Ok(Exit::Done),
                        Step::Do(deed, modem) => {
                            let (client, done) = (client.clone(), done.clone());
                            tokio::spawn(async move {
                                let result = act(&client, deed, &modem).await;
                                done.send((deed, modem, result)).await
                            });
                        }
                    }
                }
            }
            Some((deed, modem, result)) = deeds_done.recv() => view.done(deed, &modem, result),
            _ = interrupt.recv() => return Ok(Exit::Done),
            _ = terminate.recv() => return Ok(Exit::Done),
            _ = hang_up.recv() => return Ok(Exit::Done),
        }
    }
}

async fn next(events: &mut Events) -> Result<ServerEvent, Failure> {
    let event = events.next().await?;
    event.ok_or_else(|| Failure::new(Exit::Unavailable, "the daemon ended the stream: it stops"))
}

async fn ask<T: DeserializeOwned>(client: &Client, call: Call) -> Result<T, Failure> {
    let reply = client.call(call).await?;
    match reply.problem() {
        Some(problem) => Err(problem.into()),
        None => Ok(reply.parse()?),
    }
}

/// Asks how the daemon stands, and if it is wanted which messages are not over.
async fn look(client: &Client, wanted: bool) -> Result<Seen, Failure> {
    let status = ask(client, Call::get("/v1/status")).await?;
    let modems = ask::<wire::Modems>(client, Call::get("/v1/modems")).await?.modems;
    let mut waiting = None;
    if wanted {
        let (mut messages, mut whole) = (Vec::new(), true);
        for status in ["queued", "sending"] {
            whole &= read(client, status, &mut messages).await?;
        }
        waiting = Some((messages, whole));
    }
    Ok(Seen { status, modems, waiting })
}

/// Reads the newest messages of a status. Returns whether these are all.
async fn read(client: &Client, status: &str, messages: &mut Vec<wire::Message>) -> Result<bool, Failure> {
    let mut cursor = None;
    for _ in 0..PAGES {
        let (status, limit) = (Some(status.to_owned()), Some(MOST.to_string()));
        let query = [("status", status), ("limit", limit), ("cursor", cursor)];
        let page: wire::Messages = ask(client, listing("/v1/messages", query)).await?;
        messages.extend(page.messages);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn act(client: &Client, deed: Deed, modem: &str) -> Result<Done, Failure> {
    let path = modem_path(modem) + deed.path();
    match deed {
        Deed::Trace => ask(client, Call::get(path)).await.map(Done::Trace),
        _ => ask(client, Call::post(path)).await.map(|modem| Done::Modem(Box::new(modem))),
    }
}

/// The terminal in raw mode, on the alternate screen. Dropping it gives the terminal back as it was, and so does a panic.
struct Screen(DefaultTerminal);

impl Screen {
    fn enter() -> Result<Self, Failure> {
        ratatui::try_init().map(Self).map_err(|e| {
            ratatui::restore();
            Failure::new(Exit::Internal, format!("the terminal cannot be drawn on: {e}"))
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The terminal may be gone.
        let _ = ratatui::try_restore();
        let _ = self.0.show_cursor();
    }
}

/// Keys as they are pressed, and the terminal's other sizes. The thread stays in its read until the program ends.
fn inputs() -> mpsc::Receiver<Input> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        while let Ok(input) = event::read() {
            if sender.blocking_send(input).is_err() {
                return;
            }
        }
    });
    receiver
}
