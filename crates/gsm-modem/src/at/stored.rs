//! Messages in the storages of a modem (3GPP TS 27.005 clauses 3.2.2, 4.1 and 4.2): which storages there are, how
//! full they are, and the line before each PDU. Lenient where modems stray: a list too few, quotes that are not
//! closed, no field for the name, the PDU on the same line.

use super::reply::{fields, hex};
use super::text::TextEntry;
use crate::Secret;

/// The longest name of a storage that is believed (`SM_P` has four characters).
const NAME: usize = 8;

/// The line before a PDU, and the PDU when it stands on the same line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place; only a listing says it.
    pub index: Option<u32>,
    /// 0 received unread, 1 received read, 2 stored unsent, 3 stored sent.
    pub status: u8,
    /// The TPDU's octets; 0: the place is empty.
    pub length: usize,
    /// The PDU, unless it follows.
    pub pdu: Option<Secret<Vec<u8>>>,
}

/// What stands behind `+CMGL:` or `+CMGR:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header {
    /// An entry in PDU mode.
    Entry(Entry),
    /// The modem speaks text mode.
    Text {
        /// Its place; only a listing says it.
        index: Option<u32>,
        /// What it is.
        entry: TextEntry,
    },
}

/// How full a storage is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Its name, when it was asked for.
    pub storage: Option<String>,
    /// Messages in it.
    pub used: u32,
    /// Messages that it holds.
    pub total: u32,
}

impl Header {
    /// `+CMGL: <index>,<stat>,[<alpha>],<length>`.
    pub fn listed(body: &str) -> Option<Self> {
        let fields = fields(body);
        let (index, rest) = fields.split_first()?;
        Self::of(Some(index.parse().ok()?), rest)
    }

    /// `+CMGR: <stat>,[<alpha>],<length>`.
    pub fn read(body: &str) -> Option<Self> {
        Self::of(None, &fields(body))
    }

    fn of(index: Option<u32>, fields: &[&str]) -> Option<Self> {
        let (status, last) = (*fields.first()?, *fields.last()?);
        if status.starts_with("REC ") || status.starts_with("STO ") {
            return Some(Self::Text { index, entry: TextEntry::of(status, fields.get(1..)?)? });
        }
        if !(2..=3).contains(&fields.len()) {
            return None;
        }
        let status = if status.is_empty() { 1 } else { status.parse().ok()? };
        let (length, pdu) = match last.split_once(' ') {
            Some((length, digits)) => (length, Some(Secret::new(hex(digits.trim()).ok()?.1))),
            None => (last, None),
        };
        Some(Self::Entry(Entry { index, status, length: length.parse().ok()?, pdu }))
    }
}

/// `+CPMS: "SM",3,10,…` as the answer to a question, `+CPMS: 3,10,…` as that to a choice: mem1, mem2 and mem3, as
/// many as are said.
pub fn usages(body: &str) -> Vec<Usage> {
    let fields = fields(body);
    let mut fields = fields.into_iter().peekable();
    let mut usages = Vec::new();
    while let Some(first) = fields.next() {
        let (storage, used) = match first.parse::<u32>() {
            Ok(used) => (None, Some(used)),
            Err(_) => (storage(first), fields.next().and_then(|used| used.parse().ok())),
        };
        let total = fields.next().and_then(|total| total.parse().ok());
        let (Some(used), Some(total)) = (used, total) else { break };
        usages.push(Usage { storage, used, total });
    }
    usages
}

/// `+CPMS: ("SM","ME"),("SM","ME"),("SM","ME")`: the names for mem1, mem2 and mem3. Without brackets it is one list
/// for all three, said once or three times.
pub fn storages(body: &str) -> Vec<Vec<String>> {
    let names = |list: &str| -> Vec<String> {
        list.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter_map(storage).collect()
    };
    if body.contains('(') {
        body.split(')').filter(|list| list.contains('(')).map(names).collect()
    } else {
        let all = names(body);
        let third = all.len() / 3;
        let thrice = third > 0 && all.len() % 3 == 0 && all.chunks(third).all(|list| *list == all[..third]);
        let list = if thrice { all[..third].to_vec() } else { all };
        if list.is_empty() { Vec::new() } else { vec![list; 3] }
    }
}

/// A name that may stand in a command.
pub fn storage(name: &str) -> Option<String> {
    let good =
        (1..=NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    good.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: Option<u32>, status: u8, length: usize) -> Header {
        Header::Entry(Entry { index, status, length, pdu: None })
    }

    fn text(index: Option<u32>) -> Header {
        let (from, timestamp) = ("+41790000000".to_owned(), "25/01/01,10:00:00+04".to_owned());
        Header::Text { index, entry: TextEntry::Deliver { from, timestamp } }
    }

    #[test]
    fn the_lines_before_a_pdu() {
        for (body, expected) in [
            ("1,1,,24", Some(entry(Some(1), 1, 24))),
            ("0,0,\"\",24", Some(entry(Some(0), 0, 24))),
            ("12,1,\"Bob, at home\",159", Some(entry(Some(12), 1, 159))),
            ("3,3,24", Some(entry(Some(3), 3, 24))),
            ("3,,,24", Some(entry(Some(3), 1, 24))),
            ("1,\"REC READ\",\"+41790000000\",,\"25/01/01,10:00:00+04\"", Some(text(Some(1)))),
            ("x,1,,24", None),
            ("1", None),
            ("1,1,,x", None),
            ("", None),
        ] {
            assert_eq!(Header::listed(body), expected, "{body}");
        }
        assert_eq!(Header::read("1,,24"), Some(entry(None, 1, 24)));
        assert_eq!(Header::read("0,24"), Some(entry(None, 0, 24)));
        assert_eq!(Header::read("0,,0"), Some(entry(None, 0, 0)));
        assert_eq!(
            Header::read("\"REC UNREAD\",\"+41790000000\",,\"25/01/01,10:00:00+04\""),
            Some(text(None))
        );
        let whole = Header::read("1,,2 00ABCD");
        let pdu = Some(Secret::new(vec![0x00, 0xab, 0xcd]));
        assert_eq!(whole, Some(Header::Entry(Entry { index: None, status: 1, length: 2, pdu })));
        assert!(!format!("{whole:?}").to_lowercase().contains("ab"), "{whole:?}");
    }

    #[test]
    fn how_full_they_are() {
        let usage =
            |storage: Option<&str>, used, total| Usage { storage: storage.map(Into::into), used, total };
        assert_eq!(
            usages("\"SM\",3,10,\"ME\",0,23,\"SM\",3,10"),
            [usage(Some("SM"), 3, 10), usage(Some("ME"), 0, 23), usage(Some("SM"), 3, 10)]
        );
        assert_eq!(usages("3,10,0,23"), [usage(None, 3, 10), usage(None, 0, 23)]);
        assert_eq!(usages("\"SM\",3"), []);
        assert_eq!(usages(""), []);
        assert_eq!(usages("\"SM\\\"\",3,10"), [usage(None, 3, 10)], "no name to write into a command");
    }

    #[test]
    fn lists_of_every_shape() {
        let lists = |body| storages(body).iter().map(|list| list.join(" ")).collect::<Vec<_>>();
        assert_eq!(
            lists("(\"ME\",\"MT\",\"SM\",\"SR\"),(\"ME\",\"MT\"),(\"SM\")"),
            ["ME MT SM SR", "ME MT", "SM"]
        );
        assert_eq!(lists("((\"SM\",\"BM\",\"SR\"),(\"SM\"))"), ["SM BM SR", "SM"]);
        assert_eq!(lists("\"SM\",\"SM\",\"SM\""), ["SM", "SM", "SM"]);
        assert_eq!(lists("\"ME\",\"MT\",\"SM\""), ["ME MT SM"; 3]);
        assert_eq!(
            lists("\"MT\",\"SM\",\"ME\", \"MT\",\"SM\",\"ME\", \"MT\",\"SM\",\"ME\" "),
            ["MT SM ME"; 3]
        );
        assert_eq!(lists("(\"SM\", \"SM_P\"), (\"SM\")"), ["SM SM_P", "SM"]);
        assert_eq!(lists("(ME\", \"SR\"), (\"ME\")"), ["ME SR", "ME"]);
        assert_eq!(lists("(),(),()"), ["", "", ""]);
        assert_eq!(lists("(\"SM\",\"ME),(\"SM_P\")"), ["SM ME", "SM_P"]);
        assert_eq!(lists(""), Vec::<String>::new());
    }
}
