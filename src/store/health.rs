//! Whether the store still works. A failure stays: after a failed write nobody knows what the disk holds, and no
//! later success may hide it.

use tokio::sync::watch;

use super::StoreError;

/// The first failure, if there was one.
pub(super) struct Health(watch::Sender<Option<StoreError>>);

impl Health {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Notes a failure and tells whoever watches. Answers the first one: it is the cause.
    pub(super) fn fail(&self, error: StoreError) -> StoreError {
        self.0.send_if_modified(|cause| {
            let first = cause.is_none();
            cause.get_or_insert_with(|| error.clone());
            first
        });
        self.check().err().unwrap_or(error)
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.0.borrow().clone().map_or(Ok(()), Err)
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<StoreError>> {
        self.0.subscribe()
    }
}
