//! The listings by status and number, which pass over the stretches of a table that have none of it (`outline`).

use std::ops::Range;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::engine::Overlay;
use super::outline::{Like, Outlines, Shape, list};
use super::tables::{MESSAGES, VERIFICATIONS};
use super::{StoreError, View};
use crate::clock::{Clock, Now};
use crate::id::{MessageId, VerificationId};
use crate::otp::{Verification, VerificationStatus};
use crate::outbox::{Message, MessageStatus};
use crate::phone::PhoneNumber;

/// How long after a change stretches are read again: many changes are one reading.
const AFTER: Duration = Duration::from_secs(1);
/// The reading pauses so many times as long as it reads, so that it takes a third of a core; at the most.
const PAUSE: u32 = 2;
const LONGEST: Duration = Duration::from_millis(50);

/// The outlines of what is listed.
#[derive(Debug, Default)]
pub(super) struct Listed {
    verifications: Outlines,
    messages: Outlines,
    state: Mutex<State>,
    woken: Condvar,
}

/// The records that a commit changes.
pub(super) struct Changed {
    verifications: Vec<[u8; 16]>,
    messages: Vec<[u8; 16]>,
}

impl Changed {
    pub(super) fn of(changes: &Overlay) -> Self {
        let ids = |range: Range<Vec<u8>>| {
            let keys = changes.range(range).map(|(key, _)| key);
            keys.filter_map(|key| key.get(1..)?.try_into().ok()).collect()
        };
        Self { verifications: ids(VERIFICATIONS.all()), messages: ids(MESSAGES.all()) }
    }
}

/// What the thread that reads is to do.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Stretches have no outline.
    #[default]
    Read,
    /// Nothing, until something changes.
    Rest,
    /// The store is closed.
    End,
}

impl Listed {
    /// These records were changed, which is committed.
    pub(super) fn change(&self, changed: Changed) {
        if !changed.verifications.is_empty() || !changed.messages.is_empty() {
            self.verifications.change(changed.verifications);
            self.messages.change(changed.messages);
            self.turn_to(State::Read);
        }
    }

    /// What could not be read before can be now.
    pub(super) fn wake(&self) {
        self.turn_to(State::Read);
    }

    /// Nothing is read any more.
    pub(super) fn end(&self) {
        self.turn_to(State::End);
    }

    fn turn_to(&self, next: State) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state != State::End && *state != next {
            *state = next;
            self.woken.notify_all();
        }
    }

    fn has_ended(&self) -> bool {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) == State::End
    }

    /// Reads what has no outline, soon after it changed, until the store is closed. `view` gives the store as long as it is
    /// open.
    pub(super) fn keep(&self, view: impl Fn() -> Option<View>) {
        loop {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let mut state = self
                .woken
                .wait_while(state, |state| *state == State::Rest)
                .unwrap_or_else(PoisonError::into_inner);
            if *state == State::End {
                return;
            }
            *state = State::Rest;
            drop(state);
            // Whoever lists or looks meets the fault, and says so.
            while !self.has_ended() && self.read_one(&view).unwrap_or(false) {}
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let wait = self.woken.wait_timeout_while(state, AFTER, |state| *state != State::End);
            drop(wait.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Reads a stretch that has no outline. False: there is none.
    fn read_one(&self, view: &impl Fn() -> Option<View>) -> Result<bool, StoreError> {
        let clock = Clock::system();
        let began = clock.monotonic();
        let Some(view) = view() else { return Ok(false) };
        let (nothing, mut read) = (Like::nothing(), false);
        let mut once = || {
            read = true;
            false
        };
        list(
            (&VERIFICATIONS, &self.verifications),
            &view,
            of_verification,
            (1, None),
            &nothing,
            |_| false,
            &mut once,
        )?;
        list((&MESSAGES, &self.messages), &view, of_message, (1, None), &nothing, |_| false, &mut once)?;
        drop(view);
        let took = clock.monotonic().saturating_duration_since(began);
        std::thread::sleep((took * PAUSE).min(LONGEST));
        Ok(read)
    }
}

fn of_verification(v: &Verification) -> Shape<'_> {
    let life = (v.status == VerificationStatus::Pending).then_some(v.life);
    Shape { status: place(&VerificationStatus::ALL, &v.status), to: &v.to, life }
}

fn of_message(m: &Message) -> Shape<'_> {
    Shape { status: place(&MessageStatus::ALL, &m.status), to: &m.to, life: None }
}

fn place<T: PartialEq>(all: &[T], status: &T) -> u8 {
    all.iter().position(|known| known == status).and_then(|place| place.try_into().ok()).unwrap_or(0)
}

fn one_of<T: PartialEq>(all: &[T], status: Option<&T>) -> u8 {
    status.map_or(u8::MAX, |status| 1 << place(all, status))
}

impl View {
    /// At most `limit` verifications that `wanted` takes, newest first, older than `before`: only those that have this
    /// status at `now`, and this number.
    pub fn list_verifications(
        &self,
        (limit, before): (usize, Option<VerificationId>),
        (status, now): (Option<VerificationStatus>, Now),
        to: Option<&PhoneNumber>,
        wanted: impl Fn(&Verification) -> bool,
    ) -> Result<Vec<Verification>, StoreError> {
        let over = (status == Some(VerificationStatus::Expired)).then_some(now);
        let like =
            Like { statuses: one_of(&VerificationStatus::ALL, status.as_ref()), over, to: to.cloned() };
        let fits = |v: &Verification| {
            status.is_none_or(|status| v.status_at(now) == status)
                && to.is_none_or(|to| v.to == *to)
                && wanted(v)
        };
        let page = (limit, before.map(VerificationId::to_bytes));
        list((&VERIFICATIONS, &self.listed().verifications), self, of_verification, page, &like, fits, || {
            true
        })
    }

    /// At most `limit` messages that `wanted` takes, newest first, older than `before`: only those that have this status,
    /// and this number.
    pub fn list_messages(
        &self,
        (limit, before): (usize, Option<MessageId>),
        status: Option<MessageStatus>,
        to: Option<&PhoneNumber>,
        wanted: impl Fn(&Message) -> bool,
    ) -> Result<Vec<Message>, StoreError> {
        let like =
            Like { statuses: one_of(&MessageStatus::ALL, status.as_ref()), over: None, to: to.cloned() };
        let fits = |m: &Message| {
            status.is_none_or(|status| m.status == status) && to.is_none_or(|to| m.to == *to) && wanted(m)
        };
        let page = (limit, before.map(MessageId::to_bytes));
        list((&MESSAGES, &self.listed().messages), self, of_message, page, &like, fits, || true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::clock::{Steady, Timestamp};
    use crate::secret::Key;
    use crate::store::engine::Engine as _;
    use crate::store::tests::message;
    use crate::store::{Memory, Records as _, Tx};

    fn key() -> Key {
        Key::from_bytes([1; 32])
    }

    /// A table of messages, and what is known of it.
    struct Bench {
        engine: Arc<Memory>,
        view: View,
    }

    impl Bench {
        fn with(count: u64) -> Self {
            let engine = Arc::new(Memory::default());
            let view =
                View::new(Arc::clone(&engine) as Arc<dyn crate::store::Engine>, Arc::default(), Some(key()));
            let bench = Self { engine, view };
            bench.change(|tx| (0..count).try_for_each(|n| tx.put_message(&numbered(n))));
            bench
        }

        fn change(&self, f: impl FnOnce(&mut Tx<'_>) -> Result<(), StoreError>) {
            let group = Overlay::new();
            let key = key();
            let mut tx = Tx::new(&*self.engine, &group, Some(&key));
            f(&mut tx).unwrap();
            let changes = tx.finish().unwrap();
            let ids = Changed::of(&changes);
            self.engine.commit(changes).unwrap();
            self.view.listed().change(ids);
        }

        fn read_all(&self) {
            let view = || {
                let engine = Arc::clone(&self.engine) as Arc<dyn crate::store::Engine>;
                Some(View::new(engine, self.view.shared(), Some(key())))
            };
            while self.view.listed().read_one(&view).unwrap() {}
        }

        fn list(
            &self,
            limit: usize,
            before: Option<u64>,
            status: Option<MessageStatus>,
            to: Option<u64>,
        ) -> Vec<MessageId> {
            let (before, to) = (before.map(id), to.map(|n| numbered(n).to));
            let found = self.view.list_messages((limit, before), status, to.as_ref(), |_| true).unwrap();
            // Without any outline.
            let plain = |m: &Message| {
                status.is_none_or(|s| m.status == s) && to.as_ref().is_none_or(|to| m.to == *to)
            };
            assert_eq!(found, self.view.messages(limit, before, plain).unwrap());
            found.into_iter().map(|m| m.id).collect()
        }
    }

    fn id(n: u64) -> MessageId {
        MessageId::first_at(Steady::from_millis(1000 + n))
    }

    fn numbered(n: u64) -> Message {
        let to = format!("+4179{:07}", n % 50).parse().unwrap();
        Message { id: id(n), to, ..message(Timestamp::from_millis(1000)) }
    }

    #[test]
    fn what_cannot_be_there_is_not_read() {
        let bench = Bench::with(1000);
        bench.read_all();
        let (stretches, unknown) = bench.view.listed().messages.counts();
        assert_eq!(unknown, 0);
        assert!((8..=17).contains(&stretches), "{stretches}");
        assert!(bench.list(10, None, Some(MessageStatus::Delivered), None).is_empty());
        let sent = Message { status: MessageStatus::Sent, ..numbered(400) };
        bench.change(|tx| tx.put_message(&sent));
        assert_eq!(bench.view.listed().messages.counts().1, 1, "one stretch is read again");
        assert_eq!(bench.list(10, None, Some(MessageStatus::Sent), None), [id(400)]);
        assert_eq!(bench.view.listed().messages.counts().1, 0);
        assert_eq!(bench.list(10, None, Some(MessageStatus::Sent), Some(401)), []);
    }

    #[test]
    fn stretches_that_are_empty_go_and_the_newest_grows_and_is_cut() {
        let bench = Bench::with(1000);
        bench.read_all();
        bench.change(|tx| (0..900).try_for_each(|n| tx.delete_message(id(n))));
        bench.read_all();
        assert!(bench.view.listed().messages.counts().0 <= 4);
        for n in 1000..1400 {
            bench.change(|tx| tx.put_message(&numbered(n)));
            bench.read_all();
        }
        let (stretches, _) = bench.view.listed().messages.counts();
        assert!(stretches <= 12, "{stretches} for 500 records");
        assert_eq!(bench.list(9, None, None, Some(1399)).first(), Some(&id(1399)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn lists_what_a_look_at_every_record_finds(
            steps in proptest::collection::vec((0_u8..5, 0_u64..600, 0_usize..8, 1_usize..80), 1..60),
        ) {
            let bench = Bench::with(450);
            let mut next = 450;
            for (what, n, status, limit) in steps {
                let status = MessageStatus::ALL[status];
                match what {
                    0 => bench.change(|tx| tx.put_message(&Message { status, ..numbered(n) })),
                    1 => bench.change(|tx| (n..n + 40).try_for_each(|n| tx.delete_message(id(n)))),
                    2 => {
                        bench.change(|tx| (next..next + 30).try_for_each(|n| tx.put_message(&numbered(n))));
                        next += 30;
                    }
                    3 => bench.read_all(),
                    _ => {
                        bench.list(limit, Some(n), Some(status), None);
                        bench.list(limit, None, Some(MessageStatus::Queued), Some(n));
                    }
                }
                bench.list(limit, Some(n), None, Some(n));
                bench.list(limit, None, Some(status), None);
            }
        }
    }
}
