//! A script of what happens to a session: octets of the modem, jumps of time, orders, gates, an operator's commands, a port
//! that comes and goes. Between them a modem of a few lines can answer what was written, well or badly, so that a script
//! gets as far as a real dialogue does.
//!
//! Whatever happens: nothing panics; each order and each question to the network ends once; no PDU leaves before its gate
//! opens or without a port, and nothing is written while its result is outstanding; what one input brings about is bounded,
//! and so is what is kept; time that is waited for passes; and neither a PIN nor a text is in what may be shown. `TOLD=1` in
//! the environment tells what a script does.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use gsm_modem::at::Verdict;
use gsm_modem::dialogue::{LINES, Write};
use gsm_modem::ladder::Rung;
use gsm_modem::session::{Closing, Input, Output, Session};
use gsm_modem::{Outcome, Part, Roaming, Secret, Settings, State};

/// What is never shown.
const PIN: &str = "73194628";
/// 19 octets of TPDU, whose digits are never shown.
const PDU: &[u8] = b"\x00\x01\x00\x0b\x91\x14\x97\x21\x43\x65\xf7\x00\x00\x05\xc8\x32\x9b\xfd\x06";
/// A modem is not given up before.
const LEAST_PATIENCE: Duration = Duration::from_secs(30);
/// A message as a modem hands it over.
const INCOMING: &str = "0004038121F30000622112212500800141";
/// A report on a message with TP-MR 5.
const REPORT: &str = "000605038121F3622112212500806221122125008000";

/// One input.
pub fn run(octets: &[u8]) {
    let mut script = Script(octets);
    let mut bench = Bench::new(script.octet());
    while let Some(step) = script.next() {
        bench.step(step, &mut script);
    }
    bench.end();
}

/// The octets of an input, from the front; zeros behind the end.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn octet(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    fn octets(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// An order that was not settled yet.
#[derive(Default)]
struct Order {
    parts: usize,
    gate_open: bool,
    bodies: usize,
}

struct Bench {
    session: Session,
    begin: Instant,
    now: Instant,
    /// The port as the task knows it.
    open: bool,
    /// The port is closed for good.
    stopped: bool,
    asks_for_pin: bool,
    order: Option<Order>,
    /// Questions to the network that were not answered yet.
    questions: usize,
    /// What was written and not answered yet.
    unanswered: Vec<Write>,
    /// What the simulated memory holds for `AT+CMGL`.
    stored: bool,
    /// A PIN wants to be noted.
    pin_waits: bool,
    /// When the body of a message was written; nothing once the modem says anything.
    silent_since: Option<Instant>,
}

impl Bench {
    fn new(choices: u8) -> Self {
        let has = |bit: u8| choices & 1 << bit != 0;
        let mut settings = Settings::new("fuzzed", PathBuf::from("/dev/ttyUSB0"));
        settings.pin = has(0).then(|| Secret::new(PIN.to_owned()));
        settings.roaming = if has(1) { Roaming::Forbidden } else { Roaming::Allowed };
        settings.operator = has(2).then(|| String::from("22801"));
        settings.smsc = has(3).then(|| String::from("+41790000000"));
        settings.patience = has(4).then(|| Duration::from_secs(2));
        let begin = Instant::now();
        let mut bench = Self {
            session: Session::new(settings),
            begin,
            now: begin,
            open: false,
            stopped: false,
            asks_for_pin: has(5),
            order: None,
            questions: 0,
            unanswered: Vec::new(),
            stored: has(6),
            pin_waits: false,
            silent_since: None,
        };
        if has(7) {
            bench.open_port();
            bench.settle(200);
        }
        bench
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 32 {
            0 | 1 => self.answer_well(),
            2 => {
                let exchanges = script.octet();
                self.settle(usize::from(exchanges));
            }
            3 | 4 => {
                let how = script.octet();
                self.answer_badly(how, script);
            }
            5 | 6 => {
                let count = script.octet() % 64;
                let octets = script.octets(usize::from(count)).to_vec();
                self.read(&octets);
            }
            7 | 8 => {
                let which = usize::from(script.octet());
                let line = CODES[which % CODES.len()].replace("<pdu>", INCOMING).replace("<report>", REPORT);
                self.read(format!("\r\n{line}\r\n").as_bytes());
            }
            9 => {
                // From a millisecond to nine minutes.
                let power = script.octet() % 20;
                self.now += Duration::from_millis(1 << power);
                self.handle(Input::Tick, 0);
            }
            10 | 11 => self.wait(),
            12 | 13 => {
                let parts = usize::from(script.octet() % 4);
                self.submit(parts);
            }
            14 | 15 => self.gate(true),
            16 => self.gate(false),
            17 => self.body_unsent(script.octet()),
            18 => self.handle(Input::Pause, 0),
            19 => self.handle(Input::Resume, 0),
            20 if script.octet() % 2 == 0 => self.handle(Input::ExpectLate, 0),
            20 => self.handle(Input::Reset, 0),
            21 => self.handle(Input::Cure(String::from("five messages in a row failed")), 0),
            22 => {
                let place = (String::from("SM"), script.octet().into());
                self.handle(Input::Discard(place), 0);
            }
            23 | 24 => {
                let code = [Some("*100#"), None, Some("1"), Some("*101*4711#")];
                let code = code[usize::from(script.octet() % 4)];
                let code = code.map(|code| Secret::new(code.to_owned()));
                self.questions += 1;
                self.handle(Input::Ussd { code, timeout: Duration::from_secs(30) }, 0);
            }
            25 => {
                let noted = match script.octet() % 3 {
                    0 => Ok(true),
                    1 => Ok(false),
                    _ => Err(String::from("the disk is full")),
                };
                self.pin_waits = false;
                self.handle(Input::PinNoted(noted), 0);
            }
            26 => self.handle(Input::NoticesLost(script.octet().into()), 0),
            27 => self.lose("its port is gone"),
            28 => self.missing(script.octet()),
            29 => self.stuck(),
            30 => self.open_port(),
            _ => {
                let grace = Duration::from_secs(script.octet().into());
                self.handle(Input::Stop(grace), 0);
            }
        }
    }

    /// Everything that was begun comes to its end when the port is gone for good.
    fn end(mut self) {
        self.lose("the script is over");
        assert!(self.order.is_none(), "an order has no outcome");
        assert_eq!(self.questions, 0, "a question to the network has no answer");
        self.handle(Input::Stop(Duration::ZERO), 0);
        assert!(self.session.is_closed());
        let trace = self.session.trace(self.now);
        assert!(trace.len() <= LINES, "{} lines are kept", trace.len());
        let shown = format!("{trace:?} {:?}", self.session.snapshot());
        assert!(!shown.contains(PIN) && !shown.contains("91149721436"), "{shown}");
        let hidden = format!("{:?}", self.session);
        assert!(!hidden.contains(PIN) && !hidden.contains("91149721436"));
    }

    fn open_port(&mut self) {
        // The task opens no port that is open, and none after the end.
        if !self.open && !self.stopped {
            self.open = true;
            self.unanswered.clear();
            self.handle(Input::Opened { port: "/dev/ttyUSB0".into(), usb: None }, 0);
        }
    }

    fn lose(&mut self, why: &str) {
        self.open = false;
        self.silent_since = None;
        self.unanswered.clear();
        self.handle(Input::Lost(why.to_owned()), 0);
    }

    /// The port takes no octets: nobody knows whether the modem has a message.
    fn stuck(&mut self) {
        self.silent_since = None;
        self.handle(Input::Stuck(String::from("its port takes no octets")), 0);
    }

    fn missing(&mut self, how: u8) {
        if self.open || self.stopped {
            return;
        }
        let rung = if how & 1 == 0 { Rung::Reauthorise } else { Rung::PowerCycle };
        match how >> 1 & 3 {
            0 => self.handle(Input::Missing, 0),
            1 => self.handle(Input::Climbed { rung, done: Ok(()) }, 0),
            2 => self.handle(Input::Climbed { rung, done: Err(None) }, 0),
            _ => self.handle(Input::Climbed { rung, done: Err(Some(String::from("it failed"))) }, 0),
        }
    }

    fn submit(&mut self, parts: usize) {
        let part = || Part { pdu: Secret::new(PDU.to_vec()), length: PDU.len() - 1 };
        let parts: Vec<Part> = std::iter::repeat_with(part).take(parts).collect();
        let before = self.order.take();
        self.order = Some(Order { parts: parts.len(), ..Order::default() });
        self.handle(Input::Submit(parts), 0);
        if before.is_some() {
            assert!(self.order.is_none(), "two orders are under way");
            self.order = before;
        }
    }

    fn gate(&mut self, open: bool) {
        // There is one gate for each order, and it says one thing.
        if !self.session.awaits_gate() {
            return;
        }
        let order = self.order.as_mut().expect("a gate is awaited for an order");
        order.gate_open |= open;
        self.handle(Input::Gate(open), 0);
    }

    /// The port took not one octet of the body, and is lost or stuck.
    fn body_unsent(&mut self, how: u8) {
        if !matches!(self.unanswered.last(), Some(Write::Body(_))) {
            return;
        }
        self.unanswered.pop();
        if let Some(order) = &mut self.order {
            order.bodies -= 1;
        }
        self.handle(Input::BodyUnsent, 0);
        if how & 1 == 0 {
            self.lose("its port is gone");
        } else {
            self.stuck();
        }
    }

    fn read(&mut self, octets: &[u8]) {
        if self.open {
            self.silent_since = None;
            let lines = octets.iter().filter(|octet| matches!(octet, b'\r' | b'\n' | 0x1a | 0x1b)).count();
            self.handle(Input::Received(octets.to_vec()), lines);
        }
    }

    /// Time passes until something is due.
    fn wait(&mut self) {
        if let Some(due) = self.session.deadline() {
            self.now = self.now.max(due);
        }
        self.handle(Input::Tick, 0);
    }

    /// A modem that is well, for so many exchanges at most.
    fn settle(&mut self, exchanges: usize) {
        for _ in 0..exchanges {
            if !self.open {
                if self.stopped {
                    return;
                }
                self.now += Duration::from_secs(1);
                self.open_port();
            } else if self.pin_waits {
                self.pin_waits = false;
                self.handle(Input::PinNoted(Ok(true)), 0);
            } else if !self.unanswered.is_empty() {
                self.answer_well();
            } else if matches!(self.session.snapshot().state, State::Ready | State::Paused | State::Busy) {
                return;
            } else {
                self.wait();
            }
        }
    }

    fn answer_well(&mut self) {
        if self.unanswered.is_empty() {
            return;
        }
        let write = self.unanswered.remove(0);
        let answer = self.answer_to(&write);
        self.now += Duration::from_millis(5);
        self.read(answer.as_bytes());
    }

    fn answer_badly(&mut self, how: u8, script: &mut Script<'_>) {
        if self.unanswered.is_empty() {
            return;
        }
        let write = self.unanswered.remove(0);
        let good = self.answer_to(&write);
        let number = u16::from(script.octet()) * 2;
        let answer = match how % 14 {
            0 => String::from("\r\nOK\r\n"),
            1 => String::from("\r\nERROR\r\n"),
            2 => format!("\r\n+CMS ERROR: {number}\r\n"),
            3 => format!("\r\n+CME ERROR: {number}\r\n"),
            // Silence.
            4 => return,
            5 => format!("{good}{good}"),
            6 => format!("{}{good}", String::from_utf8_lossy(write.octets().expose())),
            // The end is lost.
            7 => good.chars().take(good.len().saturating_sub(1 + usize::from(number) % 12)).collect(),
            8 => String::from("\r\n> "),
            9 => format!("\r\n+CMGS: {number}\r\n"),
            10 => format!("{}{good}", CODES[usize::from(number) % CODES.len()]),
            11 => good.replace('1', "5").replace("READY", "SIM PUK"),
            12 => good.replace("\r\n", "\n"),
            _ => good.replace("OK", "COMMAND NOT SUPPORT"),
        };
        self.now += Duration::from_millis(number.into());
        self.read(answer.as_bytes());
    }

    /// What a modem answers that is well.
    fn answer_to(&mut self, write: &Write) -> String {
        let Write::Command(command, _) = write else {
            return match write {
                Write::Body(_) => String::from("\r\n+CMGS: 5\r\n\r\nOK\r\n"),
                _ => String::new(),
            };
        };
        let line = String::from_utf8(command.encode()).expect("commands are text");
        let line = line.trim_end();
        if line.starts_with("AT+CMGS=") {
            return String::from("\r\n> ");
        }
        if line.starts_with("AT+CPIN=") {
            self.asks_for_pin = false;
        }
        if line.starts_with("AT+CMGD=") {
            self.stored = false;
        }
        let entry = if self.stored { INCOMING.len() / 2 - 1 } else { 0 };
        let information = match line {
            "AT+CGMI" => String::from("Maker"),
            "AT+CGMM" => String::from("Model 1"),
            "AT+CGMR" => String::from("1.0"),
            "AT+CGSN" => String::from("356938035643809"),
            "AT+CIMI" => String::from("228010123456789"),
            "AT+CFUN?" => String::from("+CFUN: 1"),
            "AT+CPIN?" if self.asks_for_pin => String::from("+CPIN: SIM PIN"),
            "AT+CPIN?" => String::from("+CPIN: READY"),
            "AT+CMGF=?" => String::from("+CMGF: (0,1)"),
            "AT+CMGF?" => String::from("+CMGF: 0"),
            "AT+CSMS?" => String::from("+CSMS: 0,1,1,1"),
            "AT+CSCA?" => String::from("+CSCA: \"+41790000000\",145"),
            "AT+CREG?" => String::from("+CREG: 1,1"),
            "AT+CGREG?" => String::from("+CGREG: 1,1"),
            "AT+CEREG?" => String::from("+CEREG: 1,1"),
            "AT+C5GREG?" => String::from("+C5GREG: 1,1"),
            "AT+COPS?" => String::from("+COPS: 0,2,\"22801\",7"),
            "AT+CSQ" => String::from("+CSQ: 20,99"),
            "AT+CPMS=?" => String::from("+CPMS: (\"SM\",\"ME\"),(\"SM\",\"ME\"),(\"SM\",\"ME\")"),
            "AT+CPMS?" => String::from("+CPMS: \"SM\",1,10,\"SM\",1,10,\"SM\",1,10"),
            "AT+CMGL=4" if entry > 0 => format!("+CMGL: 1,0,,{entry}\r\n{INCOMING}"),
            _ if line.starts_with("AT+CPMS=") => String::from("+CPMS: 1,10,1,10,1,10"),
            _ if line.starts_with("AT+CMGR=") && entry > 0 => format!("+CMGR: 0,,{entry}\r\n{INCOMING}"),
            _ if line.starts_with("AT+CUSD=1") => {
                return String::from("\r\nOK\r\n\r\n+CUSD: 1,\"Balance: 5\",15\r\n");
            }
            _ if line.contains("CID") => String::from("+CCID: 89410000000000000001"),
            _ => return String::from("\r\nOK\r\n"),
        };
        format!("\r\n{information}\r\n\r\nOK\r\n")
    }

    /// Tells the session what happened, and carries out what it wants. `lines` is how many lines were read at most.
    fn handle(&mut self, input: Input, lines: usize) {
        if is_told() {
            let told = match &input {
                Input::Received(octets) => format!("{:?}", String::from_utf8_lossy(octets)),
                other => format!("{other:?}"),
            };
            eprintln!("{:?} {told}", self.now.duration_since(self.begin));
        }
        self.session.handle(input, self.now);
        self.carry_out(lines);
        // Time that has passed is done with: the task never turns in a circle.
        let mut ticks = 0;
        while self.session.deadline().is_some_and(|due| due <= self.now) {
            self.session.handle(Input::Tick, self.now);
            self.carry_out(0);
            ticks += 1;
            assert!(ticks < 32, "what is due stays due");
        }
        let snapshot = self.session.snapshot();
        let works = matches!(snapshot.state, State::Ready | State::Busy);
        assert!(!snapshot.ready || works && !snapshot.paused, "{:?} is ready", snapshot.state);
        assert!(self.now.duration_since(self.begin) < Duration::from_secs(1 << 32));
    }

    fn carry_out(&mut self, lines: usize) {
        let mut outputs = 0;
        while let Some(output) = self.session.poll() {
            outputs += 1;
            if is_told() {
                eprintln!("    {output:?}");
            }
            assert!(outputs <= 64 + 4 * lines, "one input has no end");
            match output {
                Output::Write(write) => self.written(write),
                Output::Settle(outcome) => self.settled(&outcome),
                Output::Ussd(_) => {
                    assert!(self.questions > 0, "an answer to no question");
                    self.questions -= 1;
                }
                Output::TryPin { .. } => self.pin_waits = true,
                Output::PinAccepted { .. } | Output::Notice(_) => {}
                Output::Close(closing) => {
                    assert!(self.session.is_closed());
                    self.open = false;
                    self.silent_since = None;
                    self.unanswered.clear();
                    self.stopped |= closing == Closing::Stop;
                }
            }
        }
    }

    fn written(&mut self, write: Write) {
        assert!(self.open, "{write} without a port");
        // Some modems abort a send at any character.
        if let Some(since) = self.silent_since.take() {
            assert!(
                self.now - since >= LEAST_PATIENCE,
                "{write} while the result of a message is outstanding"
            );
        }
        if let Write::Body(body) = &write {
            let order = self.order.as_mut().expect("a PDU belongs to an order");
            assert!(order.gate_open, "a PDU left before its gate was open");
            order.bodies += 1;
            assert_eq!(body.expose().last(), Some(&0x1a));
            self.silent_since = Some(self.now);
        }
        self.unanswered.push(write);
        if self.unanswered.len() > 64 {
            self.unanswered.remove(0);
        }
    }

    fn settled(&mut self, outcome: &Outcome) {
        let order = self.order.take().expect("an outcome of no order");
        match outcome {
            Outcome::Accepted { references } => {
                assert_eq!(references.len(), order.parts);
                assert!(order.parts > 0 && order.bodies >= order.parts, "what did not leave was accepted");
            }
            Outcome::Rejected { references, error } => {
                assert!(references.len() < order.parts);
                assert_ne!(error.verdict, Verdict::Open, "it may have gone out");
            }
            Outcome::Unknown { references, .. } => {
                assert!(references.len() < order.parts && order.bodies > references.len());
            }
            Outcome::NotStarted { references, .. } => assert!(references.len() <= order.parts),
        }
    }
}

/// `TOLD=1` tells each input and output, to see what an input that failed is.
fn is_told() -> bool {
    static TOLD: LazyLock<bool> = LazyLock::new(|| std::env::var_os("TOLD").is_some());
    *TOLD
}

/// What modems say by themselves.
const CODES: &[&str] = &[
    "RING",
    "NO CARRIER",
    "OK",
    "ERROR",
    "> ",
    "RDY",
    "^SYSSTART",
    "+CREG: 0",
    "+CREG: 1",
    "+CREG: 5",
    "+CREG: 1,\"5E25\",\"0B2F\"",
    "+CEREG: 3",
    "+CPIN: SIM PIN",
    "+CPIN: NOT READY",
    "+CPIN: READY",
    "+CMTI: \"SM\",1",
    "+CMTI: \"ME\",200",
    "+CDSI: \"SR\",3",
    "+CMT: ,16\r\n<pdu>",
    "+CMT: \"+41791234567\",,\"26/12/21,12:52:00+08\"\r\nHello",
    "+CDS: 21\r\n<report>",
    "+CDS: 6,5,\"+41791234567\",145,\"26/12/21,12:52:00+08\",\"26/12/21,12:52:07+08\",0",
    "+CUSD: 0,\"Balance: 5\",15",
    "+CUSD: 1,\"Menu\n1 one\n2 two\",15",
    "+CUSD: 2",
    "+CMGS: 5",
    "+CMGS: 6\r\n\r\nOK",
    "+CMS ERROR: 38",
    "+CMS ERROR: 332",
    "+CME ERROR: 10",
    "^SMMEMFULL: \"SM\"",
    "NORMAL POWER DOWN",
    "SMS Ready",
    "AT+CMGS=18",
    "something else",
];
