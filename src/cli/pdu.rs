//! `smsotp pdu encode` and `smsotp pdu decode`: a line of JSON for each line of JSON.
//!
//! A line that cannot be processed gives `{"error": …}`, and the next one follows. One line is held at a
//! time, and no line longer than a mebibyte.

use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::hex;
use gsm_sms::{
    Address, Alphabet, Direction, EncodingChoice, Framing, Language, MessageClass, ShiftChoice, Strictness,
    Submission, Tpdu, UserData, ValidityPeriod,
};

/// The longest line: a text of 255 parts with every character escaped is a third of it.
const MOST_OCTETS: u64 = 1 << 20;

/// The work for each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// `{"to", "text", …}` to `{"encoding", "parts"}`.
    Encode,
    /// `{"pdu", "direction", …}` to `{"type", …}`.
    Decode,
}

/// Does the work for each line of `input`; blank lines are skipped. Every answer is flushed.
///
/// ```
/// use smsotpd::cli::pdu::{Work, run};
///
/// let mut output = Vec::new();
/// let input = br#"{"to": "+27820001111", "text": "Hello World!"}"#;
/// run(Work::Encode, &input[..], &mut output)?;
/// assert_eq!(
///     String::from_utf8_lossy(&output).trim_end(),
///     r#"{"encoding":"gsm7","parts":[{"pdu":"0001000B917228001011F100000CC8329BFD065DDF72363904","length":24}]}"#
/// );
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn run(work: Work, mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(MOST_OCTETS).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == MOST_OCTETS {
            skip_line(&mut input)?;
            answer(&mut output, &Err::<Encoded, _>("the line is longer than a mebibyte".to_owned()))?;
            continue;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match work {
            Work::Encode => answer(&mut output, &encode(&line))?,
            Work::Decode => answer(&mut output, &decode(&line))?,
        }
    }
}

/// Skips the rest of a line.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let (end, found) = match buffer.iter().position(|octet| *octet == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), false),
        };
        input.consume(end);
        if found {
            return Ok(());
        }
    }
}

fn answer<T: Serialize>(output: &mut impl Write, result: &Result<T, String>) -> io::Result<()> {
    #[derive(Serialize)]
    struct Failed<'a> {
        error: &'a str,
    }
    match result {
        Ok(value) => serde_json::to_writer(&mut *output, value)?,
        Err(error) => serde_json::to_writer(&mut *output, &Failed { error })?,
    }
    output.write_all(b"\n")?;
    output.flush()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object such as {\"to\": \"+41791234567\", \"text\": \"Hello\"}")]
struct EncodeLine {
    to: String,
    text: String,
    #[serde(default)]
    flash: bool,
    #[serde(default)]
    report: bool,
    valid_for_s: Option<u64>,
    smsc: Option<String>,
    #[serde(default)]
    reference: u8,
    concat_reference: Option<u8>,
    #[serde(default)]
    reject_duplicates: bool,
    #[serde(default)]
    encoding: EncodingName,
    language: Option<String>,
    #[serde(default)]
    transliterate: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum EncodingName {
    #[default]
    Auto,
    Gsm7,
    Ucs2,
}

#[derive(Serialize)]
struct Encoded {
    encoding: &'static str,
    parts: Vec<EncodedPart>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Changed>,
}

#[derive(Serialize)]
struct EncodedPart {
    pdu: String,
    length: usize,
}

#[derive(Serialize)]
struct Changed {
    position: usize,
    from: char,
    to: &'static str,
}

fn encode(line: &[u8]) -> Result<Encoded, String> {
    let line: EncodeLine = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let shift = match line.language.as_deref() {
        None => ShiftChoice::Never,
        Some("any") => ShiftChoice::Any,
        Some(name) => {
            let unknown = || format!("language: no shift tables for {name:?}; try tr, es, pt, hi or any");
            ShiftChoice::Language(Language::from_name(name).ok_or_else(unknown)?)
        }
    };
    let (text, changes) =
        if line.transliterate { gsm_sms::transliterate(&line.text) } else { (line.text, Vec::new()) };
    let encoding = match line.encoding {
        EncodingName::Auto => EncodingChoice::Auto,
        EncodingName::Gsm7 => EncodingChoice::Gsm7,
        EncodingName::Ucs2 => EncodingChoice::Ucs2,
    };
    let mut submission = Submission::new(&line.to, &text)
        .with_status_report(line.report)
        .with_message_reference(line.reference)
        .with_concatenation_reference(line.concat_reference.unwrap_or(line.reference))
        .with_reject_duplicates(line.reject_duplicates)
        .with_encoding(encoding)
        .with_shift(shift);
    submission.class = line.flash.then_some(MessageClass::Flash);
    submission.validity = line.valid_for_s.map(Duration::from_secs);
    submission.smsc = line.smsc.as_deref();
    let composed = gsm_sms::compose(&submission).map_err(|e| e.to_string())?;
    Ok(Encoded {
        encoding: composed.encoding.as_str(),
        parts: composed
            .parts
            .iter()
            .map(|part| EncodedPart { pdu: hex::encode(&part.pdu), length: part.length })
            .collect(),
        changes: changes
            .iter()
            .map(|change| Changed { position: change.position, from: change.from, to: change.to })
            .collect(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object such as {\"pdu\": \"07911497…\", \"direction\": \"mt\"}")]
struct DecodeLine {
    pdu: String,
    direction: DirectionName,
    #[serde(default = "yes")]
    smsc: bool,
    #[serde(default)]
    lenient: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum DirectionName {
    Mo,
    Mt,
}

#[derive(Serialize, Default)]
struct Decoded {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    smsc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_for_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discharge_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_meaning: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_meaning: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_number: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concat: Option<Concat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<Ports>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dcs: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    excess: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leniencies: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Concat {
    reference: u16,
    total: u8,
    sequence: u8,
}

#[derive(Serialize)]
struct Ports {
    destination: u16,
    source: u16,
}

fn decode(line: &[u8]) -> Result<Decoded, String> {
    let line: DecodeLine = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let octets = from_hex(&line.pdu)?;
    let direction = match line.direction {
        DirectionName::Mo => Direction::Mo,
        DirectionName::Mt => Direction::Mt,
    };
    let strictness = if line.lenient { Strictness::Lenient } else { Strictness::Strict };
    let framing = if line.smsc { Framing::SmscFirst } else { Framing::TpduOnly };
    let read = gsm_sms::decode(&octets, direction, framing, strictness).map_err(|e| e.to_string())?;
    let mut decoded = Decoded {
        r#type: read.tpdu.name(),
        smsc: read.smsc.as_ref().and_then(number),
        excess: (!read.excess.is_empty()).then(|| hex::encode(&read.excess)),
        leniencies: line.lenient.then(|| read.leniencies.iter().map(ToString::to_string).collect()),
        ..Decoded::default()
    };
    describe(&read.tpdu, &mut decoded);
    if let Some(user_data) = read.tpdu.user_data() {
        describe_user_data(user_data, &mut decoded);
    }
    Ok(decoded)
}

fn describe(tpdu: &Tpdu, decoded: &mut Decoded) {
    match tpdu {
        Tpdu::Submit(submit) => {
            decoded.to = number(&submit.destination);
            decoded.reference = Some(submit.message_reference);
            decoded.class = submit.coding.class().map(MessageClass::number);
            decoded.report = Some(submit.first_octet.status_report());
            (decoded.pid, decoded.dcs) = (Some(submit.protocol.0), Some(submit.coding.0));
            decoded.valid_for_s = submit.validity.span().map(|span| span.as_secs());
            if let ValidityPeriod::Absolute(until) = &submit.validity {
                decoded.valid_until = Some(until.to_string());
            }
        }
        Tpdu::Deliver(deliver) => {
            decoded.from = number(&deliver.originator);
            decoded.class = deliver.coding.class().map(MessageClass::number);
            (decoded.pid, decoded.dcs) = (Some(deliver.protocol.0), Some(deliver.coding.0));
            decoded.timestamp = Some(deliver.timestamp.to_string());
        }
        Tpdu::StatusReport(report) => {
            decoded.to = number(&report.recipient);
            decoded.reference = Some(report.message_reference);
            decoded.timestamp = Some(report.timestamp.to_string());
            decoded.discharge_time = Some(report.discharge_time.to_string());
            decoded.status = Some(report.status.0);
            decoded.status_meaning = Some(report.status.meaning());
            describe_parameters(&report.parameters, decoded);
        }
        Tpdu::SubmitReport(report) => {
            decoded.timestamp = Some(report.timestamp.to_string());
            decoded.failure = report.failure.map(|cause| cause.0);
            decoded.failure_meaning = report.failure.map(gsm_sms::FailureCause::meaning);
            describe_parameters(&report.parameters, decoded);
        }
        Tpdu::DeliverReport(report) => {
            decoded.failure = report.failure.map(|cause| cause.0);
            decoded.failure_meaning = report.failure.map(gsm_sms::FailureCause::meaning);
            describe_parameters(&report.parameters, decoded);
        }
        Tpdu::Command(command) => {
            decoded.to = number(&command.destination);
            decoded.reference = Some(command.message_reference);
            decoded.command = Some(command.command.0);
            decoded.message_number = Some(command.message_number);
            decoded.report = Some(command.first_octet.status_report());
            decoded.pid = Some(command.protocol.0);
            decoded.data = (!command.data.is_empty()).then(|| hex::encode(&command.data));
        }
    }
}

fn describe_parameters(parameters: &gsm_sms::Parameters, decoded: &mut Decoded) {
    decoded.pid = parameters.protocol.map(|protocol| protocol.0);
    decoded.dcs = parameters.coding.map(|coding| coding.0);
    decoded.class = parameters.coding.and_then(gsm_sms::DataCodingScheme::class).map(MessageClass::number);
}

fn describe_user_data(user_data: &UserData, decoded: &mut Decoded) {
    decoded.encoding = Some(match user_data.alphabet() {
        Alphabet::Gsm7 => "gsm7",
        Alphabet::Data => "8bit",
        Alphabet::Ucs2 => "ucs2",
    });
    match user_data.to_text() {
        Some(text) => decoded.text = Some(text),
        None => decoded.data = Some(hex::encode(user_data.body())),
    }
    let header = user_data.header();
    decoded.concat = header.concatenation().map(|concat| Concat {
        reference: concat.reference.number(),
        total: concat.total,
        sequence: concat.sequence,
    });
    decoded.ports = header.ports().map(|(destination, source)| Ports { destination, source });
}

/// The number or name, unless it is empty.
fn number(address: &Address) -> Option<String> {
    (!address.is_empty()).then(|| address.to_string())
}

fn from_hex(digits: &str) -> Result<Vec<u8>, String> {
    let mut octets = vec![0; digits.len() / 2];
    let fault = |at: usize| {
        let is_end = at == digits.len() - digits.len() % 2;
        let what = if is_end {
            "half an octet at the end"
        } else {
            &format!("character {at} is not a hexadecimal digit")
        };
        format!("pdu at octet {}: {what}", at / 2)
    };
    hex::decode(digits.as_bytes(), &mut octets).map_err(fault)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn lines(work: Work, input: &str) -> Vec<Value> {
        let mut output = Vec::new();
        run(work, input.as_bytes(), &mut output).unwrap();
        String::from_utf8(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn one(work: Work, input: &Value) -> Value {
        let mut answers = lines(work, &input.to_string());
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }

    #[test]
    fn a_bad_line_does_not_stop_the_next() {
        let input = concat!(
            "{\"to\": \"+41791234567\"}\n\n",
            "not json\n",
            "5\n",
            "{\"to\": \"+41791234567\", \"text\": \"a\", \"colour\": 1}\n",
            "{\"to\": \"\", \"text\": \"a\"}\n",
            "{\"to\": \"1\", \"text\": \"a\", \"reference\": 256}\n",
            "{\"to\": \"1\", \"text\": \"\u{42f}\", \"encoding\": \"gsm7\"}\n",
            "{\"to\": \"1\", \"text\": \"a\", \"language\": \"tlh\"}\n",
            "{\"to\": \"1\", \"text\": \"a\"}",
        );
        let answers = lines(Work::Encode, input);
        assert_eq!(answers.len(), 9);
        for (answer, part) in answers.iter().zip([
            "missing",
            "expected",
            "an object such as",
            "colour",
            "to",
            "256",
            "text",
            "tlh",
        ]) {
            assert!(answer["error"].as_str().unwrap().contains(part), "{answer}");
        }
        assert_eq!(answers[8]["parts"][0]["length"], 9);
    }

    #[test]
    fn a_line_without_end_is_refused_and_passed_over() {
        let long = "x".repeat(3 << 20);
        let answers = lines(Work::Encode, &format!("{long}\n{{\"to\": \"1\", \"text\": \"a\"}}\n{long}"));
        assert_eq!(answers.len(), 3);
        assert!(answers[0]["error"].is_string() && answers[1]["parts"].is_array());
        assert!(answers[2]["error"].is_string());
    }

    #[test]
    fn every_option_reaches_the_pdu() {
        let encoded = one(
            Work::Encode,
            &json!({"to": "*100#", "text": "я".repeat(80), "flash": true, "report": true, "valid_for_s": 3600,
                "smsc": "+358405202000", "reference": 255, "encoding": "auto"}),
        );
        assert_eq!(
            (&encoded["encoding"], encoded["parts"].as_array().map(Vec::len)),
            (&json!("ucs2"), Some(2))
        );
        let second = one(
            Work::Decode,
            &json!({"pdu": encoded["parts"][1]["pdu"].as_str().unwrap().to_lowercase(), "direction": "mo"}),
        );
        assert_eq!(
            second,
            json!({"type": "submit", "smsc": "+358405202000", "to": "*100#", "reference": 0, "class": 0,
                "text": "я".repeat(13), "encoding": "ucs2", "valid_for_s": 3600, "report": true, "pid": 0,
                "dcs": 24, "concat": {"reference": 255, "total": 2, "sequence": 2}})
        );
    }

    #[test]
    fn language_and_transliteration() {
        let text = "ğ".repeat(100);
        let named = json!({"to": "1", "text": text, "language": "tr"});
        let encoded = one(Work::Encode, &named);
        assert_eq!(
            (&encoded["encoding"], encoded["parts"].as_array().map(Vec::len)),
            (&json!("gsm7"), Some(1))
        );
        let decoded = one(Work::Decode, &json!({"pdu": encoded["parts"][0]["pdu"], "direction": "mo"}));
        assert_eq!(decoded["text"], text);
        let plain = one(Work::Encode, &json!({"to": "1", "text": text}));
        assert_eq!(plain["encoding"], "ucs2");
        let changed = one(Work::Encode, &json!({"to": "1", "text": "kůň", "transliterate": true}));
        assert_eq!(changed["encoding"], "gsm7");
        assert_eq!(changed["changes"][1], json!({"position": 2, "from": "ň", "to": "n"}));
    }

    #[test]
    fn lenient_only_when_asked() {
        // Eleven septets are announced, ten are there.
        let pdu = "07912143658709F1040B918100551512F20000111010214365000BE8329BFD4697D9EC37";
        let strict = one(Work::Decode, &json!({"pdu": pdu, "direction": "mt"}));
        assert_eq!(strict, json!({"error": "TP-UD at octet 27: needs 10 octets, 9 are left"}));
        let lenient = one(Work::Decode, &json!({"pdu": pdu, "direction": "mt", "lenient": true}));
        assert_eq!(lenient["text"], "hellohello");
        assert_eq!(lenient["leniencies"], json!(["TP-UD at octet 27: needs 10 octets, 9 are left"]));
    }

    #[test]
    fn hex_faults() {
        for (pdu, part) in [("0BD0p2", "octet 2"), ("0BD", "half"), ("00é", "octet 1"), ("", "SMSC")] {
            let answer = one(Work::Decode, &json!({"pdu": pdu, "direction": "mt"}));
            assert!(answer["error"].as_str().unwrap().contains(part), "{answer}");
        }
    }
}
