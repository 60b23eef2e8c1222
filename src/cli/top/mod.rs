//! `top`: a live view of the daemon, from its events, its status and its modems, with keys for what an operator does about
//! a modem. `view` holds what is known and what a key means, `screen` draws it.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as Input};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::daemon::modem_path;
use super::exit::{Exit, Failure};
use super::output::{Format, Session};
use super::verification::listing;
use crate::api::client::{Call, Client, Events, ServerEvent};
use crate::api::wire;
use crate::clock::Clock;

mod rates;
mod screen;
#[cfg(test)]
mod tests;
mod view;
mod waiting;

use view::{Deed, Done, Step, View};

/// What happens within this time is drawn together.
const TOGETHER: Duration = Duration::from_millis(250);
/// The daemon is looked at and drawn after so many of these spans, even when nothing happens.
const REDRAW: u32 = 8;
/// The largest page of messages, and how many pages of each status are read at the start.
const PAGE: u32 = 1000;
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
    look(session, &mut view).await?;
    let mut screen = Screen::enter()?;
    follow(session, events, &mut view, &mut screen.0).await
}

async fn follow(
    session: &Session,
    mut events: Events,
    view: &mut View,
    terminal: &mut DefaultTerminal,
) -> Result<Exit, Failure> {
    let mut inputs = inputs();
    let (done, mut deeds_done) = mpsc::channel(8);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut ticks = tokio::time::interval(TOGETHER);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut stale, mut idle) = (true, 0);
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
                if idle < REDRAW {
                    stale = false;
                } else {
                    idle = 0;
                    look(session, view).await?;
                }
            }
            Some(input) = inputs.recv() => {
                if let Input::Key(key) = input {
                    match view.key(key) {
                        Step::Stay => {}
                        Step::End => return Ok(Exit::Done),
                        Step::Do(deed, modem) => {
                            let (client, done) = (session.client.clone(), done.clone());
                            tokio::spawn(async move {
                                let result = act(&client, deed, &modem).await;
                                // Nobody waits for it when the program ends.
                                let _ = done.send((deed, modem, result)).await;
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

/// Asks how the daemon stands, and at the start or after a gap in the events, which messages are not over.
async fn look(session: &Session, view: &mut View) -> Result<(), Failure> {
    view.status = Some(session.ask(Call::get("/v1/status")).await?.parse()?);
    let modems = session.ask(Call::get("/v1/modems")).await?.parse::<wire::Modems>()?;
    view.modems = modems.modems;
    if view.waiting.is_unknown() {
        let mut whole = true;
        for status in ["queued", "sending"] {
            whole &= read(session, status, view).await?;
        }
        view.waiting.is_known(whole);
    }
    Ok(())
}

/// Reads the newest messages of a status. Returns whether these are all.
async fn read(session: &Session, status: &str, view: &mut View) -> Result<bool, Failure> {
    let mut cursor = None;
    for _ in 0..PAGES {
        let (status, limit) = (Some(status.to_owned()), Some(PAGE.to_string()));
        let query = [("status", status), ("limit", limit), ("cursor", cursor)];
        let page: wire::Messages = session.ask(listing("/v1/messages", query)).await?.parse()?;
        page.messages.iter().for_each(|message| view.waiting.hear(message));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn act(client: &Client, deed: Deed, modem: &str) -> Result<Done, Failure> {
    let path = modem_path(modem) + deed.path();
    let call = if deed == Deed::Trace { Call::get(path) } else { Call::post(path) };
    let reply = client.call(call).await?;
    if let Some(problem) = reply.problem() {
        return Err(problem.into());
    }
    Ok(match deed {
        Deed::Trace => Done::Trace(reply.parse()?),
        _ => Done::Modem(Box::new(reply.parse()?)),
    })
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
