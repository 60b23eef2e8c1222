//! The engine of several hosts: one table of keys and values in PostgreSQL, and one turn.
//!
//! A group of moves holds the turn, a lock on one row, while it runs. The alternative would be serializable transactions
//! that are run again after a conflict; but a move runs once, and every issue changes the same records (the total of all
//! limits, the end of the trail), so two hosts would always conflict. The turn is what those conflicts come to.
//!
//! What others committed is read from a table of the last minutes' commits, before each turn and when the database tells
//! of it. While the database is away everything here says so at once and goes on by itself when it is back.

use std::ops::Range;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::StoreError;
use super::ahead::Rehearsed;
use super::engine::{Engine, Order, Overlay, Pair, Told};
use super::health::Health;
use super::open::OpenError;

mod apart;
mod cache;
mod fault;
mod follow;
mod link;
mod listen;
mod name;
mod reading;
mod schema;
mod survey;
mod turn;
mod url;

pub(super) use apart::Filling;
pub use survey::Survey;
pub use url::DatabaseUrl;

use fault::Fault;
use follow::Follower;
use link::{LIMIT, Link, Way, within};
use reading::Reader;
use turn::{Writer, Writing};

/// How long a name may be held by a daemon that ends, or whose host was lost.
const NAME: Duration = Duration::from_secs(15);

/// A database that is shared with other hosts.
pub(super) struct Postgres {
    inner: Arc<Inner>,
    writer: Mutex<Writer>,
    runtime: Arc<Own>,
}

/// What the listener shares with the readers and the committer.
struct Inner {
    base: Base,
    follower: Follower,
    reader: Reader,
    health: Arc<Health>,
}

/// Which database it is, and who asks.
struct Base {
    way: Way,
    host: String,
    fleet: schema::Fleet,
    /// How many milliseconds the database's clock is ahead of this machine's time since boot.
    ahead: Arc<AtomicI64>,
}

impl Base {
    /// A connection to the same database as before.
    async fn connect(&self) -> Result<Link, Fault> {
        let link = self.way.connect().await?;
        if within(LIMIT, schema::look(&link)).await? != self.fleet {
            return Err(Fault::Broken("it is another database than the one that was opened".to_owned()));
        }
        Ok(link)
    }
}

/// The runtime of the connections, which ends with the engine, wherever that is dropped.
struct Own(Option<Runtime>);

impl Own {
    fn new() -> std::io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .thread_name("database")
            .enable_all()
            .build()
            .map(|runtime| Self(Some(runtime)))
    }

    /// Waits on the calling thread, which runs no tasks.
    fn block<T>(&self, work: impl Future<Output = T>) -> T {
        // It is taken only when this is dropped.
        let runtime = self.0.as_ref().expect("the runtime lives as long as its owner");
        runtime.block_on(work)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Postgres {
    /// Opens the database under a host's name, and makes the tables when there are none.
    pub(super) fn open(url: &DatabaseUrl, host: &str, health: Arc<Health>) -> Result<Self, OpenError> {
        Self::open_within(url, host, health, NAME)
    }

    pub(super) fn open_within(
        url: &DatabaseUrl,
        host: &str,
        health: Arc<Health>,
        patience: Duration,
    ) -> Result<Self, OpenError> {
        let runtime = Own::new().map_err(|source| OpenError::Io { path: url.to_string().into(), source })?;
        let opened = runtime.block(async {
            let way = Way::to(url)?;
            let heard = Arc::clone(&way.heard);
            let link = way.first().await?;
            within(LIMIT, schema::make(&link)).await?;
            let fleet = within(LIMIT, schema::look(&link)).await?;
            name::take(&link, host, &way.session, patience).await?;
            let writing = within(LIMIT, Writing::prepare(link)).await?;
            let base = Base { way, host: host.to_owned(), fleet, ahead: Arc::default() };
            let ear = listen::Ear::open(&base).await?;
            ear.read_clock(&base).await?;
            let follower = Follower::from(ear.last().await?);
            let inner = Arc::new(Inner { base, follower, reader: Reader::default(), health });
            tokio::spawn(listen::listen(Arc::downgrade(&inner), heard));
            Ok::<_, Fault>((inner, writing))
        });
        let (inner, writing) = opened.map_err(|fault| fault.at_start(url))?;
        inner.health.set_looked();
        Ok(Self { inner, writer: Mutex::new(Writer::new(writing)), runtime: Arc::new(runtime) })
    }

    fn with_writer<T>(&self, work: impl AsyncFnOnce(&mut Writer, &Inner) -> T) -> T {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.runtime.block(work(&mut writer, &self.inner))
    }
}

impl Engine for Postgres {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Inner { base, reader, .. } = &*self.inner;
        self.runtime.block(reader.load(base, key)).map_err(Fault::while_open)
    }

    fn load_in_turn(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.with_writer(async |writer, inner| writer.load(&inner.follower, key).await);
        read.map_or_else(|| self.load(key), |read| read.map_err(Fault::while_open))
    }

    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError> {
        let Inner { base, reader, .. } = &*self.inner;
        self.runtime.block(reader.chunk(base, range, order, limit)).map_err(Fault::while_open)
    }

    fn prepare(&self) -> Result<(), StoreError> {
        self.with_writer(async |writer, inner| writer.prepare(&inner.base, &inner.follower).await)
            .map_err(Fault::while_open)
    }

    fn is_far(&self) -> bool {
        true
    }

    fn read_ahead(&self, keys: &Rehearsed) {
        self.with_writer(async |writer, inner| writer.read_ahead(&inner.follower, keys).await);
    }

    fn room(&self) -> Result<(), StoreError> {
        self.inner.base.way.last().map_err(Fault::while_open)
    }

    fn commit(&self, changes: Overlay) -> Result<(), StoreError> {
        if changes.is_empty() {
            self.release();
            return Ok(());
        }
        self.with_writer(async |writer, inner| writer.commit(&inner.base, &inner.follower, changes).await)
    }

    fn release(&self) {
        self.with_writer(async |writer, _| writer.release().await);
    }

    fn follow(&self, told: Told) {
        self.inner.follower.follow(told);
    }

    fn snapshot(&self) -> Result<Option<Arc<dyn Engine>>, StoreError> {
        let snapshot = apart::Apart::snapshot(&self.inner.base, &self.runtime).map_err(Fault::while_open)?;
        Ok(Some(Arc::new(snapshot)))
    }

    fn clock(&self) -> Option<Arc<AtomicI64>> {
        Some(Arc::clone(&self.inner.base.ahead))
    }

    fn finish(&self) -> Result<(), StoreError> {
        self.with_writer(async |writer, _| writer.end().await);
        Ok(())
    }
}
