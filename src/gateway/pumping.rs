//! The guard against SMS pumping, as an issue meets it: what it looked at, what it refuses or would refuse, and what is
//! counted when the code goes out or is entered.

use std::time::Duration;

use super::effects::Move;
use super::error::{GatewayError, Result};
use super::lock::locked;
use super::told::Reason;
use crate::clock::Steady;
use crate::otp::{
    Action, Group, NEIGHBOURS, Neighbourhood, PumpingRule, Rate, Standing, Tally, Verification, Window,
};
use crate::phone::PhoneNumber;
use crate::store::WindowRecords as _;

/// What the guard has to say about a code.
pub(super) struct Guard {
    action: Action,
    groups: Vec<Counted>,
    neighbours: Option<Neighbours>,
}

/// The codes of a group, and how they stand.
struct Counted {
    group: Group,
    tally: Tally,
    budget: Rate,
    standing: Standing,
}

/// The place of a number among its neighbours, the window of its block, and how it stands.
struct Neighbours {
    of: Neighbourhood,
    window: Window,
    standing: Standing,
}

/// A rule that is broken: until when, and the key with what it allows.
struct Broken {
    rule: PumpingRule,
    until: Steady,
    limit: String,
}

impl Broken {
    fn refusal(self, steady: Steady) -> GatewayError {
        GatewayError::RateLimited { limit: self.limit, retry_after: self.until.since(steady) }
    }
}

impl Guard {
    /// What it has to say when nothing goes out, which costs nobody anything.
    pub(super) fn none() -> Self {
        Self { action: Action::Off, groups: Vec::new(), neighbours: None }
    }

    /// The budget that is used up the longest.
    fn spent(&self, configured: Rate) -> Option<Broken> {
        let until = |counted: &&Counted| counted.standing.retry_at;
        // Of two that end together the country is named.
        let longest = self.groups.iter().rev().filter(|c| until(c).is_some()).max_by_key(until)?;
        let limit = format!(
            "pumping.unverified = \"{configured}\" for codes to one {} that nobody entered",
            longest.group.of
        );
        Some(Broken { rule: PumpingRule::Unverified, until: longest.standing.retry_at?, limit })
    }

    fn crowded(&self) -> Option<Broken> {
        let Neighbours { of, standing, .. } = self.neighbours.as_ref()?;
        let limit = format!("pumping.adjacent = {}", of.most);
        Some(Broken { rule: PumpingRule::Adjacent, until: standing.retry_at?, limit })
    }

    /// The windows that may refuse: of each its name, how many it allows and how it stands.
    pub(super) fn windows(&self) -> Vec<(String, u32, Standing)> {
        let enforced = self.groups.iter().filter(|_| self.action == Action::Enforce);
        let group = |c: &Counted| {
            (format!("pumping.unverified {} {}", c.group.of, c.budget), c.budget.count, c.standing)
        };
        let neighbours = self.neighbours.iter().map(|n| {
            let rate = Rate { count: n.of.most, per: NEIGHBOURS };
            (format!("pumping.adjacent {rate}"), rate.count, n.standing)
        });
        enforced.map(group).chain(neighbours).collect()
    }
}

impl Move<'_, '_> {
    /// What the guard has to say about a code that goes out to this number; nothing is counted.
    pub(super) fn guard(&self, to: &PhoneNumber) -> Result<Guard> {
        let policy = &self.settings.pumping;
        let counted = |(group, tally): (Group, Tally)| {
            let (budget, standing) = tally.standing(policy, self.now.steady());
            Counted { group, tally, budget, standing }
        };
        let (action, tallies) = self.tallies(to)?;
        let look = |of: Neighbourhood| {
            let window = |key: &String| self.tx.window(key, Duration::ZERO);
            let beside = of.beside.as_ref().map(window).transpose()?.unwrap_or_default();
            let window = window(&of.key)?;
            let standing = of.standing(&window, &beside, self.now.steady());
            Ok::<_, GatewayError>(Neighbours { of, window, standing })
        };
        let neighbours = policy.neighbourhood(to).map(look).transpose()?;
        Ok(Guard { action, groups: tallies.into_iter().map(counted).collect(), neighbours })
    }

    /// What is done about codes to this number, and what became of them, unless nothing is.
    fn tallies(&self, to: &PhoneNumber) -> Result<(Action, Vec<(Group, Tally)>)> {
        let policy = &self.settings.pumping;
        if policy.abroad == Action::Off && policy.home == Action::Off {
            return Ok((Action::Off, Vec::new()));
        }
        let range = to.range();
        let action = policy.action(range, &locked(&self.inner.queue).countries());
        let tally = |group: Group| {
            let tally = Tally {
                unverified: self.tx.window(&group.unverified, Duration::ZERO)?,
                verified: self.tx.window(&group.verified, Duration::ZERO)?,
            };
            Ok((group, tally))
        };
        let groups = policy.groups(to, range).into_iter().filter(|_| action != Action::Off);
        Ok((action, groups.map(tally).collect::<Result<_>>()?))
    }

    /// Which rule refuses, and how.
    pub(super) fn pumped(&self, guard: &Guard) -> Option<(PumpingRule, GatewayError)> {
        let enforced = Some(guard).filter(|guard| guard.action == Action::Enforce);
        let spent = enforced.and_then(|guard| guard.spent(self.settings.pumping.unverified));
        let longest = [spent, guard.crowded()].into_iter().flatten().max_by_key(|broken| broken.until)?;
        Some((longest.rule, longest.refusal(self.now.steady())))
    }

    /// A code goes out: counts it, and tells when it would have been refused.
    pub(super) fn goes_out(&mut self, guard: Guard) -> Result<()> {
        let policy = self.settings.pumping;
        if guard.action == Action::Record
            && let Some(Broken { rule, limit, .. }) = guard.spent(policy.unverified)
        {
            self.inner.metrics.pumping(rule, false);
            let why = format!("rate_limited: {limit}; recorded, not refused");
            self.note("suspected", Reason::fixed(why));
        }
        for Counted { group, mut tally, .. } in guard.groups {
            tally.issued(&policy, self.now.steady());
            let (until, _) = Tally::expire_at(&policy, self.now.steady());
            self.tx.put_window(&group.unverified, Duration::ZERO, &tally.unverified, until)?;
        }
        if let Some(Neighbours { of, window, .. }) = guard.neighbours {
            let window = of.add(&window, self.now.steady());
            self.tx.put_window(&of.key, Duration::ZERO, &window, self.now.steady().plus(NEIGHBOURS))?;
        }
        Ok(())
    }

    /// The code of a verification was entered: its messages, if it had any, are taken back, and it speaks for its country
    /// and its prefix.
    pub(super) fn proven(&mut self, v: &Verification) -> Result<()> {
        if v.inbound || self.settings.testing.has(&v.to) {
            return Ok(());
        }
        let issued_at = v.id.made_at();
        for (group, mut tally) in self.tallies(&v.to)?.1 {
            tally.entered(issued_at, v.sends, self.now.steady());
            let (unverified, verified) = Tally::expire_at(&self.settings.pumping, self.now.steady());
            self.tx.put_window(&group.unverified, Duration::ZERO, &tally.unverified, unverified)?;
            self.tx.put_window(&group.verified, Duration::ZERO, &tally.verified, verified)?;
        }
        Ok(())
    }
}
