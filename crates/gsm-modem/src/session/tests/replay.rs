//! Dialogues that were recorded from real modems or printed in their manuals, played in time. Each file of
//! `tests/data/at/` names its source; its directives are, one for each line:
//!
//! `source WHERE`, `family NAME`, `echo on`, `smsc NUMBER`; `on COMMAND => OCTETS` and further `=> OCTETS`:
//! the modem's answers in turn, in place of the common ones; `ready SECONDS`: the modem is ready within this
//! time, and was never blocked; `fact FIELD VALUE`: what must be known then, `blocked TEXT` when it must not
//! become ready; `prompt SECONDS OCTETS` and `result SECONDS OCTETS`: written this long after what went
//! before, as the answer to `AT+CMGS` and to the PDU; `later SECONDS OCTETS`: written after the outcome;
//! `outcome accepted N | rejected CLASS CODE | unknown | not-started`, `notice late N | report | message
//! MEMORY N | report MEMORY N`; `heard COMMAND`: it must have been sent, `soon COMMAND`: within a second,
//! `times COUNT COMMAND`: this often. Octets are written with `\r`, `\n`, `\e`, `\z` (SUB) and `\0`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::field::each;
use super::{Bench, Fake, settings};
use crate::snapshot::{Notice, Outcome, State};

/// How many families must be among the recordings.
const FAMILIES: usize = 12;

#[test]
fn recorded_dialogues() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/at");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: &PathBuf| fs::read_to_string(file).unwrap();
    each(&files, |file| play(&file.file_name().unwrap().to_string_lossy(), &read(file)));
    let family =
        |file| read(file).lines().find_map(|line| line.strip_prefix("family ").map(str::to_owned)).unwrap();
    let mut families: Vec<_> = files.iter().map(family).collect();
    families.sort();
    families.dedup();
    assert!(families.len() >= FAMILIES, "{families:?}");
}

fn play(name: &str, text: &str) {
    let (mut modem, mut configured) = (Fake::new(), settings());
    (modem.prompt, modem.results) = (String::new(), [String::new()].into());
    let (mut family, mut source, mut last) = (String::new(), false, String::new());
    let mut script = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "source" => source = !rest.is_empty(),
            "family" => rest.clone_into(&mut family),
            "echo" => modem.echo = rest == "on",
            "smsc" => configured.smsc = Some(rest.to_owned()),
            "on" => {
                let (command, answer) = rest.split_once(" => ").expect(name);
                modem.on(command, &octets(answer));
                command.clone_into(&mut last);
            }
            "=>" => modem.answers.get_mut(&last).expect(name).push_back(octets(rest)),
            _ => script.push((word, rest)),
        }
    }
    assert!(source && !family.is_empty(), "{name}: no source or no family");
    assert!(!script.is_empty(), "{name}: nothing to see");
    let mut bench = Bench::with(modem, configured);
    if let Some((_, reason)) = script.iter().find(|(word, _)| *word == "blocked") {
        bench.until(|b| b.state() == State::Blocked);
        assert!(bench.fault().contains(reason), "{name}: {}", bench.fault());
        return;
    }
    let (began, mut blocked) = (bench.now, false);
    while bench.state() != State::Ready {
        bench.jump();
        blocked |= bench.state() == State::Blocked;
    }
    if let Some((_, limit)) = script.iter().find(|(word, _)| *word == "ready") {
        let limit = Duration::from_secs_f64(limit.parse().expect(name));
        assert!(!blocked && bench.now - began <= limit, "{name}: blocked {blocked}, {:?}", bench.now - began);
    }
    let (before, mut sent) = (bench.modem.heard.clone(), false);
    for (word, rest) in script {
        if matches!(word, "prompt" | "result") && !std::mem::replace(&mut sent, true) {
            bench.send();
        }
        match word {
            "fact" => {
                let (field, value) = rest.split_once(' ').expect(name);
                let seen = bench.session.snapshot();
                let known = match field {
                    "manufacturer" => &seen.equipment.manufacturer,
                    "model" => &seen.equipment.model,
                    "firmware" => &seen.equipment.firmware,
                    "fault" => &seen.last_error.clone().unwrap_or_default(),
                    "registration" => &format!("{:?}", seen.registration),
                    "signal" => &seen.signal_dbm.unwrap_or_default().to_string(),
                    _ => panic!("{name}: {field}"),
                };
                assert!(known.contains(value), "{name}: {field} is {known:?}");
            }
            "times" => {
                let (count, command) = rest.split_once(' ').expect(name);
                let all = bench.modem.heard.iter().filter(|heard| *heard == command).count();
                assert!(all >= count.parse().expect(name), "{name}: {command} {all} times");
            }
            "heard" | "soon" => {
                if word == "soon" {
                    bench.pass(Duration::from_secs(1));
                }
                let all = before.iter().chain(&bench.modem.heard);
                assert!(
                    all.clone().any(|heard| heard == rest),
                    "{name}: no {rest} in {:?}",
                    all.collect::<Vec<_>>()
                );
            }
            "prompt" | "result" | "later" => {
                let (seconds, said) = rest.split_once(' ').expect(name);
                bench.pass(Duration::from_secs_f64(seconds.parse().expect(name)));
                let said = octets(said);
                bench.modem.in_prompt |= word == "prompt" && said.contains('>');
                bench.say(&said);
            }
            "ussd" => {
                let limit = Duration::from_secs(30);
                bench.session.ask_network(Some(rest), limit, bench.now);
                bench.turn();
                // Some families want a pause before a command.
                bench.pass(Duration::from_millis(50));
            }
            "answer" => {
                let (open, text) = rest.split_once(' ').expect(name);
                let seen = bench.answers.last().expect(name).as_ref().expect(name);
                assert!(seen.replace('\n', " / ").contains(text), "{name}: {seen}");
                assert_eq!(bench.open.last(), Some(&(open == "open")), "{name}");
            }
            "ready" => {}
            "outcome" => outcome(name, rest, &mut bench),
            "notice" => notice(name, rest, &bench.notices),
            _ => panic!("{name}: {word}"),
        }
    }
    bench.modem.prompt = String::from("\r\n> ");
    bench.assert_works();
}

fn outcome(name: &str, expected: &str, bench: &mut Bench) {
    if bench.outcomes.is_empty() {
        // A result may follow an OK that comes alone.
        bench.pass(Duration::from_millis(3_100));
    }
    let seen = match bench.outcomes.last().unwrap_or_else(|| panic!("{name}: no outcome")) {
        Outcome::Accepted { references } => format!("accepted {}", references[0]),
        Outcome::Rejected { error, .. } => {
            let code = error.code.map_or(String::from("-"), |code| code.to_string());
            format!("rejected {:?} {code}", error.subject).to_lowercase()
        }
        Outcome::Unknown { .. } => String::from("unknown"),
        Outcome::NotStarted { .. } => String::from("not-started"),
    };
    assert_eq!(seen, expected, "{name}");
}

fn notice(name: &str, expected: &str, seen: &[Notice]) {
    let found = seen.iter().any(|notice| match notice {
        Notice::LateAccepted { reference } => expected == format!("late {reference}"),
        Notice::Report { storage: None, .. } => expected == "report",
        Notice::Report { storage: Some((memory, at)), .. } => expected == format!("report {memory} {at}"),
        Notice::Delivered { storage: Some((memory, at)), .. } => expected == format!("message {memory} {at}"),
        _ => false,
    });
    assert!(found, "{name}: no {expected} in {seen:?}");
}

fn octets(escaped: &str) -> String {
    let mut out = String::new();
    let mut rest = escaped.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('r') => out.push('\r'),
            Some('n') => out.push('\n'),
            Some('e') => out.push('\x1b'),
            Some('z') => out.push('\x1a'),
            Some('0') => out.push('\0'),
            other => panic!("no escape: {other:?}"),
        }
    }
    out
}
