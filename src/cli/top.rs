//! `top`: a live view, drawn again when something happens and every two seconds.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Read as _};
use std::time::{Duration, Instant};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::daemon::status_lines;
use super::exit::{Exit, Failure};
use super::modem_view;
use super::output::{Format, Session, clean, print};
use crate::api::client::{Call, Events, ServerEvent};
use crate::api::wire;
use crate::clock::Clock;

const REDRAW: Duration = Duration::from_secs(2);
/// Events within this time are drawn together.
const TOGETHER: Duration = Duration::from_millis(100);
/// The time over which the rate is measured.
const RATE_SPAN: Duration = Duration::from_secs(60);
/// How many events are shown.
const RECENT: usize = 10;

/// `smsotp top`: until `q`, Ctrl-C or the daemon's end.
pub(super) async fn run(session: &Session) -> Result<Exit, Failure> {
    if session.format == Format::Json || !io::stdout().is_terminal() {
        return Err(Failure::new(Exit::Usage, "top draws on a terminal; see status and modems for programs"));
    }
    let mut events = match session.client.events(None).await? {
        Ok(events) => events,
        Err(reply) => return session.accept(reply).map(|_| Exit::Done),
    };
    let mut view = View::default();
    view.look(session).await?;
    let _screen = Screen::enter()?;
    let mut keys = keys();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        print(&view.draw(session.format))?;
        tokio::select! {
            event = next(&mut events) => {
                view.recent(&event?);
                tokio::time::sleep(TOGETHER).await;
            }
            () = tokio::time::sleep(REDRAW) => {}
            Some(key) = keys.recv() => {
                if key == b'q' {
                    return Ok(Exit::Done);
                }
            }
            _ = interrupt.recv() => return Ok(Exit::Done),
            _ = terminate.recv() => return Ok(Exit::Done),
        }
        view.look(session).await?;
    }
}

async fn next(events: &mut Events) -> Result<ServerEvent, Failure> {
    let event = events.next().await?;
    event.ok_or_else(|| Failure::new(Exit::Unavailable, "the daemon ended the stream: it stops"))
}

#[derive(Default)]
struct View {
    status: Option<wire::Status>,
    modems: Vec<wire::Modem>,
    recent: VecDeque<String>,
    /// At which instants how many messages had been sent in all.
    sent: VecDeque<(Instant, u64)>,
}

impl View {
    async fn look(&mut self, session: &Session) -> Result<(), Failure> {
        self.status = Some(session.ask(Call::get("/v1/status")).await?.parse()?);
        self.modems = session.ask(Call::get("/v1/modems")).await?.parse::<wire::Modems>()?.modems;
        let now = Clock::system().monotonic();
        self.sent.push_back((now, self.modems.iter().map(|m| m.sent_total).sum()));
        while self.sent.front().is_some_and(|&(at, _)| now.duration_since(at) > RATE_SPAN) {
            self.sent.pop_front();
        }
        Ok(())
    }

    fn recent(&mut self, event: &ServerEvent) {
        let at = serde_json::from_str::<wire::Event>(&event.data).map(|data| data.at).unwrap_or_default();
        self.recent.push_front(format!("{} {}", clean(&at), clean(&event.name)));
        self.recent.truncate(RECENT);
    }

    /// Messages sent in the observed time, scaled to a minute.
    fn rate(&self) -> f64 {
        let (Some(&(began, before)), Some(&(ended, after))) = (self.sent.front(), self.sent.back()) else {
            return 0.0;
        };
        let span = ended.duration_since(began).as_secs_f64();
        let sent = u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX);
        if span < 1.0 { 0.0 } else { f64::from(sent) * 60.0 / span }
    }

    fn draw(&self, format: Format) -> String {
        let mut text = self.status.as_ref().map(|s| status_lines(s, format)).unwrap_or_default();
        // Writing into a String cannot fail.
        let _ = writeln!(text, "rate    {:.1} messages a minute\n", self.rate());
        text.push_str(&modem_view::modems(&self.modems, format, modem_view::width(), Clock::system().now()));
        text.push('\n');
        for line in &self.recent {
            let _ = writeln!(text, "{line}");
        }
        text.push_str("\nq ends");
        // Home; each line clears the rest of its own line, and the last one everything below.
        format!("\x1b[H{}\x1b[K\x1b[J", text.replace('\n', "\x1b[K\r\n"))
    }
}

/// The alternate screen without a cursor, in which the terminal passes each key at once. Dropping it restores
/// the terminal.
struct Screen {
    before: Option<Termios>,
}

impl Screen {
    fn enter() -> Result<Self, Failure> {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            // Without this, `q` only needs the return key as well.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &raw);
        }
        let screen = Self { before };
        print("\x1b[?1049h\x1b[?25l\x1b[2J")?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = print("\x1b[?25h\x1b[?1049l");
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Keys as they are pressed. The thread stays in its `read` until the program ends.
fn keys() -> mpsc::Receiver<u8> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        for key in io::stdin().lock().bytes() {
            let Ok(key) = key else { return };
            if sender.blocking_send(key).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_span_watched() {
        let mut view = View::default();
        assert!(view.rate().abs() < f64::EPSILON);
        let began = Clock::system().monotonic();
        view.sent.push_back((began, 100));
        view.sent.push_back((began + Duration::from_secs(30), 105));
        assert!((view.rate() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_frame_clears_what_was_there() {
        let mut view = View::default();
        view.recent(&ServerEvent { id: None, name: "message.\x1bsent".to_owned(), data: "{}".to_owned() });
        let frame = view.draw(Format::Plain);
        assert!(frame.starts_with("\x1b[H") && frame.ends_with("q ends\x1b[K\x1b[J"), "{frame:?}");
        assert!(frame.contains(" message. sent\x1b[K\r\n"), "{frame:?}");
    }
}
