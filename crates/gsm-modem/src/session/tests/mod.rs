//! Both ends of a dialogue without a port and without a clock: a scripted modem, and time that is moved by hand.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::{Closing, Input, Output, Session};
use crate::Owners;
use crate::Secret;
use crate::Settings;
use crate::clock::monotonic;
use crate::dialogue::Write;
use crate::ladder::Rung;
use crate::snapshot::{Notice, Outcome, Part, SimNames, State};

mod bring_up;
mod cures;
mod field;
mod field_greeting;
mod field_names;
mod field_network;
mod field_patience;
mod field_reading;
mod field_receiving;
mod field_restarts;
mod field_sending;
mod field_sim;
mod field_storages;
mod intruders;
mod layer;
mod network;
mod ok_alone;
mod pin;
mod profile;
mod recovery;
mod replay;
mod send;
mod storage;
mod text_mode;
mod trace;
mod ussd;

/// More steps than any dialogue here needs: an endless loop fails instead of hanging.
const STEPS: usize = 5_000;

/// A modem that answers from a table. The text in the table is what goes over the wire, after the echo.
pub(super) struct Fake {
    /// The next answers to a command; the last one stays.
    answers: HashMap<String, VecDeque<String>>,
    pub(super) echo: bool,
    /// How many octets a read gives.
    pub(super) piece: usize,
    /// Text before every echo.
    pub(super) before: String,
    pub(super) prompt: String,
    /// What follows a PDU, one text for each message; the last one stays.
    pub(super) results: VecDeque<String>,
    /// Commands and PDUs as they were read.
    pub(super) heard: Vec<String>,
    pub(super) pdus: Vec<String>,
    /// What happens to the modem once it has answered a command.
    changes: HashMap<String, fn(&mut Fake)>,
    /// The modem is in text mode, so that a PDU is sent as a text to whatever number its length gives.
    pub(super) in_text_mode: bool,
    /// PDUs that were sent in that way.
    pub(super) disclosed: Vec<String>,
    in_prompt: bool,
    line: Vec<u8>,
}

impl Fake {
    pub(super) fn new() -> Self {
        let mut fake = Self {
            answers: HashMap::new(),
            echo: false,
            piece: usize::MAX,
            before: String::new(),
            prompt: String::from("\r\n> "),
            results: VecDeque::from([String::from("\r\n+CMGS: 7\r\n\r\nOK\r\n")]),
            heard: Vec::new(),
            pdus: Vec::new(),
            changes: HashMap::new(),
            in_text_mode: false,
            disclosed: Vec::new(),
            in_prompt: false,
            line: Vec::new(),
        };
        for command in
            ["AT", "ATE0", "ATV1", "AT+CMEE=1", "AT+CMGF=0", "AT+CSCS=\"GSM\"", "AT+CREG=1", "AT+COPS=3,0"]
        {
            fake.on(command, "\r\nOK\r\n");
        }
        for (command, line) in [
            ("AT+CGMI", "Acme"),
            ("AT+CGMM", "Rocket 1"),
            ("AT+CGMR", "1.0"),
            ("AT+CGSN", "356938035643809"),
            ("AT+CFUN?", "+CFUN: 1"),
            ("AT+CPIN?", "+CPIN: READY"),
            ("AT+CCID", "+CCID: 8941030000000000001"),
            ("AT+CIMI", "228011234567890"),
            ("AT+CSCA?", "+CSCA: \"+41794999000\",145"),
            ("AT+CSMS?", "+CSMS: 0,1,1,1"),
            ("AT+CREG?", "+CREG: 1,1"),
            ("AT+CSQ", "+CSQ: 20,99"),
            ("AT+COPS?", "+COPS: 0,0,\"Swisscom\",7"),
        ] {
            fake.on(command, &format!("\r\n{line}\r\n\r\nOK\r\n"));
        }
        fake.on("AT+CNMI=2,1,2,1,0", "\r\nOK\r\n");
        fake.on("AT+CMMS=2", "\r\nOK\r\n");
        fake
    }

    /// Answers `command` with this from now on.
    pub(super) fn on(&mut self, command: &str, answer: &str) {
        self.in_turn(command, &[answer]);
    }

    /// Answers `command` with these, one after the other; the last one stays.
    pub(super) fn in_turn(&mut self, command: &str, answers: &[&str]) {
        self.answers.insert(command.to_owned(), answers.iter().map(|&a| a.to_owned()).collect());
    }

    /// Applies `change` to the modem each time that it has answered `command`.
    pub(super) fn when(&mut self, command: &str, change: fn(&mut Self)) {
        self.changes.insert(command.to_owned(), change);
    }

    pub(super) fn result(&mut self, result: &str) {
        self.results = VecDeque::from([result.to_owned()]);
    }

    fn read(&mut self, octets: &[u8]) -> String {
        let mut said = String::new();
        for &octet in octets {
            match octet {
                0x1a if self.in_prompt => {
                    let pdu = self.take();
                    if self.echo {
                        said.push_str(&pdu);
                        said.push('\x1a');
                    }
                    if self.in_text_mode {
                        self.disclosed.push(pdu.clone());
                    }
                    self.pdus.push(pdu);
                    self.in_prompt = false;
                    said += &next(&mut self.results);
                }
                0x1b => {
                    self.line.clear();
                    self.heard.push(String::from("ESC"));
                    if std::mem::take(&mut self.in_prompt) {
                        said += "\r\nOK\r\n";
                    }
                }
                b'\r' if !self.in_prompt => {
                    let command = self.take();
                    if !command.is_empty() {
                        said += &self.command(&command);
                    }
                }
                other => self.line.push(other),
            }
        }
        said
    }

    fn take(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.line)).unwrap()
    }

    fn command(&mut self, command: &str) -> String {
        self.heard.push(command.to_owned());
        let mut said = self.before.clone();
        if self.echo {
            said.push_str(command);
            said.push('\r');
        }
        if let Some(answers) = self.answers.get_mut(command) {
            said += &next(answers);
        } else if command.starts_with("AT+CMGS=") {
            said += &self.prompt.clone();
        } else {
            said += "\r\nERROR\r\n";
        }
        self.in_prompt = command.starts_with("AT+CMGS=") && said.contains("> ");
        if let Some(change) = self.changes.get(command).copied() {
            change(self);
        }
        said
    }
}

fn next(answers: &mut VecDeque<String>) -> String {
    if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
}

/// A session, its modem, and everything that came out.
pub(super) struct Bench {
    pub(super) session: Session,
    pub(super) modem: Fake,
    pub(super) now: Instant,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) notices: Vec<Notice>,
    pub(super) answers: Vec<Result<String, String>>,
    /// For each answer, whether the network waits for more.
    pub(super) open: Vec<bool>,
    pub(super) closings: Vec<Closing>,
    /// A line at this one of the places between two lines.
    pub(super) intruder: Option<(usize, &'static str)>,
    /// The places that were passed so far.
    pub(super) places: usize,
    /// The names for each PIN that was tried and not accepted, and the answer to a further try.
    pub(super) tried: Vec<Owners>,
    pub(super) noted: Result<bool, String>,
}

pub(super) fn settings() -> Settings {
    Settings {
        profiles: crate::profiles::tests::built_in::profiles(),
        ..Settings::new("m", std::path::PathBuf::from("/dev/ttyTEST"))
    }
}

/// The names of the usual SIM.
pub(super) fn sim() -> SimNames {
    SimNames { iccid: Some("8941030000000000001".into()), imsi: Some("228011234567890".into()) }
}

impl Bench {
    pub(super) fn new(modem: Fake) -> Self {
        Self::with(modem, settings())
    }

    pub(super) fn with(modem: Fake, settings: Settings) -> Self {
        let mut bench = Self {
            session: Session::new(settings),
            modem,
            now: monotonic(),
            outcomes: Vec::new(),
            notices: Vec::new(),
            answers: Vec::new(),
            open: Vec::new(),
            closings: Vec::new(),
            intruder: None,
            places: 0,
            tried: Vec::new(),
            noted: Ok(true),
        };
        bench.open();
        bench
    }

    pub(super) fn open(&mut self) {
        self.session.opened("/dev/ttyTEST".as_ref(), self.now);
        self.turn();
    }

    /// A modem that was brought up.
    pub(super) fn ready(modem: Fake) -> Self {
        let mut bench = Self::new(modem);
        bench.until(|b| b.session.snapshot().state == State::Ready);
        // A modem that does not name its storages is listed all the same.
        if !bench.modem.answers.contains_key("AT+CPMS?") {
            bench.pass(Duration::from_millis(5));
            bench.until(|b| b.session.takes_orders());
        }
        bench.modem.heard.clear();
        bench
    }

    pub(super) fn ready_with(modem: Fake, settings: Settings) -> Self {
        let mut bench = Self::with(modem, settings);
        bench.until(|b| b.session.snapshot().state == State::Ready);
        bench
    }

    /// Moves time until the order in progress has its outcome.
    pub(super) fn until_settled(&mut self) {
        let before = self.outcomes.len();
        self.until(|b| b.outcomes.len() > before);
    }

    /// Passes octets both ways until neither side has anything to write.
    pub(super) fn turn(&mut self) {
        for _ in 0..STEPS {
            let Some(output) = self.session.poll() else { return };
            match output {
                Output::Write(write) => {
                    assert!(
                        !matches!(write, Write::Body(_)) || self.modem.in_prompt,
                        "a PDU without a prompt"
                    );
                    let said = self.modem.read(write.octets().expose());
                    self.says(&said);
                }
                Output::Settle(outcome) => self.outcomes.push(outcome),
                Output::Ussd(answer) => {
                    self.open.push(answer.as_ref().is_ok_and(|answer| answer.open));
                    self.answers.push(answer.map(|answer| answer.text));
                }
                Output::TryPin { owners, .. } => {
                    self.tried.push(owners);
                    self.session.handle(Input::PinNoted(self.noted.clone()), self.now);
                }
                Output::PinAccepted { owners, .. } => self.tried.retain(|tried| *tried != owners),
                Output::Notice(notice) => self.notices.push(notice),
                Output::Close(closing) => self.closings.push(closing),
            }
        }
        panic!("no end: {:?}", self.modem.heard);
    }

    /// The modem writes this without being asked.
    pub(super) fn say(&mut self, octets: &str) {
        self.says(octets);
        self.turn();
    }

    fn says(&mut self, octets: &str) {
        let with = self.intruded(octets);
        let octets = with.as_deref().unwrap_or(octets);
        for piece in octets.as_bytes().chunks(self.modem.piece) {
            self.session.octets(piece, self.now);
        }
    }

    /// Moves time to the next deadline.
    pub(super) fn jump(&mut self) {
        let deadline = self.session.deadline().expect("something to wait for");
        self.now = self.now.max(deadline);
        self.session.handle(Input::Tick, self.now);
        self.turn();
    }

    /// Moves time until `done`.
    pub(super) fn until(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..STEPS {
            if done(self) {
                return;
            }
            self.jump();
        }
        panic!("never: {:?} heard {:?}", self.session.snapshot(), self.modem.heard);
    }

    /// Lets `span` pass, and keeps every deadline in it.
    pub(super) fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while self.session.deadline().is_some_and(|deadline| deadline <= until) {
            self.jump();
        }
        self.now = until;
    }

    pub(super) fn submit(&mut self, parts: usize) {
        let parts = (0..parts).map(|at| part(u8::try_from(at).unwrap())).collect();
        self.session.submit_parts(parts, self.now);
        self.turn();
    }

    /// Submits one part with its gate open.
    pub(super) fn send(&mut self) {
        self.submit(1);
        self.gate(true);
    }

    pub(super) fn gate(&mut self, open: bool) {
        self.session.handle(Input::Gate(open), self.now);
        self.turn();
    }

    /// A rung that needs no port was climbed, or could not be. Returns the rung that follows.
    pub(super) fn climbed(&mut self, rung: Rung, done: Result<(), Option<String>>) -> Option<Rung> {
        self.session.climb_done(rung, done, self.now);
        self.next_rung()
    }

    /// There is no port. Returns what is to be done about that.
    pub(super) fn missing(&mut self) -> Option<Rung> {
        self.session.handle(Input::Missing, self.now);
        self.next_rung()
    }

    fn next_rung(&mut self) -> Option<Rung> {
        self.turn();
        match self.closings.pop() {
            Some(Closing::Cure(rung)) => Some(rung),
            Some(other) => {
                self.closings.push(other);
                None
            }
            None => None,
        }
    }

    pub(super) fn state(&self) -> State {
        self.session.snapshot().state
    }

    pub(super) fn heard(&self, command: &str) -> usize {
        self.modem.heard.iter().filter(|heard| *heard == command).count()
    }

    pub(super) fn fault(&self) -> &str {
        self.session.snapshot().last_error.as_deref().unwrap_or("")
    }

    /// Asserts that the session waits for work.
    pub(super) fn assert_ready(&mut self) {
        self.until(|b| b.state() == State::Ready && b.session.takes_orders());
    }

    /// Asserts that the next message is sent: the dialogue is in step.
    pub(super) fn assert_works(&mut self) {
        self.assert_ready();
        let before = self.outcomes.len();
        self.modem.result("\r\n+CMGS: 99\r\n\r\nOK\r\n");
        self.send();
        self.until(|b| b.outcomes.len() > before);
        assert_eq!(self.outcomes.len(), before + 1);
        assert_eq!(self.outcomes.last(), Some(&accepted(&[99])));
    }
}

pub(super) fn part(mark: u8) -> Part {
    // A SUBMIT to +41791234567: "Hi".
    let mut pdu = vec![0x00, 0x21, mark, 0x0b, 0x91, 0x14, 0x97, 0x21, 0x43, 0x65, 0xf7];
    pdu.extend([0x00, 0x00, 0x02, 0xc8, 0x34]);
    Part { pdu: Secret::new(pdu), length: 15 }
}

pub(super) fn accepted(references: &[u8]) -> Outcome {
    Outcome::Accepted { references: references.to_vec() }
}
