//! `log`: what of the daemon's log is written.

use serde_json::json;

use super::exit::{Exit, Failure};
use super::output::{Session, clean};
use crate::api::client::Call;
use crate::api::wire;

/// `smsotp log`.
pub(super) async fn log(session: &Session, filter: Option<String>) -> Result<Exit, Failure> {
    let call = match filter {
        Some(filter) => Call::put("/v1/log").json(json!({ "filter": filter })),
        None => Call::get("/v1/log"),
    };
    let reply = session.ask(call).await?;
    session.show(&reply, |log: &wire::Log, _| clean(&log.filter) + "\n")?;
    Ok(Exit::Done)
}
