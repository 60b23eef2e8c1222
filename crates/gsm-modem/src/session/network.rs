//! Which network, and whether it has the modem (3GPP TS 27.007 clauses 7.2, 7.3, 10.1.20 and 10.1.22): automatic or
//! the configured one, at home or as a guest where the configuration allows that.

use super::Session;
use super::bring_up::{Step, Turn};
use crate::at::{Domain, Failure, Registration, ResultCode, Selection, registration, selection};
use crate::settings::Roaming;

/// Polls without any network before the modem is told to choose one by itself.
const POLLS_BEFORE_SELECTION: u32 = 5;

const FORBIDDEN: &str = "the modem is in a foreign network, and roaming = false in its configuration forbids to \
                         send there: wait for the home network, or allow roaming";

impl Session {
    /// Whether messages may be sent with this registration.
    pub(super) fn may_send(&self, registration: Registration) -> bool {
        registration.is_registered()
            && !(registration == Registration::Roaming && self.settings.roaming == Roaming::Forbidden)
    }

    /// What an idle modem says that may not send any more.
    pub(super) fn network_fault(&self) -> &'static str {
        if self.snapshot.registration == Registration::Roaming {
            FORBIDDEN
        } else {
            "the modem lost the network and looks for it: check antenna, coverage and subscription"
        }
    }

    /// Who chooses the network, against who shall.
    pub(super) fn selection_turn(&mut self, answer: &[String]) -> Turn {
        let now = answer.last().and_then(|body| selection(body));
        match (&self.settings.operator, now) {
            (Some(wanted), Some(Selection::Manual(Some(now)))) if *wanted == now => {}
            (Some(_), _) => return Turn::Go(Step::SelectOperator),
            // A choice that an earlier configuration left behind.
            (None, Some(Selection::Manual(_))) => return Turn::Go(Step::SelectBefore),
            (None, _) => {}
        }
        Turn::Go(Step::Report)
    }

    pub(super) fn operator_turn(&mut self, code: &ResultCode, tries: u32) -> Turn {
        if code.is_ok() {
            return Turn::Go(Step::Report);
        }
        if Failure::is_busy(code) && tries < super::bring_up::TRIES {
            return Turn::Again(self.settings.timing.busy_retry);
        }
        let (why, wanted) = (Failure::of(code).sentence, self.settings.operator.clone().unwrap_or_default());
        self.hint(format!(
            "the network {wanted} from the configuration was refused: {why}; leave operator out to let the modem choose"
        ));
        Turn::Go(Step::Report)
    }

    /// `+CREG` counts; where it is refused, or says that it has nothing or is denied, the packet domains may
    /// know better (LTE-only SIMs).
    pub(super) fn registration_turn(&mut self, step: Step, answer: &[String], code: &ResultCode) -> Turn {
        let domain = match step {
            Step::Registration => Domain::Cs,
            Step::Eps => Domain::Eps,
            _ => Domain::Ps,
        };
        let said = answer.last().and_then(|body| registration(body)).filter(|_| code.is_ok());
        if step == Step::Registration {
            self.progress.heard = None;
        }
        if let Some(said) = said {
            if self.may_send(said) {
                let first = self.domain != Some(domain);
                self.domain = Some(domain);
                self.set_registration(said);
                return Turn::Go(if first { Step::Report } else { Step::Signal }).once(domain);
            }
            let state = &mut self.progress;
            // What stands in the way for certain is worth more than what another domain does not know.
            if state.heard.is_none() || said == Registration::Roaming {
                state.heard = Some(said);
            }
            if step == Step::Registration && matches!(said, Registration::Searching | Registration::Roaming) {
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
            Registration::Roaming => FORBIDDEN,
            _ => "the modem does not know whether a network has it: check antenna and coverage",
        });
        let wait = self.settings.timing.registration_poll;
        let configured = self.settings.operator.is_some();
        let state = &mut self.progress;
        state.polls += 1;
        state.begin(Step::Registration);
        if registration == Registration::NotRegistered
            && state.polls >= POLLS_BEFORE_SELECTION
            && !state.selected
        {
            state.selected = true;
            return Turn::Go(if configured { Step::SelectOperator } else { Step::Select });
        }
        Turn::Again(wait)
    }
}
