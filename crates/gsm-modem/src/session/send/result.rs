//! How a send ends, with a result or without one. What the result is about decides what else is checked: the
//! SIM, the format, the storage, the service centre.

use std::time::Instant;

use super::{Gate, QUIET_AROUND_REFERENCE, QUIET_BEHIND_LATE, Send, Stage};
use crate::at::{Command, Failure, ResultCode, Subject, Verdict, names_the_sim, send_reference};
use crate::dialogue::Open;
use crate::session::input::Output;
use crate::session::procedure::{Cx, Next};
use crate::snapshot::{Notice, Outcome};

/// A modem that refuses a sound PDU may have lost an octet of it: from then on it gets this time after the prompt.
const PROMPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

impl Send {
    pub(super) fn answered(&mut self, command: &Command, code: &ResultCode, cx: &mut Cx<'_>) -> Next {
        match self.stage {
            Stage::Format => self.format_answered(code, cx),
            Stage::More => {
                cx.known.format.more_refused |= !code.is_ok();
                self.send_part(cx)
            }
            Stage::Prepare if cx.known.format.text.prepared(command, code) => self.send_part(cx),
            Stage::Prepare => self.text_refused(command, code, cx),
            Stage::Withdrawn => Next::Done,
            // The calls are the dialogue's own.
            Stage::Proof => Next::Stay,
            Stage::Prompt | Stage::Held | Stage::Pause => self.refused_before_body(code, cx),
            Stage::Body(reference) => {
                let expected = cx.known.pace.expected_until(self.written);
                cx.known.pace.record(cx.now.saturating_duration_since(self.written));
                self.result(reference, code, expected, cx)
            }
        }
    }

    fn format_answered(&mut self, code: &ResultCode, cx: &mut Cx<'_>) -> Next {
        if code.is_ok() {
            cx.known.format.was_set(cx.now);
            return self.more(cx);
        }
        // Nothing leaves before the format is known.
        cx.known.format.set_doubtful();
        let failure = Self::failure(code, cx);
        cx.known.pending.bring_up |= !Failure::is_busy(code);
        self.end_refused(failure.sentence, cx.known, cx.now);
        Next::Done
    }

    /// A result came, after a reference or without one. The result may belong to another message: `OK` alone
    /// to an earlier command, and any result to a message that was given up while its result may still come.
    /// The message's own result may follow, so nothing is written for a moment.
    fn result(
        &mut self,
        reference: Option<u8>,
        code: &ResultCode,
        expected: Instant,
        cx: &mut Cx<'_>,
    ) -> Next {
        let late = cx.known.pace.doubts(reference.filter(|_| code.is_ok()), cx.now);
        if late || reference.is_none() && code.is_ok() {
            self.doubted = Some((reference, code.clone()));
            self.stage = Stage::Body(None);
            let expected = expected.saturating_duration_since(cx.now);
            return cx.wake_in(if late { QUIET_BEHIND_LATE.max(expected) } else { QUIET_AROUND_REFERENCE });
        }
        self.concluded(reference, code, cx)
    }

    /// The result that was doubted belonged to the message before.
    pub(super) fn was_anothers(&mut self, cx: &mut Cx<'_>) {
        if let Some((Some(reference), _)) = self.doubted.take()
            && cx.known.pace.take_late(reference, cx.now)
        {
            cx.known.push(Output::Notice(Notice::LateAccepted { reference }));
        }
    }

    /// Of this message and the one that was given up before it, the modem accepted one and refused one. It
    /// need not answer in order, so it is unknown which: neither counts as accepted.
    pub(super) fn one_of_each(&mut self, cx: &mut Cx<'_>) -> Next {
        self.doubted = None;
        let reason = "the modem took one message and refused another, and does not say which";
        self.end_unknown(String::from(reason), cx);
        Next::Idle(Open::No)
    }

    /// Nothing followed a result that was doubted. An acceptance is this message's own unless the modem restarted in
    /// that time, which ended the message without a word: calling the modem again shows that.
    pub(super) fn nothing_else_came(&mut self, cx: &mut Cx<'_>) -> Next {
        match self.doubted.clone() {
            None => Next::Stay,
            Some((Some(reference), code)) if code.is_ok() && cx.known.pace.is_old(reference) => {
                self.doubted = None;
                self.end_unknown(String::from("the modem answered with an old reference alone"), cx);
                Next::Idle(Open::No)
            }
            Some((Some(_), code)) if code.is_ok() => {
                self.stage = Stage::Proof;
                Next::Resync(Open::No)
            }
            Some((reference, code)) => self.concluded(reference, &code, cx),
        }
    }

    /// The modem was called again after an acceptance that was doubted.
    pub(super) fn proven(&mut self, cx: &mut Cx<'_>) -> Next {
        match self.doubted.clone() {
            Some((reference, code)) if !cx.known.pending.bring_up => {
                self.out_of_step = true;
                self.concluded(reference, &code, cx)
            }
            _ => {
                let reason = "the modem restarted behind an answer that may be that of an earlier message";
                self.end_unknown(String::from(reason), cx);
                Next::Idle(Open::No)
            }
        }
    }

    /// The result belongs to this message, as far as can be told.
    pub(super) fn concluded(&mut self, reference: Option<u8>, code: &ResultCode, cx: &mut Cx<'_>) -> Next {
        let doubted = self.doubted.take().is_some();
        match reference {
            Some(reference) if code.is_ok() => self.part_taken(reference, cx),
            Some(reference) => {
                let failure = cx.known.profile.failure(code).sentence;
                self.end_unknown(format!("the modem gave reference {reference} and then: {failure}"), cx);
                Next::Idle(Open::No)
            }
            None if code.is_ok() => {
                let reason = "the modem answered OK without a message reference: it may have sent nothing";
                self.end_unknown(String::from(reason), cx);
                Next::Idle(Open::No)
            }
            None => {
                let mut error = Self::failure(code, cx);
                if doubted && error.verdict == Verdict::Refused {
                    // The error may have been about another message.
                    error.verdict = Verdict::Later;
                }
                let references = std::mem::take(&mut self.references);
                let outcome = match error.verdict {
                    Verdict::Open => Outcome::Unknown { references, reason: error.sentence },
                    _ => Outcome::Rejected { references, error },
                };
                cx.known.settle(outcome, cx.now);
                Next::Done
            }
        }
    }

    pub(super) fn unanswered(&mut self, cx: &mut Cx<'_>) -> Next {
        cx.known.ladder.notice(cx.now);
        let reason = match self.stage {
            Stage::Format => {
                cx.known.format.set_doubtful();
                "the modem did not answer AT+CMGF in time"
            }
            Stage::More => {
                cx.known.format.more_refused = true;
                "the modem did not answer AT+CMMS=2 in time"
            }
            Stage::Prepare => "the modem did not answer a setting of text mode in time",
            Stage::Prompt => "the modem gave no prompt in time",
            Stage::Held | Stage::Pause => {
                return self.withdraw_at_prompt("the message was not released in time", cx);
            }
            Stage::Withdrawn => return Next::Idle(Open::Perhaps),
            Stage::Proof => return Next::Stay,
            Stage::Body(Some(reference)) => {
                // The OK was garbled or lost. It must not end the next command.
                self.out_of_step = true;
                return self.part_taken(reference, cx);
            }
            Stage::Body(_) => {
                let waited = cx.now.saturating_duration_since(self.written).as_secs();
                self.end_unknown(
                    format!("no result within {waited} s after the message was handed over"),
                    cx,
                );
                return Next::Idle(Open::No);
            }
        };
        if self.is_withdrawn() {
            self.end_unstarted("the message was withdrawn", cx.known, cx.now);
        } else {
            self.end_refused(reason.to_owned(), cx.known, cx.now);
        }
        Next::Idle(if self.stage == Stage::Prompt { Open::Perhaps } else { Open::No })
    }

    pub(super) fn part_taken(&mut self, reference: u8, cx: &mut Cx<'_>) -> Next {
        cx.known.format.was_used(cx.now);
        self.references.push(reference);
        self.index += 1;
        let out_of_step = std::mem::take(&mut self.out_of_step);
        if self.index < self.parts.len() {
            if out_of_step {
                // Whatever ends the order from here on ends it between two parts: nothing of the next part has left.
                self.stage = Stage::More;
                return Next::Resync(Open::No);
            }
            return self.send_part(cx);
        }
        let references = std::mem::take(&mut self.references);
        if let Some(recovery) = cx.known.ladder.sent(cx.now) {
            cx.tell_recovered(recovery);
        }
        cx.known.settle(Outcome::Accepted { references }, cx.now);
        if out_of_step { Next::Idle(Open::No) } else { Next::Done }
    }

    fn refused_before_body(&mut self, code: &ResultCode, cx: &mut Cx<'_>) -> Next {
        let mut error = Self::failure(code, cx);
        if error.verdict == Verdict::Open {
            // Nothing has left.
            error.verdict = Verdict::Later;
        }
        let references = std::mem::take(&mut self.references);
        cx.known.settle(Outcome::Rejected { references, error }, cx.now);
        // The error may have been a late one, and the prompt may still come.
        if self.stage != Stage::Prompt || cx.known.pace.awaits_late(cx.now) {
            return Next::Idle(Open::Perhaps);
        }
        Next::Done
    }

    fn end_unknown(&mut self, reason: String, cx: &mut Cx<'_>) {
        let references = std::mem::take(&mut self.references);
        cx.known.settle(Outcome::Unknown { references, reason }, cx.now);
        self.expect_late(cx);
    }

    /// The result of this message is not awaited any more, and may still come.
    pub(super) fn expect_late(&self, cx: &mut Cx<'_>) {
        cx.known.pace.gave_up(self.written, cx.now + cx.known.settings.timing.sending.late);
    }

    /// What an error says about the message. Whatever else the error names is checked as well.
    fn failure(code: &ResultCode, cx: &mut Cx<'_>) -> Failure {
        let mut error = cx.known.profile.failure(code);
        match code {
            _ if error.subject == Subject::Storage => cx.known.storage_is_full(cx.now),
            ResultCode::Cms(_) if matches!(error.code, Some(304 | 305)) => {
                // The PDU is sound: an octet of it was lost, or the modem is in another mode.
                cx.known.format.set_doubtful();
                cx.known.format.prompt_pause = PROMPT_PAUSE;
                // A modem that ends its lines at CR takes the LF behind it for the first octet of the PDU.
                cx.dialogue.settings_mut().line_end = cx.known.profile.line.line_end;
            }
            ResultCode::Cms(_) if error.code == Some(330) => {
                error.sentence.push_str(": set smsc in this modem's configuration");
                cx.known.pending.bring_up |= cx.known.settings.smsc.is_some();
            }
            _ => cx.known.pending.bring_up |= names_the_sim(code),
        }
        error
    }

    /// Whether the gate will never open.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.gate == Gate::Dropped
    }
}

impl Cx<'_> {
    /// Takes `+CMGS: n` that no message awaits: it belongs to the message whose result was given up.
    pub(in crate::session) fn late_reference(&mut self, body: &str) {
        if let Some(reference) = send_reference(body)
            && self.known.pace.take_late(reference, self.now)
        {
            self.known.push(Output::Notice(Notice::LateAccepted { reference }));
        }
    }
}
