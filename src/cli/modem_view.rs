//! Modems as an operator wants to see them: how each stands, and what to do about one that does not work. As wide as the
//! terminal, or a block for each modem where that is narrow.

use std::io;

use super::output::{Format, clean, table};
use crate::api::wire;

/// Where no terminal says how wide it is.
const USUAL: usize = 100;
/// A table does not fit into less.
const NARROW: usize = 72;
/// Sentences are not broken into less, whatever the terminal says.
const LEAST: usize = 24;

/// The columns of the terminal; `$COLUMNS` when there is none.
pub(super) fn width() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let seen = rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    seen.filter(|&columns| columns > 0).or(told).unwrap_or(USUAL)
}

/// All modems, and a sentence for each that has one.
pub(super) fn modems(modems: &[wire::Modem], format: Format, width: usize) -> String {
    if modems.is_empty() {
        return String::from("no modem is configured: smsotp probe writes a section for one\n");
    }
    if width < NARROW {
        return modems.iter().map(|modem| block(modem, format, width)).collect();
    }
    let head = ["NAME", "STATE", "NETWORK", "SIGNAL", "QUEUE", "SENT", "FAILED"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(modems.iter().map(|m| {
        let counts = [m.queue.to_string(), m.sent_total.to_string(), m.failed_total.to_string()];
        let facts = [m.name.clone(), m.state.clone(), network(m), signal(m)];
        facts.into_iter().chain(counts).collect()
    }));
    let lines = table(&rows, 1, format);
    let mut text = String::new();
    // The head, then a line for each modem.
    for (n, line) in lines.lines().enumerate() {
        text.push_str(line);
        text.push('\n');
        if let Some(modem) = n.checked_sub(1).and_then(|n| modems.get(n)) {
            text.push_str(&advice(modem, format, width));
        }
    }
    text
}

fn block(m: &wire::Modem, format: Format, width: usize) -> String {
    let mut text = format!("{} {}\n", format.strong(&m.name), format.status(&m.state));
    let facts = format!("{}, {}", network(m), signal(m));
    let counts = format!("{} sent, {} failed, {} wait", m.sent_total, m.failed_total, m.queue);
    for line in [facts, counts] {
        text.push_str(&wrapped(&clean(&line), "  ", "  ", width));
    }
    text + &advice(m, format, width)
}

/// Its last fault, which says what cures it.
fn advice(m: &wire::Modem, format: Format, width: usize) -> String {
    let Some(error) = &m.last_error else { return String::new() };
    let text = wrapped(&clean(error), "  ! ", "    ", width);
    if matches!(m.state.as_str(), "ready" | "busy") { text } else { format.warning(&text) }
}

/// The operator and, when it is not at home, why; or that it has none.
fn network(m: &wire::Modem) -> String {
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

/// A field strength and what it is worth.
pub(super) fn in_words(dbm: i32) -> String {
    let word = match dbm {
        -75.. => "good",
        -95.. => "fair",
        _ => "weak",
    };
    format!("{dbm} dBm, {word}")
}

/// A sentence in lines that are not wider.
fn wrapped(text: &str, first: &str, next: &str, width: usize) -> String {
    let most = width.max(LEAST);
    let mut lines = String::new();
    let mut line = String::from(first);
    let mut begun = false;
    for word in text.split_whitespace() {
        if begun && line.chars().count() + 1 + word.chars().count() > most {
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
mod tests {
    use super::*;

    fn modem(name: &str, state: &str) -> wire::Modem {
        wire::Modem {
            name: name.to_owned(),
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
                ..modem("stick1", "ready")
            },
            wire::Modem {
                pin_tries_left: Some(3),
                last_error: Some(
                    "the SIM asks for its PIN (3 tries left): set pin_file in this modem's configuration"
                        .to_owned(),
                ),
                ..modem("stick2", "blocked")
            },
            wire::Modem {
                registration: "searching".to_owned(),
                signal_dbm: Some(-101),
                last_error: Some(
                    "the modem looks for a network: check antenna and coverage if it stays so".to_owned(),
                ),
                ..modem("attic", "recovering")
            },
        ]
    }

    #[test]
    fn a_wide_terminal() {
        assert_eq!(
            modems(&three(), Format::Plain, 80),
            "\
NAME    STATE       NETWORK   SIGNAL         QUEUE  SENT  FAILED
stick1  ready       Swisscom  -67 dBm, good  3      1204  2
stick2  blocked     -         -              0      0     0
  ! the SIM asks for its PIN (3 tries left): set pin_file in this modem's
    configuration
attic   recovering  searches  -101 dBm, weak  0      0     0
  ! the modem looks for a network: check antenna and coverage if it stays so
"
            .replace("dBm, good  3", "dBm, good   3")
            .replace("SIGNAL         QUEUE", "SIGNAL          QUEUE")
            .replace("-              0", "-               0")
        );
    }

    #[test]
    fn a_narrow_terminal() {
        assert_eq!(
            modems(&three()[1..], Format::Plain, 40),
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
"
        );
        // A width that nobody has breaks nothing.
        assert!(modems(&three(), Format::Plain, 1).lines().count() > 10);
    }

    #[test]
    fn colours_stay_within_their_lines() {
        let text = modems(&three(), Format::Coloured, 200);
        assert!(text.contains("\x1b[31mblocked\x1b[0m"), "{text:?}");
        assert!(text.lines().all(|line| line.matches("\x1b[").count() % 2 == 0), "{text:?}");
        assert_eq!(modems(&[], Format::Plain, 80).lines().count(), 1);
    }

    #[test]
    fn what_a_network_says_steers_no_terminal() {
        let hostile = wire::Modem { operator: Some("\x1b[2J".to_owned()), ..modem("a", "ready") };
        let hostile = wire::Modem { last_error: Some("x\x1by\nz".to_owned()), ..hostile };
        for width in [40, 120] {
            assert!(!modems(std::slice::from_ref(&hostile), Format::Plain, width).contains('\x1b'));
        }
    }
}
