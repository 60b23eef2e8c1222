//! The one that owns all writes: runs moves in order, commits a group of them at once, answers after that. On a thread
//! of its own, since a commit waits for the disk; over an engine that never waits, on a task.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::ahead::Rehearsed;
use super::engine::{Engine, Overlay};
use super::health::Health;
use super::listed::{Changed, Listed};
use super::{StoreError, journal};
use crate::clock::Clock;
use crate::prometheus::Histogram;

/// Moves in one commit.
const GROUP: usize = 256;
/// Moves that are read ahead for at once.
const AT_ONCE: usize = 64;
/// Octets of changes after which a commit takes no more moves.
const ENOUGH: usize = 256 * 1024;
/// The most octets that one move may change, so that its commit fits into the journal.
pub(super) const LARGEST_MOVE: usize = journal::LARGEST - ENOUGH;
/// How often to look for room while moves wait for it.
const LOOK: Duration = Duration::from_millis(100);

/// Runs a move over an engine and what its group wrote so far, to which it adds; or passes on why it cannot.
pub(super) type Run =
    Box<dyn FnOnce(Result<(&dyn Engine, &mut Written), StoreError>) -> Result<(), StoreError> + Send>;

/// What the moves of a commit wrote.
#[derive(Default)]
pub(super) struct Written {
    pub(super) changes: Overlay,
    pub(super) octets: usize,
}

/// Work for the committer.
pub(super) enum Job {
    /// Run it; answer when what it wrote is durable.
    Move { run: Run, answer: oneshot::Sender<Outcome>, asks: Asks },
    /// Give every commit from now on to `to` as well, until nobody takes it.
    Record { to: std::sync::mpsc::Sender<Overlay>, begun: oneshot::Sender<()> },
    /// End after everything before.
    Close(oneshot::Sender<()>),
}

/// What a move asks of the committer.
#[derive(Default)]
pub(super) struct Asks {
    /// What is read before it runs.
    pub(super) ahead: Rehearsed,
    /// It waits while the disk is full.
    pub(super) patient: bool,
}

pub(super) struct Committer {
    engine: Arc<dyn Engine>,
    jobs: mpsc::Receiver<Job>,
    health: Arc<Health>,
    listed: Arc<Listed>,
    commits: Arc<Histogram>,
    recorders: Vec<std::sync::mpsc::Sender<Overlay>>,
    /// Patient moves, in order, while the disk is full.
    waiting: VecDeque<(Run, oneshot::Sender<Outcome>)>,
}

/// Whether a move ran, and then whether it is durable.
pub(super) type Outcome = Result<(), StoreError>;

/// Moves that ran and are committed together.
struct Group {
    written: Written,
    answers: Vec<(oneshot::Sender<Outcome>, Outcome)>,
    close: Option<oneshot::Sender<()>>,
}

impl Committer {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        jobs: mpsc::Receiver<Job>,
        health: Arc<Health>,
        listed: Arc<Listed>,
        commits: Arc<Histogram>,
    ) -> Self {
        Self { engine, jobs, health, listed, commits, recorders: Vec::new(), waiting: VecDeque::new() }
    }

    /// Works on this thread. Ends when it is told to, or when no store is left to ask.
    pub(super) fn run(mut self) {
        loop {
            let first = if self.waiting.is_empty() {
                let Some(first) = self.jobs.blocking_recv() else { break };
                Some(first)
            } else {
                match self.jobs.try_recv() {
                    Ok(first) => Some(first),
                    Err(TryRecvError::Disconnected) => break,
                    Err(TryRecvError::Empty) => {
                        std::thread::sleep(LOOK);
                        None
                    }
                }
            };
            let group = self.gather(first);
            if let Some(close) = self.settle(group) {
                return self.end(Some(close));
            }
        }
        self.end(None);
    }

    /// The same as a task; each commit takes `sync`.
    pub(super) async fn run_as_task(mut self, sync: Duration) {
        loop {
            let first = if self.waiting.is_empty() {
                let Some(first) = self.jobs.recv().await else { break };
                Some(first)
            } else {
                match tokio::time::timeout(LOOK, self.jobs.recv()).await {
                    Ok(Some(first)) => Some(first),
                    Ok(None) => break,
                    Err(_) => None,
                }
            };
            let group = self.gather(first);
            if !sync.is_zero() {
                tokio::time::sleep(sync).await;
            }
            if let Some(close) = self.settle(group) {
                return self.end(Some(close));
            }
        }
        self.end(None);
    }

    fn end(mut self, close: Option<oneshot::Sender<()>>) {
        self.jobs.close();
        if let Err(e) = self.guarded(|engine| engine.finish()) {
            tracing::error!("closing the store: {e}");
        }
        // Whoever closes may open the same folder again as soon as it hears.
        drop(self.engine);
        if let Some(done) = close {
            let _ = done.send(());
        }
    }

    /// Runs what waits.
    fn gather(&mut self, first: Option<Job>) -> Group {
        let mut group = Group { written: Written::default(), answers: Vec::new(), close: None };
        let ready = self.ready();
        if !ready.as_ref().is_err_and(StoreError::passes) {
            for (run, answer) in std::mem::take(&mut self.waiting) {
                self.take(run, answer, true, &ready, &mut group);
            }
        }
        let mut next: Vec<_> = first.into_iter().collect();
        // No timer: while one group is synced, the next one gathers in the channel.
        while !next.is_empty() {
            self.read_ahead(&mut next);
            for job in next.drain(..) {
                match job {
                    Job::Move { run, answer, asks } => {
                        self.take(run, answer, asks.patient, &ready, &mut group);
                    }
                    Job::Record { to, begun } => {
                        self.recorders.push(to);
                        // Who asked may have gone.
                        let _ = begun.send(());
                    }
                    Job::Close(done) => {
                        group.close = Some(done);
                        return group;
                    }
                }
            }
            if group.answers.len() < GROUP && group.written.octets < ENOUGH {
                next.extend(self.jobs.try_recv());
            }
        }
        group
    }

    /// Has a far engine read at once what these jobs and those behind them ask for.
    fn read_ahead(&mut self, next: &mut Vec<Job>) {
        if !self.engine.is_far() {
            return;
        }
        let behind = std::iter::from_fn(|| self.jobs.try_recv().ok());
        next.extend(behind.take(AT_ONCE.saturating_sub(next.len())));
        let mut keys = Rehearsed::default();
        for job in next {
            if let Job::Move { asks, .. } = job {
                keys.join(std::mem::take(&mut asks.ahead));
            }
        }
        self.engine.read_ahead(&keys);
    }

    /// Whether what moves write can be committed.
    fn ready(&self) -> Result<(), StoreError> {
        self.health.check()?;
        match catch_unwind(AssertUnwindSafe(|| self.engine.prepare())) {
            Ok(Err(why)) if why.passes() => Err(why),
            Ok(outcome) => outcome.map_err(|error| self.health.fail(error)),
            Err(_) => Err(self.health.fail(StoreError::Failed("writing panicked".to_owned()))),
        }
    }

    /// Runs a move into a group. Without room a patient one waits, and any other is done if it writes nothing.
    fn take(
        &mut self,
        run: Run,
        answer: oneshot::Sender<Outcome>,
        patient: bool,
        ready: &Outcome,
        group: &mut Group,
    ) {
        let outcome = match ready {
            Ok(()) => run(Ok((&*self.engine, &mut group.written))),
            Err(why) if patient && why.passes() => return self.waiting.push_back((run, answer)),
            Err(StoreError::NoRoom) => {
                let mut written = Written::default();
                let ran = run(Ok((&*self.engine, &mut written)));
                ran.and(if written.changes.is_empty() { Ok(()) } else { Err(StoreError::NoRoom) })
            }
            Err(why) => run(Err(why.clone())),
        };
        group.answers.push((answer, outcome));
    }

    /// Commits a group and answers. Tells whom to tell of the end, if it was asked for.
    fn settle(&mut self, group: Group) -> Option<oneshot::Sender<()>> {
        let Group { written: Written { changes, .. }, answers, close } = group;
        let committed = if changes.is_empty() {
            self.engine.release();
            Ok(())
        } else {
            self.commit(changes)
        };
        for (answer, outcome) in answers {
            // Nobody waits any more: the move holds all the same.
            let _ = answer.send(outcome.and_then(|()| committed.clone()));
        }
        close
    }

    fn commit(&mut self, changes: Overlay) -> Result<(), StoreError> {
        let copy = if self.recorders.is_empty() { None } else { Some(changes.clone()) };
        let (clock, listed) = (Clock::system(), Changed::of(&changes));
        let began = clock.monotonic();
        self.guarded(|engine| engine.commit(changes))?;
        self.commits.observe(clock.monotonic().saturating_duration_since(began));
        self.listed.change(listed);
        if let Some(copy) = copy {
            self.recorders.retain(|to| to.send(copy.clone()).is_ok());
        }
        Ok(())
    }

    /// Writes; after a failure never again.
    fn guarded(&self, write: impl FnOnce(&dyn Engine) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.health.check()?;
        // sled panics on some damage; without this the daemon would go on without a committer.
        catch_unwind(AssertUnwindSafe(|| write(&*self.engine)))
            .unwrap_or_else(|_| Err(StoreError::Failed("writing panicked".to_owned())))
            .map_err(
                |error| if matches!(error, StoreError::Away(_)) { error } else { self.health.fail(error) },
            )
    }
}
