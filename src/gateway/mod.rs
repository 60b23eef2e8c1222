//! The use cases that the API offers and modems feed: issue, check, resend, cancel, send, received, reported,
//! recover; opt-outs; the workers that carry messages to modems through the [`Submit`] trait; events.
//!
//! This room knows no HTTP, no serial port and no AT command. A worked example is the test `one_code` in
//! `gateway/tests/mod.rs`: a gateway over a store in memory and a modem that is a few lines of test.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use tokio::sync::{Notify, mpsc};

use crate::clock::{Clock, Timestamp};
use crate::id::{Ids, MessageId};
use crate::outbox::{self, Avoid, Circuit, Message, Pool};
use crate::phone::PhoneNumber;
use crate::secret::{Key, Secret};
use crate::store::{Store, StoreError};

mod air;
mod error;
mod events;
mod inbound;
mod intake;
mod keeper;
mod lint;
mod message;
mod metrics;
mod moment;
mod moves;
mod opt_out;
mod piece;
mod recoveries;
mod reports;
mod request;
mod settings;
mod sims;
mod submit;
#[cfg(test)]
mod tests;
mod twin;
mod verify;
mod view;
mod worker;

pub use crate::outbox::{Condition, SimNames};
pub use error::GatewayError;
pub(crate) use error::seconds;
pub use gsm_modem::{Counters, Part, Recorded, Snapshot, State as ModemState, UssdAnswer};
pub use lint::lint;
pub use request::{Caller, InboxFilter, IssueRequest, MessageFilter, SendRequest};
pub use settings::Settings;
pub use submit::{Control, ControlError, Gate, Outcome, Readiness, Submit};
pub use view::{
    CheckView, Event, EventKind, Gap, InboxView, MessageView, ModemView, OptOutView, Page, QueueView,
    RecoveryView, StatusView, Subscription, VerificationView,
};

/// Pieces of a backup that wait for whoever takes it.
const BACKUP_PIECES: usize = 4;

/// The gateway: cheap to clone, one for the whole daemon.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    store: Store,
    key: Key,
    ids: Ids,
    clock: Clock,
    started_at: Timestamp,
    settings: RwLock<Arc<Settings>>,
    /// What waits, and the modems by their place in `slots`.
    queue: Mutex<Pool>,
    slots: Vec<Slot>,
    expiries: Mutex<keeper::Expiries>,
    /// Something earlier than `keeper_at` waits for its time.
    keeper: Notify,
    /// Until when the keeper sleeps, in milliseconds; zero while it looks.
    keeper_at: AtomicU64,
    events: events::Events,
    metrics: metrics::Metrics,
    stopping: AtomicBool,
    stopped: Notify,
    /// What goes into a backup beside the store: the installation's key, when it is kept with the state.
    attached: OnceLock<Secret<Vec<u8>>>,
}

/// A modem and what its worker knows.
struct Slot {
    modem: Arc<dyn Submit>,
    /// The pool has a message for it, or it should look around.
    wake: Notify,
    /// Locked before `Inner::queue`, where both are.
    sending: Mutex<Option<air::OnAir>>,
    /// The send that ended unknown: a late answer is credited to its message.
    doubt: Mutex<air::Doubt>,
    /// When its last fault was seen.
    moment: moment::Moment,
    sent: AtomicU64,
    failed: AtomicU64,
}

/// Locks, also behind a thread that panicked: the values in these locks are whole at every step.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<StoreError> for GatewayError {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Closed => Self::ShuttingDown,
            StoreError::Full => Self::QueueFull,
            e => Self::Storage(e.to_string()),
        }
    }
}

impl Gateway {
    /// Takes up what the store holds: queued messages wait again, one that was on the air is in doubt and goes
    /// out once more as its own twin, verifications run out in time. Nothing is sent before [`Gateway::run`].
    pub async fn open(
        store: Store,
        key: Key,
        clock: Clock,
        settings: Settings,
        modems: Vec<Arc<dyn Submit>>,
    ) -> Result<Self, GatewayError> {
        let now = clock.now();
        let rules = modems.iter().map(|m| (m.name().to_owned(), settings.rules(m.name())));
        let pool = Pool::new(settings.min_life, settings.breaker, rules);
        let slots = modems.into_iter().map(Slot::new).collect();
        let gateway = Self(Arc::new(Inner {
            queue: Mutex::new(pool),
            settings: RwLock::new(Arc::new(settings)),
            store,
            ids: Ids::new(key.random().clone()),
            key,
            started_at: now,
            slots,
            expiries: Mutex::default(),
            keeper: Notify::new(),
            keeper_at: AtomicU64::new(0),
            events: events::Events::new(now),
            metrics: metrics::Metrics::default(),
            stopping: AtomicBool::new(false),
            stopped: Notify::new(),
            attached: OnceLock::new(),
            clock,
        }));
        gateway.0.recover().await?;
        Ok(gateway)
    }

    /// Carries messages until [`Gateway::stop`]: a worker for each modem, and one keeper of times.
    pub async fn run(&self) {
        let mut tasks = tokio::task::JoinSet::new();
        for slot in 0..self.0.slots.len() {
            let inner = Arc::clone(&self.0);
            tasks.spawn(async move { inner.work(slot).await });
        }
        let inner = Arc::clone(&self.0);
        tasks.spawn(async move { inner.keep().await });
        while tasks.join_next().await.is_some() {}
    }

    /// Takes no new work; [`Gateway::run`] returns when every message on the air has its outcome on disk.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
        self.0.stopped.notify_waiters();
        self.0.keeper.notify_one();
        for slot in &self.0.slots {
            slot.wake.notify_one();
        }
    }

    /// Replaces what a reload may change. The queue's `min_life` holds for messages queued from now on.
    pub fn reload(&self, settings: Settings) {
        locked(&self.0.queue).set_rules(settings.min_life, settings.breaker, |name| settings.rules(name));
        *self.0.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        self.0.keeper.notify_one();
        for slot in &self.0.slots {
            slot.wake.notify_one();
        }
    }

    /// The version, what waits, and the modems by state.
    pub fn status(&self) -> StatusView {
        let mut modems: Vec<(ModemState, usize)> = Vec::new();
        for state in self.0.slots.iter().map(|s| s.modem.facts().state) {
            match modems.iter_mut().find(|(known, _)| *known == state) {
                Some((_, n)) => *n += 1,
                None => modems.push((state, 1)),
            }
        }
        let (otp, text, delayed) = locked(&self.0.queue).depths();
        let sending = self.0.slots.iter().filter(|s| locked(&s.sending).is_some()).count();
        StatusView {
            uptime: self.0.clock.now().since(self.0.started_at),
            queue: QueueView { otp, text, delayed, sending },
            modems,
        }
    }

    /// Whether at least one modem can send: it works, and its breaker is not open.
    pub fn ready(&self) -> bool {
        let now = self.0.clock.now();
        self.0.slots.iter().enumerate().any(|(i, slot)| {
            matches!(slot.modem.facts().state, ModemState::Ready | ModemState::Busy)
                && !matches!(locked(&self.0.queue).condition(i, now).circuit, Circuit::Open { .. })
        })
    }

    /// The modems, in the order of the configuration.
    pub fn modems(&self) -> Vec<ModemView> {
        (0..self.0.slots.len()).map(|i| self.0.modem_view(i)).collect()
    }

    /// One modem.
    pub fn modem(&self, name: &str) -> Result<ModemView, GatewayError> {
        self.0.index(name).map(|i| self.0.modem_view(i))
    }

    /// The last lines that went over a modem's port, masked, the oldest first.
    pub async fn trace(&self, name: &str) -> Result<Vec<Recorded>, GatewayError> {
        Ok(self.0.slot(name)?.modem.trace().await)
    }

    /// An operator's command to a modem; the network's answer to a USSD request comes back.
    pub async fn control(&self, name: &str, control: Control) -> Result<Option<UssdAnswer>, GatewayError> {
        let index = self.0.index(name)?;
        let seen_to = matches!(control, Control::Resume | Control::Reset);
        let answer = self.0.slots[index].modem.control(control);
        let answer = answer.await.map_err(|e| match e {
            ControlError::Conflict(why) | ControlError::Failed(why) => GatewayError::Conflict(why),
        })?;
        if seen_to {
            locked(&self.0.queue).try_now(index, self.0.clock.now());
            self.0.keeper.notify_one();
        }
        Ok(answer)
    }

    /// A modem's state or facts changed: tells those who follow.
    pub fn modem_changed(&self, name: &str) {
        if let Ok(index) = self.0.index(name) {
            self.0.publish_modem(index);
        }
    }

    /// A modem is well again: counts it and tells those who follow.
    pub fn modem_recovered(&self, name: &str, recovery: RecoveryView) {
        if let Ok(index) = self.0.index(name) {
            self.0.metrics.recoveries.count(name, recovery);
            let kind = EventKind::Recovered(self.0.modem_view(index), recovery);
            self.0.events.publish(self.0.clock.now(), kind);
        }
    }

    /// The events after `after` that are still kept, and every later one.
    pub fn subscribe(&self, after: Option<u64>) -> Subscription {
        self.0.events.subscribe(after)
    }

    /// Has `octets` go into every backup; they come back from the store's `restore`.
    pub fn attach_to_backups(&self, octets: Secret<Vec<u8>>) {
        // The first ones stay.
        let _ = self.0.attached.set(octets);
    }

    /// A backup of everything, as it is when the last piece was given, while the work goes on.
    pub fn back_up(&self) -> mpsc::Receiver<Result<Vec<u8>, GatewayError>> {
        let (sink, pieces) = mpsc::channel(BACKUP_PIECES);
        let (inner, (to_us, mut from_store)) = (Arc::clone(&self.0), mpsc::channel(BACKUP_PIECES));
        tokio::spawn(async move { inner.store.back_up(inner.attached.get().cloned(), to_us).await });
        tokio::spawn(async move {
            while let Some(piece) = from_store.recv().await {
                if sink.send(piece.map_err(GatewayError::from)).await.is_err() {
                    return;
                }
            }
        });
        pieces
    }

    /// The metrics as Prometheus text.
    pub fn metrics(&self) -> String {
        self.0.metrics.render(&self.status(), &self.modems())
    }
}

/// What an open breaker has to tell a person.
fn breaker_error(condition: &Condition) -> Option<String> {
    let why = &condition.why;
    match condition.circuit {
        Circuit::Closed => None,
        Circuit::Open { until } => {
            Some(format!("no messages until {until}, after failures in a row; the last: {why}"))
        }
        Circuit::HalfOpen => {
            Some(format!("the next message is a trial, after failures in a row; the last: {why}"))
        }
    }
}

impl Slot {
    fn new(modem: Arc<dyn Submit>) -> Self {
        Self {
            modem,
            wake: Notify::new(),
            sending: Mutex::new(None),
            doubt: Mutex::default(),
            moment: moment::Moment::default(),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }
}

impl Inner {
    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn index(&self, name: &str) -> Result<usize, GatewayError> {
        let found = self.slots.iter().position(|s| s.modem.name() == name);
        found.ok_or(GatewayError::NotFound("modem of this name"))
    }

    fn slot(&self, name: &str) -> Result<&Slot, GatewayError> {
        self.index(name).map(|i| &self.slots[i])
    }

    fn modem_view(&self, index: usize) -> ModemView {
        let slot = &self.slots[index];
        let name = slot.modem.name();
        let mut facts = slot.modem.facts();
        let now = self.clock.now();
        let (queue, condition) = {
            let pool = locked(&self.queue);
            (pool.pinned_to(name), pool.condition(index, now))
        };
        let told = |at| slot.moment.tell(at, now, self.clock.monotonic());
        let mut last_error_at = facts.last_error.as_ref().and(facts.last_error_at).map(told);
        if let Some(why) = breaker_error(&condition) {
            facts.last_error = Some(why);
            last_error_at = condition.failed_at;
        }
        ModemView {
            name: name.to_owned(),
            facts,
            last_error_at,
            queue: queue + usize::from(locked(&slot.sending).is_some()),
            sent_total: slot.sent.load(Ordering::Relaxed),
            failed_total: slot.failed.load(Ordering::Relaxed),
            condition,
        }
    }

    /// Refuses new work while the daemon stops or too much waits.
    fn admit(&self) -> Result<(), GatewayError> {
        if self.stopping.load(Ordering::SeqCst) {
            return Err(GatewayError::ShuttingDown);
        }
        if locked(&self.queue).len() >= self.settings().max_pending {
            return Err(GatewayError::QueueFull);
        }
        Ok(())
    }

    /// A message on disk joins the queue, or goes to a modem that waits.
    fn enqueue(&self, m: &Message, avoid: Avoid) {
        let now = self.clock.now();
        let recipient = self.recipient(&m.to);
        self.with_pool(|pool| pool.push(m, recipient, avoid, now));
    }

    /// Does something with the pool; wakes the modem that it gives a message to, and the keeper when something
    /// has to be looked at earlier than it knows.
    fn with_pool(&self, change: impl FnOnce(&mut Pool) -> Option<usize>) {
        let (given, look_at) = {
            let mut pool = locked(&self.queue);
            (change(&mut pool), pool.next_wake())
        };
        if let Some(modem) = given {
            self.slots[modem].wake.notify_one();
        }
        self.keep_by(look_at);
    }

    /// The keeper has something to do at `at`.
    fn keep_by(&self, at: Option<Timestamp>) {
        let until = self.keeper_at.load(Ordering::SeqCst);
        if at.is_some_and(|at| until == 0 || at.as_millis() < until) {
            self.keeper.notify_one();
        }
    }

    /// A number as the ledgers of SIMs know it: without the key it cannot be told from the hash.
    fn recipient(&self, to: &PhoneNumber) -> u64 {
        let hash = self.key.hash(&[b"recipient", to.as_str().as_bytes()]);
        hash.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets))
    }

    fn publish_modem(&self, index: usize) {
        self.events.publish(self.clock.now(), EventKind::Modem(self.modem_view(index)));
    }

    fn publish_message(&self, m: &Message) {
        self.metrics.message(m.status);
        self.events.publish(self.clock.now(), EventKind::Message(MessageView::from(m)));
    }

    fn publish_verification(&self, what: &'static str, view: &VerificationView) {
        self.metrics.verification(what);
        self.events.publish(self.clock.now(), EventKind::Verification(what, view.clone()));
    }

    /// One event of one message, written down; nothing when its state does not take it.
    async fn happened(&self, id: MessageId, event: outbox::Event) -> Result<Option<Message>, GatewayError> {
        let (now, retry) = (self.clock.now(), self.settings().retry);
        let m = self.store.transact(move |tx| moves::happened(tx, id, event, &retry, now)).await??;
        if let Some(m) = &m {
            self.publish_message(m);
        }
        Ok(m)
    }
}
