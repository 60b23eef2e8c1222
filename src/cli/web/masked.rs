//! What a browser gets of the API's answers: nothing that names a person, a SIM or a device.

use gsm_sms::mask;

use crate::api::client::ServerEvent;
use crate::api::wire;

/// From so many digits on, a number in a sentence is masked.
const DIGITS: usize = 7;

/// A modem, without the numbers of the device and its SIM.
pub(super) fn modem(m: wire::Modem) -> wire::Modem {
    let last_error = m.last_error.map(|text| sentence(&text));
    wire::Modem { port: String::new(), imei: String::new(), imsi: None, last_error, ..m }
}

/// A message.
pub(super) fn message(m: wire::Message) -> wire::Message {
    wire::Message { to: mask(&m.to), error: m.error.map(|text| sentence(&text)), ..m }
}

/// A verification, without the notes of its client.
pub(super) fn verification(v: wire::Verification) -> wire::Verification {
    wire::Verification { to: mask(&v.to), metadata: std::collections::BTreeMap::new(), inbound: None, ..v }
}

/// An event in JSON; `None` when it is not understood.
pub(super) fn event(event: &ServerEvent) -> Option<String> {
    if let Ok(gap) = serde_json::from_str::<wire::Gap>(&event.data)
        && gap.r#type == "gap"
    {
        return serde_json::to_string(&gap).ok();
    }
    let told: wire::Event = serde_json::from_str(&event.data).ok()?;
    let masked = wire::Event {
        verification: told.verification.map(verification),
        message: told.message.map(message),
        modem: told.modem.map(modem),
        // Of a received message the page shows that it came.
        inbox: told.inbox.map(|m| wire::InboxMessage { from: mask(&m.from), text: None, data: None, ..m }),
        audit: told.audit.map(|a| {
            let detail = sentence(&a.detail);
            wire::Audit { to: a.to.as_deref().map(mask), detail, ..a }
        }),
        ..told
    };
    serde_json::to_string(&masked).ok()
}

/// A sentence for a person, with every long number in it masked.
pub(super) fn sentence(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let end = begin + rest[begin..].bytes().take_while(u8::is_ascii_digit).count();
        // With the + of its country code.
        let long = end - begin >= DIGITS;
        let begin = if long && rest[..begin].ends_with('+') { begin - 1 } else { begin };
        masked.push_str(&rest[..begin]);
        masked.push_str(&if long { mask(&rest[begin..end]) } else { rest[begin..end].to_owned() });
        rest = &rest[end..];
    }
    masked + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_in_a_sentence_are_masked_and_short_ones_stay() {
        assert_eq!(sentence("+41791234567: CMS 38, again in 120 s"), "+4179*****67: CMS 38, again in 120 s");
        assert_eq!(sentence("1234567 123456, 41791234567"), "12***** 123456, 41791****67");
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn an_event_has_no_whole_number() {
        let told =
            |data: &str| event(&ServerEvent { id: Some(1), name: "x".to_owned(), data: data.to_owned() });
        let data = r#"{"id":1,"type":"message.failed","at":"2026-06-01T00:00:00.000Z","message":{"id":"msg_1",
            "to":"+41791234567","kind":"text","status":"failed","parts":1,"encoding":"gsm7","attempts":1,
            "created_at":"2026-06-01T00:00:00.000Z","error":"no route to 41791234567"}}"#;
        let masked = told(data).unwrap();
        assert!(masked.contains("+4179*****67") && !masked.contains("1791234567"), "{masked}");
        assert_eq!(told(r#"{"type":"gap","missed":3}"#).as_deref(), Some(r#"{"type":"gap","missed":3}"#));
        assert_eq!(told("{}"), None);
    }
}
