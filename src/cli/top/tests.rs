//! What stands on the screens of two terminals, and what the keys do.

use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use serde_json::{Value, json};

use super::rates::Count;
use super::screen::draw;
use super::view::{Deed, Done, Step, View};
use crate::api::client::ServerEvent;
use crate::api::wire;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Format;
use crate::clock::{Clock, Timestamp};

/// 2026-11-22, at noon in UTC.
const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

fn modem(name: &str, state: &str, more: &Value) -> wire::Modem {
    let mut modem = json!({
        "name": name, "state": state, "port": "/dev/ttyUSB2", "manufacturer": "huawei", "model": "E173",
        "firmware": "11.126.16", "imei": "356938035643809", "registration": "home", "queue": 0,
        "sent_total": 0, "failed_total": 0,
    });
    for (key, value) in more.as_object().unwrap() {
        modem[key] = value.clone();
    }
    serde_json::from_value(modem).unwrap()
}

fn message(id: char, status: &str, more: &Value) -> Value {
    let mut message = json!({
        "id": format!("msg_01{}", id.to_string().repeat(24)), "to": "+4179*****67", "kind": "otp", "status": status,
        "parts": 1, "encoding": "gsm7", "attempts": 0, "created_at": "2026-11-22T11:59:18.000Z",
    });
    for (key, value) in more.as_object().unwrap() {
        message[key] = value.clone();
    }
    message
}

fn event(id: u64, kind: &str, thing: &str, value: &Value) -> ServerEvent {
    let data = json!({"id": id, "type": kind, "at": "2026-11-22T11:59:58.123Z", thing: value});
    ServerEvent { id: Some(id), name: kind.to_owned(), data: data.to_string() }
}

/// A daemon with three modems and a few messages, watched since a minute.
fn busy(format: Format) -> (View, Instant) {
    let began = Clock::system().monotonic();
    let now = began + Duration::from_secs(60);
    let mut view = View::new(format, began);
    assert!(view.waiting.ask());
    let status = json!({
        "version": "0.1.0", "uptime_s": 7384, "queue": {"otp": 12, "text": 3, "delayed": 1, "sending": 2},
        "modems": {"total": 3, "ready": 1, "blocked": 1, "recovering": 1},
    });
    view.status = Some(serde_json::from_value(status).unwrap());
    let pin = "the SIM asks for its PIN (3 tries left): set pin_file in this modem's configuration";
    view.modems = vec![
        modem(
            "stick1",
            "ready",
            &json!({"operator": "Swisscom", "signal_dbm": -67, "queue": 3, "sent_total": 120_417, "failed_total": 204}),
        ),
        modem("stick2", "blocked", &json!({"registration": "unknown", "last_error": pin})),
        modem("attic", "recovering", &json!({"registration": "searching", "signal_dbm": -101})),
    ];
    for (n, (kind, message)) in [
        ("message.queued", message('a', "queued", &json!({}))),
        (
            "message.queued",
            message(
                'b',
                "queued",
                &json!({"kind": "text", "created_at": "2026-11-22T11:59:30Z",
                "error": "the modem took the message and has not answered since"}),
            ),
        ),
        (
            "message.sending",
            message(
                'c',
                "sending",
                &json!({"modem": "stick1", "created_at": "2026-11-22T11:59:56Z", "attempts": 1}),
            ),
        ),
        ("message.sent", message('d', "sent", &json!({"modem": "stick1", "attempts": 1}))),
    ]
    .iter()
    .enumerate()
    {
        view.happened(&event(n as u64 + 1, kind, "message", message), now);
    }
    // A listing has whole numbers, and may have what was over when it came.
    let listed = [
        message('0', "queued", &json!({"to": "+41791234567", "created_at": "2026-11-22T11:58:00Z"})),
        message('d', "sending", &json!({})),
    ];
    view.waiting.are_listed(&listed.map(|m| serde_json::from_value(m).unwrap()), true);
    (view, now)
}

fn screen(view: &mut View, now: Instant, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view, now, NOON)).unwrap();
    let buffer = terminal.backend().buffer();
    let cells: Vec<&str> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
    cells.chunks(width.into()).map(|row| row.concat().trim_end().to_owned()).collect()
}

fn has(lines: &[String], wanted: &str) -> bool {
    lines.iter().any(|line| line.contains(wanted))
}

#[test]
fn everything_has_its_place_at_80_by_24() {
    let (mut view, now) = busy(Format::Plain);
    let lines = screen(&mut view, now, 80, 24);
    let told = lines.join("\n");
    assert_eq!(lines[0], "smsotpd 0.1.0 up 2h 3m 4s", "{told}");
    assert_eq!(lines[1], "queue   12 codes, 3 texts (1 of them later), 2 on the air");
    assert_eq!(lines[2], "modems  3: 1 blocked, 1 ready, 1 recovering");
    assert!(has(&lines, "queued     2.0"), "{told}");
    assert!(has(&lines, "sent       1.0"), "{told}");
    let head = lines.iter().position(|line| line.starts_with("  NAME")).expect("modems");
    assert!(lines[head].ends_with("NETWORK                QUEUE   SENT    FAILED"), "{told}");
    assert_eq!(
        lines[head + 1].split_whitespace().collect::<Vec<_>>(),
        [">", "stick1", "ready", "▂▄▆█", "-67", "dBm", "Swisscom", "3", "120417", "204"]
    );
    assert!(
        lines[head + 2].contains("stick2") && lines[head + 3].contains("▂    -101 dBm searches"),
        "{told}"
    );
    let head = lines.iter().position(|line| line.starts_with("SINCE")).expect("what waits");
    assert_eq!(lines[head + 1], format!("2 min    queued  +4179*****67     otp  msg_01{}", "0".repeat(24)));
    assert!(lines[head + 2].starts_with("42 s     queued  +4179*****67     otp  msg_01a"), "{told}");
    assert!(lines[head + 3].starts_with("30 s     queued  +4179*****67     text msg_01b"), "{told}");
    assert!(lines[head + 4].starts_with("EVENTS"), "there is no more room: {told}");
    let last = lines.iter().position(|line| line.starts_with("EVENTS")).expect("events") + 1;
    assert_eq!(lines[last], format!("11:59:58 message.sent msg_01{} +4179*****67 stick1", "d".repeat(24)));
    assert!(lines[last + 3].starts_with("         ") && lines[last + 3].ends_with(" since"), "{told}");
    assert_eq!(lines[23], "↑↓ modem  p pause/resume  r reset  t trace  y confirm  q quit");
    assert!(!told.contains("1234"), "numbers are masked: {told}");
}

#[test]
fn a_large_terminal_shows_the_faults_beside_the_modems() {
    let (mut view, now) = busy(Format::Plain);
    for n in 10..60 {
        view.happened(&event(n, "modem.ready", "modem", &json!(view.modems[0])), now);
    }
    let lines = screen(&mut view, now, 200, 50);
    let told = lines.join("\n");
    assert!(has(&lines, "LAST FAULT") && has(&lines, "set pin_file in this modem's configuration"), "{told}");
    assert!(lines.iter().filter(|line| line.contains("modem.ready stick1")).count() > 15, "{told}");
    assert!(lines[49].ends_with("q quit") && !told.contains("1234"), "{told}");
}

#[test]
fn a_small_terminal_keeps_the_modems_and_the_keys() {
    let (mut view, now) = busy(Format::Plain);
    let lines = screen(&mut view, now, 40, 16);
    assert!(has(&lines, "stick1 ready") && lines[15].ends_with("q quit"), "{}", lines.join("\n"));
    for (width, height) in [(1, 1), (3, 40), (200, 2), (80, 5)] {
        screen(&mut view, now, width, height);
    }
}

#[test]
fn the_chosen_modem_stays_in_view_with_its_fault() {
    let (mut view, now) = busy(Format::Plain);
    view.modems.extend((0..30).map(|n| modem(&format!("m{n:02}"), "ready", &json!({}))));
    view.modems.push(modem("last", "blocked", &json!({"last_error": "the SIM is missing"})));
    assert!(!has(&screen(&mut view, now, 80, 24), "m20"));
    for _ in 0..100 {
        view.key(KeyCode::Down.into());
    }
    let lines = screen(&mut view, now, 80, 24);
    assert!(has(&lines, "> last") && has(&lines, "  ! the SIM is missing"), "{}", lines.join("\n"));
    view.key(KeyCode::Up.into());
    assert!(has(&screen(&mut view, now, 80, 24), "> m29"));
    // A reload took it away.
    view.modems.truncate(2);
    assert!(has(&screen(&mut view, now, 80, 24), "> stick1"));
}

#[test]
fn colours_are_for_who_wants_them() {
    let used = |format| {
        let (mut view, now) = busy(format);
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| draw(frame, &mut view, now, NOON)).unwrap();
        let colours = terminal.backend().buffer().content().iter().filter(|cell| cell.fg != Color::Reset);
        colours.map(|cell| cell.fg).collect::<std::collections::HashSet<_>>()
    };
    assert!(used(Format::Plain).is_empty());
    let colours = used(Format::Coloured);
    assert!([1, 2, 3, 8].iter().all(|&n| colours.contains(&Color::Indexed(n))), "{colours:?}");
}

#[test]
fn a_deed_waits_for_its_y() {
    let (mut view, now) = busy(Format::Plain);
    let press = |view: &mut View, c: char| view.key(KeyCode::Char(c).into());
    view.key(KeyCode::Down.into());
    assert_eq!(press(&mut view, 'p'), Step::Stay);
    assert!(has(&screen(&mut view, now, 80, 24), "Pause stick2? It gets no further messages. y confirms"));
    assert_eq!(press(&mut view, 'n'), Step::Stay);
    assert_eq!(press(&mut view, 'y'), Step::Stay, "nothing was asked");
    press(&mut view, 'p');
    // What the answer is about stays, whatever the list does meanwhile.
    view.modems.remove(1);
    assert_eq!(press(&mut view, 'y'), Step::Do(Deed::Pause, "stick2".to_owned()));
    press(&mut view, 'r');
    assert_eq!(press(&mut view, 'y'), Step::Do(Deed::Reset, "stick1".to_owned()));
    let paused = modem("stick1", "paused", &json!({"paused": true}));
    view.done(Deed::Pause, "stick1", Ok(Done::Modem(Box::new(paused))));
    assert!(has(&screen(&mut view, now, 80, 24), "stick1 is paused"));
    press(&mut view, 'p');
    assert_eq!(press(&mut view, 'y'), Step::Do(Deed::Resume, "stick1".to_owned()));
    view.done(Deed::Resume, "stick1", Err(Failure::new(Exit::Refused, "this needs the right `admin`")));
    assert!(has(&screen(&mut view, now, 80, 24), "stick1: this needs the right `admin`"));
    for end in [KeyEvent::from(KeyCode::Char('q')), KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)]
    {
        press(&mut view, 'p');
        assert_eq!(view.key(end), Step::End);
    }
}

#[test]
fn a_trace_is_scrolled_and_left() {
    let (mut view, now) = busy(Format::Plain);
    assert_eq!(view.key(KeyCode::Char('t').into()), Step::Do(Deed::Trace, "stick1".to_owned()));
    let lines: Vec<Value> = (0..100)
        .map(|n| json!({"ago_ms": 100_000 - n * 1000, "direction": "in", "text": format!("+CSQ: {n}")}))
        .collect();
    let trace = serde_json::from_value(json!({"lines": lines})).unwrap();
    view.done(Deed::Trace, "stick1", Ok(Done::Trace(trace)));
    let shown = screen(&mut view, now, 80, 24);
    assert!(has(&shown, "TRACE OF stick1") && has(&shown, "-1.000 s < +CSQ: 99"), "{}", shown.join("\n"));
    assert!(!has(&shown, "NAME") && shown[23].contains("Esc back"));
    view.key(KeyCode::PageUp.into());
    let shown = screen(&mut view, now, 80, 24);
    assert!(has(&shown, "+CSQ: 89") && !has(&shown, "+CSQ: 90"), "{}", shown.join("\n"));
    view.key(KeyCode::Home.into());
    assert!(has(&screen(&mut view, now, 80, 24), "+CSQ: 0"));
    view.key(KeyCode::Esc.into());
    assert!(has(&screen(&mut view, now, 80, 24), "> stick1"));
}

#[test]
fn what_is_over_waits_no_more_and_a_gap_has_all_listed_again() {
    let (mut view, now) = busy(Format::Plain);
    assert_eq!(view.waiting.count(), 4);
    view.happened(&event(9, "message.failed", "message", &message('a', "failed", &json!({}))), now);
    assert_eq!(view.waiting.count(), 3);
    assert!(!view.waiting.ask());
    let gap =
        ServerEvent { id: None, name: "gap".to_owned(), data: r#"{"type":"gap","missed":7}"#.to_owned() };
    view.happened(&gap, now);
    assert!(has(&screen(&mut view, now, 80, 24), "gap: 7 events were missed"));
    assert!(view.waiting.ask());
    // A second gap while the list is on its way: what it has may be old.
    view.happened(&gap, now);
    let old = [serde_json::from_value(message('a', "queued", &json!({}))).unwrap()];
    view.waiting.are_listed(&old, true);
    assert_eq!((view.waiting.count(), view.waiting.ask()), (0, true));
    view.waiting.are_listed(&old, false);
    assert_eq!((view.waiting.count(), view.waiting.lacks_some()), (1, true));
}

#[test]
fn a_rate_is_that_of_the_minute_watched() {
    let began = Clock::system().monotonic();
    let mut view = View::new(Format::Plain, began);
    let at = |seconds| began + Duration::from_secs(seconds);
    assert!(view.rates.per_minute(Count::Sent, at(0)).abs() < f64::EPSILON);
    for n in 0..5 {
        view.happened(&event(n, "message.sent", "message", &message('a', "sent", &json!({}))), at(20 + n));
    }
    assert!((view.rates.per_minute(Count::Sent, at(30)) - 10.0).abs() < 1e-9);
    assert_eq!(view.rates.columns(Count::Sent, at(31))[..6], [0, 0, 0, 1, 2, 2]);
    // A message that is queued again after a failed attempt is none more.
    view.happened(
        &event(9, "message.queued", "message", &message('b', "queued", &json!({"attempts": 1}))),
        at(31),
    );
    assert!(view.rates.per_minute(Count::Queued, at(31)).abs() < f64::EPSILON);
    assert!(view.rates.per_minute(Count::Sent, at(3600)).abs() < f64::EPSILON);
}
