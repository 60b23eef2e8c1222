//! Messages in the storages of a modem (3GPP TS 27.005 clauses 3.2.2, 4.1 and 4.2): which storages there are,
//! how full they are, and the line before each PDU. The parsers are lenient where modems deviate: a list too
//! few, quotes that are not closed, no field for the name, the PDU on the same line.

use super::reply::{fields, hex};
use super::text::TextEntry;
use crate::Secret;

/// The longest name of a storage that is accepted (`SM_P` has four characters).
const NAME: usize = 8;

/// The line before a PDU, and the PDU when it stands on the same line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The index of the message; only a listing gives it.
    pub index: Option<u32>,
    /// 0 received unread, 1 received read, 2 stored unsent, 3 stored sent.
    pub status: u8,
    /// The TPDU's octets; 0 means that the index is empty.
    pub length: usize,
    /// The PDU, unless it follows on the next line.
    pub pdu: Option<Secret<Vec<u8>>>,
}

/// What stands after `+CMGL:` or `+CMGR:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header {
    /// An entry in PDU mode.
    Entry(Entry),
    /// An entry in text mode.
    Text {
        /// The index of the message; only a listing gives it.
        index: Option<u32>,
        /// What the entry is.
        entry: TextEntry,
    },
}

/// How full a storage is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The storage's name, in the answer to a question.
    pub storage: Option<String>,
    /// How many messages are in it.
    pub used: u32,
    /// How many messages it can hold.
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
        let length = length.parse::<u16>().ok()?.into();
        Some(Self::Entry(Entry { index, status, length, pdu }))
    }
}

/// `+CPMS: "SM",3,10,…` as the answer to a question, `+CPMS: 3,10,…` as the answer to a choice: mem1, mem2
/// and mem3, as many as are given.
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

/// `+CPMS: ("SM","ME"),("SM","ME"),("SM","ME")`: the names for mem1, mem2 and mem3, whose lists may differ.
/// Without brackets the line is one list for all three, given once or three times. Where only some names have
/// brackets, each list and each name between them is for one memory, unless there are more than three: then
/// names side by side are one list.
pub fn storages(body: &str) -> Vec<Vec<String>> {
    let mut lists = listed(body);
    let bare = lists.iter().all(|list| matches!(list, Listed::Bare(_)));
    if bare {
        let all: Vec<String> = lists.into_iter().flat_map(Listed::names).collect();
        let third = all.len() / 3;
        let thrice =
            third > 0 && all.len().is_multiple_of(3) && all.chunks(third).all(|list| *list == all[..third]);
        let list = if thrice { all[..third].to_vec() } else { all };
        return if list.is_empty() { Vec::new() } else { vec![list; 3] };
    }
    if lists.len() > 3 {
        lists = join_bare(lists);
    }
    lists.into_iter().map(Listed::names).collect()
}

/// A part of the list of lists.
enum Listed {
    /// In brackets.
    List(Vec<String>),
    /// A name without brackets.
    Bare(Vec<String>),
}

impl Listed {
    fn names(self) -> Vec<String> {
        match self {
            Self::List(names) | Self::Bare(names) => names,
        }
    }
}

/// Nested brackets are ignored; a bracket that is never closed ends with the line.
fn listed(body: &str) -> Vec<Listed> {
    let names = |list: &str| -> Vec<String> {
        list.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter_map(storage).collect()
    };
    let mut lists = Vec::new();
    for piece in body.split(')') {
        let (before, list) = match piece.rsplit_once('(') {
            Some((before, list)) => (before, Some(list)),
            None => (piece, None),
        };
        lists.extend(names(before).into_iter().map(|name| Listed::Bare(vec![name])));
        lists.extend(list.map(|list| Listed::List(names(list))));
    }
    lists
}

fn join_bare(lists: Vec<Listed>) -> Vec<Listed> {
    let mut joined: Vec<Listed> = Vec::new();
    for list in lists {
        match (joined.last_mut(), list) {
            (Some(Listed::Bare(names)), Listed::Bare(more)) => names.extend(more),
            (_, list) => joined.push(list),
        }
    }
    joined
}

/// Whether a PDU has all the octets that the line before it announced: `length` counts those of the TPDU,
/// without the service centre's field before it (27.005 3.1), whose first octet gives its own length.
pub fn fits(pdu: &[u8], length: usize) -> bool {
    // A subtraction rather than an addition: a modem may announce any number.
    pdu.first().is_some_and(|&centre| pdu.len().checked_sub(1 + usize::from(centre)) == Some(length))
}

/// A name that may stand in a command.
pub fn storage(name: &str) -> Option<String> {
    let good =
        (1..=NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    good.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        assert_eq!(usages("\"SM\\\"\",3,10"), [usage(None, 3, 10)], "the name cannot stand in a command");
    }

    #[test]
    fn a_pdu_fits_its_length() {
        let pdu = [2, 0x91, 0x14, 0x04, 0x05];
        assert!(fits(&pdu, 2) && fits(&[0, 1, 2], 2) && fits(&[0], 0));
        assert!(!fits(&pdu, 1) && !fits(&pdu, 3) && !fits(&pdu[..4], 2), "an octet was lost");
        assert!(!fits(&[], 0) && !fits(&[7, 1], 0));
        assert!(!fits(&[0, 1], usize::MAX), "no sum overflows");
    }

    #[test]
    fn a_length_beyond_all_messages_is_none() {
        assert_eq!(Header::listed("1,1,,65535"), Some(entry(Some(1), 1, 65535)));
        for length in ["65536", "18446744073709551615", "-1"] {
            assert_eq!(Header::listed(&format!("1,1,,{length}")), None);
            assert_eq!(Header::read(&format!("1,,{length} 0001")), None);
        }
    }

    proptest! {
        #[test]
        fn a_pdu_that_lost_octets_never_fits(
            centre in proptest::collection::vec(any::<u8>(), 0..12),
            tpdu in proptest::collection::vec(any::<u8>(), 1..60),
            lost in 1usize..20,
        ) {
            let mut pdu = vec![u8::try_from(centre.len()).unwrap()];
            pdu.extend(&centre);
            pdu.extend(&tpdu);
            prop_assert!(fits(&pdu, tpdu.len()));
            pdu.truncate(pdu.len().saturating_sub(lost).max(1));
            prop_assert!(!fits(&pdu, tpdu.len()));
        }

        #[test]
        fn no_list_panics(body in "[(),\"A-Z_ ]{0,40}") {
            prop_assert!(storages(&body).iter().flatten().all(|name| storage(name).is_some()));
        }
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
        // Lists that differ: received messages can go to other memories than those that are read.
        assert_eq!(
            lists("(\"MT\",\"SM\",\"ME\"),(\"MT\",\"SM\",\"ME\"),(\"MT\",\"SM\")"),
            ["MT SM ME", "MT SM ME", "MT SM"]
        );
        // Brackets around some of them.
        assert_eq!(lists("(\"SM\",\"ME\"),\"SM\",\"ME\""), ["SM ME", "SM", "ME"]);
        assert_eq!(lists("\"SM\",(\"SM\",\"ME\"),(\"ME\")"), ["SM", "SM ME", "ME"]);
        assert_eq!(lists("\"ME\",\"SM\",(\"SM\"),(\"MT\")"), ["ME SM", "SM", "MT"]);
        assert_eq!(lists("(\"SM\"),(\"ME\",\"SM\""), ["SM", "ME SM"]);
        assert_eq!(lists(""), Vec::<String>::new());
    }
}
