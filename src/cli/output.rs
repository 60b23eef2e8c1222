//! What a person reads on stdout, or a program with `--json`.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use unicode_width::UnicodeWidthStr as _;

use super::exit::{Exit, Failure};
use crate::api::client::{Call, Client, Reply};
use crate::api::wire;

/// How answers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// The API's JSON as it came.
    Json,
    /// For a person.
    Plain,
    /// For a person at a terminal.
    Coloured,
}

impl Format {
    /// For a person, unless JSON is wanted; in colour on a terminal that has any, unless `NO_COLOR` is set.
    pub(super) fn of(json: bool) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match (json, no_color) {
            (true, _) => Self::Json,
            (false, false) if io::stdout().is_terminal() => Self::Coloured,
            _ => Self::Plain,
        }
    }

    /// A status in its colour.
    pub(super) fn status(self, status: &str) -> String {
        self.sgr(colour(status), status)
    }

    /// The first line of a block.
    pub(super) fn strong(self, text: &str) -> String {
        self.sgr(1, text)
    }

    /// Lines that need a person's attention.
    pub(super) fn warning(self, lines: &str) -> String {
        lines.lines().map(|line| self.sgr(33, line) + "\n").collect()
    }

    /// ECMA-48 select graphic rendition.
    fn sgr(self, parameter: u8, text: &str) -> String {
        let text = clean(text);
        if self == Self::Coloured { format!("\x1b[{parameter}m{text}\x1b[0m") } else { text }
    }
}

/// The colour of a status, as ECMA-48 has it: green works, red needs a person, yellow is in progress.
pub(super) fn colour(status: &str) -> u8 {
    match status {
        "approved" | "sent" | "delivered" | "ready" | "ok" => 32,
        "exhausted" | "undelivered" | "failed" | "absent" | "blocked" | "fail" => 31,
        "expired" | "cancelled" | "paused" => 90,
        _ => 33,
    }
}

/// A text without control characters: what a network or a modem sends must not control the terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Writes to stdout at once.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints a note beside the answer, on stderr.
pub(super) fn note(text: &str) {
    // The output may be closed.
    let _ = writeln!(io::stderr(), "smsotp: {}", clean(text));
}

/// A running command: the daemon that it asks, and how it shows answers.
#[derive(Debug)]
pub(super) struct Session {
    /// The client of the daemon.
    pub(super) client: Client,
    /// How things are shown.
    pub(super) format: Format,
}

impl Session {
    /// Whether a person reads the answer.
    pub(super) fn is_for_people(&self) -> bool {
        self.format != Format::Json
    }

    /// Sends a request. A refusal becomes a failure, whose JSON is printed when JSON is wanted.
    pub(super) async fn ask(&self, call: Call) -> Result<Reply, Failure> {
        let reply = self.client.call(call).await?;
        self.accept(reply)
    }

    /// The reply, unless the request was refused.
    pub(super) fn accept(&self, reply: Reply) -> Result<Reply, Failure> {
        let Some(problem) = reply.problem() else {
            return Ok(reply);
        };
        if self.format == Format::Json {
            print_json(&reply)?;
        }
        Err(problem.into())
    }

    /// Shows a reply: as received, or as `render` shows it to a person.
    pub(super) fn show<T: serde::de::DeserializeOwned>(
        &self,
        reply: &Reply,
        render: impl FnOnce(&T, Format) -> String,
    ) -> Result<T, Failure> {
        let thing = reply.parse()?;
        if self.format == Format::Json {
            print_json(reply)?;
        } else {
            print(&render(&thing, self.format))?;
        }
        Ok(thing)
    }
}

/// Prints a reply as it came.
pub(super) fn print_json(reply: &Reply) -> Result<(), Failure> {
    let body = String::from_utf8_lossy(&reply.body);
    print(&format!("{}\n", body.trim_end_matches('\n')))
}

/// The exit code for a message that is over.
pub(super) fn verdict(status: &str) -> Exit {
    if matches!(status, "sent" | "delivered") { Exit::Done } else { Exit::No }
}

/// A verification in a block of lines.
pub(super) fn verification(v: &wire::Verification, format: Format) -> String {
    let message = format!("{} {}", clean(&v.message.id), format.status(&v.message.status));
    let mut lines = vec![
        ("to", clean(&v.to)),
        ("service", clean(&v.service)),
        ("attempts", format!("{} left", v.attempts_left)),
        ("expires", clean(&v.expires_at)),
    ];
    match &v.mode {
        Some(mode) => lines.push(("mode", clean(mode))),
        None => lines.extend([("resend", format!("from {}", clean(&v.resend_at))), ("message", message)]),
    }
    let invited = v.inbound.as_ref();
    lines.extend(invited.map(|it| ("to send", format!("{} to {}", clean(&it.token), clean(&it.number)))));
    block(&format!("{} {}", format.strong(&v.id), format.status(&v.status)), &lines)
}

/// A message in a block of lines.
pub(super) fn message(m: &wire::Message, format: Format) -> String {
    let mut lines = vec![
        ("to", clean(&m.to)),
        ("kind", format!("{}, {} × {}", clean(&m.kind), m.parts, clean(&m.encoding))),
        ("attempts", m.attempts.to_string()),
        ("created", clean(&m.created_at)),
    ];
    let known =
        [("modem", &m.modem), ("sent", &m.sent_at), ("delivered", &m.delivered_at), ("error", &m.error)];
    lines.extend(known.into_iter().filter_map(|(name, value)| Some((name, clean(value.as_deref()?)))));
    block(&format!("{} {}", format.strong(&m.id), format.status(&m.status)), &lines)
}

/// A first line, and names with their values below it.
pub(super) fn block(head: &str, lines: &[(&str, String)]) -> String {
    let mut text = format!("{head}\n");
    for (name, value) in lines {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {name:<10}{value}");
    }
    text
}

/// Columns that line up; the cells of the column `status` are statuses.
pub(super) fn table(rows: &[Vec<String>], status: usize, format: Format) -> String {
    let width = |cell: &String| clean(cell).width();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|i| rows.iter().filter_map(|row| row.get(i)).map(width).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (n, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[i] - width(cell) + 2);
            let cell = match (n, i == status) {
                (0, _) => format.strong(cell),
                (_, true) => format.status(cell),
                _ => clean(cell),
            };
            line.push_str(&cell);
            line.push_str(&gap);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up_and_hold_no_control_characters() {
        let rows = [vec!["NAME", "STATE"], vec!["stick\x1b1", "ready"]]
            .map(|row| row.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(
            table(&rows, 1, Format::Plain),
            "NAME    STATE\nstick 1  ready\n".replace("NAME    ", "NAME     ")
        );
        assert!(table(&rows, 1, Format::Coloured).contains("\x1b[32mready\x1b[0m"));
    }

    #[test]
    fn a_wide_character_takes_two_columns_and_a_combining_one_none() {
        let rows = [["中国移动", "x"], ["Cafe\u{301} Mob", "x"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows, 9, Format::Plain), "中国移动  x\nCafe\u{301} Mob  x\n");
    }
}
