//! Questions to the network (3GPP TS 27.007 clause 7.15), and dialogues of several steps. The reply is an unsolicited
//! code that may come before the command's own OK; how texts stand on the wire is the family's, or found out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::resync::{Open, Then};
use super::ussd_text::{Found, decoded, encoded, is_placeholder};
use super::{Action, Phase, Session, UssdAnswer};
use crate::Secret;
use crate::at::{Charset, Command, Failure, Line, ResultCode, ussd};
use crate::profiles::UssdCoding;

/// 3GPP TS 23.038 clause 5: what 160 octets hold.
const LONGEST: usize = 182;
/// Lines of one answer.
const LINES: usize = 40;
/// A dialogue in which nobody answers the network is ended, so that it does not stand in the way of calls and of the
/// next one.
const DIALOGUE: Duration = Duration::from_secs(120);

/// The request under way.
#[derive(Debug)]
pub(super) struct Ussd {
    stage: Stage,
    timeout: Duration,
    /// An answer whose quote is not closed yet: a text of several lines.
    open: Option<Secret<String>>,
}

#[derive(Debug)]
enum Stage {
    /// `AT+CUSD=2` is out; this is asked next.
    Ending(Option<Secret<String>>),
    /// The same, of a dialogue that nobody answered: nobody waits for its end.
    Abandoning,
    /// Asked in this coding; those that are left may be tried when the modem refuses the text.
    /// What the first refusal said is kept for a person.
    Asked { code: Secret<String>, coding: UssdCoding, left: VecDeque<UssdCoding>, refusal: Option<Failure> },
    /// The answer came, the command's end did not.
    Answered,
}

/// What is known of dialogues with the network.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    /// The network waits for an answer, until then.
    until: Option<Instant>,
    /// The coding that this modem took, and the family it belonged to then.
    worked: Option<(String, UssdCoding)>,
}

/// A request that waits for its turn; without a code it ends the dialogue.
pub(super) type Wish = (Option<Secret<String>>, Duration);

impl Session {
    /// Asks the network, or answers it while it waits for an answer; none ends the dialogue. A message under way is
    /// finished first.
    pub fn ussd(&mut self, code: Option<&str>, timeout: Duration, now: Instant) {
        if let Some(code) = code
            && let Err(reason) = self.may_ask(code)
        {
            return self.end_ussd(Err(reason));
        }
        let code = code.map(|code| Secret::new(code.to_owned()));
        match self.phase {
            Phase::Idle => self.start_ussd((code, timeout), now),
            Phase::Checking(_) | Phase::Storage(_) | Phase::Sending if self.wishes.ussd.is_none() => {
                self.wishes.ussd = Some((code, timeout));
            }
            _ => self.end_ussd(Err(String::from("the modem is not ready"))),
        }
    }

    fn may_ask(&self, code: &str) -> Result<(), String> {
        let dialable = |c: char| c.is_ascii_digit() || "*#+".contains(c);
        let simple = |c: char| c.is_ascii_alphanumeric() || "*#+.,:;-/()!?".contains(c);
        let good = !code.is_empty() && code.len() <= LONGEST;
        if good && (code.chars().all(dialable) || self.dialogue.until.is_some() && code.chars().all(simple)) {
            return Ok(());
        }
        Err(String::from(if good && code.chars().all(simple) {
            "no dialogue with the network is open: begin one with a code such as *100#"
        } else {
            "a USSD code has only digits, * and #, such as *100#"
        }))
    }

    pub(super) fn start_ussd(&mut self, (code, timeout): Wish, now: Instant) {
        let open = self.dialogue.until.is_some();
        // `*100#` in the midst of a menu begins anew; `1`, `0` or `#` answers it.
        let anew = |code: &str| code.len() > 2 && code.starts_with(['*', '#']) && code.ends_with('#');
        let stage = match code {
            None if !open => {
                self.end_ussd(Err(String::from("no dialogue with the network is open")));
                return self.become_idle(now);
            }
            Some(code) if !open || !anew(code.expose()) => return self.ask_network(code, timeout, None, now),
            other => Stage::Ending(other),
        };
        self.phase = Phase::Ussd(Ussd { stage, timeout, open: None });
        self.timer = None;
        self.write_command(Command::UssdCancel, self.settings.timing.command, now);
    }

    /// Ends a dialogue that nobody answers.
    pub(super) fn end_stale_dialogue(&mut self, now: Instant) -> bool {
        if self.dialogue.until.is_none_or(|until| until > now) {
            return false;
        }
        let timeout = self.settings.timing.command;
        self.phase = Phase::Ussd(Ussd { stage: Stage::Abandoning, timeout, open: None });
        self.write_command(Command::UssdCancel, timeout, now);
        true
    }

    fn ask_network(
        &mut self,
        code: Secret<String>,
        timeout: Duration,
        again: Option<(VecDeque<UssdCoding>, Failure)>,
        now: Instant,
    ) {
        let (mut left, refusal) = match again {
            Some((left, refusal)) => (left, Some(refusal)),
            None => (self.codings(), None),
        };
        // A text that the next coding cannot write is left to the one behind it.
        let written = loop {
            let Some(coding) = left.pop_front() else { break None };
            if let Some(text) = encoded(code.expose(), coding) {
                break Some((coding, text));
            }
        };
        let Some((coding, text)) = written else {
            self.end_ussd(Err(String::from("the modem takes the request in no known form")));
            return self.become_idle(now);
        };
        let stage = Stage::Asked { code, coding, left, refusal };
        self.phase = Phase::Ussd(Ussd { stage, timeout, open: None });
        self.write_command(Command::Ussd(Secret::new(text)), timeout, now);
        self.timer = Some(now + timeout);
    }

    /// The family's coding, the one that worked before, else those that modems want, the commonest first.
    fn codings(&self) -> VecDeque<UssdCoding> {
        let worked = self.dialogue.worked.as_ref().filter(|(family, _)| *family == self.profile.name);
        match (self.profile.ussd, worked) {
            (UssdCoding::Auto, Some((_, worked))) => VecDeque::from([*worked]),
            (UssdCoding::Auto, None) => VecDeque::from([UssdCoding::Plain, UssdCoding::PackedHex]),
            (told, _) => VecDeque::from([told]),
        }
    }

    pub(super) fn ussd_finished(&mut self, result: &ResultCode, now: Instant) {
        let Phase::Ussd(state) = &mut self.phase else { return };
        let timeout = state.timeout;
        match &mut state.stage {
            Stage::Answered => self.become_idle(now),
            Stage::Abandoning => {
                self.dialogue.until = None;
                self.become_idle(now);
            }
            Stage::Ending(next) => {
                let next = next.take();
                self.dialogue.until = None;
                if let Some(code) = next {
                    return self.ask_network(code, timeout, None, now);
                }
                self.end_ussd(Ok(UssdAnswer::default()));
                self.become_idle(now);
            }
            Stage::Asked { .. } if result.is_ok() => {}
            Stage::Asked { code, left, refusal, .. } => {
                let (code, left, first) = (code.clone(), std::mem::take(left), refusal.take());
                let failure = Failure::of(result);
                self.timer = None;
                if !left.is_empty() && is_of_the_text(result) {
                    // Nothing has gone to the network.
                    return self.ask_network(code, timeout, Some((left, failure)), now);
                }
                self.dialogue.until = None;
                let told = first.filter(|first| failure.code.is_none() && first.code.is_some());
                self.end_ussd(Err(told.unwrap_or(failure).sentence));
                self.become_idle(now);
            }
        }
    }

    /// A line of an answer that has several. Whether it was one.
    pub(super) fn ussd_line(&mut self, line: &str, now: Instant) -> bool {
        let waits = self.outstanding.is_some();
        let Phase::Ussd(state) = &mut self.phase else { return false };
        let Some(text) = &mut state.open else { return false };
        if waits && matches!(Line::of(line, None), Line::Final(_)) {
            // The command's end: the quote was never closed.
            let text = state.open.take();
            self.ussd_text(text.as_ref().map_or("", |text| text.expose()), now);
            return false;
        }
        let mut longer = text.expose().clone();
        longer.push('\n');
        longer.push_str(line);
        let whole = is_closed(&longer) || longer.lines().count() >= LINES;
        *text = Secret::new(longer);
        self.trace_hidden(line);
        if whole && let Phase::Ussd(state) = &mut self.phase {
            let text = state.open.take();
            self.ussd_text(text.as_ref().map_or("", |text| text.expose()), now);
        }
        true
    }

    pub(super) fn ussd_replied(&mut self, body: &str, now: Instant) {
        match &mut self.phase {
            Phase::Ussd(state) if matches!(state.stage, Stage::Asked { .. }) => {
                if is_closed(body) {
                    self.ussd_text(body, now);
                } else {
                    state.open = Some(Secret::new(body.to_owned()));
                }
            }
            // The network ended a dialogue by itself, or answers to its end.
            _ => {
                if ussd(body).is_some_and(|reply| reply.status != 1) {
                    self.dialogue.until = None;
                }
            }
        }
    }

    fn ussd_text(&mut self, body: &str, now: Instant) {
        let Phase::Ussd(Ussd { stage: Stage::Asked { coding, .. }, .. }) = &self.phase else { return };
        let Some(reply) = ussd(body) else {
            self.count_dropped();
            return;
        };
        let coding = *coding;
        let answered = self.dialogue.until.is_some();
        let answer = match (reply.status, reply.text) {
            // Words of the modem's own; the network's come behind them.
            (2 | 3, Some(text)) if is_placeholder(&text) => return,
            (status, Some(text)) => {
                let told =
                    if self.profile.ussd == UssdCoding::Auto { Found::ByLooks } else { Found::Told(coding) };
                // The set of a modem that refuses AT+CSCS is not known.
                let charset = self.text.charset.or(self.text.switches.then_some(Charset::Gsm));
                Ok(UssdAnswer { text: decoded(&text, reply.scheme, told, charset), open: status == 1 })
            }
            (1, None) => Ok(UssdAnswer { text: String::new(), open: true }),
            (2, None) if answered => Err(String::from("the network ended the dialogue")),
            (2, None) => Err(String::from("the network ended the dialogue without an answer")),
            (4, None) => Err(String::from("the network does not support this request")),
            (5, None) => Err(String::from("the network did not answer in time")),
            // 0: done, and nothing to say yet; 3: another device of this SIM answered.
            _ => return,
        };
        if answer.is_ok() {
            self.dialogue.worked = Some((self.profile.name.clone(), coding));
        }
        let open = answer.as_ref().is_ok_and(|answer| answer.open);
        self.dialogue.until = open.then(|| now + DIALOGUE);
        self.timer = None;
        let over = self.outstanding.is_none();
        if let Phase::Ussd(state) = &mut self.phase {
            state.stage = Stage::Answered;
        }
        self.end_ussd(answer);
        if over {
            self.become_idle(now);
        } else if let Some(outstanding) = &mut self.outstanding {
            outstanding.deadline = now + self.settings.timing.command;
        }
    }

    pub(super) fn ussd_timed_out(&mut self, now: Instant) {
        let Phase::Ussd(state) = &mut self.phase else { return };
        if let Some(text) = state.open.take() {
            // What came of a text that was never closed is better than nothing.
            self.ussd_text(text.expose(), now);
        }
        let Phase::Ussd(state) = &self.phase else { return };
        match state.stage {
            Stage::Asked { .. } => self.end_ussd(Err(String::from("the network did not answer in time"))),
            Stage::Ending(_) => {
                self.end_ussd(Err(String::from("the modem did not end the dialogue in time")));
            }
            Stage::Answered | Stage::Abandoning => {}
        }
        if !matches!(state_of(&self.phase), Some(Stage::Answered)) {
            self.dialogue.until = None;
        }
        self.timer = None;
        self.start_resync(Open::No, Then::Idle, now);
    }

    pub(super) fn fail_ussd(&mut self, reason: &str) {
        self.dialogue.until = None;
        let waiting = self.wishes.ussd.take().is_some();
        let asked = state_of(&self.phase)
            .is_some_and(|stage| matches!(stage, Stage::Asked { .. } | Stage::Ending(_)));
        if waiting || asked {
            self.end_ussd(Err(reason.to_owned()));
        }
        if let Phase::Ussd(state) = &mut self.phase {
            state.stage = Stage::Answered;
            state.open = None;
        }
    }

    fn end_ussd(&mut self, answer: Result<UssdAnswer, String>) {
        self.actions.push_back(Action::Ussd(answer));
    }
}

fn state_of(phase: &Phase) -> Option<&Stage> {
    match phase {
        Phase::Ussd(state) => Some(&state.stage),
        _ => None,
    }
}

/// Whether the modem refused the form of the request and not the request: `ERROR`, "operation not allowed", "not
/// supported", "invalid characters", "incorrect parameters" (27.007 clause 9.2).
fn is_of_the_text(result: &ResultCode) -> bool {
    match result {
        ResultCode::Error | ResultCode::NotSupported => true,
        ResultCode::Cme(_) => matches!(Failure::number(result), Some(3 | 4 | 25 | 27 | 50 | 100 | 132)),
        ResultCode::Ok | ResultCode::Cms(_) => false,
    }
}

/// Whether the text is whole: without a quote, or with the one that closes it, perhaps with a scheme behind.
fn is_closed(body: &str) -> bool {
    let Some((_, text)) = body.split_once(',') else { return true };
    let Some(text) = text.trim_start().strip_prefix('"') else { return true };
    let Some((_, tail)) = text.rsplit_once('"') else { return false };
    let tail = tail.trim();
    tail.is_empty()
        || tail.strip_prefix(',').is_some_and(|dcs| dcs.trim().bytes().all(|b| b.is_ascii_digit()))
}
