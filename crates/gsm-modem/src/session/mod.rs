//! The dialogue with one modem as a pure state machine (ITU-T V.250, 3GPP TS 27.005 and TS 27.007).
//!
//! Octets, orders and the present go in; [`Action`]s come out. It knows no port and no clock. The rules it keeps:
//! octets become whole lines or an awaited prompt before anything is classified; every command states what it
//! expects and what else arrives is an unsolicited code or is counted and dropped; after a time-out nothing is
//! sent before the dialogue is found again; and a message whose PDU has left is accepted, rejected or unknown,
//! never guessed.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ladder::Ladder;
use super::profiles::{Identity, Profile, Quirk};
use super::recorder::{Direction, Recorder};
use super::settings::Settings;
use super::snapshot::{Notice, Snapshot, State};
use crate::at::{
    Command, Domain, Expects, Frame, Framer, Line, Prompt, Registration, ResultCode, Routed, Unsolicited,
};

mod action;
mod bring_up;
mod check;
mod choose;
mod network;
mod pin;
mod recovery;
mod resync;
mod storage;
mod submit;
#[cfg(test)]
mod tests;
mod text_mode;
mod trace;
mod translate;
mod urc;
mod ussd;
mod ussd_text;

pub use action::{Action, Closing, Output, UssdAnswer};
use bring_up::{BringUp, Step};
use check::Check;
use pin::PinState;
use recovery::{Against, Radio};
use resync::{Resync, Then};
use storage::{Errand, Storage};
use submit::{Late, Order, Stage};
use text_mode::TextMode;
use urc::Awakenings;
use ussd::{Dialogue, Ussd, Wish};

/// A line that no modem needs for one answer.
const ANSWER_LINES: usize = 64;

/// One modem's dialogue.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    framer: Framer,
    phase: Phase,
    outstanding: Option<Outstanding>,
    timer: Option<Instant>,
    /// The head of a two-line code was read; its second line is due.
    following: Option<Routed<'static>>,
    /// Lines that belong to a code of the family's own and say nothing here.
    rest_of_code: usize,
    order: Option<Order>,
    late: Option<Late>,
    wishes: Wishes,
    storage: Storage,
    progress: BringUp,
    pin: PinState,
    /// The family that it belongs to, as far as is known.
    profile: Arc<Profile>,
    usb: Option<(u16, u16)>,
    /// The domain whose registration counts; nothing when the modem knows none.
    domain: Option<Domain>,
    /// `AT+CMMS` was refused: not asked again until the modem begins anew.
    more_refused: bool,
    text: TextMode,
    /// `+CSMS: 1` cannot be left: reports want an acknowledgement.
    acknowledges: bool,
    opened_before: bool,
    awakenings: Awakenings,
    ladder: Ladder,
    against: Against,
    dialogue: Dialogue,
    recorder: Recorder,
    /// When the log was last told what went before a failure.
    told: Option<Instant>,
    snapshot: Snapshot,
    dirty: bool,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Resync(Resync),
    BringUp,
    Idle,
    Sending,
    Checking(Check),
    Storage(Errand),
    Ussd(Ussd),
    Restarting,
    Radio(Radio),
    /// Nothing helped: it is left alone for a while.
    Resting,
}

#[derive(Debug)]
struct Outstanding {
    command: Command,
    expects: Expects,
    answer: Vec<String>,
    deadline: Instant,
}

#[derive(Debug, Default)]
struct Wishes {
    stop: Option<Instant>,
    restart: bool,
    bring_up: bool,
    acknowledge: bool,
    ussd: Option<Wish>,
}

impl Session {
    /// A session whose port is not open yet.
    pub fn new(settings: Settings) -> Self {
        let port = settings.find.to_string();
        let ladder = Ladder::new(settings.timing.ladder);
        Self {
            profile: settings.profiles.of(&Identity::default()),
            settings,
            framer: Framer::new(),
            phase: Phase::Closed,
            outstanding: None,
            timer: None,
            following: None,
            rest_of_code: 0,
            order: None,
            late: None,
            wishes: Wishes::default(),
            storage: Storage::default(),
            progress: BringUp::at(Step::FIRST),
            pin: PinState::default(),
            usb: None,
            domain: Some(Domain::Cs),
            more_refused: false,
            text: TextMode::default(),
            acknowledges: false,
            opened_before: false,
            awakenings: Awakenings::default(),
            ladder,
            against: Against::default(),
            dialogue: Dialogue::default(),
            recorder: Recorder::new(),
            told: None,
            snapshot: Snapshot { port, ..Snapshot::default() },
            dirty: true,
            actions: VecDeque::new(),
        }
    }

    /// What is known of the modem.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Whether the snapshot changed since this was asked last.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// What to do next; ask until there is nothing.
    pub fn action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front()?;
        self.trace_out(&action);
        Some(action)
    }

    /// Whether it has no port.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// When to call [`Session::tick`] at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let stop = self.wishes.stop.filter(|_| !matches!(self.phase, Phase::Closed));
        [self.outstanding.as_ref().map(|o| o.deadline), self.timer, stop].into_iter().flatten().min()
    }

    /// The USB vendor and product of the port that is opened next; nothing for a plain serial line.
    pub fn on_usb(&mut self, usb: Option<(u16, u16)>) {
        self.usb = usb;
        self.choose_profile();
    }

    /// The port was opened.
    pub fn opened(&mut self, port: &Path, now: Instant) {
        self.snapshot.port = port.display().to_string();
        self.recorder.at(now);
        self.recorder.note(Direction::Note, format_args!("its port is open"));
        if self.opened_before {
            self.snapshot.counters.reopens += 1;
        }
        self.opened_before = true;
        self.framer.clear();
        self.following = None;
        self.rest_of_code = 0;
        self.pin.device_began_anew();
        self.ladder.here();
        if let Some(until) = self.ladder.rests_until(now) {
            self.rest(until, now);
            return;
        }
        self.set_state(if self.ladder.in_trouble() { State::Recovering } else { State::Starting });
        self.start_resync(resync::Open::Perhaps, Then::BringUp(Step::FIRST), now);
    }

    /// The port cannot be opened, or is gone.
    pub fn lost(&mut self, reason: &str) {
        self.abandon(reason);
        if !self.is_closed() {
            self.ladder.unplugged();
        }
        self.enter_closed();
        self.set_fault(reason);
        self.set_state(State::Absent);
    }

    /// The body of a message could not be written, not one octet of it.
    pub fn body_unsent(&mut self) {
        if let Some(order) = &mut self.order {
            order.body_unsent();
        }
    }

    /// A notice found its channel full.
    pub fn notice_lost(&mut self) {
        self.snapshot.counters.lost_notices += 1;
        self.dirty = true;
    }

    /// Octets were read.
    pub fn received(&mut self, octets: &[u8], now: Instant) {
        self.recorder.at(now);
        self.framer.push(octets);
        while let Some(frame) = self.framer.next(self.prompt_awaited()) {
            match frame {
                Frame::Line(line) => self.line(&line, now),
                Frame::Prompt => {
                    self.trace_in(">");
                    self.prompted(now);
                }
                Frame::Overlong => self.count_dropped(),
            }
        }
        if matches!(self.phase, Phase::Idle) && self.framer.holds_prompt() {
            // Nobody asked for it, and it would swallow the next command.
            self.start_resync(resync::Open::Perhaps, Then::Idle, now);
        }
    }

    /// Time passed.
    pub fn tick(&mut self, now: Instant) {
        self.recorder.at(now);
        if self.wishes.stop.is_some_and(|stop| stop <= now) {
            self.close_for_good();
            return;
        }
        if self.outstanding.as_ref().is_some_and(|o| o.deadline <= now)
            && let Some(outstanding) = self.outstanding.take()
        {
            self.timed_out(&outstanding, now);
        }
        if self.timer.is_some_and(|timer| timer <= now) {
            self.timer = None;
            self.timer_fired(now);
        }
    }

    /// Takes no more orders.
    pub fn pause(&mut self) {
        self.snapshot.paused = true;
        self.refresh_state();
    }

    /// Takes orders again.
    pub fn resume(&mut self) {
        self.snapshot.paused = false;
        self.refresh_state();
    }

    /// Begins anew with the device, once no message is on the air.
    pub fn reset(&mut self, now: Instant) {
        match self.phase {
            Phase::Closed => {}
            Phase::Sending | Phase::Checking(_) | Phase::Storage(_) => self.wishes.restart = true,
            _ => self.start_restart(now),
        }
    }

    /// Finishes the message on the air, within `grace`, and closes the port.
    pub fn stop(&mut self, grace: Duration, now: Instant) {
        self.wishes.stop = Some(now + grace);
        if !matches!(self.phase, Phase::Sending) {
            self.close_for_good();
        }
    }

    fn line(&mut self, line: &str, now: Instant) {
        // A prompt that nobody awaited stands before whatever comes next.
        let line = line.trim_start_matches(['>', ' ']);
        if line.is_empty() {
            return;
        }
        if self.second_line(line)
            || self.stored_message(line, now)
            || self.text_echo(line)
            || self.ussd_line(line, now)
        {
            return;
        }
        let expects = self.outstanding.as_ref().map(|o| o.expects);
        let own = self.profile.lines_of(line);
        let meaning = Line::with(line, expects.as_ref(), |_| own.is_some());
        if meaning == Line::Unknown && matches!(self.phase, Phase::Storage(_)) {
            // Perhaps somebody's text, or half a PDU.
            self.trace_hidden(line);
        } else {
            self.trace_in(line);
        }
        match meaning {
            Line::Echo => {}
            Line::Final(code) => self.finished(&code, now),
            Line::Answer(body) => self.answered(body, now),
            Line::Unsolicited(Unsolicited::Other) => self.rest_of_code = own.unwrap_or(1).saturating_sub(1),
            Line::Unsolicited(code) => self.unsolicited(&code, now),
            Line::Unknown => self.stray(line, now),
        }
    }

    fn answered(&mut self, body: &str, now: Instant) {
        if matches!(self.phase, Phase::Sending) {
            self.reference_read(body, now);
        } else if matches!(self.phase, Phase::Storage(Errand::List | Errand::Read(..) | Errand::Walk(_))) {
            self.entry_read(body, now);
        } else if let Some(outstanding) = &mut self.outstanding
            && outstanding.answer.len() < ANSWER_LINES
        {
            outstanding.answer.push(body.to_owned());
            if outstanding.command == Command::PinState && self.profile.has(Quirk::PinWithoutOk) {
                // An OK that comes all the same must not end the next command.
                outstanding.deadline = now + self.settings.timing.quiet;
            }
        }
    }

    fn finished(&mut self, code: &ResultCode, now: Instant) {
        let Some(outstanding) = self.outstanding.take() else {
            self.late_line(now);
            return;
        };
        match &self.phase {
            Phase::Resync(_) => self.resync_finished(outstanding, code, now),
            Phase::BringUp => self.bring_up_finished(&outstanding, code, now),
            Phase::Sending => self.sending_finished(outstanding, code, now),
            Phase::Checking(_) => self.check_finished(&outstanding, code, now),
            Phase::Storage(_) => self.storage_finished(&outstanding, code, now),
            Phase::Ussd(_) => self.ussd_finished(code, now),
            Phase::Restarting => self.restart_finished(&outstanding, code, now),
            Phase::Radio(_) => self.radio_switched(now),
            Phase::Idle | Phase::Resting | Phase::Closed => self.late_line(now),
        }
    }

    fn timed_out(&mut self, outstanding: &Outstanding, now: Instant) {
        match &self.phase {
            Phase::Resync(_) => self.resync_timed_out(now),
            Phase::BringUp => self.bring_up_timed_out(outstanding, now),
            Phase::Sending => self.sending_timed_out(now),
            Phase::Checking(_) => {
                self.ladder.notice(now);
                self.set_fault("the modem did not answer in time and is being called anew");
                self.start_resync(resync::Open::No, Then::Idle, now);
            }
            Phase::Storage(_) => self.storage_timed_out(outstanding, now),
            Phase::Ussd(_) => self.ussd_timed_out(now),
            Phase::Restarting => self.close_to_reopen(),
            Phase::Radio(_) => self.radio_switched(now),
            Phase::Idle | Phase::Resting | Phase::Closed => {}
        }
    }

    fn timer_fired(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Idle) && (self.end_stale_dialogue(now) || self.start_storage(now)) {
            return;
        }
        match &self.phase {
            Phase::Resync(_) => self.resync_timer(now),
            Phase::BringUp => self.bring_up_step(now),
            Phase::Idle => self.start_check(Check::keep_alive(self.domain), now),
            Phase::Ussd(_) => self.ussd_timed_out(now),
            Phase::Resting => self.rested(now),
            Phase::Sending
            | Phase::Checking(_)
            | Phase::Storage(_)
            | Phase::Restarting
            | Phase::Radio(_)
            | Phase::Closed => {}
        }
    }

    /// Nothing is outstanding and the dialogue is in step: do what waited, else wait for work.
    fn become_idle(&mut self, now: Instant) {
        self.phase = Phase::Idle;
        self.outstanding = None;
        if self.wishes.stop.is_some() {
            self.close_for_good();
        } else if self.wishes.restart {
            self.start_restart(now);
        } else if self.wishes.bring_up {
            self.wishes.bring_up = false;
            self.set_state(State::Starting);
            self.start_resync(resync::Open::No, Then::BringUp(Step::FIRST), now);
        } else if self.cure_failing(now) {
            // The port may be closed now.
        } else if self.domain.is_some() && !self.may_send(self.snapshot.registration) {
            self.set_fault(self.network_fault());
            self.set_state(State::Recovering);
            self.start_bring_up(Step::Registration, now);
        } else if self.wishes.acknowledge {
            self.wishes.acknowledge = false;
            self.start_check(Check::acknowledge(), now);
        } else if (!self.text.on || self.text.charset == Some(self.text.plain))
            && let Some(wish) = self.wishes.ussd.take()
        {
            self.start_ussd(wish, now);
        } else {
            let keep_alive = now + self.settings.timing.keep_alive;
            self.timer = Some(self.storage_due(now).map_or(keep_alive, |due| due.min(keep_alive)));
            self.set_state(State::Ready);
            self.well(now);
        }
    }

    fn write_command(&mut self, command: Command, limit: Duration, now: Instant) {
        self.recorder.at(now);
        let expects = command.expects();
        self.outstanding = Some(Outstanding {
            command: command.clone(),
            expects,
            answer: Vec::new(),
            deadline: now + limit,
        });
        self.actions.push_back(Action::Write(Output::Command(command)));
    }

    fn prompt_awaited(&self) -> Prompt {
        let awaits = self.order.as_ref().is_some_and(|o| matches!(o.stage, Stage::Prompt | Stage::Withdrawn));
        if awaits && !matches!(self.following, Some(Routed::TextFollows(_))) {
            Prompt::Awaited
        } else {
            Prompt::Ignored
        }
    }

    fn close_for_good(&mut self) {
        if let Some(order) = &self.order
            && matches!(order.stage, Stage::Held | Stage::Prompt | Stage::Withdrawn)
        {
            self.actions.push_back(Action::Write(Output::Escape));
        }
        self.abandon("the daemon was stopped");
        self.enter_closed();
        self.set_state(State::Absent);
        self.actions.push_back(Action::Close(Closing::Stop));
    }

    /// Gives up what is under way: the order, a USSD request.
    fn abandon(&mut self, reason: &str) {
        self.abandon_order(reason);
        self.fail_ussd(reason);
    }

    fn enter_closed(&mut self) {
        self.phase = Phase::Closed;
        self.outstanding = None;
        self.timer = None;
        self.following = None;
        self.framer.clear();
    }

    fn set_state(&mut self, state: State) {
        let state = match state {
            State::Ready if self.snapshot.paused => State::Paused,
            other => other,
        };
        if self.snapshot.state == state {
            return;
        }
        self.trace_state(state);
        let quiet = |state| matches!(state, State::Ready | State::Busy);
        if !(quiet(self.snapshot.state) && quiet(state)) {
            self.actions.push_back(Action::Notice(Notice::Changed));
            tracing::debug!(modem = %self.settings.name, from = ?self.snapshot.state, to = ?state, "state");
        }
        self.snapshot.state = state;
        self.snapshot.ready = quiet(state) && !self.snapshot.paused;
        self.dirty = true;
    }

    /// After a change of `paused`.
    fn refresh_state(&mut self) {
        self.dirty = true;
        match self.snapshot.state {
            State::Paused | State::Ready => {
                self.snapshot.state = State::Starting;
                self.set_state(State::Ready);
            }
            State::Busy => {
                self.snapshot.ready = !self.snapshot.paused;
            }
            _ => {}
        }
    }

    fn set_registration(&mut self, registration: Registration) {
        if self.snapshot.registration != registration {
            self.snapshot.registration = registration;
            self.changed();
        }
    }

    fn set_fault(&mut self, sentence: &str) {
        self.note_cause(sentence);
        if self.snapshot.last_error.as_deref() != Some(sentence) {
            self.snapshot.last_error = Some(sentence.to_owned());
            self.dirty = true;
        }
    }

    fn changed(&mut self) {
        self.dirty = true;
        self.actions.push_back(Action::Notice(Notice::Changed));
    }

    fn count_dropped(&mut self) {
        self.snapshot.counters.dropped_lines += 1;
        self.dirty = true;
    }

    /// A final result that belongs to no command: of one that was given up.
    fn late_line(&mut self, now: Instant) {
        self.snapshot.counters.late_lines += 1;
        self.dirty = true;
        self.resync_disturbed(now);
    }
}
