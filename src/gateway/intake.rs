//! The moves of what comes in: a message, or a part that waits for the others, and what its text asks for. Each
//! is one transaction, over records alone: nothing is kept in memory, so that a restart changes nothing.

use std::time::Duration;

use gsm_sms::{Arrival, Concatenation, Limits, Pending, Reassembler};

use super::effects::{Effect, Move};
use super::error::Result;
use super::log::Line;
use super::piece::{self, Handed, Piece};
use super::sims::Source;
use super::view::InboxView;
use crate::clock::Steady;
use crate::id::InboxId;
use crate::inbox::{Assembly, Content, Entry, Sender, Tag, part_owner};
use crate::secret::Secret;
use crate::store::{InboxRecords as _, KnownSim, NameRecords as _};

/// How long a message waits for its parts, and how many may wait: a day, 256 messages, 4096 parts.
pub(super) fn limits() -> Limits {
    Limits::default()
}

/// Where a part comes from, and since when it is here.
struct Origin<'a> {
    modem: &'a str,
    /// The SIM, by which its parts belong together.
    sim: &'a KnownSim,
    since: Steady,
}

/// A part that waits: which one, its PDU, and what stands in it.
type Part = (u8, Secret<Vec<u8>>, Piece);

impl Move<'_, '_> {
    /// Takes a message or a part; one that came before changes nothing.
    pub(super) fn take(&mut self, from: &Source, pdu: &[u8], piece: Piece) -> Result<()> {
        let (sim, key) = (self.sim(from)?, self.key);
        if self.came_before(&sim, |name| piece.seen(key, name))? {
            return Ok(());
        }
        match piece.place {
            None => self.keep(&from.modem, &[(1, piece)], 1, &sim),
            Some(place) => {
                let origin = Origin { modem: &from.modem, sim: &sim, since: self.now.steady() };
                self.join(&origin, pdu, piece, place)
            }
        }
    }

    /// Keeps octets that cannot be read: whoever looks at the inbox learns of them, and the modem has its place
    /// back.
    pub(super) fn take_unreadable(&mut self, from: &Source, pdu: &[u8], why: String) -> Result<()> {
        let (sim, key) = (self.sim(from)?, self.key);
        if self.came_before(&sim, |name| piece::unreadable_seen(key, name, pdu))? {
            return Ok(());
        }
        self.keep_unreadable(&from.modem, pdu, why)
    }

    fn keep_unreadable(&mut self, modem: &str, octets: &[u8], why: String) -> Result<()> {
        let id = self.inner.ids.next::<InboxId>(self.now.steady());
        self.put(&Entry {
            id,
            from: Sender::default(),
            modem: modem.to_owned(),
            received_at: self.now.wall(),
            sent_at: None,
            parts: 1,
            missing: Vec::new(),
            content: Content::Unreadable(why),
            class: None,
            ports: None,
            replaced_by: None,
            body: self.key.seal(&id.to_bytes(), octets),
        })
    }

    /// Gives up, with their gaps, the messages whose first part came before `cutoff`.
    pub(super) fn give_up_before(&mut self, cutoff: Steady) -> Result<()> {
        for (tag, assembly) in self.tx.assemblies()? {
            if assembly.since < cutoff {
                self.give_up(&tag, &assembly)?;
            }
        }
        Ok(())
    }

    /// Whether it came before, on this SIM under whatever name; `mark` is under what it is remembered on a SIM. From
    /// now on it did.
    pub(super) fn came_before(
        &mut self,
        sim: &KnownSim,
        mark: impl Fn(&str) -> (Tag, Duration),
    ) -> Result<bool> {
        for name in sim.names() {
            if self.tx.seen(&mark(name).0, self.now.steady())? {
                return Ok(true);
            }
        }
        let (tag, remembered) = mark(&sim.identity);
        self.tx.put_seen(&tag, self.now.steady().plus(remembered))?;
        Ok(false)
    }

    /// The parts that wait under any name of a SIM are put down under its identity, as if each came now but for the
    /// time from which it waits.
    pub(super) fn gather(&mut self, sim: &KnownSim) -> Result<()> {
        let mut waiting: Vec<(Tag, Assembly)> = Vec::new();
        for (tag, assembly) in self.tx.assemblies()? {
            let of = self.sim_of(&tag, &assembly)?;
            if sim.names().any(|name| name == of) {
                waiting.push((tag, assembly));
            }
        }
        // A reference may have come round: the older message gives way to the newer one, not the other way about.
        waiting.sort_by_key(|(_, assembly)| assembly.since);
        let mut parts = Vec::new();
        for (tag, assembly) in waiting {
            for (_, pdu, piece) in self.parts(&tag, &assembly)? {
                parts.push((assembly.modem.clone(), assembly.since, pdu, piece));
            }
            self.tx.delete_assembly(&tag)?;
        }
        for (modem, since, pdu, piece) in parts {
            if let Some(place) = piece.place {
                self.join(&Origin { modem: &modem, sim, since }, pdu.expose(), piece, place)?;
            }
        }
        Ok(())
    }

    /// A part joins those that came before it.
    fn join(&mut self, from: &Origin<'_>, pdu: &[u8], piece: Piece, place: Concatenation) -> Result<()> {
        let tag = piece.assembly(self.key, &from.sim.identity, place);
        let mut known = self.tx.assembly(&tag)?;
        // The parts before it are read only when they matter.
        let matters = |a: &Assembly| {
            a.have.contains(&place.sequence)
                || a.have.len() + 1 >= usize::from(place.total)
                || self.now.steady().since(a.since) >= limits().timeout
        };
        let mut pieces = match known.as_ref().filter(|assembly| matters(assembly)) {
            Some(assembly) => self.pieces(&tag, assembly)?,
            None => return self.wait(from, pdu, &tag, known, place),
        };
        let pending = known.as_ref().map(|assembly| Pending {
            originator: piece.from.as_str().to_owned(),
            reference: place.reference,
            total: place.total,
            since: epoch(assembly.since),
            parts: pieces.iter().map(|(sequence, p)| (*sequence, p.fragment.clone())).collect(),
        });
        let mut joiner = Reassembler::with_pending(limits(), pending);
        let (arrival, gave_way) =
            joiner.accept_part(epoch(self.now.steady()), piece.from.as_str(), place, piece.fragment.clone());
        if !gave_way.is_empty() {
            // Too old, or the reference went round: this part is the first of another message.
            if let Some(older) = known.take() {
                self.give_up(&tag, &older)?;
            }
            pieces.clear();
        }
        match arrival {
            Arrival::Duplicate => Ok(()),
            Arrival::Complete(_) => {
                self.tx.delete_assembly(&tag)?;
                pieces.push((place.sequence, piece));
                pieces.sort_by_key(|(sequence, _)| *sequence);
                let modem = known.map_or_else(|| from.modem.to_owned(), |assembly| assembly.modem);
                self.keep(&modem, &pieces, place.total, from.sim)
            }
            Arrival::Waiting { .. } => self.wait(from, pdu, &tag, known, place),
        }
    }

    /// Writes a part down until the others are there.
    fn wait(
        &mut self,
        from: &Origin<'_>,
        pdu: &[u8],
        tag: &Tag,
        known: Option<Assembly>,
        place: Concatenation,
    ) -> Result<()> {
        let mut assembly = known.unwrap_or_else(|| Assembly {
            modem: from.modem.to_owned(),
            since: from.since,
            total: place.total,
            have: Vec::new(),
        });
        if !assembly.have.contains(&place.sequence) {
            assembly.have.push(place.sequence);
            assembly.have.sort_unstable();
        }
        let sealed = self.key.seal(&part_owner(tag, place.sequence), &stored(&from.sim.identity, pdu));
        self.tx.put_part(tag, place.sequence, &sealed)?;
        self.tx.put_assembly(tag, &assembly)?;
        self.make_room()
    }

    /// The oldest incomplete messages give way when there are too many.
    fn make_room(&mut self) -> Result<()> {
        let mut waiting = self.tx.assemblies()?;
        waiting.sort_by_key(|(_, assembly)| assembly.since);
        let mut parts: usize = waiting.iter().map(|(_, assembly)| assembly.have.len()).sum();
        let mut count = waiting.len();
        for (tag, assembly) in waiting {
            if count <= limits().messages && parts <= limits().parts {
                break;
            }
            count -= 1;
            parts -= assembly.have.len();
            self.give_up(&tag, &assembly)?;
        }
        Ok(())
    }

    /// Keeps an incomplete message with its gaps.
    fn give_up(&mut self, tag: &Tag, assembly: &Assembly) -> Result<()> {
        let sim = self.tx.sim_called(self.key, &self.sim_of(tag, assembly)?)?;
        let pieces = self.pieces(tag, assembly)?;
        self.tx.delete_assembly(tag)?;
        if pieces.is_empty() {
            let why = "the records of its parts are damaged".to_owned();
            return self.keep_unreadable(&assembly.modem, &[], why);
        }
        self.keep(&assembly.modem, &pieces, assembly.total, &sim)
    }

    /// The parts that came, in their order. One that does not open, because its record is damaged, is missing.
    fn pieces(&self, tag: &Tag, assembly: &Assembly) -> Result<Vec<(u8, Piece)>> {
        let parts = self.parts(tag, assembly)?.into_iter();
        Ok(parts.map(|(sequence, _, piece)| (sequence, piece)).collect())
    }

    /// The same with their PDUs.
    fn parts(&self, tag: &Tag, assembly: &Assembly) -> Result<Vec<Part>> {
        let mut parts = Vec::with_capacity(assembly.have.len());
        for &sequence in &assembly.have {
            let Some(plain) = self.unsealed(tag, sequence)? else { continue };
            if let Some((_, pdu)) = split(plain.expose())
                && let Handed::Piece(piece) = piece::read(pdu)
            {
                parts.push((sequence, Secret::new(pdu.to_vec()), *piece));
            }
        }
        Ok(parts)
    }

    /// Under which name of its SIM a message waits for its parts.
    fn sim_of(&self, tag: &Tag, assembly: &Assembly) -> Result<String> {
        for &sequence in &assembly.have {
            if let Some(plain) = self.unsealed(tag, sequence)?
                && let Some((sim, _)) = split(plain.expose())
            {
                return Ok(sim.to_owned());
            }
        }
        Ok(String::new())
    }

    fn unsealed(&self, tag: &Tag, sequence: u8) -> Result<Option<Secret<Vec<u8>>>> {
        let Some(sealed) = self.tx.part(tag, sequence)? else { return Ok(None) };
        let opened = self.key.unseal(&part_owner(tag, sequence), &sealed);
        Ok(opened
            .inspect_err(|e| tracing::error!(sequence, "part {sequence} of a received message: {e}"))
            .ok())
    }

    /// Writes a message of these parts, and does what its text asks for. A canary has done what it was for.
    fn keep(&mut self, modem: &str, pieces: &[(u8, Piece)], total: u8, sim: &KnownSim) -> Result<()> {
        let Some((_, first)) = pieces.first() else { return Ok(()) };
        let parts: Vec<_> = pieces.iter().map(|(sequence, p)| (*sequence, p.fragment.clone())).collect();
        let (content, plain) = piece::joined(&parts, total);
        let plain = Secret::new(plain);
        let missing: Vec<u8> = (1..=total).filter(|s| parts.iter().all(|(have, _)| have != s)).collect();
        let whole_text = content == Content::Text && missing.is_empty();
        if whole_text && let Some(canary) = self.canary_in(plain.expose()) {
            self.then(Effect::CanaryCame(canary));
            return Ok(());
        }
        self.make_way(first, sim)?;
        let id = self.inner.ids.next::<InboxId>(self.now.steady());
        self.put(&Entry {
            id,
            from: first.from.clone(),
            modem: modem.to_owned(),
            received_at: self.now.wall(),
            sent_at: first.sent_at,
            parts: total,
            missing,
            content,
            class: first.class,
            ports: first.ports,
            replaced_by: first.replaceable(self.key, &sim.identity),
            body: self.key.seal(&id.to_bytes(), plain.expose()),
        })?;
        if whole_text { self.obey(id, first, plain.expose()) } else { Ok(()) }
    }

    /// Forgets the message that this one takes the place of, when that came under another name of the SIM; under its
    /// identity the store does so.
    fn make_way(&mut self, piece: &Piece, sim: &KnownSim) -> Result<()> {
        for tag in sim.former.iter().filter_map(|name| piece.replaceable(self.key, name)) {
            if let Some(older) = self.tx.replaceable(&tag)? {
                self.tx.delete_inbox(older)?;
            }
        }
        Ok(())
    }

    /// Does what a text asks for, when it is one of the words, or proves its sender's number when it has a token.
    fn obey(&mut self, id: InboxId, first: &Piece, text: &[u8]) -> Result<()> {
        let (from, Ok(text)) = (&first.from, std::str::from_utf8(text)) else { return Ok(()) };
        let Some(keyword) = self.settings.opt_out.keyword(text) else {
            return if first.from_number { self.prove(from, text) } else { Ok(()) };
        };
        let Some(phone) = self.number_of(from)? else {
            self.then(Effect::Log(Line::UnknownSender(from.masked())));
            return Ok(());
        };
        self.apply_keyword(&phone, keyword, Some(id))
    }

    fn put(&mut self, entry: &Entry) -> Result<()> {
        self.tx.put_inbox(entry)?;
        self.then(Effect::Received(InboxView::without_body(entry)));
        Ok(())
    }
}

fn epoch(at: Steady) -> Duration {
    Duration::from_millis(at.as_millis())
}

/// A part as it is sealed: its SIM, then its PDU.
fn stored(sim: &str, pdu: &[u8]) -> Vec<u8> {
    let sim = &sim.as_bytes()[..sim.len().min(255)];
    let mut stored = vec![u8::try_from(sim.len()).unwrap_or(u8::MAX)];
    stored.extend_from_slice(sim);
    stored.extend_from_slice(pdu);
    stored
}

fn split(stored: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = stored.split_first()?;
    let (sim, pdu) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(sim).ok()?, pdu))
}
