//! Whether the store still works. A failure stays: after a failed write nobody knows what the disk holds, and no
//! later success may hide it.

use tokio::sync::watch;

use super::StoreError;

/// The first failure, if there was one.
pub(super) struct Health(watch::Sender<Option<String>>);

impl Health {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Notes a failure and tells whoever watches. Answers the first one: it is the cause.
    pub(super) fn fail(&self, error: StoreError) -> StoreError {
        self.0.send_if_modified(|cause| {
            let first = cause.is_none();
            cause.get_or_insert_with(|| match &error {
                StoreError::Failed(why) => why.clone(),
                error => error.to_string(),
            });
            first
        });
        self.check().err().unwrap_or(error)
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &*self.0.borrow() {
            Some(why) => Err(StoreError::Failed(why.clone())),
            None => Ok(()),
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<String>> {
        self.0.subscribe()
    }
}
