//! `key`: how things stand with the secret key, and its replacement.

use clap::Subcommand;

use super::exit::{Exit, Failure};
use super::output::{Format, Session, clean};
use crate::api::client::Call;
use crate::api::wire;

/// What an operator does with the key.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum KeyAction {
    /// How often it was replaced, and whether all is sealed with it.
    Status,
    /// Replace it: the old one goes when all is sealed with the new one.
    Rotate,
}

/// `smsotp key`.
pub(super) async fn key(session: &Session, action: KeyAction) -> Result<Exit, Failure> {
    let call = match action {
        KeyAction::Status => Call::get("/v1/key"),
        KeyAction::Rotate => Call::post("/v1/key/rotate"),
    };
    let reply = session.ask(call).await?;
    session.show(&reply, lines)?;
    Ok(Exit::Done)
}

fn lines(key: &wire::Key, format: Format) -> String {
    let wire::KeyFormer { sealing, codes, events } = key.former;
    let kept = match key.kept.as_str() {
        "state" => "in the state folder".to_owned(),
        "file" => "as secret_key_file".to_owned(),
        "credential" => "as a credential".to_owned(),
        other => clean(other),
    };
    let done = if key.done { "all is sealed with it" } else { "records are being sealed anew" };
    let mut text = format!(
        "kept    {kept}, replaced {} times\nsealed  {done}; {} records anew\n\
         former  {sealing} open records, {codes} check codes, {events} verify events\n",
        key.rotations, key.sealed_anew
    );
    if key.damaged > 0 {
        text.push_str(
            &format.warning(&format!(
                "{} records are damaged: no key opens them; restore a backup\n",
                key.damaged
            )),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_done_and_what_cannot_be() {
        let former = wire::KeyFormer { sealing: 1, codes: 1, events: 2 };
        let mut key =
            wire::Key { rotations: 2, kept: "state".into(), done: false, sealed_anew: 7, damaged: 0, former };
        assert_eq!(
            lines(&key, Format::Plain),
            "kept    in the state folder, replaced 2 times\nsealed  records are being sealed anew; 7 records anew\n\
             former  1 open records, 1 check codes, 2 verify events\n"
        );
        key.damaged = 1;
        assert!(
            lines(&key, Format::Plain)
                .ends_with("1 records are damaged: no key opens them; restore a backup\n")
        );
    }
}
