//! An unsolicited line at every place between two lines of every exchange: it changes nothing. A message in
//! text mode is not such a line: in PDU mode it shows that the modem restarted, and in text mode everything
//! that comes right after it may be its text.

use std::time::Duration;

use super::text_mode::text_only;
use super::{Bench, Fake, accepted, settings};
use crate::session::Session;
use crate::snapshot::State;

const INTRUDERS: &[&str] = &[
    "\r\n^RSSI:18\r\n",
    "\r\nRING\r\n",
    "\r\nNO CARRIER\r\n",
    "\r\n+CIEV: 7,1\r\n",
    "\r\n+CREG: 1\r\n",
    "\r\n+CREG: 1,\"04CA\",\"081DE445\",7\r\n",
    "\r\n+CGREG: 0\r\n",
    "\r\n+CMTI: \"SM\",3\r\n",
    "\r\n+CDSI: \"SR\",4\r\n",
    "\r\n^BOOT:35323129,0,0,0,26\r\n",
    "\r\n+ZDONR: \"METEOR\",272,3,\"CS_ONLY\",\"ROAM_OFF\"\r\n",
    "\r\n+CDS: 25\r\n079119890400202306400C91197909913764511090718384225110907183252200\r\n",
    "\r\n+CMT: ,24\r\n07917248014000F506B70AA18092020000317071518590803170715185418000\r\n",
    "\r\n+CMT: ,3\r\n\r\n000102\r\n",
    "\r\n+CBM: 2\r\n0011\r\n",
];

impl Bench {
    /// The modem's output, with the intruder at its place: before the first line, after each one, after the
    /// echo and after the prompt.
    pub(super) fn intruded(&mut self, said: &str) -> Option<String> {
        let (at, intruder) = self.intruder?;
        let mut with = String::new();
        let mut lines = 0;
        for (i, c) in said.char_indices() {
            let before = &said[..i];
            let echoed = before.ends_with('\r') && c == '\r';
            let line = before.ends_with("\r\n") && !before.ends_with("\r\n\r\n") && lines > 0;
            if i == 0 || line || echoed {
                self.pass_place(at, intruder, &mut with);
            }
            if !c.is_control() {
                lines += 1;
            }
            with.push(c);
        }
        if !said.is_empty() {
            self.pass_place(at, intruder, &mut with);
        }
        Some(with)
    }

    fn pass_place(&mut self, at: usize, intruder: &str, with: &mut String) {
        if self.places == at {
            with.push_str(intruder);
        }
        self.places += 1;
    }
}

/// The result of an exchange, as a caller sees it.
#[derive(Debug, PartialEq)]
struct Exchanged {
    outcomes: Vec<crate::Outcome>,
    answers: Vec<Result<String, String>>,
    pdus: Vec<String>,
    state: State,
    who: [String; 4],
    sim: [Option<String>; 3],
    signal: Option<i32>,
}

fn exchanged(bench: &Bench) -> Exchanged {
    let s = bench.session.snapshot();
    assert!(bench.closings.is_empty());
    Exchanged {
        outcomes: bench.outcomes.clone(),
        answers: bench.answers.clone(),
        pdus: bench.modem.pdus.clone(),
        state: s.state,
        who: [&s.equipment.manufacturer, &s.equipment.model, &s.equipment.firmware, &s.equipment.imei]
            .map(Clone::clone),
        sim: [s.sim.imsi.clone(), s.sim.iccid.clone(), s.operator.clone()],
        signal: s.signal_dbm,
    }
}

fn modem(echo: bool, piece: usize) -> Fake {
    let mut modem = Fake::new();
    (modem.echo, modem.piece) = (echo, piece);
    modem.on("AT+CUSD=1,\"*100#\",15", "\r\nOK\r\n\r\n+CUSD: 0,\"Credit: 5\",15\r\n");
    modem
}

/// Runs `exchange` without an intruder, and then with each intruder at each place.
fn at_every_place(from_the_start: bool, exchange: impl Fn(&mut Bench)) -> usize {
    at_every_place_of(modem, from_the_start, exchange)
}

fn at_every_place_of(
    modem: impl Fn(bool, usize) -> Fake,
    from_the_start: bool,
    exchange: impl Fn(&mut Bench),
) -> usize {
    let run = |echo, piece, intruder| {
        let mut bench = Bench {
            session: Session::new(settings()),
            intruder: Some((usize::MAX, "")),
            ..Bench::new(modem(echo, piece))
        };
        if from_the_start {
            bench.intruder = intruder;
            bench.places = 0;
        }
        bench.open();
        bench.until(|b| b.state() == State::Ready);
        if !from_the_start {
            bench.intruder = intruder;
            bench.places = 0;
        }
        exchange(&mut bench);
        bench.until(|b| b.state() == State::Ready);
        let (came, places) = (exchanged(&bench), bench.places);
        // The next message is sent as well.
        bench.intruder = None;
        bench.assert_works();
        (came, places)
    };
    let mut runs = 0;
    for (echo, piece) in [(false, usize::MAX), (true, usize::MAX), (true, 1)] {
        let (usual, places) = run(echo, piece, Some((usize::MAX, "")));
        for place in 0..places {
            for intruder in INTRUDERS {
                let (came, _) = run(echo, piece, Some((place, intruder)));
                assert_eq!(came, usual, "{intruder:?} at {place} of {places}, echo {echo}, piece {piece}");
                runs += 1;
            }
        }
    }
    runs
}

#[test]
fn in_the_bring_up() {
    let runs = at_every_place(true, |_| {});
    assert!(runs > 3000, "{runs}");
}

#[test]
fn in_a_message_of_one_part() {
    let runs = at_every_place(false, |bench| {
        bench.submit(1);
        bench.gate(true);
        assert_eq!(bench.outcomes, [accepted(&[7])]);
    });
    assert!(runs > 200, "{runs}");
}

#[test]
fn in_a_message_of_three_parts() {
    let runs = at_every_place(false, |bench| {
        bench.modem.results = ["7", "8", "9"].map(|n| format!("\r\n+CMGS: {n}\r\n\r\nOK\r\n")).into();
        bench.submit(3);
        bench.gate(true);
        assert_eq!(bench.outcomes, [accepted(&[7, 8, 9])]);
    });
    assert!(runs > 600, "{runs}");
}

#[test]
fn in_text_mode() {
    let modem = |echo, piece| Fake { echo, piece, ..text_only() };
    let runs = at_every_place_of(modem, true, |bench| {
        bench.submit(2);
        bench.gate(true);
        assert_eq!(bench.outcomes, [accepted(&[7, 7])]);
        assert_eq!(bench.modem.pdus, ["Hi", "Hi"]);
    });
    assert!(runs > 3000, "{runs}");
}

#[test]
fn in_the_keep_alive() {
    let runs = at_every_place(false, |bench| {
        bench.modem.on("AT+CSQ", "\r\n+CSQ: 5,99\r\n\r\nOK\r\n");
        bench.pass(Duration::from_secs(61));
        assert_eq!(bench.session.snapshot().signal_dbm, Some(-103));
    });
    assert!(runs > 300, "{runs}");
}

#[test]
fn in_a_question_to_the_network() {
    let runs = at_every_place(false, |bench| {
        bench.session.ask_network(Some("*100#"), Duration::from_secs(20), bench.now);
        bench.turn();
        assert_eq!(bench.answers, [Ok(String::from("Credit: 5"))]);
    });
    assert!(runs > 150, "{runs}");
}
