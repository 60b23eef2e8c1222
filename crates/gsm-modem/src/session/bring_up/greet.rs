//! Echo, results and errors in the form that the session reads (V.250 clause 6.2, 3GPP TS 27.007 clauses 5
//! and 9.1), the identity of the modem, and its radio (27.007 clause 8.2).

use std::time::Duration;

use super::script::{Answer, Run, Script, TRIES, Turn};
use super::sim::Sim;
use crate::at::{Command, Failure, first_number, unquoted};
use crate::session::fault::Fault;
use crate::session::known::Echo;
use crate::session::pace::Pace;
use crate::session::procedure::{Cx, Next};
use crate::settings::Timing;

/// How often a modem is asked that says it is not ready: one needed 40 s after a restart.
const PATIENCE: u32 = 60;

/// The pause for a modem that loses a command which comes right after a result.
const PAUSE: Duration = Duration::from_millis(100);

/// The first stage.
#[derive(Debug, Default)]
pub(in crate::session) struct Greet {
    /// A command was echoed after the echo was switched off.
    echoed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Step {
    EchoOff,
    Verbose,
    NumericErrors,
    Manufacturer,
    Model,
    Revision,
    SerialNumber,
    Function,
    RadioOn,
    /// No command: the radio gets its time.
    Settled,
}

impl Script for Greet {
    type Step = Step;
    const FIRST: Step = Step::EchoOff;

    fn ask(&mut self, step: Step, cx: &mut Cx<'_>) -> Option<(Command, Duration)> {
        let Timing { command, slow_command, .. } = cx.known.settings.timing;
        if step == Step::EchoOff {
            cx.known.forget_settings();
        }
        Some(match step {
            Step::Settled => return None,
            Step::EchoOff => (Command::EchoOff, command),
            Step::Verbose => (Command::Verbose, command),
            Step::NumericErrors => (Command::NumericErrors, command),
            Step::Manufacturer => (Command::Manufacturer, command),
            Step::Model => (Command::Model, command),
            Step::Revision => (Command::Revision, command),
            Step::SerialNumber => (Command::SerialNumber, command),
            Step::Function => (Command::Function, command),
            Step::RadioOn => (Command::RadioOn, slow_command),
        })
    }

    fn heard(&mut self, step: Step, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Step> {
        match step {
            Step::EchoOff | Step::Verbose | Step::NumericErrors if answer.silent && answer.tries == 0 => {
                // Every modem knows these commands. A modem that answers `AT` and not these loses a command
                // that comes too soon.
                let pause = &mut cx.dialogue.settings_mut().pause;
                *pause = (*pause).max(PAUSE);
                Turn::Again
            }
            Step::EchoOff if Failure::is_busy(&answer.code) && answer.tries < PATIENCE => Turn::Again,
            Step::EchoOff => {
                if !answer.is_ok() {
                    cx.known.format.echo = Echo::On;
                }
                self.echoed = false;
                Turn::Go(Step::Verbose)
            }
            Step::Verbose => {
                let format = &mut cx.known.format;
                if format.echo == Echo::Unknown {
                    format.echo = if self.echoed { Echo::On } else { Echo::Off };
                }
                Turn::Go(Step::NumericErrors)
            }
            Step::NumericErrors => Turn::Go(Step::Manufacturer),
            Step::Manufacturer => Self::identity(answer, Step::Model, cx),
            Step::Model => Self::identity(answer, Step::Revision, cx),
            Step::Revision => Self::identity(answer, Step::SerialNumber, cx),
            Step::SerialNumber => Self::identity(answer, Step::Function, cx),
            Step::Function => {
                // 0, 4 and the makers' own values: whatever it is, it is not full functionality.
                let off = first_number(answer.body()).is_some_and(|number| number != 1);
                if answer.is_ok() && off { Turn::Go(Step::RadioOn) } else { to_the_sim() }
            }
            // One modem refused the command twice and accepted it the third time (gammu#395).
            Step::RadioOn if !answer.is_ok() && answer.tries < TRIES => Turn::Again,
            Step::RadioOn if !answer.is_ok() => {
                cx.hint(Fault::RadioOff(answer.why(cx)));
                to_the_sim()
            }
            Step::RadioOn => Turn::Later(Step::Settled, cx.known.profile.settle),
            Step::Settled => Turn::Hold,
        }
    }

    fn skipped(&mut self, _step: Step, _cx: &mut Cx<'_>) -> Turn<Step> {
        to_the_sim()
    }

    /// The echo is only being switched off.
    fn echoed(&mut self) -> bool {
        self.echoed = true;
        true
    }
}

fn to_the_sim() -> Turn<Step> {
    Turn::End(Next::then(Run::new(Sim::default())))
}

impl Greet {
    /// Takes one of the answers that identify the modem. A new maker or model may belong to another family.
    fn identity(answer: &Answer<'_>, next: Step, cx: &mut Cx<'_>) -> Turn<Step> {
        let said = answer.lines.iter().map(|line| unquoted(line)).find(|text| !text.is_empty());
        let snapshot = &mut cx.known.view.snapshot;
        let field = match next {
            Step::Model => &mut snapshot.equipment.manufacturer,
            Step::Revision => &mut snapshot.equipment.model,
            Step::SerialNumber => &mut snapshot.equipment.firmware,
            _ => &mut snapshot.equipment.imei,
        };
        if let Some(text) = said
            && field != text
        {
            if matches!(next, Step::Function) && !field.is_empty() {
                // Another modem: it answers for no message of the one before, and has its own pace.
                cx.known.pace = Pace::default();
            }
            text.clone_into(field);
            cx.known.changed();
            cx.known.choose_profile();
            cx.keep_line_settings();
        }
        Turn::Go(next)
    }
}
