//! The modems and the messages that wait for them: which modem gets a message, and which message a free modem gets.
//!
//! Between two calls no modem waits while there is a message that it may send now. A message that is queued, or
//! becomes due, goes to the best of the waiting modems; a modem that becomes free takes the first message that it may
//! send. [`Pool::next_wake`] is the next instant at which only the passing of time changes something.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use member::{Gate, Member, Verdict, Work};
use schedule::Schedule;
pub use schedule::{Asker, MAX_WAIT, Overload};

use super::entry::{Avoid, Entry};
use super::ledger::{Ledger, Periods, Recipients};
use super::queue::Queue;
use super::{
    Account, BreakerRules, Circuit, EndedSend, Fit, Home, Judgement, Kind, Message, ModemRules, Observation,
    Others, SendEnd,
};
use crate::clock::{Now, Steady};
use crate::id::MessageId;
use crate::phone::Country;

mod member;
mod schedule;
#[cfg(test)]
mod tests;

/// What is known of the SIM in a modem.
#[derive(Debug, Clone, Default)]
pub struct Sim {
    /// Its identity, under which its ledger is stored; `None` until the SIM was asked for its names.
    pub name: Option<String>,
    /// What it has sent.
    pub ledger: Ledger,
    /// The numbers that it served this month.
    pub recipients: Recipients,
}

/// How well a modem fits a message. The modem with the greatest fitness is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fitness {
    /// Whether it is another modem than the one that just failed with the message.
    pub fresh: bool,
    /// How well it fits the number.
    pub fit: Fit,
    /// How much of its SIM's allowance is used up, in thousandths; poor health increases the value.
    pub used: Reverse<u64>,
    /// Its turn: each part that it sends moves it back, further when its health is poor.
    pub turn: Reverse<u64>,
}

/// The best of the modems that may send a message; of equal ones the first.
pub fn choose(candidates: impl IntoIterator<Item = (usize, Fitness)>) -> Option<usize> {
    let better = |best: (usize, Fitness), next: (usize, Fitness)| if next.1 > best.1 { next } else { best };
    candidates.into_iter().reduce(better).map(|(modem, _)| modem)
}

/// What has to be written down or reported after a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounting {
    /// The SIM and its ledger, when the SIM's name is known and the ledger changed.
    pub ledger: Option<(String, Ledger)>,
    /// A recipient that is new to the SIM in this month.
    pub new_recipient: Option<(u64, u64)>,
    /// The new state of the breaker, when it opened or closed.
    pub circuit: Option<Circuit>,
    /// Whose the fault is, if there is one.
    pub judgement: Option<Judgement>,
}

/// A modem's condition, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// Parts sent today (UTC).
    pub parts_today: u32,
    /// Parts sent this month.
    pub parts_this_month: u32,
    /// Parts of plain texts that its SIM may still send today; `None` without a limit.
    pub text_parts_left_today: Option<u32>,
    /// The same this month.
    pub text_parts_left_this_month: Option<u32>,
    /// Different numbers served this month.
    pub recipients_this_month: usize,
    /// The part of full traffic that its SIM deserves, in percent.
    pub health: u8,
    /// What its breaker lets through.
    pub circuit: Circuit,
    /// The failure that opened the breaker; empty when it is closed.
    pub why: String,
    /// When that failure happened.
    pub failed_at: Option<Steady>,
    /// How long the modem took for a part lately, air time included.
    pub part: Option<Duration>,
}

/// The modems, by their place in the configuration, and the messages that wait.
#[derive(Debug)]
pub struct Pool {
    queue: Queue,
    members: Vec<Member>,
    breaker: BreakerRules,
    /// The turn of the modem that was last given a message: a modem that waited long is not owed all that time.
    turn: u64,
    schedule: Schedule,
}

/// Less than this nobody set the wall clock: it went a little faster or slower.
const SLEW: Duration = Duration::from_millis(200);

impl Pool {
    /// A pool whose modems are all away, without any message. A code needs `min_life` to be worth sending.
    pub fn new(
        min_life: Duration,
        breaker: BreakerRules,
        modems: impl IntoIterator<Item = (String, ModemRules)>,
    ) -> Self {
        let members: Vec<_> = modems.into_iter().map(|(name, rules)| Member::new(name, rules)).collect();
        let mut queue = Queue::new(min_life);
        queue.set_rules(members.iter().map(|m| m.rules.clone()).collect());
        Self { queue, members, breaker, turn: 0, schedule: Schedule::new(MAX_WAIT) }
    }

    /// Adds a queued message. `recipient` is its number as a keyed hash; a modem in `avoid` does not get the
    /// message before the time given there. Returns which modem the message was given to.
    pub fn push(&mut self, m: &Message, recipient: u64, avoid: Avoid, now: Steady) -> Option<usize> {
        self.queue.push(m, recipient, avoid, now);
        let t = self.periods(now);
        let given = self.offer(m.id, &t);
        if given.is_none() && matches!(m.kind, Kind::Otp(_)) {
            self.doubt(&t);
        }
        given
    }

    /// Adds a message that is on the air, for another modem than the one that has it: a free modem gets it at
    /// once, otherwise the first that becomes free.
    pub fn push_twin(&mut self, m: &Message, recipient: u64, avoid: Avoid, now: Steady) -> Option<usize> {
        self.queue.push_twin(m, recipient, avoid, now);
        self.offer(m.id, &self.periods(now))
    }

    /// Reads how far dates are ahead of the clock by which all else is measured. When somebody set the wall clock, what
    /// is bound to a date is looked at again. Tells by how much somebody did.
    pub fn set_date(&mut self, now: Now) -> Duration {
        let (ahead, was) = (now.ahead(), self.queue.ahead());
        let by = ahead.apart(was);
        if by < SLEW {
            return Duration::ZERO;
        }
        self.queue.set_ahead(ahead, now.steady());
        for member in &mut self.members {
            member.look_at(now.steady());
        }
        by
    }

    /// The periods of the wall clock at an instant.
    fn periods(&self, now: Steady) -> Periods {
        Periods::at(now, self.queue.ahead())
    }

    /// Which other modem could send a message that this modem could not.
    pub fn others(&self, m: &Message, modem: usize, now: Steady) -> Others {
        let refused = |name: &str| m.refused.as_ref().is_some_and(|refused| refused.modem == name);
        let wanted = |name: &str| m.wanted_modem.as_deref().is_none_or(|wanted| wanted == name);
        let may = |other: &&Member| {
            wanted(&other.name) && !refused(&other.name) && other.rules.route(&m.to).is_some()
        };
        let others = self.members.iter().enumerate().filter(|&(i, _)| i != modem).map(|(_, other)| other);
        others.filter(may).fold(Others::Nobody, |known, other| match known {
            Others::Here => known,
            _ if other.is_in_service(now) => Others::Here,
            _ => Others::Away,
        })
    }

    /// A modem can take a message: the one that it was given, or the first that it may send. When there is
    /// none, the modem waits and is given the next.
    pub fn next(&mut self, modem: usize, now: Steady) -> Option<Entry> {
        if let Work::Given(entry) = std::mem::replace(&mut self.members[modem].work, Work::Waiting) {
            let member = &mut self.members[modem];
            (member.work, member.on_air) = (Work::Busy, Some((now, entry.parts.into())));
            return Some(*entry);
        }
        self.members[modem].on_air = None;
        let t = self.periods(now);
        let id = self.first_for(modem, &t)?;
        let entry = self.queue.remove(id)?;
        let member = &mut self.members[modem];
        (member.work, member.on_air) = (Work::Busy, Some((now, entry.parts.into())));
        self.count_turn(modem, &entry, now);
        self.doubt(&t);
        Some(entry)
    }

    /// A modem can take no message. What it was given goes to another modem, which is returned, or waits.
    pub fn leave(&mut self, modem: usize, now: Steady) -> Option<usize> {
        let member = &mut self.members[modem];
        (member.look_at, member.on_air) = (None, None);
        let had = std::mem::replace(&mut member.work, Work::Away);
        let t = self.periods(now);
        self.doubt(&t);
        let Work::Given(entry) = had else { return None };
        let id = entry.id;
        self.queue.put(*entry, now);
        self.offer(id, &t)
    }

    /// Lets time pass. Returns the messages that can no longer be sent in time, and the modems that were
    /// given a message.
    pub fn advance(&mut self, now: Steady) -> (Vec<MessageId>, Vec<usize>) {
        let (overdue, due) = self.queue.advance(now);
        let t = self.periods(now);
        self.review(&t);
        let mut woken: Vec<usize> = due.into_iter().filter_map(|id| self.offer(id, &t)).collect();
        let mut free = false;
        for member in &mut self.members {
            if member.look_at.is_some_and(|at| at <= now) {
                member.look_at = None;
                free |= matches!(member.work, Work::Waiting);
            }
        }
        if free {
            woken.extend(self.deal(&t));
        }
        (overdue, woken)
    }

    /// When [`advance`](Pool::advance) next has something to do.
    pub fn next_wake(&self) -> Option<Steady> {
        let looks = self.members.iter().filter_map(|m| m.look_at);
        looks.chain(self.queue.next_wake()).chain(self.schedule.review_at).min()
    }

    /// Removes a message wherever it waits.
    pub fn remove(&mut self, id: MessageId) {
        self.queue.remove(id);
        for member in &mut self.members {
            if matches!(&member.work, Work::Given(entry) if entry.id == id) {
                // The modem was told to fetch it, and asks for another one then.
                member.work = Work::Busy;
            }
        }
    }

    /// A send of this modem ended.
    pub fn settle(&mut self, modem: usize, done: &EndedSend<'_>, now: Steady) -> Accounting {
        let t = self.periods(now);
        let member = &mut self.members[modem];
        if let Some((since, _)) = member.on_air.take()
            && done.end != SendEnd::NotBegun
        {
            member.pace.record(now.since(since), done.parts);
        }
        let sim = &mut member.sim;
        let before = sim.ledger;
        sim.ledger.part = member.pace.part();
        let mut new_recipient = None;
        if done.parts > 0 {
            sim.ledger.record(done.parts, &t);
            if sim.recipients.note(done.recipient, &t) {
                new_recipient = Some((t.month, done.recipient));
            }
        }
        let health = &mut sim.ledger.health;
        let (judgement, changed) = member.account.enter(done, health, &self.breaker, now);
        let ledger = Some(sim.ledger).filter(|ledger| *ledger != before);
        Accounting {
            ledger: sim.name.clone().zip(ledger),
            new_recipient: new_recipient.filter(|_| sim.name.is_some()),
            circuit: changed.then(|| member.account.circuit(now)),
            judgement,
        }
    }

    /// Something was observed about a modem's SIM apart from the end of a send. Returns whether that closed
    /// its breaker.
    pub fn observe(&mut self, modem: usize, observation: Observation, now: Steady) -> bool {
        let member = &mut self.members[modem];
        member.sim.ledger.health.observe(observation, now);
        let closed = observation == Observation::Sent && member.account.sent(now);
        if closed {
            member.look_at(now);
        }
        closed
    }

    /// A message was sent elsewhere that had failed through the modem of this name. Returns the modem, when that
    /// opened its breaker.
    pub fn sent_elsewhere(&mut self, name: &str, now: Steady) -> Option<usize> {
        let modem = self.members.iter().position(|member| member.name == name)?;
        self.members[modem].account.sent_elsewhere(&self.breaker, now).then_some(modem)
    }

    /// A person attended to the modem: a breaker that is open tries the next message.
    pub fn try_now(&mut self, modem: usize, now: Steady) {
        let member = &mut self.members[modem];
        member.account.try_now(now);
        member.look_at(now);
    }

    /// A new SIM, or the first one, is in the modem.
    pub fn set_sim(&mut self, modem: usize, sim: Sim) {
        let member = &mut self.members[modem];
        member.pace.recall(sim.ledger.part);
        member.sim = sim;
        member.account = Account::default();
    }

    /// The SIM that was in the modem before is known again, perhaps under another name, with what the store has
    /// about it.
    pub fn renew_sim(&mut self, modem: usize, sim: Sim) {
        let known = &mut self.members[modem].sim;
        *known = Sim { ledger: sim.ledger.after(&known.ledger), ..sim };
    }

    /// The identity of the SIM in a modem.
    pub fn sim(&self, modem: usize) -> Option<String> {
        self.members[modem].sim.name.clone()
    }

    /// Sets where the modem's SIM is at home.
    pub fn set_home(&mut self, modem: usize, home: Home) {
        self.members[modem].home = home;
    }

    /// Sets whether the modem's SIM is in a foreign network.
    pub fn set_roaming(&mut self, modem: usize, roaming: bool) {
        self.members[modem].roaming = roaming;
    }

    /// The countries of the SIMs, also of those that are away.
    pub fn countries(&self) -> BTreeSet<Country> {
        self.members.iter().flat_map(|member| member.home.countries()).collect()
    }

    /// Sets the rules after a reload; the modems have to ask [`next`](Pool::next) again.
    pub fn set_rules(&mut self, min_life: Duration, breaker: BreakerRules, of: impl Fn(&str) -> ModemRules) {
        self.queue.set_min_life(min_life);
        self.breaker = breaker;
        for member in &mut self.members {
            member.rules = of(&member.name);
        }
        self.queue.set_rules(self.members.iter().map(|m| m.rules.clone()).collect());
    }

    /// The condition of a modem.
    pub fn condition(&self, modem: usize, now: Steady) -> Condition {
        let t = self.periods(now);
        let member = &self.members[modem];
        let (parts_today, parts_this_month) = member.sim.ledger.sent(&t);
        let circuit = member.account.circuit(now);
        let texts = member.sim.ledger.left_for_texts(&member.rules, &t);
        Condition {
            parts_today,
            parts_this_month,
            text_parts_left_today: texts.0,
            text_parts_left_this_month: texts.1,
            recipients_this_month: member.sim.recipients.count(&t),
            health: u8::try_from(member.sim.ledger.health.weight(now) / 10).unwrap_or(100),
            circuit,
            why: if circuit == Circuit::Closed { String::new() } else { member.account.why().to_owned() },
            failed_at: member.account.failed_at(),
            part: member.pace.part(),
        }
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        let given = |m: &&Member| matches!(&m.work, Work::Given(entry) if entry.twin_of.is_none());
        self.queue.len() + self.members.iter().filter(given).count()
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages wait: codes, plain texts, and those of both kinds whose time has not come.
    pub fn depths(&self) -> (usize, usize, usize) {
        self.queue.depths()
    }

    /// How long the oldest code waits, and the oldest plain text.
    pub fn longest(&self, now: Steady) -> [Option<Duration>; 2] {
        self.queue.longest(now)
    }

    /// How many messages only `modem` may send.
    pub fn pinned_to(&self, modem: &str) -> usize {
        self.queue.pinned_to(modem)
    }

    /// Gives a message to the best of the waiting modems.
    fn offer(&mut self, id: MessageId, t: &Periods) -> Option<usize> {
        let entry = self.queue.ready_entry(id)?;
        let mut looks = Vec::new();
        let candidates = self.members.iter().enumerate().filter(|(_, m)| m.waits()).filter_map(|(i, m)| {
            match m.verdict(entry, &m.gate(t), t) {
                Verdict::Yes(fitness) => Some((i, fitness)),
                Verdict::At(at) => {
                    looks.push((i, at));
                    None
                }
                Verdict::No => None,
            }
        });
        let chosen = choose(candidates);
        match chosen {
            Some(modem) => self.give(modem, id, t.now),
            None => looks.into_iter().for_each(|(modem, at)| self.members[modem].look_at(at)),
        }
        chosen
    }

    /// Gives the waiting messages, in their order, to the waiting modems.
    fn deal(&mut self, t: &Periods) -> Vec<usize> {
        let mut free: Vec<(usize, Gate)> = Vec::new();
        for (i, m) in self.members.iter().enumerate().filter(|(_, m)| m.waits()) {
            free.push((i, m.gate(t)));
        }
        let mut looks = Vec::new();
        let mut dealt: Vec<(usize, MessageId)> = Vec::new();
        for entry in self.queue.ready() {
            if free.is_empty() {
                break;
            }
            let mut fit = Vec::new();
            for &(i, ref gate) in &free {
                match self.members[i].verdict(entry, gate, t) {
                    Verdict::Yes(fitness) => fit.push((i, fitness)),
                    Verdict::At(at) => looks.push((i, at)),
                    Verdict::No => {}
                }
            }
            if let Some(modem) = choose(fit) {
                free.retain(|&(i, _)| i != modem);
                dealt.push((modem, entry.id));
            } else if !entry.otp && free.iter().all(|(_, gate)| gate.text > t.now) {
                // No text after this one can be sent either.
                looks.extend(free.iter().map(|(i, gate)| (*i, gate.text)));
                break;
            }
        }
        for &(modem, id) in &dealt {
            self.give(modem, id, t.now);
        }
        for (modem, at) in looks {
            if self.members[modem].waits() {
                self.members[modem].look_at(at);
            }
        }
        dealt.into_iter().map(|(modem, _)| modem).collect()
    }

    /// The first message that a modem may send; when there is none, notes when to look again.
    fn first_for(&mut self, modem: usize, t: &Periods) -> Option<MessageId> {
        let member = &mut self.members[modem];
        member.look_at = None;
        let gate = member.gate(t);
        let mut look: Option<Steady> = None;
        for entry in self.queue.ready() {
            let shut = if entry.otp { gate.code } else { gate.text };
            if shut > t.now {
                // What delays codes delays texts too, and only texts follow.
                look = Some(look.map_or(shut, |known| known.min(shut)));
                break;
            }
            match member.verdict(entry, &gate, t) {
                Verdict::Yes(_) => return Some(entry.id),
                Verdict::At(at) => look = Some(look.map_or(at, |known| known.min(at))),
                Verdict::No => {}
            }
        }
        member.look_at = look;
        None
    }

    fn give(&mut self, modem: usize, id: MessageId, now: Steady) {
        if let Some(entry) = self.queue.remove(id) {
            self.count_turn(modem, &entry, now);
            self.members[modem].work = Work::Given(Box::new(entry));
            self.members[modem].look_at = None;
        }
    }

    fn count_turn(&mut self, modem: usize, entry: &Entry, now: Steady) {
        let member = &mut self.members[modem];
        self.turn = self.turn.max(member.turn);
        let weight = u64::from(member.sim.ledger.health.weight(now));
        member.turn = self.turn + u64::from(entry.parts.max(1)) * 1_000_000 / weight;
    }
}
