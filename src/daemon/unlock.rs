//! The store meets its key. The check value that the store has of its key says which of the files is that key, so that a
//! rotation may break off anywhere; a store that has records gets no other key and no new one.

use std::sync::Mutex;

use super::StartError;
use super::key::{self, KeyError, Place};
use crate::gateway::KeyHome;
use crate::random::Random;
use crate::secret::{Key, Master};
use crate::store::{KeyRecords as _, Keyring, Store, StoreError};

/// The key of a store.
pub(super) struct Unlocked {
    pub(super) key: Key,
    /// The key that an operator put in its place, which is taken over before anything else.
    pub(super) next: Option<Master>,
}

/// Finds the key of a store, or makes it for one that has no records.
pub(super) async fn unlock(store: &Store, place: &Place) -> Result<Unlocked, StartError> {
    let (found, beside) = (place.read()?, place.read_beside()?);
    let known = store.read(|view| Ok::<_, StoreError>((view.keyring()?, view.has_records()?))).await;
    let (keyring, has_records) = known.flatten().map_err(damaged)?;
    let missing = || KeyError::Missing { path: place.path().to_owned() };
    let wrong = || KeyError::Wrong { path: place.path().to_owned() };
    let Some(keyring) = keyring else {
        let master = match found {
            None if has_records => return Err(missing().into()),
            None => {
                place.may_be_made()?;
                let master = Master::drawn(&Random::system());
                key::make(place.path(), &master)?;
                master
            }
            Some(master) => master,
        };
        return first(store, place, master, beside).await;
    };
    let is_own = |key: &Option<Master>| key.as_ref().filter(|key| keyring.is_of(key)).cloned();
    let (own, next) = match (is_own(&found), is_own(&beside)) {
        (Some(own), _) => {
            leave(place);
            (own, None)
        }
        (None, Some(own)) if matches!(place, Place::State(_)) => {
            tracing::info!("the key was being replaced when the daemon stopped: the new one takes its place");
            key::take_over(place)?;
            (own, None)
        }
        (None, Some(own)) => (own, found),
        (None, None) => return Err(if found.is_none() { missing() } else { wrong() }.into()),
    };
    let ring = keyring.open(&own).map_err(|e| StartError::Keyring(e.to_string()))?;
    Ok(Unlocked { key: Key::new(own, ring), next })
}

/// A store of before, or a new one, gets the check value of its key.
async fn first(
    store: &Store,
    place: &Place,
    master: Master,
    former: Option<Master>,
) -> Result<Unlocked, StartError> {
    let fits = async |master: &Master| {
        let key = Key::from_bytes(*master.expose());
        store.read(move |view| view.is_of(&key)).await.flatten().map_err(damaged)
    };
    let (own, next) = if fits(&master).await? {
        (master, None)
    } else {
        match former {
            Some(former) if !matches!(place, Place::State(_)) && fits(&former).await? => {
                (former, Some(master))
            }
            _ => return Err(KeyError::Wrong { path: place.path().to_owned() }.into()),
        }
    };
    let keyring = Keyring::first(&own);
    let is_first = store.transact(move |tx| {
        // Another host may have been faster.
        let is_first = tx.keyring()?.is_none();
        if is_first {
            tx.put_keyring(&keyring)?;
        }
        Ok::<_, StoreError>(is_first)
    });
    if !is_first.await.flatten().map_err(damaged)? {
        return Err(KeyError::Wrong { path: place.path().to_owned() }.into());
    }
    Ok(Unlocked { key: Key::from_bytes(*own.expose()), next })
}

/// A key beside the right one is of no use any more.
fn leave(place: &Place) {
    let beside = place.beside();
    match place {
        // A rotation broke off before it counted.
        Place::State(_) => drop(std::fs::remove_file(beside)),
        _ if beside.exists() => {
            tracing::warn!("the former key {} is of no use any more: remove it", beside.display());
        }
        _ => {}
    }
}

fn damaged(e: StoreError) -> StartError {
    if e.is_cured_by_a_start() { StartError::NotNow(e) } else { StartError::Keyring(e.to_string()) }
}

/// The place of a key, for the gateway.
pub(super) struct Home {
    place: Place,
    /// A key that counts stands beside the former one still.
    left_beside: Mutex<bool>,
}

impl Home {
    pub(super) fn new(place: Place) -> Self {
        Self { place, left_beside: Mutex::default() }
    }

    fn left_beside(&self) -> std::sync::MutexGuard<'_, bool> {
        self.left_beside.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl KeyHome for Home {
    fn kind(&self) -> &'static str {
        match self.place {
            Place::Credential(_) => "credential",
            Place::Configured(_) => "file",
            Place::State(_) => "state",
        }
    }

    fn is_in_state(&self) -> bool {
        matches!(self.place, Place::State(_))
    }

    fn put_beside(&self, next: &Master) -> Result<(), String> {
        let (path, beside) = (self.place.path().display(), self.place.beside());
        match self.place {
            Place::State(_) => {
                if *self.left_beside() {
                    self.take_over()?;
                }
                key::write(&beside, next).map_err(|e| format!("the new key {}: {e}", beside.display()))
            }
            Place::Configured(_) => Err(format!(
                "the key is secret_key_file, which its operator replaces: stop the daemon, mv {path} {0}, make a \
                 new one with umask 077; head -c 32 /dev/urandom > {path}, give both to the daemon's user, start \
                 it, and remove {0} when `smsotp key status` tells of one more rotation",
                beside.display()
            )),
            Place::Credential(_) => Err(
                "the key is a credential, which its operator replaces: give the unit the new key as the credential \
                 smsotpd.key and the former one as smsotpd.key.old, restart it, and take smsotpd.key.old away when \
                 `smsotp key status` tells of one more rotation"
                    .to_owned(),
            ),
        }
    }

    fn take_over(&self) -> Result<(), String> {
        *self.left_beside() = true;
        key::take_over(&self.place).map_err(|e| e.to_string())?;
        *self.left_beside() = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::store::{KeyRecords, Memory};

    #[tokio::test]
    async fn of_two_hosts_that_begin_at_once_one_gives_the_key() {
        let first = Memory::default();
        let second = first.beside();
        let (first, second) =
            (Store::over(Arc::new(first), Duration::ZERO), Store::over(Arc::new(second), Duration::ZERO));
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [here, there] = folders.each_ref().map(|folder| Place::State(key::path(folder.path())));
        let (one, other) = tokio::join!(unlock(&first, &here), unlock(&second, &there));
        assert!(one.is_ok());
        assert!(matches!(other, Err(StartError::Key(KeyError::Wrong { .. }))));
        let keyring = second.read(KeyRecords::keyring).await.unwrap().unwrap().unwrap();
        assert!(keyring.is_of(&here.read().unwrap().unwrap()), "the first one's stays");
    }
}
