//! The recovery ladder, pure: which recovery step comes next for a modem that is in trouble, from the gentlest to the
//! hardest. Each rung has a count and a time limit; the next rung is climbed only when those below did not bring the
//! modem back, and the ladder starts over once the modem was ready for a while. It knows no port and no clock.

use std::time::{Duration, Instant};

/// A recovery step, from the gentlest to the hardest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// ESC, and `AT` until it is answered.
    Resync,
    /// The port closed and opened.
    Reopen,
    /// The radio off and on, `AT+CFUN=4` and `AT+CFUN=1`.
    Radio,
    /// `AT+CFUN=1,1`, or what the modem's family has for it.
    Restart,
    /// The USB device deauthorised and authorised again.
    Reauthorise,
    /// The operator's own command.
    PowerCycle,
}

impl Rung {
    /// The word in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resync => "resync",
            Self::Reopen => "reopen",
            Self::Radio => "radio",
            Self::Restart => "restart",
            Self::Reauthorise => "reauthorise",
            Self::PowerCycle => "power_cycle",
        }
    }

    /// The words for a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Resync => "calling it again",
            Self::Reopen => "opening its port again",
            Self::Radio => "switching its radio off and on",
            Self::Restart => "restarting it",
            Self::Reauthorise => "giving it back to the USB drivers",
            Self::PowerCycle => "the power_cycle command",
        }
    }
}

/// How long a ladder waits. The defaults suit real modems; tests shorten them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a device that restarted may take before it answers.
    pub boot: Duration,
    /// A modem that was ready for this long has recovered: the ladder starts over.
    pub stable: Duration,
    /// The first rest after the last rung; each further rest is twice as long.
    pub rest_first: Duration,
    /// The longest rest.
    pub rest_max: Duration,
    /// The shortest time between two recovery steps of the same rung for a modem that answers and does not work.
    pub useless: Duration,
    /// How long a modem that answers may look for a network before the ladder acts.
    pub no_network: Duration,
    /// How long a device may be away before it counts as lost rather than unplugged for a moment.
    pub away: Duration,
    /// How long the `power_cycle` command may take.
    pub power_cycle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            boot: Duration::from_secs(45),
            stable: Duration::from_secs(600),
            rest_first: Duration::from_secs(60),
            rest_max: Duration::from_secs(1800),
            useless: Duration::from_secs(3600),
            no_network: Duration::from_secs(300),
            away: Duration::from_secs(60),
            power_cycle: Duration::from_secs(60),
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The modem answers nothing, or cannot be set up.
    Silent,
    /// The modem's port does not exist.
    Away,
    /// The modem answers and finds no network.
    NoNetwork,
    /// The modem answers and sends nothing.
    Failing,
    /// The modem sees no SIM.
    NoSim,
}

/// The rungs that may help, and how often each is tried. The other rungs have no effect on that trouble.
const fn plan(trouble: Trouble) -> &'static [(Rung, u8)] {
    use Rung::{PowerCycle, Radio, Reauthorise, Reopen, Restart};
    match trouble {
        Trouble::Silent => &[(Reopen, 2), (Restart, 2), (Reauthorise, 1), (PowerCycle, 1)],
        Trouble::Away => &[(Reauthorise, 1), (PowerCycle, 1)],
        Trouble::NoNetwork => &[(Radio, 1), (Restart, 1)],
        Trouble::NoSim => &[(Restart, 1)],
        Trouble::Failing => &[(Radio, 1), (Restart, 1), (Reauthorise, 1), (PowerCycle, 1)],
    }
}

/// A place on the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    rung: Rung,
    tries: u8,
    /// How long the rung may take.
    until: Instant,
}

/// The rung that follows `at`, and which try of it that is; `None` after the last one.
fn next(trouble: Trouble, at: Option<Place>) -> Option<(Rung, u8)> {
    let plan = plan(trouble);
    match at {
        None => plan.first().map(|(rung, _)| (*rung, 1)),
        Some(at) => plan.iter().find_map(|&(rung, count)| match rung.cmp(&at.rung) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => (at.tries < count).then(|| (rung, at.tries + 1)),
            std::cmp::Ordering::Greater => Some((rung, 1)),
        }),
    }
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Climb to this rung.
    Try(Rung),
    /// The last rung still has time: look again.
    Again,
    /// Rest until this instant, apart from a question now and then.
    Rest(Instant),
}

/// How a modem recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The last rung before the modem recovered.
    pub rung: Rung,
    /// The time since the trouble was noticed.
    pub took: Duration,
}

/// One modem's ladder.
#[derive(Debug)]
pub struct Ladder {
    limits: Limits,
    noticed: Option<Noticed>,
    place: Option<Place>,
    /// The place on the ladder of a modem that answers and does not work, and since when.
    useless: Option<(Place, Instant)>,
    without_network_since: Option<Instant>,
    away_since: Option<Instant>,
    rest: Option<Instant>,
    rests: u32,
    ready_since: Option<Instant>,
    tried: Vec<(Rung, u8, Option<String>)>,
}

#[derive(Debug)]
struct Noticed {
    since: Instant,
    failing: bool,
    last: Rung,
}

impl Ladder {
    /// A ladder at its foot.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            noticed: None,
            place: None,
            useless: None,
            without_network_since: None,
            away_since: None,
            rest: None,
            rests: 0,
            ready_since: None,
            tried: Vec::new(),
        }
    }

    /// Something is wrong; it may pass by itself.
    pub fn notice(&mut self, now: Instant) {
        let stable = self.limits.stable;
        if self.ready_since.take().is_some_and(|since| now.saturating_duration_since(since) >= stable) {
            self.place = None;
            self.rests = 0;
        }
        if self.noticed.is_none() {
            self.noticed = Some(Noticed { since: now, failing: false, last: Rung::Resync });
            self.tried.clear();
        }
    }

    /// Whether something is wrong.
    pub const fn in_trouble(&self) -> bool {
        self.noticed.is_some()
    }

    /// What was done so far did not help a modem that answers nothing.
    pub fn climb(&mut self, now: Instant) -> Step {
        self.climb_for(Trouble::Silent, now)
    }

    /// There is no port. Returns what to do about that besides looking for it.
    pub fn away(&mut self, now: Instant) -> Option<Rung> {
        let since = *self.away_since.get_or_insert(now);
        let over = |span: Duration| now.saturating_duration_since(since) >= span;
        if !over(self.limits.away) || self.rest.is_some_and(|until| now < until) {
            return None;
        }
        match self.climb_for(Trouble::Away, now) {
            Step::Try(rung) => Some(rung),
            Step::Again | Step::Rest(_) => None,
        }
    }

    /// The port exists, and is open.
    pub fn here(&mut self) {
        if self.away_since.take().is_some() {
            // The rest was a rest from looking for the port.
            self.rest = None;
        }
        if let Some(noticed) = &mut self.noticed {
            noticed.last = noticed.last.max(Rung::Reopen);
        }
    }

    /// The device was unplugged, and may come back in another state: it does not rest then.
    pub fn unplugged(&mut self) {
        self.rest = None;
    }

    /// The modem answers and is still looking for a network.
    pub fn without_network(&mut self, now: Instant) -> Option<Rung> {
        let since = *self.without_network_since.get_or_insert(now);
        if now.saturating_duration_since(since) < self.limits.no_network {
            return None;
        }
        self.without_network_since = Some(now);
        self.climb_useless(Trouble::NoNetwork, now)
    }

    /// The modem answers and has seen no SIM for some time.
    pub fn without_sim(&mut self, now: Instant) -> Option<Rung> {
        self.climb_useless(Trouble::NoSim, now)
    }

    /// Whether the modem has been ready long enough to count as recovered.
    pub fn is_stable(&self, now: Instant) -> bool {
        self.ready_since.is_some_and(|since| now.saturating_duration_since(since) >= self.limits.stable)
    }

    /// The modem answers, and every send fails.
    pub fn failing(&mut self, now: Instant) -> Option<Rung> {
        self.climb_useless(Trouble::Failing, now)
    }

    /// A rung could not be climbed. `why` is given when a person can do something about it.
    pub fn impossible(&mut self, rung: Rung, why: Option<String>, now: Instant) {
        if let Some(place) = self.place.as_mut().filter(|place| place.rung == rung) {
            *place = Place { tries: u8::MAX, until: now, ..*place };
        }
        self.tried.retain(|(known, ..)| *known != rung);
        if why.is_some() {
            self.tried.push((rung, 0, why));
        }
    }

    /// A rung is done: from now on the modem has its time to come up.
    pub fn done(&mut self, rung: Rung, now: Instant) {
        let until = now + self.time(rung);
        if let Some(place) = self.place.as_mut().filter(|place| place.rung == rung) {
            place.until = until;
        }
        if let Some(noticed) = &mut self.noticed {
            noticed.last = rung;
        }
    }

    /// Until when the modem rests.
    pub fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.rest.filter(|until| now < *until)
    }

    /// The modem takes orders. Returns how it recovered, if it was in trouble.
    pub fn ready(&mut self, now: Instant) -> Option<Recovery> {
        self.ready_since.get_or_insert(now);
        self.rest = None;
        self.without_network_since = None;
        // A modem that takes orders and fails them has not recovered.
        if self.noticed.as_ref().is_some_and(|noticed| noticed.failing) {
            return None;
        }
        self.recovered(now)
    }

    /// A message was sent.
    pub fn sent(&mut self, now: Instant) -> Option<Recovery> {
        if self.noticed.as_ref().is_some_and(|noticed| noticed.failing) { self.recovered(now) } else { None }
    }

    /// What was tried since the trouble was noticed, for a person.
    pub fn tried(&self) -> String {
        let each = self.tried.iter().map(|(rung, times, why)| match (why, times) {
            (Some(why), _) => why.clone(),
            (None, 0 | 1) => rung.words().to_owned(),
            (None, times) => format!("{} ({times} times)", rung.words()),
        });
        each.collect::<Vec<_>>().join("; ")
    }

    fn recovered(&mut self, now: Instant) -> Option<Recovery> {
        let noticed = self.noticed.take()?;
        Some(Recovery { rung: noticed.last, took: now.saturating_duration_since(noticed.since) })
    }

    fn climb_for(&mut self, trouble: Trouble, now: Instant) -> Step {
        self.notice(now);
        if let Some(until) = self.rests_until(now) {
            return Step::Rest(until);
        }
        if self.rest.take().is_some() {
            self.place = None;
        }
        if self.place.is_some_and(|place| now < place.until) {
            return Step::Again;
        }
        let Some((rung, tries)) = next(trouble, self.place) else {
            let factor = 1_u32.checked_shl(self.rests).unwrap_or(u32::MAX);
            let rest = self.limits.rest_first.saturating_mul(factor).min(self.limits.rest_max);
            self.rests = self.rests.saturating_add(1);
            self.rest = Some(now + rest);
            return Step::Rest(now + rest);
        };
        self.stand(rung, tries, now);
        Step::Try(rung)
    }

    fn climb_useless(&mut self, trouble: Trouble, now: Instant) -> Option<Rung> {
        let span = self.limits.useless;
        if self.useless.is_some_and(|(_, since)| now.saturating_duration_since(since) >= span) {
            self.useless = None;
        }
        let (place, since) = self.useless.map_or((None, now), |(place, since)| (Some(place), since));
        // The restart that was made last, by either climb.
        if [place, self.place].into_iter().flatten().any(|place| now < place.until) {
            return None;
        }
        let (rung, tries) = next(trouble, place)?;
        self.notice(now);
        if let Some(noticed) = &mut self.noticed {
            noticed.failing |= trouble == Trouble::Failing;
        }
        let place = self.stand(rung, tries, now);
        self.useless = Some((place, since));
        Some(rung)
    }

    fn stand(&mut self, rung: Rung, tries: u8, now: Instant) -> Place {
        let place = Place { rung, tries, until: now + self.time(rung) };
        self.place = Some(place);
        if let Some(noticed) = &mut self.noticed {
            noticed.last = rung;
        }
        match self.tried.iter_mut().find(|(known, ..)| *known == rung) {
            Some((_, times, _)) => *times = times.saturating_add(1),
            None => self.tried.push((rung, 1, None)),
        }
        place
    }

    /// How long a rung may take to bring the modem back. After a port was opened again, the calls themselves
    /// show that nothing answers.
    const fn time(&self, rung: Rung) -> Duration {
        match rung {
            Rung::Resync | Rung::Reopen | Rung::Radio => Duration::ZERO,
            Rung::Restart | Rung::Reauthorise | Rung::PowerCycle => self.limits.boot,
        }
    }
}

#[cfg(test)]
mod tests;
