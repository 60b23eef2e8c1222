//! Recorded and published PDUs: what each reads as, and that it is written back octet for octet.
//!
//! `tests/data/pdu/*.jsonl`: one case in each line, with its public source.

use std::time::Duration;

use gsm_sms::{
    Address, Alphabet, Decoded, Direction, Element, EncodingChoice, Framing, Language, Reference,
    ShiftTables, Strictness, Submission, Tpdu, ValidityPeriod,
};
use serde_json::{Value, json};

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/data/pdu/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

fn hex(octets: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap().to_ascii_uppercase();
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 0x0f)]).collect()
}

fn direction(case: &Value) -> Direction {
    match case["direction"].as_str() {
        Some("mo") => Direction::Mo,
        Some("mt") => Direction::Mt,
        other => panic!("{other:?}"),
    }
}

fn framing(case: &Value) -> Framing {
    if case["smsc"].as_bool().unwrap() { Framing::SmscFirst } else { Framing::TpduOnly }
}

fn read(case: &Value, octets: &[u8], strictness: Strictness) -> Result<Decoded, gsm_sms::SmsError> {
    gsm_sms::decode(octets, direction(case), framing(case), strictness)
}

/// What was read, with the names of the data files.
fn facts(decoded: &Decoded, length: usize, shift: Option<&Value>) -> Value {
    let mut facts = json!({"type": decoded.tpdu.name(), "length": length});
    let mut set = |key: &str, value: Value| facts[key] = value;
    if let Some(center) = decoded.smsc.filter(|center| !center.is_empty()) {
        set("center", json!(center.to_string()));
    }
    if !decoded.excess.is_empty() && decoded.excess.iter().any(|octet| *octet != 0xff) {
        set("excess", json!(decoded.excess.len()));
    }
    let address = match &decoded.tpdu {
        Tpdu::Submit(submit) => {
            set("reference", json!(submit.message_reference));
            set("pid", json!(submit.protocol.0));
            set("dcs", json!(submit.coding.0));
            if let Some(class) = submit.coding.class() {
                set("class", json!(class.number()));
            }
            match submit.validity {
                ValidityPeriod::Absent => {}
                ValidityPeriod::Relative(span) => {
                    set("validity_minutes", json!(span.span().as_secs() / 60));
                }
                ValidityPeriod::Absolute(until) => set("valid_until", json!(until.to_string())),
                ValidityPeriod::Enhanced(_) => {
                    set("validity_seconds", json!(submit.validity.span().unwrap().as_secs()));
                }
            }
            submit.destination
        }
        Tpdu::Deliver(deliver) => {
            set("pid", json!(deliver.protocol.0));
            set("dcs", json!(deliver.coding.0));
            if let Some(class) = deliver.coding.class() {
                set("class", json!(class.number()));
            }
            set("timestamp", json!(deliver.timestamp.to_string()));
            deliver.originator
        }
        Tpdu::StatusReport(report) => {
            set("reference", json!(report.message_reference));
            set("timestamp", json!(report.timestamp.to_string()));
            set("discharge_time", json!(report.discharge_time.to_string()));
            set("status", json!(report.status.0));
            report.recipient
        }
        other => panic!("{}", other.name()),
    };
    set("address", json!(address.to_string()));
    set("address_type", json!(address.type_octet()));
    let Some(user_data) = decoded.tpdu.user_data() else { return facts };
    let text = match shift {
        Some(shift) => {
            let language =
                |key: &str| Language::from_identifier(u8::try_from(shift[key].as_u64().unwrap()).unwrap());
            set("shift", shift.clone());
            user_data.to_text_with(ShiftTables { locking: language("locking"), single: language("single") })
        }
        None => user_data.to_text(),
    };
    if let Some(text) = text {
        set("text", json!(text));
    }
    if user_data.alphabet() == Alphabet::Data {
        set("data", json!(hex(user_data.body())));
    }
    set(
        "encoding",
        json!(match user_data.alphabet() {
            Alphabet::Gsm7 => "gsm7",
            Alphabet::Data => "8bit",
            Alphabet::Ucs2 => "ucs2",
        }),
    );
    if let Some(concat) = user_data.header().concatenation() {
        let bits = if matches!(concat.reference, Reference::Eight(_)) { 8 } else { 16 };
        let reference = concat.reference.number();
        set(
            "concat",
            json!({"reference": reference, "total": concat.total, "sequence": concat.sequence, "bits": bits}),
        );
    }
    if let Some((destination, source)) = user_data.header().ports() {
        set("ports", json!({"destination": destination, "source": source}));
    }
    facts
}

#[test]
fn recorded_ones_read_as_their_sources_say_and_write_back() {
    let mut seen = 0;
    for case in cases("recorded.jsonl") {
        let octets = octets(case["pdu"].as_str().unwrap()).unwrap();
        let decoded =
            read(&case, &octets, Strictness::Strict).unwrap_or_else(|error| panic!("{error}\n{case}"));
        let smsc_octets = if case["smsc"].as_bool().unwrap() { 1 + usize::from(octets[0]) } else { 0 };
        let facts = facts(&decoded, octets.len() - smsc_octets, case["reads"].get("shift"));
        assert_eq!(facts, case["reads"], "{case}");
        assert!(decoded.leniencies.is_empty());

        let mut written = if case["smsc"].as_bool().unwrap() {
            decoded.tpdu.encode_with_smsc(decoded.smsc.as_ref()).unwrap()
        } else {
            decoded.tpdu.encode().unwrap()
        };
        written.extend(&decoded.excess);
        assert_eq!(written, octets, "{case}");

        let lenient = read(&case, &octets, Strictness::Lenient).unwrap();
        assert_eq!(lenient, decoded, "{case}");
        seen += 1;
    }
    assert!(seen > 100);
}

#[test]
fn plain_submits_are_composed_to_the_same_octets() {
    let mut same = 0;
    for case in cases("recorded.jsonl") {
        let octets = octets(case["pdu"].as_str().unwrap()).unwrap();
        let decoded = read(&case, &octets, Strictness::Strict).unwrap();
        let Tpdu::Submit(submit) = &decoded.tpdu else { continue };
        let text = submit.user_data.to_text();
        let (to, smsc) = (submit.destination.to_string(), decoded.smsc.map(|smsc| smsc.to_string()));
        // A submission cannot express these, or another sender wrote them in another way.
        if to.is_empty()
            || !matches!(submit.destination.type_octet(), 0x81 | 0x91)
            || smsc.as_deref() == Some("")
            || decoded.smsc.is_some_and(|smsc| !matches!(smsc.type_octet(), 0x81 | 0x91))
            || submit.first_octet.reply_path()
            || submit.user_data.has_header()
            || !matches!(submit.coding.0, 0x00 | 0x08 | 0x10)
            || matches!(submit.validity, ValidityPeriod::Absolute(_) | ValidityPeriod::Enhanced(_))
            || submit.protocol.0 != 0
            || !case["smsc"].as_bool().unwrap()
        {
            continue;
        }
        let text = text.unwrap();
        let ucs2 = submit.coding.0 == 0x08;
        let mut submission = Submission::new(&to, &text)
            .with_status_report(submit.first_octet.status_report())
            .with_message_reference(submit.message_reference)
            .with_reject_duplicates(submit.first_octet.rejects_duplicates())
            .with_encoding(if ucs2 { EncodingChoice::Ucs2 } else { EncodingChoice::Gsm7 });
        submission.class = submit.coding.class();
        submission.validity = submit.validity.span();
        submission.smsc = smsc.as_deref();
        let composed = gsm_sms::compose(&submission).unwrap();
        assert_eq!(composed.parts.len(), 1);
        assert_eq!(composed.parts[0].pdu, octets, "{case}");
        assert_eq!(json!(composed.parts[0].length), case["reads"]["length"]);
        same += 1;
    }
    assert!(same >= 20, "{same}");
}

#[test]
fn lenient_mode_says_what_it_overlooked() {
    for case in cases("lenient.jsonl") {
        let octets = octets(case["pdu"].as_str().unwrap()).unwrap();
        let error = read(&case, &octets, Strictness::Strict).unwrap_err();
        let decoded = read(&case, &octets, Strictness::Lenient).unwrap();
        let said: Vec<_> = decoded.leniencies.iter().map(ToString::to_string).collect();
        assert_eq!(json!(said), case["leniencies"], "{case}");
        assert_eq!(said[0], error.to_string());
        assert_eq!(json!(decoded.to_text()), case["text"], "{case}");
        assert_eq!(decoded.tpdu.encode_with_smsc(decoded.smsc.as_ref()).unwrap(), octets);
    }
}

/// A DELIVER around an originator.
fn deliver(originator: &[u8], time: &[u8]) -> Vec<u8> {
    [&[0x04], originator, &[0, 0], time, &[0]].concat()
}

fn mt(octets: &[u8]) -> Tpdu {
    gsm_sms::decode(octets, Direction::Mt, Framing::TpduOnly, Strictness::Strict).unwrap().tpdu
}

fn mo(octets: &[u8]) -> Tpdu {
    gsm_sms::decode(octets, Direction::Mo, Framing::TpduOnly, Strictness::Strict).unwrap().tpdu
}

#[test]
fn single_fields() {
    const TIME: [u8; 7] = [0x62, 0x21, 0x12, 0x21, 0x25, 0, 0x80];
    for case in cases("elements.jsonl") {
        let octets = octets(case["hex"].as_str().unwrap()).unwrap();
        match case["kind"].as_str().unwrap() {
            "address" => {
                let Tpdu::Deliver(read) = mt(&deliver(&octets, &TIME)) else { panic!() };
                assert_eq!(read.originator.to_string(), case["number"], "{case}");
                let number = case["number"].as_str().unwrap();
                let written = match read.originator.type_octet() {
                    0x91 | 0x81 => Address::number(number).unwrap(),
                    0xd0 => Address::alphanumeric(number).unwrap(),
                    _ => continue,
                };
                assert_eq!(written, read.originator);
            }
            "smsc" => {
                let whole = [&octets[..], &deliver(b"\x01\x91\xf1", &TIME)].concat();
                let read =
                    gsm_sms::decode(&whole, Direction::Mt, Framing::SmscFirst, Strictness::Strict).unwrap();
                assert_eq!(read.smsc.unwrap().to_string(), case["number"]);
                assert_eq!(read.tpdu.encode_with_smsc(read.smsc.as_ref()).unwrap(), whole);
            }
            "timestamp" => {
                let Tpdu::Deliver(read) = mt(&deliver(b"\x01\x91\xf1", &octets)) else { panic!() };
                assert_eq!(read.timestamp.to_string(), case["time"]);
            }
            "vp-relative" => {
                let whole = [&b"\x11\x00\x01\x91\xf1\0\0"[..], &octets, b"\0"].concat();
                let Tpdu::Submit(read) = mo(&whole) else { panic!() };
                let span = Duration::from_secs(case["minutes"].as_u64().unwrap() * 60);
                assert_eq!(read.validity.span(), Some(span));
                assert_eq!(ValidityPeriod::Relative(gsm_sms::RelativeValidity::at_most(span)), read.validity);
            }
            "udh-ie" => {
                let length = u8::try_from(octets.len()).unwrap();
                let whole = [&b"\x41\x00\x01\x91\xf1\0\x04"[..], &[length + 1, length], &octets[..]].concat();
                let Tpdu::Submit(read) = mo(&whole) else { panic!() };
                let element = read.user_data.header().elements().next().unwrap();
                match element {
                    Element::Concatenation(concat) => {
                        assert_eq!(concat.reference, Reference::Eight(23));
                        assert_eq!(
                            json!([concat.total, concat.sequence]),
                            json!([case["total"], case["seq"]])
                        );
                    }
                    Element::Ports16 { destination, source } => {
                        assert_eq!(json!([destination, source]), json!([case["dst_port"], case["src_port"]]));
                    }
                    other => panic!("{other:?}"),
                }
            }
            "gsm7-packed" => {
                let text = case["text"].as_str().unwrap();
                let composed = gsm_sms::compose(&Submission::new("+1", text)).unwrap();
                let pdu = &composed.parts[0].pdu;
                assert!(pdu.ends_with(&octets), "{case}");
                let read =
                    gsm_sms::decode(pdu, Direction::Mo, Framing::SmscFirst, Strictness::Strict).unwrap();
                assert_eq!(read.to_text().as_deref(), Some(text));
            }
            other => panic!("{other}"),
        }
    }
}
