//! What must hold: a small account of what clients were told and of what the network took, kept apart from the daemon.
//!
//! Where a client has no answer, because the daemon ended or the client left, the account says *perhaps*. Where a modem
//! had trouble, a message may have a twin for each trouble of its time; where none had any, it has none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gsm_sim::Submitted;
use smsotpd::gateway::{CheckView, MessageView, VerificationView};
use smsotpd::id::{MessageId, VerificationId};
use smsotpd::otp::{Rate, VerificationStatus};
use smsotpd::outbox::MessageStatus;
use smsotpd::trail::{About, Event};
use tokio::time::Instant;

/// How long a code is accepted.
pub(crate) const TTL: Duration = Duration::from_secs(300);
/// The pause between two messages of one verification.
pub(crate) const COOLDOWN: Duration = Duration::from_secs(30);
/// How long it has to live for its message to be sent, by each of the configurations.
pub(crate) const MIN_LIFE: [Duration; 3] =
    [Duration::from_secs(20), Duration::from_secs(25), Duration::from_secs(30)];
/// Checks of one verification that may be wrong before it is over.
pub(crate) const ATTEMPTS: u32 = 5;
/// Messages of one verification.
pub(crate) const SENDS: u32 = 3;
/// Codes for one number.
pub(crate) const PER_NUMBER: Rate = Rate { count: 4, per: Duration::from_secs(600) };
/// Codes in all.
pub(crate) const TOTAL: Rate = Rate { count: 400, per: Duration::from_secs(3600) };
/// Wrong codes for one number.
pub(crate) const GUESSES: Rate = Rate { count: 8, per: Duration::from_secs(1200) };
/// What one millisecond more or less may change.
const GRAIN: Duration = Duration::from_millis(2);

/// A verification, as its client knows it.
#[derive(Debug)]
struct Known {
    to: String,
    /// When the answer came.
    issued: Instant,
    approvals: u32,
    /// Wrong codes that were asked and answered.
    wrong: u32,
    sends: u32,
    ended: bool,
    /// Something that ends it may have happened, and its client had no answer.
    perhaps_ended: bool,
}

/// A message that somebody was promised.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    pub(crate) id: MessageId,
    pub(crate) to: String,
    asked: Instant,
}

/// A code that counts in its limits.
#[derive(Debug)]
struct Counted {
    to: String,
    asked: Instant,
    /// None where it only perhaps counts.
    answered: Option<Instant>,
}

/// A wrong code that counts for its number.
#[derive(Debug)]
struct Guess {
    asked: Instant,
    /// None where it only perhaps counts.
    answered: Option<Instant>,
}

/// What a seed has that changes what must hold.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// When the wall clock was set ahead last: that ends lives, and makes none longer.
    set_ahead: Option<Instant>,
    /// A code that is asked for while one is pending is a new one.
    replaces: bool,
    /// A stop word stops codes as well as texts.
    stop_codes: bool,
    verifications: BTreeMap<VerificationId, Known>,
    promises: Vec<Promise>,
    unreachable: BTreeSet<String>,
    counted: Vec<Counted>,
    /// Of each number.
    guesses: BTreeMap<String, Vec<Guess>>,
    /// When each trouble began, and when it was over.
    troubles: Vec<(Instant, Option<Instant>)>,
    pub(crate) crashes: u32,
    /// Numbers with a message whose client had no answer: nobody knows of it.
    unanswered: BTreeSet<String>,
    /// Numbers that opted out, and the daemon said so.
    opted_out: BTreeSet<String>,
    /// What the trail of events said last of each message, and how many of its sends began.
    messages_told: BTreeMap<MessageId, (MessageStatus, u32)>,
    /// The same of each verification, and its attempts that are left.
    verifications_told: BTreeMap<VerificationId, (VerificationStatus, u32)>,
    pub(crate) broken: Option<String>,
}

impl Model {
    pub(crate) fn new(replaces: bool, stop_codes: bool) -> Self {
        Self { replaces, stop_codes, ..Self::default() }
    }

    pub(crate) fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.broken.is_none() {
            self.broken = Some(what());
        }
    }

    /// Something goes wrong from now on; the answer ends it.
    pub(crate) fn trouble(&mut self) -> usize {
        self.troubles.push((Instant::now(), None));
        self.troubles.len() - 1
    }

    /// What went wrong is over. What it left behind lasts no longer than another minute.
    pub(crate) fn over(&mut self, trouble: usize) {
        self.troubles[trouble].1 = Some(Instant::now() + Duration::from_secs(60));
    }

    /// The phone of this number is off.
    pub(crate) fn off(&mut self, number: &str) {
        self.unreachable.insert(number.to_owned());
    }

    /// A code was issued: a new one, or that of a verification that was known.
    pub(crate) fn issued(&mut self, v: &VerificationView, known: bool, asked: Instant) {
        if known && self.verifications.contains_key(&v.id) {
            return self.resent(v, asked);
        }
        let now = Instant::now();
        let to = v.to.as_str().to_owned();
        self.one_is_pending(v, asked);
        let new = Known {
            to: to.clone(),
            issued: now,
            approvals: 0,
            wrong: 0,
            sends: 1,
            ended: false,
            perhaps_ended: self.set_ahead.is_some_and(|at| at >= asked),
        };
        let twice = self.verifications.insert(v.id, new).is_some();
        self.must(!twice, || format!("{} was issued twice", v.id));
        let stopped = self.stop_codes && self.opted_out.contains(&to);
        self.must(!stopped, || format!("{} was issued to a number that opted out", v.id));
        self.promised(v.message.0, &to, asked);
        self.count(&to, asked, Some(now));
    }

    /// Of the verifications of a number only the newest is pending. One is replaced after its cool-down where the service
    /// says so, else when its life is too short for another message.
    fn one_is_pending(&mut self, newest: &VerificationView, asked: Instant) {
        let mut early = None;
        for (id, known) in &mut self.verifications {
            if known.to != newest.to.as_str() || *id == newest.id || known.ended {
                continue;
            }
            let lived = asked.saturating_duration_since(known.issued);
            let (more, least) = if self.replaces { (GRAIN, COOLDOWN) } else { (MIN_LIFE[2], TTL) };
            if lived + more < least && !known.perhaps_ended {
                early = Some(*id);
            }
            known.ended = true;
        }
        self.must(early.is_none(), || format!("{} was issued while {early:?} is pending", newest.id));
    }

    /// The wall clock was set ahead: it may have ended what was pending.
    pub(crate) fn clock_ahead(&mut self) {
        self.set_ahead = Some(Instant::now());
        self.verifications.values_mut().for_each(|known| known.perhaps_ended = true);
    }

    /// Who was refused was told to come back in so long. No wait is longer than its own length.
    pub(crate) fn told_to_wait(&mut self, limit: Option<&str>, wait: Duration) {
        let most = match limit {
            None => COOLDOWN,
            Some(limit) if limit.starts_with("limits.guesses_per_number") => GUESSES.per,
            Some(limit) if limit.starts_with("limits.total") => TOTAL.per,
            Some(_) => PER_NUMBER.per,
        };
        self.must(wait <= most, || {
            format!("{limit:?} makes somebody wait {wait:?}, not {most:?} at the most")
        });
    }

    /// What ends this verification was asked for, and there was no answer.
    pub(crate) fn perhaps_ended(&mut self, id: VerificationId) {
        if let Some(known) = self.verifications.get_mut(&id) {
            known.perhaps_ended = true;
        }
    }

    /// A message of this verification was sent once more.
    pub(crate) fn resent(&mut self, v: &VerificationView, asked: Instant) {
        let Some(known) = self.verifications.get_mut(&v.id) else { return };
        known.sends += 1;
        let (sends, ended) = (known.sends, known.ended);
        self.must(sends <= SENDS, || format!("{} was sent {sends} times", v.id));
        self.must(!ended, || format!("{} was sent after its end", v.id));
        let to = v.to.as_str().to_owned();
        self.promised(v.message.0, &to, asked);
        self.count(&to, asked, Some(Instant::now()));
    }

    /// A text was accepted.
    pub(crate) fn accepted(&mut self, id: MessageId, to: &str, asked: Instant) {
        let stopped = self.opted_out.contains(to);
        self.must(!stopped, || format!("{id} was accepted for a number that opted out"));
        self.promised(id, to, asked);
    }

    /// A message was accepted, or is that of a verification.
    pub(crate) fn promised(&mut self, id: MessageId, to: &str, asked: Instant) {
        let twice = self.promises.iter().any(|promise| promise.id == id);
        self.must(!twice, || format!("{id} was accepted twice"));
        self.promises.push(Promise { id, to: to.to_owned(), asked });
    }

    /// A client asked for a message to this number and had no answer.
    pub(crate) fn unanswered(&mut self, to: &str) {
        self.unanswered.insert(to.to_owned());
    }

    /// A code that was asked for counts in its limits, or perhaps does.
    pub(crate) fn count(&mut self, to: &str, asked: Instant, answered: Option<Instant>) {
        self.counted.retain(|c| c.asked.elapsed() <= 2 * TOTAL.per);
        if answered.is_none() {
            self.unanswered(to);
        }
        self.counted.push(Counted { to: to.to_owned(), asked, answered });
        for (rate, all) in [(PER_NUMBER, false), (TOTAL, true)] {
            let mut of: Vec<_> =
                self.counted.iter().filter(|c| (all || c.to == to) && c.answered.is_some()).collect();
            of.sort_by_key(|c| c.asked);
            let too_many = of.windows(rate.count as usize + 1).any(|some| {
                let (first, last) = (some.first(), some.iter().filter_map(|c| c.answered).max());
                first.zip(last).is_some_and(|(first, last)| last - first.asked + GRAIN < rate.per)
            });
            self.must(!too_many, || format!("more than {rate} codes for {}", if all { "all" } else { to }));
        }
    }

    /// A code was refused because of this limit.
    pub(crate) fn limited(&mut self, to: &str, limit: &str) {
        if limit.starts_with("limits.guesses_per_number") {
            // One may have been counted a while after it was asked.
            let since = GUESSES.per + Duration::from_secs(60);
            let guesses = self.guesses.get(to).into_iter().flatten();
            let perhaps = guesses.filter(|g| g.asked.elapsed() <= since).count();
            self.must(perhaps >= GUESSES.count as usize, || {
                format!("refused by {limit} after {perhaps} guesses")
            });
            return;
        }
        let (rate, all) = if limit.starts_with("limits.total") { (TOTAL, true) } else { (PER_NUMBER, false) };
        let since = rate.per + rate.per / 60 + GRAIN;
        let recent =
            |c: &&Counted| c.answered.unwrap_or(c.asked + Duration::from_secs(60)).elapsed() <= since;
        let known = self.counted.iter().filter(|c| all || c.to == to).filter(recent).count();
        self.must(known >= rate.count as usize, || format!("refused by {limit} after {known} codes"));
    }

    /// A code was asked to be checked, and there was no answer.
    pub(crate) fn unchecked(&mut self, id: VerificationId, asked: Instant) {
        self.perhaps_ended(id);
        self.guessed(id, asked, None);
    }

    fn guessed(&mut self, id: VerificationId, asked: Instant, answered: Option<Instant>) {
        let Some(Known { to, .. }) = self.verifications.get(&id) else { return };
        let to = to.clone();
        let guesses = self.guesses.entry(to.clone()).or_default();
        guesses.retain(|g| g.asked.elapsed() <= 2 * GUESSES.per);
        guesses.push(Guess { asked, answered });
        let mut of: Vec<_> = guesses.iter().filter(|g| g.answered.is_some()).collect();
        of.sort_by_key(|g| g.asked);
        // The last one that is compared leaves nothing, and is answered as one that is not.
        let too_many = of.windows(GUESSES.count as usize).any(|some| {
            let (first, last) = (some.first(), some.iter().filter_map(|g| g.answered).max());
            first.zip(last).is_some_and(|(first, last)| last - first.asked + GRAIN < GUESSES.per)
        });
        self.must(!too_many, || format!("more than {GUESSES} wrong codes for {to} were compared"));
    }

    /// A check was answered. `right` is whether the code was that of the text, where that is known.
    pub(crate) fn checked(
        &mut self,
        id: VerificationId,
        right: Option<bool>,
        asked: Instant,
        answer: &CheckView,
    ) {
        let left = answer.verification.attempts_left;
        // Where no attempt is left, to it or to its number, nothing is compared.
        let open = answer.verification.status == VerificationStatus::Pending && left > 0;
        if !answer.approved {
            self.guessed(id, asked, (right == Some(false) && open).then(Instant::now));
        }
        let Some(known) = self.verifications.get_mut(&id) else { return };
        let was_over = known.ended;
        let late = asked.saturating_duration_since(known.issued) > TTL;
        known.approvals += u32::from(answer.approved);
        let status = answer.verification.status;
        let compared = open || status == VerificationStatus::Exhausted;
        known.wrong += u32::from(right == Some(false) && compared);
        known.ended |= status != VerificationStatus::Pending;
        let (approvals, wrong) = (known.approvals, known.wrong);
        let approved = answer.approved;
        self.must(!approved || right != Some(false), || format!("{id}: a wrong code was approved"));
        self.must(approvals <= 1, || format!("{id} was approved twice"));
        self.must(!approved || !was_over, || format!("{id} was approved after its end"));
        self.must(!approved || !late, || format!("{id} was approved after its time"));
        self.must(!approved || wrong < ATTEMPTS, || format!("{id} was approved after {wrong} wrong codes"));
        let counted = !compared || left <= ATTEMPTS.saturating_sub(wrong);
        self.must(counted, || format!("{id}: {left} attempts left after {wrong} wrong codes"));
    }

    pub(crate) fn cancelled(&mut self, v: &VerificationView) {
        if let Some(known) = self.verifications.get_mut(&v.id) {
            known.ended = true;
        }
    }

    /// The daemon says that this number opted out.
    pub(crate) fn opted_out(&mut self, number: &str) {
        self.opted_out.insert(number.to_owned());
    }

    /// The trail has one more event: it tells of a change, and of no change twice.
    pub(crate) fn told(&mut self, event: &Event) {
        use MessageStatus::{Queued, Sending};
        match &event.about {
            About::Message(m) => {
                let (id, status) = (m.id, m.status);
                let before = self.messages_told.get(&id).copied();
                // Another modem may begin as well; and of a message of several parts more may be known to be out.
                let news =
                    before.is_none_or(|(before, _)| before != status || status == Sending || m.parts > 1);
                let first = before.is_some() || status == Queued;
                let sends = before.map_or(0, |(_, sends)| sends) + u32::from(status == Sending);
                self.messages_told.insert(id, (status, sends));
                self.must(news, || format!("{id} is {} twice", status.as_str()));
                self.must(first, || format!("the first event of {id} is {}", status.as_str()));
            }
            About::Verification(v) => {
                let (id, what) = (v.id, v.what.as_str());
                let before = self.verifications_told.insert(id, (v.status, v.attempts_left));
                let fits = match before {
                    None => what == "pending" && (1..=ATTEMPTS).contains(&v.attempts_left),
                    Some((VerificationStatus::Pending, left)) => match what {
                        "attempted" | "approved" | "exhausted" => v.attempts_left + 1 == left,
                        "pending" => false,
                        _ => v.attempts_left == left,
                    },
                    Some(_) => false,
                };
                self.must(fits, || format!("{id}: {what} after {before:?}"));
            }
            _ => {}
        }
    }

    /// After the calm: the trail said all of this message.
    pub(crate) fn message_stands(&mut self, m: &MessageView) {
        let told = self.messages_told.get(&m.id).copied();
        let fits = told.is_some_and(|(status, sends)| status == m.status && sends >= m.attempts);
        let (id, status, attempts) = (m.id, m.status.as_str(), m.attempts);
        self.must(fits, || format!("{id} is {status} after {attempts} sends, and the trail says {told:?}"));
    }

    /// After the calm: the trail said all of this verification.
    pub(crate) fn verification_stands(&mut self, v: &VerificationView) {
        let told = self.verifications_told.get(&v.id).copied();
        // The wall clock may have ended it, and nobody has looked since.
        let just_ended = self.verifications.get(&v.id).is_some_and(|known| known.perhaps_ended)
            && v.status == VerificationStatus::Expired;
        let fits = told.is_some_and(|(status, left)| {
            // Of one that is pending no more are of use than its number has.
            let shown =
                left == v.attempts_left || v.status == VerificationStatus::Pending && v.attempts_left < left;
            shown && (status == v.status || just_ended)
        });
        let (id, status, left) = (v.id, v.status, v.attempts_left);
        self.must(fits, || format!("{id} is {status:?} with {left} attempts, and the trail says {told:?}"));
    }

    pub(crate) fn issued_ones(&self) -> Vec<VerificationId> {
        self.verifications.keys().copied().collect()
    }

    pub(crate) fn promises(&self) -> Vec<Promise> {
        self.promises.clone()
    }

    /// After the calm: where the messages to one number stand, and what the network took for it.
    pub(crate) fn ended(&mut self, to: &str, messages: &[MessageView], taken: &[&Submitted]) {
        use MessageStatus::{Delivered, Failed, Queued, Sending, Sent, Undelivered};
        let began = self.promises.iter().filter(|p| p.to == to).map(|p| p.asked).min();
        let Some(began) = began else { return };
        let off = self.unreachable.contains(to);
        let parts = usize::from(messages.iter().map(|m| m.parts).max().unwrap_or(1));
        let arrived = || taken.iter().filter(|t| !t.dropped);
        // A phone joins the parts of one sender alone; one that is off joins nothing.
        let senders: BTreeSet<_> = arrived().map(|t| &t.imsi).collect();
        let of = |sender: &String| arrived().filter(|t| t.imsi == *sender).count() / parts;
        let copies = if off {
            senders.into_iter().map(of).sum()
        } else {
            arrived().filter(|t| t.whole.is_some()).count()
        };
        let last = taken.iter().map(|t| t.at).max();
        let troubles = self.troubles_between(began, last.map_or_else(Instant::now, Instant::from_std));
        let ever = self.troubles_between(began, Instant::now());
        for m in messages {
            let (id, status) = (m.id, m.status);
            self.must(!matches!(status, Queued | Sending), || {
                format!("{id} has not ended: {}", status.as_str())
            });
            self.must(status != Failed || ever > 0, || format!("{id} failed, and no modem had trouble"));
            // Every code asks for a report, and nothing held it up.
            self.must(status != Sent || !m.otp || ever > 0, || {
                format!("the report for {id} came to nothing")
            });
            self.must(status != Delivered || !off, || format!("{id} is delivered to a phone that is off"));
            self.must(status != Undelivered || off, || format!("{id} is undelivered, and its phone is on"));
        }
        let sent = messages.iter().filter(|m| matches!(m.status, Sent | Delivered | Undelivered)).count();
        self.must(sent <= copies, || {
            format!("{to}: {sent} messages are sent, and {copies} were taken: {taken:?}")
        });
        if self.unanswered.contains(to) {
            return;
        }
        let attempts: usize = messages.iter().map(|m| m.attempts as usize).sum();
        self.must(copies <= attempts, || format!("{to}: {copies} copies of {attempts} sends: {taken:?}"));
        let most = messages.len() + troubles;
        self.must(copies <= most, || format!("{to}: {copies} copies, and {troubles} troubles in that time"));
    }

    fn troubles_between(&self, began: Instant, ended: Instant) -> usize {
        let meets =
            |(from, to): &&(Instant, Option<Instant>)| *from <= ended && to.is_none_or(|to| to >= began);
        self.troubles.iter().filter(meets).count()
    }

    /// After the calm: the parts that the ledger of a SIM counts today, and those that the network took from it.
    pub(crate) fn ledger(&mut self, modem: &str, counts: usize, taken: usize, most: Option<u32>) {
        // A crash may lose the count of one message, and an unknown outcome counts a part that was not taken.
        let lost = 2 * self.crashes as usize;
        let doubts = lost + 2 * self.troubles.len();
        self.must(counts + lost >= taken, || format!("{modem} counts {counts} parts, and sent {taken}"));
        self.must(counts <= taken + doubts, || {
            format!("{modem} counts {counts} parts, and sent only {taken}")
        });
        let within = most.is_none_or(|most| taken <= most as usize + lost);
        self.must(within, || format!("{modem} sent {taken} parts, which is more than its limit"));
    }
}
