//! Whether the store still works. A failure stays: after a failed write nobody knows what the disk holds, and no
//! later success may hide it.

use tokio::sync::watch;

use super::StoreError;

/// What becomes known of the store while it is open.
pub(super) struct Health {
    /// The first failure, if there was one.
    cause: watch::Sender<Option<StoreError>>,
    /// Whether every record was looked at.
    looked: watch::Sender<bool>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self { cause: watch::Sender::new(None), looked: watch::Sender::new(false) }
    }

    /// Notes a failure and tells whoever watches. Answers the first one: it is the cause.
    pub(super) fn fail(&self, error: StoreError) -> StoreError {
        self.cause.send_if_modified(|cause| {
            let first = cause.is_none();
            cause.get_or_insert_with(|| error.clone());
            first
        });
        self.check().err().unwrap_or(error)
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.cause.borrow().clone().map_or(Ok(()), Err)
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<StoreError>> {
        self.cause.subscribe()
    }

    /// Every record was looked at.
    pub(super) fn set_looked(&self) {
        self.looked.send_replace(true);
    }

    pub(super) fn watch_look(&self) -> watch::Receiver<bool> {
        self.looked.subscribe()
    }
}
