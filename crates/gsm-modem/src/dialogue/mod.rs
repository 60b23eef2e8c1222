//! The dialogue kernel (ITU-T V.250, 3GPP TS 27.005 and TS 27.007): one command at a time, and the meaning of every
//! line.
//!
//! Octets become whole lines or an awaited prompt before anything is classified. A code of two lines is one
//! event, whatever is outstanding. After a time-out the dialogue is resynchronised before any new command.
//! The kernel knows no procedure: it reports events, and [`Dialogue::ask`] refuses a command while another
//! one is outstanding. The session and the questions of a probe use the same kernel.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use gsm_modem::at::{Command, ResultCode};
//! use gsm_modem::dialogue::{Dialogue, Heard, DialogueSettings};
//!
//! let (mut dialogue, now) = (Dialogue::new(DialogueSettings::default()), Instant::now());
//! assert!(dialogue.ask(Command::Signal, Duration::from_secs(5), now));
//! assert!(!dialogue.ask(Command::Model, Duration::from_secs(5), now), "one is outstanding");
//! assert_eq!(dialogue.poll().unwrap().octets().expose(), b"AT+CSQ\r");
//! dialogue.received(b"\r\n+CSQ: 17,99\r\n\r\nOK\r\n", now);
//! assert_eq!(dialogue.next(now, |_, _| false, |_| None), Some(Heard::Answer("17,99".into())));
//! let Some(Heard::Ended(ended)) = dialogue.next(now, |_, _| false, |_| None) else { panic!() };
//! assert_eq!(ended.answer(), "17,99");
//! assert_eq!(ended.result, Some(ResultCode::Ok));
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::at::{Command, Expects, Frame, Framer, Line, LineEnd, Means, Prompt, ResultCode, Unsolicited};
use crate::secret::Secret;

mod heard;
pub(crate) mod mask;
mod recorder;
mod resync;
#[cfg(test)]
mod tests;
mod two_line;
mod write;

pub use heard::{Ended, Heard};
pub use recorder::{Direction, LINES, OCTETS, Recorded};
pub use resync::Open;
pub use write::Write;

use recorder::Recorder;
use resync::Resync;
use two_line::{Second, TwoLine};

/// More lines than any modem needs for one answer.
const ANSWER_LINES: usize = 64;

/// How long the kernel waits, and how it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialogueSettings {
    /// How long one `AT` of a resynchronisation may take.
    pub attention: Duration,
    /// How many `AT` stay without an answer before the modem counts as silent.
    pub attention_tries: u8,
    /// How long nothing comes before the line counts as quiet.
    pub quiet: Duration,
    /// The pause between a final result and the next command.
    pub pause: Duration,
    /// What ends a command line.
    pub line_end: LineEnd,
}

impl Default for DialogueSettings {
    fn default() -> Self {
        Self {
            attention: Duration::from_secs(1),
            attention_tries: 10,
            quiet: Duration::from_millis(100),
            pause: Duration::ZERO,
            line_end: LineEnd::Cr,
        }
    }
}

/// Counts since the start of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Lines that were neither an answer nor a known unsolicited code, or too long.
    pub dropped_lines: u64,
    /// Answers to commands that had been given up.
    pub late_lines: u64,
    /// How often the dialogue was resynchronised.
    pub resyncs: u64,
}

/// The command whose final result is awaited.
#[derive(Debug)]
pub struct Outstanding {
    /// The command.
    pub command: Command,
    /// What it expects.
    pub expects: Expects,
    answer: Vec<String>,
    deadline: Instant,
    limit: Duration,
    /// Its octets wait for the pause between commands.
    held: bool,
    /// The prompt that it asks for has come.
    prompted: bool,
}

impl Outstanding {
    fn awaits_prompt(&self) -> bool {
        self.expects.prompt && !self.prompted
    }

    /// Whether the command gives back messages of people.
    fn reads_messages(&self) -> bool {
        matches!(self.command, Command::List | Command::ListText | Command::Read(_))
    }
}

/// The dialogue with one modem.
#[derive(Debug)]
pub struct Dialogue {
    settings: DialogueSettings,
    framer: Framer,
    outstanding: Option<Outstanding>,
    two_line: Option<TwoLine>,
    resync: Option<Resync>,
    recorder: Recorder,
    writes: VecDeque<Write>,
    /// A line whose beginning was read separately, because the end of that beginning was lost.
    rest_of_line: Option<String>,
    /// Whether results came as numbers.
    says_numbers: bool,
    /// When the last command ended.
    ended_at: Option<Instant>,
    counts: Counts,
}

impl Dialogue {
    /// A dialogue in which nothing was said yet.
    pub fn new(settings: DialogueSettings) -> Self {
        Self {
            settings,
            framer: Framer::new(),
            outstanding: None,
            two_line: None,
            resync: None,
            recorder: Recorder::new(),
            writes: VecDeque::new(),
            rest_of_line: None,
            says_numbers: false,
            ended_at: None,
            counts: Counts::default(),
        }
    }

    /// The settings, to be changed.
    pub fn settings_mut(&mut self) -> &mut DialogueSettings {
        &mut self.settings
    }

    /// Asks `command` and waits for its end for `limit`. Returns `false`, and writes nothing, when another
    /// command is outstanding or the dialogue is being resynchronised.
    #[must_use]
    pub fn ask(&mut self, command: Command, limit: Duration, now: Instant) -> bool {
        if self.outstanding.is_some() || self.resync.is_some() {
            return false;
        }
        self.write_command(command, limit, now);
        true
    }

    /// Writes what follows the prompt of the outstanding command, and waits for the command's end for `limit`.
    pub fn write_body(&mut self, body: Secret<Vec<u8>>, limit: Duration, now: Instant) {
        self.set_deadline(now + limit);
        self.write(Write::Body(body), now);
    }

    /// Leaves a prompt, without waiting for what the modem answers.
    pub fn write_escape(&mut self, now: Instant) {
        self.write(Write::Escape, now);
    }

    /// Sets the deadline of the outstanding command.
    pub fn set_deadline(&mut self, deadline: Instant) {
        if let Some(outstanding) = &mut self.outstanding {
            outstanding.deadline = deadline;
        }
    }

    /// The command whose end is awaited.
    pub fn outstanding(&self) -> Option<&Outstanding> {
        self.outstanding.as_ref()
    }

    /// Whether the dialogue is being resynchronised.
    pub fn is_lost(&self) -> bool {
        self.resync.is_some()
    }

    /// The next octets to write; to be called until there are none.
    pub fn poll(&mut self) -> Option<Write> {
        self.writes.pop_front()
    }

    /// The latest instant at which to call [`Dialogue::tick`].
    pub fn deadline(&self) -> Option<Instant> {
        let resync = self.resync.as_ref().and_then(Resync::deadline);
        [self.outstanding.as_ref().map(|o| o.deadline), resync].into_iter().flatten().min()
    }

    /// Takes octets that were read. [`Dialogue::next`] gives their meaning.
    pub fn received(&mut self, octets: &[u8], now: Instant) {
        self.recorder.at(now);
        self.end_text(now);
        if let Some(TwoLine::Text { until, .. }) = &mut self.two_line {
            // Line ends alone belong to the text as well.
            *until = now + self.settings.quiet;
        }
        self.framer.push(octets);
    }

    /// The next event; `None` until more is read. `claims` sees each whole line that belongs to no code of
    /// two lines, with the outstanding command, before the line is classified: with `true` the caller keeps
    /// the line, and the kernel goes on with the next one. `own` gives the number of lines of a code of the
    /// modem's family that begins with this line, and what it tells.
    pub fn next(
        &mut self,
        now: Instant,
        mut claims: impl FnMut(&str, Option<&Outstanding>) -> bool,
        own: impl Fn(&str) -> Option<(usize, Means)>,
    ) -> Option<Heard> {
        self.end_text(now);
        loop {
            let frame = match self.rest_of_line.take() {
                Some(rest) => Some(Frame::Line(rest)),
                None => self.framer.next(self.prompt()),
            };
            let heard = match frame {
                None => return None,
                Some(Frame::Line(line)) => self.line(&line, now, &mut claims, &own),
                Some(Frame::Prompt) => {
                    if let Some(outstanding) = &mut self.outstanding {
                        outstanding.prompted = true;
                    }
                    self.recorder.line(">");
                    Some(Heard::Prompt)
                }
                Some(Frame::Overlong) => {
                    self.count_dropped();
                    None
                }
            };
            if heard.is_some() {
                return heard;
            }
        }
    }

    /// Takes the passing of time. To be called until there is no event.
    pub fn tick(&mut self, now: Instant) -> Option<Heard> {
        self.recorder.at(now);
        if let Some(outstanding) = self.outstanding.as_mut().filter(|o| o.deadline <= now) {
            if std::mem::take(&mut outstanding.held) {
                outstanding.deadline = now + outstanding.limit;
                let command = outstanding.command.clone();
                self.write_line(command, now);
                return None;
            }
            let ended = self.outstanding.take()?;
            if self.resync.is_some() {
                return self.resync_timed_out(now);
            }
            return Some(Heard::Ended(Ended { command: ended.command, lines: ended.answer, result: None }));
        }
        self.resync_tick(now)
    }

    /// Whether there is an unfinished line that begins like a prompt that no command asked for: such a prompt
    /// would swallow the next command.
    pub fn holds_prompt(&self) -> bool {
        let in_text = matches!(self.two_line, Some(TwoLine::Text { .. }));
        self.outstanding.is_none() && !in_text && self.framer.holds_prompt()
    }

    /// Forgets what was in progress, because the port was opened or closed.
    pub fn clear(&mut self) {
        self.outstanding = None;
        self.resync = None;
        self.two_line = None;
        self.framer.clear();
        self.rest_of_line = None;
        self.writes.clear();
        self.ended_at = None;
    }

    /// Whether results came as numbers since the last call: the modem was left with `ATV0`.
    pub fn take_says_numbers(&mut self) -> bool {
        std::mem::take(&mut self.says_numbers)
    }

    /// The counts.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Counts a line that was neither an answer nor a code and was met outside the kernel.
    pub fn count_dropped(&mut self) {
        self.counts.dropped_lines += 1;
    }

    /// Counts an answer to a command that had been given up, which was met outside the kernel.
    pub fn count_late(&mut self, now: Instant) {
        self.counts.late_lines += 1;
        self.disturbed(now);
    }

    /// The recorder of the port.
    pub(crate) fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    /// The last `most` lines, masked, the oldest first.
    pub fn recorded(&self, most: usize, now: Instant) -> Vec<Recorded> {
        self.recorder.last(most, now)
    }

    fn line(
        &mut self,
        line: &str,
        now: Instant,
        claims: &mut impl FnMut(&str, Option<&Outstanding>) -> bool,
        own: &impl Fn(&str) -> Option<(usize, Means)>,
    ) -> Option<Heard> {
        // A prompt that no command awaited stands before whatever comes next.
        let line = line.trim_start_matches(['>', ' ']);
        if line.is_empty() {
            return None;
        }
        let line = match Line::split_pdu(line).filter(|_| self.may_lack_an_end()) {
            Some((digits, rest)) => {
                self.rest_of_line = Some(rest.to_owned());
                digits
            }
            None => line,
        };
        match self.second_line(line, now) {
            Second::No => {}
            Second::Consumed => return None,
            Second::Message(kind, length, pdu) => return Some(Heard::Message { kind, length, pdu }),
        }
        if self.resync.is_none() && claims(line, self.outstanding.as_ref()) {
            self.recorder.hidden(line);
            return Some(Heard::Claimed);
        }
        let expects = self.outstanding.as_ref().filter(|o| !o.held).map(|o| o.expects);
        let own = own(line);
        let meaning = Line::with(line, expects.as_ref(), |_| own.map(|(_, means)| means));
        if meaning == Line::Unknown && self.outstanding.as_ref().is_some_and(Outstanding::reads_messages) {
            self.recorder.hidden(line);
        } else {
            self.recorder.line(line);
        }
        match meaning {
            Line::Echo => self.is_own_echo(line).then_some(Heard::Echo),
            Line::Final(code) => self.finished(code, now),
            Line::Answer(body) => {
                let body = body.to_owned();
                if let Some(outstanding) = &mut self.outstanding
                    && outstanding.answer.len() < ANSWER_LINES
                {
                    outstanding.answer.push(body.clone());
                }
                Some(Heard::Answer(body))
            }
            Line::Unsolicited(Unsolicited::Routed(routed)) => self.handed_over(routed, now),
            Line::Unsolicited(code) => {
                self.two_line = TwoLine::rest(own.map_or(1, |(lines, _)| lines).saturating_sub(1));
                (code != Unsolicited::Other).then(|| Heard::Code(line.to_owned()))
            }
            Line::Unknown => self.unknown(line, now),
        }
    }

    fn unknown(&mut self, line: &str, now: Instant) -> Option<Heard> {
        if let Some(code) = self.result_of_another_form(line) {
            self.says_numbers |= line == "0";
            return self.finished(code, now);
        }
        if line.starts_with("+CMGS:") {
            self.count_late(now);
        } else {
            self.count_dropped();
        }
        Some(Heard::Stray(line.to_owned()))
    }

    fn finished(&mut self, code: ResultCode, now: Instant) -> Option<Heard> {
        if self.resync.is_some() {
            return self.resync_answered(code, now);
        }
        // A command that was not written yet cannot have been answered.
        match self.outstanding.take_if(|o| !o.held) {
            // An OK does not end a command that asked for a prompt and has not got it: the OK belongs to an
            // earlier command.
            Some(ended) if code.is_ok() && ended.awaits_prompt() => {
                self.outstanding = Some(ended);
                self.count_late(now);
                Some(Heard::Late(code))
            }
            Some(ended) => {
                self.ended_at = Some(now);
                Some(Heard::Ended(Ended { command: ended.command, lines: ended.answer, result: Some(code) }))
            }
            None => {
                self.count_late(now);
                Some(Heard::Late(code))
            }
        }
    }

    /// Whether a PDU is awaited, whose line may have lost its end.
    fn may_lack_an_end(&self) -> bool {
        matches!(self.two_line, Some(TwoLine::Pdu { .. }))
            || self.outstanding.as_ref().is_some_and(Outstanding::reads_messages)
    }

    /// Whether `line` is the outstanding command.
    fn is_own_echo(&self, line: &str) -> bool {
        self.outstanding.as_ref().filter(|o| !o.held).is_some_and(|o| {
            let written = o.command.encode();
            written.strip_suffix(LineEnd::Cr.octets()).is_some_and(|written| written == line.as_bytes())
        })
    }

    fn prompt(&self) -> Prompt {
        let awaited = self.resync.is_none()
            && self.outstanding.as_ref().is_some_and(Outstanding::awaits_prompt)
            && !matches!(self.two_line, Some(TwoLine::Text { .. }));
        if awaited { Prompt::Awaited } else { Prompt::Ignored }
    }

    fn write_command(&mut self, command: Command, limit: Duration, now: Instant) {
        let pause =
            self.ended_at.filter(|_| !self.settings.pause.is_zero()).map(|at| at + self.settings.pause);
        // The answer would be taken for a part of a text that is not over.
        let text = match &self.two_line {
            Some(TwoLine::Text { until, .. }) => Some(*until + Duration::from_millis(1)),
            _ => None,
        };
        let held = pause.max(text).filter(|free| *free > now);
        self.outstanding = Some(Outstanding {
            expects: command.expects(),
            answer: Vec::new(),
            deadline: held.unwrap_or(now + limit),
            limit,
            held: held.is_some(),
            prompted: false,
            command: command.clone(),
        });
        if held.is_none() {
            self.write_line(command, now);
        }
    }

    fn write_line(&mut self, command: Command, now: Instant) {
        self.write(Write::Command(command, self.settings.line_end), now);
    }

    fn write(&mut self, write: Write, now: Instant) {
        self.recorder.at(now);
        match &write {
            Write::Command(command, _) => self.recorder.command(command),
            other => self.recorder.note(Direction::Out, format_args!("{other}")),
        }
        self.writes.push_back(write);
    }
}
