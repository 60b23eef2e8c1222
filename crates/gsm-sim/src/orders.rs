//! What a simulation can have a modem do besides its faults: restart, lose its SIM, fill its memories, refuse
//! numbers, and vary its delivery reports.

use std::time::{Duration, Instant};

use super::hang::Cure;
use super::modem::{Event, Modem};
use super::script::{CardState, Delay};
use super::settings::Settings;
use super::tpdu::{Pdu, deliver};

/// How a modem restarts at once, while its port stays: what it was doing and its settings are lost.
///
/// ```
/// use gsm_sim::Restart;
/// let silent = Restart::default();
/// let announced = Restart { announce: Some(vec!["^SYSSTART".to_owned()]), ..Restart::default() };
/// # let _ = (silent, announced);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restart {
    /// Lines that announce the restart, before the script's own lines for a power-on. `None`: neither are written.
    pub announce: Option<Vec<String>>,
    /// The modem is in text mode afterwards and at every later power-on, provided that it has text mode.
    pub text_mode: bool,
}

/// What becomes of the delivery reports that messages ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reports {
    /// The time from a sent message to its report, and from each report to the next.
    pub delay: Delay,
    /// How often each report comes: 0 is never.
    pub times: u32,
    /// The first report comes before `+CMGS: n`, and without delay.
    pub before_answer: bool,
}

impl Default for Reports {
    fn default() -> Self {
        Self { delay: Duration::from_millis(50).into(), times: 1, before_answer: false }
    }
}

/// The sender of the messages that fill a memory.
const FILLER: &str = "+41790009999";

impl Modem {
    /// The settings of a power-on.
    pub(super) fn first_settings(&self) -> Settings {
        let mut settings = Settings::at_power_on(&self.script);
        settings.text_mode |= self.starts_in_text_mode && self.script.sending.text_mode;
        settings
    }

    pub(super) fn restart(&mut self, restart: Restart, now: Instant) {
        if self.hung.as_ref().is_some_and(|hang| hang.cure == Cure::Nothing) {
            return;
        }
        self.starts_in_text_mode = restart.text_mode;
        let Some(lines) = restart.announce else {
            let said = self.out.len();
            self.power_on(now);
            self.out.truncate(said);
            return self.timers.retain(|(_, event)| !matches!(event, Event::Start(_)));
        };
        self.settings = self.first_settings();
        self.write_lines_each(&lines);
        self.power_on(now);
    }

    /// Sets the SIM's state from now on and for every power-on.
    pub(super) fn set_card(&mut self, state: CardState, now: Instant) {
        let was = std::mem::replace(&mut self.sim.state, state);
        self.sim.at_power_on = state;
        self.sim_ready();
        match (was, state) {
            (_, CardState::Absent) => self.deregister(),
            (CardState::Absent, _) if self.settings.function == 1 => self.register(now),
            _ => {}
        }
    }

    pub(super) fn set_card_busy(&mut self, time: Delay, now: Instant) {
        self.sim_ready();
        self.sim_busy = true;
        self.after(time, now, Event::SimReady);
    }

    fn sim_ready(&mut self) {
        self.sim_busy = false;
        self.timers.retain(|(_, event)| !matches!(event, Event::SimReady));
    }

    /// Fills all free places with messages that were received and read.
    pub(super) fn fill(&mut self, memory: &str) {
        for count in 1_u32.. {
            let text = format!("Message {count}");
            // A short text has one part.
            let mut parts = deliver(&self.smsc, FILLER, &text, 0, self.network.wall());
            if parts.pop().and_then(|part| self.memories.store(memory, 1, part)).is_none() {
                return;
            }
        }
    }

    /// The number of the `+CMS ERROR` that a message to this number gets.
    pub(super) fn refused_number(&self, to: &str) -> Option<u16> {
        self.refused_numbers.get(to).copied().or(self.refuses_all)
    }

    /// The network has accepted a message that asks for a report.
    pub(super) fn reports_later(&mut self, pdu: &Pdu, now: Instant) {
        let Reports { delay, times, before_answer } = self.reports;
        let mut due = now;
        for count in 0..times {
            if count == 0 && before_answer {
                self.report(pdu.clone());
            } else {
                due += self.sample(delay);
                self.timers.push((due, Event::Report(pdu.clone())));
            }
        }
    }
}
