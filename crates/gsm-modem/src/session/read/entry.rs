//! The entries of a listing: the line before a message, and the message (3GPP TS 27.005 clauses 4.1 and 4.2).
//! Octets and line ends can be lost on the way: a message is accepted as the one that the line before it
//! announced when it has as many octets as that line says, or when the same octets come twice.

use std::time::Instant;

use super::{Awaited, Read};
use crate::at::{Entry, Header, Kind, Line, TextEntry, fits};
use crate::dialogue::Outstanding;
use crate::secret::Secret;
use crate::session::input::Output;
use crate::session::known::Known;
use crate::session::storage::{Errand, QUEUE, Storage};
use crate::session::translate::{deliver, status_report};
use crate::snapshot::{Notice, Place};

/// How many messages the subscriber holds at a time. More are read when it has discarded some of these.
const MOST_ANNOUNCED: usize = 64;
/// How often the settings are made again because a listing came as text.
const MOST_TEXTS: u8 = 2;
/// How often a place is read again because it did not give as many octets as announced.
const MOST_REREADS: u8 = 4;

/// The status "REC READ".
const RECEIVED: u8 = 1;

/// Whether a line was the text that was awaited.
enum TextLine {
    Not,
    Now,
    /// The text was empty, and had ended before this line.
    Before,
}

impl Read {
    /// Takes the line before a message, or line and message in one.
    pub(super) fn entry(&mut self, body: &str, known: &mut Known, now: Instant) {
        let (place, header) = match &self.errand {
            Errand::List => (None, Header::listed(body)),
            Errand::Read(place, _) | Errand::Walk(place) => (Some(place.clone()), Header::read(body)),
            _ => return,
        };
        self.head_without_message(known);
        let index = match &header {
            Some(Header::Entry(Entry { index, .. }) | Header::Text { index, .. }) => *index,
            None => None,
        };
        let listed = || Some((known.storage.memories.current.clone().unwrap_or_default(), index?));
        let (Some(header), Some(place)) = (header, place.or_else(listed)) else {
            self.dropped += 1;
            // Something lies there that was not understood.
            known.storage.work.more = true;
            return;
        };
        self.heads += 1;
        match header {
            Header::Entry(Entry { status, pdu: Some(pdu), length, .. }) => {
                self.octets_read(place, status, length, pdu, known, now);
            }
            Header::Entry(Entry { length: 0, .. }) => known.storage.is_own(place),
            Header::Entry(Entry { status, length, .. }) => {
                self.awaited = Some((place, Awaited::Pdu { status, length }));
            }
            Header::Text { .. } if !known.format.text.on => {
                text_in_pdu_mode(known);
                self.dropped += 1;
            }
            // The line may be part of a text.
            Header::Text { .. } if known.storage.memories.is_barred() => self.dropped += 1,
            Header::Text { entry: TextEntry::Report(report), .. } => match status_report(&report) {
                Some(pdu) => self.message_read(place, RECEIVED, pdu, known, now),
                None => self.dropped += 1,
            },
            Header::Text { entry: TextEntry::Own, .. } => known.storage.is_own(place),
            Header::Text { entry, .. } => self.awaited = Some((place, Awaited::Text(entry))),
        }
    }

    /// Another line before a message, or the end of the listing, came before the message: its place is read again.
    pub(super) fn head_without_message(&mut self, known: &mut Known) {
        if let Some((place, Awaited::Pdu { .. })) = self.awaited.take() {
            known.storage.suspect(place, Secret::new(Vec::new()));
        }
    }

    /// Takes the message after its line; any other line in between is looked at separately.
    pub(super) fn message_line(
        &mut self,
        line: &str,
        outstanding: Option<&Outstanding>,
        known: &mut Known,
        now: Instant,
    ) -> bool {
        let Some((place, awaited)) = self.awaited.take() else { return false };
        let taken = match &awaited {
            Awaited::Pdu { status, length } => match Line::pdu(line) {
                Some(octets) => {
                    let pdu = Secret::new(octets);
                    self.octets_read(place.clone(), *status, *length, pdu, known, now);
                    true
                }
                None => false,
            },
            Awaited::Text(entry) => match self.stored_text(&place, entry, line, outstanding, known, now) {
                TextLine::Before => return false,
                line_was => matches!(line_was, TextLine::Now),
            },
        };
        if !taken {
            self.awaited = Some((place, awaited));
        }
        taken
    }

    fn octets_read(
        &mut self,
        place: Place,
        status: u8,
        length: usize,
        pdu: Secret<Vec<u8>>,
        known: &mut Known,
        now: Instant,
    ) {
        if fits(pdu.expose(), length)
            || is_empty(pdu.expose())
            || known.storage.is_the_same_again(&place, &pdu)
        {
            known.storage.forget_suspect(&place);
            return self.message_read(place, status, pdu, known, now);
        }
        self.dropped += 1;
        // It is certain that something lies there.
        self.found = kind(pdu.expose(), status);
        known.storage.suspect(place, pdu);
    }

    fn message_read(
        &mut self,
        place: Place,
        status: u8,
        pdu: Secret<Vec<u8>>,
        known: &mut Known,
        now: Instant,
    ) {
        let again = known.settings.timing.announce_again;
        let storage = &mut known.storage;
        let Some(kind) = kind(pdu.expose(), status) else {
            return storage.is_own(place);
        };
        self.found = Some(kind);
        storage.announced.retain(|(_, at)| now.saturating_duration_since(*at) < again);
        if storage.announced.iter().any(|(announced, _)| *announced == place) {
            return;
        }
        if storage.announced.len() >= MOST_ANNOUNCED {
            storage.work.more = true;
            return;
        }
        storage.announced.push((place.clone(), now));
        let sim = storage.sim.clone().unwrap_or_default();
        let storage = Some(place);
        known.push(Output::Notice(match kind {
            Kind::Report => Notice::Report { pdu, storage, sim },
            Kind::Deliver | Kind::Broadcast => Notice::Delivered { pdu, storage, sim },
        }));
    }

    /// Takes what follows the line before a text. A line that is not the text is looked at separately, and the
    /// text is still awaited.
    fn stored_text(
        &mut self,
        place: &Place,
        entry: &TextEntry,
        line: &str,
        outstanding: Option<&Outstanding>,
        known: &mut Known,
        now: Instant,
    ) -> TextLine {
        let meaning = Line::with(line, outstanding.map(|o| &o.expects), |_| None);
        let (text, line_was) = match meaning {
            Line::Unsolicited(_) | Line::Echo => return TextLine::Not,
            // An empty text has no line.
            Line::Final(_) | Line::Answer(_) => ("", TextLine::Before),
            Line::Unknown if Line::pdu(line).is_some() => (line, TextLine::Now),
            Line::Unknown => {
                known.leave_unread("and writes texts as they are, whatever AT+CSCS says");
                return TextLine::Now;
            }
        };
        let TextEntry::Deliver { from, timestamp } = entry else { return line_was };
        match deliver(from, timestamp, text) {
            Some(pdu) => self.message_read(place.clone(), RECEIVED, pdu, known, now),
            None => self.dropped += 1,
        }
        line_was
    }
}

/// PDU mode is lost, so all other settings may be lost too: they are made again. A modem that accepts PDU
/// mode and still writes text is left alone until the next listing.
fn text_in_pdu_mode(known: &mut Known) {
    if known.storage.texts < MOST_TEXTS {
        known.storage.texts += 1;
        known.pending.bring_up = true;
    } else {
        let current = known.storage.memories.current.clone().unwrap_or_default();
        known.storage.bar(&current);
    }
}

impl Storage {
    /// A place did not give as many octets as announced: it is read again.
    fn suspect(&mut self, place: Place, pdu: Secret<Vec<u8>>) {
        let known = self.suspects.iter_mut().find(|(suspect, ..)| *suspect == place);
        let times = known.as_ref().map_or(0, |(.., times)| *times).saturating_add(1);
        match known {
            Some(suspect) => (suspect.1, suspect.2) = (pdu, times),
            None => self.suspects.push((place.clone(), pdu, times)),
        }
        if self.suspects.len() > QUEUE {
            self.suspects.remove(0);
        }
        // This is often enough for now: the next listing reads the place again.
        if times < MOST_REREADS {
            self.read_soon(place, Kind::Deliver);
        }
    }

    /// The message was read correctly, and need not be read again.
    fn forget_suspect(&mut self, place: &Place) {
        let before = self.suspects.len();
        self.suspects.retain(|(suspect, ..)| suspect != place);
        if self.suspects.len() < before {
            self.work.reads.retain(|(read, _)| read != place);
        }
    }

    /// Notes a message of the modem's own, or a place that holds none.
    fn is_own(&mut self, place: Place) {
        if self.own.len() < QUEUE && !self.own.contains(&place) {
            self.own.push(place);
        }
    }

    fn is_the_same_again(&self, place: &Place, pdu: &Secret<Vec<u8>>) -> bool {
        let same = |(suspect, octets, _): &(Place, Secret<Vec<u8>>, u8)| suspect == place && octets == pdu;
        !pdu.expose().is_empty() && self.suspects.iter().any(same)
    }
}

/// Whether a place only looks occupied: some modems fill empty places with ones (`MC35i`).
fn is_empty(pdu: &[u8]) -> bool {
    pdu.split_first().is_some_and(|(_, tpdu)| !tpdu.is_empty() && tpdu.iter().all(|&octet| octet == 0xff))
}

/// The kind of a stored PDU; `None` for the modem's own messages and for places that only look occupied.
fn kind(pdu: &[u8], status: u8) -> Option<Kind> {
    // The length of the service centre's address stands first; the TPDU's type is in the low bits after the
    // address (3GPP TS 23.040 clause 9.2.3.1).
    let tpdu = pdu.get(1 + usize::from(*pdu.first()?)..)?;
    let first = *tpdu.first()?;
    match first & 0b11 {
        _ if is_empty(pdu) => None,
        0b01 => None,
        // A message with a status of "stored" is never a received one, however its octets read.
        0b10 | 0b11 if status >= 2 => None,
        0b10 => Some(Kind::Report),
        _ => Some(Kind::Deliver),
    }
}
