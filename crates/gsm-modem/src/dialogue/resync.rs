//! Resynchronising the dialogue after a time-out, before any new command: ESC if a prompt may be open, then
//! `AT` until it is answered and the line is quiet. What arrives in the meantime is late: it is counted, and
//! never an answer to what follows.

use std::time::Instant;

use super::Dialogue;
use crate::at::{Command, LineEnd, ResultCode};

/// How many lines may disturb the quiet before the line counts as quiet all the same.
const DISTURBANCES: u8 = 50;
/// With fewer calls than this, all calls are plain.
const TRIES_FOR_OTHER_FORMS: u16 = 4;

/// How the modem is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// `AT`.
    Plain,
    /// `ATQ0V1`, in case results are switched off (V.250 clauses 6.2.5 and 6.2.6).
    ForResults,
    /// `AT` with CR and LF, in case the modem waits for the LF.
    OtherLineEnd,
}

impl Call {
    /// The call after so many unanswered ones, of `all` that are made.
    fn of(unanswered: u8, all: u8) -> Self {
        let (unanswered, all) = (u16::from(unanswered), u16::from(all));
        if all < TRIES_FOR_OTHER_FORMS {
            Self::Plain
        } else if unanswered == all * 2 / 5 {
            Self::ForResults
        } else if unanswered == all * 7 / 10 {
            Self::OtherLineEnd
        } else {
            Self::Plain
        }
    }
}

#[derive(Debug)]
pub(super) struct Resync {
    stage: Stage,
    timer: Option<Instant>,
    /// How many calls got no answer.
    tries: u8,
    /// How many calls were answered by an error. The first error may be the late answer to another command.
    errors: u8,
    disturbances: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// ESC was written: whatever answers it is ignored.
    Settling,
    /// `AT` was written.
    Asked,
    /// `AT` was answered; nothing may come for a while.
    Quiet,
}

/// Whether the modem may be waiting at a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// It may.
    Perhaps,
    /// It is not: it got a whole message, or was never asked for a prompt. ESC could abort the message that
    /// it still sends.
    No,
}

impl Resync {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timer
    }
}

impl Dialogue {
    /// Resynchronises the dialogue. The outstanding command is forgotten; the kernel reports [`Heard::Found`]
    /// or [`Heard::Silent`] at the end.
    ///
    /// [`Heard::Found`]: super::Heard::Found
    /// [`Heard::Silent`]: super::Heard::Silent
    pub fn find(&mut self, prompt: Open, now: Instant) {
        self.outstanding = None;
        // A text from outside goes on, whatever is found in the meantime.
        self.two_line.take_if(|due| !matches!(due, super::TwoLine::Text { .. }));
        self.rest_of_line = None;
        self.framer.clear();
        self.resync =
            Some(Resync { stage: Stage::Settling, timer: None, tries: 0, errors: 0, disturbances: 0 });
        match prompt {
            Open::Perhaps => self.escape(now),
            Open::No => self.call(now),
        }
    }

    /// Resynchronises a dialogue that had been in step before, and counts that.
    pub fn find_again(&mut self, prompt: Open, now: Instant) {
        self.counts.resyncs += 1;
        self.find(prompt, now);
    }

    /// Resynchronises with a single call.
    pub fn find_by_one_call(&mut self, now: Instant) {
        self.find_again(Open::Perhaps, now);
        let last = self.settings.attention_tries.saturating_sub(1);
        if let Some(resync) = &mut self.resync {
            resync.tries = last;
        }
    }

    /// The call was answered, by `OK` or by an error: any final result shows that the modem is there. The first error may
    /// be the result of an earlier command, as is whatever comes before the call.
    pub(super) fn resync_answered(&mut self, code: ResultCode, now: Instant) -> Option<super::Heard> {
        if let Some(resync) = self.resync.as_mut().filter(|r| r.stage == Stage::Asked) {
            if code.is_ok() || resync.errors > 0 {
                self.answered(now);
                return None;
            }
            resync.errors += 1;
        }
        self.count_late(now);
        Some(super::Heard::Late(code))
    }

    /// Numbers are results of a modem that was left with `ATV0` (V.250 clause 6.2.6), and words that end a
    /// call are results of one that takes a call for its work: either shows that the modem answers. Anywhere
    /// but after a call, or after a command that sets the form of results, such a line may be data.
    pub(super) fn result_of_another_form(&self, line: &str) -> Option<ResultCode> {
        let expected = match &self.resync {
            Some(resync) => resync.stage == Stage::Asked,
            None => self.outstanding.as_ref().is_some_and(|outstanding| {
                matches!(
                    outstanding.command,
                    Command::Attention | Command::EchoOff | Command::Verbose | Command::Terse
                )
            }),
        };
        ResultCode::to_attention(line).filter(|_| expected)
    }

    /// A line came that belongs to nothing: if the line should be quiet, the wait starts again.
    pub(super) fn disturbed(&mut self, now: Instant) {
        let quiet = self.settings.quiet;
        let Some(resync) = &mut self.resync else { return };
        if resync.stage != Stage::Asked && resync.disturbances < DISTURBANCES {
            resync.disturbances += 1;
            let until = now + quiet;
            resync.timer = Some(resync.timer.map_or(until, |timer| timer.max(until)));
        }
    }

    pub(super) fn resync_timed_out(&mut self, now: Instant) -> Option<super::Heard> {
        let tries = self.settings.attention_tries;
        let resync = self.resync.as_mut()?;
        resync.tries += 1;
        if resync.tries >= tries {
            self.resync = None;
            return Some(super::Heard::Silent);
        }
        self.escape(now);
        None
    }

    pub(super) fn resync_tick(&mut self, now: Instant) -> Option<super::Heard> {
        let resync = self.resync.as_mut()?;
        resync.timer.take_if(|timer| *timer <= now)?;
        match resync.stage {
            Stage::Settling => self.call(now),
            Stage::Asked => {}
            Stage::Quiet if self.framer.holds_prompt() => self.escape(now),
            Stage::Quiet => {
                self.resync = None;
                self.ended_at = Some(now);
                return Some(super::Heard::Found);
            }
        }
        None
    }

    fn answered(&mut self, now: Instant) {
        let settings = self.settings;
        self.outstanding = None;
        let Some(resync) = &mut self.resync else { return };
        resync.stage = Stage::Quiet;
        if Call::of(resync.tries, settings.attention_tries) == Call::OtherLineEnd {
            self.settings.line_end = LineEnd::CrLf;
        }
        // With more than one AT written, the answer may have been to an earlier one.
        let quiet = if resync.tries > 0 { settings.attention.max(settings.quiet) } else { settings.quiet };
        resync.timer = Some(now + quiet);
    }

    fn escape(&mut self, now: Instant) {
        self.framer.clear();
        self.outstanding = None;
        self.write_escape(now);
        let until = now + self.settings.quiet;
        if let Some(resync) = &mut self.resync {
            resync.stage = Stage::Settling;
            resync.timer = Some(until);
        }
    }

    fn call(&mut self, now: Instant) {
        let Some(resync) = &mut self.resync else { return };
        resync.stage = Stage::Asked;
        resync.timer = None;
        let call = Call::of(resync.tries, self.settings.attention_tries);
        let command = match call {
            Call::ForResults => Command::Vendor("ATQ0V1".into()),
            Call::Plain | Call::OtherLineEnd => Command::Attention,
        };
        let line_end = self.settings.line_end;
        if call == Call::OtherLineEnd {
            self.settings.line_end = LineEnd::CrLf;
        }
        self.ended_at = None;
        self.write_command(command, self.settings.attention, now);
        self.settings.line_end = line_end;
    }
}
