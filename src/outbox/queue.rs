//! Which message a free modem takes next, in memory; rebuilt from the store at start-up.
//!
//! Codes before plain text; within a priority the earliest deadline that can still be met, then the oldest. A
//! message that waits, for its time or for a modem, holds up nobody behind it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::{Kind, Message};
use crate::clock::Timestamp;
use crate::id::MessageId;
use crate::phone::PhoneNumber;

/// What the queue knows of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The message.
    pub id: MessageId,
    /// The recipient, for routes.
    pub to: PhoneNumber,
    /// Short messages it still takes.
    pub parts: u8,
    /// The only modem that may send it.
    pub pinned: Option<String>,
    /// A modem that just failed with it, and until when that one leaves it alone.
    pub avoid: Option<(String, Timestamp)>,
    rank: Rank,
    due_at: Timestamp,
    /// The first moment at which it can no longer be sent in time.
    overdue_at: Option<Timestamp>,
}

type Rank = (u8, u8, Timestamp, MessageId);

/// The messages that wait.
#[derive(Debug, Default)]
pub struct Queue {
    min_life: Duration,
    ready: BTreeMap<Rank, Entry>,
    delayed: HashMap<MessageId, Entry>,
    ranks: HashMap<MessageId, Rank>,
    /// Every moment at which something changes by itself.
    wakes: BTreeSet<(Timestamp, MessageId)>,
    otp: usize,
}

impl Queue {
    /// An empty queue in which a code needs `min_life` to be worth sending.
    pub fn new(min_life: Duration) -> Self {
        Self { min_life, ..Self::default() }
    }

    /// Adds a queued message. `avoid`: a modem that failed with it leaves it alone until then.
    pub fn push(&mut self, m: &Message, avoid: Option<(String, Timestamp)>, now: Timestamp) {
        let otp = matches!(m.kind, Kind::Otp(_));
        let life = if otp { self.min_life } else { Duration::ZERO };
        let entry = Entry {
            id: m.id,
            to: m.to.clone(),
            parts: m.parts.saturating_sub(m.parts_done),
            pinned: if m.parts_done > 0 { m.modem.clone() } else { m.wanted_modem.clone() },
            avoid,
            rank: (
                u8::from(!otp),
                u8::MAX - m.priority,
                m.deadline.unwrap_or(Timestamp::from_millis(u64::MAX)),
                m.id,
            ),
            due_at: m.due_at,
            overdue_at: m.deadline.map(|d| d.minus(life)),
        };
        self.remove(m.id);
        self.otp += usize::from(otp);
        self.ranks.insert(entry.id, entry.rank);
        let overdue_at = entry.overdue_at;
        for at in entry.wakes().filter(|&at| at > now || overdue_at == Some(at)) {
            self.wakes.insert((at, entry.id));
        }
        if entry.due_at <= now {
            self.ready.insert(entry.rank, entry);
        } else {
            self.delayed.insert(entry.id, entry);
        }
    }

    /// Takes out the message that `modem` should send now: the first it `may` serve.
    pub fn take(
        &mut self,
        modem: &str,
        now: Timestamp,
        mut may: impl FnMut(&Entry) -> bool,
    ) -> Option<Entry> {
        let rank = self.ready.values().find(|e| e.fits(modem, now) && may(e))?.rank;
        self.remove(rank.3)
    }

    /// Whether there is something that `modem` could send now.
    pub fn offers(&self, modem: &str, now: Timestamp, may: impl Fn(&Entry) -> bool) -> bool {
        self.ready.values().any(|e| e.fits(modem, now) && may(e))
    }

    /// Takes out a message wherever it waits.
    pub fn remove(&mut self, id: MessageId) -> Option<Entry> {
        let rank = self.ranks.remove(&id)?;
        let entry = self.ready.remove(&rank).or_else(|| self.delayed.remove(&id))?;
        for at in entry.wakes() {
            self.wakes.remove(&(at, id));
        }
        self.otp -= usize::from(rank.0 == 0);
        Some(entry)
    }

    /// Lets time pass: what came due is ready; what can no longer be sent in time is taken out and given back.
    pub fn advance(&mut self, now: Timestamp) -> Vec<MessageId> {
        let mut overdue = Vec::new();
        while let Some(&(at, id)) = self.wakes.first().filter(|&&(at, _)| at <= now) {
            self.wakes.remove(&(at, id));
            let rank = self.ranks.get(&id).copied();
            if let Some(entry) = self.delayed.remove(&id) {
                if entry.due_at <= now {
                    self.ready.insert(entry.rank, entry);
                } else {
                    self.delayed.insert(id, entry);
                }
            }
            let late = |e: &Entry| e.overdue_at.is_some_and(|at| at <= now);
            if rank.and_then(|r| self.ready.get(&r)).is_some_and(late)
                || self.delayed.get(&id).is_some_and(late)
            {
                self.remove(id);
                overdue.push(id);
            }
        }
        overdue
    }

    /// When [`advance`](Queue::advance) has something to do next.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.first().map(|&(at, _)| at)
    }

    /// Messages that only `modem` may send.
    pub fn pinned_to(&self, modem: &str) -> usize {
        let pinned = |e: &&Entry| e.pinned.as_deref() == Some(modem);
        self.ready.values().filter(pinned).count() + self.delayed.values().filter(pinned).count()
    }

    /// A code needs this much life to be worth sending, from the next [`push`](Queue::push) on.
    pub fn set_min_life(&mut self, min_life: Duration) {
        self.min_life = min_life;
    }

    /// Messages that wait.
    pub fn len(&self) -> usize {
        self.ranks.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }

    /// How many wait: codes, plain texts, and those among both whose time has not come.
    pub fn depths(&self) -> (usize, usize, usize) {
        (self.otp, self.ranks.len() - self.otp, self.delayed.len())
    }
}

impl Entry {
    fn fits(&self, modem: &str, now: Timestamp) -> bool {
        self.pinned.as_deref().is_none_or(|name| name == modem)
            && self.avoid.as_ref().is_none_or(|(name, until)| name != modem || now >= *until)
            && self.overdue_at.is_none_or(|at| now < at)
    }

    fn wakes(&self) -> impl Iterator<Item = Timestamp> + use<> {
        let avoid = self.avoid.as_ref().map(|&(_, until)| until);
        [Some(self.due_at), avoid, self.overdue_at].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outbox::message::tests::message;
    use crate::outbox::{Event, Fault, FaultClass, Retry, step};

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn code(number: u64, deadline: u64) -> Message {
        let id = MessageId::new(START.plus(Duration::from_millis(number)));
        Message { id, deadline: Some(after(deadline)), ..message(1) }
    }

    fn text(number: u64, priority: u8) -> Message {
        Message { kind: Kind::Text, deadline: None, priority, ..code(number, 0) }
    }

    fn queue() -> Queue {
        Queue::new(Duration::from_secs(20))
    }

    fn drain(queue: &mut Queue, modem: &str, now: Timestamp) -> Vec<MessageId> {
        std::iter::from_fn(|| queue.take(modem, now, |_| true)).map(|e| e.id).collect()
    }

    #[test]
    fn codes_first_then_priority_then_deadline_then_age() {
        let messages = [text(1, 0), text(2, 9), code(3, 300), code(4, 100), text(5, 0), code(6, 300)];
        let mut queue = queue();
        for m in messages.iter().rev() {
            queue.push(m, None, START);
        }
        assert_eq!(queue.depths(), (3, 3, 0));
        let order: Vec<_> = [3, 2, 5, 1, 0, 4].map(|i: usize| messages[i].id).to_vec();
        assert_eq!(drain(&mut queue, "a", START), order);
        assert!(queue.is_empty() && queue.next_wake().is_none() && queue.wakes.is_empty());
    }

    #[test]
    fn what_waits_holds_up_nobody() {
        let mut queue = queue();
        let retried = Message { due_at: after(60), ..code(1, 300) };
        let pinned = Message { wanted_modem: Some("b".to_owned()), ..code(2, 300) };
        let free = code(3, 300);
        for m in [&retried, &pinned, &free] {
            queue.push(m, None, START);
        }
        assert_eq!(drain(&mut queue, "a", START), [free.id]);
        assert_eq!(drain(&mut queue, "b", START), [pinned.id]);
        assert_eq!(queue.next_wake(), Some(after(60)));
        assert!(queue.advance(after(60)).is_empty());
        assert_eq!(drain(&mut queue, "a", after(60)), [retried.id]);
    }

    #[test]
    fn a_message_without_time_is_given_back() {
        let mut queue = queue();
        let (late, fine) = (code(1, 100), code(2, 300));
        queue.push(&late, None, START);
        queue.push(&fine, None, START);
        assert_eq!(queue.next_wake(), Some(after(80)));
        assert_eq!(queue.take("a", after(80), |e| e.id == late.id), None, "even before the clock is told");
        assert_eq!(queue.advance(after(80)), [late.id]);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn a_modem_that_failed_leaves_it_to_the_others_for_a_while() {
        let fault = Fault { class: FaultClass::Modem, text: String::new() };
        let claimed = step(code(1, 300), Event::Claimed { modem: "a".to_owned() }, START, &Retry::default());
        let rejected = Event::Rejected { references: vec![], fault };
        let m = step(claimed.unwrap(), rejected, START, &Retry::default()).unwrap();
        let mut queue = queue();
        queue.push(&m, Some(("a".to_owned(), after(2))), START);
        assert_eq!(queue.take("a", after(1), |_| true), None);
        assert_eq!(queue.next_wake(), Some(after(2)));
        assert!(queue.clone_for_test().take("b", after(1), |_| true).is_some());
        assert!(queue.take("a", after(2), |_| true).is_some());
    }

    impl Queue {
        fn clone_for_test(&self) -> Self {
            Self {
                min_life: self.min_life,
                ready: self.ready.clone(),
                delayed: self.delayed.clone(),
                ranks: self.ranks.clone(),
                wakes: self.wakes.clone(),
                otp: self.otp,
            }
        }
    }

    proptest! {
        /// Every message leaves exactly once, by a modem or as overdue, and nothing stays behind in any index.
        #[test]
        fn nothing_is_lost_or_doubled(
            messages in prop::collection::vec((0_u64..400, 0_u64..200, any::<bool>()), 1..60),
        ) {
            let mut queue = queue();
            let mut left = std::collections::BTreeSet::new();
            for (i, &(deadline, due, otp)) in messages.iter().enumerate() {
                let m = code(i as u64, deadline);
                let kind = if otp { m.kind } else { Kind::Text };
                let m = Message { due_at: after(due), kind, ..m };
                queue.push(&m, None, START);
                left.insert(m.id);
            }
            let mut now = START;
            while let Some(wake) = queue.next_wake() {
                now = now.max(wake);
                for id in queue.advance(now) {
                    prop_assert!(left.remove(&id));
                }
                while let Some(entry) = queue.take("a", now, |_| true) {
                    prop_assert!(left.remove(&entry.id));
                }
            }
            prop_assert!(left.is_empty() && queue.is_empty());
            prop_assert!(queue.ready.is_empty() && queue.delayed.is_empty() && queue.otp == 0);
        }
    }
}
