//! The modems of this daemon take turns at a port, so that a modem which asks a port for its identity does
//! not block the modem that owns the port.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// While this value exists, no other modem of this daemon opens the port.
#[derive(Debug)]
pub(crate) struct Turn {
    _held: OwnedMutexGuard<()>,
}

/// Waits for a turn at the port, first come first served.
pub(crate) async fn turn(port: &Path) -> Turn {
    static PORTS: Mutex<Option<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>> = Mutex::new(None);
    let real = port.canonicalize().unwrap_or_else(|_| port.to_owned());
    let lock = {
        let mut ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
        let ports = ports.get_or_insert_default();
        // No modem is at a port whose lock only the table holds.
        ports.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(ports.entry(real).or_default())
    };
    Turn { _held: lock.lock_owned().await }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_at_each_port() {
        let (port, another) = (Path::new("/nowhere/ttyUSB0"), Path::new("/nowhere/ttyUSB1"));
        let held = turn(port).await;
        drop(turn(another).await);
        let mut waiting = pin!(turn(port));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        drop(held);
        assert!(matches!(waiting.as_mut().poll(&mut context), Poll::Ready(_)));
    }
}
