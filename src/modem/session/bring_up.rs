//! From an answering modem to one that can send: settings, identity, SIM, PDU mode, network. Every command that
//! a modem may lack is tolerated; what stops the work is told to a person in a sentence.

use std::time::{Duration, Instant};

use super::resync::{Open, Then};
use super::{Outstanding, Phase, Session};
use crate::at::{
    Command, Domain, Failure, Pin, Registration, ResultCode, first_number, first_text, iccid, number_at,
    operator, pin, registration, unquoted,
};
use crate::modem::profiles::Identity;
use crate::modem::snapshot::State;

/// Tries of a setting without which nothing can be sent (modems refuse it until their SIM has settled).
const TRIES: u32 = 10;
/// Polls without any network before the modem is told to choose one by itself.
const POLLS_BEFORE_SELECTION: u32 = 5;

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
    PinTries,
    EnterPin,
    Iccid(usize),
    Subscriber,
    Profile(usize),
    Charset,
    PduMode,
    SetCentre,
    Centre,
    Service,
    PlainService,
    NewMessages(usize),
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
    polls: u32,
    /// Domains that answered in this poll, and the first one's word.
    heard: Option<Registration>,
    selected: bool,
    /// The SIM's tries were asked for since it was last blocked.
    asked_tries: bool,
    /// What a person should know although the modem works.
    fault: Option<String>,
}

impl BringUp {
    pub(super) const fn at(step: Step) -> Self {
        Self { step, tries: 0, polls: 0, heard: None, selected: false, asked_tries: false, fault: None }
    }
}

/// What an answer leads to.
enum Turn {
    Go(Step),
    Again(Duration),
    /// The step is taken after a wait.
    Later(Step, Duration),
    Block(String, Duration),
    Fail(String),
    Done,
}

/// The PIN is tried once: a wrong one, tried again, locks the SIM.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum PinMemory {
    #[default]
    Untried,
    /// Given and accepted; may be given again after the device began anew.
    Accepted,
    /// Accepted before, and the device began anew since.
    AcceptedBefore,
    /// Refused, or given without an answer. Never again.
    Spent,
}

impl PinMemory {
    pub(super) fn device_began_anew(&mut self) {
        if *self == Self::Accepted {
            *self = Self::AcceptedBefore;
        }
    }
}

impl Session {
    pub(super) fn start_bring_up(&mut self, step: Step, now: Instant) {
        if step == Step::FIRST {
            self.wishes.bring_up = false;
            self.more_refused = false;
            self.acknowledges = false;
            self.domain = Some(Domain::Cs);
        }
        self.progress = BringUp::at(step);
        self.phase = Phase::BringUp;
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
        match self.command_of(step) {
            Some(command) => {
                let slow = matches!(step, Step::EnterPin | Step::RadioOn | Step::Select | Step::Operator);
                let limit = if slow { timing.slow_command } else { timing.command };
                if step == Step::EnterPin {
                    // Whatever becomes of it, it has been tried.
                    self.pin = PinMemory::Spent;
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
            Step::PinTries => Command::Question(self.profile.pin_tries.as_ref()?.command.clone().into()),
            Step::EnterPin => Command::EnterPin(self.settings.pin.clone()?),
            Step::Iccid(at) => Command::Iccid(self.profile.iccid.get(at)?.clone().into()),
            Step::Subscriber => Command::Subscriber,
            Step::Profile(at) => Command::Vendor(self.profile.init.get(at)?.clone().into()),
            Step::Charset => Command::Charset,
            Step::PduMode => Command::PduMode,
            Step::SetCentre => Command::SetServiceCentre(self.settings.smsc.clone()?),
            Step::Centre => Command::ServiceCentre,
            Step::Service => Command::Service,
            Step::PlainService => Command::PlainService,
            Step::NewMessages(at) => Command::NewMessages(self.profile.new_messages.get(at).copied()?),
            Step::Report => Command::ReportRegistration(self.domain?),
            Step::Registration => Command::Registration(Domain::Cs),
            Step::Eps => Command::Registration(Domain::Eps),
            Step::Ps => Command::Registration(Domain::Ps),
            Step::Select => Command::SelectAutomatically,
            Step::Signal => Command::Signal,
            Step::OperatorFormat => Command::OperatorFormat,
            Step::Operator => Command::Operator,
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
    fn after(&self, step: Step) -> Step {
        match step {
            Step::EchoOff => Step::Verbose,
            Step::Verbose => Step::NumericErrors,
            Step::NumericErrors => Step::Manufacturer,
            Step::Manufacturer => Step::Model,
            Step::Model => Step::Revision,
            Step::Revision => Step::SerialNumber,
            Step::SerialNumber => Step::Function,
            Step::Function | Step::RadioOn | Step::PinTries | Step::EnterPin => Step::Pin,
            Step::Pin => Step::Iccid(0),
            Step::Iccid(at) if at + 1 < self.profile.iccid.len() => Step::Iccid(at + 1),
            Step::Iccid(_) => Step::Subscriber,
            Step::Subscriber => Step::Profile(0),
            Step::Profile(at) if at + 1 < self.profile.init.len() => Step::Profile(at + 1),
            Step::Profile(_) => Step::Charset,
            Step::Charset => Step::PduMode,
            Step::PduMode => Step::SetCentre,
            Step::SetCentre => Step::Centre,
            Step::Centre => Step::Service,
            Step::Service | Step::PlainService => Step::NewMessages(0),
            Step::NewMessages(at) if at + 1 < self.profile.new_messages.len() => Step::NewMessages(at + 1),
            Step::NewMessages(_) => Step::Report,
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
            Turn::Go(next) | Turn::Later(next, _) => {
                self.start_resync(Open::Perhaps, Then::BringUp(next), now);
            }
            Turn::Done => {
                self.finish_bring_up();
                self.start_resync(Open::Perhaps, Then::Idle, now);
            }
            Turn::Again(_) if tries < TRIES => {
                self.progress.tries += 1;
                self.start_resync(Open::Perhaps, Then::BringUp(step), now);
            }
            other => self.take(other, now),
        }
    }

    fn take(&mut self, turn: Turn, now: Instant) {
        match turn {
            Turn::Go(step) => {
                self.progress.step = step;
                self.progress.tries = 0;
                if self.snapshot.state == State::Blocked {
                    self.set_state(State::Starting);
                }
                self.bring_up_step(now);
            }
            Turn::Again(wait) => {
                self.progress.tries += 1;
                self.timer = Some(now + wait);
            }
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
                tracing::warn!(modem = %self.settings.name, "{reason}");
                self.set_fault(&reason);
                self.close_to_reopen();
            }
            Turn::Done => {
                self.finish_bring_up();
                self.become_idle(now);
            }
        }
    }

    fn finish_bring_up(&mut self) {
        let fault = self.progress.fault.take();
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
                let off =
                    answer.last().and_then(|body| first_number(body)).is_some_and(|n| matches!(n, 0 | 4));
                if code.is_ok() && off {
                    return Turn::Go(Step::RadioOn);
                }
            }
            Step::Pin => return self.pin_turn(answer, code, tries),
            Step::PinTries => {
                self.note_pin_tries(answer);
                // Whatever it knows, `AT+CPIN?` said that the PIN is wanted.
                self.progress.step = Step::Pin;
                return self.pin_wanted(tries);
            }
            Step::RadioOn if code.is_ok() => return self.settled(step),
            Step::EnterPin if code.is_ok() => {
                self.pin = PinMemory::Accepted;
                self.snapshot.pin_tries = None;
                return self.settled(step);
            }
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
                self.snapshot.imsi = imsi.map(str::to_owned).or(self.snapshot.imsi.take());
                self.dirty = true;
            }
            Step::PduMode if !code.is_ok() => {
                if tries + 1 < TRIES {
                    return retry;
                }
                return Turn::Fail(format!(
                    "the modem refuses PDU mode (AT+CMGF=0): {}; it may be no SMS modem, or its SIM does not settle",
                    Failure::of(code).sentence
                ));
            }
            Step::SetCentre if !code.is_ok() => {
                if tries < TRIES {
                    return retry;
                }
                let why = Failure::of(code).sentence;
                self.hint(format!("the service centre's number from the configuration was refused: {why}"));
            }
            Step::Centre => {
                if Failure::is_busy(code) && tries < TRIES {
                    return retry;
                }
                let empty = answer.last().is_some_and(|body| first_text(body).is_empty());
                if code.is_ok() && empty {
                    self.hint(String::from(
                        "the SIM names no service centre: set smsc in this modem's configuration",
                    ));
                }
            }
            Step::Service if answer.last().and_then(|body| first_number(body)) == Some(1) => {
                self.acknowledges = true;
                return Turn::Go(Step::PlainService);
            }
            Step::PlainService if code.is_ok() => self.acknowledges = false,
            Step::NewMessages(_) => {
                if code.is_ok() {
                    return Turn::Go(Step::Report);
                }
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

    fn pin_turn(&mut self, answer: &[String], code: &ResultCode, tries: u32) -> Turn {
        let timing = self.settings.timing;
        let state = match answer.last() {
            Some(body) => Some(pin(body)),
            None => match (code, Failure::number(code)) {
                (ResultCode::Cme(_), Some(11)) | (ResultCode::Cms(_), Some(311)) => Some(Pin::SimPin),
                (ResultCode::Cme(_), Some(12)) | (ResultCode::Cms(_), Some(316)) => Some(Pin::SimPuk),
                (ResultCode::Cme(_), Some(5..=7)) | (ResultCode::Cms(_), Some(312)) => Some(Pin::Device),
                (ResultCode::Cme(_), Some(10 | 13 | 15)) | (ResultCode::Cms(_), Some(310 | 313 | 315)) => {
                    Some(Pin::Absent)
                }
                _ => None,
            },
        };
        match state {
            Some(Pin::SimPin) if self.profile.pin_tries.is_some() && !self.progress.asked_tries => {
                self.progress.asked_tries = true;
                Turn::Go(Step::PinTries)
            }
            Some(Pin::SimPin) => self.pin_wanted(tries),
            Some(Pin::SimPuk) => Turn::Block(
                String::from("the SIM asks for its PUK: unlock it in a telephone, then reset the modem"),
                timing.blocked_retry,
            ),
            Some(Pin::Device) => Turn::Block(
                String::from("the modem is locked to another SIM or network: it needs its unlocking code"),
                timing.blocked_retry,
            ),
            Some(Pin::Absent) => Turn::Block(
                String::from("no usable SIM in the modem: insert one, or seat it anew"),
                timing.blocked_retry,
            ),
            None if Failure::is_busy(code) => {
                if tries >= TRIES {
                    self.set_fault("the SIM stays busy: seat it anew, or reset the modem");
                }
                Turn::Again(timing.busy_retry)
            }
            Some(Pin::Ready | Pin::Second | Pin::Other) | None => {
                self.snapshot.pin_tries = None;
                Turn::Go(self.after(Step::Pin))
            }
        }
    }

    fn note_pin_tries(&mut self, answer: &[String]) {
        let Some(question) = &self.profile.pin_tries else { return };
        let left = answer.iter().find_map(|line| number_at(line, question.value));
        self.snapshot.pin_tries = left.and_then(|left| u8::try_from(left).ok());
        self.dirty = true;
    }

    /// Some devices need a while after their OK.
    fn settled(&self, step: Step) -> Turn {
        if self.profile.settle.is_zero() {
            Turn::Go(self.after(step))
        } else {
            Turn::Later(self.after(step), self.profile.settle)
        }
    }

    fn pin_wanted(&mut self, tries: u32) -> Turn {
        let timing = self.settings.timing;
        let left = match self.snapshot.pin_tries {
            Some(1) => String::from(" (1 try left)"),
            Some(left) => format!(" ({left} tries left)"),
            None => String::new(),
        };
        let block = |reason: &str| Turn::Block(reason.replace("{left}", &left), timing.blocked_retry);
        let Some(pin) = &self.settings.pin else {
            return block("the SIM asks for its PIN{left}: set pin_file in this modem's configuration");
        };
        let digits = pin.expose();
        if !(4..=8).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return block("the configured PIN is not 4 to 8 digits and was not tried");
        }
        if self.pin == PinMemory::Untried && self.snapshot.pin_tries.is_some_and(|left| left <= 1) {
            return block(
                "the SIM's PIN has only one try left, which is not risked: enter the PIN in a telephone, then reset \
                 the modem",
            );
        }
        match self.pin {
            PinMemory::Untried | PinMemory::AcceptedBefore => Turn::Go(Step::EnterPin),
            // It was accepted a moment ago: the SIM needs a while to say so.
            PinMemory::Accepted if tries < TRIES => Turn::Again(timing.busy_retry),
            PinMemory::Accepted | PinMemory::Spent => block(
                "the SIM did not accept the configured PIN{left}, which is not tried again, since the SIM would lock \
                 itself: put the right one in pin_file and restart the daemon",
            ),
        }
    }

    /// `+CREG` counts; where it is refused, or says that it has nothing or is denied, the packet domains may
    /// know better (LTE-only SIMs).
    fn registration_turn(&mut self, step: Step, answer: &[String], code: &ResultCode) -> Turn {
        let domain = match step {
            Step::Registration => Domain::Cs,
            Step::Eps => Domain::Eps,
            _ => Domain::Ps,
        };
        let said = answer.last().and_then(|body| registration(body)).filter(|_| code.is_ok());
        let state = &mut self.progress;
        if step == Step::Registration {
            state.heard = None;
        }
        if let Some(said) = said {
            if said.is_registered() {
                let first = self.domain != Some(domain);
                self.domain = Some(domain);
                self.set_registration(said);
                return Turn::Go(if first { Step::Report } else { Step::Signal }).once(domain);
            }
            if state.heard.is_none() {
                state.heard = Some(said);
            }
            if step == Step::Registration && said == Registration::Searching {
                return self.unregistered(said);
            }
        }
        if step != Step::Ps {
            return Turn::Go(self.after(step));
        }
        if let Some(heard) = self.progress.heard {
            return self.unregistered(heard);
        }
        // Nobody knows: the first message will tell.
        self.domain = None;
        self.set_registration(Registration::Unknown);
        Turn::Go(Step::Signal)
    }

    fn unregistered(&mut self, registration: Registration) -> Turn {
        self.domain = Some(Domain::Cs);
        self.set_registration(registration);
        self.set_fault(match registration {
            Registration::Denied => {
                "the network denies this SIM: check its subscription and whether roaming is allowed"
            }
            Registration::Searching => {
                "the modem looks for a network: check antenna and coverage if it stays so"
            }
            Registration::NotRegistered => {
                "the modem is in no network and does not look for one: check antenna, SIM and band settings"
            }
            _ => "the modem does not know whether a network has it: check antenna and coverage",
        });
        let wait = self.settings.timing.registration_poll;
        let state = &mut self.progress;
        state.polls += 1;
        state.step = Step::Registration;
        if registration == Registration::NotRegistered
            && state.polls >= POLLS_BEFORE_SELECTION
            && !state.selected
        {
            state.selected = true;
            return Turn::Go(Step::Select);
        }
        Turn::Again(wait)
    }

    /// A fault that does not stop the modem but that a person should know of.
    fn hint(&mut self, sentence: String) {
        tracing::warn!(modem = %self.settings.name, "{sentence}");
        self.progress.fault = Some(sentence);
    }
}

impl Turn {
    /// Changes of another domain than `+CREG` are asked for once it is known to count.
    fn once(self, domain: Domain) -> Self {
        match self {
            Self::Go(Step::Report) if domain == Domain::Cs => Self::Go(Step::Signal),
            other => other,
        }
    }
}
