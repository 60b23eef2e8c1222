//! What the tests of reports from the field share: a modem that restarts without saying so, one that stores
//! messages, time as the task lets it pass, and what an outcome says is at fault.

use std::fmt::{Debug, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::{Bench, Fake};
use crate::at::Subject;
use crate::session::Closing;
use crate::snapshot::{Notice, Outcome, State};

pub(super) const OK: &str = "\r\nOK\r\n";
pub(super) const READY: &str = "\r\n+CPIN: READY\r\n\r\nOK\r\n";

pub(super) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// An information line and its OK.
pub(super) fn answer(line: &str) -> String {
    format!("\r\n{line}\r\n\r\nOK\r\n")
}

/// A final result alone.
pub(super) fn result(line: &str) -> String {
    format!("\r\n{line}\r\n")
}

/// The modem restarts without saying so, as one with an automatic baud rate does: it echoes again and is in
/// text mode, as its saved profile has it.
pub(super) fn begins_anew(modem: &mut Fake) {
    modem.echo = true;
    modem.in_text_mode = true;
    modem.when("ATE0", |modem| modem.echo = false);
    obeys_formats(modem);
}

/// The modem changes its format when it is told to.
pub(super) fn obeys_formats(modem: &mut Fake) {
    modem.when("AT+CMGF=0", |modem| modem.in_text_mode = false);
    modem.when("AT+CMGF=1", |modem| modem.in_text_mode = true);
}

/// What is at fault according to an outcome other than an acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blamed {
    /// The message or its recipient: the same message fails again.
    Message,
    /// The network, or another temporary cause.
    Network,
    Modem,
    Sim,
}

/// What is at fault for an order that was rejected; `None` for the other outcomes.
pub(super) fn blamed(outcome: &Outcome) -> Option<Blamed> {
    let Outcome::Rejected { error, .. } = outcome else { return None };
    Some(match error.subject {
        Subject::Recipient | Subject::Message => Blamed::Message,
        Subject::Sim => Blamed::Sim,
        Subject::Modem | Subject::Storage => Blamed::Modem,
        Subject::Network | Subject::Centre => Blamed::Network,
    })
}

impl Bench {
    /// Whether `what` becomes true within `span`. Ports that are closed stay closed.
    pub(super) fn within(&mut self, span: Duration, what: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + span;
        loop {
            if what(self) {
                return true;
            }
            if self.session.deadline().is_none_or(|deadline| deadline > end) {
                self.now = end;
                return what(self);
            }
            self.jump();
        }
    }

    /// Lets `span` pass as the task does, and calls `look` at every step. A port that was closed is opened
    /// again two seconds later; of the recovery steps only those through the port are possible.
    pub(super) fn live(&mut self, span: Duration, mut look: impl FnMut(&Self)) {
        let end = self.now + span;
        while self.now < end {
            let closing = self.closings.pop();
            if let Some(closing) = closing {
                if let Closing::Cure(mut rung) = closing {
                    while let Some(next) = self.climbed(rung, Err(None)) {
                        rung = next;
                    }
                }
                self.now += seconds(2);
                self.open();
            } else if self.session.deadline().is_none_or(|deadline| deadline > end) {
                self.now = end;
            } else {
                self.jump();
            }
            look(self);
        }
    }

    /// Whether the modem is ready at every step of `span`.
    pub(super) fn stays_ready(&mut self, span: Duration) -> bool {
        let mut ready = true;
        self.live(span, |bench| ready &= bench.session.snapshot().ready);
        ready
    }

    /// The place of the last time that a command was heard.
    pub(super) fn last_heard(&self, command: &str) -> Option<usize> {
        self.modem.heard.iter().rposition(|heard| heard == command)
    }

    pub(super) fn first_heard(&self, command: &str) -> Option<usize> {
        self.modem.heard.iter().position(|heard| heard == command)
    }

    /// How many commands begin with `head`.
    pub(super) fn heard_like(&self, head: &str) -> usize {
        self.modem.heard.iter().filter(|heard| heard.starts_with(head)).count()
    }

    pub(super) fn ask(&mut self, code: &str) {
        self.session.ask_network(Some(code), seconds(30), self.now);
        self.turn();
    }

    pub(super) fn resets(&mut self) {
        self.session.restart_asked(self.now);
        self.turn();
    }

    pub(super) fn stops(&mut self, grace: Duration) {
        self.session.stop(grace, self.now);
        self.turn();
    }

    /// The port is lost.
    pub(super) fn goes(&mut self) {
        self.session.lost("gone");
        self.turn();
    }

    pub(super) fn discard(&mut self, storage: &str, index: u32) {
        self.session.discard((storage.into(), index), self.now);
        self.turn();
    }

    /// The place and the octets of everything that was handed over from a storage, including reports.
    pub(super) fn read_from_storage(&self) -> Vec<(String, u32, Vec<u8>)> {
        let stored = |notice: &Notice| match notice {
            Notice::Delivered { pdu, storage: Some((name, index)), .. }
            | Notice::Report { pdu, storage: Some((name, index)), .. } => {
                Some((name.clone(), *index, pdu.expose().clone()))
            }
            _ => None,
        };
        self.notices.iter().filter_map(stored).collect()
    }

    /// The places that were read, each once.
    pub(super) fn places_read(&self) -> Vec<(String, u32)> {
        let mut places: Vec<_> =
            self.read_from_storage().into_iter().map(|(name, index, _)| (name, index)).collect();
        places.sort();
        places.dedup();
        places
    }
}

/// A modem that was brought up and had time for its first listing.
pub(super) fn settled(modem: Fake) -> Bench {
    let mut bench = Bench::new(modem);
    bench.until(|b| b.state() == State::Ready);
    bench.live(seconds(30), |_| {});
    bench
}

/// An SMS-DELIVER of twelve TPDU octets after three of a service centre; `mark` distinguishes it from others.
pub(super) fn message(mark: u8) -> Vec<u8> {
    vec![0x02, 0x91, 0x14, 0x04, 0x04, 0x91, 0x14, mark, 0, 0, 0x41, 0x20, 0x13, 0x01, mark]
}

/// The length of its TPDU, which stands before the PDU.
pub(super) const LENGTH: usize = 12;

pub(super) fn digits(pdu: &[u8]) -> String {
    let mut digits = String::new();
    for octet in pdu {
        write!(digits, "{octet:02X}").unwrap();
    }
    digits
}

/// The message's entry in a listing.
pub(super) fn entry(index: u32, mark: u8) -> String {
    format!("\r\n+CMGL: {index},1,,{LENGTH}\r\n{}\r\n", digits(&message(mark)))
}

/// The answer to `AT+CMGR`.
pub(super) fn reading(mark: u8) -> String {
    reading_of(&digits(&message(mark)))
}

/// The answer to `AT+CMGR` with these digits, however many they are.
pub(super) fn reading_of(digits: &str) -> String {
    format!("\r\n+CMGR: 1,,{LENGTH}\r\n{digits}\r\n\r\nOK\r\n")
}

/// A modem with one storage of ten places, which reports so many messages and answers a listing with this text.
pub(super) fn storing(used: u32, listing: &str) -> Fake {
    let mut modem = Fake::new();
    modem.on("AT+CPMS?", &usage(used));
    modem.on("AT+CPMS=?", &answer("+CPMS: (\"SM\"),(\"SM\"),(\"SM\")"));
    modem.on("AT+CPMS=\"SM\",\"SM\",\"SM\"", &answer(&format!("+CPMS: {used},10,{used},10,{used},10")));
    modem.on("AT+CMGL=4", &format!("{listing}{OK}"));
    for index in 0..=10 {
        modem.on(&format!("AT+CMGR={index}"), OK);
        modem.on(&format!("AT+CMGD={index}"), OK);
    }
    modem
}

pub(super) fn usage(used: u32) -> String {
    answer(&format!("+CPMS: \"SM\",{used},10,\"SM\",{used},10,\"SM\",{used},10"))
}

/// What is handed over when this message is at that place.
pub(super) fn at(index: u32, mark: u8) -> (String, u32, Vec<u8>) {
    ("SM".into(), index, message(mark))
}

/// Runs every case and reports all that fail, so that one failure does not hide the others.
#[track_caller]
pub(super) fn each<T: Debug>(cases: impl IntoIterator<Item = T>, test: impl Fn(T)) {
    let mut tried = 0;
    let mut failed = Vec::new();
    for case in cases {
        tried += 1;
        let told = format!("{case:?}");
        if catch_unwind(AssertUnwindSafe(|| test(case))).is_err() {
            failed.push(told);
        }
    }
    assert!(failed.is_empty(), "{} of {tried} cases:\n{}", failed.len(), failed.join("\n"));
}
