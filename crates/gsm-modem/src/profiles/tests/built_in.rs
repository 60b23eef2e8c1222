//! The built-in families, read for the tests of this package. The reader assumes that every file is right:
//! faults of these files, and of an operator's, are reported by the program's own reader.

use std::time::Duration;

use toml::{Table, Value};

use crate::profiles::{
    BUILT_IN, GENERIC, LineEnd, MakerError, Means, PinTries, Profile, Profiles, Quirk, Rule, Service,
    Subject, Unsolicited, UssdCoding, Verdict,
};

pub(crate) fn profiles() -> Profiles {
    Profiles::new(BUILT_IN.iter().map(|(name, _)| profile(name)).collect())
}

/// A family. Keys that its file leaves out come from the family that it is like, and in the end from the generic one.
fn profile(name: &str) -> Profile {
    let text = BUILT_IN.iter().find(|(built_in, _)| *built_in == name).unwrap().1;
    let mut file: Table = text.parse().unwrap();
    let mut profile = match file.remove("like") {
        Some(like) => profile(like.as_str().unwrap()),
        None if name == GENERIC => Profile::default(),
        None => profile(GENERIC),
    };
    name.clone_into(&mut profile.name);
    profile.rules.clear();
    for (key, value) in &file {
        set(&mut profile, key, value);
    }
    profile
}

fn set(profile: &mut Profile, key: &str, value: &Value) {
    match key {
        "match" => profile.rules = value.as_array().unwrap().iter().map(rule).collect(),
        "init" => profile.init = texts(value),
        "init_optional" => profile.init_optional = texts(value),
        "iccid" => profile.iccid = texts(value),
        "cnmi" => {
            profile.receiving.new_messages = texts(value).iter().map(|text| new_messages(text)).collect();
        }
        "storage" => profile.receiving.storage = texts(value),
        "report_storage" => profile.receiving.report_storage = Some(text(value)),
        "reset" => profile.reset = texts(value),
        "pin_tries" => profile.pin_tries = Some(pin_tries(value)),
        "ussd" => profile.ussd = ussd(&text(value)),
        "send_timeout" => profile.send_timeout = Some(span(value)),
        "settle" => profile.settle = span(value),
        "command_pause" => profile.line.command_pause = span(value),
        "prompt_pause" => profile.line.prompt_pause = span(value),
        "line_end" => profile.line.line_end = one_of(&LineEnd::NAMES, &text(value)),
        "errors" => profile.errors = value.as_array().unwrap().iter().map(maker_error).collect(),
        "unsolicited" => profile.unsolicited = value.as_array().unwrap().iter().map(unsolicited).collect(),
        "quirks" => profile.quirks = texts(value).iter().map(|word| quirk(word)).collect(),
        other => panic!("{}: {other}", profile.name),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(text).collect()
}

/// Whole milliseconds, seconds or minutes: `20ms`, `90s`, `3m`.
fn span(value: &Value) -> Duration {
    let text = text(value);
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap());
    let number: u64 = number.parse().unwrap();
    match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(60 * number),
        other => panic!("{other}"),
    }
}

fn one_of<T: Copy>(words: &[(&str, T)], word: &str) -> T {
    words.iter().find(|(name, _)| *name == word).unwrap_or_else(|| panic!("{word}")).1
}

fn maker_error(table: &Value) -> MakerError {
    let code = |digits: &str| digits.parse::<u16>().unwrap();
    let codes = match table.get("codes").map(text) {
        Some(range) => range.split_once('-').map(|(first, last)| code(first)..=code(last)).unwrap(),
        None => code(&table["code"].to_string())..=code(&table["code"].to_string()),
    };
    MakerError {
        service: table.get("kind").map_or(Service::Cms, |kind| one_of(&Service::NAMES, &text(kind))),
        codes,
        subject: one_of(&Subject::NAMES, &text(&table["about"])),
        verdict: one_of(&Verdict::NAMES, &text(&table["verdict"])),
        means: text(&table["means"]),
    }
}

fn rule(table: &Value) -> Rule {
    let small = |key: &str| table.get(key).map(|value| text(value).to_lowercase());
    let usb = |value: &Value| {
        let text = text(value);
        let number = |digits: &str| u16::from_str_radix(digits, 16).unwrap();
        let (vendor, product) = text.split_once(':').map_or((&*text, None), |(v, p)| (v, Some(p)));
        (number(vendor), product.map(number))
    };
    Rule {
        maker: small("maker"),
        model: small("model"),
        firmware: small("firmware"),
        usb: table.get("usb").map(usb),
    }
}

fn new_messages(text: &str) -> [u8; 5] {
    let values: Vec<u8> = text.split(',').map(|value| value.trim().parse().unwrap()).collect();
    values.try_into().unwrap()
}

fn pin_tries(table: &Value) -> PinTries {
    PinTries { command: text(&table["command"]), value: table.get("value").map_or(1, number) }
}

fn unsolicited(table: &Value) -> Unsolicited {
    let means = table.get("means").map_or(Means::Nothing, |word| {
        let word = text(word);
        Means::NAMES.into_iter().find(|(name, _)| *name == word).unwrap_or_else(|| panic!("{word}")).1
    });
    Unsolicited { head: text(&table["head"]), lines: table.get("lines").map_or(1, number), means }
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_integer().unwrap()).unwrap()
}

fn ussd(word: &str) -> UssdCoding {
    match word {
        "auto" => UssdCoding::Auto,
        "plain" => UssdCoding::Plain,
        "gsm7-packed-hex" => UssdCoding::PackedHex,
        "ucs2-hex" => UssdCoding::Ucs2Hex,
        other => panic!("{other}"),
    }
}

fn quirk(word: &str) -> Quirk {
    one_of(&Quirk::NAMES, word)
}
