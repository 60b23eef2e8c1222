//! People who asked for no more messages: the list, who gets on it and off it, and what it forbids.
//!
//! A number on the list gets no plain texts. It gets no codes either when an operator put it there, or where the
//! configuration says that stop words stop codes: an SMS proves no sender, and a forged STOP would lock a person out. For
//! the same reason a start word takes back what a stop word did, and nothing that an operator did.
//! What waits for the number and is stopped is withdrawn, a message on the air is not; a verification stays as it is,
//! since its code may have arrived before.

use super::effects::{Effect, Move};
use super::error::{GatewayError, Result};
use super::inner::Gateway;
use super::request::Caller;
use super::view::{OptOutView, Page};
use crate::id::InboxId;
use crate::inbox::{Keyword, OptOut, Sender, Tag};
use crate::outbox::{self, Kind};
use crate::phone::PhoneNumber;
use crate::store::{InboxRecords as _, Records as _};
use crate::trail::Audit;

/// Why a message to somebody on the list is withdrawn.
pub(super) const OPTED_OUT: &str = "the recipient opted out";

/// Messages looked at, the newest, to tell whose a number without its country code is.
const LOOKED_AT: usize = 2000;

impl Gateway {
    /// Numbers that opted out, in no particular order.
    pub async fn opt_outs(&self, limit: usize, after: Option<Tag>) -> Result<Page<OptOutView>> {
        let limit = limit.clamp(1, 1000);
        let found = self.0.store.read(move |view| view.opt_outs(limit + 1, after)).await??;
        let more = found.len() > limit;
        let shown = &found[..found.len().min(limit)];
        let next = shown.last().filter(|_| more).map(|(tag, _)| crate::hex::encode(tag));
        let view = |(_, value): &(Tag, OptOut)| {
            let opened = self.0.key.unseal(OptOut::OWNER, &value.phone);
            let plain = opened.inspect_err(|e| tracing::error!("a number that opted out: {e}")).ok()?;
            let phone = OptOut::number(plain.expose())?;
            Some(OptOutView { phone, since: value.since, message: value.message })
        };
        Ok(Page { items: shown.iter().filter_map(view).collect(), next })
    }

    /// Puts a number on the list, and withdraws what waits for it.
    pub async fn add_opt_out(&self, caller: &Caller, phone: &str) -> Result<OptOutView> {
        let phone = self.0.settings().number(phone)?;
        let (now, to, client) = (self.0.now(), phone.clone(), caller.client.clone());
        let stop = move |mv: &mut Move<'_, '_>| {
            mv.asked(client.as_ref(), &to);
            mv.listed("opt_out_added", &to)?;
            mv.apply_keyword(&to, Keyword::Stop, None)?;
            Ok(mv.tx.opt_out(&to)?)
        };
        let value = self.0.perform(stop).await?;
        let (since, message) = value.map_or((now.wall(), None), |value| (value.since, value.message));
        Ok(OptOutView { phone, since, message })
    }

    /// Takes a number off the list.
    pub async fn remove_opt_out(&self, caller: &Caller, phone: &str) -> Result<OptOutView> {
        // A sender whose number no numbering plan knows may be on the list as well.
        let phone = self.0.settings().number(phone).or_else(|e| phone.parse().map_err(|_| e))?;
        let (to, client) = (phone.clone(), caller.client.clone());
        let start = move |mv: &mut Move<'_, '_>| {
            let was = mv.tx.opt_out(&to)?.ok_or(GatewayError::NotFound("opt-out of this number"))?;
            mv.asked(client.as_ref(), &to);
            mv.listed("opt_out_removed", &to)?;
            mv.apply_keyword(&to, Keyword::Start, None)?;
            Ok(was)
        };
        let was = self.0.perform(start).await?;
        Ok(OptOutView { phone, since: was.since, message: was.message })
    }
}

impl Move<'_, '_> {
    /// Writes down that an operator changes the list, and what the number was on it before.
    fn listed(&mut self, action: &str, to: &PhoneNumber) -> Result<()> {
        let detail = match self.tx.opt_out(to)? {
            None => "it was not on the list",
            Some(OptOut { message: Some(_), .. }) => "a stop word had put it on the list",
            Some(OptOut { message: None, .. }) => "an operator had put it on the list",
        };
        let (action, to, detail) = (action.to_owned(), Some(to.masked()), detail.to_owned());
        self.then(Effect::Audit(Audit { action, to, detail, count: 1 }));
        Ok(())
    }

    /// Refuses a code, or a text, for a number that opted out of such messages.
    pub(super) fn permits(&self, to: &PhoneNumber, is_code: bool) -> Result<()> {
        if !self.stopped(to, is_code)? {
            return Ok(());
        }
        Err(GatewayError::OptedOut)
    }

    /// Whether a number opted out of codes, or of texts.
    pub(super) fn stopped(&self, to: &PhoneNumber, is_code: bool) -> Result<bool> {
        Ok(self.tx.opt_out(to)?.is_some_and(|entry| self.stops(&entry, is_code)))
    }

    /// Whether an entry of the list stops codes, or texts. One without a message is an operator's, which stops both.
    fn stops(&self, entry: &OptOut, is_code: bool) -> bool {
        !is_code || entry.message.is_none() || self.settings.stop_codes
    }

    /// Does what a number asks for in this message, or an operator without one.
    pub(super) fn apply_keyword(
        &mut self,
        phone: &PhoneNumber,
        keyword: Keyword,
        message: Option<InboxId>,
    ) -> Result<()> {
        if keyword == Keyword::Start {
            // An SMS proves no sender: it takes back what an SMS did, and nothing that an operator did.
            let is_by_sms = self.tx.opt_out(phone)?.is_some_and(|known| known.message.is_some());
            if message.is_none() || is_by_sms {
                self.tx.delete_opt_out(phone)?;
            }
            return Ok(());
        }
        let entry = match self.tx.opt_out(phone)? {
            // What an operator stops is more than what a stop word does.
            Some(known) if message.is_some() || known.message.is_none() => known,
            known => {
                let sealed = self.key.seal(OptOut::OWNER, phone.as_str().as_bytes());
                let since = known.map_or(self.now.wall(), |known| known.since);
                let entry = OptOut { phone: sealed, since, message };
                self.tx.put_opt_out(phone, &entry)?;
                entry
            }
        };
        for m in self.tx.live_messages()? {
            if m.to == *phone
                && self.stops(&entry, matches!(m.kind, Kind::Otp(_)))
                && let Some(m) = self.withdraw_for(m, Some(OPTED_OUT))?
            {
                self.withdrawn(m);
            }
        }
        Ok(())
    }

    /// Whose number a sender is. Without its country code it is that of the only recipient of late that ends so.
    pub(super) fn number_of(&self, from: &Sender) -> Result<Option<PhoneNumber>> {
        // Where the network's numbers are unknown to the numbering plans, they stay as the network gives them.
        let as_given = |_| from.as_str().parse();
        if let Ok(phone) = PhoneNumber::read(from.as_str(), None).or_else(as_given) {
            return Ok(Some(phone));
        }
        let mut found: Option<PhoneNumber> = None;
        for m in self.tx.messages(LOOKED_AT, None, |_| true)? {
            if outbox::is_for(from.as_str(), &m.to) {
                if found.as_ref().is_some_and(|known| *known != m.to) {
                    return Ok(None);
                }
                found = Some(m.to);
            }
        }
        Ok(found)
    }
}
