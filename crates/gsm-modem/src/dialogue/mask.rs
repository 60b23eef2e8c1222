//! The parts of a line that anybody may see: heads, small numbers and the standard's own words. Whatever
//! could be a text, a number, a code, a place or a PDU is left out, so that a trace can be published.

use std::fmt::Write as _;

use crate::at::Line;

/// The longest name, such as that of a memory.
const LONGEST_WORD: usize = 12;
/// A number with more digits may belong to a person.
const MOST_DIGITS: usize = 3;

/// Appends to `to` what may be shown of `line`.
pub(crate) fn mask(line: &str, to: &mut String) {
    if matches!(line, "OK" | "ERROR" | ">") {
        to.push_str(line);
    } else if let Some(text) = line.strip_prefix("+CMS ERROR:").or_else(|| line.strip_prefix("+CME ERROR:")) {
        to.push_str(&line[..11]);
        error(text.trim(), to);
    } else if let Some((head, values)) = command(line) {
        to.push_str(head);
        if names_a_secret(head) && !values.is_empty() {
            to.push('…');
        } else {
            fields(values, to);
        }
    } else if let Some((head, values)) = headed(line) {
        to.push_str(head);
        to.push(' ');
        if head.eq_ignore_ascii_case("+CUSD:") {
            // The text may contain commas and quotes: only the status is certain not to belong to it.
            let status = values.split(',').next().unwrap_or_default();
            fields(status, to);
            to.push_str(if values.len() > status.len() { ",…" } else { "" });
        } else {
            fields(values, to);
        }
    } else if matches!(Line::of(line, None), Line::Unsolicited(_) | Line::Final(_)) && is_word(line, 30) {
        to.push_str(line);
    } else {
        hidden(line, to);
    }
}

/// Appends only the length of the line.
pub(super) fn hidden(line: &str, to: &mut String) {
    // Writing into a String cannot fail.
    let _ = write!(to, "[{} characters]", line.chars().count());
}

/// A command or its echo: the part up to `=` or `?`, and what follows.
fn command(line: &str) -> Option<(&str, &str)> {
    let start = line.get(..2)?;
    if !start.eq_ignore_ascii_case("AT") {
        return None;
    }
    let end = line.find(['=', '?']).map_or(line.len(), |at| at + 1);
    let (head, values) = line.split_at(end);
    let known = |c: char| c.is_ascii_uppercase() || "+^*#%$&_!=?".contains(c);
    let digits = head.bytes().filter(u8::is_ascii_digit).count();
    let good = head.len() <= 24
        && digits <= MOST_DIGITS
        && head.chars().all(|c| known(c) || c.is_ascii_digit() || c.is_ascii_lowercase());
    // `ATD` dials a number.
    (good && !head[2..].starts_with(['D', 'd'])).then_some((head, values))
}

fn names_a_secret(head: &str) -> bool {
    ["CPIN=", "CPWD=", "CLCK=", "CUSD="].iter().any(|name| head.to_ascii_uppercase().ends_with(name))
}

/// `+NAME:` and what follows, without the blanks around it.
fn headed(line: &str) -> Option<(&str, &str)> {
    let (head, values) = line.split_at(line.find(':')? + 1);
    let name = head[..head.len() - 1].strip_prefix(['+', '^', '*', '%', '_', '#', '$', '!'])?;
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let good = (1..=16).contains(&name.len())
        && digits <= MOST_DIGITS
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    good.then(|| (head, values.trim()))
}

/// An error's number, or its words when there is nothing else.
fn error(text: &str, to: &mut String) {
    let plain = text.len() <= 40 && text.chars().all(|c| c.is_ascii_alphabetic() || c == ' ' || c == '-');
    if !text.is_empty() {
        to.push(' ');
    }
    if plain {
        to.push_str(text);
    } else {
        field(text, to);
    }
}

/// Values between commas; a quote that is never closed, or is closed within a value, hides the rest.
fn fields(mut rest: &str, to: &mut String) {
    loop {
        rest = rest.trim_start();
        let comma = if let Some(inner) = rest.strip_prefix('"') {
            let close = inner
                .find('"')
                .filter(|close| matches!(inner[close + 1..].trim_start().bytes().next(), None | Some(b',')));
            let Some(close) = close else {
                to.push_str("\"…");
                return;
            };
            let word = &inner[..close];
            to.push('"');
            to.push_str(if word.is_empty() || is_word(word, LONGEST_WORD) { word } else { "…" });
            to.push('"');
            rest[close + 2..].find(',').map(|comma| comma + close + 2)
        } else {
            let comma = rest.find(',');
            field(rest[..comma.unwrap_or(rest.len())].trim(), to);
            comma
        };
        let Some(comma) = comma else { return };
        to.push(',');
        rest = &rest[comma + 1..];
    }
}

fn field(value: &str, to: &mut String) {
    let runs = || value.split(['(', ')', '-']).filter(|run| !run.is_empty());
    let small = runs().all(|run| run.len() <= MOST_DIGITS && run.bytes().all(|b| b.is_ascii_digit()));
    to.push_str(if small || is_word(value, LONGEST_WORD) { value } else { "…" });
}

/// `SM`, `REC UNREAD`, `SIM PIN`: capitals, and few digits after them.
fn is_word(text: &str, most: usize) -> bool {
    let lower = most > LONGEST_WORD;
    text.len() <= most
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().filter(u8::is_ascii_digit).count() <= 2
        && text.bytes().all(|b| {
            b.is_ascii_uppercase()
                || b.is_ascii_digit()
                || matches!(b, b' ' | b'_' | b'-')
                || (lower && b.is_ascii_lowercase())
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(line: &str) -> String {
        let mut shown = String::new();
        mask(line, &mut shown);
        shown
    }

    #[test]
    fn what_diagnosis_needs_is_shown() {
        for line in [
            "OK",
            "ERROR",
            ">",
            "AT",
            "ATE0",
            "AT+CMGS=23",
            "AT+CNMI=2,1,0,1,0",
            "AT+CPMS=\"SM\",\"SM\"",
            "AT^CURC=0",
            "AT+CREG?",
            "AT+CFUN=1,1",
            "AT+CSCS=\"GSM\"",
            "+CMGS: 12",
            "+CMS ERROR: 500",
            "+CME ERROR: SIM busy",
            "+CMS ERROR:",
            "+CSQ: 20,99",
            "+CREG: 0,1",
            "+CMTI: \"SM\",1",
            "+CPIN: SIM PIN",
            "^CPIN: SIM PIN,3,10,3,10,3",
            "+CPMS: \"SM\",1,20,\"SM\",1,20",
            "+CNMI: (0-2),(0,1,3),(0),(0,1),(0,1)",
            "+CMGL: 1,1,,23",
            "+CDS: 25",
            "RDY",
            "SMS Ready",
            "NO CARRIER",
            "COMMAND NOT SUPPORT",
            "*ATREADY: 1",
            "+CUSD: 2",
        ] {
            assert_eq!(masked(line), line);
        }
    }

    #[test]
    fn personal_data_is_masked() {
        for (line, shown) in [
            ("AT+CPIN=\"1234\"", "AT+CPIN=…"),
            ("at+cpin=1234", "at+cpin=…"),
            ("AT+CSCA=\"+41794999000\",145", "AT+CSCA=\"…\",145"),
            ("AT+CUSD=1,\"*100#\",15", "AT+CUSD=…"),
            ("ATD0791234567;", "[14 characters]"),
            ("+CUSD: 0,\"Your number is 0791234567, ok\",15", "+CUSD: 0,…"),
            ("+CUSD: 0, 49B41C74ACD3D161", "+CUSD: 0,…"),
            ("+CMT: \"+41791234567\",,\"06/05/28,18:15:41+80\"", "+CMT: \"…\",,\"…\""),
            ("+CMT: \"never closed,12", "+CMT: \"…"),
            ("+CMT: \"a\"b\",12", "+CMT: \"…"),
            ("+CREG: 1,\"5E25\",\"605F\"", "+CREG: 1,\"…\",\"…\""),
            ("+CREG: 2,1,4CA,81DE445", "+CREG: 2,1,…,…"),
            ("+CCID: 8941030000000000001", "+CCID: …"),
            ("+COPS: 0,0,\"Swisscom\",7", "+COPS: 0,0,\"…\",7"),
            ("+CLIP: \"+0123456789\",145,,,,0", "+CLIP: \"…\",145,,,,0"),
            ("^BOOT:35323129,0,0,0,26", "^BOOT: …,0,0,0,26"),
            ("0021000C91197909913764000036D3E6", "[32 characters]"),
            ("Your code is 123456", "[19 characters]"),
            ("228011234567890", "[15 characters]"),
            ("34\",15", "[6 characters]"),
            ("+CMS ERROR: your code is 123456", "+CMS ERROR: …"),
            ("+4179123:456", "[12 characters]"),
            ("RDY 123456", "[10 characters]"),
            ("AT79123456", "[10 characters]"),
        ] {
            assert_eq!(masked(line), shown);
        }
    }

    proptest! {
        /// A number, a code and a text are masked, whatever stands around them.
        #[test]
        fn a_secret_in_a_line_is_not_shown(
            before in "[-+^*a-zA-Z0-9 :,\"=?()]{0,20}",
            after in "[-+^*a-zA-Z0-9 :,\"=?()]{0,20}",
            quote in prop_oneof![Just(""), Just("\""), Just(","), Just(" ")],
        ) {
            for secret in ["48151623", "votre mot de passe", "0791448720003023", "+41791234567"] {
                let line = format!("{before}{quote}{secret}{quote}{after}");
                let shown = masked(&line);
                prop_assert!(!shown.contains(secret), "{line} shows {shown}");
            }
        }

        #[test]
        fn no_line_is_too_odd(line in "\\PC{0,60}") {
            masked(&line);
        }
    }
}
