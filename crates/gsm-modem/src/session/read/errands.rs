//! When an idle session has to look at its storages, and for what. On a modem that is driven in text mode the
//! alphabet is set first: received messages are read in UCS-2, as one line of digits, so that no text can
//! pass for an answer of the modem.

use std::time::{Duration, Instant};

use crate::at::{Charset, Kind, ResultCode};
use crate::session::fault::Fault;
use crate::session::known::Known;
use crate::session::storage::{Codes, Errand, QUEUE};
use crate::snapshot::Place;

/// After this time, a modem that refused every way to report new messages is asked again.
const CODES_AGAIN: Duration = Duration::from_secs(3600);

impl Known {
    /// Deletes a message that was announced with this place.
    pub(in crate::session) fn discard(&mut self, place: Place) {
        let storage = &mut self.storage;
        // A place that was not announced may hold another message by now.
        let announced = storage.announced.iter().any(|(known, _)| *known == place);
        let discards = &mut storage.work.discards;
        if announced && discards.len() < QUEUE && !discards.contains(&place) {
            discards.push_back(place);
        }
    }

    /// An unsolicited code named a place.
    pub(in crate::session) fn read_place(&mut self, place: Place, kind: Kind, now: Instant) {
        let reports = self.profile.receiving.report_storage.as_ref().filter(|_| kind == Kind::Report);
        let (named, index) = place;
        // Some families store reports in another storage than the one they name.
        let really = reports.filter(|name| self.storage.memories.known.contains(name)).cloned();
        let place = (really.unwrap_or(named), index);
        let storage = &mut self.storage;
        // Something new lies there: what lay there before is gone.
        storage.announced.retain(|(known, _)| *known != place);
        storage.suspects.retain(|(known, ..)| *known != place);
        storage.work.discards.retain(|known| *known != place);
        if storage.memories.barred.contains(&place.0) {
            storage.list_soon(Duration::ZERO, now);
        } else {
            storage.read_soon(place, kind);
        }
    }

    /// An unsolicited code reported a message without its place.
    pub(in crate::session) fn look_for_messages(&mut self, now: Instant) {
        self.storage.list_soon(Duration::ZERO, now);
    }

    /// A storage is full. Room is made at once, but a modem that says so again and again is not listed without end.
    pub(in crate::session) fn storage_is_full(&mut self, now: Instant) {
        self.set_fault(Fault::StorageFull, now);
        self.storage.work.full = true;
        self.storage.list_soon(Duration::ZERO, now);
    }

    /// When an idle session has to look at its storages.
    pub(in crate::session) fn storage_due(&self, now: Instant) -> Option<Instant> {
        match self.storage_charset(false) {
            Some(_) => Some(self.storage.work.hold.map_or(now, |hold| hold.max(now))),
            None => self.storage.due(now),
        }
    }

    /// Whether a modem that refused every way to report new messages is to be asked again.
    pub(in crate::session) fn codes_are_due(&mut self, now: Instant) -> bool {
        let Codes::Refused { at } = self.storage.codes else { return false };
        now.saturating_duration_since(at) >= CODES_AGAIN
    }

    /// The next command about the storages, or `None` when there is nothing to do.
    pub(in crate::session) fn next_errand(&mut self, now: Instant) -> Option<Errand> {
        self.due_errand(now).or_else(|| self.restore_charset(now))
    }

    fn due_errand(&mut self, now: Instant) -> Option<Errand> {
        self.storage.due(now).filter(|&due| due <= now)?;
        self.storage.work.hold = None;
        let errand = self.storage.next(now);
        if errand.is_none() && self.storage.end_listing(self.settings.timing.listing, now) {
            self.set_fault(Fault::StorageStuck, now);
        }
        let errand = errand.or_else(|| self.storage.next(now))?;
        let reads = matches!(errand, Errand::List | Errand::Read(..) | Errand::Walk(_));
        let Some(first) = self.storage_charset(true).filter(|_| reads) else { return Some(errand) };
        if !self.format.text.switches {
            self.leave_unread("and refuses to have its alphabet set");
            return None;
        }
        if let Errand::Read(place, kind) = errand {
            self.storage.work.reads.push_front((place, kind));
        }
        Some(first)
    }

    /// The alphabet for what is about to be done with the storage; `None` when it is in force.
    fn storage_charset(&self, reads: bool) -> Option<Errand> {
        let text = &self.format.text;
        let wanted = if reads { Charset::Ucs2 } else { text.plain };
        (text.on && text.charset != Some(wanted)).then_some(Errand::Charset(wanted))
    }

    pub(super) fn charset_set(&mut self, charset: Charset, code: &ResultCode) {
        if code.is_ok() {
            self.format.text.charset = Some(charset);
        } else if charset == self.format.text.plain {
            // The alphabet in force is unknown: all settings are made again.
            self.pending.bring_up = true;
        } else {
            self.leave_unread("and refuses AT+CSCS=\"UCS2\"");
        }
    }

    /// Leaves messages unread where a text could pass for something else.
    pub(super) fn leave_unread(&mut self, why: &str) {
        let modem = &self.settings.name;
        tracing::warn!(modem, "received messages stay unread: the modem {modem} knows text mode alone {why}");
        self.storage.bar_all();
    }

    /// Sets back the alphabet after reading.
    fn restore_charset(&self, now: Instant) -> Option<Errand> {
        self.storage_charset(false).filter(|_| self.storage.work.hold.is_none_or(|hold| hold <= now))
    }
}
