//! `export`: the state as lines of JSON, without what the daemon tells nobody and without the texts of the inbox.

use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::output::{Session, print};
use super::verification::{MOST, listing};
use crate::api::client::{Call, ClientError};

/// What is listed: what a line calls it, its path, and the member of a page that has it.
const LISTS: [(&str, &str, &str); 5] = [
    ("modem", "/v1/modems", "modems"),
    ("verification", "/v1/verifications", "verifications"),
    ("message", "/v1/messages", "messages"),
    ("inbox", "/v1/inbox", "messages"),
    ("opt_out", "/v1/opt-outs", "opt_outs"),
];
/// The members of a received message that are its words.
const WORDS: [&str; 2] = ["text", "data"];

/// `smsotp export`: a line for each thing, newest first, as the API shows it to who asks, with its `type`.
pub(super) async fn export(session: &Session) -> Result<Exit, Failure> {
    for (kind, path, list) in LISTS {
        let mut cursor = None;
        loop {
            let mut page: Value = session.ask(page(path, cursor)).await?.parse()?;
            let things = page.get_mut(list).and_then(Value::as_array_mut).map(std::mem::take);
            let missing = || ClientError::Protocol(format!("a page of {path} has no {list}"));
            let lines: String = things.ok_or_else(missing)?.into_iter().map(|it| line(kind, it)).collect();
            print(&lines)?;
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(Exit::Done)
}

fn page(path: &str, cursor: Option<String>) -> Call {
    // All modems are one page.
    if path == "/v1/modems" {
        return Call::get(path);
    }
    listing(path, [("limit", Some(MOST.to_string())), ("cursor", cursor)])
}

fn line(kind: &str, mut thing: Value) -> String {
    if let Value::Object(members) = &mut thing {
        if kind == "inbox" {
            members.retain(|name, _| !WORDS.contains(&name.as_str()));
        }
        members.insert("type".to_owned(), json!(kind));
    }
    format!("{thing}\n")
}
