//! `openapi.json` against what the API answers: every member of every wire type, with its type and its bounds.

use std::collections::{BTreeMap, BTreeSet};

use gsm_modem::{dialogue::Direction, ladder::Rung as R};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use smsotpd::api::{openapi, problem, wire};
use smsotpd::gateway::{InboxView, MessageView, ModemState, QueueView, StatusView};
use smsotpd::inbox::{Content, Sender};
use smsotpd::otp::VerificationStatus as V;
use smsotpd::outbox::{Circuit, Encoding, MessageStatus};
use smsotpd::{clock::Timestamp, gateway::VerificationView, id};

use crate::api_shown::host;
use crate::api_support::NUMBER;

/// Every instant of the samples, which occurs nowhere else in them.
const AT: &str = "2027-01-15T08:00:00.000Z";

/// The description, and the wire types that were compared with it.
struct Held {
    description: Value,
    types: BTreeSet<String>,
}

impl Held {
    /// Compares a wire type with the schema at `pointer`: `full` has every member, `bare` only those that are
    /// always present.
    fn hold<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
        &mut self,
        pointer: &str,
        full: &T,
        bare: &T,
    ) {
        let name = std::any::type_name::<T>().rsplit("::").next().unwrap();
        let schema = self.description.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is not there"));
        let [whole, least] = [full, bare].map(|sample| serde_json::to_value(sample).unwrap());
        assert_eq!(serde_json::from_value::<T>(least.clone()).unwrap(), *bare, "{name}");
        let fits = |sample: &Value| serde_json::from_value::<T>(sample.clone()).is_ok();
        let members = Members { description: &self.description, whole: &whole, fits: &fits };
        members.compare(schema, &whole, Some(&least), name, "");
        self.types.insert(name.to_owned());
    }
}

struct Members<'a> {
    description: &'a Value,
    whole: &'a Value,
    fits: &'a dyn Fn(&Value) -> bool,
}

impl Members<'_> {
    fn compare(&self, schema: &Value, full: &Value, bare: Option<&Value>, name: &str, place: &str) {
        let reference = schema["$ref"].as_str().unwrap_or_default();
        let of_a_number =
            ["#/components/schemas/PhoneNumber", "#/components/schemas/ShownNumber"].contains(&reference);
        assert_eq!(of_a_number, *full == NUMBER, "{name}{place}: a telephone number");
        let schema = resolved(self.description, schema);
        let kind = match full {
            Value::Null => panic!(
                "{name}{place} is null in the sample with all members: give it a value there; and where a member has \
                 none it is left out, never null"
            ),
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        match (schema.get("enum"), schema.get("const")) {
            (Some(words), _) => assert!(words.as_array().unwrap().contains(full), "{name}{place}: {full}"),
            (_, Some(word)) => assert_eq!(word, full, "{name}{place}"),
            _ => assert_eq!(schema["type"], kind, "{name}{place}"),
        }
        assert_eq!(schema["format"] == "date-time", *full == AT, "{name}{place}: a time");
        match full {
            Value::Object(full) => self.compare_members(&schema, full, bare, name, place),
            Value::Array(items) => {
                self.compare(&schema["items"], &items[0], None, name, &format!("{place}/0"));
            }
            Value::Number(number) if !number.is_f64() => {
                let mut negative = self.whole.clone();
                *negative.pointer_mut(place).unwrap() = json!(-1);
                let unsigned = schema["minimum"].as_i64().is_some_and(|least| least >= 0);
                assert_eq!(unsigned, !(self.fits)(&negative), "{name}{place}: the least");
            }
            _ => {}
        }
    }

    fn compare_members(
        &self,
        schema: &Value,
        full: &serde_json::Map<String, Value>,
        bare: Option<&Value>,
        name: &str,
        place: &str,
    ) {
        if schema.get("additionalProperties").is_some() {
            for (key, value) in full {
                let place = format!("{place}/{key}");
                self.compare(&schema["additionalProperties"], value, None, name, &place);
            }
            return;
        }
        let place_of = format!("{name}{place}: ");
        let described = format!("{place_of}the properties of openapi.json");
        let written = format!("{place_of}the wire type");
        same_names(&keys(&schema["properties"]), &described, &full.keys().cloned().collect(), &written);
        if let Some(bare) = bare {
            for (key, value) in bare.as_object().unwrap() {
                assert!(
                    !value.is_null(),
                    "{place_of}{key} is null in the sample without optional members. A member without a value is left \
                     out, never null: #[serde(skip_serializing_if = \"Option::is_none\")] in src/api/wire*.rs"
                );
            }
            let required = format!("{place_of}\"required\" of openapi.json");
            let bare_members = "the sample without optional members";
            same_names(&texts(&schema["required"]), &required, &keys(bare), bare_members);
        }
        for (key, value) in full {
            let bare = bare.and_then(|bare| bare.get(key));
            self.compare(&schema["properties"][key], value, bare, name, &format!("{place}/{key}"));
        }
    }
}

/// The schema that a reference leads to, with the parts of an `allOf` in one.
fn resolved(description: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return resolved(description, description.pointer(&reference[1..]).expect("it leads somewhere"));
    }
    let Some(parts) = schema["allOf"].as_array() else { return schema.clone() };
    let mut whole = json!({"type": "object", "required": [], "properties": {}});
    for part in parts {
        let part = resolved(description, part);
        let required = part["required"].as_array().unwrap().clone();
        whole["required"].as_array_mut().unwrap().extend(required);
        whole["properties"].as_object_mut().unwrap().extend(part["properties"].as_object().unwrap().clone());
    }
    whole
}

/// Asserts that two lists have the same names, and says which are in one alone.
fn same_names(one: &BTreeSet<String>, of_one: &str, other: &BTreeSet<String>, of_other: &str) {
    let alone = |a: &BTreeSet<String>, b| a.difference(b).cloned().collect::<Vec<_>>().join(", ");
    let (only_one, only_other) = (alone(one, other), alone(other, one));
    assert!(one == other, "only in {of_one}: {only_one}; only in {of_other}: {only_other}");
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn verification() -> wire::Verification {
    wire::Verification {
        id: "ver_1".into(),
        service: "default".into(),
        to: NUMBER.into(),
        status: "pending".into(),
        attempts_left: 5,
        created_at: AT.into(),
        expires_at: AT.into(),
        resend_at: AT.into(),
        message: wire::MessageRef { id: "msg_1".into(), status: "queued".into() },
        metadata: BTreeMap::from([("order".to_owned(), "7".to_owned())]),
        mode: Some("inbound".into()),
        inbound: Some(wire::Invitation { token: "CDFG3479".into(), number: NUMBER.into() }),
    }
}

fn message() -> wire::Message {
    wire::Message {
        id: "msg_1".into(),
        to: NUMBER.into(),
        kind: "otp".into(),
        status: "sent".into(),
        parts: 1,
        encoding: "gsm7".into(),
        modem: Some("stick1".into()),
        attempts: 1,
        created_at: AT.into(),
        sent_at: Some(AT.into()),
        delivered_at: Some(AT.into()),
        error: Some("why".into()),
    }
}

fn modem() -> wire::Modem {
    wire::Modem {
        name: "stick1".into(),
        host: Some("attic".into()),
        state: "ready".into(),
        paused: true,
        port: "/dev/ttyUSB0".into(),
        manufacturer: "m".into(),
        model: "m".into(),
        firmware: "f".into(),
        imei: "1".into(),
        imsi: Some("2".into()),
        operator: Some("o".into()),
        registration: "home".into(),
        signal_dbm: Some(-71),
        pin_tries_left: Some(3),
        queue: 1,
        sent_total: 1,
        failed_total: 1,
        parts_today: 1,
        parts_this_month: 1,
        text_parts_left_today: Some(1),
        text_parts_left_this_month: Some(1),
        recipients_this_month: 1,
        health: 100,
        breaker: "closed".into(),
        last_error: Some("why".into()),
        last_error_at: Some(AT.into()),
        counters: wire::Counters::default(),
        rules: Some(wire::ModemRules {
            routes: Some(vec!["+41".into()]),
            max_per_minute: Some(1),
            max_per_day: Some(1),
            max_per_month: Some(1),
            max_recipients_per_month: Some(1),
            reserve: 1,
        }),
        canary: Some(canary()),
    }
}

fn canary() -> wire::Canary {
    wire::Canary {
        to: "stick2".into(),
        at: AT.into(),
        end: "arrived".into(),
        seconds: Some(1.5),
        delivered: Some(true),
    }
}

fn received() -> wire::InboxMessage {
    wire::InboxMessage {
        id: "in_1".into(),
        kind: "text".into(),
        from: "ACME".into(),
        text: Some("x".into()),
        data: Some("0AFF".into()),
        received_at: AT.into(),
        sent_at: Some(AT.into()),
        modem: "stick1".into(),
        parts: 2,
        missing: vec![2],
        class: Some(0),
        ports: Some(wire::Ports { destination: 1, source: 2 }),
        error: Some("why".into()),
    }
}

fn same<T: Clone>(all: T) -> (T, T) {
    (all.clone(), all)
}

fn answer(path: &str) -> String {
    format!("/paths/{path}/responses/200/content/application~1json/schema")
}

fn schema(name: &str) -> String {
    format!("/components/schemas/{name}")
}

fn member(name: &str, member: &str) -> String {
    format!("/components/schemas/{name}/properties/{member}")
}

/// One function for each thing that the API tells of.
impl Held {
    fn verification(&mut self) {
        let full = verification();
        let bare =
            wire::Verification { metadata: BTreeMap::new(), mode: None, inbound: None, ..full.clone() };
        let invitation = full.inbound.clone().unwrap();
        assert!(!format!("{full:?}").contains(&invitation.token));
        self.hold(&member("Verification", "inbound"), &invitation, &invitation);
        self.hold(&schema("Verification"), &full, &bare);
        self.hold(&member("Verification", "message"), &full.message, &bare.message);
        let [full, bare] = [full, bare].map(|verification| wire::Check { approved: true, verification });
        self.hold("/components/responses/Check/content/application~1json/schema", &full, &bare);
        let full = wire::Verifications { verifications: vec![verification()], next_cursor: Some("x".into()) };
        let bare = wire::Verifications { next_cursor: None, ..full.clone() };
        self.hold(&answer("~1v1~1verifications/get"), &full, &bare);
    }

    fn message(&mut self) {
        let full = message();
        let bare = wire::Message { modem: None, sent_at: None, delivered_at: None, error: None, ..message() };
        self.hold(&schema("Message"), &full, &bare);
        let full = wire::Messages { messages: vec![full], next_cursor: Some("x".into()) };
        let bare = wire::Messages { next_cursor: None, ..full.clone() };
        self.hold(&answer("~1v1~1messages/get"), &full, &bare);
    }

    fn received(&mut self) {
        let full = received();
        self.hold(&member("InboxMessage", "ports"), full.ports.as_ref().unwrap(), &full.ports.unwrap());
        let (text, data, sent_at, class, ports, error) = (None, None, None, None, None, None);
        let missing = Vec::new();
        let bare = wire::InboxMessage { text, data, sent_at, class, ports, error, missing, ..received() };
        self.hold(&schema("InboxMessage"), &full, &bare);
        let full = wire::Inbox { messages: vec![full], next_cursor: Some("x".into()) };
        self.hold(&answer("~1v1~1inbox/get"), &full, &wire::Inbox { next_cursor: None, ..full.clone() });
    }

    fn opt_out(&mut self) {
        let full = wire::OptOut { phone: NUMBER.into(), since: AT.into(), message: Some("in_1".into()) };
        self.hold(&schema("OptOut"), &full, &wire::OptOut { message: None, ..full.clone() });
        let full = wire::OptOuts { opt_outs: vec![full], next_cursor: Some("x".into()) };
        self.hold(&answer("~1v1~1opt-outs/get"), &full, &wire::OptOuts { next_cursor: None, ..full.clone() });
    }

    fn modem(&mut self) {
        let full = modem();
        self.hold(&member("Modem", "counters"), &full.counters, &full.counters);
        let bare = wire::ModemRules { reserve: 1, ..wire::ModemRules::default() };
        self.hold(&member("Modem", "rules"), full.rules.as_ref().unwrap(), &bare);
        let sent = canary();
        let bare = wire::Canary { seconds: None, delivered: None, ..sent.clone() };
        self.hold(&schema("Canary"), &sent, &bare);
        let bare = wire::Modem {
            host: None,
            imsi: None,
            operator: None,
            signal_dbm: None,
            pin_tries_left: None,
            last_error: None,
            last_error_at: None,
            text_parts_left_today: None,
            text_parts_left_this_month: None,
            rules: None,
            canary: None,
            ..modem()
        };
        self.hold(&schema("Modem"), &full, &bare);
        let (full, bare) = same(wire::Modems { modems: vec![full] });
        self.hold(&answer("~1v1~1modems/get"), &full, &bare);
        let (full, bare) = same(wire::Ussd { text: "x".into(), open: true });
        self.hold(&answer("~1v1~1modems~1{name}~1ussd/post"), &full, &bare);
        let (full, bare) = same(wire::TraceLine { ago_ms: 1, direction: "in".into(), text: "x".into() });
        let trace = answer("~1v1~1modems~1{name}~1trace/get");
        self.hold(&format!("{trace}/properties/lines/items"), &full, &bare);
        let (full, bare) = same(wire::Trace { lines: vec![full] });
        self.hold(&trace, &full, &bare);
    }

    fn event(&mut self) {
        let recovery = wire::Recovery { rung: "reopen".into(), seconds: 1.5 };
        self.hold(&member("Event", "recovery"), &recovery, &recovery);
        let audit = wire::Audit { to: Some("+4179*****67".into()), detail: "x".into(), count: 1 };
        self.hold(&member("Event", "audit"), &audit, &wire::Audit { to: None, ..audit.clone() });
        let full = wire::Event {
            id: 1,
            r#type: "message.sent".into(),
            at: AT.into(),
            client: Some("web".into()),
            audit: Some(audit),
            verification: Some(verification()),
            message: Some(message()),
            modem: Some(modem()),
            recovery: Some(recovery),
            inbox: Some(received()),
        };
        let bare = wire::Event {
            client: None,
            audit: None,
            verification: None,
            message: None,
            modem: None,
            recovery: None,
            inbox: None,
            ..full.clone()
        };
        self.hold(&schema("Event"), &full, &bare);
        let full = wire::Gap { r#type: "gap".into(), missed: Some(1) };
        self.hold(&schema("Gap"), &full, &wire::Gap { missed: None, ..full.clone() });
        let full = wire::Trail { whole: false, first: 1, last: 2, hash: "x".into(), fault: Some("x".into()) };
        self.hold(&schema("Trail"), &full, &wire::Trail { fault: None, ..full.clone() });
    }

    fn limits(&mut self) {
        let window = wire::LimitWindow { name: "x".to_owned(), used: 1, limit: 3, resets_at: AT.into() };
        let items = "/components/schemas/Limits/properties/windows/items";
        self.hold(items, &window, &window);
        let full = wire::Limits {
            would: "refuse".into(),
            code: Some("x".to_owned()),
            detail: Some("x".to_owned()),
            windows: vec![window],
        };
        let bare = wire::Limits { code: None, detail: None, ..full.clone() };
        self.hold(&schema("Limits"), &full, &bare);
    }

    fn status(&mut self) {
        let (full, bare) = same(wire::QueueDepths { otp: 1, text: 1, delayed: 1, sending: 1 });
        self.hold("/components/schemas/Status/properties/queue", &full, &bare);
        let modems = BTreeMap::from([("total".to_owned(), 1)]);
        let test_numbers = vec!["+4477******00".to_owned()];
        let full = wire::Status {
            version: "1".into(),
            uptime_s: 1,
            queue: full,
            modems,
            may: vec!["read".into()],
            disk_full: true,
            clock: Some("x".into()),
            test_numbers,
        };
        let bare = wire::Status { disk_full: false, clock: None, test_numbers: vec![], ..full.clone() };
        self.hold("/components/schemas/Status", &full, &bare);
    }

    fn key(&mut self) {
        let former = wire::KeyFormer { sealing: 1, codes: 1, events: 1 };
        self.hold("/components/schemas/Key/properties/former", &former, &former);
        let kept = "state".to_owned();
        let full = wire::Key { rotations: 1, kept, done: true, sealed_anew: 1, damaged: 1, former };
        self.hold("/components/schemas/Key", &full, &full);
        let mut hosts = wire::Hosts::from(&[host("attic", false).unwrap()][..]);
        hosts.hosts[0].seen_at = AT.into();
        self.hold(&schema("Host"), &hosts.hosts[0], &hosts.hosts[0]);
        self.hold(&answer("~1v1~1hosts/get"), &hosts, &hosts);
        let log = wire::Log { filter: "x".to_owned() };
        self.hold("/components/schemas/Log", &log, &log);
    }
    fn problem(&mut self) {
        let text = || "x".to_owned();
        let full = wire::Problem {
            r#type: text(),
            title: text(),
            status: 404,
            detail: text(),
            code: "not_found".into(),
            verification: Some(text()),
        };
        self.hold(&schema("Problem"), &full, &wire::Problem { verification: None, ..full.clone() });
    }
}

#[test]
fn every_member_of_every_answer_is_described() {
    let description = serde_json::from_str(&openapi()).unwrap();
    let mut held = Held { description, types: BTreeSet::new() };
    held.verification();
    held.message();
    held.received();
    held.opt_out();
    held.modem();
    held.event();
    held.limits();
    held.status();
    held.key();
    held.problem();
    let sources = [
        include_str!("../../src/api/wire.rs"),
        include_str!("../../src/api/wire_operator.rs"),
        include_str!("../../src/api/wire_modem.rs"),
    ];
    let types = sources
        .into_iter()
        .flat_map(str::lines)
        .filter_map(|line| line.strip_prefix("pub struct ")?.strip_suffix(" {"));
    same_names(
        &types.map(str::to_owned).collect(),
        "src/api/wire*.rs",
        &held.types,
        "what this test compares",
    );
}

/// A member that the wire type always writes, and the description promises no more than sometimes, and so on: the failure
/// says which member it is and what to do.
#[test]
fn a_failure_names_the_member_and_what_to_do() {
    let failure = |least: Value| {
        let description =
            json!({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]});
        let whole = json!({"a": "x", "b": "y"});
        let members = Members { description: &json!({}), whole: &whole, fits: &|_| true };
        let compare =
            || members.compare_members(&description, whole.as_object().unwrap(), Some(&least), "T", "");
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(compare)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    let told = failure(json!({"a": "x", "b": null}));
    assert!(told.contains("T: b is null in the sample without optional members"), "{told}");
    assert!(told.contains("skip_serializing_if"), "{told}");
    let told = failure(json!({"a": "x", "b": "y"}));
    assert!(told.contains("only in the sample without optional members: b"), "{told}");
}

#[test]
fn the_words_of_the_description_are_those_of_the_daemon() {
    let description: Value = serde_json::from_str(&openapi()).unwrap();
    let at = Timestamp::from_millis(1);
    let view = |status| VerificationView {
        id: id::VerificationId::first_at(smsotpd::clock::Now::agreed(at).steady()),
        client: None,
        service: String::new(),
        to: NUMBER.parse().unwrap(),
        status,
        attempts_left: 1,
        created_at: at,
        expires_at: at,
        resend_at: at,
        message: (id::MessageId::first_at(smsotpd::clock::Now::agreed(at).steady()), MessageStatus::Queued),
        metadata: BTreeMap::new(),
        inbound: false,
        invitation: None,
    };
    let verification = [V::Pending, V::Approved, V::Expired, V::Cancelled, V::Exhausted]
        .map(|status| wire::Verification::from(&view(status)).status);
    let message = |otp, encoding| {
        wire::Message::from(&MessageView {
            id: id::MessageId::first_at(smsotpd::clock::Now::agreed(at).steady()),
            client: None,
            to: NUMBER.parse().unwrap(),
            otp,
            service: None,
            status: MessageStatus::Queued,
            parts: 1,
            encoding,
            modem: None,
            attempts: 0,
            created_at: at,
            sent_at: None,
            delivered_at: None,
            error: None,
        })
    };
    let messages = [message(true, Encoding::Gsm7), message(false, Encoding::Ucs2)];
    let received = [Content::Text, Content::Data, Content::Unreadable("why".to_owned())].map(|content| {
        wire::InboxMessage::from(&InboxView {
            id: id::InboxId::first_at(smsotpd::clock::Now::agreed(at).steady()),
            from: Sender::new("ACME".to_owned()),
            modem: String::new(),
            received_at: at,
            sent_at: None,
            parts: 1,
            missing: Vec::new(),
            content,
            class: None,
            ports: None,
            text: None,
            data: None,
        })
    });
    let queue = QueueView::default();
    let modems = vec![(ModemState::Ready, 1)];
    let (uptime, test_numbers) = (std::time::Duration::ZERO, vec![]);
    let status = StatusView { uptime, queue, modems, disk_full: false, clock: None, test_numbers };
    let of_modems = wire::Status::from(&status).modems.into_keys().filter(|state| state != "total");
    let rungs = [R::Resync, R::Reopen, R::Radio, R::Restart, R::Reauthorise, R::PowerCycle].map(R::as_str);
    let circuits = [
        Circuit::Closed,
        Circuit::Open { until: smsotpd::clock::Now::agreed(at).steady() },
        Circuit::HalfOpen,
    ]
    .map(Circuit::as_str);
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    for (place, words) in [
        ("VerificationStatus", verification.into()),
        ("Message/properties/kind", messages.iter().map(|m| m.kind.clone()).collect()),
        ("Message/properties/encoding", messages.iter().map(|m| m.encoding.clone()).collect()),
        ("InboxMessage/properties/kind", received.map(|m| m.kind).into()),
        ("MessageStatus", owned(&MessageStatus::ALL.map(MessageStatus::as_str))),
        ("Modem/properties/state", of_modems.collect()),
        ("Modem/properties/breaker", owned(&circuits)),
        ("Event/properties/recovery/properties/rung", owned(&rungs)),
        ("Problem/properties/code", problem::CODES.iter().map(|(code, _)| (*code).to_owned()).collect()),
    ] {
        let described = &description["components"]["schemas"].pointer(&format!("/{place}/enum")).unwrap();
        assert_eq!(texts(described), words, "{place}");
        assert_eq!(described.as_array().unwrap().len(), words.len(), "{place}: no word occurs twice");
    }
    let lines = "/paths/~1v1~1modems~1{name}~1trace/get/responses/200/content/application~1json/schema/properties/lines";
    let ways = [Direction::In, Direction::Out, Direction::Note].map(Direction::as_str);
    let described = description.pointer(&format!("{lines}/items/properties/direction/enum")).unwrap();
    assert_eq!(texts(described), owned(&ways));
}
