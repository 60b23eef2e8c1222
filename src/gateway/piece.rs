//! What a modem handed over, read leniently: a message or a part of one (3GPP TS 23.040 clause 9.2.2.1), a status
//! report, or octets that are neither.

use std::time::Duration;

use gsm_sms::{
    Concatenation, Direction, Fragment, Framing, Pending, Protocol, Reference, Strictness, TypeOfNumber,
};

use crate::clock::Timestamp;
use crate::inbox::{Content, Sender, Tag};
use crate::secret::Key;

/// For how long a message that was handed over before is known again: a modem that kept it shows it at its next
/// start, which may be long after.
const REMEMBERED: Duration = Duration::from_secs(60 * 86_400);
/// The same without a valid time stamp, by which two equal texts could be told apart.
const REMEMBERED_UNDATED: Duration = Duration::from_secs(600);

/// What the octets are.
#[derive(Debug)]
pub(super) enum Handed {
    /// A message or a part of one.
    Piece(Box<Piece>),
    /// What became of a message that was sent.
    Report(Box<gsm_sms::StatusReport>),
    /// Type 0: acknowledged and not kept (clause 9.2.3.9).
    Silent,
    /// Neither; which field is wrong, and why.
    Unreadable(String),
}

/// A message or a part of one.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) from: Sender,
    /// Whether the sender is a whole number, not a name, which may look like one, and not a short number.
    pub(super) from_number: bool,
    pub(super) sent_at: Option<Timestamp>,
    pub(super) class: Option<u8>,
    pub(super) ports: Option<(u16, u16)>,
    /// Its place, when it is one of several.
    pub(super) place: Option<Concatenation>,
    pub(super) fragment: Fragment,
    /// Which kind of message it replaces: 1 to 7.
    pub(super) replaces: Option<u8>,
    /// What makes it the same message when it comes again.
    identity: Vec<u8>,
}

/// Reads SMSC field and TPDU.
pub(super) fn read(pdu: &[u8]) -> Handed {
    let decode =
        |octets: &[u8]| gsm_sms::decode(octets, Direction::Mt, Framing::SmscFirst, Strictness::Lenient);
    let mut decoded = decode(pdu);
    // Clause 9.2.3.1: a TP-MTI that is reserved is taken for an SMS-DELIVER.
    let first = usize::from(pdu.first().copied().unwrap_or_default()) + 1;
    if decoded.is_err() && pdu.get(first).is_some_and(|octet| octet & 0x03 == 0x03) {
        let mut octets = pdu.to_vec();
        octets[first] &= !0x03;
        decoded = decode(&octets);
    }
    match decoded {
        Ok(gsm_sms::Decoded { tpdu: gsm_sms::Tpdu::Deliver(deliver), .. }) => message(&deliver),
        Ok(gsm_sms::Decoded { tpdu: gsm_sms::Tpdu::StatusReport(report), .. }) => {
            Handed::Report(Box::new(report))
        }
        Ok(decoded) => Handed::Unreadable(format!("a {} is nothing to receive", decoded.tpdu.name())),
        Err(e) => Handed::Unreadable(e.to_string()),
    }
}

fn message(d: &gsm_sms::Deliver) -> Handed {
    let header = d.user_data.header();
    let replaces = match d.protocol.protocol() {
        Protocol::Type0 => return Handed::Silent,
        Protocol::Replace(kind) => Some(kind),
        _ => None,
    };
    let from = d.originator.to_string();
    // What the network or the modem may change on the way is left out: TP-MMS, TP-LP and what fills the record.
    let mut identity = vec![d.originator.type_octet(), d.protocol.0, d.coding.0, d.user_data.length()];
    identity.extend(d.timestamp.octets());
    identity.extend_from_slice(from.as_bytes());
    identity.push(0);
    identity.extend_from_slice(d.user_data.octets());
    let place = header.concatenation();
    Handed::Piece(Box::new(Piece {
        from: Sender::new(from),
        from_number: matches!(
            d.originator.type_of_number(),
            TypeOfNumber::International | TypeOfNumber::National | TypeOfNumber::Unknown
        ),
        sent_at: instant(d.timestamp),
        class: d.coding.class().map(gsm_sms::MessageClass::number),
        ports: header.ports(),
        place: place.filter(|p| p.total > 1 && (1..=p.total).contains(&p.sequence)),
        fragment: d.user_data.to_fragment(),
        replaces,
        identity,
    }))
}

/// An instant after 1970.
pub(super) fn instant(stamp: gsm_sms::Timestamp) -> Option<Timestamp> {
    let seconds = u64::try_from(stamp.unix_seconds()?).ok()?;
    Some(Timestamp::from_millis(seconds.saturating_mul(1000)))
}

impl Piece {
    /// Under what it is known again on this SIM, and for how long.
    pub(super) fn seen(&self, key: &Key, sim: &str) -> (Tag, Duration) {
        let remembered = if self.sent_at.is_some() { REMEMBERED } else { REMEMBERED_UNDATED };
        (tag(key, &[b"seen", sim.as_bytes(), &self.identity]), remembered)
    }

    /// What the parts of its message have in common.
    pub(super) fn assembly(&self, key: &Key, sim: &str, place: Concatenation) -> Tag {
        let wide = matches!(place.reference, Reference::Sixteen(_));
        let [high, low] = place.reference.number().to_be_bytes();
        let fields = [u8::from(wide), high, low, place.total];
        tag(key, &[b"assembly", sim.as_bytes(), self.from.as_str().as_bytes(), &fields])
    }

    /// Under what a later message takes its place.
    pub(super) fn replaceable(&self, key: &Key, sim: &str) -> Option<Tag> {
        let kind = self.replaces?;
        Some(tag(key, &[b"replace", sim.as_bytes(), self.from.as_str().as_bytes(), &[kind]]))
    }
}

/// Under what octets that cannot be read are known again.
pub(super) fn unreadable_seen(key: &Key, sim: &str, pdu: &[u8]) -> (Tag, Duration) {
    (tag(key, &[b"unreadable", sim.as_bytes(), pdu]), REMEMBERED)
}

/// A keyed hash, cut to 16 octets.
pub(super) fn tag(key: &Key, fields: &[&[u8]]) -> Tag {
    let hash = key.hash(fields);
    let mut tag = Tag::default();
    tag.copy_from_slice(&hash[..16]);
    tag
}

/// Where parts of a text are missing, or are no text.
const GAP: &str = "[…]";

/// What the parts carry together, in the order of their numbers; a gap in a text is marked.
pub(super) fn joined(parts: &[(u8, Fragment)], total: u8) -> (Content, Vec<u8>) {
    if parts.iter().all(|(_, fragment)| matches!(fragment, Fragment::Octets(_))) {
        let octets = parts.iter().flat_map(|(_, fragment)| match fragment {
            Fragment::Octets(octets) => octets.as_slice(),
            _ => &[],
        });
        return (Content::Data, octets.copied().collect());
    }
    let mut text = String::new();
    let mut next = 1_u8;
    for run in parts.chunk_by(|a, b| a.0.checked_add(1) == Some(b.0)) {
        let Some((first, last)) = run.first().zip(run.last()) else { continue };
        if first.0 != next {
            text.push_str(GAP);
        }
        text.push_str(run_text(run).as_deref().unwrap_or(GAP));
        next = last.0.saturating_add(1);
    }
    if parts.last().is_none_or(|last| last.0 < total) {
        text.push_str(GAP);
    }
    (Content::Text, text.into_bytes())
}

/// The text of parts without a gap, so that what a border cut is whole again.
fn run_text(parts: &[(u8, Fragment)]) -> Option<String> {
    let run = Pending {
        originator: String::new(),
        reference: Reference::Eight(0),
        total: u8::MAX,
        since: Duration::ZERO,
        parts: parts.to_vec(),
    };
    run.to_text()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever a modem hands over is one of the four, and what is a piece has a text, data, and names.
        #[test]
        fn any_octets_are_something(
            head in prop::sample::select(vec![0x00_u8, 0x03, 0x04, 0x40, 0x44, 0x06]),
            octets in prop::collection::vec(any::<u8>(), 0..180),
        ) {
            let pdu = [&[0, head, 4, 0x81, 0x21, 0x43], octets.as_slice()].concat();
            for pdu in [pdu.as_slice(), octets.as_slice()] {
                let Handed::Piece(piece) = read(pdu) else { continue };
                let key = Key::from_bytes([1; 32]);
                let place = piece.place.map_or((1, 1), |p| (p.sequence, p.total));
                prop_assert!(place.0 >= 1 && place.0 <= place.1);
                let (content, plain) = joined(&[(place.0, piece.fragment.clone())], place.1);
                prop_assert!(content == Content::Data || std::str::from_utf8(&plain).is_ok());
                prop_assert_eq!(piece.seen(&key, "sim").0, piece.seen(&key, "sim").0);
                prop_assert_ne!(piece.seen(&key, "sim").0, piece.seen(&key, "other").0);
            }
        }
    }

    #[test]
    fn gaps_are_marked_where_they_are() {
        let text = |n: u8, text: &str| (n, Fragment::Units(text.encode_utf16().collect()));
        let said = |parts: &[(u8, Fragment)], total| {
            let (content, plain) = joined(parts, total);
            assert_eq!(content, Content::Text);
            String::from_utf8(plain).unwrap()
        };
        assert_eq!(said(&[text(1, "a"), text(2, "b")], 2), "ab");
        assert_eq!(said(&[text(2, "b"), text(5, "e")], 6), "[…]b[…]e[…]");
        assert_eq!(said(&[text(255, "z")], 255), "[…]z");
        let mixed = [text(1, "a"), (3, Fragment::Octets(vec![1]))];
        assert_eq!(said(&mixed, 3), "a[…][…]", "data in the middle of a text is no text");
        let data = [(1, Fragment::Octets(vec![1, 2])), (3, Fragment::Octets(vec![3]))];
        assert_eq!(joined(&data, 3), (Content::Data, vec![1, 2, 3]));
        // A surrogate pair that a border cut is whole again, but not over a gap.
        let units: Vec<u16> = "👋".encode_utf16().collect();
        let halves =
            |second: u8| [(1, Fragment::Units(vec![units[0]])), (second, Fragment::Units(vec![units[1]]))];
        assert_eq!(said(&halves(2), 2), "👋");
        assert_eq!(said(&halves(3), 3), "\u{fffd}[…]\u{fffd}");
    }
}
