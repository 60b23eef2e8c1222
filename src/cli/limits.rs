//! `smsotp limits`: what a code to a number would meet.

use serde_json::{Map, Value, json};

use super::exit::{Exit, Failure};
use super::output::{self, Format, Session};
use super::verification::{number, without_nulls};
use crate::api::client::Call;
use crate::api::wire;

/// The arguments of `smsotp limits`.
#[derive(Debug, clap::Args)]
pub(super) struct Limits {
    /// Such as +41791234567.
    phone: String,
    /// The service of the configuration.
    #[arg(long)]
    service: Option<String>,
    /// One of the application's own keys, such as ip=203.0.113.7; may be repeated.
    #[arg(long = "key", value_name = "NAME=VALUE", value_parser = pair)]
    keys: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write a name, =, and a value, such as ip=203.0.113.7")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// `smsotp limits`.
pub(super) async fn limits(session: &Session, asked: Limits) -> Result<Exit, Failure> {
    let keys: Map<String, Value> =
        asked.keys.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let keys = (!keys.is_empty()).then_some(keys);
    let body = json!({"to": number(&asked.phone), "service": asked.service, "keys": keys});
    let reply = session.ask(Call::post("/v1/limits").json(without_nulls(body))).await?;
    let told = session.show(&reply, table)?;
    Ok(if told.would == "issue" { Exit::Done } else { Exit::Refused })
}

/// The verdict, then a line for each window.
fn table(limits: &wire::Limits, format: Format) -> String {
    let mut text = match (&limits.code, &limits.detail) {
        (None, _) => "a code would be issued\n".to_owned(),
        (Some(code), detail) => {
            let detail = output::clean(detail.as_deref().unwrap_or_default());
            format!("a code would be refused, {}: {detail}\n", output::clean(code))
        }
    };
    if !limits.windows.is_empty() {
        let mut rows = vec![["LIMIT", "STATE", "USED", "OF", "RESETS"].map(str::to_owned).to_vec()];
        rows.extend(limits.windows.iter().map(|w| {
            let (state, resets_at) = match w.used {
                0 => ("empty", "-".to_owned()),
                used if used >= w.limit => ("full", w.resets_at.clone()),
                _ => ("open", w.resets_at.clone()),
            };
            vec![w.name.clone(), state.to_owned(), w.used.to_string(), w.limit.to_string(), resets_at]
        }));
        text.push_str(&output::table(&rows, usize::MAX, format));
    }
    text
}
