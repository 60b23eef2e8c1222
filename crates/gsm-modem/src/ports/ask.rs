//! Asks a port what it is (3GPP TS 27.007, TS 27.005), by questions alone: no PIN, no radio, no memory and no
//! setting is touched, but for numeric errors (`+CMEE`), which are set back.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use tokio_serial::{SerialPort as _, SerialStream};

use super::{Candidate, Obstacle, Root, in_the_way, obstacle};
use crate::at::{
    self, Command, Domain, ErrorValue, Expects, Failure, Frame, Framer, Line, Pin, Prompt, Registration,
    ResultCode, Routed, Unsolicited, unquoted,
};
use crate::port;

/// What a modem answered. What it would not say is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    /// The speed at which it answers.
    pub baud: u32,
    /// `+CGMI`.
    pub manufacturer: String,
    /// `+CGMM`.
    pub model: String,
    /// `+CGMR`.
    pub firmware: String,
    /// `+CGSN`.
    pub imei: Option<String>,
    /// `+CPIN?`.
    pub sim: SimState,
    /// The SIM's own number.
    pub iccid: Option<String>,
    /// `+CIMI`.
    pub imsi: Option<String>,
    /// Of each domain that the modem knows.
    pub registrations: Vec<(Domain, Registration)>,
    /// `+COPS?`.
    pub operator: Option<String>,
    /// `+CSQ`.
    pub signal_dbm: Option<i32>,
    /// `+CMGF=?` lists PDU mode.
    pub pdu_mode: Option<bool>,
    /// `+CMGF=?` lists text mode.
    pub text_mode: Option<bool>,
    /// `+CPMS=?`, each memory once.
    pub storages: Vec<String>,
    /// `+CNMI=?` as it came.
    pub new_messages: Option<String>,
    /// `+CSCA?`; empty when the SIM has none.
    pub service_centre: Option<String>,
    /// The question at which it fell silent.
    pub stopped_at: Option<String>,
}

impl Answers {
    /// The best of all domains.
    pub fn registration(&self) -> Registration {
        let found = || self.registrations.iter().map(|(_, registration)| *registration);
        found().find(|r| r.is_registered()).or_else(|| found().next()).unwrap_or_default()
    }
}

/// What the SIM wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SimState {
    /// Nothing.
    Ready,
    /// Its PIN.
    Pin,
    /// Its PUK.
    Puk,
    /// The device is locked to another SIM or network.
    Locked,
    /// There is none, or it cannot be read.
    Absent,
    /// It is not ready yet.
    Busy,
    /// The modem does not say.
    #[default]
    Unknown,
}

/// How long a port is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// The answer to `AT`, at each speed.
    pub attention: Duration,
    /// The answer to a question.
    pub command: Duration,
    /// Before a busy SIM is asked again.
    pub again: Duration,
    /// Speeds to try, in this order.
    pub bauds: Vec<u32>,
}

/// The speed that USB modems ignore and that most others have.
const BAUD: u32 = 115_200;

impl Patience {
    /// For a port whose speed does not matter.
    pub fn usb() -> Self {
        Self {
            attention: Duration::from_secs(2),
            command: Duration::from_secs(5),
            again: Duration::from_secs(1),
            bauds: vec![BAUD],
        }
    }

    /// For a real serial line.
    pub fn uart() -> Self {
        Self { bauds: vec![BAUD, 9600, 19_200, 57_600, 460_800], ..Self::usb() }
    }

    /// For `port`, which may be one of `known`.
    pub fn of(port: &Path, known: &[Candidate]) -> Self {
        let same = |other: &&Candidate| {
            port.canonicalize().is_ok_and(|real| other.path.canonicalize().is_ok_and(|path| path == real))
        };
        let usb = match known.iter().find(same) {
            Some(candidate) => !candidate.is_uart(),
            None => port.metadata().is_ok_and(|metadata| obstacle::is_pty(&metadata)),
        };
        if usb { Self::usb() } else { Self::uart() }
    }
}

/// Why a port said nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskError {
    /// It could not be tried.
    InTheWay(Obstacle),
    /// It could not be opened, in a sentence.
    Unopened(String),
    /// Nobody answered `AT`.
    Silent {
        /// At these speeds.
        bauds: Vec<u32>,
        /// Something was heard all the same.
        noise: bool,
    },
    /// It vanished, or failed.
    Lost(String),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InTheWay(obstacle) => obstacle.fmt(f),
            Self::Unopened(why) => f.write_str(why),
            Self::Silent { bauds, noise } => {
                let bauds: Vec<_> = bauds.iter().map(u32::to_string).collect();
                write!(f, "nobody answers AT at {} baud: ", bauds.join(", "))?;
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

/// The names of the question for the SIM's number.
const ICCID: [&str; 5] = ["AT+CCID", "AT+ICCID", "AT^ICCID?", "AT+QCCID", "AT+ZICCID?"];

/// How often a busy SIM is asked.
const SIM_TRIES: u32 = 6;

/// Asks `port` everything.
pub async fn ask(root: &Root, port: &Path, patience: &Patience) -> Result<Answers, AskError> {
    let (mut dialogue, mut answers) = begin(root, port, patience).await?;
    finish(dialogue.questions(&mut answers).await, answers)
}

/// Asks `port` for its `imei` alone, and for the `iccid` of its SIM when `card` is wanted.
pub(crate) async fn identify(
    root: &Root,
    port: &Path,
    patience: &Patience,
    card: bool,
) -> Result<Answers, AskError> {
    let (mut dialogue, mut answers) = begin(root, port, patience).await?;
    finish(dialogue.identity(&mut answers, card).await, answers)
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
    patience: &'a Patience,
) -> Result<(Dialogue<'a>, Answers), AskError> {
    if let Some(obstacle) = in_the_way(root, port) {
        return Err(AskError::InTheWay(obstacle));
    }
    let first = patience.bauds.first().copied().unwrap_or(BAUD);
    let open = port::open(port, first).map_err(AskError::Unopened)?;
    let mut dialogue = Dialogue { port: open, framer: Framer::new(), patience, noise: false, skip: false };
    let baud = dialogue.find_speed().await?;
    Ok((dialogue, Answers { baud, ..Answers::default() }))
}

struct Dialogue<'a> {
    port: SerialStream,
    framer: Framer,
    patience: &'a Patience,
    /// Octets were heard.
    noise: bool,
    /// The next line belongs to an unsolicited code.
    skip: bool,
}

/// What came for one question.
struct Exchange {
    answers: Vec<String>,
    /// None: nothing in time.
    result: Option<ResultCode>,
}

impl Exchange {
    fn first(&self) -> Option<&str> {
        // Wavecom forgets the OK of some answers.
        let answered = self.result.as_ref().is_none_or(ResultCode::is_ok);
        self.answers.first().filter(|_| answered).map(String::as_str)
    }
}

/// The answer, without quotes.
fn word(exchange: &Exchange) -> String {
    exchange.first().map(|line| unquoted(line).to_owned()).unwrap_or_default()
}

/// The port failed.
struct Lost(String);

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

/// A flood is no answer.
const MOST_LINES: usize = 32;

/// After an unanswered question, for so long nothing may come before the next.
const QUIET: Duration = Duration::from_millis(300);

impl Dialogue<'_> {
    async fn find_speed(&mut self) -> Result<u32, AskError> {
        for &baud in &self.patience.bauds {
            if self.port.baud_rate().is_ok_and(|now| now != baud)
                && let Err(e) = self.port.set_baud_rate(baud)
            {
                return Err(AskError::Lost(e.to_string()));
            }
            self.framer.clear();
            // The first octets at a new speed may find the modem in the middle of something.
            for lead in [&b""[..], b"\x1b\r"] {
                self.write(lead).await?;
                let half = self.patience.attention / 2;
                if self.exchange(&Command::Attention, half).await?.result.is_some() {
                    self.settle().await?;
                    return Ok(baud);
                }
            }
        }
        Err(AskError::Silent { bauds: self.patience.bauds.clone(), noise: self.noise })
    }

    async fn questions(&mut self, answers: &mut Answers) -> Result<(), End> {
        let errors = self.test("AT+CMEE?", "+CMEE").await?;
        let set_back = errors.first().and_then(at::first_number) == Some(0);
        if set_back {
            self.ask(&Command::NumericErrors).await?;
        }
        answers.manufacturer = word(&self.ask(&Command::Manufacturer).await?);
        answers.model = word(&self.ask(&Command::Model).await?);
        answers.firmware = word(&self.ask(&Command::Revision).await?);
        self.identity(answers, true).await?;
        let imsi = word(&self.ask(&Command::Subscriber).await?);
        answers.imsi = Some(imsi).filter(|i| i.len() >= 6 && i.bytes().all(|b| b.is_ascii_digit()));
        for domain in [Domain::Cs, Domain::Eps, Domain::Ps] {
            let exchange = self.ask(&Command::Registration(domain)).await?;
            if let Some(registration) = exchange.first().and_then(at::registration) {
                answers.registrations.push((domain, registration));
            }
        }
        answers.operator = self.ask(&Command::Operator).await?.first().and_then(at::operator);
        answers.signal_dbm = self.ask(&Command::Signal).await?.first().and_then(at::signal);
        let formats = self.test("AT+CMGF=?", "+CMGF").await?;
        answers.pdu_mode = formats.first().map(|list| list.contains('0'));
        answers.text_mode = formats.first().map(|list| list.contains('1'));
        answers.storages = self.test("AT+CPMS=?", "+CPMS").await?.first().map(memories).unwrap_or_default();
        answers.new_messages = self.test("AT+CNMI=?", "+CNMI").await?.first().map(str::to_owned);
        let centre = self.ask(&Command::ServiceCentre).await?;
        answers.service_centre =
            centre.first().map(|body| unquoted(body.split(',').next().unwrap_or_default()).to_owned());
        if set_back {
            self.test("AT+CMEE=0", "+CMEE").await?;
        }
        Ok(())
    }

    async fn identity(&mut self, answers: &mut Answers, card: bool) -> Result<(), End> {
        let serial: String =
            word(&self.ask(&Command::SerialNumber).await?).chars().filter(char::is_ascii_digit).collect();
        answers.imei = (serial.len() >= 14).then(|| serial.chars().take(15).collect());
        if card {
            answers.sim = self.sim().await?;
            for name in ICCID {
                answers.iccid =
                    self.ask(&Command::Iccid(name.into())).await?.answers.iter().find_map(|l| at::iccid(l));
                if answers.iccid.is_some() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn sim(&mut self) -> Result<SimState, End> {
        let mut state = SimState::Unknown;
        for tried in 0..SIM_TRIES {
            if tried > 0 {
                sleep(self.patience.again).await;
            }
            let exchange = self.ask(&Command::PinState).await?;
            state = match (exchange.first(), &exchange.result) {
                (Some(body), _) => match at::pin(body) {
                    Pin::Ready | Pin::Second => SimState::Ready,
                    Pin::SimPin => SimState::Pin,
                    Pin::SimPuk => SimState::Puk,
                    Pin::Device => SimState::Locked,
                    Pin::Absent => SimState::Absent,
                    Pin::Other => SimState::Unknown,
                },
                (None, Some(code)) => refused(code),
                (None, None) => SimState::Unknown,
            };
            if state != SimState::Busy {
                break;
            }
        }
        Ok(state)
    }

    async fn ask(&mut self, command: &Command) -> Result<Exchange, End> {
        self.question(command, command.expects()).await
    }

    async fn test(&mut self, line: &'static str, head: &'static str) -> Result<Exchange, End> {
        let expects = Expects { head: Some(head), bare: false, prompt: false, registration: None };
        self.question(&Command::Vendor(line.into()), expects).await
    }

    /// A question; one that is not answered is over before the next.
    async fn question(&mut self, command: &Command, expects: Expects) -> Result<Exchange, End> {
        self.write(&command.encode()).await?;
        let exchange = self.read_answer(&expects, self.patience.command).await?;
        if exchange.result.is_none() {
            self.settle().await?;
            let alive = self.exchange(&Command::Attention, self.patience.attention).await?;
            if alive.result.is_none() {
                return Err(End::Silent(command.to_string()));
            }
            self.settle().await?;
        }
        Ok(exchange)
    }

    async fn exchange(&mut self, command: &Command, limit: Duration) -> Result<Exchange, Lost> {
        self.write(&command.encode()).await?;
        self.read_answer(&command.expects(), limit).await
    }

    async fn read_answer(&mut self, expects: &Expects, limit: Duration) -> Result<Exchange, Lost> {
        let mut exchange = Exchange { answers: Vec::new(), result: None };
        let reading = async {
            loop {
                while let Some(frame) = self.framer.next(Prompt::Ignored) {
                    let Frame::Line(text) = frame else { continue };
                    if std::mem::take(&mut self.skip) {
                        continue;
                    }
                    match Line::of(&text, Some(expects)) {
                        Line::Final(code) => return Ok(code),
                        Line::Answer(body) if exchange.answers.len() < MOST_LINES => {
                            exchange.answers.push(body.to_owned());
                        }
                        Line::Unsolicited(Unsolicited::Routed(
                            Routed::PduFollows { .. } | Routed::TextFollows(_),
                        )) => self.skip = true,
                        _ => {}
                    }
                }
                self.read().await?;
            }
        };
        if let Ok(result) = timeout(limit, reading).await {
            exchange.result = Some(result?);
        }
        Ok(exchange)
    }

    /// Drops what still comes, until nothing does; a flood that goes on for longer than a command is left to
    /// the parser.
    async fn settle(&mut self) -> Result<(), Lost> {
        let limit = self.patience.command;
        let quiet = async {
            while let Ok(read) = timeout(QUIET, self.read()).await {
                read?;
            }
            Ok(())
        };
        let settled = timeout(limit, quiet).await.unwrap_or(Ok(()));
        self.framer.clear();
        settled
    }

    async fn read(&mut self) -> Result<(), Lost> {
        let mut octets = [0; 1024];
        match self.port.read(&mut octets).await {
            Ok(0) => Err(Lost("it hung up".to_owned())),
            Ok(count) => {
                self.noise = true;
                self.framer.push(&octets[..count]);
                Ok(())
            }
            Err(e) => Err(Lost(e.to_string())),
        }
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), Lost> {
        match timeout(self.patience.command, self.port.write_all(octets)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(Lost(e.to_string())),
            Err(_) => Err(Lost("it takes no octets".to_owned())),
        }
    }
}

/// What a refusal of `+CPIN?` says (27.007 clause 9.2.1, 27.005 clause 3.2.5).
fn refused(code: &ResultCode) -> SimState {
    if Failure::is_busy(code) {
        return SimState::Busy;
    }
    match (code, Failure::number(code)) {
        (ResultCode::Cme(_), Some(11)) | (ResultCode::Cms(_), Some(311)) => SimState::Pin,
        (ResultCode::Cme(_), Some(12)) | (ResultCode::Cms(_), Some(316)) => SimState::Puk,
        (ResultCode::Cme(_), Some(5..=7 | 40 | 41)) => SimState::Locked,
        (ResultCode::Cme(_), Some(10 | 13 | 15)) | (ResultCode::Cms(_), Some(310 | 313 | 315)) => {
            SimState::Absent
        }
        (ResultCode::Cme(ErrorValue::Text(text)), _)
            if text.to_ascii_lowercase().contains("not inserted") =>
        {
            SimState::Absent
        }
        _ => SimState::Unknown,
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
