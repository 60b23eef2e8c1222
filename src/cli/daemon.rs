//! `status`, `modems`, `modem`.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::exit::{Exit, Failure};
use super::modem_view;
use super::output::{Format, Session, clean};
use crate::api::client::{Call, escape};
use crate::api::wire;
use crate::clock::Clock;

/// What an operator does with a modem.
#[derive(Debug, Subcommand)]
pub(super) enum ModemAction {
    /// Give it no more messages.
    Pause,
    /// Give it messages again.
    Resume,
    /// Restart the device.
    Reset,
    /// Send the network a request such as one for the balance, or answer its menu.
    Ussd {
        /// Such as *100#, or the answer to a menu, such as 1.
        #[arg(required_unless_present = "cancel")]
        code: Option<String>,
        /// End the dialogue.
        #[arg(long, conflicts_with = "code")]
        cancel: bool,
    },
    /// Show the last lines that went over its port, without texts, numbers and codes.
    Trace,
}

/// `smsotp status`.
pub(super) async fn status(session: &Session) -> Result<Exit, Failure> {
    let reply = session.ask(Call::get("/v1/status")).await?;
    session.show(&reply, status_lines)?;
    Ok(Exit::Done)
}

/// The daemon's status, for a person.
pub(super) fn status_lines(status: &wire::Status, format: Format) -> String {
    let uptime = humantime::format_duration(Duration::from_secs(status.uptime_s));
    let mut text = format!("{} up {uptime}\n", format.strong(&format!("smsotpd {}", status.version)));
    let q = &status.queue;
    // Writing into a String cannot fail.
    let _ = writeln!(
        text,
        "queue   {} codes, {} texts ({} of them later), {} on the air",
        q.otp, q.text, q.delayed, q.sending
    );
    let total = status.modems.get("total").copied().unwrap_or_default();
    let counts: Vec<String> = status
        .modems
        .iter()
        .filter(|&(state, &count)| state != "total" && count > 0)
        .map(|(state, count)| format!("{count} {}", format.status(state)))
        .collect();
    let _ =
        writeln!(text, "modems  {total}{}{}", if counts.is_empty() { "" } else { ": " }, counts.join(", "));
    if status.disk_full {
        text.push_str("disk    full: new work is refused until there is room\n");
    }
    if let Some(why) = &status.clock {
        let _ = writeln!(text, "clock   {}", clean(why));
    }
    if !status.test_numbers.is_empty() {
        let numbers = status.test_numbers.join(", ");
        let _ =
            writeln!(text, "tests   nothing is sent to {numbers}, whose codes stand in the configuration");
    }
    text
}

/// `smsotp modems`.
pub(super) async fn modems(session: &Session) -> Result<Exit, Failure> {
    let reply = session.ask(Call::get("/v1/modems")).await?;
    session.show(&reply, |list: &wire::Modems, format| {
        modem_view::modems(&list.modems, format, modem_view::width(), Clock::system().now())
    })?;
    Ok(Exit::Done)
}

/// `smsotp modem`.
pub(super) async fn modem(
    session: &Session,
    name: &str,
    action: Option<ModemAction>,
) -> Result<Exit, Failure> {
    let path = modem_path(name);
    let call = match action {
        None => Call::get(path),
        Some(ModemAction::Pause) => Call::post(path + "/pause"),
        Some(ModemAction::Resume) => Call::post(path + "/resume"),
        Some(ModemAction::Reset) => Call::post(path + "/reset"),
        Some(ModemAction::Ussd { code, cancel }) => {
            let body = if cancel { json!({"cancel": true}) } else { json!({"code": code}) };
            let reply = session.ask(Call::post(path + "/ussd").json(body)).await?;
            let answer = session.show(&reply, |ussd: &wire::Ussd, _| {
                // Menus have several lines; other control characters are dropped.
                ussd.text.lines().map(|line| clean(line) + "\n").collect()
            })?;
            if answer.open && session.format != Format::Json {
                eprintln!(
                    "the network waits for an answer: smsotp modem {0} ussd 1, or --cancel",
                    clean(name)
                );
            }
            return Ok(Exit::Done);
        }
        Some(ModemAction::Trace) => {
            let reply = session.ask(Call::get(path + "/trace")).await?;
            session.show(&reply, trace_lines)?;
            return Ok(Exit::Done);
        }
    };
    let reply = session.ask(call).await?;
    session.show(&reply, |m, format| modem_view::modem(m, format, Clock::system().now()))?;
    Ok(Exit::Done)
}

/// The path of a modem.
pub(super) fn modem_path(name: &str) -> String {
    format!("/v1/modems/{}", escape(name))
}

/// A trace in a form for a report.
pub(super) fn trace_lines(trace: &wire::Trace, _: Format) -> String {
    let mut text = String::new();
    for line in &trace.lines {
        let sign = match line.direction.as_str() {
            "in" => '<',
            "out" => '>',
            _ => '=',
        };
        let seconds = line.ago_ms / 1000;
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "{:>8}.{:03} s {sign} {}",
            format!("-{seconds}"),
            line.ago_ms % 1000,
            clean(&line.text)
        );
    }
    text
}
