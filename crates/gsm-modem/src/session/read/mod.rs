//! The message storages of a modem (3GPP TS 27.005 clauses 3.2.2, 3.5.4, 4.1 and 4.2): messages that arrived
//! are read, handed over with their place, and deleted once the subscriber has stored them for certain.
//!
//! All of this happens in errands of one command each, while nothing is sent. Between two errands the session is idle,
//! so that a waiting order never waits for more than one. A listing at the start and from time to time finds messages
//! that no code reported. Nothing is handed over or deleted on a single reading that could be wrong: the octets of a
//! message must be as many as the line before it says, or the same octets must come twice.

mod entry;
mod errands;
mod handed_over;

use std::time::Instant;

use super::fault::Fault;
use super::known::Known;
use super::procedure::{Activity, Cx, Next, Procedure};
use super::storage::{Codes, Errand, storages_in_use};
use crate::at::{Command, Failure, Kind, ResultCode, TextEntry, Usage, names_the_sim, usages};
use crate::dialogue::{Ended, Open, Outstanding};
use crate::snapshot::Place;

/// How often a busy SIM is asked again for one errand.
const BUSY_TRIES: u8 = 10;

/// An errand in progress.
#[derive(Debug)]
pub(super) struct Read {
    errand: Errand,
    /// The line before a message was read; the message is awaited.
    awaited: Option<(Place, Awaited)>,
    /// The kind of what was read last.
    found: Option<Kind>,
    /// How many lines before a message this listing had.
    heads: u32,
    /// How many lines were neither that nor a message.
    dropped: u32,
}

/// What follows the line before it.
#[derive(Debug)]
pub(super) enum Awaited {
    /// A PDU, with this status and so many octets in its TPDU.
    Pdu { status: u8, length: usize },
    /// The text of an entry in text mode.
    Text(TextEntry),
}

impl Read {
    pub(super) fn new(errand: Errand) -> Self {
        Self { errand, awaited: None, found: None, heads: 0, dropped: 0 }
    }
}

impl Procedure for Read {
    fn activity(&self) -> Activity {
        Activity::Reading
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Next {
        let timing = cx.known.settings.timing;
        let (command, limit) = match &self.errand {
            Errand::Charset(charset) => (Command::Charset(*charset), timing.command),
            Errand::Select(name) => {
                (Command::UseStorages(cx.known.storage.memories.names(name)), timing.command)
            }
            Errand::Usage => (Command::StoragesInUse, timing.command),
            Errand::List if cx.known.format.text.on => (Command::ListText, timing.slow_command),
            Errand::List => (Command::List, timing.slow_command),
            Errand::Read((_, index), _) | Errand::Walk((_, index)) => (Command::Read(*index), timing.command),
            Errand::Delete((_, index)) => (Command::Delete(*index), timing.slow_command),
        };
        cx.known.timer = None;
        cx.ask(command, limit)
    }

    fn claims(
        &mut self,
        line: &str,
        outstanding: Option<&Outstanding>,
        known: &mut Known,
        now: Instant,
    ) -> bool {
        self.message_line(line, outstanding, known, now)
    }

    fn claimed(&mut self, cx: &mut Cx<'_>) -> Next {
        (0..std::mem::take(&mut self.dropped)).for_each(|_| cx.dialogue.count_dropped());
        Next::Stay
    }

    fn answer(&mut self, body: &str, cx: &mut Cx<'_>) -> Next {
        self.entry(body, cx.known, cx.now);
        self.claimed(cx)
    }

    fn ended(&mut self, ended: Ended, cx: &mut Cx<'_>) -> Next {
        self.head_without_message(cx.known);
        if ended.result.is_none() {
            return self.unanswered(&ended, cx);
        }
        let code = ended.code();
        let storage = &mut cx.known.storage;
        if Failure::is_busy(&code) && storage.work.busy < BUSY_TRIES {
            storage.work.busy += 1;
            storage.work.hold = Some(cx.now + cx.known.settings.timing.busy_retry);
            match self.errand.clone() {
                Errand::Read(place, kind) => storage.work.reads.push_front((place, kind)),
                Errand::Delete(place) => storage.work.discards.push_front(place),
                _ => {}
            }
            return Next::Done;
        }
        storage.work.busy = 0;
        if names_the_sim(&code) && self.errand != Errand::Usage {
            cx.known.pending.bring_up |= cx.known.pending.ready_code_counts(cx.now);
        }
        let storage = &mut cx.known.storage;
        match self.errand.clone() {
            Errand::Charset(charset) => cx.known.charset_set(charset, &code),
            Errand::Select(name) => cx.storage_selected(&name, &ended),
            Errand::Usage => cx.storage_used(&ended),
            Errand::List if code.is_ok() => storage.listed(self.heads),
            Errand::List => storage.list_refused(),
            Errand::Read(_, kind) => {
                // Some modems name the wrong storage or an empty place, or the message is there a little later.
                if self.found != Some(kind) {
                    storage.list_soon(cx.known.settings.timing.busy_retry, cx.now);
                }
            }
            Errand::Walk(_) => storage.walked_on(self.found.is_some()),
            Errand::Delete(place) => cx.message_deleted(&place, &code),
        }
        Next::Done
    }
}

impl Read {
    fn unanswered(&mut self, ended: &Ended, cx: &mut Cx<'_>) -> Next {
        let storage = &mut cx.known.storage;
        match self.errand.clone() {
            Errand::Charset(_) => cx.known.format.text.charset = None,
            Errand::Select(name) => storage.bar(&name),
            Errand::Usage => cx.storage_used(ended),
            Errand::List => storage.list_refused(),
            Errand::Walk(_) => storage.storage_done(),
            Errand::Read(..) | Errand::Delete(_) => {
                storage.list_soon(cx.known.settings.timing.busy_retry, cx.now);
            }
        }
        cx.known.ladder.notice(cx.now);
        cx.set_fault(Fault::UnansweredStorage);
        cx.known.storage.work.hold = Some(cx.now + cx.known.settings.timing.busy_retry);
        Next::Idle(Open::No)
    }
}

impl Cx<'_> {
    fn storage_selected(&mut self, name: &str, ended: &Ended) {
        let storage = &mut self.known.storage;
        if ended.is_ok() {
            storage.memories.current = Some(name.to_owned());
            let known = usages(ended.answer());
            if storage.lists(name) && !known.is_empty() {
                storage.usage_known(known.first());
            }
        } else if !storage.memories.wants_all && !storage.memories.known.is_empty() {
            storage.memories.wants_all = true;
        } else {
            storage.bar(name);
            if std::mem::take(&mut storage.work.missed) {
                // What the code named may lie elsewhere.
                storage.list_soon(self.known.settings.timing.busy_retry, self.now);
            }
        }
    }

    /// Takes how full the storage is and, from a modem that had not said so, which storages it has.
    fn storage_used(&mut self, ended: &Ended) {
        let known: Vec<Usage> = usages(ended.answer());
        let storage = &mut self.known.storage;
        if storage.memories.known.is_empty() {
            storage.memories.learn(&storages_in_use(ended.answer()));
            storage.name_the_listing();
        }
        storage.usage_known(known.first());
    }

    fn message_deleted(&mut self, place: &Place, code: &ResultCode) {
        // Invalid index or not found: the message was deleted in another way.
        let gone = matches!(code, ResultCode::Cms(_) if Failure::number(code) == Some(321))
            || matches!(code, ResultCode::Cme(_) if matches!(Failure::number(code), Some(21 | 22)));
        if !code.is_ok() && !gone {
            let why = self.known.profile.failure(code).sentence;
            return self.set_fault(Fault::NotDeleted(why));
        }
        let storage = &mut self.known.storage;
        storage.announced.retain(|(known, _)| known != place);
        if storage.work.discards.is_empty() && storage.codes == Codes::WaitForRoom {
            storage.codes = Codes::Told;
            self.known.pending.bring_up = true;
        }
        let storage = &mut self.known.storage;
        if storage.work.more && storage.announced.is_empty() {
            storage.work.due = Some(self.now);
        }
        if self.known.view.fault.as_ref().is_some_and(Fault::is_of_room) {
            self.known.clear_fault();
        }
    }
}
