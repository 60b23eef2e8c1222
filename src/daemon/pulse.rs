//! The signs of life on which the watchdog's notifications depend: the API answers a question that needs the gateway's
//! locks, the store has a move behind it, and messages are carried.
//!
//! A runtime that turns proves little: a thread may wait for ever for a disk, and a task may have ended.

use std::path::Path;
use std::time::Duration;

use crate::api::client::{Call, Client, ClientError};
use crate::store::{Store, StoreError};

/// What shows no sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Still {
    /// No answer on the socket.
    #[error("the API does not answer")]
    Api,
    /// No move gets behind another.
    #[error("the store does not get on; does the disk hang?")]
    Store,
    /// The task ended.
    #[error("messages are not carried any more")]
    Dispatcher,
}

/// Whom to ask.
pub(super) struct Pulse(Client);

impl Pulse {
    pub(super) fn of(socket: &Path) -> Self {
        Self(Client::new(socket.to_owned()))
    }

    /// `carries`: whether the dispatcher runs.
    pub(super) async fn feel(&self, store: &Store, carries: bool, limit: Duration) -> Result<(), Still> {
        if !carries {
            return Err(Still::Dispatcher);
        }
        let committed = tokio::time::timeout(limit, store.transact(|_| ()));
        let client = self.0.clone().with_timeout(limit);
        let answered = client.call(Call::get("/v1/status"));
        let (committed, answered) = tokio::join!(committed, answered);
        match committed {
            // What fails is told in other ways; and where too many moves wait, they get on.
            Ok(
                Ok(())
                | Err(
                    StoreError::NoRoom
                    | StoreError::Away(_)
                    | StoreError::Full
                    | StoreError::Behind(_)
                    | StoreError::Taken(_)
                    | StoreError::Failed(_)
                    | StoreError::Closed,
                ),
            ) => {}
            Ok(Err(_)) | Err(_) => return Err(Still::Store),
        }
        match answered {
            Ok(_) => Ok(()),
            // Somebody removed the socket or closed it to this user, which a restart of the daemon may not cure.
            Err(ClientError::Unreachable { source, .. })
                if matches!(
                    source.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied
                ) =>
            {
                tracing::warn!("the socket cannot be reached: {source}");
                Ok(())
            }
            Err(_) => Err(Still::Api),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::Memory;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A socket on which somebody listens and nobody answers.
    fn deaf() -> (tempfile::TempDir, std::os::unix::net::UnixListener, Pulse) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        (folder, listener, Pulse::of(&path))
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_get_on_is_named() {
        let (folder, _listener, pulse) = deaf();
        let quick = Store::over(Arc::new(Memory::default()), Duration::from_millis(1));
        let slow = Store::over(Arc::new(Memory::default()), Duration::from_secs(3600));
        assert_eq!(pulse.feel(&quick, false, LIMIT).await, Err(Still::Dispatcher));
        assert_eq!(pulse.feel(&slow, true, LIMIT).await, Err(Still::Store));
        assert_eq!(pulse.feel(&quick, true, LIMIT).await, Err(Still::Api));
        // No socket is no reason to end a daemon that works.
        assert_eq!(Pulse::of(&folder.path().join("gone")).feel(&quick, true, LIMIT).await, Ok(()));
    }
}
