//! What the use cases have at hand: the store, the pool, the modems, and who is told of what happens. They stand on
//! this file, and it uses none of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use tokio::sync::Notify;

use super::air::{Doubt, OnAir};
use super::canary::Canaries;
use super::clocks::Clocks;
use super::error::{GatewayError, Result};
use super::events::Events;
use super::expiries::Expiries;
use super::key_home::KeyHome;
use super::lock::locked;
use super::log_filter::LogFilter;
use super::membership::Fleet;
use super::metrics::Metrics;
use super::moment::Moment;
use super::pace::{Pace, Refusals};
use super::settings::Settings;
use super::submit::Submit;
use super::view::ModemView;
use crate::clock::{Now, Steady};
use crate::id::{Ids, MessageId};
use crate::outbox::{Asker, Circuit, Condition, Message, Overload, Pool};
use crate::phone::PhoneNumber;
use crate::secret::Key;
use crate::store::{SealedAnew, Store};

/// The gateway: cheap to clone, one for the whole daemon.
#[derive(Clone)]
pub struct Gateway(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) key: Key,
    pub(super) ids: Ids,
    pub(super) clocks: Clocks,
    pub(super) started_at: Steady,
    pub(super) settings: RwLock<Arc<Settings>>,
    /// What waits, and the modems by their place in `slots`.
    pub(super) queue: Mutex<Pool>,
    pub(super) slots: Vec<Slot>,
    /// When the pending verifications end.
    pub(super) expiries: Mutex<Expiries>,
    /// Up to which live message the queue was taken up, while it is not all there.
    pub(super) taken_up: Mutex<Option<MessageId>>,
    /// This host among others, when the store is shared.
    pub(super) fleet: Option<Fleet>,
    /// Something earlier than `keeper_at` waits for its time.
    pub(super) keeper: Notify,
    /// Until when the keeper sleeps, in milliseconds; zero while it looks.
    pub(super) keeper_at: AtomicU64,
    pub(super) events: Events,
    /// What was refused of late.
    pub(super) refusals: Mutex<Refusals>,
    pub(super) metrics: Metrics,
    pub(super) canaries: Canaries,
    pub(super) stopping: AtomicBool,
    /// Where the installation's key is kept.
    pub(super) home: OnceLock<Arc<dyn KeyHome>>,
    /// The daemon's log.
    pub(super) log: OnceLock<Arc<dyn LogFilter>>,
    /// Held alone while the key is replaced, and with others while a backup is taken: a backup has one key.
    pub(super) turning: Arc<tokio::sync::RwLock<()>>,
    /// How far all is sealed anew.
    pub(super) sealing: Mutex<Sealing>,
}

/// How far all is sealed anew.
#[derive(Debug, Clone, Default)]
pub(super) struct Sealing {
    /// Since the last rotation, or the start.
    pub(super) anew: SealedAnew,
    /// Which rotation it is of, once it has begun.
    pub(super) of: Option<u32>,
}

impl Sealing {
    /// How many records were sealed anew, and how many no key opens.
    pub(super) const fn counts(&self) -> (u64, u64) {
        (self.anew.count, self.anew.damaged)
    }
}

/// A modem and what its worker knows.
pub(super) struct Slot {
    pub(super) modem: Arc<dyn Submit>,
    /// The pool has a message for it, or it should look around.
    pub(super) wake: Notify,
    /// Locked before `Inner::queue`, where both are.
    pub(super) sending: Mutex<Option<OnAir>>,
    /// The message whose send ended, until that is on disk.
    pub(super) ended: Mutex<Option<MessageId>>,
    /// The send that ended unknown: a late answer is credited to its message.
    pub(super) doubt: Mutex<Doubt>,
    /// When its last fault was seen.
    pub(super) moment: Moment,
    /// How often it was told of.
    pub(super) pace: Mutex<Pace>,
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
}

impl Slot {
    pub(super) fn new(modem: Arc<dyn Submit>) -> Self {
        Self {
            modem,
            wake: Notify::new(),
            sending: Mutex::new(None),
            ended: Mutex::default(),
            doubt: Mutex::default(),
            moment: Moment::default(),
            pace: Mutex::default(),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }
}

impl Inner {
    /// The present, by both clocks.
    pub(super) fn now(&self) -> Now {
        self.clocks.now()
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn index(&self, name: &str) -> Result<usize> {
        let found = self.slots.iter().position(|s| s.modem.name() == name);
        found.ok_or(GatewayError::NotFound("modem of this name"))
    }

    pub(super) fn slot(&self, name: &str) -> Result<&Slot> {
        self.index(name).map(|i| &self.slots[i])
    }

    pub(super) fn modem_view(&self, index: usize) -> ModemView {
        let slot = &self.slots[index];
        let name = slot.modem.name();
        let mut facts = slot.modem.facts();
        let now = self.now();
        let (queue, condition) = {
            let pool = locked(&self.queue);
            (pool.pinned_to(name), pool.condition(index, now.steady()))
        };
        let told = |at| slot.moment.tell(at, now.wall(), self.clocks.clock().monotonic());
        let mut last_error_at = facts.last_error.as_ref().and(facts.last_error_at).map(told);
        if let Some(why) = breaker_error(&condition, now) {
            facts.last_error = Some(why);
            last_error_at = condition.failed_at.map(|at| now.told(at));
        }
        ModemView {
            name: name.to_owned(),
            facts,
            last_error_at,
            queue: queue + usize::from(locked(&slot.sending).is_some()),
            sent_total: slot.sent.load(Ordering::Relaxed),
            failed_total: slot.failed.load(Ordering::Relaxed),
            condition,
            canary: self.canaries.view(name, now.steady()),
            rules: self.settings().rules(name),
        }
    }

    /// Refuses new work while the daemon stops, the disk is full or too much waits.
    pub(super) fn admit(&self) -> Result<()> {
        if self.stopping.load(Ordering::SeqCst) {
            return Err(GatewayError::ShuttingDown);
        }
        self.store.room()?;
        if locked(&self.queue).len() >= self.settings().max_pending {
            return Err(GatewayError::QueueFull);
        }
        Ok(())
    }

    /// Lets a code in for which the modems have the time, and keeps its place in the queue. Called within the move that
    /// makes it, before anything is counted or written, so that no two codes are let in for one place.
    pub(super) fn admit_code(&self, m: &Message, asker: &Asker, now: Now) -> Result<()> {
        let recipient = self.recipient(&m.to);
        let (admitted, look_at) = {
            let mut pool = locked(&self.queue);
            (pool.admit(m, asker, recipient, now.steady()), pool.next_wake())
        };
        self.keep_by(look_at);
        admitted.map_err(|overload| {
            self.metrics.overload();
            overloaded(overload)
        })
    }

    /// Whether it would be let in at this moment; no place is kept.
    pub(super) fn would_admit_code(&self, m: &Message, asker: &Asker, now: Now) -> Result<()> {
        let recipient = self.recipient(&m.to);
        let admitted = locked(&self.queue).would_admit(m, asker, recipient, now.steady());
        admitted.map_err(overloaded)
    }

    /// Does something with the pool; wakes the modem that it gives a message to, and the keeper when something
    /// has to be looked at earlier than it knows.
    pub(super) fn with_pool(&self, change: impl FnOnce(&mut Pool) -> Option<usize>) {
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
    pub(super) fn keep_by(&self, at: Option<Steady>) {
        let until = self.keeper_at.load(Ordering::SeqCst);
        if at.is_some_and(|at| until == 0 || at.as_millis() < until) {
            self.keeper.notify_one();
        }
    }

    /// A number as the ledgers of SIMs know it: without the key it cannot be told from the hash.
    pub(super) fn recipient(&self, to: &PhoneNumber) -> u64 {
        let hash = self.key.hash(&[b"recipient", to.as_str().as_bytes()]);
        hash.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets))
    }

    /// When an event that was held back is to be written at the earliest.
    pub(super) fn held_until(&self) -> Option<Steady> {
        let paces = self.slots.iter().filter_map(|slot| locked(&slot.pace).next()).min();
        locked(&self.refusals).next().into_iter().chain(paces).min()
    }

    /// The keeper looks at what is held back when its time comes.
    pub(super) fn keep_refusals(&self) {
        self.keep_by(self.held_until());
    }
}

fn overloaded(Overload { retry_after }: Overload) -> GatewayError {
    GatewayError::Overloaded { retry_after }
}

/// What an open breaker has to tell a person.
fn breaker_error(condition: &Condition, now: Now) -> Option<String> {
    let why = &condition.why;
    match condition.circuit {
        Circuit::Closed => None,
        Circuit::Open { until } => {
            let until = now.told(until);
            Some(format!("no messages until {until}, after failures in a row; the last: {why}"))
        }
        Circuit::HalfOpen => {
            Some(format!("the next message is a trial, after failures in a row; the last: {why}"))
        }
    }
}
