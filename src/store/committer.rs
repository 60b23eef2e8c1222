//! The thread that owns all writes: runs moves in order, commits a group of them at once, answers after that.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::engine::{Engine, Overlay};
use super::health::Health;

/// Moves in one commit.
const GROUP: usize = 256;

/// Runs a move over an engine and what its group wrote so far, to which it adds; or passes on why it cannot.
pub(super) type Run =
    Box<dyn FnOnce(Result<(&dyn Engine, &mut Overlay), StoreError>) -> Result<(), StoreError> + Send>;

/// Work for the committer.
pub(super) enum Job {
    /// Run it; answer when what it wrote is durable.
    Move { run: Run, answer: oneshot::Sender<Result<(), StoreError>> },
    /// Give every commit from now on to `to` as well, until nobody takes it.
    Record { to: std::sync::mpsc::Sender<Overlay>, begun: oneshot::Sender<()> },
    /// End after everything before.
    Close(oneshot::Sender<()>),
}

pub(super) struct Committer {
    engine: Arc<dyn Engine>,
    jobs: mpsc::Receiver<Job>,
    health: Arc<Health>,
    recorders: Vec<std::sync::mpsc::Sender<Overlay>>,
}

impl Committer {
    pub(super) fn new(engine: Arc<dyn Engine>, jobs: mpsc::Receiver<Job>, health: Arc<Health>) -> Self {
        Self { engine, jobs, health, recorders: Vec::new() }
    }

    /// Ends when it is told to, or when no store is left to ask.
    pub(super) fn run(mut self) {
        let mut close = None;
        while let Some(first) = self.jobs.blocking_recv() {
            close = self.group(first);
            if close.is_some() {
                break;
            }
        }
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

    /// Runs and commits what waits. Answers whom to tell of the end, if it was asked for.
    fn group(&mut self, first: Job) -> Option<oneshot::Sender<()>> {
        let mut overlay = Overlay::new();
        let mut answers = Vec::new();
        let mut close = None;
        let mut next = Some(first);
        // No timer: while one group is synced, the next one gathers in the channel.
        while let Some(job) = next.take() {
            match job {
                Job::Move { run, answer } => {
                    let outcome = run(self.health.check().map(|()| (&*self.engine, &mut overlay)));
                    answers.push((answer, outcome));
                }
                Job::Record { to, begun } => {
                    self.recorders.push(to);
                    // Who asked may have gone.
                    let _ = begun.send(());
                }
                Job::Close(done) => {
                    close = Some(done);
                    break;
                }
            }
            if answers.len() < GROUP {
                next = self.jobs.try_recv().ok();
            }
        }
        let committed = if overlay.is_empty() { Ok(()) } else { self.commit(overlay) };
        for (answer, outcome) in answers {
            // Nobody waits any more: the move holds all the same.
            let _ = answer.send(outcome.and_then(|()| committed.clone()));
        }
        close
    }

    fn commit(&mut self, changes: Overlay) -> Result<(), StoreError> {
        let copy = if self.recorders.is_empty() { None } else { Some(changes.clone()) };
        self.guarded(|engine| engine.commit(changes))?;
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
            .map_err(|error| self.health.fail(error))
    }
}
