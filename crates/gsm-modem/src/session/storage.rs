//! The message storages of a modem (3GPP TS 27.005 clauses 3.2.2, 3.5.4, 4.1 and 4.2): what arrived is read, handed
//! over with its place, and deleted once the subscriber has it for certain.
//!
//! All of it happens in errands of one command each, while nothing is sent; between two errands the session is
//! idle, so that a waiting order never waits for more than one. A listing at the start and from time to time finds
//! what no code told of.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::resync::{Open, Then};
use super::text_mode::Came;
use super::translate::status_report;
use super::{Action, Outstanding, Phase, Session};
use crate::Secret;
use crate::at::{Charset, Command, Entry, Failure, Header, Kind, Line, ResultCode, TextEntry, Usage, usages};
use crate::snapshot::Notice;

/// A storage's name and the place in it.
pub(super) type Place = (String, u32);

/// Places that wait to be read or emptied; what finds no room is found again by a listing.
const QUEUE: usize = 256;
/// Messages that the subscriber holds at a time. More are read when it has let go of these.
const ANNOUNCED: usize = 64;
/// A waiting order is taken before the next errand.
const BREATH: Duration = Duration::from_millis(1);
/// A code that names nothing has the storages listed, not more often than this.
const LISTING_GAP: Duration = Duration::from_secs(10);
/// Times that a busy SIM is asked again within one errand's turn.
const BUSY_TRIES: u8 = 10;

/// "REC READ".
pub(super) const RECEIVED: u8 = 1;

const FULL: &str = "the modem's message storage is full: it is being read and emptied";

#[derive(Debug, Default)]
pub(super) struct Storage {
    /// All that are listed, that of new messages first.
    pub(super) known: Vec<String>,
    /// mem1, from which is read and deleted; nothing when the modem does not say.
    pub(super) current: Option<String>,
    /// The SIM whose messages were announced.
    card: Option<String>,
    /// Those that cannot be chosen.
    barred: Vec<String>,
    /// Those of which the modem gives no list.
    unlisted: Vec<String>,
    /// The modem wants mem2 and mem3 said along with mem1.
    wants_all: bool,
    usage: Option<(u32, u32)>,
    reads: VecDeque<(Place, Kind)>,
    discards: VecDeque<Place>,
    announced: Vec<(Place, Instant)>,
    /// There was more than [`ANNOUNCED`] can hold.
    more: bool,
    /// Messages of the modem's own, and places that hold none: in the way when the storage is full.
    own: Vec<Place>,
    full: bool,
    listing: Option<Listing>,
    listed_at: Option<Instant>,
    due: Option<Instant>,
    pub(super) hold: Option<Instant>,
    busy: u8,
    /// Times that the modem gave text where PDUs belong.
    pub(super) texts: u8,
    /// A full storage kept the modem from taking `AT+CNMI`.
    pub(super) refused_codes: bool,
    /// The line before a message was read; the message is due.
    awaited: Option<(Place, Awaited)>,
    /// What the present errand read.
    found: Option<Kind>,
}

/// What follows the line before it.
#[derive(Debug)]
enum Awaited {
    /// A PDU, with this status.
    Pdu(u8),
    /// The text of an entry in text mode.
    Text(TextEntry),
}

/// One command of the storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Errand {
    /// In text mode: this alphabet comes into force.
    Charset(Charset),
    /// mem1 becomes this one.
    Select(String),
    /// How full is it?
    Usage,
    /// All of mem1.
    List,
    /// One place that a code named.
    Read(Place, Kind),
    /// One place after the other, where there is no list.
    Walk(Place),
    Delete(Place),
}

#[derive(Debug)]
struct Listing {
    left: VecDeque<String>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Usage,
    List,
    Walk { next: u32, found: u32 },
}

impl Storage {
    /// Forgets what a restart of the modem forgets. Messages of another SIM are other messages.
    pub(super) fn begins(&mut self, card: Option<String>, now: Instant) {
        let (announced, discards) = if self.card == card {
            (std::mem::take(&mut self.announced), std::mem::take(&mut self.discards))
        } else {
            (Vec::new(), VecDeque::new())
        };
        let (reads, texts) = (std::mem::take(&mut self.reads), self.texts);
        *self = Self { card, reads, announced, discards, texts, due: Some(now), ..Self::default() };
    }

    /// When there is something to do, if ever.
    fn due(&self, now: Instant) -> Option<Instant> {
        let waiting = !self.reads.is_empty() || !self.discards.is_empty() || self.listing.is_some();
        let due = if waiting { Some(now) } else { self.due.filter(|_| !self.known.is_empty()) };
        due.map(|due| self.hold.map_or(due, |hold| due.max(hold)))
    }

    /// A listing soon: something was not where a code said that it was.
    fn list_soon(&mut self, wait: Duration, now: Instant) {
        let soon = now + wait;
        let soon = self.listed_at.map_or(soon, |listed| soon.max(listed + LISTING_GAP));
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    fn next_errand(&mut self, now: Instant) -> Option<Errand> {
        if let Some((place, kind)) = self.reads.front().cloned() {
            if let Some(select) = self.selected(&place.0) {
                return Some(select);
            }
            self.reads.pop_front();
            return Some(Errand::Read(place, kind));
        }
        let near = self.discards.iter().position(|place| Some(&place.0) == self.current.as_ref());
        if let Some(at) = near.or_else(|| (!self.discards.is_empty()).then_some(0)) {
            let storage = self.discards[at].0.clone();
            return self.selected(&storage).or_else(|| self.discards.remove(at).map(Errand::Delete));
        }
        if self.listing.is_none() && self.due.is_some_and(|due| due <= now) {
            self.due = None;
            self.more = false;
            self.listing = Some(Listing { left: self.known.iter().cloned().collect(), stage: Stage::Usage });
        }
        self.next_of_listing()
    }

    fn next_of_listing(&mut self) -> Option<Errand> {
        loop {
            let listing = self.listing.as_ref()?;
            let Some(storage) = listing.left.front().cloned() else {
                // What a code names next lies most likely where new messages go.
                let new = self.known.first().filter(|new| !self.barred.contains(*new))?;
                return self.selected(new);
            };
            if self.barred.contains(&storage) {
                self.storage_listed();
                continue;
            }
            if let Some(select) = self.selected(&storage) {
                return Some(select);
            }
            match listing.stage {
                Stage::Usage => return Some(Errand::Usage),
                Stage::List if !self.unlisted.contains(&storage) => return Some(Errand::List),
                Stage::List => self.set_stage(Stage::Walk { next: 0, found: 0 }),
                Stage::Walk { next, found } => match self.usage {
                    Some((used, total)) if next <= total && found < used => {
                        return Some(Errand::Walk((storage, next)));
                    }
                    _ => self.storage_listed(),
                },
            }
        }
    }

    fn set_stage(&mut self, stage: Stage) {
        if let Some(listing) = &mut self.listing {
            listing.stage = stage;
        }
    }

    /// The next storage of the listing. What the modem stored itself goes where room is short.
    fn storage_listed(&mut self) {
        let own = std::mem::take(&mut self.own);
        if self.full || self.is_short() {
            self.discards.extend(own);
        }
        if let Some(listing) = &mut self.listing {
            listing.left.pop_front();
            listing.stage = Stage::Usage;
        }
    }

    /// The errand that has to come first; nothing when that storage is read already.
    fn selected(&self, storage: &str) -> Option<Errand> {
        let there = self.current.as_deref() == Some(storage);
        // A modem that knows no `+CPMS` has one storage, whatever its codes call it.
        (!there && self.current.is_some()).then(|| Errand::Select(storage.to_owned()))
    }

    pub(super) fn bar(&mut self, storage: &str) {
        self.barred.push(storage.to_owned());
        self.reads.retain(|(place, _)| place.0 != storage);
        self.discards.retain(|place| place.0 != storage);
    }

    /// Nothing more is read; what was read is still deleted.
    pub(super) fn bar_all(&mut self) {
        let reads = std::mem::take(&mut self.reads).into_iter().map(|((storage, _), _)| storage);
        let names = self.known.iter().cloned().chain(self.current.clone()).chain(reads);
        self.barred.extend(names.collect::<Vec<_>>());
        self.awaited = None;
    }

    /// Whether the storage in use is left unread.
    pub(super) fn is_barred(&self) -> bool {
        self.current.as_ref().is_none_or(|current| self.barred.contains(current)) && !self.barred.is_empty()
    }

    fn is_full(&self) -> bool {
        self.usage.is_some_and(|(used, total)| total > 0 && used >= total)
    }

    /// Little room is left: three quarters are taken.
    fn is_short(&self) -> bool {
        self.usage.is_some_and(|(used, total)| used.saturating_mul(4) >= total.saturating_mul(3))
    }
}

impl Session {
    /// Deletes a message that was announced with this place.
    pub fn discard(&mut self, place: Place, now: Instant) {
        let storage = &mut self.storage;
        // A place that was not announced may hold another message by now.
        let announced = storage.announced.iter().any(|(known, _)| *known == place);
        if announced && storage.discards.len() < QUEUE && !storage.discards.contains(&place) {
            storage.discards.push_back(place);
        }
        self.storage_changed(now);
    }

    /// A code named a place.
    pub(super) fn read_place(&mut self, place: Place, kind: Kind, now: Instant) {
        let storage = &mut self.storage;
        // Something new lies there: what lay there before has gone.
        storage.announced.retain(|(known, _)| *known != place);
        storage.discards.retain(|known| *known != place);
        if storage.barred.contains(&place.0) {
            storage.list_soon(Duration::ZERO, now);
        } else if storage.reads.len() < QUEUE {
            storage.reads.retain(|(known, _)| *known != place);
            storage.reads.push_back((place, kind));
        } else {
            storage.more = true;
        }
        self.storage_changed(now);
    }

    /// Where a message really lies: some families name another storage for their reports.
    pub(super) fn storage_of(&self, named: String, kind: Kind) -> String {
        let reports = self.profile.report_storage.as_ref().filter(|_| kind == Kind::Report);
        reports.filter(|name| self.storage.known.contains(name)).cloned().unwrap_or(named)
    }

    /// No room is left: it is made at once, but a modem that says so again and again is not listed without end.
    pub(super) fn storage_is_full(&mut self, now: Instant) {
        self.set_fault(FULL);
        self.actions.push_back(Action::Notice(Notice::StorageFull));
        self.storage.full = true;
        self.storage.list_soon(Duration::ZERO, now);
        self.storage_changed(now);
    }

    /// When an idle session has to look at its storage.
    pub(super) fn storage_due(&self, now: Instant) -> Option<Instant> {
        let due = match self.storage_charset(false) {
            Some(_) => Some(self.storage.hold.map_or(now, |hold| hold.max(now))),
            None => self.storage.due(now),
        };
        due.map(|due| due.max(now + BREATH))
    }

    fn storage_changed(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Idle) {
            self.become_idle(now);
        }
    }

    /// The next command, or nothing when there is nothing to do.
    pub(super) fn start_storage(&mut self, now: Instant) -> bool {
        let Some(errand) = self.errand(now).or_else(|| self.give_back(now)) else { return false };
        let timing = self.settings.timing;
        let (command, limit) = match &errand {
            Errand::Charset(charset) => (Command::Charset(*charset), timing.command),
            Errand::Select(name) => (Command::UseStorages(self.names(name)), timing.command),
            Errand::Usage => (Command::StoragesInUse, timing.command),
            Errand::List if self.text.on => (Command::ListText, timing.slow_command),
            Errand::List => (Command::List, timing.slow_command),
            Errand::Read((_, index), _) | Errand::Walk((_, index)) => (Command::Read(*index), timing.command),
            Errand::Delete((_, index)) => (Command::Delete(*index), timing.slow_command),
        };
        self.storage.awaited = None;
        self.storage.found = None;
        self.timer = None;
        self.phase = Phase::Storage(errand);
        self.write_command(command, limit, now);
        true
    }

    fn errand(&mut self, now: Instant) -> Option<Errand> {
        self.storage.due(now).filter(|&due| due <= now)?;
        self.storage.hold = None;
        let errand = self.storage.next_errand(now);
        if errand.is_none() && self.storage.listing.take().is_some() {
            self.listing_done(now);
        }
        let errand = errand.or_else(|| self.storage.next_errand(now))?;
        let reads = matches!(errand, Errand::List | Errand::Read(..) | Errand::Walk(_));
        let Some(first) = self.storage_charset(true).filter(|_| reads) else { return Some(errand) };
        if !self.text.switches {
            self.leave_unread("and refuses to have its alphabet set");
            return None;
        }
        if let Errand::Read(place, kind) = errand {
            self.storage.reads.push_front((place, kind));
        }
        Some(first)
    }

    fn names(&self, name: &str) -> Vec<String> {
        let mut names = vec![name.to_owned()];
        if self.storage.wants_all
            && let Some(new) = self.storage.known.first()
        {
            names.extend([new.clone(), new.clone()]);
        }
        names
    }

    /// The line before a PDU, or both on one line.
    pub(super) fn entry_read(&mut self, body: &str, now: Instant) {
        let Phase::Storage(errand) = &self.phase else { return };
        let (place, header) = match errand {
            Errand::List => (None, Header::listed(body)),
            Errand::Read(place, _) | Errand::Walk(place) => (Some(place.clone()), Header::read(body)),
            _ => return,
        };
        self.storage.awaited = None;
        let index = match &header {
            Some(Header::Entry(Entry { index, .. }) | Header::Text { index, .. }) => *index,
            None => None,
        };
        let listed = || Some((self.storage.current.clone()?, index?));
        let (Some(header), Some(place)) = (header, place.or_else(listed)) else {
            return self.count_dropped();
        };
        match header {
            Header::Entry(Entry { status, pdu: Some(pdu), .. }) => self.message_read(place, status, pdu, now),
            Header::Entry(Entry { length: 0, .. }) => self.storage.own.push(place),
            Header::Entry(Entry { status, .. }) => self.storage.awaited = Some((place, Awaited::Pdu(status))),
            Header::Text { .. } if !self.text.on => {
                self.text_read();
                self.count_dropped();
            }
            // Perhaps of somebody's text.
            Header::Text { .. } if self.storage.is_barred() => self.count_dropped(),
            Header::Text { entry: TextEntry::Report(report), .. } => match status_report(&report) {
                Some(pdu) => self.message_read(place, RECEIVED, pdu, now),
                None => self.count_dropped(),
            },
            Header::Text { entry: TextEntry::Own, .. } => self.storage.own.push(place),
            Header::Text { entry, .. } => self.storage.awaited = Some((place, Awaited::Text(entry))),
        }
    }

    /// The message behind its line; whatever else comes between is looked at for itself.
    pub(super) fn stored_message(&mut self, line: &str, now: Instant) -> bool {
        if !matches!(self.phase, Phase::Storage(_)) {
            return false;
        }
        let Some((place, awaited)) = self.storage.awaited.take() else { return false };
        let taken = match &awaited {
            Awaited::Pdu(status) => match Line::pdu(line) {
                Some(octets) => {
                    self.message_read(place.clone(), *status, Secret::new(octets), now);
                    true
                }
                None => false,
            },
            Awaited::Text(entry) => match self.stored_text(&place, entry, line, now) {
                Came::Before => return false,
                came => came == Came::Now,
            },
        };
        if taken {
            self.trace_hidden(line);
        } else {
            self.storage.awaited = Some((place, awaited));
        }
        taken
    }

    pub(super) fn message_read(&mut self, place: Place, status: u8, pdu: Secret<Vec<u8>>, now: Instant) {
        let again = self.settings.timing.announce_again;
        let storage = &mut self.storage;
        let Some(kind) = kind(pdu.expose(), status) else {
            if storage.own.len() < QUEUE {
                storage.own.push(place);
            }
            return;
        };
        storage.found = Some(kind);
        storage.announced.retain(|(_, at)| now.saturating_duration_since(*at) < again);
        if storage.announced.iter().any(|(known, _)| *known == place) {
            return;
        }
        if storage.announced.len() >= ANNOUNCED {
            storage.more = true;
            return;
        }
        storage.announced.push((place.clone(), now));
        let storage = Some(place);
        self.actions.push_back(Action::Notice(match kind {
            Kind::Report => Notice::Report { pdu, storage },
            Kind::Deliver | Kind::Broadcast => Notice::Delivered { pdu, storage },
        }));
    }

    pub(super) fn storage_finished(&mut self, outstanding: &Outstanding, code: &ResultCode, now: Instant) {
        let Phase::Storage(errand) = &self.phase else { return };
        let errand = errand.clone();
        if Failure::is_busy(code) && self.storage.busy < BUSY_TRIES {
            self.storage.busy += 1;
            self.storage.hold = Some(now + self.settings.timing.busy_retry);
            match errand {
                Errand::Read(place, kind) => self.storage.reads.push_front((place, kind)),
                Errand::Delete(place) => self.storage.discards.push_front(place),
                _ => {}
            }
            return self.become_idle(now);
        }
        self.storage.busy = 0;
        match errand {
            Errand::Charset(charset) => self.storage_charset_set(charset, code),
            Errand::Select(name) => self.select_finished(&name, outstanding, code),
            Errand::Usage => {
                let known = usages(outstanding.answer.last().map_or("", String::as_str));
                self.usage_known(known.first());
            }
            Errand::List if code.is_ok() => self.storage.storage_listed(),
            Errand::List => self.list_refused(),
            Errand::Read(_, kind) => {
                // Some name the wrong storage or an empty place, or the message is there a little later.
                if self.storage.found != Some(kind) {
                    self.storage.list_soon(self.settings.timing.busy_retry, now);
                }
            }
            Errand::Walk(_) => self.walked_on(),
            Errand::Delete(place) => self.delete_finished(&place, code, now),
        }
        self.become_idle(now);
    }

    pub(super) fn storage_timed_out(&mut self, outstanding: &Outstanding, now: Instant) {
        let Phase::Storage(errand) = &self.phase else { return };
        match errand.clone() {
            Errand::Charset(_) => self.text.charset = None,
            Errand::Select(name) => self.storage.bar(&name),
            Errand::Usage => self.usage_known(usages(outstanding.answer.last().map_or("", |l| l)).first()),
            Errand::List => self.list_refused(),
            Errand::Walk(_) => self.storage.storage_listed(),
            Errand::Read(..) | Errand::Delete(_) => {}
        }
        self.notice_trouble(now);
        self.set_fault("the modem did not answer in time about the messages that it stores");
        self.storage.hold = Some(now + self.settings.timing.busy_retry);
        self.start_resync(Open::No, Then::Idle, now);
    }

    fn select_finished(&mut self, name: &str, outstanding: &Outstanding, code: &ResultCode) {
        if code.is_ok() {
            self.storage.current = Some(name.to_owned());
            let known = usages(outstanding.answer.last().map_or("", String::as_str));
            let listed = self.storage.listing.as_ref().is_some_and(|listing| {
                listing.stage == Stage::Usage && listing.left.front().is_some_and(|front| front == name)
            });
            if listed && !known.is_empty() {
                self.usage_known(known.first());
            }
        } else if !self.storage.wants_all && !self.storage.known.is_empty() {
            self.storage.wants_all = true;
        } else {
            self.storage.bar(name);
        }
    }

    fn usage_known(&mut self, usage: Option<&Usage>) {
        self.storage.usage = usage.map(|usage| (usage.used, usage.total));
        self.storage.full |= self.storage.is_full();
        match self.storage.usage {
            Some((0, total)) if total > 0 => self.storage.storage_listed(),
            _ => self.storage.set_stage(Stage::List),
        }
    }

    /// The modem gives no list: its places are read one by one.
    fn list_refused(&mut self) {
        self.storage.unlisted.extend(self.storage.current.clone());
        self.storage.set_stage(Stage::Walk { next: 0, found: 0 });
    }

    fn walked_on(&mut self) {
        let more = u32::from(self.storage.found.is_some());
        if let Some(Listing { stage: Stage::Walk { next, found }, .. }) = &mut self.storage.listing {
            *next += 1;
            *found += more;
        }
    }

    fn delete_finished(&mut self, place: &Place, code: &ResultCode, now: Instant) {
        // Invalid index, not found: it went another way.
        let gone = matches!(code, ResultCode::Cms(_) if Failure::number(code) == Some(321))
            || matches!(code, ResultCode::Cme(_) if matches!(Failure::number(code), Some(21 | 22)));
        if code.is_ok() || gone {
            self.storage.announced.retain(|(known, _)| known != place);
            if self.snapshot.last_error.as_deref() == Some(FULL) {
                self.snapshot.last_error = None;
                self.dirty = true;
            }
            if self.storage.discards.is_empty() && std::mem::take(&mut self.storage.refused_codes) {
                self.wishes.bring_up = true;
            }
            if self.storage.more && self.storage.announced.is_empty() {
                self.storage.due = Some(now);
            }
            return;
        }
        let why = Failure::of(code).sentence;
        self.set_fault(&format!("the modem does not delete a message that was read from its storage: {why}"));
    }

    fn listing_done(&mut self, now: Instant) {
        let storage = &mut self.storage;
        storage.listed_at = Some(now);
        let next = now + self.settings.timing.listing;
        storage.due = Some(storage.due.map_or(next, |due| due.min(next)));
        let full = std::mem::take(&mut storage.full);
        if full && storage.discards.is_empty() && storage.announced.is_empty() {
            self.set_fault(
                "the modem's message storage is full and gives nothing to read: delete its messages by hand",
            );
        }
    }
}

/// What a stored PDU is; nothing for the modem's own messages and for places that only look taken.
fn kind(pdu: &[u8], status: u8) -> Option<Kind> {
    // The length of the service centre's address stands first; the TPDU's type is in the low bits behind it
    // (3GPP TS 23.040 clause 9.2.3.1).
    let tpdu = pdu.get(1 + usize::from(*pdu.first()?)..)?;
    let first = *tpdu.first()?;
    let empty = tpdu.iter().all(|&octet| octet == 0xff);
    match first & 0b11 {
        _ if empty => None,
        0b01 => None,
        // What was sent and is said to be so is never somebody's message, however its octets read.
        0b10 | 0b11 if status >= 2 => None,
        0b10 => Some(Kind::Report),
        _ => Some(Kind::Deliver),
    }
}
