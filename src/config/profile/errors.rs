//! `[[errors]]` of a family: what its maker means by numbers that the standards leave to makers, or that the maker
//! uses otherwise.

use std::ops::RangeInclusive;

use gsm_modem::profiles::{MakerError, Service, Subject, Verdict};

use super::super::reader::{Item, Table};

const KEYS: &[&str] = &["code", "codes", "kind", "about", "verdict", "means"];

/// `None` when the file has no errors: then those of the family that it is like apply.
pub(super) fn of(root: &Table<'_>) -> Option<Vec<MakerError>> {
    if !root.has("errors") {
        return None;
    }
    let mut errors: Vec<MakerError> = Vec::new();
    for table in root.tables("errors", KEYS) {
        let Some(error) = one(&table) else { continue };
        let overlaps = |other: &&MakerError| {
            other.service == error.service
                && other.codes.start() <= error.codes.end()
                && error.codes.start() <= other.codes.end()
        };
        match errors.iter().find(overlaps) {
            Some(other) => table.fault(format!("has a number that stands above: {}", other.means)),
            None => errors.push(error),
        }
    }
    Some(errors)
}

fn one(table: &Table<'_>) -> Option<MakerError> {
    let codes = match (table.item("code"), table.item("codes")) {
        (Some(code), None) => code.number(0, u16::MAX.into()).and_then(single),
        (None, Some(codes)) => range(&codes),
        (Some(_), Some(codes)) => {
            codes.fault("stands beside code; give one of them");
            None
        }
        (None, None) => {
            table.fault("needs a code, or codes such as \"350-373\"");
            None
        }
    };
    let service = table.item("kind").map_or(Some(Service::Cms), |i| i.one_of(&Service::NAMES));
    let subject = needed(table, "about", |i| i.one_of(&Subject::NAMES));
    let verdict = needed(table, "verdict", |i| i.one_of(&Verdict::NAMES));
    let means = needed(table, "means", |i| i.word().map(str::to_owned));
    Some(MakerError { service: service?, codes: codes?, subject: subject?, verdict: verdict?, means: means? })
}

fn needed<T>(table: &Table<'_>, key: &str, read: impl Fn(&Item<'_>) -> Option<T>) -> Option<T> {
    let item = table.item(key);
    if item.is_none() {
        table.fault(format!("needs {key}"));
    }
    read(&item?)
}

fn single(code: u32) -> Option<RangeInclusive<u16>> {
    let code = u16::try_from(code).ok()?;
    Some(code..=code)
}

/// `350-373`.
fn range(item: &Item<'_>) -> Option<RangeInclusive<u16>> {
    let text = item.text()?;
    let number = |digits: &str| digits.trim().parse::<u16>().ok();
    let ends = text.split_once('-').and_then(|(first, last)| Some((number(first)?, number(last)?)));
    match ends {
        Some((first, last)) if first <= last => Some(first..=last),
        _ => {
            item.fault("is not a range of numbers; write the first and the last, such as \"350-373\"");
            None
        }
    }
}
