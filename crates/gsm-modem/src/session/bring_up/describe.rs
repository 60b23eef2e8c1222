//! What a person wants to know about a modem that can send: its signal and the network's name (3GPP TS 27.007
//! clauses 7.3 and 8.5).

use std::time::Duration;

use super::script::{Answer, Script, Turn};
use crate::at::{Command, operator};
use crate::session::procedure::{Cx, Next};
use crate::settings::Timing;

/// The last stage.
#[derive(Debug, Default)]
pub(in crate::session) struct Describe;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Step {
    Signal,
    OperatorFormat,
    Operator,
}

impl Script for Describe {
    type Step = Step;
    const FIRST: Step = Step::Signal;

    fn ask(&mut self, step: Step, cx: &mut Cx<'_>) -> Option<(Command, Duration)> {
        let Timing { command, slow_command, .. } = cx.known.settings.timing;
        Some(match step {
            Step::Signal => (Command::Signal, command),
            Step::OperatorFormat => (Command::OperatorFormat, command),
            Step::Operator => (Command::Operator, slow_command),
        })
    }

    fn heard(&mut self, step: Step, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Step> {
        match step {
            Step::Signal => {
                if !answer.lines.is_empty() {
                    cx.note_signal(answer.body());
                }
                Turn::Go(Step::OperatorFormat)
            }
            Step::OperatorFormat => Turn::Go(Step::Operator),
            Step::Operator => {
                cx.known.view.snapshot.operator = operator(answer.body());
                self.skipped(step, cx)
            }
        }
    }

    /// The modem is brought up. A fault that remains is one that a person should know about although the modem works.
    fn skipped(&mut self, _step: Step, cx: &mut Cx<'_>) -> Turn<Step> {
        match cx.known.hint.clone() {
            Some(hint) => cx.set_fault(hint),
            None => cx.known.clear_fault(),
        }
        cx.known.changed();
        Turn::End(Next::Done)
    }
}
