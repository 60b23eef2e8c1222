//! USSD requests to the network (3GPP TS 27.007 clause 7.15), and dialogues of several steps. The reply is an
//! unsolicited code that may come before the command's own OK. The family says how texts are written, or the
//! session finds it out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::input::{Output, UssdAnswer};
use super::known::Known;
use super::procedure::{Activity, Cx, Next, Procedure};
use super::ussd_dialogue::Request;
use super::ussd_text::{Found, decoded, encoded, is_placeholder};
use crate::at::{Charset, Command, Failure, Line, ResultCode, ussd};
use crate::dialogue::{Ended, Open, Outstanding};
use crate::profiles::UssdCoding;
use crate::secret::Secret;

/// The most lines of one answer.
const LINES: usize = 40;

/// A request in progress.
#[derive(Debug)]
pub(super) struct Ussd {
    request: Option<Request>,
    stage: Stage,
    timeout: Duration,
    /// An answer whose quote is not closed yet: a text of several lines.
    open: Option<Secret<String>>,
    /// An answer that is complete now.
    whole: Option<Secret<String>>,
}

#[derive(Debug)]
enum Stage {
    /// It has not begun.
    New,
    /// `AT+CUSD=2` is outstanding; this request is next.
    Ending(Option<Secret<String>>),
    /// The same for a dialogue that nobody answered: nobody waits for its end.
    Abandoning,
    /// The request was sent in this coding. Those that are left may be tried when the modem refuses the text.
    /// The sentence of the first refusal is kept for a person.
    Asked { code: Secret<String>, coding: UssdCoding, left: VecDeque<UssdCoding>, refusal: Option<Failure> },
    /// The answer came, and the command is not over.
    Answered,
}

impl Known {
    /// The device restarts: no dialogue outlives that, and whoever waits for one is told.
    pub(super) fn end_dialogue(&mut self, why: &Fault) {
        self.ussd_dialogue.close();
        if self.pending.ussd.take().is_some() {
            self.push(Output::Ussd(Err(why.to_string())));
        }
    }

    /// The family's coding, the one that worked before, or else those that modems use, the most common first.
    fn codings(&self) -> VecDeque<UssdCoding> {
        let worked = self.ussd_dialogue.worked.as_ref().filter(|(family, _)| *family == self.profile.name);
        match (self.profile.ussd, worked) {
            (UssdCoding::Auto, Some((_, worked))) => VecDeque::from([*worked]),
            (UssdCoding::Auto, None) => VecDeque::from([UssdCoding::Plain, UssdCoding::PackedHex]),
            (told, _) => VecDeque::from([told]),
        }
    }
}

impl Ussd {
    pub(super) fn new(request: Request) -> Self {
        Self { timeout: request.timeout, request: Some(request), stage: Stage::New, open: None, whole: None }
    }

    /// Ends a dialogue that nobody answers.
    pub(super) fn end_of_dialogue(timeout: Duration) -> Self {
        Self { request: None, stage: Stage::Abandoning, timeout, open: None, whole: None }
    }

    fn ask_network(
        &mut self,
        code: Secret<String>,
        again: Option<(VecDeque<UssdCoding>, Failure)>,
        cx: &mut Cx<'_>,
    ) -> Next {
        let (mut left, refusal) = match again {
            Some((left, refusal)) => (left, Some(refusal)),
            None => (cx.known.codings(), None),
        };
        // A text that this coding cannot write is left to the next one.
        let written = loop {
            let Some(coding) = left.pop_front() else { break None };
            if let Some(text) = encoded(code.expose(), coding) {
                break Some((coding, text));
            }
        };
        let Some((coding, text)) = written else {
            return self.end(Err(String::from("the modem takes the request in no known form")), cx);
        };
        self.stage = Stage::Asked { code, coding, left, refusal };
        self.open = None;
        cx.known.timer = Some(cx.now + self.timeout);
        cx.ask(Command::Ussd(Secret::new(text)), self.timeout)
    }

    /// Ends the request.
    fn end(&mut self, answer: Result<UssdAnswer, String>, cx: &mut Cx<'_>) -> Next {
        self.stage = Stage::Answered;
        cx.known.timer = None;
        cx.known.push(Output::Ussd(answer));
        Next::Done
    }

    fn text(&mut self, body: &str, cx: &mut Cx<'_>) -> Next {
        let Stage::Asked { coding, .. } = self.stage else { return Next::Stay };
        let Some(reply) = ussd(body) else {
            cx.dialogue.count_dropped();
            return Next::Stay;
        };
        let answered = cx.known.ussd_dialogue.is_open();
        let answer = match (reply.status, reply.text) {
            // These are words of the modem; the network's words follow.
            (2 | 3, Some(text)) if is_placeholder(&text) => return Next::Stay,
            (status, Some(text)) => {
                let auto = cx.known.profile.ussd == UssdCoding::Auto;
                let told = if auto { Found::ByLooks } else { Found::Told(coding) };
                let text = decoded(&text, reply.scheme, told, cx.known.charset());
                Ok(UssdAnswer { text, open: status == 1 })
            }
            (1, None) => Ok(UssdAnswer { text: String::new(), open: true }),
            (2, None) if answered => Err(String::from("the network ended the dialogue")),
            (2, None) => Err(String::from("the network ended the dialogue without an answer")),
            (4, None) => Err(String::from("the network does not support this request")),
            (5, None) => Err(String::from("the network did not answer in time")),
            // 0: done, and there is no text yet; 3: another device of this SIM answered.
            _ => return Next::Stay,
        };
        if answer.is_ok() {
            cx.known.ussd_dialogue.worked = Some((cx.known.profile.name.clone(), coding));
        }
        let open = answer.as_ref().is_ok_and(|answer| answer.open);
        cx.known.ussd_dialogue.set_open(open, cx.now);
        let over = self.end(answer, cx);
        if cx.dialogue.outstanding().is_none() {
            return over;
        }
        cx.dialogue.set_deadline(cx.now + cx.known.settings.timing.command);
        Next::Stay
    }

    fn give_up(&mut self, cx: &mut Cx<'_>) -> Next {
        if let Some(text) = self.open.take() {
            // An incomplete text is better than none.
            let _ = self.text(text.expose(), cx);
        }
        cx.known.timer = None;
        match self.stage {
            Stage::Answered => {}
            Stage::Asked { .. } => {
                cx.known.ussd_dialogue.close();
                let _ = self.end(Err(String::from("the network did not answer in time")), cx);
            }
            Stage::Ending(_) => {
                cx.known.ussd_dialogue.close();
                let _ = self.end(Err(String::from("the modem did not end the dialogue in time")), cx);
            }
            Stage::Abandoning | Stage::New => cx.known.ussd_dialogue.close(),
        }
        Next::Idle(Open::No)
    }
}

impl Known {
    /// The alphabet in which the modem writes texts; `None` when it never accepted one.
    fn charset(&self) -> Option<Charset> {
        let text = &self.format.text;
        if text.on { text.charset } else { text.switches.then_some(Charset::Gsm) }
    }
}

impl Procedure for Ussd {
    fn activity(&self) -> Activity {
        Activity::Ussd
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Next {
        cx.known.timer = None;
        let command = cx.known.settings.timing.command;
        let Some(Request { code, .. }) = self.request.take() else {
            return cx.ask(Command::UssdCancel, command);
        };
        let open = cx.known.ussd_dialogue.is_open();
        // `*100#` in the middle of a dialogue begins a new one; `1`, `0` or `#` answers it.
        let anew = |code: &str| code.len() > 2 && code.starts_with(['*', '#']) && code.ends_with('#');
        match code {
            None if !open => self.end(Err(String::from("no dialogue with the network is open")), cx),
            Some(code) if !open || !anew(code.expose()) => self.ask_network(code, None, cx),
            other => {
                self.stage = Stage::Ending(other);
                cx.ask(Command::UssdCancel, command)
            }
        }
    }

    /// Claims a line of an answer that has several.
    fn claims(
        &mut self,
        line: &str,
        outstanding: Option<&Outstanding>,
        _known: &mut Known,
        _now: Instant,
    ) -> bool {
        let Some(text) = self.open.take() else { return false };
        if outstanding.is_some() && matches!(Line::of(line, None), Line::Final(_)) {
            // The command ended: the quote was never closed.
            self.whole = Some(text);
            return false;
        }
        let longer = Secret::new(format!("{}\n{line}", text.expose()));
        if is_closed(longer.expose()) || longer.expose().lines().count() >= LINES {
            self.whole = Some(longer);
        } else {
            self.open = Some(longer);
        }
        true
    }

    fn claimed(&mut self, cx: &mut Cx<'_>) -> Next {
        match self.whole.take() {
            Some(text) => self.text(text.expose(), cx),
            None => Next::Stay,
        }
    }

    fn ended(&mut self, ended: Ended, cx: &mut Cx<'_>) -> Next {
        if ended.result.is_none() {
            return self.give_up(cx);
        }
        // The command's end may complete a text.
        if let Some(text) = self.whole.take() {
            let _ = self.text(text.expose(), cx);
        }
        match &mut self.stage {
            Stage::Answered | Stage::New => Next::Done,
            Stage::Abandoning => {
                cx.known.ussd_dialogue.close();
                Next::Done
            }
            Stage::Ending(next) => {
                cx.known.ussd_dialogue.close();
                match next.take() {
                    Some(code) => self.ask_network(code, None, cx),
                    None => self.end(Ok(UssdAnswer::default()), cx),
                }
            }
            Stage::Asked { .. } if ended.is_ok() => Next::Stay,
            Stage::Asked { code, left, refusal, .. } => {
                let (code, left, first) = (code.clone(), std::mem::take(left), refusal.take());
                let result = ended.code();
                let failure = cx.known.profile.failure(&result);
                if !left.is_empty() && is_of_the_text(&result) {
                    // Nothing has gone to the network.
                    return self.ask_network(code, Some((left, failure)), cx);
                }
                cx.known.ussd_dialogue.close();
                let told = first.filter(|first| failure.code.is_none() && first.code.is_some());
                self.end(Err(told.unwrap_or(failure).sentence), cx)
            }
        }
    }

    fn timer(&mut self, cx: &mut Cx<'_>) -> Next {
        self.give_up(cx)
    }

    fn network_said(&mut self, body: &str, cx: &mut Cx<'_>) -> Next {
        if !matches!(self.stage, Stage::Asked { .. }) {
            cx.known.ussd_dialogue.network_said(body);
            return Next::Stay;
        }
        if is_closed(body) {
            return self.text(body, cx);
        }
        self.open = Some(Secret::new(body.to_owned()));
        Next::Stay
    }

    fn abandon(&mut self, why: &Fault, cx: &mut Cx<'_>) {
        if matches!(self.stage, Stage::Asked { .. } | Stage::Ending(_) | Stage::New) {
            let _ = self.end(Err(why.to_string()), cx);
        }
    }
}

/// Whether the modem refused the form of the request rather than the request: `ERROR`, "operation not
/// allowed", "not supported", "invalid characters", "incorrect parameters" (27.007 clause 9.2).
fn is_of_the_text(result: &ResultCode) -> bool {
    match result {
        ResultCode::Error | ResultCode::NotSupported => true,
        ResultCode::Cme(_) => matches!(Failure::number(result), Some(3 | 4 | 25 | 27 | 50 | 100 | 132)),
        ResultCode::Ok | ResultCode::Cms(_) => false,
    }
}

/// Whether the text is complete: without a quote, or with the one that closes it, perhaps with a scheme after it.
fn is_closed(body: &str) -> bool {
    let Some((_, text)) = body.split_once(',') else { return true };
    let Some(text) = text.trim_start().strip_prefix('"') else { return true };
    let Some((_, tail)) = text.rsplit_once('"') else { return false };
    let tail = tail.trim();
    tail.is_empty()
        || tail.strip_prefix(',').is_some_and(|dcs| dcs.trim().bytes().all(|b| b.is_ascii_digit()))
}
