//! From an answering modem to one that can send: settings, identity, SIM, PDU mode, network. Every command that
//! a modem may lack is tolerated; what stops the work is told to a person in a sentence.

use std::time::{Duration, Instant};

use super::choose::Choice;
use super::pin::PinState;
use super::resync::{Open, Then};
use super::text_mode::TextMode;
use super::{Outstanding, Phase, Session};
use crate::at::{
    Charset, Command, Domain, Failure, Registration, ResultCode, first_number, first_text, iccid, operator,
    unquoted,
};
use crate::profiles::{Identity, Quirk};
use crate::snapshot::State;

/// Tries of a setting without which nothing can be sent (modems refuse it until their SIM has settled).
pub(super) const TRIES: u32 = 10;

/// One command each, in this order but for those that only an answer leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    EchoOff,
    Verbose,
    NumericErrors,
    Manufacturer,
    Model,
    Revision,
    SerialNumber,
    Function,
    RadioOn,
    Pin,
    PinTries(usize),
    LockedIccid(usize),
    /// No command: the PIN's try is being noted down.
    RememberPin,
    EnterPin,
    Iccid(usize),
    Subscriber,
    Profile(usize),
    Charset,
    PduMode,
    Formats,
    TextMode,
    TextCharset,
    SetCentre,
    Centre,
    Service,
    PlainService,
    StoragesInUse,
    Storages,
    UseStorages(usize),
    NewMessages(usize),
    Clock,
    OperatorNumbers,
    Selection,
    SelectBefore,
    SelectOperator,
    Report,
    Registration,
    Eps,
    Ps,
    Select,
    Signal,
    OperatorFormat,
    Operator,
}

impl Step {
    pub(super) const FIRST: Self = Self::EchoOff;
}

#[derive(Debug)]
pub(super) struct BringUp {
    step: Step,
    tries: u32,
    pub(super) polls: u32,
    /// Domains that answered in this poll, and the first one's word.
    pub(super) heard: Option<Registration>,
    pub(super) selected: bool,
    pub(super) choice: Choice,
    /// The SIM's tries were asked for since it was last blocked.
    pub(super) asked_tries: bool,
    /// The SIM gave its number before its PIN.
    pub(super) locked_iccid: bool,
    /// What a person should know although the modem works.
    pub(super) fault: Option<String>,
}

impl BringUp {
    pub(super) fn at(step: Step) -> Self {
        Self {
            step,
            tries: 0,
            polls: 0,
            heard: None,
            selected: false,
            choice: Choice::default(),
            asked_tries: false,
            locked_iccid: false,
            fault: None,
        }
    }

    pub(super) const fn step(&self) -> Step {
        self.step
    }

    /// Another step, with the tries counted on.
    pub(super) const fn begin(&mut self, step: Step) {
        self.step = step;
    }
}

/// What an answer leads to.
pub(super) enum Turn {
    Go(Step),
    /// The step is taken with the tries counted on.
    Aside(Step),
    Again(Duration),
    /// Again, but not more often than a busy SIM is worth; then this step.
    Busy(Step),
    /// The step is taken after a wait.
    Later(Step, Duration),
    Block(String, Duration),
    Fail(String),
    Done,
}

impl Session {
    pub(super) fn start_bring_up(&mut self, step: Step, now: Instant) {
        if step == Step::FIRST {
            self.wishes.bring_up = false;
            self.more_refused = false;
            self.text = TextMode::default();
            self.acknowledges = false;
            self.domain = Some(Domain::Cs);
        }
        self.progress = BringUp::at(step);
        self.phase = Phase::BringUp;
        // That of the keep-alive would repeat a step whose answer is due.
        self.timer = None;
        self.bring_up_step(now);
    }

    /// The dialogue was found again: the work goes on.
    pub(super) fn resume_bring_up(&mut self, step: Step, now: Instant) {
        if step == Step::FIRST {
            return self.start_bring_up(step, now);
        }
        if self.progress.step != step {
            self.progress.step = step;
            self.progress.tries = 0;
        }
        self.phase = Phase::BringUp;
        self.bring_up_step(now);
    }

    /// Something became ready: a wait ends now.
    pub(super) fn bring_up_nudged(&mut self, now: Instant) {
        if self.outstanding.is_none() && self.timer.is_some() {
            self.timer = None;
            self.bring_up_step(now);
        }
    }

    /// Writes the command of the present step.
    pub(super) fn bring_up_step(&mut self, now: Instant) {
        let step = self.progress.step;
        let timing = self.settings.timing;
        if step == Step::Registration && self.progress.polls > 0 && self.cure_deafness(now) {
            return;
        }
        match step {
            Step::RememberPin => return self.remember_pin(),
            Step::StoragesInUse => self.storage.begins(self.card(), now),
            _ => {}
        }
        match self.command_of(step) {
            Some(command) => {
                let limit = match step {
                    Step::EnterPin | Step::RadioOn | Step::Operator => timing.slow_command,
                    Step::Select | Step::SelectBefore | Step::SelectOperator => timing.select,
                    _ => timing.command,
                };
                if step == Step::EnterPin {
                    // Whatever becomes of it, it has been tried.
                    self.pin = PinState::Spent;
                }
                self.write_command(command, limit, now);
            }
            None => self.take(Turn::Go(self.after(step)), now),
        }
    }

    fn command_of(&self, step: Step) -> Option<Command> {
        Some(match step {
            Step::EchoOff => Command::EchoOff,
            Step::Verbose => Command::Verbose,
            Step::NumericErrors => Command::NumericErrors,
            Step::Manufacturer => Command::Manufacturer,
            Step::Model => Command::Model,
            Step::Revision => Command::Revision,
            Step::SerialNumber => Command::SerialNumber,
            Step::Function => Command::Function,
            Step::RadioOn => Command::RadioOn,
            Step::Pin => Command::PinState,
            Step::PinTries(at) => Command::Question(self.pin_tries(at)?.command.clone().into()),
            Step::RememberPin => return None,
            Step::EnterPin => Command::EnterPin(self.settings.pin.clone()?),
            Step::Iccid(at) | Step::LockedIccid(at) => {
                Command::Iccid(self.profile.iccid.get(at)?.clone().into())
            }
            Step::Subscriber => Command::Subscriber,
            Step::Profile(at) => Command::Vendor(self.profile.init.get(at)?.clone().into()),
            Step::Charset => Command::Charset(Charset::Gsm),
            Step::PduMode => Command::PduMode,
            Step::Formats => Command::Formats,
            Step::TextMode => Command::TextMode,
            Step::TextCharset => Command::Charset(Charset::Ira),
            Step::SetCentre => Command::SetServiceCentre(self.settings.smsc.clone()?),
            Step::Centre => Command::ServiceCentre,
            Step::Service => Command::Service,
            Step::PlainService => Command::PlainService,
            Step::StoragesInUse => Command::StoragesInUse,
            Step::Storages => Command::Storages,
            Step::UseStorages(at) => Command::UseStorages(self.storages_wanted(at)?),
            Step::NewMessages(at) => Command::NewMessages(self.profile.new_messages.get(at).copied()?),
            Step::Clock => Command::ClockFromNetwork,
            Step::OperatorNumbers => Command::OperatorNumbers,
            Step::SelectOperator => Command::SelectOperator(self.settings.operator.clone()?),
            Step::Report => Command::ReportRegistration(self.domain?),
            Step::Registration => Command::Registration(Domain::Cs),
            Step::Eps => Command::Registration(Domain::Eps),
            Step::Ps => Command::Registration(Domain::Ps),
            Step::Select | Step::SelectBefore => Command::SelectAutomatically,
            Step::Signal => Command::Signal,
            Step::OperatorFormat => Command::OperatorFormat,
            Step::Selection | Step::Operator => Command::Operator,
        })
    }

    /// Chooses the family anew from what the modem said of itself.
    pub(super) fn choose_profile(&mut self) {
        let seen = &self.snapshot;
        let said = Identity {
            maker: &seen.manufacturer,
            model: &seen.model,
            firmware: &seen.firmware,
            usb: self.usb,
        };
        let profile = self.settings.profiles.of(&said);
        if profile.name != self.profile.name {
            tracing::debug!(modem = %self.settings.name, profile = profile.name, "profile");
        }
        self.profile = profile;
    }

    /// The step that follows when nothing speaks against it.
    pub(super) fn after(&self, step: Step) -> Step {
        match step {
            Step::EchoOff => Step::Verbose,
            Step::Verbose => Step::NumericErrors,
            Step::NumericErrors => Step::Manufacturer,
            Step::Manufacturer => Step::Model,
            Step::Model => Step::Revision,
            Step::Revision => Step::SerialNumber,
            Step::SerialNumber => Step::Function,
            Step::Function | Step::RadioOn | Step::PinTries(_) | Step::EnterPin => Step::Pin,
            Step::LockedIccid(_) => Step::RememberPin,
            Step::RememberPin => Step::EnterPin,
            Step::Pin => Step::Iccid(0),
            Step::Iccid(at) if at + 1 < self.profile.iccid.len() => Step::Iccid(at + 1),
            Step::Iccid(_) => Step::Subscriber,
            Step::Subscriber => Step::Profile(0),
            Step::Profile(at) if at + 1 < self.profile.init.len() => Step::Profile(at + 1),
            Step::Profile(_) => Step::Charset,
            Step::Charset if self.profile.has(Quirk::TextModeOnly) => Step::TextMode,
            Step::Charset | Step::Formats => Step::PduMode,
            Step::TextMode => Step::TextCharset,
            Step::PduMode | Step::TextCharset => Step::SetCentre,
            Step::SetCentre => Step::Centre,
            Step::Centre => Step::Service,
            Step::Service | Step::PlainService => Step::StoragesInUse,
            Step::StoragesInUse => Step::Storages,
            Step::Storages | Step::UseStorages(_) => Step::NewMessages(0),
            Step::NewMessages(at) if at + 1 < self.profile.new_messages.len() => Step::NewMessages(at + 1),
            Step::NewMessages(_) => Step::Clock,
            Step::Clock => Step::OperatorNumbers,
            Step::OperatorNumbers => Step::Selection,
            Step::Selection | Step::SelectBefore | Step::SelectOperator => Step::Report,
            Step::Report | Step::Select => Step::Registration,
            Step::Registration => Step::Eps,
            Step::Eps => Step::Ps,
            Step::Ps => Step::Signal,
            Step::Signal => Step::OperatorFormat,
            Step::OperatorFormat | Step::Operator => Step::Operator,
        }
    }

    pub(super) fn bring_up_finished(&mut self, outstanding: &Outstanding, code: &ResultCode, now: Instant) {
        let turn = self.turn(outstanding, code);
        self.take(turn, now);
    }

    /// A command without an end: some modems lack the OK behind an answer (Wavecom's `AT+CPIN?`), some hang on
    /// what they do not know. The dialogue is found again and the work goes on.
    pub(super) fn bring_up_timed_out(&mut self, outstanding: &Outstanding, now: Instant) {
        let (step, tries) = (self.progress.step, self.progress.tries);
        let code = if outstanding.answer.is_empty() { ResultCode::Error } else { ResultCode::Ok };
        let turn = self.turn(outstanding, &code);
        match turn {
            Turn::Go(next) | Turn::Aside(next) | Turn::Later(next, _) => {
                self.start_resync(Open::Perhaps, Then::BringUp(next), now);
            }
            Turn::Done => {
                self.finish_bring_up();
                self.start_resync(Open::Perhaps, Then::Idle, now);
            }
            Turn::Again(_) | Turn::Busy(_) if tries < TRIES => {
                self.progress.tries += 1;
                self.start_resync(Open::Perhaps, Then::BringUp(step), now);
            }
            other => self.take(other, now),
        }
    }

    pub(super) fn take(&mut self, turn: Turn, now: Instant) {
        match turn {
            Turn::Go(step) => {
                self.progress.step = step;
                self.progress.tries = 0;
                if self.snapshot.state == State::Blocked {
                    self.set_state(State::Starting);
                }
                self.bring_up_step(now);
            }
            Turn::Aside(step) => {
                self.progress.begin(step);
                self.bring_up_step(now);
            }
            Turn::Again(wait) => {
                self.progress.tries += 1;
                self.timer = Some(now + wait);
            }
            Turn::Busy(_) if self.progress.tries < TRIES => {
                self.progress.tries += 1;
                self.timer = Some(now + self.settings.timing.busy_retry);
            }
            Turn::Busy(next) => self.take(Turn::Go(next), now),
            Turn::Later(step, wait) => {
                self.progress.step = step;
                self.progress.tries = 0;
                self.timer = Some(now + wait);
            }
            Turn::Block(reason, wait) => {
                self.progress.step = Step::Pin;
                self.progress.asked_tries = false;
                tracing::warn!(modem = %self.settings.name, "{reason}");
                self.set_fault(&reason);
                self.set_state(State::Blocked);
                self.timer = Some(now + wait);
            }
            Turn::Fail(reason) => {
                self.cure(&reason, now);
            }
            Turn::Done => {
                self.finish_bring_up();
                self.become_idle(now);
            }
        }
    }

    fn finish_bring_up(&mut self) {
        let fault = self.progress.fault.clone();
        if self.snapshot.last_error != fault {
            self.snapshot.last_error = fault;
        }
        self.changed();
    }

    fn turn(&mut self, outstanding: &Outstanding, code: &ResultCode) -> Turn {
        let (step, tries) = (self.progress.step, self.progress.tries);
        let answer = outstanding.answer.as_slice();
        let retry = Turn::Again(self.settings.timing.busy_retry);
        match step {
            Step::Manufacturer | Step::Model | Step::Revision | Step::SerialNumber => {
                self.identity(step, answer);
            }
            Step::Function => {
                // 0, 4 and the makers' own: whatever it is, it is not full function.
                let off = answer.last().and_then(|body| first_number(body)).is_some_and(|n| n != 1);
                if code.is_ok() && off {
                    return Turn::Go(Step::RadioOn);
                }
            }
            Step::RadioOn if !code.is_ok() => {
                if Failure::is_busy(code) && tries < TRIES {
                    return retry;
                }
                let why = Failure::of(code).sentence;
                self.hint(format!("the modem's radio is off and cannot be switched on (AT+CFUN=1): {why}"));
            }
            Step::Pin => return self.pin_turn(answer, code, tries),
            Step::PinTries(at) => return self.pin_tries_turn(at, answer, code, tries),
            Step::LockedIccid(at) => return self.locked_iccid_turn(at, answer),
            Step::RadioOn if code.is_ok() => return self.settled(step),
            Step::EnterPin if code.is_ok() => {
                self.pin_accepted();
                return self.settled(step);
            }
            // One try less.
            Step::EnterPin => self.progress.asked_tries = false,
            Step::Iccid(_) => {
                if let Some(number) = answer.iter().find_map(|line| iccid(line)) {
                    self.dirty = true;
                    self.snapshot.iccid = Some(number);
                    return Turn::Go(Step::Subscriber);
                }
            }
            Step::Subscriber => {
                let mut digits = answer.iter().map(|line| unquoted(line));
                let imsi =
                    digits.rfind(|l| (6..=15).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_digit()));
                if imsi.is_none() && Failure::is_busy(code) && tries < TRIES {
                    return retry;
                }
                self.snapshot.imsi = imsi.map(str::to_owned);
                self.dirty = true;
            }
            Step::Charset => self.text.switches = code.is_ok(),
            Step::PduMode | Step::Formats | Step::TextMode | Step::TextCharset => {
                return self.format_turn(step, answer, code, tries);
            }
            Step::SetCentre if !code.is_ok() => {
                if tries < TRIES {
                    return retry;
                }
                let why = Failure::of(code).sentence;
                self.hint(format!("the service centre's number from the configuration was refused: {why}"));
            }
            Step::Centre if Failure::is_busy(code) && tries < TRIES => return retry,
            Step::Centre if code.is_ok() => self.centre_read(answer.last().map_or("", String::as_str)),
            Step::Service if answer.last().and_then(|body| first_number(body)) == Some(1) => {
                self.acknowledges = true;
                return Turn::Go(Step::PlainService);
            }
            Step::PlainService if code.is_ok() => self.acknowledges = false,
            Step::StoragesInUse => return self.storages_in_use(answer, code),
            Step::Storages => return self.storages_offered(answer),
            Step::UseStorages(at) => return self.storages_answered(at, code),
            Step::Selection => return self.selection_turn(answer),
            Step::SelectOperator => return self.operator_turn(code, tries),
            Step::NewMessages(_) => {
                if code.is_ok() {
                    self.storage.refused_codes = false;
                    return Turn::Go(Step::Clock);
                }
                self.storage.refused_codes |=
                    matches!(code, ResultCode::Cms(_)) && Failure::number(code) == Some(322);
                if Failure::is_busy(code) && tries < TRIES {
                    return retry;
                }
            }
            Step::Registration | Step::Eps | Step::Ps => return self.registration_turn(step, answer, code),
            Step::Signal => self.note(outstanding),
            Step::Operator => {
                self.snapshot.operator = answer.last().and_then(|body| operator(body));
                return Turn::Done;
            }
            _ => {}
        }
        Turn::Go(self.after(step))
    }

    /// The service centre as the modem says it, against the configured one.
    fn centre_read(&mut self, body: &str) {
        let digits = |number: &str| number.trim_start_matches('+').to_owned();
        let read = first_text(body);
        if read.is_empty() {
            self.hint(String::from(
                "the SIM names no service centre: set smsc in this modem's configuration",
            ));
        } else if self.settings.smsc.as_ref().is_some_and(|set| digits(set) != digits(read))
            && self.progress.fault.is_none()
        {
            self.hint(String::from(
                "the modem does not keep the service centre's number from the configuration: check smsc, or leave it \
                 out to use the SIM's own",
            ));
        }
    }

    fn identity(&mut self, step: Step, answer: &[String]) {
        let Some(text) = answer.iter().map(|line| unquoted(line)).find(|text| !text.is_empty()) else {
            return;
        };
        let field = match step {
            Step::Manufacturer => &mut self.snapshot.manufacturer,
            Step::Model => &mut self.snapshot.model,
            Step::Revision => &mut self.snapshot.firmware,
            _ => &mut self.snapshot.imei,
        };
        if field != text {
            text.clone_into(field);
            self.dirty = true;
            self.choose_profile();
        }
    }

    /// Some devices need a while after their OK.
    fn settled(&self, step: Step) -> Turn {
        if self.profile.settle.is_zero() {
            Turn::Go(self.after(step))
        } else {
            Turn::Later(self.after(step), self.profile.settle)
        }
    }

    /// A fault that does not stop the modem but that a person should know of.
    pub(super) fn hint(&mut self, sentence: String) {
        tracing::warn!(modem = %self.settings.name, "{sentence}");
        self.progress.fault = Some(sentence);
    }
}

impl Turn {
    /// Changes of another domain than `+CREG` are asked for once it is known to count.
    pub(super) fn once(self, domain: Domain) -> Self {
        match self {
            Self::Go(Step::Report) if domain == Domain::Cs => Self::Go(Step::Signal),
            other => other,
        }
    }
}
