//! The choice of the network, and the registration in it (3GPP TS 27.007 clauses 7.2, 7.3, 10.1.20, 10.1.22
//! and 10.1.47): automatic or the configured network, at home, or roaming where the configuration allows
//! that. A registration in one domain is enough, and all domains of the modem are asked.

use std::time::Duration;

use super::describe::Describe;
use super::script::{Answer, Run, Script, Turn};
use crate::at::{Command, Domain, Failure, Registration, Selection, registration, selection};
use crate::session::fault::Fault;
use crate::session::procedure::{Cx, Next};
use crate::settings::{Roaming, Timing};

/// How many polls without any network pass before the modem is told to choose one itself.
const POLLS_BEFORE_SELECTION: u32 = 5;

/// How often a domain is asked again because the modem is busy.
const BUSY_TRIES: u32 = 3;

/// The fifth stage.
#[derive(Debug, Default)]
pub(in crate::session) struct Network {
    polls: u32,
    /// What stands in the way, according to the domains in this poll.
    heard: Option<Registration>,
    /// What an unsolicited code said since the last poll.
    reported: Option<(Domain, Registration)>,
    /// The modem was told to choose a network.
    selected: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Step {
    Clock,
    OperatorNumbers,
    Selection,
    SelectBefore,
    SelectOperator,
    ReportFirst,
    /// No command: a poll of all domains begins.
    Poll,
    Domain(usize),
    Select,
    Report,
}

impl Script for Network {
    type Step = Step;
    const FIRST: Step = Step::Clock;

    fn ask(&mut self, step: Step, cx: &mut Cx<'_>) -> Option<(Command, Duration)> {
        let Timing { command, select, .. } = cx.known.settings.timing;
        Some(match step {
            Step::Poll => return None,
            Step::Clock => (Command::ClockFromNetwork, command),
            Step::OperatorNumbers => (Command::OperatorNumbers, command),
            Step::Selection => (Command::Operator, command),
            Step::SelectBefore | Step::Select => (Command::SelectAutomatically, select),
            Step::SelectOperator => (Command::SelectOperator(cx.known.settings.operator.clone()?), select),
            Step::ReportFirst => (Command::ReportRegistration(Domain::Cs), command),
            Step::Domain(at) => (Command::Registration(*Domain::ALL.get(at)?), command),
            Step::Report => (Command::ReportRegistration(cx.known.domain?), command),
        })
    }

    fn heard(&mut self, step: Step, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Step> {
        match step {
            Step::Clock => Turn::Go(Step::OperatorNumbers),
            Step::OperatorNumbers => Turn::Go(Step::Selection),
            Step::Selection => Self::selection(answer, cx),
            Step::SelectOperator => self.operator(answer, cx),
            Step::SelectBefore => Turn::Go(Step::ReportFirst),
            Step::ReportFirst | Step::Select => Turn::Go(Step::Poll),
            Step::Domain(at) => self.registration(at, answer, cx),
            Step::Report => to_the_description(),
            Step::Poll => Turn::Hold,
        }
    }

    /// Some modems answer the question in no other way (`GenPro`, gammu#91).
    fn registration_said(&mut self, domain: Domain, registration: Registration) {
        self.reported = Some((domain, registration));
    }

    fn skipped(&mut self, step: Step, cx: &mut Cx<'_>) -> Turn<Step> {
        match step {
            Step::SelectOperator => Turn::Go(Step::ReportFirst),
            Step::Report => to_the_description(),
            Step::Poll => self.poll(cx),
            _ => self.polled(cx),
        }
    }
}

fn to_the_description() -> Turn<Step> {
    Turn::End(Next::then(Run::new(Describe)))
}

impl Network {
    /// From the first poll on: the steps before it were done earlier.
    pub(super) fn lost() -> Run<Self> {
        Run::at(Self::default(), Step::Poll)
    }

    /// Compares who chooses the network with who should choose it.
    fn selection(answer: &Answer<'_>, cx: &Cx<'_>) -> Turn<Step> {
        match (&cx.known.settings.operator, selection(answer.body())) {
            (Some(wanted), Some(Selection::Manual(Some(now)))) if *wanted == now => {
                Turn::Go(Step::ReportFirst)
            }
            (Some(_), _) => Turn::Go(Step::SelectOperator),
            // The choice was left behind by an earlier configuration.
            (None, Some(Selection::Manual(_))) => Turn::Go(Step::SelectBefore),
            (None, _) => Turn::Go(Step::ReportFirst),
        }
    }

    fn operator(&mut self, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Step> {
        if answer.is_busy() {
            return Turn::Again;
        }
        if !answer.is_ok() {
            let (operator, why) = (cx.known.settings.operator.clone().unwrap_or_default(), answer.why(cx));
            cx.hint(Fault::OperatorRefused { operator, why });
        }
        Turn::Go(if self.polls > 0 { Step::Poll } else { Step::ReportFirst })
    }

    /// Asks all domains, one after the other.
    fn poll(&mut self, cx: &mut Cx<'_>) -> Turn<Step> {
        self.heard = None;
        if self.polls > 0
            && let Some(rung) = cx.known.ladder.without_network(cx.now)
        {
            let fault = cx.known.view.fault.clone().unwrap_or(Fault::NoNetwork);
            return Turn::End(cx.attempt(rung, fault.cause()));
        }
        Turn::Go(Step::Domain(0))
    }

    fn registration(&mut self, at: usize, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Step> {
        // A question that is refused, or whose answer is not understood, says nothing about the domain.
        if let Some(said) = registration(answer.body()).filter(|_| answer.is_ok()) {
            if let Some(turn) = self.learned(Domain::ALL[at], said, cx) {
                return turn;
            }
        } else if Failure::is_busy(&answer.code) && answer.tries < BUSY_TRIES {
            return Turn::Again;
        }
        Turn::Go(Step::Domain(at + 1))
    }

    /// Takes the answer of one domain: it is enough, or it says what stands in the way.
    fn learned(&mut self, domain: Domain, said: Registration, cx: &mut Cx<'_>) -> Option<Turn<Step>> {
        if cx.known.may_send(said) {
            cx.known.domain = Some(domain);
            cx.known.set_registration(said);
            let reports = domain == Domain::Cs;
            return Some(if reports { to_the_description() } else { Turn::Go(Step::Report) });
        }
        let certain = matches!(self.heard, Some(heard) if heard != Registration::Unknown);
        if !certain || said == Registration::Roaming {
            self.heard = Some(said);
        }
        None
    }

    /// The modem is registered in no domain.
    fn polled(&mut self, cx: &mut Cx<'_>) -> Turn<Step> {
        if self.heard.is_none()
            && let Some((domain, said)) = self.reported.take()
            && let Some(turn) = self.learned(domain, said, cx)
        {
            return turn;
        }
        let Some(heard) = self.heard else {
            if cx.known.settings.roaming == Roaming::Allowed {
                // The registration is unknown: the first message will show it.
                cx.known.domain = None;
                cx.known.set_registration(Registration::Unknown);
                return to_the_description();
            }
            // An unknown network may be a foreign one.
            return self.unregistered(Registration::Unknown, cx);
        };
        self.unregistered(heard, cx)
    }

    fn unregistered(&mut self, registration: Registration, cx: &mut Cx<'_>) -> Turn<Step> {
        cx.known.domain = Some(Domain::Cs);
        cx.known.set_registration(registration);
        let radio_off = cx.known.hint.clone().filter(|hint| matches!(hint, Fault::RadioOff(_)));
        cx.set_fault(match registration {
            // The cause that was found first.
            _ if radio_off.is_some() => radio_off.unwrap_or(Fault::NoNetwork),
            Registration::Denied => Fault::Denied,
            Registration::Searching => Fault::Searching,
            Registration::NotRegistered => Fault::NotRegistered,
            Registration::Roaming => Fault::RoamingForbidden,
            _ if cx.known.settings.roaming == Roaming::Forbidden => Fault::RoamingUnknown,
            _ => Fault::RegistrationUnknown,
        });
        self.polls += 1;
        if registration == Registration::NotRegistered
            && self.polls >= POLLS_BEFORE_SELECTION
            && !self.selected
        {
            self.selected = true;
            let configured = cx.known.settings.operator.is_some();
            return Turn::Go(if configured { Step::SelectOperator } else { Step::Select });
        }
        Turn::Later(Step::Poll, cx.known.settings.timing.registration_poll)
    }
}
