//! What must survive: verifications, messages, received messages, opt-outs, limits, idempotency keys, the names of
//! SIMs and their ledgers, the trail of events, in sled.
//!
//! The only room that names sled. Every table is declared once, in `tables`. One thread owns all writes: it runs
//! moves in order, each over everything before it, appends what a group of them wrote to the journal, makes that
//! durable with one `fdatasync` and only then answers. A full journal goes to sled as one batch. sled 0.34's `flush`
//! is no fsync on Linux, so an `fdatasync` follows it before the journal is emptied; the room repairs a torn snapshot
//! that would keep sled from opening, checks every record at the start, and knows by a high-water mark when
//! acknowledged commits are missing.
//!
//! ```
//! use smsotpd::store::{Records as _, Store};
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = Store::in_memory();
//! store.transact(|tx| tx.put_meta("greeting", b"hello")).await.unwrap();
//! let read = store.read(|view| view.meta("greeting")).await.unwrap().unwrap();
//! assert_eq!(read.as_deref(), Some(&b"hello"[..]));
//! # });
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

mod ahead;
mod anew;
mod backup;
mod committer;
mod content;
mod disk;
mod engine;
mod events;
mod former;
mod health;
mod hosts;
mod inbound;
mod journal;
mod keyring;
mod keys;
mod layered;
mod listed;
mod look;
mod memory;
mod names;
mod open;
mod others;
mod outline;
mod postgres;
mod record;
mod records;
mod repair;
mod reports;
mod room;
mod sealed;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod tree;
mod tx;
mod windows;

pub use ahead::Rehearsed;
pub use backup::{RestoreError, Restored, restore, restore_postgres};
pub use engine::{Engine, Order, Overlay, Pair, Told};
pub use events::EventRecords;
pub use hosts::HostRecords;
pub use inbound::InboxRecords;
pub use keyring::{KeyRecords, Keyring, Turned};
pub use memory::Memory;
pub use names::{KnownSim, NameRecords};
pub use open::{OpenError, Options};
pub use others::Others;
pub use postgres::{DatabaseUrl, Survey};
pub use records::{Answered, Idempotency, Records};
pub use reports::{HeldKey, ReportRecords};
pub use room::is_full;
pub use sealed::SealedAnew;
pub use tx::{Tx, View};
pub use windows::WindowRecords;

use committer::{Asks, Committer, Job, LARGEST_MOVE, Written};
use health::Health;
use listed::{Changed, Listed};
use postgres::Postgres;

use crate::prometheus::Histogram;
use crate::random::Random;
use crate::secret::{Key, Master};

/// Jobs that may wait for the committer.
const BACKLOG: usize = 1024;
/// The bounds of what a commit takes, in seconds.
const COMMITS: &[f64] = &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];

/// The store: cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    jobs: mpsc::Sender<Job>,
    engine: RwLock<Option<Arc<dyn Engine>>>,
    reads: Reads,
    failed: watch::Receiver<Option<StoreError>>,
    looked: watch::Receiver<bool>,
    listed: Arc<Listed>,
    /// What others committed, until somebody takes it.
    others: Mutex<Option<mpsc::UnboundedReceiver<Others>>>,
    /// How long the engine took for each commit.
    commits: Arc<Histogram>,
    /// What seals and finds what names a person, once it is known.
    key: Arc<RwLock<Option<Key>>>,
}

/// Where the engine is read.
#[derive(Clone, Copy)]
enum Reads {
    /// By whoever asks: it never waits.
    AtOnce,
    /// It may wait for the disk.
    OnAThread,
}

/// Why a move did not happen, or is not known to have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk: from here on nothing is written any more.
    #[error("{0}; repair the disk, then restart the daemon")]
    Failed(String),
    /// What it holds is not what was written, as the look at everything found while it was served.
    #[error("{0}")]
    Damaged(String),
    /// The disk is full: it was not done, and may be asked for again.
    #[error("the disk is full; free space on it, and the daemon goes on by itself")]
    NoRoom,
    /// The database cannot be reached: whether it was done is not known, and it may be asked for again.
    #[error("the database cannot be reached ({0}); the daemon goes on by itself when it is back")]
    Away(String),
    /// What others committed is not all known here any more: a start reads everything anew.
    #[error("{0}; the daemon starts anew")]
    Behind(String),
    /// Another daemon has the name of this one's host.
    #[error("{0}")]
    Taken(String),
    /// A record that is not what was written.
    #[error("the {kind} record {key} is damaged: {why}; restore a backup")]
    Corrupt {
        /// What it is.
        kind: &'static str,
        /// Its key, in hexadecimal.
        key: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The move was taken back.
    #[error("the change was not made: {0}")]
    Aborted(&'static str),
    /// The move was taken back: one of its records, or all together, are larger than they may be.
    #[error("a record is too large, or all records of one request together")]
    TooLarge,
    /// Too many moves wait.
    #[error("too many requests wait for the disk; try again")]
    Full,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether it passes by itself.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::NoRoom | Self::Away(_))
    }

    /// Whether a start cures it.
    pub const fn is_cured_by_a_start(&self) -> bool {
        self.passes() || matches!(self, Self::Behind(_))
    }
}

/// The engine of a database alone, as [`Store::open_postgres`] has it. Blocks; it may be called from no task of a runtime.
pub fn database(url: &DatabaseUrl, host: &str) -> Result<Arc<dyn Engine>, OpenError> {
    Ok(Arc::new(Postgres::open(url, host, Arc::new(Health::new()))?))
}

impl Store {
    /// Opens or makes the store in `dir`. Blocks: it may read all of it.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        let health = Arc::new(Health::new());
        let disk = Arc::new(open::disk(dir, options, &health)?);
        Ok(Self::on_a_thread(disk, health))
    }

    /// Opens the database that several hosts share, under a name that no other live daemon has. Blocks.
    pub fn open_postgres(url: &DatabaseUrl, host: &str) -> Result<Self, OpenError> {
        let health = Arc::new(Health::new());
        let database = Arc::new(Postgres::open(url, host, Arc::clone(&health))?);
        Ok(Self::on_a_thread(database, health))
    }

    /// A store that lives in memory: the same moves without a disk.
    pub fn in_memory() -> Self {
        let health = Arc::new(Health::new());
        health.set_looked();
        let store = Self::on_a_thread(Arc::new(Memory::default()), health);
        // Until it is given another.
        store.set_key(Key::from_bytes(*Master::drawn(&Random::system()).expose()));
        store
    }

    fn on_a_thread(engine: Arc<dyn Engine>, health: Arc<Health>) -> Self {
        let (store, committer) = Self::new(engine, health, Reads::OnAThread);
        let begin = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
            thread.expect("a process that cannot start a second thread cannot serve");
        };
        begin("committer", Box::new(move || committer.run()));
        let (listed, shared) = (Arc::clone(&store.0.listed), Arc::downgrade(&store.0));
        begin("outlines", Box::new(move || listed.keep(|| shared.upgrade()?.view())));
        store
    }

    /// A store over an engine that never waits; each commit takes `sync` of tokio's time. Starts a task, no thread.
    pub fn over(engine: Arc<dyn Engine>, sync: Duration) -> Self {
        let (store, committer) = Self::new(engine, Arc::new(Health::new()), Reads::AtOnce);
        tokio::spawn(committer.run_as_task(sync));
        store
    }

    fn new(engine: Arc<dyn Engine>, health: Arc<Health>, reads: Reads) -> (Self, Committer) {
        let (jobs, queue) = mpsc::channel(BACKLOG);
        let (failed, looked) = (health.watch(), health.watch_look());
        let listed = Arc::new(Listed::default());
        let commits = Arc::new(Histogram::new(COMMITS));
        let (tell, others) = mpsc::unbounded_channel();
        let lists = Arc::clone(&listed);
        engine.follow(Box::new(move |changes| {
            lists.change(Changed::of(changes));
            // Nobody is there to hear it once the store is closed.
            let _ = tell.send(Others::of(changes));
        }));
        let others = Mutex::new(Some(others));
        let committer =
            Committer::new(Arc::clone(&engine), queue, health, Arc::clone(&listed), Arc::clone(&commits));
        let (engine, key) = (RwLock::new(Some(engine)), Arc::default());
        (
            Self(Arc::new(Shared { jobs, engine, reads, failed, looked, listed, others, commits, key })),
            committer,
        )
    }

    fn set_key(&self, key: Key) {
        *self.0.key.write().unwrap_or_else(PoisonError::into_inner) = Some(key);
        // What has a number can be read from now on.
        self.0.listed.wake();
    }

    /// What a move asks for that finds nothing, where reading that ahead pays: it runs here, and what it writes goes
    /// nowhere.
    pub fn rehearse(&self, f: impl FnOnce(&mut Tx<'_>)) -> Rehearsed {
        let is_far = {
            let engine = self.0.engine.read().unwrap_or_else(PoisonError::into_inner);
            engine.as_ref().is_some_and(|engine| engine.is_far())
        };
        if is_far { Rehearsed::of(key_in(&self.0.key).as_ref(), f) } else { Rehearsed::default() }
    }

    /// Hands a move to the committer; it is refused when too many wait.
    pub fn begin<R: Send + 'static>(&self, f: impl FnOnce(&mut Tx<'_>) -> R + Send + 'static) -> Ticket<R> {
        self.begin_ahead(Rehearsed::default(), f)
    }

    /// The same for one that was rehearsed.
    pub fn begin_ahead<R: Send + 'static>(
        &self,
        ahead: Rehearsed,
        f: impl FnOnce(&mut Tx<'_>) -> R + Send + 'static,
    ) -> Ticket<R> {
        let (job, mut ticket) = job(Arc::clone(&self.0.key), f, Asks { ahead, patient: false });
        ticket.refusal = self.0.jobs.try_send(job).err().map(|e| match e {
            mpsc::error::TrySendError::Full(_) => StoreError::Full,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        });
        ticket
    }

    /// The same for the daemon's own work, which has nobody to tell to come back: it waits until others are done, and
    /// until the disk has room.
    pub async fn begin_in_turn<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Tx<'_>) -> R + Send + 'static,
    ) -> Ticket<R> {
        let (job, mut ticket) = job(Arc::clone(&self.0.key), f, Asks { patient: true, ..Asks::default() });
        ticket.refusal = self.0.jobs.send(job).await.err().map(|_| StoreError::Closed);
        ticket
    }

    /// A move, and its durability.
    pub async fn transact<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Tx<'_>) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        self.begin(f).done().await
    }

    /// Reads what is committed; from a disk on a thread that may block.
    pub async fn read<R: Send + 'static>(
        &self,
        f: impl FnOnce(&View) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let view = self.0.view().ok_or(StoreError::Closed)?;
        match self.0.reads {
            Reads::AtOnce => Ok(f(&view)),
            Reads::OnAThread => tokio::task::spawn_blocking(move || f(&view))
                .await
                .map_err(|e| StoreError::Failed(format!("a read ended early: {e}"))),
        }
    }

    /// Returns when the disk failed, and how.
    pub async fn failed(&self) -> StoreError {
        let mut failed = self.0.failed.clone();
        match failed.wait_for(Option::is_some).await.ok().and_then(|why| why.clone()) {
            Some(why) => why,
            // Closed in order: there is no failure to tell.
            None => std::future::pending().await,
        }
    }

    /// Returns when every record was looked at: in a small store that was so when it opened. The failure, if there is one.
    pub async fn looked(&self) -> Result<(), StoreError> {
        let mut looked = self.0.looked.clone();
        tokio::select! {
            biased;
            why = self.failed() => Err(why),
            // Nobody looks any more when the store is closed.
            done = looked.wait_for(|looked| *looked) => done.map(drop).map_err(|_| StoreError::Closed),
        }
    }

    /// What other hosts commit, in order: for the first who asks.
    pub fn others(&self) -> Option<mpsc::UnboundedReceiver<Others>> {
        self.0.others.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the disk has room for new work. Does not wait for the disk.
    pub fn room(&self) -> Result<(), StoreError> {
        let engine = self.0.engine.read().unwrap_or_else(PoisonError::into_inner);
        engine.as_ref().map_or(Ok(()), |engine| engine.room())
    }

    /// How many milliseconds the database's clock is ahead of this machine's time since boot, where several hosts share one.
    pub fn database_clock(&self) -> Option<Arc<AtomicI64>> {
        let engine = self.0.engine.read().unwrap_or_else(PoisonError::into_inner);
        engine.as_ref().and_then(|engine| engine.clock())
    }

    /// How long the engine took for each commit, in which many moves may be.
    pub fn commits(&self) -> &Histogram {
        &self.0.commits
    }

    /// Answers what was begun, then lets go of the files. Later moves are refused.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        self.0.listed.end();
        self.0.engine.write().unwrap_or_else(PoisonError::into_inner).take();
        if self.0.jobs.send(Job::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

impl Shared {
    /// What is committed, as long as the store is open.
    fn view(&self) -> Option<View> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner).clone();
        Some(View::new(engine?, Arc::clone(&self.listed), key_in(&self.key)))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.listed.end();
    }
}

fn key_in(held: &RwLock<Option<Key>>) -> Option<Key> {
    held.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Runs a move: all of its writes join the group's, or none.
fn execute<R>(
    engine: &dyn Engine,
    group: &mut Written,
    key: Option<&Key>,
    f: impl FnOnce(&mut Tx<'_>) -> R,
) -> Result<R, StoreError> {
    let mut tx = Tx::new(engine, &group.changes, key);
    let result =
        catch_unwind(AssertUnwindSafe(|| f(&mut tx))).map_err(|_| StoreError::Aborted("it panicked"));
    let written = tx.finish();
    let (result, written) = (result?, written?);
    let octets = journal::octets(&written);
    if octets > LARGEST_MOVE {
        return Err(StoreError::TooLarge);
    }
    group.octets += octets;
    group.changes.extend(written);
    Ok(result)
}

/// A move on its way.
#[must_use]
pub struct Ticket<R> {
    result: oneshot::Receiver<Result<R, StoreError>>,
    durable: oneshot::Receiver<Result<(), StoreError>>,
    refusal: Option<StoreError>,
}

/// A move for the committer, and its ticket.
fn job<R: Send + 'static>(
    key: Arc<RwLock<Option<Key>>>,
    f: impl FnOnce(&mut Tx<'_>) -> R + Send + 'static,
    asks: Asks,
) -> (Job, Ticket<R>) {
    let (executed, result) = oneshot::channel();
    let (answer, durable) = oneshot::channel();
    let run = Box::new(move |over: Result<(&dyn Engine, &mut Written), StoreError>| {
        let done = over.and_then(|(engine, group)| execute(engine, group, key_in(&key).as_ref(), f));
        let outcome = done.as_ref().map(|_| ()).map_err(Clone::clone);
        // Nobody waits any more: the move holds all the same.
        let _ = executed.send(done);
        outcome
    });
    (Job::Move { run, answer, asks }, Ticket { result, durable, refusal: None })
}

impl<R: Send + 'static> Ticket<R> {
    /// What the move gave, when it is durable.
    pub async fn done(self) -> Result<R, StoreError> {
        let (executed, durable) = self.split();
        // The later answer first: the task wakes once instead of twice.
        let durable = durable.await;
        let result = executed.await?;
        durable.map(|()| result)
    }

    /// The two halves: what the move gave, right after it ran and before it is durable, and the moment at which
    /// it is. Nothing of the first may leave the daemon before the second.
    pub fn split(
        self,
    ) -> (
        impl Future<Output = Result<R, StoreError>> + Send + 'static,
        impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) {
        let (result, durable, refusal) = (self.result, self.durable, self.refusal);
        let executed = async move {
            match refusal {
                Some(e) => Err(e),
                None => result.await.unwrap_or(Err(StoreError::Closed)),
            }
        };
        (executed, async move { durable.await.unwrap_or(Err(StoreError::Closed)) })
    }
}
