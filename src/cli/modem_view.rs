//! Modems as an operator sees them: the state of each, and what to do about one that does not work. The view
//! is as wide as the terminal, or a block for each modem where the terminal is narrow.

use std::io;
use std::time::Duration;

use unicode_width::UnicodeWidthStr as _;

use super::output::{Format, block, clean, table};
use crate::api::wire;
use crate::clock::Timestamp;

/// The width when no terminal gives one.
const USUAL: usize = 100;
/// The least width of a table.
const NARROW: usize = 72;
/// The least width to which sentences are wrapped, whatever the terminal says.
const LEAST: usize = 24;

/// The columns of the terminal; `$COLUMNS` when there is none.
pub(super) fn width() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let seen = rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    seen.filter(|&columns| columns > 0).or(told).unwrap_or(USUAL)
}

/// A modem in a block of lines.
pub(super) fn modem(m: &wire::Modem, format: Format, now: Timestamp) -> String {
    let device = [&m.manufacturer, &m.model, &m.firmware].map(|text| clean(text)).join(" ");
    let mut lines = vec![
        ("host", m.host.as_deref().map(clean).unwrap_or_default()),
        ("port", clean(&m.port)),
        ("device", device.trim().to_owned()),
        ("imei", clean(&m.imei)),
    ];
    lines.extend(m.imsi.iter().map(|imsi| ("imsi", clean(imsi))));
    let operator = m.operator.as_deref().map(|name| format!("{}, ", clean(name))).unwrap_or_default();
    lines.push(("network", format!("{operator}{}", clean(&m.registration))));
    lines.extend(m.signal_dbm.map(|dbm| ("signal", in_words(dbm))));
    lines.extend(m.pin_tries_left.map(|left| ("pin", format!("{left} tries left"))));
    lines.extend(
        (m.paused && m.state != "paused").then(|| ("paused", String::from("gets no further messages"))),
    );
    lines.push(("messages", format!("{} sent, {} failed, {} wait", m.sent_total, m.failed_total, m.queue)));
    let (today, month, numbers) = (m.parts_today, m.parts_this_month, m.recipients_this_month);
    let of = |limit: fn(&wire::ModemRules) -> Option<u32>| {
        m.rules.as_ref().and_then(limit).map(|limit| format!(" of {limit}")).unwrap_or_default()
    };
    let (day, most) = (of(|rules| rules.max_per_day), of(|rules| rules.max_per_month));
    lines.push(("sim", format!("{today}{day} parts today, {month}{most} this month to {numbers} numbers")));
    lines.push(("health", format!("{} %, breaker {}", m.health, clean(&m.breaker))));
    lines.push(("dialogue", dialogue(&m.counters)));
    lines.extend(m.canary.as_ref().map(|sent| ("canary", canary(sent, now))));
    lines.extend(fault(m, now).map(|fault| ("error", fault)));
    lines.retain(|(_, value)| !value.is_empty());
    block(&format!("{} {}", format.strong(&m.name), format.status(&m.state)), &lines)
}

/// What went wrong between the daemon and the modem since the start; empty when nothing did.
fn dialogue(counters: &wire::Counters) -> String {
    let counted = [
        (counters.dropped_lines, "lines dropped"),
        (counters.late_lines, "answers late"),
        (counters.resyncs, "times resynchronised"),
        (counters.reopens, "times opened again"),
        (counters.restarts, "restarts of its own"),
        (counters.lost_notices, "notices without room"),
    ];
    let told = counted.into_iter().filter(|(count, _)| *count > 0);
    told.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

/// Its last fault, and how long ago the fault was seen.
pub(super) fn fault(m: &wire::Modem, now: Timestamp) -> Option<String> {
    let error = clean(m.last_error.as_deref()?);
    let seen = m.last_error_at.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
    Some(match seen {
        Some(seen) => format!("{error} ({})", ago(now.since(seen))),
        None => error,
    })
}

/// What became of its last canary.
fn canary(sent: &wire::Canary, now: Timestamp) -> String {
    let end = match (sent.end.as_str(), sent.seconds) {
        ("arrived", Some(seconds)) => format!("came to {} after {seconds:.1} s", clean(&sent.to)),
        (end, _) => format!("to {}: {}", clean(&sent.to), clean(end)),
    };
    let report = match sent.delivered {
        Some(true) => ", reported",
        Some(false) => ", reported as not delivered",
        None => "",
    };
    let made = sent.at.parse::<Timestamp>().map(|at| format!(" ({})", ago(now.since(at))));
    end + report + &made.unwrap_or_default()
}

/// How long ago, in one number.
pub(super) fn ago(age: Duration) -> String {
    match age.as_secs() {
        0..5 => String::from("just now"),
        seconds @ 5..60 => format!("{seconds} s ago"),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} d ago", seconds / 86_400),
    }
}

/// All modems, and a sentence for each one that has a fault.
pub(super) fn modems(modems: &[wire::Modem], format: Format, width: usize, now: Timestamp) -> String {
    if modems.is_empty() {
        return String::from("no modem is configured: smsotp probe writes a section for one\n");
    }
    if width < NARROW {
        return modems.iter().map(|modem| narrow(modem, format, width, now)).collect();
    }
    let head = ["NAME", "STATE", "NETWORK", "SIGNAL", "QUEUE", "SENT", "FAILED"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(modems.iter().map(|m| {
        let counts = [m.queue.to_string(), m.sent_total.to_string(), m.failed_total.to_string()];
        let facts = [m.name.clone(), m.state.clone(), network(m), signal(m)];
        facts.into_iter().chain(counts).collect()
    }));
    if modems.iter().any(|m| m.host.is_some()) {
        let hosts = modems.iter().map(|m| m.host.as_deref().map(clean).unwrap_or_default());
        for (row, host) in rows.iter_mut().zip(["HOST".to_owned()].into_iter().chain(hosts)) {
            row.push(host);
        }
    }
    let lines = table(&rows, 1, format);
    let mut text = String::new();
    // The head, then a line for each modem.
    for (n, line) in lines.lines().enumerate() {
        text.push_str(line);
        text.push('\n');
        if let Some(modem) = n.checked_sub(1).and_then(|n| modems.get(n)) {
            text.push_str(&advice(modem, format, width, now));
        }
    }
    text
}

fn narrow(m: &wire::Modem, format: Format, width: usize, now: Timestamp) -> String {
    let mut text = format!("{} {}\n", format.strong(&m.name), format.status(&m.state));
    let facts = format!("{}, {}", network(m), signal(m));
    let counts = format!("{} sent, {} failed, {} wait", m.sent_total, m.failed_total, m.queue);
    for line in [facts, counts] {
        text.push_str(&wrapped(&clean(&line), "  ", "  ", width));
    }
    text + &advice(m, format, width, now)
}

/// Its last fault, which says what to do.
fn advice(m: &wire::Modem, format: Format, width: usize, now: Timestamp) -> String {
    let lost = m.canary.as_ref().filter(|sent| matches!(sent.end.as_str(), "lost" | "unsent"));
    let lost = lost.map(|sent| format!("its canary {}", canary(sent, now)));
    let told = [fault(m, now), lost];
    let text: String = told.iter().flatten().map(|line| wrapped(line, "  ! ", "    ", width)).collect();
    if matches!(m.state.as_str(), "ready" | "busy") { text } else { format.warning(&text) }
}

/// The operator and, when the modem is not at home, why; or that it has none.
pub(super) fn network(m: &wire::Modem) -> String {
    match (m.operator.as_deref(), m.registration.as_str()) {
        (Some(operator), "home") => operator.to_owned(),
        (Some(operator), registration) => format!("{operator}, {registration}"),
        (None, "home") => String::from("registered"),
        (None, "searching") => String::from("searches"),
        (None, "unknown") => String::from("-"),
        (None, registration) => registration.to_owned(),
    }
}

fn signal(m: &wire::Modem) -> String {
    m.signal_dbm.map_or_else(|| String::from("-"), in_words)
}

/// A signal strength and what it means.
pub(super) fn in_words(dbm: i32) -> String {
    let word = match dbm {
        -75.. => "good",
        -95.. => "fair",
        _ => "weak",
    };
    format!("{dbm} dBm, {word}")
}

/// A sentence in lines of at most this width.
pub(super) fn wrapped(text: &str, first: &str, next: &str, width: usize) -> String {
    let most = width.max(LEAST);
    let mut lines = String::new();
    let mut line = String::from(first);
    let mut begun = false;
    for word in text.split_whitespace() {
        if begun && line.width() + 1 + word.width() > most {
            lines.push_str(line.trim_end());
            lines.push('\n');
            next.clone_into(&mut line);
            begun = false;
        }
        if begun {
            line.push(' ');
        }
        line.push_str(word);
        begun = true;
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// 2026-11-22, at noon in UTC.
    const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

    pub(in crate::cli) fn example(name: &str, state: &str) -> wire::Modem {
        wire::Modem {
            name: name.to_owned(),
            host: None,
            state: state.to_owned(),
            paused: false,
            port: "/dev/ttyUSB2".to_owned(),
            manufacturer: "huawei".to_owned(),
            model: "E173".to_owned(),
            firmware: "11.126.16".to_owned(),
            imei: "356938035643809".to_owned(),
            imsi: None,
            operator: None,
            registration: "unknown".to_owned(),
            signal_dbm: None,
            pin_tries_left: None,
            queue: 0,
            parts_today: 0,
            parts_this_month: 0,
            recipients_this_month: 0,
            health: 100,
            breaker: "closed".to_owned(),
            sent_total: 0,
            failed_total: 0,
            last_error: None,
            last_error_at: None,
            counters: wire::Counters::default(),
            canary: None,
            text_parts_left_today: None,
            text_parts_left_this_month: None,
            rules: None,
        }
    }

    fn three() -> [wire::Modem; 3] {
        [
            wire::Modem {
                operator: Some("Swisscom".to_owned()),
                registration: "home".to_owned(),
                signal_dbm: Some(-67),
                queue: 3,
                sent_total: 1204,
                failed_total: 2,
                ..example("stick1", "ready")
            },
            wire::Modem {
                pin_tries_left: Some(3),
                last_error: Some(
                    "the SIM asks for its PIN (3 tries left): set pin_file in this modem's configuration"
                        .to_owned(),
                ),
                ..example("stick2", "blocked")
            },
            wire::Modem {
                registration: "searching".to_owned(),
                signal_dbm: Some(-101),
                last_error: Some(
                    "the modem looks for a network: check antenna and coverage if it stays so".to_owned(),
                ),
                last_error_at: Some("2026-11-22T11:56:30.000Z".to_owned()),
                ..example("attic", "recovering")
            },
        ]
    }

    #[test]
    fn a_wide_terminal() {
        assert_eq!(
            modems(&three(), Format::Plain, 80, NOON),
            "\
NAME    STATE       NETWORK   SIGNAL         QUEUE  SENT  FAILED
stick1  ready       Swisscom  -67 dBm, good  3      1204  2
stick2  blocked     -         -              0      0     0
  ! the SIM asks for its PIN (3 tries left): set pin_file in this modem's
    configuration
attic   recovering  searches  -101 dBm, weak  0      0     0
  ! the modem looks for a network: check antenna and coverage if it stays so (3
    min ago)
"
            .replace("dBm, good  3", "dBm, good   3")
            .replace("SIGNAL         QUEUE", "SIGNAL          QUEUE")
            .replace("-              0", "-               0")
        );
    }

    #[test]
    fn a_narrow_terminal() {
        assert_eq!(
            modems(&three()[1..], Format::Plain, 40, NOON),
            "\
stick2 blocked
  -, -
  0 sent, 0 failed, 0 wait
  ! the SIM asks for its PIN (3 tries
    left): set pin_file in this modem's
    configuration
attic recovering
  searches, -101 dBm, weak
  0 sent, 0 failed, 0 wait
  ! the modem looks for a network: check
    antenna and coverage if it stays so
    (3 min ago)
"
        );
        // A width that no terminal has does no harm.
        assert!(modems(&three(), Format::Plain, 1, NOON).lines().count() > 10);
    }

    #[test]
    fn colours_stay_within_their_lines() {
        let text = modems(&three(), Format::Coloured, 200, NOON);
        assert!(text.contains("\x1b[31mblocked\x1b[0m"), "{text:?}");
        assert!(text.lines().all(|line| line.matches("\x1b[").count() % 2 == 0), "{text:?}");
        assert_eq!(modems(&[], Format::Plain, 80, NOON).lines().count(), 1);
    }

    #[test]
    fn one_modem_with_its_dialogue_and_its_fault() {
        let [well, _, ill] = three();
        let told = modem(&well, Format::Plain, NOON);
        assert!(!told.contains("dialogue") && !told.contains("error"), "{told}");
        let counters = wire::Counters { dropped_lines: 12, resyncs: 3, ..wire::Counters::default() };
        let told = modem(&wire::Modem { counters, ..ill }, Format::Plain, NOON);
        assert!(told.contains("  dialogue  12 lines dropped, 3 times resynchronised\n"), "{told}");
        assert!(told.ends_with("if it stays so (3 min ago)\n"), "{told}");
    }

    #[test]
    fn what_became_of_a_canary() {
        let at = "2026-11-22T11:50:00.000Z".to_owned();
        let (to, end) = ("attic".to_owned(), "arrived".to_owned());
        let came = wire::Canary { to, at, end, seconds: Some(3.25), delivered: Some(true) };
        let with = |sent: &wire::Canary| wire::Modem { canary: Some(sent.clone()), ..example("a", "ready") };
        let told = modem(&with(&came), Format::Plain, NOON);
        assert!(told.contains("  canary    came to attic after 3.2 s, reported (10 min ago)\n"), "{told}");
        assert!(!modems(&[with(&came)], Format::Plain, 80, NOON).contains("canary"));
        let lost = wire::Canary { end: "lost".to_owned(), seconds: None, delivered: None, ..came };
        let told = modems(&[with(&lost)], Format::Plain, 80, NOON);
        assert!(told.ends_with("\n  ! its canary to attic: lost (10 min ago)\n"), "{told}");
    }

    #[test]
    fn how_long_ago() {
        let told = [0, 4, 5, 59, 60, 3599, 3600, 86_399, 86_400].map(|s| ago(Duration::from_secs(s)));
        let words = ["just now", "just now", "5 s", "59 s", "1 min", "59 min", "1 h", "23 h", "1 d"];
        assert_eq!(told, words.map(|w| if w == "just now" { w.to_owned() } else { format!("{w} ago") }));
        // A clock that was set back since, and a text that is not a time.
        let modem = wire::Modem { last_error: Some("x".to_owned()), ..example("a", "ready") };
        let later = wire::Modem { last_error_at: Some("2026-11-23T00:00:00Z".to_owned()), ..modem.clone() };
        let wrong = wire::Modem { last_error_at: Some("soon".to_owned()), ..modem };
        assert_eq!(fault(&later, NOON).as_deref(), Some("x (just now)"));
        assert_eq!(fault(&wrong, NOON).as_deref(), Some("x"));
    }

    #[test]
    fn what_a_network_sends_controls_no_terminal() {
        let hostile = wire::Modem { operator: Some("\x1b[2J".to_owned()), ..example("a", "ready") };
        let hostile = wire::Modem { last_error: Some("x\x1by\nz".to_owned()), ..hostile };
        for width in [40, 120] {
            assert!(!modems(std::slice::from_ref(&hostile), Format::Plain, width, NOON).contains('\x1b'));
        }
    }
}
