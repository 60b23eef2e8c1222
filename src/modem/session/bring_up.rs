//! The way from an answered `AT` to a modem that can send, a step each; each step knows what its refusal means
//! and names it for a person.

use std::time::Instant;

use super::super::State;
use super::{Exchange, Phase, Session};
use crate::at::{self, Command, Domain, Failure, Pin, Registration, ResultCode, unquoted};

/// A step. Those behind [`Step::Registration`] are also walked when an idle modem is looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Echo,
    Verbose,
    Errors,
    Manufacturer,
    Model,
    Revision,
    SerialNumber,
    Pin,
    EnterPin,
    Function,
    RadioOn,
    /// The n-th name of the command.
    Iccid(u8),
    Subscriber,
    /// Tries left.
    PduMode(u8),
    ServiceCentre,
    Service,
    /// The n-th form.
    NewMessages(u8),
    ReportRegistration,
    Signal,
    Registration,
    RegistrationEps,
    RegistrationPs,
    OperatorFormat,
    Operator,
}

/// The names of the command for the SIM's number.
const ICCID: [&str; 3] = ["AT+CCID", "AT+ICCID", "AT^ICCID?"];

/// `AT+CNMI` by fall-backs: messages are stored and announced, reports handed over, else stored, else neither.
const NEW_MESSAGES: [[u8; 5]; 6] =
    [[2, 1, 0, 1, 0], [2, 1, 0, 2, 0], [1, 1, 0, 1, 0], [2, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 0, 0, 1]];

impl Step {
    pub(super) const FIRST: Self = Self::Echo;
}

impl Session {
    /// Begins a step.
    pub(super) fn step(&mut self, step: Step, now: Instant) {
        self.phase = Phase::BringUp(step);
        let command = match step {
            Step::Echo => Command::EchoOff,
            Step::Verbose => Command::Verbose,
            Step::Errors => Command::NumericErrors,
            Step::Manufacturer => Command::Manufacturer,
            Step::Model => Command::Model,
            Step::Revision => Command::Revision,
            Step::SerialNumber => Command::SerialNumber,
            Step::Pin => Command::PinState,
            Step::EnterPin => match &self.settings.pin {
                Some(pin) if !self.pin_refused => {
                    // Before it is tried, so that nothing can make a second try of it.
                    self.pin_refused = true;
                    Command::EnterPin(pin.clone())
                }
                Some(_) => {
                    return self.block("the SIM refused the PIN of pin_file; correct the file and restart, before the SIM asks for its PUK", now);
                }
                None => return self.block("the SIM asks for its PIN; name a file with it as pin_file", now),
            },
            Step::Function => Command::Function,
            Step::RadioOn => Command::RadioOn,
            Step::Iccid(n) => Command::Iccid(ICCID[usize::from(n) % ICCID.len()]),
            Step::Subscriber => Command::Subscriber,
            Step::PduMode(_) => Command::PduMode,
            Step::ServiceCentre => match &self.settings.smsc {
                Some(number) => Command::SetServiceCentre(number.clone()),
                None => Command::ServiceCentre,
            },
            Step::Service => Command::Service,
            Step::NewMessages(n) => Command::NewMessages(NEW_MESSAGES[usize::from(n) % NEW_MESSAGES.len()]),
            Step::ReportRegistration => Command::ReportRegistration(Domain::Cs),
            Step::Signal => Command::Signal,
            Step::Registration => {
                self.look_at_registration = false;
                Command::Registration(Domain::Cs)
            }
            Step::RegistrationEps => Command::Registration(Domain::Eps),
            Step::RegistrationPs => Command::Registration(Domain::Ps),
            Step::OperatorFormat => Command::OperatorFormat,
            Step::Operator => Command::Operator,
        };
        // The SIM takes its time with the PIN, the radio with its start.
        let times = if matches!(step, Step::EnterPin | Step::RadioOn) { 4 } else { 1 };
        self.command(command, self.settings.timing.command * times, now);
    }

    /// The step's command has ended.
    pub(super) fn stepped(&mut self, step: Step, exchange: &Exchange, code: &ResultCode, now: Instant) {
        let ok = code.is_ok();
        let first = exchange.answers.first().map(String::as_str);
        let word = || first.map(|line| unquoted(line).trim().to_owned()).unwrap_or_default();
        if !ok && Failure::is_busy(code) && !matches!(step, Step::PduMode(_)) && self.timeouts < 60 {
            // Not ready yet: the same step a little later.
            self.timeouts += 1;
            return self.later(step, now);
        }
        let next = match step {
            Step::Echo => Step::Verbose,
            Step::Verbose => Step::Errors,
            Step::Errors => Step::Manufacturer,
            Step::Manufacturer => {
                self.snapshot.manufacturer = word();
                Step::Model
            }
            Step::Model => {
                self.snapshot.model = word();
                Step::Revision
            }
            Step::Revision => {
                self.snapshot.firmware = word();
                Step::SerialNumber
            }
            Step::SerialNumber => {
                self.snapshot.imei = word().chars().filter(char::is_ascii_digit).collect();
                Step::Pin
            }
            Step::Pin => return self.pin_state(first, code, now),
            Step::EnterPin => {
                if !ok {
                    let why = Failure::of(code).sentence;
                    return self.block(&format!("the SIM refused the PIN of pin_file ({why}); correct the file and restart, before the SIM asks for its PUK"), now);
                }
                // Accepted: it may be needed again after a restart of the modem.
                self.pin_refused = false;
                Step::Pin
            }
            Step::Function => match first.and_then(at::first_number) {
                Some(0 | 4 | 7) => Step::RadioOn,
                _ => Step::Iccid(0),
            },
            Step::RadioOn => Step::Iccid(0),
            Step::Iccid(n) => {
                self.snapshot.iccid = exchange.answers.iter().find_map(|line| at::iccid(line));
                match &self.snapshot.iccid {
                    None if usize::from(n) + 1 < ICCID.len() => Step::Iccid(n + 1),
                    _ => Step::Subscriber,
                }
            }
            Step::Subscriber => {
                self.snapshot.imsi =
                    Some(word()).filter(|w| w.len() >= 6 && w.bytes().all(|b| b.is_ascii_digit()));
                Step::PduMode(10)
            }
            Step::PduMode(left) => {
                if !ok {
                    self.snapshot.last_error = Some(format!(
                        "AT+CMGF=0 was refused ({}): the modem is not ready for messages, or knows no PDU mode",
                        Failure::of(code).sentence
                    ));
                    let left = left.saturating_sub(1);
                    if left == 0 {
                        return self.block_with_last_error(now);
                    }
                    return self.later(Step::PduMode(left), now);
                }
                Step::ServiceCentre
            }
            Step::ServiceCentre => {
                let empty = self.settings.smsc.is_none()
                    && ok
                    && first.is_some_and(|a| a.trim_start().starts_with("\"\""));
                if empty {
                    self.snapshot.last_error =
                        Some("the SIM has no service centre: set smsc in the modem's section".to_owned());
                } else if !ok && self.settings.smsc.is_some() {
                    self.snapshot.last_error =
                        Some(format!("the service centre could not be set ({})", Failure::of(code).sentence));
                }
                Step::Service
            }
            Step::Service => Step::NewMessages(0),
            Step::NewMessages(n) => {
                if !ok && usize::from(n) + 1 < NEW_MESSAGES.len() {
                    Step::NewMessages(n + 1)
                } else {
                    Step::ReportRegistration
                }
            }
            Step::ReportRegistration => Step::Signal,
            Step::Signal => {
                if ok {
                    self.snapshot.signal_dbm = first.and_then(at::signal);
                }
                Step::Registration
            }
            Step::Registration | Step::RegistrationEps | Step::RegistrationPs => {
                return self.registration(step, first.and_then(at::registration), now);
            }
            Step::OperatorFormat => Step::Operator,
            Step::Operator => {
                self.snapshot.operator = first.and_then(at::operator);
                return self.idle(now);
            }
        };
        self.timeouts = 0;
        self.step(next, now);
    }

    fn pin_state(&mut self, first: Option<&str>, code: &ResultCode, now: Instant) {
        let state = match (first, code.is_ok()) {
            (Some(body), _) => at::pin(body),
            // 310: SIM not inserted, and what the SIM asks for by number.
            (None, false) => match (code, Failure::number(code)) {
                (ResultCode::Cme(_), Some(10)) | (ResultCode::Cms(_), Some(310)) => Pin::Absent,
                (ResultCode::Cme(_), Some(11)) | (ResultCode::Cms(_), Some(311)) => Pin::SimPin,
                (ResultCode::Cme(_), Some(12)) | (ResultCode::Cms(_), Some(316)) => Pin::SimPuk,
                (ResultCode::Cme(_), Some(13 | 15)) | (ResultCode::Cms(_), Some(313 | 315)) => Pin::Absent,
                // A modem that does not know the question has nothing to ask.
                _ => Pin::Ready,
            },
            (None, true) => Pin::Ready,
        };
        match state {
            Pin::Ready | Pin::Second | Pin::Other => {
                if self.snapshot.state == State::Blocked {
                    self.snapshot.state = State::Starting;
                }
                self.step(Step::Function, now);
            }
            Pin::SimPin => self.step(Step::EnterPin, now),
            Pin::SimPuk => {
                self.block("the SIM asks for its PUK: put it into a telephone and enter the PUK there", now)
            }
            Pin::Device => self.block("the device is locked to another network or SIM", now),
            Pin::Absent => self.block("there is no SIM, or it cannot be read: seat it anew", now),
        }
    }

    fn registration(&mut self, step: Step, found: Option<Registration>, now: Instant) {
        let known = &mut self.snapshot.registration;
        if step == Step::Registration {
            *known = found.unwrap_or_default();
        } else if let Some(found) = found
            && (found.is_registered() || *known == Registration::Unknown)
        {
            *known = found;
        }
        let registration = *known;
        match step {
            _ if registration.is_registered() => {
                self.clear_registration_error();
                // An idle modem is only looked after: its operator's name rarely changes.
                if self.snapshot.operator.is_some() {
                    self.idle(now)
                } else {
                    self.step(Step::OperatorFormat, now)
                }
            }
            Step::Registration => self.step(Step::RegistrationEps, now),
            Step::RegistrationEps => self.step(Step::RegistrationPs, now),
            // No domain could be asked: the modem may send all the same.
            _ if registration == Registration::Unknown => self.step(Step::OperatorFormat, now),
            _ => {
                self.snapshot.last_error = Some(
                    match registration {
                        Registration::Denied => {
                            "the network refuses the SIM (registration denied): is its contract active, does it allow roaming?"
                        }
                        Registration::Searching => "not registered yet: looking for a network; check the antenna",
                        _ => "not registered to a network: check the antenna and the SIM",
                    }
                    .to_owned(),
                );
                if matches!(self.snapshot.state, State::Ready | State::Busy) {
                    self.snapshot.state = State::Recovering;
                }
                let at = now + self.settings.timing.registration;
                self.phase = Phase::Waiting(Step::Registration, at);
            }
        }
    }

    fn clear_registration_error(&mut self) {
        if self.snapshot.last_error.as_deref().is_some_and(|e| e.contains("regist")) {
            self.snapshot.last_error = None;
        }
    }

    fn later(&mut self, step: Step, now: Instant) {
        self.phase = Phase::Waiting(step, now + self.settings.timing.again);
    }

    fn block(&mut self, why: &str, now: Instant) {
        self.snapshot.last_error = Some(why.to_owned());
        self.block_with_last_error(now);
    }

    /// Only a person can help; the modem is looked at now and then, for that person's sake.
    fn block_with_last_error(&mut self, now: Instant) {
        self.exchange = None;
        self.snapshot.state = State::Blocked;
        self.phase = Phase::Waiting(Step::Pin, now + self.settings.timing.blocked);
    }
}
