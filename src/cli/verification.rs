//! `issue`, `check`, `resend`, `cancel`, `show`, `verifications`.

use std::time::Duration;

use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::output::{self, Format, Session, verdict};
use crate::api::client::{Call, Reply, escape};
use crate::api::wire;
use crate::clock::Clock;

/// The time of one request of a long wait, which is the longest that the daemon holds a request.
pub(super) const WAIT: Duration = Duration::from_secs(60);

/// The largest page that the API gives.
pub(super) const MOST: u32 = 1000;

/// The arguments of `smsotp verifications`.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only of this number.
    #[arg(long, value_name = "PHONE")]
    to: Option<String>,
    /// Only of this service.
    #[arg(long)]
    service: Option<String>,
    /// Only in this status, such as pending.
    #[arg(long)]
    status: Option<String>,
    /// At most this many.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Those that follow a page.
    #[arg(long)]
    cursor: Option<String>,
}

/// `smsotp issue`.
pub(super) async fn issue(
    session: &Session,
    phone: &str,
    service: Option<String>,
    locale: Option<String>,
    wait: bool,
) -> Result<Exit, Failure> {
    let body = json!({"to": number(phone), "service": service, "locale": locale});
    let mut reply = session.ask(Call::post("/v1/verifications").json(without_nulls(body))).await?;
    if wait {
        let issued: wire::Verification = reply.parse()?;
        let over = |v: &wire::Verification| v.status != "pending" || is_over(&v.message.status);
        reply = settled(session, reply, &path(&issued.id), over, output::verification).await?;
    }
    let v = session.show(&reply, output::verification)?;
    Ok(if wait { verdict(&v.message.status) } else { Exit::Done })
}

/// `smsotp issue --inbound`.
pub(super) async fn invite(session: &Session, phone: &str, service: Option<String>) -> Result<Exit, Failure> {
    let body = json!({"to": number(phone), "service": service, "mode": "inbound"});
    let reply = session.ask(Call::post("/v1/verifications").json(without_nulls(body))).await?;
    session.show(&reply, output::verification)?;
    Ok(Exit::Done)
}

/// `smsotp check`.
pub(super) async fn check(
    session: &Session,
    target: &str,
    code: &str,
    service: Option<String>,
) -> Result<Exit, Failure> {
    let call = if target.starts_with("ver_") {
        if let Some(service) = service {
            let named: wire::Verification = session.ask(Call::get(path(target))).await?.parse()?;
            if named.service != service {
                return Err(Failure::new(
                    Exit::NotFound,
                    format!("{target} is not of the service {service}"),
                ));
            }
        }
        Call::post(format!("/v1/verifications/{}/check", escape(target))).json(json!({"code": code}))
    } else {
        let body = json!({"to": number(target), "code": code, "service": service});
        Call::post("/v1/check").json(without_nulls(body))
    };
    let reply = session.ask(call).await?;
    let check = session.show(&reply, |check: &wire::Check, format| {
        let v = &check.verification;
        if check.approved {
            return format!("{} {}\n", format.status("approved"), output::clean(&v.id));
        }
        let status = format.status(&v.status);
        format!("not approved: {status}, {} attempts left {}\n", v.attempts_left, output::clean(&v.id))
    })?;
    Ok(if check.approved { Exit::Done } else { Exit::No })
}

/// `smsotp resend`, `cancel` and `show`: one call, answered by the verification.
pub(super) async fn one(session: &Session, call: Call) -> Result<Exit, Failure> {
    let reply = session.ask(call).await?;
    session.show(&reply, output::verification)?;
    Ok(Exit::Done)
}

/// `smsotp verifications`.
pub(super) async fn list(session: &Session, list: List) -> Result<Exit, Failure> {
    let (to, limit) = (list.to.map(|to| number(&to)), list.limit.map(|limit| limit.to_string()));
    let query = [
        ("to", to),
        ("service", list.service),
        ("status", list.status),
        ("limit", limit),
        ("cursor", list.cursor),
    ];
    let reply = session.ask(listing("/v1/verifications", query)).await?;
    let page = session.show(&reply, |page: &wire::Verifications, format| {
        let mut rows =
            vec![["ID", "STATUS", "TO", "SERVICE", "LEFT", "MESSAGE", "CREATED"].map(str::to_owned).to_vec()];
        rows.extend(page.verifications.iter().map(|v| {
            let (id, status, to) = (v.id.clone(), v.status.clone(), v.to.clone());
            let (left, message) = (v.attempts_left.to_string(), v.message.status.clone());
            vec![id, status, to, v.service.clone(), left, message, v.created_at.clone()]
        }));
        output::table(&rows, 1, format)
    })?;
    there_are_more(session, page.next_cursor);
    Ok(Exit::Done)
}

/// A request for a page, with those parameters that were given.
pub(super) fn listing<const N: usize>(path: &str, query: [(&str, Option<String>); N]) -> Call {
    let given = query.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", escape(&value?))));
    Call::get(format!("{path}?{}", given.collect::<Vec<_>>().join("&")))
}

/// Says how a person gets what follows a page, if anything does.
pub(super) fn there_are_more(session: &Session, next: Option<String>) {
    if let Some(next) = next.filter(|_| session.is_for_people()) {
        output::note(&format!("there are more: --limit {MOST}, or --cursor {next}"));
    }
}

/// The path of a verification.
pub(super) fn path(id: &str) -> String {
    format!("/v1/verifications/{}", escape(id))
}

/// The verification or message that was accepted, once it is over. When that cannot be learned, the accepted
/// one is shown all the same, because the caller must not ask again.
pub(super) async fn settled<T: serde::de::DeserializeOwned>(
    session: &Session,
    accepted: Reply,
    path: &str,
    over: impl Fn(&T) -> bool,
    render: impl FnOnce(&T, Format) -> String,
) -> Result<Reply, Failure> {
    match until_over(session, path, over).await {
        Ok(reply) => Ok(reply),
        Err(failure) => {
            session.show(&accepted, render)?;
            let told = format!("it was accepted, and what became of it is not known: {}", failure.message);
            Err(Failure::new(failure.exit, told))
        }
    }
}

/// Each request waits in the daemon; a daemon that answers early is not asked more than once a second.
async fn until_over<T: serde::de::DeserializeOwned>(
    session: &Session,
    path: &str,
    over: impl Fn(&T) -> bool,
) -> Result<Reply, Failure> {
    loop {
        let asked = Clock::system().monotonic();
        let reply = session.client.call(Call::get(path).wait(WAIT)).await?;
        if let Some(problem) = reply.problem() {
            return Err(problem.into());
        }
        if over(&reply.parse()?) {
            return Ok(reply);
        }
        tokio::time::sleep(Duration::from_secs(1).saturating_sub(asked.elapsed())).await;
    }
}

/// Whether a message in this status is no longer sent.
pub(super) fn is_over(status: &str) -> bool {
    !matches!(status, "queued" | "sending")
}

/// A number as people write it, without blanks, dashes, dots and brackets; the `(0)` of `+41 (0)79` is removed too.
pub(super) fn number(text: &str) -> String {
    let text = text.trim();
    let text = if text.starts_with('+') { text.replace("(0)", "") } else { text.to_owned() };
    let ornament =
        |c: char| c.is_whitespace() || matches!(c, '-' | '‐' | '‑' | '–' | '.' | '/' | '(' | ')' | '[' | ']');
    text.chars().filter(|&c| !ornament(c)).collect()
}

/// An object without the fields that were left out.
pub(super) fn without_nulls(mut body: Value) -> Value {
    if let Value::Object(map) = &mut body {
        map.retain(|_, value| !value.is_null());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_their_blanks_and_brackets() {
        for text in ["+41791234567", " +41 79 123 45 67 ", "+41 (0)79-123.45.67", "+41 [79] 123/4567"] {
            assert_eq!(number(text), "+41791234567", "{text}");
        }
        assert_eq!(number("(079) 123"), "079123");
        assert_eq!(number("+41x"), "+41x");
    }
}
