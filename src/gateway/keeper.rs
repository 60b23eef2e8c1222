//! The keeper of times: retries that come due, messages and codes that run out, and what has been kept long
//! enough. It sleeps until the next of these moments and is woken when an earlier one appears.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::moves::{self, IDEMPOTENCY};
use super::{GatewayError, Inner, VerificationView, locked};
use crate::clock::Timestamp;
use crate::id::VerificationId;
use crate::outbox::{Event, Kind, MessageStatus, Observation, Periods};
use crate::store::{Records as _, View};

/// When each pending verification ends.
pub(super) type Expiries = BTreeSet<(Timestamp, VerificationId)>;

/// How often old records are looked for, at the least and at the most.
const SWEEPS: (Duration, Duration) = (Duration::from_secs(3600), Duration::from_secs(60));
/// Records forgotten in one commit.
const SWEEP_AT_ONCE: usize = 200;

/// The last look for old records.
struct Swept {
    at: Timestamp,
    /// It did not come to the end.
    more: bool,
}

impl Inner {
    pub(super) fn expect_expiry(&self, at: Timestamp, id: VerificationId) {
        locked(&self.expiries).insert((at, id));
        self.keep_by(Some(at));
    }

    pub(super) fn forget_expiry(&self, at: Timestamp, id: VerificationId) {
        locked(&self.expiries).remove(&(at, id));
    }

    pub(super) async fn keep(&self) {
        let mut swept: Option<Swept> = None;
        while !self.stopping.load(Ordering::SeqCst) {
            self.keeper_at.store(0, Ordering::SeqCst);
            let now = self.clock.now();
            if let Err(e) = self.pass(now, &mut swept).await {
                tracing::error!(error = %e, "the keeper of times stops");
                return;
            }
            let queue = locked(&self.queue).next_wake();
            let expiry = locked(&self.expiries).first().map(|&(at, _)| at);
            let sweep = self.sweep_at(swept.as_ref());
            let next = [queue, expiry].into_iter().flatten().fold(sweep, Timestamp::min);
            self.keeper_at.store(next.as_millis().max(1), Ordering::SeqCst);
            tokio::select! {
                biased;
                () = self.keeper.notified() => {}
                () = self.clock.sleep_until(next) => {}
            }
        }
    }

    async fn pass(&self, now: Timestamp, swept: &mut Option<Swept>) -> Result<(), GatewayError> {
        let (overdue, given) = locked(&self.queue).advance(now);
        for modem in given {
            self.slots[modem].wake.notify_one();
        }
        for id in overdue {
            self.happened(id, Event::Tick { min_life: self.settings().min_life }).await?;
        }
        loop {
            let first = locked(&self.expiries).first().copied();
            let Some((at, id)) = first.filter(|&(at, _)| at <= now) else { break };
            self.forget_expiry(at, id);
            let expired = self.store.transact(move |tx| moves::expire(tx, id, now)).await??;
            if let Some(((v, message), carrier)) = expired {
                self.code_ended(carrier, Observation::CodeUnused);
                self.publish_verification("expired", &VerificationView::new(&v, message, now));
            }
        }
        if now >= self.sweep_at(swept.as_ref()) {
            *swept = Some(Swept { at: now, more: self.sweep(now).await? });
        }
        Ok(())
    }

    /// When to look for old records again: nothing outlives its time by more than a tenth of the shortest one, or a
    /// minute.
    fn sweep_at(&self, swept: Option<&Swept>) -> Timestamp {
        let settings = self.settings();
        let shortest = settings.keep_verifications.min(settings.keep_messages).min(settings.keep_inbox);
        match swept {
            None => Timestamp::default(),
            Some(&Swept { at, more: true }) => at.plus(Duration::from_secs(1)),
            Some(&Swept { at, more: false }) => at.plus((shortest / 10).clamp(SWEEPS.1, SWEEPS.0)),
        }
    }

    /// Forgets a batch of what has been kept long enough; tells whether there is more.
    async fn sweep(&self, now: Timestamp) -> Result<bool, GatewayError> {
        let settings = self.settings();
        let verifications = now.minus(settings.keep_verifications);
        let messages = now.minus(settings.keep_messages);
        // What a key names is given back to whoever repeats the request. Older things have no key any more.
        let keyed = settings.keep_verifications.min(settings.keep_messages) < IDEMPOTENCY;
        // Not in a move: what has to stay may be much to look at.
        let (ended, over) = self
            .store
            .read(move |view| {
                let kept = if keyed { view.keyed_subjects(now)? } else { HashSet::new() };
                let free = |id: &dyn ToString| kept.is_empty() || !kept.contains(&id.to_string());
                let ended = view.ended_verifications_before(verifications, SWEEP_AT_ONCE, |v| free(&v.id))?;
                let over = view.over_messages_before(messages, SWEEP_AT_ONCE, |m| match m.kind {
                    Kind::Otp(verification) => free(&verification),
                    Kind::Text => free(&m.id),
                })?;
                Ok::<_, crate::store::StoreError>((ended, over))
            })
            .await??;
        let forgotten = self
            .store
            .transact(move |tx| {
                for id in &ended {
                    tx.delete_verification(*id)?;
                }
                for id in &over {
                    tx.delete_message(*id)?;
                }
                let stale = tx.sweep_expired(now, SWEEP_AT_ONCE)?;
                let served = tx.sweep_recipients(Periods::of(now).month, SWEEP_AT_ONCE)?;
                Ok::<usize, crate::store::StoreError>(ended.len().max(over.len()).max(stale).max(served))
            })
            .await??;
        Ok(self.sweep_inbox(now).await? || forgotten >= SWEEP_AT_ONCE)
    }

    /// Takes up what the store holds after a start.
    pub(super) async fn recover(&self) -> Result<(), GatewayError> {
        let now = self.clock.now();
        let live = self.store.read(View::live_messages).await??;
        let mut doubtful = 0;
        for mut m in live {
            if m.status == MessageStatus::Sending {
                let id = m.id;
                let found = self.store.transact(move |tx| moves::recover_message(tx, id, now)).await??;
                let Some(found) = found else { continue };
                m = found;
                doubtful += 1;
            }
            if m.status == MessageStatus::Queued {
                let recipient = self.recipient(&m.to);
                locked(&self.queue).push(&m, recipient, vec![], now);
            }
        }
        if doubtful > 0 {
            tracing::warn!(
                messages = doubtful,
                "on the air when the daemon stopped: each goes out again as its own twin, marked so that the \
                 network can drop it"
            );
        }
        let pending = self.store.read(View::pending_verifications).await??;
        for (expires_at, id) in pending {
            let (v, _) = self.store.transact(move |tx| moves::tracked(tx, id)).await??;
            if v.attempts_left() == 0 {
                // Counted, and the daemon stopped before it was compared: it is used up.
                self.store.transact(move |tx| moves::compared(tx, id, false, now)).await??;
            } else {
                self.expect_expiry(expires_at, id);
            }
        }
        Ok(())
    }
}
