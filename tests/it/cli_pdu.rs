//! Octets that are not a message, as `smsotp pdu decode` reports them: the field, the octet, the reason.

use std::io::Write as _;

use serde_json::{Value, json};

use smsotpd::cli::pdu::{Work, run};

/// The published cases of the codec, one in each line.
fn cases() -> Vec<Value> {
    let path = format!("{}/crates/gsm-sms/tests/data/pdu/refused.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn broken_ones_are_refused_with_field_and_octet() {
    let mut input = Vec::new();
    let cases = cases();
    for case in &cases {
        let line = json!({"pdu": case["pdu"], "direction": case["direction"], "smsc": case["smsc"]});
        writeln!(input, "{line}").unwrap();
    }
    let mut output = Vec::new();
    run(Work::Decode, input.as_slice(), &mut output).unwrap();
    let answers = String::from_utf8(output).unwrap();
    assert_eq!(answers.lines().count(), cases.len());
    for (case, answer) in cases.iter().zip(answers.lines()) {
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert_eq!(answer, json!({"error": case["error"]}), "{case}");
    }
}
