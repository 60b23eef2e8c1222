//! A modem that has only text mode: the same messages, converted to it.

use std::time::Duration;

use gsm_sms::{Direction, Framing, MessageClass, Strictness, Submission, Tpdu};

use super::{Bench, Fake, accepted, settings};
use crate::Secret;
use crate::at::Subject;
use crate::snapshot::{Notice, Outcome, Part, State};

pub(super) fn text_only() -> Fake {
    let mut modem = Fake::new();
    modem.on("AT+CMGF=0", "\r\n+CMS ERROR: 303\r\n");
    modem.on("AT+CMGF=?", "\r\n+CMGF: (1)\r\n\r\nOK\r\n");
    modem.on("AT+CMGF=1", "\r\nOK\r\n");
    modem.on("AT+CSCS=\"IRA\"", "\r\nOK\r\n");
    for parameters in ["17,0,0,0", "49,0,0,0", "17,0,0,8", "17,0,0,24", "17,0,0,16", "33,167,0,0"] {
        modem.on(&format!("AT+CSMP={parameters}"), "\r\nOK\r\n");
    }
    modem
}

fn with_storages(listing: &str) -> Fake {
    let mut modem = text_only();
    modem.on("AT+CSCS=\"UCS2\"", "\r\nOK\r\n");
    modem.on("AT+CPMS?", "\r\n+CPMS: \"SM\",2,10,\"SM\",2,10,\"SM\",2,10\r\n\r\nOK\r\n");
    modem.on("AT+CPMS=?", "\r\n+CPMS: (\"SM\"),(\"SM\"),(\"SM\")\r\n\r\nOK\r\n");
    modem.on("AT+CMGL=\"ALL\"", listing);
    modem
}

fn parts(submission: &Submission<'_>) -> Vec<Part> {
    let composed = gsm_sms::compose(submission).unwrap();
    composed.parts.into_iter().map(|part| Part { pdu: Secret::new(part.pdu), length: part.length }).collect()
}

fn text(text: &str) -> Submission<'_> {
    Submission::new("+41791234567", text).with_validity(Duration::from_secs(300))
}

/// Sends the message. Returns the commands since then.
fn send(bench: &mut Bench, submission: &Submission<'_>) -> Vec<String> {
    bench.modem.heard.clear();
    bench.modem.pdus.clear();
    bench.session.submit_parts(parts(submission), bench.now);
    bench.turn();
    bench.gate(true);
    bench.modem.heard.clone()
}

/// The sender or recipient, the time, and the text or the status of each message.
fn messages(bench: &Bench) -> Vec<(String, String, String)> {
    let read = |notice: &Notice| {
        let (Notice::Delivered { pdu, .. } | Notice::Report { pdu, .. }) = notice else { return None };
        let decoded =
            gsm_sms::decode(pdu.expose(), Direction::Mt, Framing::SmscFirst, Strictness::Strict).unwrap();
        Some(match &decoded.tpdu {
            Tpdu::Deliver(deliver) => {
                (deliver.originator.to_string(), deliver.timestamp.to_string(), decoded.to_text().unwrap())
            }
            Tpdu::StatusReport(report) => (
                report.recipient.to_string(),
                report.discharge_time.to_string(),
                format!("{} {}", report.message_reference, report.status.0),
            ),
            other => panic!("{other:?}"),
        })
    };
    bench.notices.iter().filter_map(read).collect()
}

#[test]
fn it_is_found_out_by_what_the_modem_says() {
    let bench = Bench::ready(text_only());
    assert!(bench.session.known.format.text.on);
    // A modem that does not say what it knows.
    let mut silent = text_only();
    silent.on("AT+CMGF=?", "\r\nERROR\r\n");
    assert!(Bench::ready(silent).session.known.format.text.on);
    // A modem whose SIM was only not ready.
    let mut settling = text_only();
    settling.on("AT+CMGF=?", "\r\n+CMGF: (0,1)\r\n\r\nOK\r\n");
    settling.in_turn("AT+CMGF=0", &["\r\n+CMS ERROR: 303\r\n", "\r\n+CMS ERROR: 303\r\n", "\r\nOK\r\n"]);
    assert!(!Bench::ready(settling).session.known.format.text.on);
    // A modem whose configured family has only text mode.
    let mut lying = text_only();
    lying.on("AT+CMGF=0", "\r\nOK\r\n");
    let profiles = settings().profiles.only("text-mode-only").unwrap();
    let told = Bench::ready_with(lying, crate::Settings { profiles, ..settings() });
    assert!(told.session.known.format.text.on);
    assert_eq!(told.heard("AT+CMGF=0"), 0);
}

#[test]
fn neither_mode_is_said() {
    let mut modem = text_only();
    modem.on("AT+CMGF=1", "\r\nERROR\r\n");
    let mut bench = Bench::new(modem);
    bench.until(|b| !b.closings.is_empty());
    assert!(bench.fault().contains("PDU mode and text mode"), "{}", bench.fault());
}

#[test]
fn plain_texts_go_as_they_are() {
    let mut bench = Bench::ready(text_only());
    let code = "Your code is 123456.\n\n@example.com #123456";
    assert_eq!(send(&mut bench, &text(code)), ["AT+CSMP=17,0,0,0", "AT+CMGS=\"+41791234567\",145"]);
    assert_eq!(bench.modem.pdus, [code]);
    assert_eq!(send(&mut bench, &text("Hi")), ["AT+CMGS=\"+41791234567\",145"], "+CSMP is in force");
    let report = text("Hi").with_status_report(true);
    assert_eq!(send(&mut bench, &report)[0], "AT+CSMP=49,0,0,0");
    let flash = text("Hi").with_class(MessageClass::Flash);
    assert_eq!(send(&mut bench, &flash)[0], "AT+CSMP=17,0,0,16");
    assert_eq!(bench.outcomes, vec![accepted(&[7]); 4]);
}

#[test]
fn others_go_in_digits() {
    let mut bench = Bench::ready(text_only());
    // Texts in the GSM 7 bit alphabet and not in ASCII, in neither, and one that would pass for an answer when it
    // is echoed.
    for (written, digits) in
        [("5 €", "0035002020AC"), ("Ж", "0416"), ("OK", "004F004B"), ("{", "007B"), ("a\n+CREG: 2", "0061")]
    {
        let heard = send(&mut bench, &text(written));
        assert_eq!(heard.last().unwrap(), "AT+CMGS=\"+41791234567\",145");
        assert!(bench.modem.pdus[0].starts_with(digits), "{written}");
        bench.assert_ready();
    }
    assert_eq!(send(&mut bench, &text("Ж").with_class(MessageClass::Flash))[0], "AT+CSMP=17,0,0,24");
    // Without an ASCII alphabet, fewer characters are the same.
    let mut modem = text_only();
    modem.on("AT+CSCS=\"IRA\"", "\r\nERROR\r\n");
    let mut bench = Bench::ready(modem);
    send(&mut bench, &text("a@b"));
    assert_eq!(bench.modem.pdus, ["006100400062"]);
}

#[test]
fn parts_leave_one_by_one() {
    let mut bench = Bench::ready(text_only());
    let long = "0123456789".repeat(20);
    let heard = send(&mut bench, &text(&long));
    assert_eq!(heard.iter().filter(|command| command.starts_with("AT+CMGS")).count(), 2);
    assert_eq!(bench.modem.pdus.concat(), long);
    assert_eq!(bench.outcomes, [accepted(&[7, 7])]);
}

#[test]
fn long_texts_beyond_ascii_need_ucs2_for_their_characters() {
    let mut modem = text_only();
    modem.on("AT+CSCS=\"UCS2\"", "\r\nOK\r\n");
    let mut bench = Bench::ready(modem);
    bench.modem.in_turn("AT+CSCS=\"UCS2\"", &["\r\nOK\r\n", "\r\n+CME ERROR: 4\r\n"]);
    let heard = send(&mut bench, &text(&"é".repeat(71)));
    assert_eq!(
        heard,
        [
            "AT+CSCS=\"UCS2\"",
            "AT+CSMP=17,0,0,0",
            "AT+CMGS=\"002B00340031003700390031003200330034003500360037\",145"
        ]
    );
    assert_eq!(bench.modem.pdus, ["00E9".repeat(71)]);
    bench.pass(Duration::from_millis(50));
    assert_eq!(bench.modem.heard.last().unwrap(), "AT+CSCS=\"IRA\"", "the alphabet is set back");
    assert_eq!(send(&mut bench, &text("Hi")), ["AT+CMGS=\"+41791234567\",145"]);
    assert_eq!(bench.outcomes, vec![accepted(&[7]); 2]);
    // Where the alphabet is refused, the modem works, and another one may send the message.
    assert_eq!(send(&mut bench, &text(&"é".repeat(71))), ["AT+CSCS=\"UCS2\""]);
    let Some(Outcome::Rejected { error, .. }) = bench.outcomes.last() else { panic!("{:?}", bench.outcomes) };
    assert_eq!(error.subject, Subject::Modem);
    assert!(
        error.sentence.contains("text mode alone") && error.sentence.contains("UCS2"),
        "{}",
        error.sentence
    );
    bench.assert_ready();
}

#[test]
fn the_echo_of_a_text_is_no_answer() {
    let mut modem = text_only();
    modem.echo = true;
    let mut bench = Bench::ready(modem);
    send(&mut bench, &text("Your code is 123456.\n\n@example.com #123456"));
    assert_eq!(bench.outcomes, [accepted(&[7])]);
    let trace = format!("{:?}", bench.session.trace(bench.now));
    assert!(!trace.contains("123456") && !trace.contains("791234567"), "{trace}");
}

#[test]
fn settings_that_are_refused_or_unanswered() {
    // Without +CSMP: a text that does not need it is sent, the rest is refused and may be sent through another modem.
    let mut modem = text_only();
    for parameters in ["17,0,0,0", "17,0,0,8"] {
        modem.on(&format!("AT+CSMP={parameters}"), "\r\nERROR\r\n");
    }
    let mut bench = Bench::ready(modem);
    send(&mut bench, &text("Hi"));
    assert_eq!(bench.modem.pdus, ["Hi"]);
    send(&mut bench, &text("Ж"));
    assert!(matches!(bench.outcomes[..], [_, Outcome::Rejected { .. }]), "{:?}", bench.outcomes);
    bench.assert_ready();
    // Without an answer, nothing was begun.
    let mut modem = text_only();
    modem.on("AT+CSMP=17,0,0,0", "");
    let mut bench = Bench::ready(modem);
    send(&mut bench, &text("Hi"));
    bench.until(|b| !b.outcomes.is_empty());
    assert!(matches!(bench.outcomes[..], [Outcome::Rejected { .. }]), "{:?}", bench.outcomes);
    bench.assert_ready();
    // The message is withdrawn in the meantime.
    let mut bench = Bench::ready(text_only());
    bench.modem.on("AT+CSMP=17,0,0,0", "");
    bench.session.submit_parts(parts(&text("Hi")), bench.now);
    bench.turn();
    bench.gate(false);
    bench.say("\r\nOK\r\n");
    assert!(matches!(bench.outcomes[..], [Outcome::NotStarted { .. }]), "{:?}", bench.outcomes);
    assert_eq!(bench.modem.pdus, [""; 0]);
    bench.assert_ready();
}

#[test]
fn what_lies_there_is_read_in_digits() {
    let listing = "\r\n+CMGL: 1,\"REC UNREAD\",\"002B00340031003700390030\",,\"24/11/23,10:00:00+04\"\r\n\
                   00530054004F0050\r\n\
                   +CMGL: 2,\"REC READ\",\"+41790\",\"Bob\",\"24/11/23,10:00:00-10\",145,5\r\n004F004B20AC\r\n\
                   +CMGL: 3,\"STO SENT\",\"+41790\",,\r\n0041\r\n\
                   +CMGL: 4,\"REC READ\",6,9,\"+41790\",145,\"24/11/23,10:00:00+04\",\"24/11/23,10:00:05+04\",0\r\n\
                   +CMGL: 5,\"REC READ\",\"Bank\",,\"24/11/23,10:00:00+04\"\r\n\r\n\r\nOK\r\n";
    let mut bench = Bench::new(with_storages(listing));
    bench.until(|b| b.state() == State::Ready);
    bench.pass(Duration::from_secs(5));
    let all = messages(&bench);
    let all: Vec<_> = all.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
    assert_eq!(
        all,
        [
            ("+41790", "2024-11-23T10:00:00+01:00", "STOP"),
            ("+41790", "2024-11-23T10:00:00-02:30", "OK€"),
            ("+41790", "2024-11-23T10:00:05+01:00", "9 0"),
            ("Bank", "2024-11-23T10:00:00+01:00", ""),
        ]
    );
    let charsets: Vec<_> = bench.modem.heard.iter().filter(|heard| heard.contains("CSCS")).collect();
    assert_eq!(
        charsets,
        ["AT+CSCS=\"GSM\"", "AT+CSCS=\"IRA\"", "AT+CSCS=\"UCS2\"", "AT+CSCS=\"IRA\""],
        "the alphabet is set back at once"
    );
    assert_eq!(
        send(&mut bench, &text("Hi")),
        ["AT+CMGF=1", "AT+CSCS=\"IRA\"", "AT+CSMP=17,0,0,0", "AT+CMGS=\"+41791234567\",145"],
        "the modem was not heard for seconds"
    );
    assert_eq!(bench.outcomes, [accepted(&[7])]);
}

#[test]
fn what_a_code_names_is_read_and_a_report_on_a_line_is_taken() {
    let mut bench = Bench::ready(with_storages("\r\nOK\r\n"));
    bench.pass(Duration::from_secs(5));
    bench.modem.on(
        "AT+CMGR=3",
        "\r\n+CMGR: \"REC UNREAD\",\"+41790\",,\"24/11/23,10:00:00+04\"\r\n00480069\r\n\r\nOK\r\n",
    );
    bench.say("\r\n+CMTI: \"SM\",3\r\n");
    bench.pass(Duration::from_secs(1));
    bench.say("\r\n+CDS: 6,9,\"+41790\",145,\"24/11/23,10:00:00+04\",\"24/11/23,10:00:05+04\",70\r\n");
    let all = messages(&bench);
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].2, "Hi");
    assert_eq!(all[1].2, "9 70");
}

#[test]
fn a_modem_without_ucs2_leaves_them_unread() {
    let mut modem = with_storages("\r\nOK\r\n");
    modem.on("AT+CSCS=\"UCS2\"", "\r\nERROR\r\n");
    let mut bench = Bench::ready(modem);
    bench.pass(Duration::from_secs(3_600));
    assert!((1..=7).contains(&bench.heard("AT+CSCS=\"UCS2\"")), "once a listing");
    assert_eq!(bench.heard("AT+CMGL=\"ALL\""), 0);
    bench.say("\r\n+CMTI: \"SM\",3\r\n");
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.heard("AT+CMGR=3"), 0);
    bench.assert_ready();
}

/// The last text that was sent, after `spoil`, must arrive as plain characters under the settings for them.
#[track_caller]
fn recovers(mut bench: Bench) {
    bench.assert_ready();
    bench.pass(Duration::from_secs(30));
    let heard = send(&mut bench, &text("12345678"));
    bench.until(|b| !b.modem.pdus.is_empty());
    assert_eq!(bench.modem.pdus, ["12345678"]);
    assert!(heard.iter().any(|command| command == "AT+CSMP=17,0,0,0"), "it is set again: {heard:?}");
}

#[test]
fn a_setting_without_an_answer_is_made_again() {
    let mut bench = Bench::ready(text_only());
    send(&mut bench, &text("Hi"));
    bench.modem.on("AT+CSMP=17,0,0,8", "");
    send(&mut bench, &text("Ж"));
    bench.until(|b| b.outcomes.len() == 2);
    recovers(bench);
}

#[test]
fn what_a_refusal_leaves_in_force_is_not_built_upon() {
    let mut bench = Bench::ready(text_only());
    send(&mut bench, &text("Ж"));
    bench.modem.on("AT+CSMP=17,0,0,0", "\r\n+CMS ERROR: 314\r\n");
    send(&mut bench, &text("12345678"));
    assert!(matches!(bench.outcomes.last(), Some(Outcome::Rejected { .. })), "{:?}", bench.outcomes);
    assert_eq!(bench.modem.pdus, [""; 0]);
}

#[test]
fn an_alphabet_that_cannot_be_left_again_is_found_out() {
    for answer in ["", "\r\n+CME ERROR: 14\r\n", "\r\n+CME ERROR: 100\r\n"] {
        let mut bench = Bench::new(with_storages("\r\nOK\r\n"));
        bench.modem.in_turn("AT+CSCS=\"IRA\"", &["\r\nOK\r\n", answer, "\r\nOK\r\n"]);
        bench.until(|b| b.heard("AT+CSCS=\"UCS2\"") == 1);
        recovers(bench);
    }
    // An alphabet that was never set is never left.
    let mut modem = with_storages("\r\nOK\r\n");
    modem.on("AT+CSCS=\"IRA\"", "\r\nERROR\r\n");
    modem.on("AT+CSCS=\"GSM\"", "\r\nERROR\r\n");
    let mut bench = Bench::ready(modem);
    bench.pass(Duration::from_secs(3_600));
    assert_eq!(bench.heard("AT+CSCS=\"UCS2\""), 0);
    recovers(bench);
}

#[test]
fn a_lost_answer_ends_no_reading() {
    let mut modem = with_storages("\r\nOK\r\n");
    modem.in_turn("AT+CSCS=\"UCS2\"", &["", "\r\nOK\r\n"]);
    let mut bench = Bench::ready(modem);
    bench.pass(Duration::from_secs(3_600));
    assert!(bench.heard("AT+CMGL=\"ALL\"") > 1);
}

#[test]
fn no_line_of_an_own_text_passes_for_a_result() {
    for written in [" +CMGS: 9", "> +CMGS: 9", "+CMGS: 7", "Hi\n +CMGS: 9\nbye"] {
        let mut modem = text_only();
        modem.echo = true;
        let mut bench = Bench::ready(modem);
        send(&mut bench, &text(written));
        assert_eq!(bench.outcomes, [accepted(&[7])], "{written}");
        assert!(bench.modem.pdus[0].bytes().all(|b| b.is_ascii_hexdigit()), "{written}");
    }
    // Blanks at the ends are missing in the echo.
    let mut modem = text_only();
    modem.echo = true;
    let mut bench = Bench::ready(modem);
    send(&mut bench, &text(" > Hi "));
    assert_eq!(
        (&bench.outcomes[..], &bench.modem.pdus[..]),
        (&[accepted(&[7])][..], &[String::from(" > Hi ")][..])
    );
}

#[test]
fn what_has_no_room_or_no_time_is_read_all_the_same() {
    let long = "00E7".repeat(100);
    let joined = "0041".repeat(200);
    let digits =
        "0032003400".to_owned() + "2F00310031002F00320033002C00310030003A00300030003A00300030002B00300034";
    let listing = format!(
        "\r\n+CMGL: 1,\"REC READ\",\"+41790\",,\"24/11/23,10:00:00+04\"\r\n{long}\r\n\
         +CMGL: 2,\"REC READ\",\"+41790\",,\"24/11/23,10:00:00+04\"\r\n{joined}\r\n\
         +CMGL: 3,\"REC READ\",\"+41790\",,\"24/11/23,10:00:00\"\r\n00590065\r\n\
         +CMGL: 4,\"REC READ\",\"+41790\",,\"{digits}\"\r\n00590065\r\n\
         +CMGL: 5,\"REC READ\",\"+41790\",,\r\n00590065\r\n\r\nOK\r\n"
    );
    let mut bench = Bench::new(with_storages(&listing));
    bench.until(|b| b.state() == State::Ready);
    bench.pass(Duration::from_secs(5));
    let read = |notice: &Notice| {
        let Notice::Delivered { pdu, .. } = notice else { return None };
        let decoded =
            gsm_sms::decode(pdu.expose(), Direction::Mt, Framing::SmscFirst, Strictness::Lenient).unwrap();
        let Tpdu::Deliver(deliver) = &decoded.tpdu else { return None };
        Some((decoded.to_text().unwrap(), deliver.timestamp.unix_seconds()))
    };
    let read: Vec<_> = bench.notices.iter().filter_map(read).collect();
    let texts: Vec<_> = read.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["c".repeat(100), "A".repeat(157) + "...", "Ye".into(), "Ye".into(), "Ye".into()]);
    let ten = 1_732_356_000;
    let times: Vec<_> = read.iter().map(|(_, time)| *time).collect();
    assert_eq!(times, [Some(ten - 3600), Some(ten - 3600), Some(ten), Some(ten - 3600), None]);
}

#[test]
fn a_modem_that_writes_texts_as_they_are_is_not_believed() {
    let listing = "\r\n+CMGL: 1,\"REC READ\",\"+41790\",,\"24/11/23,10:00:00+04\"\r\nHello\r\n\
                   +CMGL: 8,\"REC READ\",\"+41799999999\",,\"24/11/23,10:00:00+04\"\r\n00530054004F0050\r\n\r\nOK\r\n";
    let mut bench = Bench::new(with_storages(listing));
    bench.until(|b| b.state() == State::Ready);
    bench.pass(Duration::from_secs(3_600));
    assert_eq!(messages(&bench), []);
    assert!((1..=7).contains(&bench.heard("AT+CMGL=\"ALL\"")), "once a listing");
    bench.assert_ready();
}

#[test]
fn a_modem_that_lists_pdu_mode_is_waited_for() {
    let mut modem = text_only();
    modem.on("AT+CMGF=?", "\r\n+CMGF: (0,1)\r\n\r\nOK\r\n");
    let mut bench = Bench::new(modem);
    bench.until(|b| !b.closings.is_empty());
    assert!(bench.fault().contains("PDU mode (AT+CMGF=0)"), "{}", bench.fault());
}

#[test]
fn the_service_centre_is_set_behind_its_parameters() {
    let mut modem = text_only();
    modem.on("AT+CSCA=\"+41794999000\",145", "\r\nOK\r\n");
    let smsc = Some("+41794999000".into());
    let mut bench = Bench::ready_with(modem, crate::Settings { smsc, ..settings() });
    assert_eq!(
        send(&mut bench, &text("Hi")),
        ["AT+CSMP=17,0,0,0", "AT+CSCA=\"+41794999000\",145", "AT+CMGS=\"+41791234567\",145"]
    );
    assert_eq!(send(&mut bench, &text("Hi")).len(), 1);
}
