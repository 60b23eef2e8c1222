//! The trace of a port: every line, with PDUs, PINs, codes and numbers masked.

use std::fmt::Write as _;

use tracing::Level;

use super::Session;
use crate::phone::mask;

const TARGET: &str = "smsotpd::port";

impl Session {
    /// A line that was read.
    pub(super) fn trace_in(&self, line: &str) {
        if tracing::enabled!(target: TARGET, Level::TRACE) {
            tracing::trace!(target: TARGET, modem = %self.settings.name, "< {}", masked(line));
        }
    }

    /// A line whose every character is somebody's.
    pub(super) fn trace_hidden(&self, line: &str) {
        if tracing::enabled!(target: TARGET, Level::TRACE) {
            tracing::trace!(target: TARGET, modem = %self.settings.name, "< [{} characters]", line.len());
        }
    }
}

/// Digits in a row that may be a number or a PDU are masked, and so is whatever is quoted behind `+CUSD:`.
pub(super) fn masked(line: &str) -> String {
    if line.contains("CUSD") {
        return String::from("+CUSD: [text]");
    }
    if let Some((command, _)) = line.split_once("CPIN=") {
        // The echo of our own command.
        return format!("{command}CPIN=[PIN]");
    }
    // The name that a telephone book has for a number.
    let named = ["+CMT:", "+CMGL:", "+CMGR:"].iter().any(|head| line.starts_with(head));
    if let Some((head, rest)) = line.split_once('"').filter(|_| named) {
        let rest = rest.rsplit_once('"').map_or("", |(_, rest)| rest);
        return format!("{head}\"…\"{rest}");
    }
    let mut shown = String::with_capacity(line.len());
    let mut run = String::new();
    for c in line.chars().chain(std::iter::once('\0')) {
        if c.is_ascii_hexdigit() {
            run.push(c);
            continue;
        }
        match run.len() {
            0..7 => shown.push_str(&run),
            7..=20 if run.bytes().all(|b| b.is_ascii_digit()) => shown.push_str(&mask(&run)),
            // A word of the letters A to F is no number.
            _ if run.bytes().any(|b| b.is_ascii_digit()) => {
                // Writing to a String does not fail.
                let _ = write!(shown, "[{} digits]", run.len());
            }
            _ => shown.push_str(&run),
        }
        run.clear();
        if c != '\0' {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn a_trace_shows_no_number_and_no_pdu() {
        assert_eq!(masked("+CMGS: 12"), "+CMGS: 12");
        assert_eq!(masked("+CSCA: \"+41794999000\",145"), "+CSCA: \"+41794****00\",145");
        assert_eq!(masked("0021000C91197909913764000036D3E6"), "[32 digits]");
        assert_eq!(masked("+CUSD: 0,\"Your number is 0791234567\",15"), "+CUSD: [text]");
        assert_eq!(masked("+CMGL: 1,1,\"Bob \"B\" Ray\",24"), "+CMGL: 1,1,\"…\",24");
        assert_eq!(masked("+CMGR: 1,\"Bob"), "+CMGR: 1,\"…\"");
        assert_eq!(masked("AT+CPIN=\"1234\""), "AT+CPIN=[PIN]");
        assert_eq!(masked("+CREG: 1,\"5E25\",\"605F\""), "+CREG: 1,\"5E25\",\"605F\"");
    }
}
