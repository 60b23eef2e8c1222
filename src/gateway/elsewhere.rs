//! The modems of other hosts, as far as they concern a message that waits here: a better one is left the first word, one
//! that may send it is another try, and a silent one is helped out by a twin.
//!
//! No host decides for another one. Each gives a message to its own modems and claims it by the store's word; where another
//! host has a better modem, it only waits a moment before it does.

use std::sync::Arc;
use std::time::Duration;

use super::effects::Move;
use super::error::Result;
use super::inner::Inner;
use super::lock::locked;
use crate::clock::Steady;
use crate::fleet::HostModem;
use crate::id::MessageId;
use crate::outbox::{self, Avoid, Fit, Message, MessageStatus, Others};
use crate::store::{HostRecords as _, Records as _, View};

/// How long a host leaves a message to a better modem of another host.
const FIRST_WORD: Duration = Duration::from_millis(40);

/// How long an answer may be overdue before nobody thinks of it any more.
const OVERDUE: Duration = Duration::from_secs(300);

impl Inner {
    /// How well the modems of other hosts fit a message, of those that are there.
    fn fits_elsewhere(&self, m: &Message, now: Steady, is_ready: impl Fn(&HostModem) -> bool) -> Vec<Fit> {
        let Some(fleet) = &self.fleet else { return Vec::new() };
        let may = |modem: &&HostModem| {
            is_ready(modem)
                && m.wanted_modem.as_ref().is_none_or(|wanted| *wanted == modem.name)
                && m.refused.as_ref().is_none_or(|refused| refused.modem != modem.name)
        };
        fleet.others(now, |others| others.filter(may).filter_map(|modem| modem.fit(&m.to)).collect())
    }

    /// The modems of this host that leave this message a moment to a better one of another host.
    pub(super) fn first_word(&self, m: &Message, now: Steady) -> Avoid {
        let Some(best) = self.fits_elsewhere(m, now, |modem| modem.ready).into_iter().max() else {
            return Avoid::new();
        };
        let until = now.plus(FIRST_WORD);
        let worse = |index: &usize| locked(&self.queue).fit(*index, &m.to).is_some_and(|own| own < best);
        let own = (0..self.slots.len()).filter(worse);
        own.map(|index| (self.slots[index].modem.name().to_owned(), until)).collect()
    }

    /// Which other modem, of whichever host, could send a message that this one could not.
    pub(super) fn other_modems_for(&self, m: &Message, index: usize, now: Steady) -> Others {
        let here = locked(&self.queue).others(m, index, now);
        if here == Others::Here || self.fleet.is_none() {
            return here;
        }
        if !self.fits_elsewhere(m, now, |modem| modem.ready).is_empty() {
            return Others::Here;
        }
        if self.fits_elsewhere(m, now, |_| true).is_empty() { here } else { Others::Away }
    }

    /// The send of a code at another host is overdue: a modem of this one may send it as well.
    pub(super) async fn help_out(self: &Arc<Self>, ids: Vec<MessageId>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let now = self.now().steady();
        let read = move |view: &View| {
            let overdue = ids.into_iter().filter_map(|id| match view.overdue(id) {
                Ok(until) => until.filter(|until| *until > now).map(|_| view.message(id)),
                Err(e) => Some(Err(e)),
            });
            overdue.collect::<std::result::Result<Vec<_>, _>>()
        };
        for m in self.store.read(read).await??.into_iter().flatten() {
            let elsewhere = m.modem.as_deref().is_some_and(|name| !self.owns(name));
            if m.status == MessageStatus::Sending
                && elsewhere
                && outbox::wants_twin(&m, &self.settings().retry)
            {
                let (recipient, avoid) = (self.recipient(&m.to), self.first_word(&m, now));
                self.with_pool(|pool| pool.push_twin(&m, recipient, avoid, now));
            }
        }
        Ok(())
    }
}

impl Move<'_, '_> {
    /// The modem that has this code is silent: other hosts may help out.
    pub(super) fn note_overdue(&mut self, id: MessageId) -> Result<()> {
        if self.inner.fleet.is_some() {
            self.tx.put_overdue(id, self.now.steady().plus(OVERDUE))?;
        }
        Ok(())
    }

    /// It is not silent any more.
    pub(super) fn forget_overdue(&mut self, id: MessageId) -> Result<()> {
        if self.inner.fleet.is_some() && self.tx.overdue(id)?.is_some() {
            self.tx.delete_overdue(id)?;
        }
        Ok(())
    }
}
