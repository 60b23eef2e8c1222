//! `smsotp host`: the hosts that share one store.

use clap::Subcommand;

use super::exit::{Exit, Failure};
use super::modem_view::ago;
use super::output::{Format, Session, clean, table};
use crate::api::client::{Call, escape};
use crate::api::wire;
use crate::clock::{Clock, Timestamp};

/// What an operator asks of the hosts.
#[derive(Debug, Subcommand)]
pub(super) enum HostAction {
    /// The hosts, a line each.
    List,
    /// Give the modems of a host no more messages, as before its machine is serviced.
    Drain {
        /// Its name.
        name: String,
        /// Give them messages again.
        #[arg(long)]
        undo: bool,
    },
    /// Forget a host that is gone for good, with its modems.
    Forget {
        /// Its name.
        name: String,
    },
}

/// `smsotp host`.
pub(super) async fn host(session: &Session, action: HostAction) -> Result<Exit, Failure> {
    let path = |name: &str| format!("/v1/hosts/{}", escape(name));
    let call = match action {
        HostAction::List => {
            let reply = session.ask(Call::get("/v1/hosts")).await?;
            session.show(&reply, |list: &wire::Hosts, format| {
                lines(&list.hosts, format, Clock::system().now())
            })?;
            return Ok(Exit::Done);
        }
        HostAction::Drain { name, undo } => Call::post(path(&name) + if undo { "/resume" } else { "/drain" }),
        HostAction::Forget { name } => Call::delete(path(&name)),
    };
    let reply = session.ask(call).await?;
    session.show(&reply, |host: &wire::Host, format| {
        lines(std::slice::from_ref(host), format, Clock::system().now())
    })?;
    Ok(Exit::Done)
}

fn lines(hosts: &[wire::Host], format: Format, now: Timestamp) -> String {
    let head = ["NAME", "STATE", "MODEMS", "SENDING", "VERSION", "SEEN"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(hosts.iter().map(|host| {
        let seen = host.seen_at.parse::<Timestamp>().map(|at| ago(now.since(at))).unwrap_or_default();
        let counts = [host.modems.to_string(), host.sending.to_string()];
        let facts = [clean(&host.name), clean(&host.state)];
        facts.into_iter().chain(counts).chain([clean(&host.version), seen]).collect()
    }));
    table(&rows, 1, format)
}
