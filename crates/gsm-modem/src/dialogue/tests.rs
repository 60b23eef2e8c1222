//! The kernel by itself: how a modem is called, and in which form it may answer.

use std::time::{Duration, Instant};

use super::{Dialogue, DialogueSettings, Heard, Open};
use crate::at::{Command, LineEnd, ResultCode};
use crate::clock::monotonic;

const LIMIT: Duration = Duration::from_secs(5);

/// A dialogue, and time that is moved by hand.
struct Bench {
    dialogue: Dialogue,
    now: Instant,
}

impl Bench {
    fn new(tries: u8) -> Self {
        let settings = DialogueSettings { attention_tries: tries, ..DialogueSettings::default() };
        Self { dialogue: Dialogue::new(settings), now: monotonic() }
    }

    /// What is written next, in one piece.
    fn written(&mut self) -> String {
        let mut octets = Vec::new();
        while let Some(write) = self.dialogue.poll() {
            octets.extend_from_slice(write.octets().expose());
        }
        String::from_utf8(octets).unwrap()
    }

    fn heard(&mut self) -> Option<Heard> {
        self.dialogue.next(self.now, |_, _| false, |_| None)
    }

    fn says(&mut self, text: &str) -> Option<Heard> {
        self.dialogue.received(text.as_bytes(), self.now);
        self.heard()
    }

    /// Moves time to the next deadline.
    fn jump(&mut self) -> Option<Heard> {
        self.now = self.dialogue.deadline().unwrap();
        self.dialogue.tick(self.now)
    }

    /// Resynchronises and returns each call as it was written. No call is answered until there is one that
    /// `answered` names, which is answered by OK.
    fn find(&mut self, answered: Option<&str>) -> (Vec<String>, Heard) {
        self.dialogue.find(Open::Perhaps, self.now);
        let mut calls = Vec::new();
        loop {
            let call = self.written().replace("\u{1b}\r", "");
            if !call.is_empty() {
                let answers = answered == Some(call.as_str());
                calls.push(call);
                if answers {
                    assert_eq!(self.says("\r\nOK\r\n"), None);
                }
            }
            if let Some(heard) = self.jump() {
                return (calls, heard);
            }
        }
    }
}

#[test]
fn a_silent_modem_is_called_in_other_forms() {
    let forms = |tries: u8| {
        let mut bench = Bench::new(tries);
        let (calls, heard) = bench.find(None);
        assert_eq!((calls.len(), heard), (usize::from(tries), Heard::Silent));
        let other: Vec<_> = calls.into_iter().enumerate().filter(|(_, call)| call != "AT\r").collect();
        other.into_iter().map(|(at, call)| (at, call.trim_end_matches('\r').to_owned())).collect::<Vec<_>>()
    };
    let expected = |results, line_end| [(results, "ATQ0V1".to_owned()), (line_end, "AT\r\n".to_owned())];
    assert_eq!(forms(10), expected(4, 7));
    assert_eq!(forms(4), expected(1, 2));
    for tries in 4..=10 {
        let found = forms(tries);
        assert_eq!(found.len(), 2, "{tries}");
        // The last call alone is what an idle modem gets: it is a plain one, as the first one is.
        assert!(found.iter().all(|(at, _)| (1..usize::from(tries) - 1).contains(at)), "{tries}: {found:?}");
    }
    for tries in 1..4 {
        assert_eq!(forms(tries), [], "{tries}");
    }
}

#[test]
fn the_line_end_that_was_answered_stays() {
    let mut bench = Bench::new(4);
    let (calls, heard) = bench.find(Some("AT\r\n"));
    assert_eq!((calls.len(), heard), (3, Heard::Found));
    assert!(bench.dialogue.ask(Command::Signal, LIMIT, bench.now));
    assert_eq!(bench.written(), "AT+CSQ\r\n");
    assert_eq!(bench.dialogue.settings_mut().line_end, LineEnd::CrLf);
}

#[test]
fn numbers_are_results_where_nothing_else_can_be_meant() {
    let mut bench = Bench::new(4);
    bench.dialogue.find(Open::No, bench.now);
    assert_eq!(bench.written(), "AT\r");
    assert_eq!(bench.says("0\r"), None);
    assert_eq!(bench.jump(), Some(Heard::Found));
    assert!(bench.dialogue.take_says_numbers());

    for (said, result) in
        [("0\r", ResultCode::Ok), ("4\r", ResultCode::Error), ("\r\nOK\r\n", ResultCode::Ok)]
    {
        assert!(bench.dialogue.ask(Command::EchoOff, LIMIT, bench.now));
        let Some(Heard::Ended(ended)) = bench.says(said) else { panic!("{said:?}") };
        assert_eq!((ended.result, ended.lines.len()), (Some(result), 0), "{said:?}");
    }
    // After a question the number may be the answer.
    assert!(bench.dialogue.ask(Command::Question("AT^X?".into()), LIMIT, bench.now));
    assert_eq!(bench.says("0\r"), Some(Heard::Answer("0".into())));
    assert!(matches!(bench.says("OK\r"), Some(Heard::Ended(_))));
}

#[test]
fn a_command_waits_until_an_incoming_text_is_over() {
    let mut bench = Bench::new(3);
    assert_eq!(bench.says("\r\n+CMT: \"+41791000009\",,\"24/07/01,10:11:12+08\"\r\n"), Some(Heard::TextMode));
    assert!(bench.dialogue.ask(Command::Signal, LIMIT, bench.now));
    assert_eq!(bench.says("+CREG: 3\r\n\r\nOK\r\n"), None, "all of it is the text");
    assert_eq!(bench.written(), "");
    assert_eq!(bench.jump(), None);
    assert_eq!(bench.written(), "AT+CSQ\r");
    assert_eq!(bench.says("\r\n+CSQ: 20,99\r\n"), Some(Heard::Answer(String::from("20,99"))));
    assert!(matches!(bench.says("\r\nOK\r\n"), Some(Heard::Ended(_))));
}

#[test]
fn a_result_that_may_stand_in_a_text_is_not_waited_for_long() {
    let head = "\r\n+CMT: \"+41791000009\",,\"24/07/01,10:11:12+08\"\r\n";
    for (command, soon) in [(Command::List, true), (Command::Send { length: 20 }, false)] {
        let mut bench = Bench::new(3);
        assert!(bench.dialogue.ask(command, LIMIT, bench.now));
        bench.written();
        assert_eq!(bench.says(head), Some(Heard::TextMode));
        assert_eq!(bench.says("RDY\r\n\r\nOK\r\n"), None);
        let due = bench.dialogue.deadline().unwrap() - bench.now;
        assert_eq!(due < LIMIT, soon, "{due:?}");
        assert!(due <= LIMIT);
        let Some(Heard::Ended(ended)) = bench.jump() else { panic!("its time is over") };
        assert_eq!(ended.result, None);
    }
}
