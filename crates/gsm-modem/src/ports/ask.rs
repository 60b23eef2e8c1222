//! Asks a port what it is (3GPP TS 27.007, TS 27.005), with questions only: no PIN, no radio, no memory and
//! no setting is changed, except the form of errors (`+CMEE`) and of results (`ATV`), which are set back. A
//! modem that gives no results at all is told to give them (`ATQ0V1`).

use std::fmt;
use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use super::line::{Line, Lost};
use super::{Answers, Obstacle, ProbeTiming, Root, SimState, in_the_way};
use crate::at::{self, Command, Domain, unquoted};
use crate::dialogue::Ended;
use crate::port;

/// Why a port gave no answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskError {
    /// The port could not be tried.
    InTheWay(Obstacle),
    /// The port could not be opened; the sentence says why.
    Unopened(String),
    /// No modem answered `AT`.
    Silent {
        /// At these speeds.
        bauds: Vec<u32>,
        /// Whether octets came all the same.
        noise: bool,
    },
    /// The port vanished, or failed.
    Lost(String),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InTheWay(obstacle) => obstacle.fmt(f),
            Self::Unopened(why) => f.write_str(why),
            Self::Silent { bauds, noise } => {
                let bauds: Vec<_> = bauds.iter().map(u32::to_string).collect();
                write!(f, "no modem answers AT at {} baud: ", bauds.join(", "))?;
                f.write_str(if *noise {
                    "what comes is something else; take another port of the same stick"
                } else {
                    "take another port of the same stick, or unplug it and plug it in again; a modem that has just been plugged in needs up to 20 s"
                })
            }
            Self::Lost(why) => {
                write!(f, "the port failed while it was asked: {why}; is its supply strong enough?")
            }
        }
    }
}

/// The commands for the SIM's number.
const ICCID: [&str; 5] = ["AT+CCID", "AT+ICCID", "AT^ICCID?", "AT+QCCID", "AT+ZICCID?"];

/// How often a busy SIM is asked.
const SIM_TRIES: u32 = 6;

/// The pause for a modem that loses a command which comes right after a result.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks `port` everything.
pub async fn ask(root: &Root, port: &Path, timing: &ProbeTiming) -> Result<Answers, AskError> {
    let (mut questions, mut answers) = begin(root, port, timing).await?;
    finish(questions.all(&mut answers).await, answers)
}

/// Asks `port` only for its `imei`, and for the `iccid` of its SIM when `card` is wanted.
pub(crate) async fn identify(
    root: &Root,
    port: &Path,
    timing: &ProbeTiming,
    card: bool,
) -> Result<Answers, AskError> {
    let (mut questions, mut answers) = begin(root, port, timing).await?;
    finish(questions.identity_in_words(&mut answers, card).await, answers)
}

fn finish(asked: Result<(), End>, mut answers: Answers) -> Result<Answers, AskError> {
    match asked {
        Ok(()) => {}
        Err(End::Silent(at)) => answers.stopped_at = Some(at),
        Err(End::Lost(why)) => return Err(AskError::Lost(why)),
    }
    Ok(answers)
}

/// Opens the port and finds its speed.
async fn begin<'a>(
    root: &Root,
    port: &Path,
    timing: &'a ProbeTiming,
) -> Result<(Questions<'a>, Answers), AskError> {
    if let Some(obstacle) = in_the_way(root, port) {
        return Err(AskError::InTheWay(obstacle));
    }
    let open = port::open(port, timing.first_baud()).map_err(AskError::Unopened)?;
    let mut line = Line::new(open, timing);
    for &baud in &timing.bauds {
        if line.find_at(baud).await? {
            let questions = Questions { line, timing, pauses: false };
            return Ok((questions, Answers { baud, ..Answers::default() }));
        }
    }
    Err(AskError::Silent { bauds: timing.bauds.clone(), noise: line.has_noise() })
}

struct Questions<'a> {
    line: Line,
    timing: &'a ProbeTiming,
    /// Whether an unanswered question was asked again, with a pause before it.
    pauses: bool,
}

/// Why there are no more answers.
enum End {
    Silent(String),
    Lost(String),
}

impl From<Lost> for End {
    fn from(Lost(why): Lost) -> Self {
        Self::Lost(why)
    }
}

impl From<Lost> for AskError {
    fn from(Lost(why): Lost) -> Self {
        Self::Lost(why)
    }
}

impl Questions<'_> {
    async fn all(&mut self, answers: &mut Answers) -> Result<(), End> {
        let terse = self.words().await?;
        let plain_errors = self.ask(Command::ErrorForm).await?.number() == Some(0);
        if plain_errors {
            self.ask(Command::NumericErrors).await?;
        }
        answers.manufacturer = self.ask(Command::Manufacturer).await?.word();
        answers.model = self.ask(Command::Model).await?.word();
        answers.firmware = self.ask(Command::Revision).await?.word();
        self.identity(answers, true).await?;
        let imsi = self.ask(Command::Subscriber).await?.word();
        answers.imsi = Some(imsi).filter(|i| i.len() >= 6 && i.bytes().all(|b| b.is_ascii_digit()));
        for domain in Domain::ALL {
            let answer = self.ask(Command::Registration(domain)).await?;
            if let Some(registration) = answer.line().and_then(at::registration) {
                answers.registrations.push((domain, registration));
            }
        }
        answers.operator = self.ask(Command::Operator).await?.line().and_then(at::operator);
        answers.signal_dbm = self.ask(Command::Signal).await?.line().and_then(at::signal);
        let formats = self.ask(Command::Formats).await?;
        answers.messaging.pdu_mode = formats.line().map(|list| list.contains('0'));
        answers.messaging.text_mode = formats.line().map(|list| list.contains('1'));
        answers.messaging.storages =
            self.ask(Command::Storages).await?.line().map(memories).unwrap_or_default();
        answers.messaging.new_messages = self.ask(Command::NewMessagesKnown).await?.line().map(str::to_owned);
        let centre = self.ask(Command::ServiceCentre).await?;
        answers.messaging.service_centre =
            centre.line().map(|body| unquoted(body.split(',').next().unwrap_or_default()).to_owned());
        if plain_errors {
            self.ask(Command::PlainErrors).await?;
        }
        self.as_it_was(terse).await
    }

    async fn identity_in_words(&mut self, answers: &mut Answers, card: bool) -> Result<(), End> {
        let terse = self.words().await?;
        self.identity(answers, card).await?;
        self.as_it_was(terse).await
    }

    /// Tells a modem that gives results as numbers to give words. Returns whether it did so.
    async fn words(&mut self) -> Result<bool, End> {
        let terse = self.line.says_numbers();
        if terse {
            self.ask(Command::Verbose).await?;
        }
        Ok(terse)
    }

    async fn as_it_was(&mut self, terse: bool) -> Result<(), End> {
        if terse {
            self.ask(Command::Terse).await?;
        }
        Ok(())
    }

    async fn identity(&mut self, answers: &mut Answers, card: bool) -> Result<(), End> {
        let serial = self.ask(Command::SerialNumber).await?.word();
        let digits: String = serial.chars().filter(char::is_ascii_digit).collect();
        answers.imei = (digits.len() >= 14).then(|| digits.chars().take(15).collect());
        if card {
            answers.sim = self.sim().await?;
            for name in ICCID {
                let answer = self.ask(Command::Iccid(name.into())).await?;
                answers.iccid = answer.0.lines.iter().find_map(|line| at::iccid(line));
                if answers.iccid.is_some() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn sim(&mut self) -> Result<SimState, End> {
        for _ in 1..SIM_TRIES {
            match self.sim_now().await? {
                SimState::Busy => sleep(self.timing.again).await,
                state => return Ok(state),
            }
        }
        self.sim_now().await
    }

    async fn sim_now(&mut self) -> Result<SimState, End> {
        let answer = self.ask(Command::PinState).await?;
        Ok(SimState::of(answer.line(), &answer.0.code()))
    }

    /// Asks a question; one that is not answered is over before the next. The first one that gets nothing at
    /// all is asked again, since the modem may have lost it.
    async fn ask(&mut self, command: Command) -> Result<Answer, End> {
        loop {
            let ended = self.line.ask(command.clone()).await?;
            if ended.result.is_some() {
                return Ok(Answer(ended));
            }
            if !self.line.find_again().await? {
                return Err(End::Silent(command.to_string()));
            }
            if !ended.lines.is_empty() || std::mem::replace(&mut self.pauses, true) {
                return Ok(Answer(ended));
            }
            self.line.set_pause(PAUSE);
        }
    }
}

/// What the modem answered to one question.
struct Answer(Ended);

impl Answer {
    /// The information line, unless the question was refused in the end.
    fn line(&self) -> Option<&str> {
        self.0.lines.first().filter(|_| self.0.code().is_ok()).map(String::as_str)
    }

    /// The information line without quotes; empty when there is none.
    fn word(&self) -> String {
        self.line().map(|line| unquoted(line).to_owned()).unwrap_or_default()
    }

    /// The number with which the line begins.
    fn number(&self) -> Option<u16> {
        self.line().and_then(at::first_number)
    }
}

/// The names in `("SM","ME"),("SM"),("SM")`, each once.
fn memories(list: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let names = list.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|name| !name.is_empty());
    for name in names {
        if !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    }
    found
}
