//! Typed reading of a parsed TOML document that notes every fault with its place and continues, so that a
//! person sees all faults at once.
//!
//! A read that fails notes a [`Fault`] and returns `None`. The default that the caller uses in its place has
//! no effect, because a document with faults gives no configuration.

use std::cell::RefCell;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Fault;
use crate::otp::Unfit;

/// The longest span in a configuration, so that no sum with a span overflows.
const LONGEST: Duration = Duration::from_secs(3660 * 86_400);

/// The faults that were found so far, each with its offset in the text.
#[derive(Default)]
pub(super) struct Faults(RefCell<Vec<(usize, String, String)>>);

impl Faults {
    pub(super) fn note(&self, at: usize, field: &str, what: impl Into<String>) {
        self.0.borrow_mut().push((at, field.to_owned(), what.into()));
    }

    /// The faults in the order of `text`, with lines and columns.
    pub(super) fn into_list(self, text: &str) -> Vec<Fault> {
        let mut list = self.0.into_inner();
        list.sort_by_key(|&(at, _, _)| at);
        list.into_iter().map(|(at, field, what)| place(text, at, &field, what)).collect()
    }
}

fn place(text: &str, at: usize, field: &str, what: String) -> Fault {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let line = before.matches('\n').count() + 1;
    // A key is whatever stands in the file, and a fault is shown on a terminal.
    let field = Unfit::escaped(field);
    Fault { line, column: before[line_start..].chars().count() + 1, field, what }
}

/// One table of the document, or a table that was left out.
pub(super) struct Table<'a> {
    keys: Option<&'a DeTable<'a>>,
    field: String,
    at: usize,
    known: &'static [&'static str],
    faults: &'a Faults,
}

/// One value of the document.
pub(super) struct Item<'a> {
    value: &'a DeValue<'a>,
    field: String,
    at: usize,
    faults: &'a Faults,
}

impl<'a> Table<'a> {
    /// The whole document.
    pub(super) fn root(
        document: &'a Spanned<DeTable<'a>>,
        known: &'static [&'static str],
        faults: &'a Faults,
    ) -> Self {
        Self::open(Some(document.get_ref()), String::new(), 0, known, faults)
    }

    fn open(
        keys: Option<&'a DeTable<'a>>,
        field: String,
        at: usize,
        known: &'static [&'static str],
        faults: &'a Faults,
    ) -> Self {
        let this = Self { keys, field, at, known, faults };
        for (key, _) in keys.into_iter().flat_map(DeTable::iter) {
            if !known.contains(&key.get_ref().as_ref()) {
                faults.note(key.span().start, &this.path(key.get_ref()), this.unknown(key.get_ref()));
            }
        }
        this
    }

    /// Only the keys are shown: a value under an unknown key may be a secret in the wrong place.
    fn unknown(&self, key: &str) -> String {
        if key == "pin" && self.known.contains(&"pin_file") {
            return "unknown key; a PIN stands in a file of its own: use pin_file".to_owned();
        }
        let nearest = self.known.iter().min_by_key(|known| strsim::osa_distance(key, known));
        match nearest {
            Some(nearest) if strsim::jaro_winkler(key, nearest) >= 0.75 => {
                format!("unknown key; the nearest known key is {nearest}")
            }
            Some(nearest) => {
                let all = self.known.join(", ");
                format!("unknown key; the nearest known key is {nearest}, of {all}")
            }
            None => "unknown key".to_owned(),
        }
    }

    fn path(&self, key: &str) -> String {
        if self.field.is_empty() { key.to_owned() } else { format!("{}.{key}", self.field) }
    }

    /// Notes a fault of the table as a whole.
    pub(super) fn fault(&self, what: impl Into<String>) {
        self.faults.note(self.at, &self.field, what);
    }

    /// Notes a fault of a key; when the key was left out, it is a fault of the table.
    pub(super) fn fault_at(&self, key: &str, what: impl Into<String>) {
        match self.item(key) {
            Some(item) => item.fault(what),
            None => self.faults.note(self.at, &self.path(key), what),
        }
    }

    /// Whether the table has the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.is_some_and(|t| t.contains_key(key))
    }

    /// The value of a key.
    pub(super) fn item(&self, key: &str) -> Option<Item<'a>> {
        debug_assert!(self.known.contains(&key), "{key} is missing from the known keys");
        let value = self.keys?.get(key)?;
        Some(Item {
            value: value.get_ref(),
            field: self.path(key),
            at: value.span().start,
            faults: self.faults,
        })
    }

    /// A table in this one; a table that was left out has no keys.
    pub(super) fn table(&self, key: &str, known: &'static [&'static str]) -> Table<'a> {
        match self.item(key) {
            Some(item) => item.table(known),
            None => self.left_out(key, known),
        }
    }

    /// A table that is not in the document.
    pub(super) fn left_out(&self, key: &str, known: &'static [&'static str]) -> Table<'a> {
        Self::open(None, self.path(key), self.at, known, self.faults)
    }

    /// The tables of an array of tables.
    pub(super) fn tables(&self, key: &str, known: &'static [&'static str]) -> Vec<Table<'a>> {
        let Some(item) = self.item(key) else { return Vec::new() };
        if !item.value.is_array() {
            item.fault(format!("is a TOML {}; write each as [[{key}]]", item.value.type_str()));
        }
        item.items().iter().map(|i| i.table(known)).collect()
    }

    /// The keys and values of a table whose keys are names.
    pub(super) fn named(&self, key: &str) -> Vec<(String, Item<'a>)> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let DeValue::Table(table) = item.value else {
            item.wrong_type("a table");
            return Vec::new();
        };
        let entry = |(name, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let name: &std::borrow::Cow<'_, str> = name.get_ref();
            let field = format!("{}.{name}", item.field);
            let item = Item { value: value.get_ref(), field, at: value.span().start, faults: self.faults };
            (name.to_string(), item)
        };
        table.iter().map(entry).collect()
    }
}

impl<'a> Item<'a> {
    /// Notes a fault of this value.
    pub(super) fn fault(&self, what: impl Into<String>) {
        self.faults.note(self.at, &self.field, what);
    }

    /// The same value under another path: its own may have what no fault shows.
    pub(super) fn shown_as(self, field: String) -> Self {
        Self { field, ..self }
    }

    /// The place of the value in the text.
    pub(super) fn place(&self) -> usize {
        self.at
    }

    fn wrong_type(&self, wanted: &str) {
        self.fault(format!("is a TOML {}; write {wanted}", self.value.type_str()));
    }

    pub(super) fn table(&self, known: &'static [&'static str]) -> Table<'a> {
        let table = self.value.as_table();
        if table.is_none() {
            self.wrong_type("a table");
        }
        Table::open(table, self.field.clone(), self.at, known, self.faults)
    }

    fn items(&self) -> Vec<Item<'a>> {
        let DeValue::Array(array) = self.value else { return Vec::new() };
        let item = |(i, value): (usize, &'a Spanned<DeValue<'a>>)| Item {
            value: value.get_ref(),
            field: format!("{}[{i}]", self.field),
            at: value.span().start,
            faults: self.faults,
        };
        array.iter().enumerate().map(item).collect()
    }

    /// A text.
    pub(super) fn text(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_type("a text in quotes");
        }
        text
    }

    /// A text that is not empty and has no control characters.
    pub(super) fn word(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.is_empty() {
            self.fault("is empty; leave the key out for its default");
            return None;
        }
        if text.chars().any(char::is_control) {
            self.fault("has a control character");
            return None;
        }
        Some(text)
    }

    /// A name that may stand in a URL and a log: letters, digits, `_` and `-`.
    pub(super) fn name(&self) -> Option<String> {
        let name = self.word()?;
        if is_name(name) {
            return Some(name.to_owned());
        }
        self.fault("is not a name: use 1 to 64 letters, digits, _ and -");
        None
    }

    /// A text in the form of `T`.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.text()?.parse().map_err(|e: T::Err| self.fault(e.to_string())).ok()
    }

    /// A whole number of `least..=most`.
    pub(super) fn number(&self, least: u32, most: u32) -> Option<u32> {
        let DeValue::Integer(integer) = self.value else {
            self.wrong_type("a whole number");
            return None;
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix());
        match number {
            Ok(n) if (least..=most).contains(&n) => Some(n),
            _ => {
                self.fault(format!("must be {least} to {most}"));
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn yes_or_no(&self) -> Option<bool> {
        let value = self.value.as_bool();
        if value.is_none() {
            self.wrong_type("true or false");
        }
        value
    }

    /// A number, whole or not.
    pub(super) fn float(&self) -> Option<f64> {
        match self.value {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse().ok(),
            _ => {
                self.wrong_type("a number");
                None
            }
        }
    }

    /// A span such as `"5m"`, at least `least`.
    pub(super) fn span(&self, least: Duration) -> Option<Duration> {
        let DeValue::String(text) = self.value else {
            self.wrong_type("a span of time in quotes, such as \"30s\" or \"5m\"");
            return None;
        };
        match humantime::parse_duration(text) {
            Ok(span) if (least..=LONGEST).contains(&span) => Some(span),
            Ok(span) => {
                let (word, bound) = if span < least { ("at least", least) } else { ("at most", LONGEST) };
                self.fault(format!("must be {word} {}", humantime::format_duration(bound)));
                None
            }
            Err(_) => {
                self.fault("is not a span of time; write such as \"30s\", \"5m\" or \"1d\"");
                None
            }
        }
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// A list; an entry that cannot be read is noted and left out.
    pub(super) fn list<T>(&self, read: impl Fn(&Item<'a>) -> Option<T>) -> Option<Vec<T>> {
        if !self.value.is_array() {
            self.wrong_type("a list in [ ]");
            return None;
        }
        Some(self.items().iter().filter_map(read).collect())
    }

    /// A list with at least one entry.
    pub(super) fn some<T>(&self, read: impl Fn(&Item<'a>) -> Option<T>) -> Option<Vec<T>> {
        if self.value.as_array().is_some_and(|a| a.is_empty()) {
            self.fault("is an empty list, which allows nothing; leave the key out for no restriction");
            return None;
        }
        self.list(read)
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.fault(format!("must be one of {}", all.join(", ")));
        }
        found.map(|&(_, value)| value)
    }

    /// The first digits of telephone numbers: `+41`.
    pub(super) fn prefix(&self) -> Option<String> {
        let text = self.text()?;
        let digits = text.strip_prefix('+').unwrap_or_default();
        let good = (1..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if !good {
            self.fault("is not a prefix of E.164 numbers; write + and 1 to 15 digits, such as \"+41\"");
        }
        good.then(|| text.to_owned())
    }
}

pub(super) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}
