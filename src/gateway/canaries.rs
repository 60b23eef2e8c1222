//! Canaries are sent, and known again when they come. One is a plain text of no client, which its SIM counts like any
//! other. It is made only while nothing waits, so that no code and no text waits for it, and it lives for a minute.

use std::sync::Arc;
use std::time::Duration;

use super::canary::Flight;
use super::effects::{Effect, Move};
use super::error::Result;
use super::inner::Inner;
use super::lock::locked;
use super::request::Caller;
use crate::clock::{Life, Steady};
use crate::hex;
use crate::id::MessageId;
use crate::outbox::{Circuit, Message};
use crate::phone::PhoneNumber;
use crate::secret::{Key, Secret};

/// How long one may be sent.
const LIFE: Duration = Duration::from_secs(60);
/// What its text begins with; behind it are its message's id and a keyed hash of that.
const BEGINS: &str = "smsotpd canary ";
/// Octets of that hash.
const TAG: usize = 8;

/// A modem that sends one, and the number of the modem that is to receive it.
struct Pair {
    from: String,
    operator: String,
    to: String,
    number: PhoneNumber,
}

impl Inner {
    /// When a canary is sent next, after that of `last`: each modem sends one in the configured time, one after the other,
    /// so that a code finds another modem free.
    pub(super) fn canary_at(&self, last: Steady) -> Option<Steady> {
        let modems = u32::try_from(self.slots.len()).ok().filter(|modems| *modems > 0)?;
        self.settings().canary.map(|every| last.plus(every / modems))
    }

    /// Has the modem whose turn it is send one, when it is free.
    pub(super) async fn send_canary(self: &Arc<Self>, turn: usize) {
        let Some(pair) = self.pair(turn).filter(|_| self.admit().is_ok()) else { return };
        if let Err(e) = self.make(move |mv| mv.canary(pair)).await {
            tracing::warn!("no canary was made: {e}");
        }
    }

    /// The modem, and each other one that is free and has a number, in turn; without any other the modem itself.
    fn pair(&self, turn: usize) -> Option<Pair> {
        let (settings, now) = (self.settings(), self.now().steady());
        let free = |index: usize| {
            let slot = &self.slots[index];
            let idle = slot.modem.readiness().borrow().ready && locked(&slot.sending).is_none();
            idle && locked(&self.queue).condition(index, now).circuit == Circuit::Closed
        };
        let number = |index: usize| {
            let name = self.slots[index].modem.name();
            settings.numbers.get(name).map(|number| (name.to_owned(), number.clone()))
        };
        let (count, index) = (self.slots.len(), turn.checked_rem(self.slots.len())?);
        let others = (0..count).filter(|other| *other != index && free(*other));
        let others: Vec<_> = others.filter_map(number).collect();
        let other = (turn / count).checked_rem(others.len()).and_then(|turn| others.get(turn).cloned());
        let (to, number) = Some(other).filter(|_| free(index))?.or_else(|| number(index))?;
        let modem = &self.slots[index].modem;
        let operator = modem.facts().operator.unwrap_or_default();
        Some(Pair { from: modem.name().to_owned(), operator, to, number })
    }
}

impl Move<'_, '_> {
    /// Makes one, unless something else waits or nothing may go to that number.
    fn canary(&mut self, pair: Pair) -> Result<()> {
        let Pair { from, operator, to, number } = pair;
        let waits = !locked(&self.inner.queue).is_empty();
        if waits || self.settings.permits(&number).is_err() || self.permits(&number, false).is_err() {
            return Ok(());
        }
        let (id, now) = (self.inner.ids.next::<MessageId>(self.now.steady()), self.now);
        let blank = self.inner.blank(id, number, &Caller::default(), &text(self.key, id), now)?;
        let deadline = Some(Life::of(LIFE, now));
        let m = Message { wanted_modem: Some(from.clone()), report: true, deadline, ..blank };
        self.tx.put_message(&m)?;
        self.then(Effect::CanaryBegins(from, Flight::new(id, to, operator, now)));
        self.queued(&m);
        Ok(())
    }

    /// The canary that a received text is, if it is one of this daemon's.
    pub(super) fn canary_in(&self, plain: &[u8]) -> Option<MessageId> {
        let said = std::str::from_utf8(plain).ok()?.trim_end();
        let id = said.strip_prefix(BEGINS)?.split(' ').next()?.parse().ok()?;
        (said == text(self.key, id).expose()).then_some(id)
    }
}

/// What a canary says.
fn text(key: &Key, id: MessageId) -> Secret<String> {
    let tag = key.hash(&[b"canary", &id.to_bytes()]);
    Secret::new(format!("{BEGINS}{id} {}", hex::encode(&tag[..TAG])))
}
