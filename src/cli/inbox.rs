//! `inbox`, `opt-out`.

use clap::Subcommand;

use super::exit::{Exit, Failure};
use super::output::{self, Format, Session, clean};
use super::verification::number;
use crate::api::client::{Call, escape};
use crate::api::wire;

/// Actions on received messages.
#[derive(Debug, Subcommand)]
pub(super) enum InboxAction {
    /// Forget a received message.
    Delete {
        /// The message.
        id: String,
    },
}

/// Actions on the opt-out list.
#[derive(Debug, Subcommand)]
pub(super) enum OptOut {
    /// List the numbers.
    List {
        /// At most this many.
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Send nothing more to a number.
    Add {
        /// Such as +41791234567.
        phone: String,
    },
    /// Send to a number again.
    Remove {
        /// Such as +41791234567.
        phone: String,
    },
}

/// `smsotp inbox`.
pub(super) async fn inbox(
    session: &Session,
    limit: Option<u32>,
    action: Option<InboxAction>,
) -> Result<Exit, Failure> {
    if let Some(InboxAction::Delete { id }) = action {
        let reply = session.ask(Call::delete(format!("/v1/inbox/{}", escape(&id)))).await?;
        session.show(&reply, |m: &wire::InboxMessage, format| entry(m, format))?;
        return Ok(Exit::Done);
    }
    let reply = session.ask(Call::get(limited("/v1/inbox", limit))).await?;
    session.show(&reply, |page: &wire::Inbox, format| {
        page.messages.iter().map(|m| entry(m, format)).collect::<String>()
    })?;
    Ok(Exit::Done)
}

/// `smsotp opt-out`.
pub(super) async fn opt_out(session: &Session, what: OptOut) -> Result<Exit, Failure> {
    let call = match what {
        OptOut::List { limit } => {
            let reply = session.ask(Call::get(limited("/v1/opt-outs", limit))).await?;
            session.show(&reply, |page: &wire::OptOuts, format| {
                let mut rows = vec![["PHONE", "SINCE", "BY"].map(str::to_owned).to_vec()];
                rows.extend(page.opt_outs.iter().map(row));
                output::table(&rows, usize::MAX, format)
            })?;
            return Ok(Exit::Done);
        }
        OptOut::Add { phone } => Call::put(path(&phone)),
        OptOut::Remove { phone } => Call::delete(path(&phone)),
    };
    let reply = session.ask(call).await?;
    session.show(&reply, |o: &wire::OptOut, format| output::table(&[row(o)], usize::MAX, format))?;
    Ok(Exit::Done)
}

fn path(phone: &str) -> String {
    format!("/v1/opt-outs/{}", escape(&number(phone)))
}

fn limited(path: &str, limit: Option<u32>) -> String {
    limit.map_or_else(|| path.to_owned(), |limit| format!("{path}?limit={limit}"))
}

fn row(o: &wire::OptOut) -> Vec<String> {
    vec![o.phone.clone(), o.since.clone(), o.message.clone().unwrap_or_else(|| "an operator".to_owned())]
}

/// A received message in a block of lines; a text of several lines keeps its lines.
fn entry(m: &wire::InboxMessage, format: Format) -> String {
    let mut lines = vec![
        ("from", clean(&m.from)),
        ("received", format!("{} by {}", clean(&m.received_at), clean(&m.modem))),
    ];
    lines.extend(m.sent_at.iter().map(|at| ("sent", clean(at))));
    if !m.missing.is_empty() {
        let missing: Vec<String> = m.missing.iter().map(u8::to_string).collect();
        lines.push(("missing", format!("{} of {} parts", missing.join(", "), m.parts)));
    }
    lines.extend(m.ports.map(|p| ("ports", format!("{} from {}", p.destination, p.source))));
    lines.extend(m.error.iter().map(|error| ("error", clean(error))));
    lines.extend(m.data.iter().map(|data| ("data", clean(data))));
    for (n, line) in m.text.iter().flat_map(|text| text.lines()).enumerate() {
        lines.push((if n == 0 { "text" } else { "" }, clean(line)));
    }
    output::block(&format!("{} {}", format.strong(&m.id), clean(&m.kind)), &lines)
}
