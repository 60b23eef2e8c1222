//! What the session takes from a family: its codes, quirks, waits and limits, and how many tries the SIM has left.

use std::time::Duration;

use super::{Bench, Fake, accepted, settings};
use crate::Secret;
use crate::profiles::{
    MakerError, Means, PinTries, Profile, Profiles, Quirk, Receiving, Rule, Service, Subject, Unsolicited,
    Verdict,
};
use crate::snapshot::{Outcome, State};

/// A modem of Acme, with this family.
fn bench(modem: Fake, family: Profile) -> Bench {
    let rule = Rule { maker: Some("acme".to_owned()), ..Rule::default() };
    let family = Profile {
        name: "acme".to_owned(),
        rules: vec![rule],
        iccid: vec!["AT+CCID".to_owned()],
        receiving: Receiving { new_messages: vec![[2, 1, 2, 1, 0]], ..Receiving::default() },
        ..family
    };
    Bench::with(modem, crate::Settings { profiles: Profiles::new(vec![family]), ..settings() })
}

fn ready(bench: &mut Bench) {
    bench.until(|b| b.state() == State::Ready);
}

#[test]
fn a_code_of_the_familys_own_is_dropped_with_all_its_lines_and_nothing_else() {
    let code = Unsolicited { head: "NOTE".to_owned(), lines: 3, means: Means::Nothing };
    let mut modem = Fake::new();
    modem.on("AT+CGMM", "NOTE of the day\r\nfirst\r\nsecond\r\nRocket 1\r\nOK\r\n");
    let mut bench = bench(modem, Profile { unsolicited: vec![code], ..Profile::default() });
    ready(&mut bench);
    // The maker was known before the model was asked for, and so were its codes.
    assert_eq!(bench.session.snapshot().equipment.model, "Rocket 1");
    assert_eq!(bench.session.snapshot().counters.dropped_lines, 0);
    // A code that is cut short hides no result.
    bench.modem.result("\r\n+CMGS: 8\r\nNOTE\r\nOK\r\n");
    bench.send();
    assert_eq!(bench.outcomes, [accepted(&[8])]);
    bench.assert_works();
}

#[test]
fn a_code_of_the_familys_own_that_means_a_restart_is_one() {
    for (means, restarts) in [(Means::Nothing, 0), (Means::Restarted, 1)] {
        let code = Unsolicited { head: "^BOOT".to_owned(), lines: 1, means };
        let mut bench = bench(Fake::new(), Profile { unsolicited: vec![code], ..Profile::default() });
        ready(&mut bench);
        let asked = bench.heard("ATE0");
        bench.say("\r\n^BOOT\r\n");
        ready(&mut bench);
        assert_eq!(bench.session.snapshot().counters.restarts, restarts);
        assert_eq!(bench.heard("ATE0") > asked, restarts > 0, "it is brought up again");
    }
}

/// A family that does not send before `AT+X=1`, and says `^READY` when a part of it became ready.
fn needs_a_command(modem: Fake) -> Bench {
    let ready = Unsolicited { head: "^READY".to_owned(), lines: 1, means: Means::Ready };
    let init = vec!["AT+X=1".to_owned(), "AT+Y=\"+41791234567\"".to_owned()];
    bench(modem, Profile { init, unsolicited: vec![ready], ..Profile::default() })
}

#[test]
fn a_command_of_the_familys_own_that_is_refused_is_sent_again_after_a_pause() {
    for refusal in ["\r\nERROR\r\n", "\r\n+CME ERROR: 14\r\n", "\r\n+CMS ERROR: 500\r\n", ""] {
        let mut modem = Fake::new();
        modem.in_turn("AT+X=1", &[refusal, refusal, "\r\nOK\r\n"]);
        modem.on("AT+Y=\"+41791234567\"", "\r\nOK\r\n");
        let mut bench = needs_a_command(modem);
        ready(&mut bench);
        assert_eq!((bench.heard("AT+X=1"), bench.fault()), (3, ""), "{refusal:?}");
        bench.assert_works();
    }
}

#[test]
fn a_ready_code_has_a_refused_command_of_the_familys_own_sent_again() {
    let refused = |in_the_stage: bool| {
        let mut modem = Fake::new();
        modem.on("AT+X=1", "\r\nERROR\r\n");
        modem.on("AT+Y=\"+41791234567\"", "\r\nOK\r\n");
        // The modem looks for a network: its bring-up goes on for long.
        modem.on("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n");
        let mut bench = needs_a_command(modem);
        let reached = if in_the_stage { "AT+X=1" } else { "AT+CREG?" };
        bench.until(|b| b.heard(reached) == 1);
        bench.modem.on("AT+X=1", "\r\nOK\r\n");
        bench
    };
    // While it waits to send the command once more.
    let mut bench = refused(true);
    bench.say("\r\n^READY\r\n");
    assert_eq!(bench.heard("AT+X=1"), 2, "at once");
    // After it gave the command up.
    let mut bench = refused(false);
    let sent = bench.heard("AT+X=1");
    bench.say("\r\n^READY\r\n");
    bench.modem.on("AT+CREG?", "\r\n+CREG: 1,1\r\n\r\nOK\r\n");
    ready(&mut bench);
    assert_eq!((bench.heard("AT+X=1"), bench.fault()), (sent + 1, ""));
    // A code that comes when nothing was refused begins nothing anew.
    bench.modem.on("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n");
    bench.say("\r\n+CREG: 2\r\n");
    bench.say("\r\n^READY\r\n");
    bench.pass(Duration::from_secs(30));
    assert_eq!(bench.heard("AT+X=1"), sent + 1);
}

#[test]
fn what_stays_refused_is_told_to_a_person_and_stops_nothing() {
    let mut bench = needs_a_command(Fake::new());
    ready(&mut bench);
    for command in ["AT+X=1", "AT+Y=\"+41791234567\""] {
        assert_eq!(bench.heard(command), 11, "{command}");
    }
    assert_eq!(
        bench.fault(),
        "the modem refuses what its family acme sets up: AT+X=1 (the modem answered ERROR without a \
         reason), AT+Y=\"…\" (the modem answered ERROR without a reason); if messages fail, reset the modem, else move \
         the command to init_optional in the family's file"
    );
    bench.assert_works();
    bench.pass(Duration::from_secs(600));
    assert!(bench.fault().contains("AT+X=1"), "{}", bench.fault());
}

#[test]
fn a_command_that_only_some_modems_of_a_family_know_may_be_refused() {
    let family = || Profile { init_optional: vec!["AT+X=1".to_owned()], ..Profile::default() };
    for (refusal, sent) in
        [("\r\nERROR\r\n", 1), ("\r\nCOMMAND NOT SUPPORT\r\n", 1), ("", 1), ("\r\n+CME ERROR: 14\r\n", 11)]
    {
        let mut modem = Fake::new();
        modem.on("AT+X=1", refusal);
        let mut bench = bench(modem, family());
        ready(&mut bench);
        assert_eq!((bench.heard("AT+X=1"), bench.fault()), (sent, ""), "{refusal:?}");
        bench.assert_works();
    }
}

#[test]
fn a_pin_answer_without_ok_costs_no_time_out() {
    for quirks in [vec![], vec![Quirk::PinWithoutOk]] {
        let mut modem = Fake::new();
        modem.on("AT+CPIN?", "\r\n+CPIN: READY\r\n");
        let quick = !quirks.is_empty();
        let mut bench = bench(modem, Profile { quirks, ..Profile::default() });
        let began = bench.now;
        ready(&mut bench);
        assert_eq!(bench.now - began < Duration::from_secs(2), quick);
    }
    // A modem that does write OK is not put out of step.
    let mut bench = bench(Fake::new(), Profile { quirks: vec![Quirk::PinWithoutOk], ..Profile::default() });
    ready(&mut bench);
    assert_eq!(bench.session.snapshot().counters.late_lines, 0);
    bench.assert_works();
}

#[test]
fn a_command_that_does_harm_is_not_asked() {
    for (quirks, asked) in [(vec![], 1), (vec![Quirk::NoMoreMessages], 0)] {
        let mut bench = bench(Fake::new(), Profile { quirks, ..Profile::default() });
        ready(&mut bench);
        bench.submit(2);
        bench.gate(true);
        assert_eq!(bench.outcomes, [accepted(&[7, 7])]);
        assert_eq!(bench.heard("AT+CMMS=2"), asked);
    }
}

#[test]
fn a_number_means_what_its_maker_says() {
    let own = |code, subject, verdict| MakerError {
        service: Service::Cms,
        codes: code..=code,
        subject,
        verdict,
        means: String::from("as the manual says"),
    };
    let errors = vec![
        own(515, Subject::Message, Verdict::Refused),
        own(521, Subject::Network, Verdict::Open),
        own(522, Subject::Modem, Verdict::Later),
    ];
    let about = |code: u16, errors: Vec<MakerError>| {
        let mut bench = bench(Fake::new(), Profile { errors, ..Profile::default() });
        ready(&mut bench);
        bench.modem.result(&format!("\r\n+CMS ERROR: {code}\r\n"));
        bench.send();
        match bench.outcomes.pop() {
            Some(Outcome::Rejected { error, .. }) => Some(error.subject),
            Some(Outcome::Unknown { .. }) => None,
            other => panic!("{code}: {other:?}"),
        }
    };
    assert_eq!(about(515, errors.clone()), Some(Subject::Message));
    assert_eq!(about(521, errors.clone()), None);
    assert_eq!(about(522, errors.clone()), Some(Subject::Modem));
    for code in [515, 521, 522, 523, 350] {
        assert_eq!(about(code, Vec::new()), Some(Subject::Network), "{code} of a maker that nobody knows");
    }
}

#[test]
fn a_documented_limit_of_a_send_is_kept() {
    let limit = Some(Duration::from_secs(65));
    let mut bench = bench(Fake::new(), Profile { send_timeout: limit, ..Profile::default() });
    ready(&mut bench);
    bench.modem.result("");
    bench.send();
    bench.pass(Duration::from_secs(60));
    assert!(bench.outcomes.is_empty());
    bench.pass(Duration::from_secs(6));
    assert!(matches!(&bench.outcomes[..], [Outcome::Unknown { reason, .. }] if reason.contains("65 s")));
}

#[test]
fn a_device_that_needs_a_while_after_its_ok_gets_it() {
    let mut modem = Fake::new();
    modem.on("AT+CFUN?", "\r\n+CFUN: 4\r\n\r\nOK\r\n");
    modem.on("AT+CFUN=1", "\r\nOK\r\n");
    let settle = Duration::from_secs(5);
    let mut bench = bench(modem, Profile { settle, ..Profile::default() });
    bench.until(|b| b.heard("AT+CFUN=1") == 1);
    let began = bench.now;
    bench.until(|b| b.heard("AT+CPIN?") == 1);
    assert_eq!(bench.now - began, settle);
    ready(&mut bench);
}

fn locked(tries: &str) -> (Fake, Profile) {
    let mut modem = Fake::new();
    modem.in_turn("AT+CPIN?", &["\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n"]);
    modem.on("AT^CPIN?", tries);
    let question = PinTries { command: "AT^CPIN?".to_owned(), value: 4 };
    (modem, Profile { pin_tries: Some(question), ..Profile::default() })
}

#[test]
fn the_tries_left_are_told_to_a_person() {
    let (modem, family) = locked("\r\n^CPIN: SIM PIN,3,10,3,10,3\r\n\r\nOK\r\n");
    let mut bench = bench(modem, family);
    bench.until(|b| b.state() == State::Blocked);
    assert_eq!(bench.session.snapshot().pin_tries, Some(3));
    assert_eq!(
        bench.fault(),
        "the SIM asks for its PIN (3 tries left): set pin_file in this modem's configuration"
    );
    // A modem that does not give the number works as before.
    let (modem, family) = locked("\r\nERROR\r\n");
    let mut bench = self::bench(modem, family);
    bench.until(|b| b.state() == State::Blocked);
    assert_eq!(bench.session.snapshot().pin_tries, None);
    assert!(bench.fault().starts_with("the SIM asks for its PIN: "));
}

#[test]
fn the_last_try_is_kept_for_a_person() {
    for (tries, tried) in [(1, 0), (2, 1)] {
        let (modem, family) = locked(&format!("\r\n^CPIN: SIM PIN,{tries},10,{tries},10,3\r\n\r\nOK\r\n"));
        let family = Profile {
            name: "acme".into(),
            rules: vec![Rule { maker: Some("acme".into()), ..Rule::default() }],
            ..family
        };
        let profiles = Profiles::new(vec![family]);
        let pin = Some(Secret::new("1234".to_owned()));
        let mut bench = Bench::with(modem, crate::Settings { pin, profiles, ..settings() });
        bench.until(|b| b.state() == State::Blocked);
        assert_eq!(bench.heard("AT+CPIN=\"1234\""), tried, "{tries} left");
        assert!(!bench.fault().contains("1234"));
    }
}
