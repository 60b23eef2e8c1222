//! `send`, `messages`, `message`.

use std::io::Read as _;

use serde_json::json;

use super::bulk;
use super::exit::{Exit, Failure};
use super::output::{self, Session, verdict};
use super::verification::{is_over, listing, number, settled, there_are_more, without_nulls};
use crate::api::client::{Call, escape};
use crate::api::wire;

/// The arguments of `smsotp send`.
#[derive(Debug, clap::Args)]
pub(super) struct Send {
    /// The number, such as +41791234567.
    #[arg(required_unless_present = "from_csv")]
    phone: Option<String>,
    /// The text; - reads it from stdin.
    #[arg(required_unless_present = "from_csv")]
    text: Option<String>,
    #[command(flatten)]
    csv: bulk::FromCsv,
    /// Show it at once, keep it nowhere.
    #[arg(long)]
    flash: bool,
    /// Ask for a delivery report.
    #[arg(long)]
    report: bool,
    /// 0 to 9; higher goes first.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// Not before this time, such as 2026-11-22T10:00:00Z.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How long it is worth sending, such as 10m.
    #[arg(long, value_name = "DURATION")]
    valid_for: Option<String>,
    /// Only by this modem.
    #[arg(long, value_name = "NAME")]
    modem: Option<String>,
    /// Return when it is sent or failed.
    #[arg(long)]
    wait: bool,
}

/// `smsotp send`.
pub(super) async fn send(session: &Session, send: Send) -> Result<Exit, Failure> {
    let mut body = without_nulls(json!({
        "flash": send.flash.then_some(true),
        "report": send.report.then_some(true),
        "priority": send.priority,
        "send_at": send.at,
        "valid_for": send.valid_for,
        "modem": send.modem,
    }));
    if let Some(file) = send.csv.file.clone() {
        let common = bulk::Common { body, modem: send.modem, wait: send.wait };
        return bulk::send(session, send.csv, &file, common).await;
    }
    let text = send.text.unwrap_or_default();
    body["text"] = if text == "-" { stdin()? } else { text }.into();
    body["to"] = number(&send.phone.unwrap_or_default()).into();
    let mut reply = session.ask(Call::post("/v1/messages").json(body)).await?;
    if send.wait {
        let message: wire::Message = reply.parse()?;
        let over = |m: &wire::Message| is_over(&m.status);
        reply = settled(session, reply, &path(&message.id), over, output::message).await?;
    }
    let message = session.show(&reply, output::message)?;
    Ok(if send.wait { verdict(&message.status) } else { Exit::Done })
}

/// `smsotp messages`.
pub(super) async fn list(
    session: &Session,
    status: Option<String>,
    to: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
) -> Result<Exit, Failure> {
    let to = to.map(|to| number(&to));
    let limit = limit.map(|limit| limit.to_string());
    let query = [("status", status), ("to", to), ("limit", limit), ("cursor", cursor)];
    let reply = session.ask(listing("/v1/messages", query)).await?;
    let page = session.show(&reply, |page: &wire::Messages, format| {
        let mut rows =
            vec![["ID", "STATUS", "TO", "KIND", "PARTS", "MODEM", "CREATED"].map(str::to_owned).to_vec()];
        rows.extend(page.messages.iter().map(|m| {
            let modem = m.modem.clone().unwrap_or_else(|| "-".to_owned());
            let (id, status, to, kind) = (m.id.clone(), m.status.clone(), m.to.clone(), m.kind.clone());
            vec![id, status, to, kind, m.parts.to_string(), modem, m.created_at.clone()]
        }));
        output::table(&rows, 1, format)
    })?;
    there_are_more(session, page.next_cursor);
    Ok(Exit::Done)
}

/// `smsotp message`.
pub(super) async fn show(session: &Session, id: &str) -> Result<Exit, Failure> {
    let reply = session.ask(Call::get(path(id))).await?;
    session.show(&reply, output::message)?;
    Ok(Exit::Done)
}

/// The path of a message.
pub(super) fn path(id: &str) -> String {
    format!("/v1/messages/{}", escape(id))
}

/// The text on stdin, without the newline that ends its last line.
fn stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|e| Failure::new(Exit::Usage, format!("cannot read the text from stdin: {e}")))?;
    let ends = if text.ends_with("\r\n") { 2 } else { usize::from(text.ends_with('\n')) };
    text.truncate(text.len() - ends);
    Ok(text)
}
