//! The gateway's life: what it takes up when it is opened, its tasks, a reload, and its end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use tokio::sync::Notify;

use super::canary::Canaries;
use super::clocks::Clocks;
use super::effects::Effect;
use super::error::Result;
use super::events::Events;
use super::inner::{Gateway, Inner, Slot};
use super::lock::locked;
use super::membership::Fleet;
use super::metrics::Metrics;
use super::settings::Settings;
use super::submit::Submit;
use crate::clock::Clock;
use crate::id::{Ids, MessageId};
use crate::outbox::{Event, MessageStatus, Pool};
use crate::secret::Key;
use crate::store::{EventRecords as _, Records as _, Store, View};

/// Messages that are taken up before the daemon serves; those of a longer queue follow before any is sent.
const AT_OPEN: usize = 20_000;
/// Messages that are taken up at once.
const AT_ONCE: usize = 500;

impl Gateway {
    /// Takes up what the store holds: queued messages wait again, one that was on the air is in doubt and goes
    /// out once more as its own twin, verifications run out in time. Nothing is sent before [`Gateway::run`].
    pub async fn open(
        store: Store,
        key: Key,
        clock: Clock,
        settings: Settings,
        modems: Vec<Arc<dyn Submit>>,
    ) -> Result<Self> {
        store.unlock(&key).await?;
        let clocks = Clocks::resume(&store, clock).await?;
        let now = clocks.now();
        let rules = modems.iter().map(|m| (m.name().to_owned(), settings.rules(m.name())));
        let mut pool = Pool::new(settings.min_life, settings.breaker, rules);
        pool.set_max_wait(settings.max_wait);
        pool.set_date(now);
        let fleet = settings.host.clone().map(Fleet::new);
        let slots = modems.into_iter().map(Slot::new).collect();
        let gateway = Self(Arc::new(Inner {
            queue: Mutex::new(pool),
            settings: RwLock::new(Arc::new(settings)),
            store,
            ids: Ids::new(key.random().clone()),
            key,
            started_at: now.steady(),
            slots,
            expiries: Mutex::default(),
            taken_up: Mutex::default(),
            fleet,
            keeper: Notify::new(),
            keeper_at: AtomicU64::new(0),
            events: Events::new(),
            refusals: Mutex::default(),
            metrics: Metrics::default(),
            canaries: Canaries::default(),
            stopping: AtomicBool::new(false),
            home: OnceLock::new(),
            log: OnceLock::new(),
            turning: Arc::default(),
            sealing: Mutex::default(),
            clocks,
        }));
        gateway.0.join().await?;
        gateway.0.take_up_trail().await?;
        gateway.0.recover().await?;
        gateway.0.reach_events().await?;
        Ok(gateway)
    }

    /// Carries messages until [`Gateway::stop`]: a worker for each modem, and one keeper of times. Nothing is sent before
    /// the whole queue was taken up.
    pub async fn run(&self) {
        if let Err(e) = self.0.take_up_the_rest().await {
            // The store told the daemon already.
            tracing::error!("the queue cannot be taken up: {e}");
            return;
        }
        if self.0.fleet.is_some()
            && let Some(others) = self.0.store.others()
        {
            let inner = Arc::clone(&self.0);
            // It ends when the store is closed, which is after all others.
            tokio::spawn(async move { inner.hear(others).await });
        }
        let mut tasks = tokio::task::JoinSet::new();
        for slot in 0..self.0.slots.len() {
            let inner = Arc::clone(&self.0);
            tasks.spawn(async move { inner.work(slot).await });
        }
        let inner = Arc::clone(&self.0);
        tasks.spawn(async move { inner.keep().await });
        let inner = Arc::clone(&self.0);
        tasks.spawn(async move { inner.attend().await });
        while tasks.join_next().await.is_some() {}
    }

    /// Takes no new work; [`Gateway::run`] returns when every message on the air has its outcome on disk.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
        self.0.keeper.notify_one();
        if let Some(fleet) = &self.0.fleet {
            fleet.wake.notify_one();
        }
        for slot in &self.0.slots {
            slot.wake.notify_one();
        }
    }

    /// Replaces what a reload may change. The queue's `min_life` holds for messages queued from now on.
    pub fn reload(&self, settings: Settings) {
        {
            let mut pool = locked(&self.0.queue);
            pool.set_rules(settings.min_life, settings.breaker, |name| settings.rules(name));
            pool.set_max_wait(settings.max_wait);
        }
        *self.0.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        self.0.keeper.notify_one();
        for slot in &self.0.slots {
            slot.wake.notify_one();
        }
    }
}

impl Inner {
    /// Looks whether the ends of the trail are the daemon's own. A store without a trail gets one.
    async fn take_up_trail(&self) -> Result<()> {
        let (key, known) = (self.key.clone(), self.store.read(View::event_ends).await??);
        if known.is_some_and(|known| !known.is_genuine(&key)) {
            tracing::error!(
                "the ends of the trail of events were changed while the daemon did not run, or the secret key is \
                 another one: `smsotp events --verify` will say so until those events are forgotten"
            );
        }
        if known.is_none() {
            self.store.transact(move |tx| tx.put_events(&key, [])).await??;
        }
        Ok(())
    }

    /// Whoever follows is told of what was written so far.
    pub(super) async fn reach_events(&self) -> Result<()> {
        let last = self.store.read(View::event_ends).await??.map_or(0, |sealed| sealed.ends.last);
        self.events.reached(last);
        Ok(())
    }

    /// Takes up what the store holds after a start. Nobody waits yet: what changes is in the trail alone.
    pub(super) async fn recover(self: &Arc<Self>) -> Result<()> {
        self.recall_homes().await?;
        let mut left = Some(None);
        for _ in 0..AT_OPEN.div_ceil(AT_ONCE) {
            let Some(after) = left else { break };
            left = self.take_up(after).await?.map(Some);
        }
        *locked(&self.taken_up) = left.flatten();
        self.recall_late().await
    }

    /// Takes up what of a long queue is left. A message that ends meanwhile may stay in the pool: no modem gets it.
    async fn take_up_the_rest(self: &Arc<Self>) -> Result<()> {
        let mut left = locked(&self.taken_up).take();
        if left.is_none() {
            return Ok(());
        }
        while let Some(after) = left
            && !self.stopping.load(Ordering::SeqCst)
        {
            left = self.take_up(Some(after)).await?;
        }
        self.recall_late().await?;
        self.reach_events().await
    }

    /// Takes up some messages behind this one. Answers the last of them when there may be more.
    async fn take_up(self: &Arc<Self>, after: Option<MessageId>) -> Result<Option<MessageId>> {
        let now = self.now();
        let read = move |view: &View| view.some_live_messages(after, AT_ONCE);
        let (live, last) = self.store.read(read).await??;
        let (mut doubtful, longest) = (0, self.settings().retry.max);
        for mut m in live {
            // What another host has on the air is that host's own.
            let elsewhere = self.fleet.is_some() && m.modem.as_deref().is_some_and(|name| !self.owns(name));
            if m.status == MessageStatus::Sending && !elsewhere {
                let settle = self.noting(move |mv| {
                    mv.found_on_air(&m)?;
                    let settled = mv.settle(m.id, &Event::FoundSending, None)?;
                    settled.states.iter().for_each(|m| mv.then(Effect::Message(m.clone())));
                    Ok(settled)
                });
                let (mut settled, _) = self.store.transact(settle).await?.both()?;
                let Some(found) = settled.states.pop() else { continue };
                m = found;
                doubtful += 1;
            }
            if m.status == MessageStatus::Queued {
                let recipient = self.recipient(&m.to);
                // No wait is longer than it was made, whatever is on disk.
                if m.due_at.since(now.steady()) > longest {
                    m.due_at = now.steady();
                }
                locked(&self.queue).push(&m, recipient, vec![], now.steady());
            }
        }
        if doubtful > 0 {
            tracing::warn!(
                messages = doubtful,
                "{doubtful} messages were on the air when the daemon stopped: each goes out again as its own twin, marked so that the \
                 network can drop it"
            );
        }
        Ok(last)
    }
}
