//! The keeper of times: retries that come due, messages and codes that run out, and what has been kept long
//! enough. It sleeps until the next of these moments and is woken when an earlier one appears.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::effects::Move;
use super::error::Result;
use super::inner::Inner;
use super::lock::locked;
use super::once::HONOURED;
use crate::clock::{Now, Steady};
use crate::outbox::{Kind, Periods};
use crate::store::{EventRecords as _, Records as _};

/// How often old records are looked for, at the least and at the most.
const SWEEPS: (Duration, Duration) = (Duration::from_secs(3600), Duration::from_secs(60));
/// Verifications or messages that end in one commit.
const ENDS_AT_ONCE: usize = 100;
/// Ends of verifications that are read at once.
const EXPIRIES: usize = 5000;
/// Records of a kind that are forgotten in one commit, at the least and at the most: as many as take about so long. So old
/// records go as fast as new ones come, and nobody waits long behind them.
const BATCHES: (usize, usize) = (50, 1600);
const STEP: Duration = Duration::from_millis(20);
/// Events forgotten in one commit: there are several for each message.
const EVENTS_AT_ONCE: usize = 2000;

/// How long to wait when the store is away.
const AGAIN: Duration = Duration::from_secs(1);

/// When the clocks are apart by more than they were at the last look, somebody set one. By less it went a little faster or
/// slower, as a time server has it.
const SET: Duration = Duration::from_secs(5);

/// The last look for old records.
#[derive(Clone, Copy)]
struct Swept {
    /// When it began.
    at: Steady,
    /// It did not come to the end: how it goes on.
    rest: Option<Rest>,
}

/// How a look for old records goes on.
#[derive(Clone, Copy)]
struct Rest {
    /// How many records of a kind are next.
    batch: usize,
    /// How long the last ones took. The pause behind them is as long.
    took: Duration,
}

impl Inner {
    pub(super) async fn keep(self: &Arc<Self>) {
        let mut swept: Option<Swept> = None;
        // When the last one was sent, and whose turn is next.
        let mut canary = (self.now().steady(), 0);
        let mut sets = self.clocks.clock().sets();
        self.tell_doubt();
        while !self.stopping.load(Ordering::SeqCst) {
            self.keeper_at.store(0, Ordering::SeqCst);
            let now = self.now();
            let sealing = match self.pass(now, &mut swept).await {
                Ok(sealing) => sealing,
                Err(e) if e.is_away() => {
                    tracing::debug!("the keeper of times waits: {e}");
                    self.clocks.sleep_until(self.now().steady().plus(AGAIN)).await;
                    continue;
                }
                Err(e) => {
                    tracing::error!("the keeper of times stops: {e}");
                    return;
                }
            };
            if self.canary_at(canary.0).is_some_and(|at| at <= now.steady()) {
                self.send_canary(canary.1).await;
                canary = (now.steady(), canary.1 + 1);
            }
            let queue = locked(&self.queue).next_wake();
            let expiry = locked(&self.expiries).next();
            let sweep = self.sweep_at(swept.as_ref());
            let known = [queue, expiry, self.held_until(), sealing, self.canary_at(canary.0)];
            let next = known.into_iter().flatten().fold(sweep, Steady::min);
            self.keeper_at.store(next.as_millis().max(1), Ordering::SeqCst);
            tokio::select! {
                biased;
                () = self.keeper.notified() => {}
                () = sets.next() => {}
                () = self.clocks.sleep_until(next) => {}
            }
        }
        self.tell_rest().await;
    }

    /// The log tells that the wall clock cannot be right.
    fn tell_doubt(&self) {
        if let Some(why) = self.clocks.doubt() {
            tracing::warn!("{why}; until then lives and waits go by the time since boot alone");
        }
    }

    /// Looks at the date: somebody may have set the wall clock. What is bound to a date is looked at again then, and where
    /// both clocks are is written down.
    async fn look_at_date(self: &Arc<Self>, now: Now) -> Result<()> {
        let by = locked(&self.queue).set_date(now);
        if by < SET {
            return Ok(());
        }
        tracing::info!(
            shows = %now.wall(),
            "the wall clock was set to {}: no life and no wait is longer by that, and what is bound to a date is looked at again",
            now.wall()
        );
        self.tell_doubt();
        for slot in &self.slots {
            slot.wake.notify_one();
        }
        self.make_in_turn(|mv| {
            mv.note_clocks();
            Ok(())
        })
        .await
    }

    /// Does what is due. Answers when something is to be sealed anew, if anything is.
    async fn pass(self: &Arc<Self>, now: Now, swept: &mut Option<Swept>) -> Result<Option<Steady>> {
        self.look_at_date(now).await?;
        let (overdue, woken, given_up) = {
            let mut pool = locked(&self.queue);
            let (overdue, woken) = pool.advance(now.steady());
            (overdue, woken, pool.take_given_up())
        };
        for modem in woken {
            self.slots[modem].wake.notify_one();
        }
        if !given_up.is_empty() {
            let codes = given_up.len();
            tracing::warn!(codes, "given up {codes} codes: more wait than the modems can send in time");
        }
        for some in given_up.chunks(ENDS_AT_ONCE).map(<[_]>::to_vec) {
            let end = move |mv: &mut Move<'_, '_>| some.into_iter().try_for_each(|id| mv.give_up_code(id));
            self.make_in_turn(end).await?;
        }
        for some in overdue.chunks(ENDS_AT_ONCE).map(<[_]>::to_vec) {
            let end = move |mv: &mut Move<'_, '_>| some.into_iter().try_for_each(|id| mv.run_out(id));
            self.make_in_turn(end).await?;
        }
        self.end_due(now).await?;
        self.tell_held();
        if now.steady() >= self.sweep_at(swept.as_ref()) {
            let batch = swept.and_then(|last| last.rest).map_or(BATCHES.0, |rest| rest.batch);
            *swept = Some(Swept { at: now.steady(), rest: self.sweep(now, batch).await? });
        }
        self.seal_anew(now).await
    }

    /// Ends the verifications whose time is over.
    async fn end_due(self: &Arc<Self>, now: Now) -> Result<()> {
        loop {
            let begun = locked(&self.expiries).begin();
            if let Some(from) = begun {
                let some = self.store.read(move |view| view.pending_verifications(from, EXPIRIES)).await??;
                locked(&self.expiries).end(some, EXPIRIES);
            }
            let due = locked(&self.expiries).take_due(now.steady(), ENDS_AT_ONCE);
            if due.is_empty() {
                return Ok(());
            }
            let end = move |mv: &mut Move<'_, '_>| due.into_iter().try_for_each(|id| mv.expire(id));
            self.make_in_turn(end).await?;
        }
    }

    /// When to look for old records again: nothing outlives its time by more than a tenth of the shortest one, or a
    /// minute.
    fn sweep_at(&self, swept: Option<&Swept>) -> Steady {
        let settings = self.settings();
        let things = settings.keep_verifications.min(settings.keep_messages).min(settings.keep_inbox);
        let shortest = things.min(settings.keep_events);
        match swept {
            None => Steady::default(),
            Some(Swept { at, rest: Some(rest) }) => at.plus(rest.took * 2),
            Some(Swept { at, rest: None }) => at.plus((shortest / 10).clamp(SWEEPS.1, SWEEPS.0)),
        }
    }

    /// Forgets a batch of what has been kept long enough; tells how to go on when there is more.
    async fn sweep(self: &Arc<Self>, now: Now, batch: usize) -> Result<Option<Rest>> {
        let (settings, began) = (self.settings(), self.clocks.clock().monotonic());
        let verifications = now.steady().minus(settings.keep_verifications);
        let messages = now.steady().minus(settings.keep_messages);
        // What a key names is given back to whoever repeats the request. Older things have no key any more.
        let keyed = settings.keep_verifications.min(settings.keep_messages) < HONOURED;
        // Not in a move: what has to stay may be much to look at.
        let (ended, over) = self
            .store
            .read(move |view| {
                let kept = if keyed { view.keyed_subjects(now.steady())? } else { HashSet::new() };
                let free = |id: &dyn ToString| kept.is_empty() || !kept.contains(&id.to_string());
                let ended = view.ended_verifications_before(verifications, batch, |v| free(&v.id))?;
                let over = view.over_messages_before(messages, batch, |m| match m.kind {
                    Kind::Otp(verification) => free(&verification),
                    Kind::Text => free(&m.id),
                })?;
                Ok::<_, crate::store::StoreError>((ended, over))
            })
            .await??;
        let forget = move |mv: &mut Move<'_, '_>| {
            for id in &ended {
                mv.tx.delete_verification(*id)?;
            }
            for id in &over {
                mv.tx.delete_message(*id)?;
            }
            let stale = mv.tx.sweep_expired(now.steady(), batch)?;
            mv.note_clocks();
            let served = mv.tx.sweep_recipients(Periods::of(now).month, batch)?;
            Ok(ended.len().max(over.len()).max(stale).max(served) >= batch)
        };
        let full = self.make_in_turn(forget).await?;
        let events = self.sweep_events().await?;
        self.trim_keys(now).await?;
        let more = self.sweep_inbox(now).await? || events || full;
        let took = self.clocks.clock().monotonic().saturating_duration_since(began);
        let batch = if took < STEP { batch * 2 } else { batch / 2 }.clamp(BATCHES.0, BATCHES.1);
        Ok(more.then_some(Rest { batch, took }))
    }

    /// Forgets a batch of the events that have been kept long enough, by the clock that nobody sets; tells whether there
    /// is more.
    async fn sweep_events(self: &Arc<Self>) -> Result<bool> {
        let cutoff = self.now().steady().minus(self.settings().keep_events);
        let last = self.store.read(move |view| view.last_event_before(cutoff, EVENTS_AT_ONCE)).await??;
        let Some(last) = last else { return Ok(false) };
        let cut = move |mv: &mut Move<'_, '_>| Ok(mv.tx.cut_events(mv.key, last)?);
        let cut = self.make_in_turn(cut).await?;
        Ok(usize::try_from(cut).is_ok_and(|cut| cut >= EVENTS_AT_ONCE))
    }
}

impl Move<'_, '_> {
    /// Writes down where both clocks are.
    fn note_clocks(&mut self) {
        let (name, seen) = self.inner.clocks.seen();
        self.tx.put_meta(name, seen.as_bytes());
    }
}
