//! A CSV file (RFC 4180) as messages, and what is wrong with each row that is none. No fault repeats what is in a row.

use csv::ByteRecord;

use crate::api::MAX_PARTS;
use crate::cli::verification::number;
use crate::otp::Pattern;
use crate::phone::{Country, PhoneNumber};
use crate::secret::Secret;

/// A message.
pub(super) struct Row {
    /// Where it begins in the file, counted from 1.
    pub(super) line: u64,
    /// The number in E.164.
    pub(super) to: PhoneNumber,
    /// The text.
    pub(super) text: Secret<String>,
    /// Short messages it takes.
    pub(super) parts: u64,
    /// Whether it takes UCS-2.
    pub(super) ucs2: bool,
}

/// A row that is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadRow {
    /// Where it begins in the file, counted from 1.
    pub(super) line: u64,
    /// What is wrong, without what is in it.
    pub(super) why: String,
}

/// Every row of a file.
#[derive(Default)]
pub(super) struct Rows {
    /// The messages.
    pub(super) good: Vec<Row>,
    /// The others.
    pub(super) bad: Vec<BadRow>,
}

/// How rows become messages.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The text, with the columns' values for its names; left out: the column `text`.
    pub(super) template: Option<Pattern>,
    /// Whose national forms of numbers are read.
    pub(super) region: Option<Country>,
}

/// Where a column stands.
struct Columns {
    count: usize,
    to: usize,
    /// Those that make the text, with their names.
    text: Vec<(String, usize)>,
}

/// Reads a file. The error is a fault of the file as a whole.
pub(super) fn read(octets: &[u8], how: &Reading) -> Result<Rows, String> {
    if octets.starts_with(&[0xff, 0xfe]) || octets.starts_with(&[0xfe, 0xff]) {
        return Err("it is UTF-16: save it as CSV in UTF-8".to_owned());
    }
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(octets))
        .from_reader(octets);
    let (mut record, mut columns, mut rows) = (ByteRecord::new(), None, Rows::default());
    let (mut begins, mut next_line) = (0, 1);
    while reader.read_byte_record(&mut record).map_err(|e| e.to_string())? {
        let ends = usize::try_from(reader.position().byte()).unwrap_or(octets.len());
        let raw = &octets[begins..ends];
        let blank = raw.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
        let lines = |raw: &[u8]| raw.iter().map(|octet| u64::from(*octet == b'\n')).sum::<u64>();
        let line = next_line + lines(&raw[..blank]);
        (begins, next_line) = (ends, next_line + lines(raw));
        let Some(columns) = &columns else {
            columns = Some(Columns::of(&record, how)?);
            continue;
        };
        if record.iter().all(|field| field.trim_ascii().is_empty()) {
            continue;
        }
        match row(&record, raw, columns, how) {
            Ok((to, text, parts, ucs2)) => rows.good.push(Row { line, to, text, parts, ucs2 }),
            Err(why) => rows.bad.push(BadRow { line, why }),
        }
    }
    if columns.is_none() {
        return Err("it is empty: the first line names the columns, such as to,text".to_owned());
    }
    Ok(rows)
}

/// What stands between the columns: programs of countries with a decimal comma write semicolons.
fn delimiter(octets: &[u8]) -> u8 {
    let first = octets.split(|octet| *octet == b'\n').next().unwrap_or_default();
    first.iter().copied().find(|octet| b",;\t".contains(octet)).unwrap_or(b',')
}

impl Columns {
    fn of(head: &ByteRecord, how: &Reading) -> Result<Self, String> {
        let place = |name: &str| {
            let mut places = (0..head.len()).filter(|&i| head[i].trim_ascii() == name.as_bytes());
            match (places.next(), places.next()) {
                (Some(place), None) => Ok(place),
                (None, _) => Err(format!("its first line has no column `{name}`")),
                (Some(_), Some(_)) => Err(format!("its first line has two columns `{name}`")),
            }
        };
        let mut names: Vec<&str> = match &how.template {
            Some(template) => template.names().collect(),
            None => vec!["text"],
        };
        names.sort_unstable();
        names.dedup();
        let text = names.into_iter().map(|name| Ok((name.to_owned(), place(name)?)));
        Ok(Self { count: head.len(), to: place("to")?, text: text.collect::<Result<_, String>>()? })
    }
}

type Message = (PhoneNumber, Secret<String>, u64, bool);

fn row(record: &ByteRecord, raw: &[u8], columns: &Columns, how: &Reading) -> Result<Message, String> {
    // A mark that opens and never closes takes the rows behind it into its field.
    if raw.split(|octet| *octet == b'"').count() % 2 == 0 {
        return Err("a quotation mark has no pair: write \"\" for a mark inside quotation marks".to_owned());
    }
    if record.len() != columns.count {
        return Err(format!("it has {} fields, and the first line names {}", record.len(), columns.count));
    }
    let field = |name: &str, place: usize| {
        std::str::from_utf8(&record[place])
            .map_err(|_| format!("column {name}: it is not UTF-8: save the file as CSV in UTF-8"))
    };
    let to = recipient(field("to", columns.to)?, how.region).map_err(|why| format!("column to: {why}"))?;
    let mut values = Vec::new();
    for (name, place) in &columns.text {
        let value = field(name, *place)?;
        if value.trim().is_empty() {
            return Err(format!("column {name}: it is empty"));
        }
        values.push((name.as_str(), value));
    }
    let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let text = match &how.template {
        Some(template) => template.fill(value),
        None => value("text").map(str::to_owned).ok_or_else(|| "text".to_owned()),
    };
    let text = text.map_err(|name| format!("column {name}: it is not there"))?;
    let survey = gsm_sms::survey(&text);
    if survey.parts > MAX_PARTS {
        return Err(format!("its text takes {} parts; at most {MAX_PARTS} are sent", survey.parts));
    }
    let ucs2 = survey.encoding == gsm_sms::Encoding::Ucs2;
    Ok((to, Secret::new(text), survey.parts as u64, ucs2))
}

fn recipient(text: &str, region: Option<Country>) -> Result<PhoneNumber, String> {
    let text = number(text);
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if !text.starts_with('+') && region.is_none() {
        return Err(
            "a number begins with + and its country code; --region CH reads Swiss forms too".to_owned()
        );
    }
    PhoneNumber::read(&text, region).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Good = (u64, String, String, u64);
    type Bad = (u64, String);

    fn told(octets: &[u8], how: &Reading) -> (Vec<Good>, Vec<Bad>) {
        let rows = read(octets, how).unwrap();
        let good = |r: Row| (r.line, r.to.as_str().to_owned(), r.text.expose().clone(), r.parts);
        (rows.good.into_iter().map(good).collect(), rows.bad.into_iter().map(|b| (b.line, b.why)).collect())
    }

    fn plain(text: &str) -> (Vec<Good>, Vec<Bad>) {
        told(text.as_bytes(), &Reading::default())
    }

    fn message(line: u64, text: &str) -> Good {
        (line, "+41791234567".to_owned(), text.to_owned(), 1)
    }

    #[test]
    fn rows_have_the_lines_at_which_they_begin() {
        let text = "\u{feff}name, to ,text\r\n\r\nAda,+41 79 123 45 67,\"one\r\n\"\"two\"\"\"\r\n,,\r\nBob,+41791234567, x\n";
        assert_eq!(plain(text), (vec![message(3, "one\r\n\"two\""), message(6, " x")], vec![]));
        for separator in [";", "\t"] {
            let text = format!("to{separator}text\n+41791234567{separator}a,b\n");
            assert_eq!(plain(&text), (vec![message(2, "a,b")], vec![]));
        }
    }

    #[test]
    fn a_template_takes_the_columns_that_it_names() {
        let template = Some(Pattern::parse("Dear {name}, {{sic}} {name}").unwrap());
        let how = Reading { template, region: None };
        let text = b"to,name,text\n+41791234567,Ada,ignored\n+41791234567, ,x\n";
        let empty = (3, "column name: it is empty".to_owned());
        assert_eq!(told(text, &how), (vec![message(2, "Dear Ada, {sic} Ada")], vec![empty]));
        assert_eq!(read(b"to,nome\n", &how).err().unwrap(), "its first line has no column `name`");
    }

    #[test]
    fn national_forms_are_read_for_a_region() {
        let how = Reading { template: None, region: Some("CH".parse().unwrap()) };
        assert_eq!(told(b"to,text\n079 123 45 67,x\n", &how), (vec![message(2, "x")], vec![]));
        let (good, bad) = plain("to,text\n079 123 45 67,x\n");
        assert!(good.is_empty() && bad[0].1.contains("--region"), "{bad:?}");
    }

    #[test]
    fn each_fault_is_told_with_its_line_and_without_its_text() {
        let long = "secret ".repeat(400);
        let text = format!(
            "to,text\n+41791234567,\n,secret\n+4179,secret\n+41791234567,secret,secret\n+41791234567\n\
             +41791234567,{long}\n+41791234567,\"secret\n+41791234567,secret\n"
        );
        let (good, bad) = plain(&text);
        assert!(good.is_empty());
        let begins = |line: u64, why: &str| {
            assert!(
                bad.iter().any(|(at, said)| *at == line && said.starts_with(why)),
                "{line} {why}: {bad:?}"
            );
        };
        begins(2, "column text: it is empty");
        begins(3, "column to: it is empty");
        begins(4, "column to: ");
        begins(5, "it has 3 fields, and the first line names 2");
        begins(6, "it has 1 fields");
        begins(7, "its text takes ");
        begins(8, "a quotation mark has no pair");
        assert_eq!(bad.len(), 7, "what an open mark took in is one row: {bad:?}");
        assert!(!format!("{bad:?}").contains("secret"));
        let (_, bad) = told(b"to,text\n+41791234567,\xe9\n", &Reading::default());
        assert!(bad[0].1.starts_with("column text: it is not UTF-8"), "{bad:?}");
    }

    #[test]
    fn a_file_that_has_no_such_columns_is_told() {
        for (text, why) in [
            (&b""[..], "it is empty: the first line names the columns, such as to,text"),
            (b"+41791234567,secret\n", "its first line has no column `to`"),
            (b"to,texte\n", "its first line has no column `text`"),
            (b"text,to,to\n", "its first line has two columns `to`"),
            (b"\xff\xfet\0o\0", "it is UTF-16: save it as CSV in UTF-8"),
        ] {
            assert_eq!(read(text, &Reading::default()).err().unwrap(), why);
        }
    }

    proptest! {
        #[test]
        fn no_octets_panic_and_every_row_is_on_a_later_line(
            octets in proptest::collection::vec(proptest::sample::select(&b"to,x\"\r\n;+4179\xff"[..]), 0..80)
        ) {
            let octets = [b"to,text\n", &octets[..]].concat();
            let rows = read(&octets, &Reading::default()).unwrap();
            let last = octets.split(|octet| *octet == b'\n').count() as u64;
            let lines = rows.good.iter().map(|r| r.line).chain(rows.bad.iter().map(|r| r.line));
            for line in lines {
                prop_assert!((2..=last).contains(&line), "{line} of {last}");
            }
        }
    }
}
