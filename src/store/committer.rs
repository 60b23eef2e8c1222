//! The thread that owns all writes: runs moves in order, commits a group of them at once, answers after that.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::StoreError;
use super::engine::{Engine, Overlay};
use super::tx::Tx;

/// Moves in one commit.
const GROUP: usize = 256;

/// Work for the committer.
pub(super) enum Job {
    /// Run it; answer when what it wrote is durable.
    Move {
        /// Tells false when it panicked: what it wrote is dropped.
        run: Box<dyn FnOnce(&mut Tx<'_>) -> bool + Send>,
        answer: oneshot::Sender<Result<(), StoreError>>,
    },
    /// End after everything before.
    Close(oneshot::Sender<()>),
}

pub(super) struct Committer {
    engine: Arc<dyn Engine>,
    jobs: mpsc::Receiver<Job>,
    failure: watch::Sender<Option<String>>,
    /// Commits so far, over all starts.
    sequence: u64,
}

impl Committer {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        jobs: mpsc::Receiver<Job>,
        failure: watch::Sender<Option<String>>,
    ) -> Self {
        let sequence = engine.sequence();
        Self { engine, jobs, failure, sequence }
    }

    pub(super) fn run(mut self) {
        while let Some(first) = self.jobs.blocking_recv() {
            let mut overlay = Overlay::new();
            let mut answers = Vec::new();
            let mut close = None;
            let mut next = Some(first);
            // No timer: while one group is flushed, the next one gathers in the channel.
            while let Some(job) = next.take() {
                match job {
                    Job::Move { run, answer } => {
                        self.execute(run, &mut overlay);
                        answers.push(answer);
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
            let outcome = self.commit(overlay);
            for answer in answers {
                // Nobody waits any more: the move holds all the same.
                let _ = answer.send(outcome.clone());
            }
            if let Some(done) = close {
                self.jobs.close();
                if let Err(e) = self.engine.finish() {
                    tracing::error!("closing the store: {e}");
                }
                drop(self.engine);
                let _ = done.send(());
                return;
            }
        }
    }

    fn execute(&self, run: Box<dyn FnOnce(&mut Tx<'_>) -> bool + Send>, overlay: &mut Overlay) {
        let mut written = Overlay::new();
        if run(&mut Tx::new(&*self.engine, overlay, &mut written)) {
            overlay.extend(written);
        }
    }

    fn commit(&mut self, overlay: Overlay) -> Result<(), StoreError> {
        if let Some(why) = self.failure.borrow().clone() {
            return Err(StoreError::Failed(why));
        }
        if overlay.is_empty() {
            return Ok(());
        }
        self.sequence += 1;
        let outcome = self.engine.commit(self.sequence, overlay.into_iter().collect());
        if let Err(e) = &outcome {
            // After a failed write nobody knows what the disk holds: no later success may hide it.
            self.failure.send_replace(Some(e.to_string()));
        }
        outcome
    }
}
