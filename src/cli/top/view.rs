//! What is known of the daemon, which modem is chosen, and what each key means.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::super::daemon::trace_lines;
use super::super::events::told;
use super::super::exit::Failure;
use super::super::output::{Format, clean};
use super::rates::Rates;
use super::waiting::Waiting;
use crate::api::client::ServerEvent;
use crate::api::wire;

/// How many events are kept: more than the highest screen shows.
const RECENT: usize = 200;
/// How long the daemon may take to answer before that is told.
const SILENCE: Duration = Duration::from_secs(2);
/// How far a page key scrolls a trace.
const LEAP: usize = 10;

/// What is done with the chosen modem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// Give it no more messages.
    Pause,
    /// Give it messages again.
    Resume,
    /// Restart the device.
    Reset,
    /// Show the last lines of its port.
    Trace,
}

impl Deed {
    /// The end of its path in the API.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Pause => "/pause",
            Self::Resume => "/resume",
            Self::Reset => "/reset",
            Self::Trace => "/trace",
        }
    }

    /// What a person is asked before it is done.
    fn question(self, modem: &str) -> String {
        match self {
            Self::Pause => format!("Pause {modem}? It gets no further messages."),
            Self::Resume => format!("Resume {modem}? It gets messages again."),
            Self::Reset => format!("Reset {modem}? The device restarts."),
            Self::Trace => format!("Show the trace of {modem}?"),
        }
    }
}

/// What a deed gave.
#[derive(Debug)]
pub(super) enum Done {
    /// The modem as it is afterwards.
    Modem(Box<wire::Modem>),
    /// The lines of its port.
    Trace(wire::Trace),
}

/// How the daemon stands.
#[derive(Debug)]
pub(super) struct Seen {
    /// The daemon at a glance.
    pub(super) status: wire::Status,
    /// In the configuration's order.
    pub(super) modems: Vec<wire::Modem>,
    /// The messages that are not over, when they were asked for, and whether these are all.
    pub(super) waiting: Option<(Vec<wire::Message>, bool)>,
}

/// What follows a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The screen is drawn again.
    Stay,
    /// The program ends.
    End,
    /// This is done with the modem of this name.
    Do(Deed, String),
}

/// The last lines of a modem's port, which stand in place of everything else.
#[derive(Debug)]
pub(super) struct Shown {
    /// The modem.
    pub(super) modem: String,
    /// Oldest first.
    pub(super) lines: Vec<String>,
    /// How many of the newest lines are scrolled out below.
    pub(super) below: usize,
}

/// Everything that is drawn.
#[derive(Debug)]
pub(super) struct View {
    /// Whether there are colours.
    pub(super) format: Format,
    /// How the daemon stands.
    pub(super) status: Option<wire::Status>,
    /// In the configuration's order.
    pub(super) modems: Vec<wire::Modem>,
    /// The messages that are not over.
    pub(super) waiting: Waiting,
    /// What happened, the newest first.
    pub(super) recent: VecDeque<String>,
    /// How many messages were queued, sent and failed.
    pub(super) rates: Rates,
    /// What waits for a `y`.
    pub(super) question: Option<(Deed, String)>,
    /// What the last deed gave.
    pub(super) note: String,
    /// How long the daemon has not answered.
    pub(super) silent: Duration,
    /// A trace, while it is shown.
    pub(super) trace: Option<Shown>,
    /// The name of the chosen modem; the first one until another is chosen.
    chosen: Option<String>,
}

impl View {
    /// Nothing is known yet.
    pub(super) fn new(format: Format, now: Instant) -> Self {
        Self {
            format,
            status: None,
            modems: Vec::new(),
            waiting: Waiting::default(),
            recent: VecDeque::new(),
            rates: Rates::new(now),
            question: None,
            note: String::new(),
            silent: Duration::ZERO,
            trace: None,
            chosen: None,
        }
    }

    /// The place of the chosen modem: the first, when the chosen one is gone.
    pub(super) fn chosen(&self) -> usize {
        let chosen = |name: &String| self.modems.iter().position(|modem| modem.name == *name);
        self.chosen.as_ref().and_then(chosen).unwrap_or(0)
    }

    /// The text of the line above the keys.
    pub(super) fn line(&self) -> String {
        match &self.question {
            Some((deed, modem)) => {
                format!("{} y confirms, any other key does not", deed.question(&clean(modem)))
            }
            None if self.silent >= SILENCE => {
                format!("the daemon has not answered for {} s", self.silent.as_secs())
            }
            None => self.note.clone(),
        }
    }

    /// Takes in how the daemon stands.
    pub(super) fn is_seen(&mut self, seen: Seen) {
        self.status = Some(seen.status);
        self.modems = seen.modems;
        if let Some((messages, whole)) = seen.waiting {
            self.waiting.are_listed(&messages, whole);
        }
    }

    /// Takes in an event.
    pub(super) fn happened(&mut self, event: &ServerEvent, now: Instant) {
        let (at, what) = told(event, Format::Plain);
        // The time of the day.
        let time = at.get(11..19).unwrap_or(&at);
        self.recent.push_front(format!("{time} {what}").trim().to_owned());
        self.recent.truncate(RECENT);
        let Ok(data) = serde_json::from_str::<wire::Event>(&event.data) else {
            self.waiting.forget();
            return;
        };
        if let Some(message) = &data.message {
            self.rates.hear(message, now);
            self.waiting.hear(message);
        }
        if let Some(modem) = data.modem {
            self.is_now(modem);
        }
    }

    fn is_now(&mut self, modem: wire::Modem) {
        if let Some(known) = self.modems.iter_mut().find(|known| known.name == modem.name) {
            *known = modem;
        }
    }

    /// Takes in how a deed ended.
    pub(super) fn done(&mut self, deed: Deed, modem: &str, result: Result<Done, Failure>) {
        let name = clean(modem);
        match result {
            Err(failure) => self.note = format!("{name}: {}", clean(&failure.message)),
            Ok(Done::Trace(trace)) => {
                self.note.clear();
                let lines = trace_lines(&trace, Format::Plain).lines().map(str::to_owned).collect();
                self.trace = Some(Shown { modem: name, lines, below: 0 });
            }
            Ok(Done::Modem(modem)) => {
                self.note = match deed {
                    Deed::Reset => format!("{name} restarts"),
                    _ if modem.paused => format!("{name} is paused"),
                    _ => format!("{name} gets messages"),
                };
                self.is_now(*modem);
            }
        }
    }

    /// Takes in a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Step {
        if key.kind == KeyEventKind::Release {
            return Step::Stay;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if key.code == KeyCode::Char('q') || (control && key.code == KeyCode::Char('c')) {
            return Step::End;
        }
        if let Some((deed, modem)) = self.question.take() {
            return if key.code == KeyCode::Char('y') { self.begin(deed, modem) } else { Step::Stay };
        }
        if self.trace.is_some() {
            self.scroll(key.code);
            return Step::Stay;
        }
        self.note.clear();
        match key.code {
            KeyCode::Down | KeyCode::Char('j') => self.choose(self.chosen() + 1),
            KeyCode::Up | KeyCode::Char('k') => self.choose(self.chosen().saturating_sub(1)),
            KeyCode::Char('p') => {
                let paused = self.modems.get(self.chosen()).is_some_and(|modem| modem.paused);
                self.ask(if paused { Deed::Resume } else { Deed::Pause });
            }
            KeyCode::Char('r') => self.ask(Deed::Reset),
            // Nothing changes by it, so nothing is asked.
            KeyCode::Char('t') => {
                if let Some(modem) = self.modems.get(self.chosen()) {
                    return self.begin(Deed::Trace, modem.name.clone());
                }
            }
            _ => {}
        }
        Step::Stay
    }

    fn begin(&mut self, deed: Deed, modem: String) -> Step {
        self.note = format!("{}: asked to {}", clean(&modem), &deed.path()[1..]);
        Step::Do(deed, modem)
    }

    fn ask(&mut self, deed: Deed) {
        self.question = self.modems.get(self.chosen()).map(|modem| (deed, modem.name.clone()));
    }

    fn choose(&mut self, place: usize) {
        let place = place.min(self.modems.len().saturating_sub(1));
        self.chosen = self.modems.get(place).map(|modem| modem.name.clone());
    }

    fn scroll(&mut self, key: KeyCode) {
        let Some(shown) = &mut self.trace else { return };
        let most = shown.lines.len().saturating_sub(1);
        shown.below = match key {
            KeyCode::Up | KeyCode::Char('k') => shown.below + 1,
            KeyCode::Down | KeyCode::Char('j') => shown.below.saturating_sub(1),
            KeyCode::PageUp => shown.below + LEAP,
            KeyCode::PageDown => shown.below.saturating_sub(LEAP),
            KeyCode::Home => most,
            KeyCode::End => 0,
            KeyCode::Esc | KeyCode::Char('t') | KeyCode::Enter => {
                self.trace = None;
                return;
            }
            _ => return,
        }
        .min(most);
    }
}
