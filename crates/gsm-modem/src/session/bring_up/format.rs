//! The format of messages: the family's own settings, alphabet, PDU mode or text mode, service centre and
//! message service (3GPP TS 27.005 clauses 3.2 and 3.3, TS 27.007 clause 5.5).

use std::time::Duration;

use super::script::{Answer, Run, Script, TRIES, Turn};
use super::storages::Storages;
use crate::at::{Charset, Command, first_number, first_text};
use crate::dialogue::mask::mask;
use crate::profiles::Quirk;
use crate::session::fault::Fault;
use crate::session::procedure::{Cx, Next};

/// The third stage.
#[derive(Debug, Default)]
pub(in crate::session) struct Format {
    /// The modem was asked which formats it has.
    asked: bool,
    /// The family's own commands that stay refused, as a person may see them, and why.
    refused: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Step {
    Family(usize),
    FamilyOptional(usize),
    Charset,
    PduMode,
    Formats,
    TextMode,
    TextCharset,
    SetCentre,
    Centre,
    Service,
    PlainService,
}

impl Script for Format {
    type Step = Step;
    const FIRST: Step = Step::Family(0);

    fn ask(&mut self, step: Step, cx: &mut Cx<'_>) -> Option<(Command, Duration)> {
        let known = &cx.known;
        let command = match step {
            Step::Family(at) => Command::Vendor(known.profile.init.get(at)?.clone().into()),
            Step::FamilyOptional(at) => Command::Vendor(known.profile.init_optional.get(at)?.clone().into()),
            Step::Charset => Command::Charset(Charset::Gsm),
            Step::PduMode => Command::PduMode,
            Step::Formats => Command::Formats,
            Step::TextMode => Command::TextMode,
            Step::TextCharset => Command::Charset(Charset::Ira),
            Step::SetCentre => Command::SetServiceCentre(known.settings.smsc.clone()?),
            Step::Centre => Command::ServiceCentre,
            Step::Service => Command::Service,
            Step::PlainService => Command::PlainService,
        };
        Some((command, known.settings.timing.command))
    }

    fn heard(&mut self, step: Step, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Step> {
        match step {
            Step::Family(_) | Step::SetCentre if !answer.is_ok() && answer.tries < TRIES => Turn::Again,
            Step::Family(at) => {
                if !answer.is_ok() {
                    self.stays_refused(at, answer, cx);
                }
                Turn::Go(Step::Family(at + 1))
            }
            Step::FamilyOptional(_) | Step::Centre if answer.is_busy() => Turn::Again,
            Step::FamilyOptional(at) => Turn::Go(Step::FamilyOptional(at + 1)),
            Step::Charset => {
                cx.known.format.text.switches = answer.is_ok();
                if cx.known.profile.has(Quirk::TextModeOnly) {
                    return Turn::Go(Step::TextMode);
                }
                Turn::Go(Step::PduMode)
            }
            Step::PduMode => self.pdu_mode(answer, cx),
            Step::Formats => {
                let formats = answer.body();
                cx.known.format.text.lists_pdu = formats.contains('0');
                if formats.contains('1') && !formats.contains('0') {
                    return Turn::Go(Step::TextMode);
                }
                Turn::After(cx.known.settings.timing.busy_retry, Step::PduMode)
            }
            Step::TextMode if !answer.is_ok() => refused("PDU mode and text mode (AT+CMGF)", answer, cx),
            Step::TextMode => {
                cx.known.format.text.on = true;
                cx.known.format.was_set(cx.now);
                Turn::Go(Step::TextCharset)
            }
            Step::TextCharset => {
                let text = &mut cx.known.format.text;
                text.switches |= answer.is_ok();
                text.plain = if answer.is_ok() { Charset::Ira } else { Charset::Gsm };
                text.charset = Some(text.plain);
                Turn::Go(Step::SetCentre)
            }
            Step::SetCentre => {
                if !answer.is_ok() {
                    cx.hint(Fault::CentreRefused(answer.why(cx)));
                }
                Turn::Go(Step::Centre)
            }
            Step::Centre => {
                if answer.is_ok() {
                    centre_read(answer.body(), cx);
                }
                Turn::Go(Step::Service)
            }
            Step::Service if first_number(answer.body()) == Some(1) => {
                cx.known.format.acknowledges = true;
                Turn::Go(Step::PlainService)
            }
            Step::Service => to_the_storages(),
            Step::PlainService => {
                cx.known.format.acknowledges = !answer.is_ok();
                to_the_storages()
            }
        }
    }

    fn skipped(&mut self, step: Step, cx: &mut Cx<'_>) -> Turn<Step> {
        Turn::Go(match step {
            Step::Family(_) => {
                self.tell_refused(cx);
                Step::FamilyOptional(0)
            }
            Step::SetCentre => Step::Centre,
            _ => Step::Charset,
        })
    }
}

fn to_the_storages() -> Turn<Step> {
    Turn::End(Next::then(Run::new(Storages::default())))
}

fn refused(what: &'static str, answer: &Answer<'_>, cx: &Cx<'_>) -> Turn<Step> {
    Turn::End(crate::session::procedure::Next::Cure(Fault::FormatRefused { what, why: answer.why(cx) }))
}

impl Format {
    /// A command of the family's own was refused at every try.
    fn stays_refused(&mut self, at: usize, answer: &Answer<'_>, cx: &Cx<'_>) {
        let mut told = String::new();
        mask(cx.known.profile.init.get(at).map_or("", String::as_str), &mut told);
        self.refused.push(format!("{told} ({})", answer.why(cx)));
    }

    /// All of the family's own commands were sent. A modem that lacks one may send all the same.
    fn tell_refused(&mut self, cx: &mut Cx<'_>) {
        let refused = std::mem::take(&mut self.refused);
        cx.known.format.family_refused = !refused.is_empty();
        if cx.known.format.family_refused {
            let family = cx.known.profile.name.clone();
            cx.hint(Fault::FamilyRefused { family, refused: refused.join(", ") });
        }
    }

    /// PDU mode, or text mode on a modem that has nothing else.
    fn pdu_mode(&mut self, answer: &Answer<'_>, cx: &mut Cx<'_>) -> Turn<Step> {
        if answer.is_ok() {
            cx.known.format.was_set(cx.now);
            return Turn::Go(Step::SetCentre);
        }
        if !std::mem::replace(&mut self.asked, true) {
            return Turn::Aside(Step::Formats);
        }
        if answer.tries + 1 < TRIES {
            return Turn::Again;
        }
        if cx.known.format.text.lists_pdu {
            // Rather, the SIM of this modem is not ready yet.
            return refused("PDU mode (AT+CMGF=0)", answer, cx);
        }
        Turn::Go(Step::TextMode)
    }
}

/// Compares the service centre that the modem gives with the configured one.
fn centre_read(body: &str, cx: &mut Cx<'_>) {
    let digits = |number: &str| number.trim_start_matches('+').to_owned();
    let read = first_text(body);
    let configured = cx.known.settings.smsc.as_ref();
    if read.is_empty() {
        cx.hint(Fault::NoCentre);
    } else if configured.is_some_and(|set| digits(set) != digits(read)) && cx.known.hint.is_none() {
        cx.hint(Fault::CentreNotKept);
    }
}
