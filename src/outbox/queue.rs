//! Which message a free modem takes next, in memory; rebuilt from the store at start-up.
//!
//! Codes go before plain text; within a priority the earliest deadline that can still be met goes first, then
//! the oldest message. When the pool finds that the codes cannot all be met, it has the newest code go first. A message
//! that waits for its time or for a modem delays no other message.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::Duration;

use super::entry::{Avoid, Entry, Rank};
use super::load::{Item, Lane, Load};
use super::{Message, ModemRules};
use crate::clock::{Ahead, Steady};
use crate::id::MessageId;

/// In which order codes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The one with the earliest deadline first.
    #[default]
    EarliestDeadline,
    /// The newest one first.
    Newest,
}

/// How long a place is kept for a code that was admitted and is not in the queue yet.
const PROMISE: Duration = Duration::from_secs(10);

/// The messages that wait.
#[derive(Debug, Default)]
pub struct Queue {
    min_life: Duration,
    /// How far dates are ahead of the clock by which all else is measured.
    ahead: Ahead,
    order: Order,
    ready: BTreeMap<Rank, Box<Entry>>,
    /// The codes among them, by age.
    ages: BTreeSet<MessageId>,
    /// Since when each message waits that is not on the air as well, codes apart.
    since: BTreeSet<(bool, Steady, MessageId)>,
    delayed: HashMap<MessageId, Box<Entry>>,
    ranks: HashMap<MessageId, Rank>,
    /// Every instant at which something changes by itself.
    wakes: BTreeSet<(Steady, MessageId)>,
    otp: usize,
    /// How many of the waiting messages are on the air as well.
    twins: usize,
    /// How many messages only this modem may send.
    pinned: HashMap<String, usize>,
    /// The codes as work.
    load: Load,
    /// Codes that were admitted and are not here yet: they count in the load.
    promised: BTreeMap<MessageId, (Item, Steady)>,
}

impl Queue {
    /// An empty queue in which a code needs `min_life` to be worth sending.
    pub fn new(min_life: Duration) -> Self {
        Self { min_life, ..Self::default() }
    }

    /// Adds a queued message to `recipient`.
    pub fn push(&mut self, m: &Message, recipient: u64, avoid: Avoid, now: Steady) {
        let entry = Entry { avoid, ..self.entry(m, recipient) };
        self.put(entry, now);
    }

    /// Adds a message that is on the air, for any modem but the one that has it, with all of its parts.
    pub fn push_twin(&mut self, m: &Message, recipient: u64, avoid: Avoid, now: Steady) {
        let entry = Entry {
            avoid,
            parts: m.parts,
            goes_on_until: None,
            twin_of: m.modem.clone(),
            send_at: None,
            due_at: now,
            ..self.entry(m, recipient)
        };
        self.put(entry, now);
    }

    fn entry(&mut self, m: &Message, recipient: u64) -> Entry {
        let entry = Entry::of(m, recipient, self.min_life, self.ahead);
        let lane = if entry.otp { self.load.lane(&m.to) } else { Lane::MAX };
        Entry { lane, ..entry }
    }

    /// Keeps a place for a code that was admitted.
    pub(super) fn promise(&mut self, m: &Message, now: Steady) {
        let item = self.entry(m, 0).item();
        self.load.add(&item);
        if let Some((old, _)) = self.promised.insert(m.id, (item, now)) {
            self.load.take(&old);
        }
    }

    /// Gives places free whose codes did not come: their transaction failed.
    pub(super) fn lapse(&mut self, now: Steady) {
        let over = |at: &Steady| now.since(*at) > PROMISE;
        while let Some(first) = self.promised.first_entry().filter(|first| over(&first.get().1)) {
            self.load.take(&first.remove().0);
        }
    }

    /// Adds an entry that was taken out before.
    pub fn put(&mut self, entry: Entry, now: Steady) {
        self.remove(entry.id);
        if let Some((item, _)) = self.promised.remove(&entry.id) {
            self.load.take(&item);
        }
        match entry.twin_of {
            None => {
                self.otp += usize::from(entry.otp);
                self.since.insert((entry.otp, entry.since, entry.id));
            }
            Some(_) => self.twins += 1,
        }
        if let Some(modem) = &entry.pinned {
            *self.pinned.entry(modem.clone()).or_default() += 1;
        }
        self.ranks.insert(entry.id, entry.rank);
        self.load.add(&entry.item());
        let overdue_at = entry.overdue_at;
        for at in entry.wakes().filter(|&at| at > now || overdue_at == Some(at)) {
            self.wakes.insert((at, entry.id));
        }
        if entry.due_at <= now {
            self.make_ready(Box::new(entry));
        } else {
            self.delayed.insert(entry.id, Box::new(entry));
        }
    }

    fn make_ready(&mut self, entry: Box<Entry>) {
        if entry.otp {
            self.ages.insert(entry.id);
        }
        self.ready.insert(entry.rank, entry);
    }

    /// The messages whose time has come, in the order in which they should go.
    pub fn ready(&self) -> impl Iterator<Item = &Entry> {
        let newest_first = self.order == Order::Newest;
        let oldest = MessageId::first_at(Steady::default());
        let text = Bound::Included((1, 0, Steady::default(), oldest));
        let from = if newest_first { text } else { Bound::Unbounded };
        let codes = newest_first.then(|| self.newest()).into_iter().flatten();
        codes.chain(self.ready.range((from, Bound::Unbounded)).map(|(_, entry)| &**entry))
    }

    /// The codes whose time has come, the newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = &Entry> {
        self.ages.iter().rev().filter_map(|id| self.ready_entry(*id))
    }

    /// In which order codes go.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Sets in which order codes go.
    pub fn set_order(&mut self, order: Order) {
        self.order = order;
    }

    /// The codes that wait, as work.
    pub(super) fn load(&self) -> &Load {
        &self.load
    }

    /// The lane of a number.
    pub(super) fn lane(&mut self, to: &crate::phone::PhoneNumber) -> Lane {
        self.load.lane(to)
    }

    /// A message whose time has come.
    pub fn ready_entry(&self, id: MessageId) -> Option<&Entry> {
        self.ready.get(self.ranks.get(&id)?).map(|entry| &**entry)
    }

    /// A message, whether its time has come or not.
    pub fn get(&self, id: MessageId) -> Option<&Entry> {
        self.ready_entry(id).or_else(|| self.delayed.get(&id).map(|entry| &**entry))
    }

    /// Removes a message wherever it waits.
    pub fn remove(&mut self, id: MessageId) -> Option<Entry> {
        let rank = self.ranks.remove(&id)?;
        let entry = *self.ready.remove(&rank).or_else(|| self.delayed.remove(&id))?;
        self.ages.remove(&id);
        self.load.take(&entry.item());
        for at in entry.wakes() {
            self.wakes.remove(&(at, id));
        }
        match entry.twin_of {
            None => {
                self.otp -= usize::from(entry.otp);
                self.since.remove(&(entry.otp, entry.since, id));
            }
            Some(_) => self.twins -= 1,
        }
        if let Some(modem) = &entry.pinned
            && let Some(count) = self.pinned.get_mut(modem)
        {
            *count -= 1;
            if *count == 0 {
                self.pinned.remove(modem);
            }
        }
        Some(entry)
    }

    /// Lets time pass. Returns the messages that can no longer be sent in time, which are removed, and those
    /// that may be sent, or may go to another modem, from now on.
    pub fn advance(&mut self, now: Steady) -> (Vec<MessageId>, Vec<MessageId>) {
        let (mut overdue, mut due) = (Vec::new(), Vec::new());
        while let Some(&(at, id)) = self.wakes.first().filter(|&&(at, _)| at <= now) {
            self.wakes.remove(&(at, id));
            if let Some(entry) = self.delayed.remove(&id) {
                if entry.due_at <= now {
                    self.make_ready(entry);
                } else {
                    self.delayed.insert(id, entry);
                }
            }
            let late = |e: &Entry| e.overdue_at.is_some_and(|at| at <= now);
            if self.ready_entry(id).is_some_and(late) || self.delayed.get(&id).is_some_and(|e| late(e)) {
                self.remove(id);
                overdue.push(id);
            } else if self.ready_entry(id).is_some() {
                due.push(id);
            }
        }
        (overdue, due)
    }

    /// When [`advance`](Queue::advance) next has something to do.
    pub fn next_wake(&self) -> Option<Steady> {
        self.wakes.first().map(|&(at, _)| at)
    }

    /// How many messages only `modem` may send.
    pub fn pinned_to(&self, modem: &str) -> usize {
        self.pinned.get(modem).copied().unwrap_or(0)
    }

    /// How much life a code needs to be worth sending.
    pub(super) fn min_life(&self) -> Duration {
        self.min_life
    }

    /// Sets how much life a code needs to be worth sending, from the next [`push`](Queue::push) on.
    pub fn set_min_life(&mut self, min_life: Duration) {
        self.min_life = min_life;
    }

    /// Sets the rules of the modems, which say who may carry what.
    pub fn set_rules(&mut self, rules: Vec<ModemRules>) {
        let mut load = Load::new(rules);
        for entry in self.ready.values_mut().chain(self.delayed.values_mut()).filter(|entry| entry.otp) {
            entry.lane = load.lane(&entry.to);
            load.add(&entry.item());
        }
        // What is not here yet finds its lane when it comes.
        self.promised.clear();
        self.load = load;
    }

    /// Somebody set the wall clock, or it went faster or slower: dates are so far ahead from now on.
    pub(super) fn set_ahead(&mut self, ahead: Ahead, now: Steady) {
        self.ahead = ahead;
        let all = self.delayed.values().chain(self.ready.values());
        let dated = all.filter(|entry| entry.send_at.is_some() || entry.dated.is_some());
        for id in dated.map(|entry| entry.id).collect::<Vec<_>>() {
            let Some(entry) = self.remove(id) else { continue };
            self.put(entry.dated_anew(ahead), now);
        }
    }

    /// How far dates are ahead.
    pub(super) fn ahead(&self) -> Ahead {
        self.ahead
    }

    /// How many messages wait, without those that are on the air as well.
    pub fn len(&self) -> usize {
        self.ranks.len() - self.twins
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long the oldest code waits, and the oldest plain text: since it was made, or since its date. Nothing when none
    /// waits, or only for its date.
    pub fn longest(&self, now: Steady) -> [Option<Duration>; 2] {
        [true, false].map(|otp| {
            let from = (otp, Steady::default(), MessageId::first_at(Steady::default()));
            let (kind, since, _) = self.since.range(from..).next()?;
            (*kind == otp && *since <= now).then(|| now.since(*since))
        })
    }

    /// How many messages wait: codes, plain texts, and those of both kinds whose time has not come.
    pub fn depths(&self) -> (usize, usize, usize) {
        (self.otp, self.len() - self.otp, self.delayed.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Life;
    use crate::outbox::step::tests::message;
    use crate::outbox::{Kind, MessageStatus, Refused};

    const START: Steady = Steady::from_millis(1_700_000_000_000);

    fn after(seconds: u64) -> Steady {
        START.plus(Duration::from_secs(seconds))
    }

    fn code(number: u64, deadline: u64) -> Message {
        let id = MessageId::first_at(START.plus(Duration::from_millis(number)));
        Message { id, deadline: Some(Life::until(after(deadline))), ..message(1) }
    }

    fn text(number: u64, priority: u8) -> Message {
        Message { kind: Kind::Text, deadline: None, priority, ..code(number, 0) }
    }

    fn queue() -> Queue {
        Queue::new(Duration::from_secs(20))
    }

    fn take(queue: &mut Queue, modem: &str, now: Steady) -> Option<Entry> {
        let id = queue.ready().find(|e| e.fits(modem, now))?.id;
        queue.remove(id)
    }

    fn drain(queue: &mut Queue, modem: &str, now: Steady) -> Vec<MessageId> {
        std::iter::from_fn(|| take(queue, modem, now)).map(|e| e.id).collect()
    }

    #[test]
    fn codes_first_then_priority_then_deadline_then_age() {
        let messages = [text(1, 0), text(2, 9), code(3, 300), code(4, 100), text(5, 0), code(6, 300)];
        let mut queue = queue();
        for m in messages.iter().rev() {
            queue.push(m, 0, vec![], START);
        }
        assert_eq!(queue.depths(), (3, 3, 0));
        let order: Vec<_> = [3, 2, 5, 1, 0, 4].map(|i: usize| messages[i].id).to_vec();
        assert_eq!(drain(&mut queue, "a", START), order);
        assert!(queue.is_empty() && queue.next_wake().is_none() && queue.wakes.is_empty());
    }

    #[test]
    fn the_newest_code_goes_first_when_not_all_can_be_met_and_texts_come_after_them_still() {
        let messages = [code(1, 100), text(2, 0), code(3, 300), text(4, 9), code(5, 200)];
        let mut queue = queue();
        queue.set_order(Order::Newest);
        for m in &messages {
            queue.push(m, 0, vec![], START);
        }
        let order = [4, 2, 0, 3, 1].map(|i: usize| messages[i].id).to_vec();
        assert_eq!(drain(&mut queue, "a", START), order);
        assert!(queue.ages.is_empty());
    }

    #[test]
    fn a_place_is_kept_until_its_code_comes_or_for_ten_seconds() {
        let mut queue = queue();
        let parts = |queue: &Queue| -> u64 { queue.load.lanes().map(|lane| queue.load.parts(lane)).sum() };
        let (first, second) = (code(1, 300), Message { parts: 2, ..code(2, 300) });
        for m in [&first, &second, &second] {
            queue.promise(m, START);
        }
        assert_eq!((parts(&queue), queue.len()), (3, 0));
        queue.push(&first, 0, vec![], START);
        assert_eq!((parts(&queue), queue.len()), (3, 1));
        queue.lapse(after(10));
        assert_eq!(parts(&queue), 3);
        queue.lapse(after(11));
        assert_eq!(parts(&queue), 1);
        queue.remove(first.id);
        assert!(parts(&queue) == 0 && queue.promised.is_empty());
    }

    #[test]
    fn what_waits_holds_up_nobody() {
        let mut queue = queue();
        let retried = Message { due_at: after(60), ..code(1, 300) };
        let pinned = Message { wanted_modem: Some("b".to_owned()), ..code(2, 300) };
        let free = code(3, 300);
        for m in [&retried, &pinned, &free] {
            queue.push(m, 0, vec![], START);
        }
        assert_eq!(drain(&mut queue, "a", START), [free.id]);
        assert_eq!((queue.pinned_to("b"), queue.pinned_to("a")), (1, 0));
        assert_eq!(drain(&mut queue, "b", START), [pinned.id]);
        assert_eq!(queue.next_wake(), Some(after(60)));
        assert_eq!(queue.pinned_to("b"), 0);
        assert_eq!(queue.advance(after(60)), (vec![], vec![retried.id]));
        assert_eq!(drain(&mut queue, "a", after(60)), [retried.id]);
    }

    /// The date is over, and a failed try has its pause: no clock that is set makes that shorter.
    #[test]
    fn a_clock_that_is_set_takes_no_wait_from_a_message_whose_date_is_over() {
        let mut queue = queue();
        let date = crate::clock::Timestamp::from_millis(START.as_millis());
        let retried = Message { send_at: Some(date), due_at: after(60), ..code(1, 300) };
        queue.push(&retried, 0, vec![], START);
        queue.set_ahead(Ahead::default(), after(1));
        assert_eq!(drain(&mut queue, "a", after(1)), []);
        assert_eq!(queue.advance(after(60)), (vec![], vec![retried.id]));
    }

    #[test]
    fn a_message_in_parts_waits_for_its_modem_and_not_for_long() {
        let mut queue = queue();
        let m = Message { modem: Some("a".to_owned()), parts: 3, parts_done: 1, ..code(1, 300) };
        queue.push(&m, 0, vec![], START);
        assert_eq!(queue.pinned_to("a"), 0);
        let entry = queue.ready_entry(m.id).unwrap();
        assert!(entry.fits("a", START) && !entry.fits("b", after(4)));
        assert_eq!(queue.next_wake(), Some(after(5)));
        assert_eq!(queue.advance(after(5)), (vec![], vec![m.id]));
        assert!(take(&mut queue, "b", after(5)).is_some());
    }

    #[test]
    fn a_message_without_time_is_given_back() {
        let mut queue = queue();
        let (late, fine) = (code(1, 100), code(2, 300));
        queue.push(&late, 0, vec![], START);
        queue.push(&fine, 0, vec![], START);
        assert_eq!(queue.next_wake(), Some(after(80)));
        let entry = queue.ready_entry(late.id).unwrap();
        assert!(!entry.fits("a", after(80)), "even before `advance` is called");
        assert_eq!(queue.advance(after(80)), (vec![late.id], vec![]));
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn a_modem_that_failed_leaves_it_to_the_others_for_a_while() {
        let m = Message { modem: Some("a".to_owned()), held: 1, ..code(1, 300) };
        let mut queue = queue();
        queue.push(&m, 0, vec![("a".to_owned(), after(2))], START);
        let entry = queue.ready_entry(m.id).unwrap();
        assert_eq!(entry.last.as_deref(), Some("a"));
        assert!(!entry.fits("a", after(1)) && entry.fits("b", after(1)) && entry.fits("a", after(2)));
        assert_eq!(queue.next_wake(), Some(after(2)));
        assert_eq!(queue.advance(after(2)), (vec![], vec![m.id]), "the first modem may have it again");
        let entry = take(&mut queue, "a", after(2)).unwrap();
        queue.put(entry.clone(), after(2));
        assert_eq!(take(&mut queue, "a", after(2)), Some(entry));
    }

    #[test]
    fn a_refused_one_waits_for_another_modem_for_so_long() {
        let refused = Some(Refused { modem: "a".to_owned(), until: after(90) });
        let m = Message { refused, attempts: 1, modem: Some("a".to_owned()), ..text(1, 0) };
        let mut queue = queue();
        queue.push(&m, 0, vec![], START);
        assert!(take(&mut queue, "a", after(89)).is_none());
        let entry = take(&mut queue, "b", after(89)).unwrap();
        queue.put(entry, after(89));
        assert_eq!(queue.next_wake(), Some(after(90)));
        assert_eq!(queue.advance(after(90)), (vec![m.id], vec![]));
        let m = Message { deadline: Some(Life::until(after(60))), ..m };
        queue.push(&m, 0, vec![], START);
        assert_eq!(queue.next_wake(), Some(after(60)), "no longer than the message lives");
    }

    #[test]
    fn a_twin_is_for_another_modem_and_counts_as_no_message_that_waits() {
        let mut queue = queue();
        let silent = Some("a".to_owned());
        let m =
            Message { modem: silent, status: MessageStatus::Sending, attempts: 1, parts: 3, ..code(1, 300) };
        queue.push_twin(&Message { parts_done: 1, ..m.clone() }, 0, vec![], after(8));
        assert_eq!((queue.len(), queue.is_empty(), queue.depths()), (0, true, (0, 0, 0)));
        assert_eq!(queue.longest(after(9)), [None; 2], "it does not wait");
        assert!(take(&mut queue, "a", after(9)).is_none());
        let entry = take(&mut queue, "b", after(9)).unwrap();
        assert_eq!((entry.parts, entry.pinned.as_deref()), (3, None), "all parts are sent");
        queue.put(entry, after(9));
        queue.push(&m, 0, vec![], after(10));
        assert_eq!((queue.len(), queue.depths()), (1, (1, 0, 0)), "the message waits again, and has no twin");
        queue.remove(m.id);
        queue.push_twin(&m, 0, vec![], after(10));
        assert_eq!(
            queue.advance(after(280)),
            (vec![m.id], vec![]),
            "too little life is left to type the code"
        );
        assert_eq!((queue.twins, queue.ranks.len()), (0, 0));
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
                queue.push(&m, 0, vec![], START);
                left.insert(m.id);
            }
            let mut now = START;
            while let Some(wake) = queue.next_wake() {
                now = now.max(wake);
                for id in queue.advance(now).0 {
                    prop_assert!(left.remove(&id));
                }
                while let Some(entry) = take(&mut queue, "a", now) {
                    prop_assert!(left.remove(&entry.id));
                }
            }
            prop_assert!(left.is_empty() && queue.is_empty());
            prop_assert!(queue.ready.is_empty() && queue.delayed.is_empty() && queue.otp == 0);
            prop_assert!(queue.since.is_empty() && queue.longest(now) == [None; 2]);
            prop_assert!(queue.ages.is_empty() && queue.load.lanes().next().is_none());
        }
    }
}
